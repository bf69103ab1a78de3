"""What must always hold: each invariant is a function, and its docstring the sentence that it checks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._given_back import GIVEN_BACK_BY
from responders._governor import LEASE
from responders._sessions import CLEAN_UP
from shared.models.action import State, target_of
from shared.models.incident import Incident
from shared.models.plan import Plan, Verdict
from tests.simulation.invariants_of_live import OF_LIVE
from tests.simulation.invariants_of_more import GIVING_BACK, OF_MORE
from tests.simulation.invariants_of_orders import OF_ORDERS
from tests.simulation.invariants_of_telling import OF_TELLING
from tests.simulation.tenant_life import package_of

if TYPE_CHECKING:
    from datetime import datetime

    from tests.simulation.world import World

Invariant = Callable[["World"], Iterator[str]]
_SKEW = timedelta(seconds=1)
_LISTED = timedelta(seconds=175)
"""After which whoever looks sees a release: actions may be hidden for 100 seconds, and workers be slow."""


def assessed_at_its_last_version(world: World) -> Iterator[str]:
    """Every incident that Graph shows is assessed at its last version."""
    for incident in world.record.unassessed():
        yield f"incident {incident}"


def ends_or_waits(world: World) -> Iterator[str]:
    """Every planned action ends final, refused or waiting for a person, within the stated time after the trouble."""
    for action in world.record.actions():
        if not action.state.settled:
            yield f"{action.key} is {action.state}: {action.detail}"


def never_two_isolates(world: World) -> Iterator[str]:
    """An isolation of ours never meets another one of ours, pending or effective, on a device."""
    for effect in world.record.effects:
        if effect.kind == "Isolate" and ("PublicApi" in effect.rivals or effect.isolated_by_us):
            yield f"{effect.device[:8]} at {effect.at}: {effect.comment}"


def protected_is_never_isolated(world: World) -> Iterator[str]:
    """No device is isolated that carried a protecting tag for longer than the details of a device count as fresh."""
    for effect in world.record.effects:
        if effect.kind == "Isolate" and any(
            world.life.tagged_long(effect.device, tag, effect.at) for tag in world.protecting(effect)
        ):
            yield f"{effect.device[:8]} at {effect.at}"


def no_more_than_the_caps(world: World) -> Iterator[str]:
    """No cap is exceeded but by what people approve: per incident, hour and day, nor the share of the fleet held."""
    every = [effect for effect in world.record.effects if effect.kind == "Isolate"]
    ours = [effect for effect in every if not effect.approved]
    incidents: dict[str, set[str]] = defaultdict(set)
    for action in world.record.actions():
        sent = action.attempt and action.machine_action and not action.foreign and not action.joined
        if (
            action.responder == "isolate"
            and sent
            and not action.approved
            and action.state in {State.SUCCEEDED, State.ACCEPTED}
        ):
            incidents[action.incident].add(action.device)
    for incident, devices in incidents.items():
        if len(devices) > world.operators.allowed().per_incident:
            yield f"incident {incident}: {len(devices)} devices"
    for name, window in (("per_hour", timedelta(hours=1)), ("per_day", timedelta(days=1))):
        for last in ours:
            limit = getattr(world.operators.allowed(last), name)
            goals = {_goal(each.comment) for each in ours if last.at - window + _SKEW * 70 < each.at <= last.at}
            if len(goals) > limit:
                yield f"{len(goals)} isolations within {window} up to {last.at}"
    for effect in ours:
        held = world.operators.allowed(effect).fleet_share
        share = max(1, int(60 * held)) if held else 0
        if effect.held > share + len({each.device for each in every if each.approved and each.at <= effect.at}):
            yield f"{effect.held} devices held at {effect.at}, allowed {share}"


def _goal(comment: str) -> str:
    return comment.rpartition("/")[0]


def nothing_in_observe(world: World) -> Iterator[str]:
    """An instance that observes touches no device, but to give back what was taken as a person orders or approves."""
    for effect in world.record.effects:
        ordered = effect.kind in GIVING_BACK and effect.row and effect.row.approved
        if effect.mode != "respond" and not ordered:
            yield f"{effect.kind} on {effect.device[:8]} at {effect.at}"


def observing_leaves_no_rows(world: World) -> Iterator[str]:
    """A plan that was made while observing never becomes rows, whatever the mode is later."""
    for action in world.record.actions():
        if action.opened_by or action.responder == CLEAN_UP:
            continue
        plan = Plan.model_validate_json(world.documents.stored[f"{action.incident}/{action.version}/plan.json"])
        if plan.mode != "respond":
            yield action.key


def no_backlog_by_a_switch(world: World) -> Iterator[str]:
    """What was judged while observing is not contained by the switch to respond, without something new."""
    for (incident, device), (severity, alert, since) in world.record.observed.items():
        raw = world.tenant.incidents.raw(incident)
        if incident in world.life.merged:  # what it brought with it is something new
            continue
        if str(raw["severity"]) != severity or str(Incident.model_validate(raw).newest_alert) != alert:
            continue
        for effect in world.record.effects:
            named = (
                effect.kind == "Isolate"
                and not effect.approved
                and effect.device == device
                and f"incident {incident}." in effect.comment
            )
            if named and effect.at > since and not world.record.rows_before(incident, device, since):
                yield f"incident {incident}, device {device[:8]} at {effect.at}"


def no_documented_rate_exceeded(world: World) -> Iterator[str]:
    """No API is called more often than documented, in any window, by all instances together."""
    by_api: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for at, api, process in world.record.calls:
        by_api[api].append((at, process))
    rates = {(name, api): each.rate(api) for name, each in world.settings.items() for api in by_api}
    for api, calls in by_api.items():
        calls.sort()
        for place, (last, process) in enumerate(calls):
            for limit, seconds in rates[process, api]:
                if place >= limit and (last - calls[place - limit][0]).total_seconds() < seconds:
                    yield f"{api}: more than {limit} calls within {seconds} s up to {last}"


def no_retry_before_retry_after(world: World) -> Iterator[str]:
    """After a 429 that its worker could note at once, nobody calls the API before Retry-After but on older leases."""
    grace = timedelta(seconds=LEASE + 1)
    for at, api, wait, refused in world.record.throttles:
        if not world.record.heeded(at, refused):
            continue
        until = at + timedelta(seconds=wait) - _SKEW
        for called, other, process in world.record.calls:
            if other == api and at + grace < called < until:
                yield f"{api} at {called} by {process}, refused at {at} for {wait} s"


def containment_goes_first(world: World) -> Iterator[str]:
    """A device's package is not asked for while an isolation planned for it minutes before is still to be sent."""
    for effect in world.record.effects:
        if effect.kind == "CollectInvestigationPackage":
            incident = effect.comment.partition("incident ")[2].partition(".")[0]
            for key in effect.waiting:
                if key.startswith(f"action:{incident}:") and not world.record.patience_over(key, effect.at):
                    yield f"{effect.device[:8]} at {effect.at}: {key}"


def archived_whole_and_once(world: World) -> Iterator[str]:
    """Every archived artefact is whole, is what Defender handed out, and its hash is right."""
    for name, (stored, data) in world.evidence.stored.items():
        if hashlib.sha256(data).hexdigest() != stored.sha256 or len(data) != stored.size:
            yield f"{name}: hash or size"
    for action in world.record.actions():
        if action.responder != "collect_package" or action.state not in {State.SUCCEEDED, State.ELSEWHERE}:
            continue
        if not action.artefacts:
            yield f"{action.key}: done without artefacts"
        for artefact in action.artefacts:
            kept = world.evidence.stored.get(artefact.name)
            if kept is None or kept[0].sha256 != artefact.sha256:
                yield f"{artefact.name}: not there, or another hash"
        whole = package_of(action.device).read_bytes()
        if action.artefacts and hashlib.sha256(whole).hexdigest() != action.artefacts[0].sha256:
            yield f"{action.key}: not the package of its device"


def ours_is_ours(world: World) -> Iterator[str]:
    """An action is recorded as somebody else's exactly where Defender's own record lacks a marker of it."""
    for action in world.record.actions():
        if not action.machine_action:
            continue
        made = world.tenant.desk.one(action.machine_action, hidden=True)
        if action.foreign == (f"/{action.id}/" in made.comment):
            yield f"{action.key}: {'foreign' if action.foreign else 'ours'}, and the comment is {made.comment!r}"


def nothing_newer_is_lost(world: World) -> Iterator[str]:
    """What a newer version of the product writes into a row survives the older one's work on it during an update."""
    yield from world.versions.lost


def what_cannot_be_read_stops_nobody(world: World) -> Iterator[str]:
    """No timer of the older version ends early because of rows of a form that only the newer one can read."""
    yield from world.platform.stopped


def merged_is_carried_on(world: World) -> Iterator[str]:
    """What was done for an incident is not done again for the one that it was merged into, without something new; what
    undoes a containment follows that.
    """
    actions = world.record.actions()
    for target, source, at in world.record.absorbed():
        had = [each for each in actions if each.attempt and each.state is not State.UNAVAILABLE]  # may be had by now
        tried = [each for each in had if each.state is not State.WITHDRAWN or each.machine_action or each.doubtful]
        before = {(each.target, each.responder, each.goal): each for each in tried if each.incident == source}
        for action in actions:
            goal = (action.target, action.responder, action.goal)
            done = before.get(goal) if action.responder not in GIVEN_BACK_BY.values() else None
            # what was being planned while we learnt of it may not know
            if action.incident != target or done is None or action.created <= at + _SKEW * 75 or not action.attempt:
                continue
            newer = action.device_alert and done.device_alert and action.device_alert > done.device_alert
            if action.severity <= done.severity and not newer and done.created < at:
                yield f"{action.key}, which {done.key} did before"


def a_persons_release_stands(world: World) -> Iterator[str]:
    """A device that a person released is not isolated by us again without an alert created since."""
    for effect in world.record.effects:
        wanted = effect.row and effect.row.approved_at
        if effect.kind == "Isolate" and effect.stands_released and not wanted:
            yield f"{effect.device[:8]} at {effect.at}"


def who_is_attacked_again_is_contained_again(world: World) -> Iterator[str]:
    """A device that a person released in the portal and of which there is a new harmful alert since is contained again,
    or its isolation waits for a person, was refused or came to nothing, and says why.
    """
    if world.dangers.switches or world.dangers.observing:  # what came while observing calls for nothing
        return
    rows = [each for each in world.record.actions() if each.responder == "isolate"]
    for state in world.record.incidents():
        plan = world.record.plan(state)
        for device in plan.assessment.devices if plan and plan.assessment.verdict == Verdict.HARMFUL else ():
            freed = world.record.released_in_the_portal(device.id)
            asked = any(want.responder == "isolate" for want in device.wants)
            if not freed or not asked or not device.newest_alert or device.newest_alert <= freed + _LISTED:
                continue
            there = [each for each in rows if each.target == target_of(device.id)]
            met = [each for each in there if each.device_alert and each.device_alert >= device.newest_alert]
            if not met:  # else an older one, of which it is seen only now that it ended, says nothing
                met += [each for each in there if each.state is State.WAITING]
                met += [each for each in there if each.finished_at and each.finished_at >= device.newest_alert]
            done = any(each.state in {State.SUCCEEDED, State.ELSEWHERE} for each in met)
            if (done or not met) and not world.record.isolated_since(device.id, freed):
                yield f"{device.id[:8]}, released at {freed}, alert of incident {state.id} at {device.newest_alert}"


INVARIANTS: tuple[Invariant, ...] = (
    assessed_at_its_last_version,
    ends_or_waits,
    never_two_isolates,
    protected_is_never_isolated,
    no_more_than_the_caps,
    nothing_in_observe,
    observing_leaves_no_rows,
    no_backlog_by_a_switch,
    no_documented_rate_exceeded,
    no_retry_before_retry_after,
    containment_goes_first,
    archived_whole_and_once,
    ours_is_ours,
    a_persons_release_stands,
    nothing_newer_is_lost,
    what_cannot_be_read_stops_nobody,
    merged_is_carried_on,
    who_is_attacked_again_is_contained_again,
    *OF_MORE,
    *OF_TELLING,
    *OF_ORDERS,
    *OF_LIVE,
)
