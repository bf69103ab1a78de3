"""What must always hold: each invariant is a function, and its docstring the sentence that it checks.

It gives one text for each thing that it looked at: an empty one where that is as it must be, else what is wrong. So a
long run tells how much each of them looked at, and one that never looked at anything fails it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._given_back import GIVEN_BACK_BY
from responders._governor import LEASE
from responders._sessions import CLEAN_UP
from shared.models.action import State, target_of
from shared.models.plan import Plan, Verdict
from tests.simulation.invariants_of_archive import OF_ARCHIVE
from tests.simulation.invariants_of_containment import OF_CONTAINMENT
from tests.simulation.invariants_of_live import OF_LIVE
from tests.simulation.invariants_of_more import OF_MORE
from tests.simulation.invariants_of_orders import OF_ORDERS
from tests.simulation.invariants_of_plans import OF_PLANS
from tests.simulation.invariants_of_reading import OF_READING
from tests.simulation.invariants_of_telling import OF_TELLING

if TYPE_CHECKING:
    from datetime import datetime

    from shared.models.action import Action
    from tests.simulation.world import World

Invariant = Callable[["World"], Iterator[str]]
_SKEW = timedelta(seconds=1)
_LISTED = timedelta(seconds=175)
"""After which whoever looks sees a release: actions may be hidden for 100 seconds, and workers be slow."""


def assessed_at_its_last_version(world: World) -> Iterator[str]:
    """Every incident that Graph shows is assessed at its last version."""
    behind = world.record.unassessed()
    for incident in world.life.incidents:
        yield f"incident {incident}" if incident in behind else ""


def ends_or_waits(world: World) -> Iterator[str]:
    """Every planned action ends final, refused or waiting for a person, within the stated time after the trouble."""
    for action in world.record.actions():
        yield "" if action.state.settled else f"{action.key} is {action.state}: {action.detail}"


def observing_leaves_no_rows(world: World) -> Iterator[str]:
    """A plan that was made while observing never becomes rows, whatever the mode is later."""
    for action in world.record.actions():
        if action.opened_by or action.responder == CLEAN_UP:
            continue
        plan = Plan.model_validate_json(world.documents.stored[f"{action.incident}/{action.version}/plan.json"])
        yield action.key if plan.mode != "respond" else ""


RATES: dict[str, tuple[tuple[int, int], ...]] = {
    "incidents": ((50, 60),),
    "alerts": ((150, 60),),
    "hunting": ((45, 60),),
    "machines": ((100, 60), (1500, 3600)),
    "machine_actions": ((100, 60), (1500, 3600)),
    "isolate": ((100, 60), (1500, 3600)),
    "collect": ((100, 60), (1500, 3600)),
    "package_uri": ((2, 60), (120, 3600)),
    "live_response": ((10, 60),),
    "live_response_result": ((100, 60), (1500, 3600)),
    "library": ((100, 60), (1500, 3600)),
    "actions": ((100, 60), (1500, 3600)),
}
"""Calls and seconds as Microsoft documents them (for incidents, what the older API says), written down here anew:
what the product takes for documented must not be what it is measured by. Chat and downloads have no documented rate.
"""


def no_documented_rate_exceeded(world: World) -> Iterator[str]:
    """No API is called more often than documented, in any window, by all instances together."""
    by_api: dict[str, list[datetime]] = defaultdict(list)
    for at, api, _ in world.record.calls:
        by_api[api].append(at)
    for api, limits in RATES.items():
        times = sorted(by_api[api])
        for limit, seconds in limits:
            for first, last in zip(times, times[limit:], strict=False):
                more = (last - first).total_seconds() < seconds
                yield f"{api}: more than {limit} calls within {seconds} s up to {last}" if more else ""


def no_retry_before_retry_after(world: World) -> Iterator[str]:
    """After a 429 that its worker could write down, nobody calls the API before Retry-After but on older leases; nor
    does anybody begin to post the same message again.
    """
    for refusal in world.record.throttles:
        noted, until = refusal.noted, refusal.at + timedelta(seconds=refusal.wait) - _SKEW
        if noted is None or refusal.api == "downloads":
            continue
        if refusal.api == "chat":
            again = [at for at, text in world.record.posts if text == refusal.text and noted < at < until]
        else:
            since = noted + timedelta(seconds=LEASE + 1)
            again = [at for at, api in world.record.sent if api == refusal.api and since < at < until]
        said = f"{refusal.api} refused at {refusal.at} for {refusal.wait} s, called at"
        if refusal.api == "chat" or until > noted + timedelta(seconds=LEASE + 1):
            yield f"{said} {again[0]}" if again else ""


def containment_goes_first(world: World) -> Iterator[str]:
    """A device's package is not asked for while an isolation planned for it minutes before is still to be sent."""
    for effect in world.record.effects:
        if effect.kind == "CollectInvestigationPackage":
            incident = effect.comment.partition("incident ")[2].partition(".")[0]
            before = [key for key in effect.waiting if key.startswith(f"action:{incident}:")]
            early = [key for key in before if not world.record.patience_over(key, effect.at)]
            yield f"{effect.device[:8]} at {effect.at}: {early}" if early else ""


def ours_is_ours(world: World) -> Iterator[str]:
    """An action is recorded as somebody else's exactly where Defender's own record lacks a marker of it."""
    for action in world.record.actions():
        if not action.machine_action:
            continue
        made = world.tenant.desk.one(action.machine_action, hidden=True)
        wrong = action.foreign == (f"/{action.id}/" in made.comment)
        said = "foreign" if action.foreign else "ours"
        yield f"{action.key}: {said}, and the comment is {made.comment!r}" if wrong else ""


def nothing_newer_is_lost(world: World) -> Iterator[str]:
    """What a newer version of the product writes into a row survives the older one's work on it during an update."""
    yield from [""] * world.versions.handed_on
    yield from world.versions.lost


def what_cannot_be_read_stops_nobody(world: World) -> Iterator[str]:
    """No timer of the older version ends early because of rows of a form that only the newer one can read."""
    yield from [""] * (world.counters.calls["rows.query"] if world.versions.reformed else 0)
    yield from world.platform.stopped


def merged_is_carried_on(world: World) -> Iterator[str]:
    """What was done for an incident is not done again for the one that it was merged into, without something new, or
    unless it was given back of itself since, or was to be and is then found to stand; what undoes a containment follows
    that.
    """
    actions = world.record.actions()
    for target, source, at in world.record.absorbed():
        had = [each for each in actions if each.attempt and each.state is not State.UNAVAILABLE]  # may be had by now
        tried = [each for each in had if each.state is not State.WITHDRAWN or each.machine_action or each.doubtful]
        before = {(each.target, each.responder, each.goal): each for each in tried if each.incident == source}
        for goal, done in before.items():
            if done.responder in GIVEN_BACK_BY.values():
                continue
            # what was being planned while we learnt of it may not know
            later = [each for each in actions if each.incident == target and each.created > at + _SKEW * 75]
            same = [each for each in later if (each.target, each.responder, each.goal) == goal and each.attempt]
            again = [each for each in same if each.severity <= done.severity and not _newer(each, done)]
            again = [each for each in again if not _given_back(world, done, each, {target, source})]
            again = [each for each in again if not _was_to_be_given_back(world, done, each, {target, source})]
            twice = bool(again) and done.created < at
            yield f"{again[0].key}, which {done.key} did before" if twice else ""


def _given_back(world: World, done: Action, again: Action, of: set[str]) -> bool:
    """Whether what was done was undone without an order, for one of these incidents, before it was sent again."""
    back = GIVEN_BACK_BY.get(done.responder)
    undone = [each for each in world.record.effects if each.row and each.row.responder == back and each.incident in of]
    there = [each for each in undone if each.row and each.row.target == done.target and not each.row.approved]
    sent = [each.at for each in world.record.effects if each.row and each.row.key == again.key]
    return any(done.created < each.at < at for each in there for at in sent[:1])


def _was_to_be_given_back(world: World, done: Action, again: Action, of: set[str]) -> bool:
    """Whether what was done was about to be undone without an order, for one of these incidents, when it was asked for
    again; and nothing was sent then, since it stood still.
    """
    back = GIVEN_BACK_BY.get(done.responder)
    rows = [each for each in world.record.actions() if each.responder == back and each.incident in of]
    there = [each for each in rows if each.target == done.target and not each.approved]
    read = again.created - _SKEW * 75  # the rows, before the devices' details
    open_ = [each for each in there if not each.finished_at or each.finished_at > read]
    sent = any(each.row and each.row.key == again.key for each in world.record.effects)
    return not sent and any(done.created < each.created < again.created for each in open_)


def _newer(action: Action, done: Action) -> bool:
    return bool(action.device_alert and done.device_alert and action.device_alert > done.device_alert)


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
                since = [each for each in there if not each.accepted_at or each.accepted_at > freed]
                met += [each for each in since if each.finished_at and each.finished_at >= device.newest_alert]
            done = any(each.state in {State.SUCCEEDED, State.ELSEWHERE} for each in met)
            said = f"{device.id[:8]}, released at {freed}, alert of incident {state.id} at {device.newest_alert}"
            yield said if (done or not met) and not world.record.isolated_since(device.id, freed) else ""


INVARIANTS: tuple[Invariant, ...] = (
    assessed_at_its_last_version,
    ends_or_waits,
    observing_leaves_no_rows,
    no_documented_rate_exceeded,
    no_retry_before_retry_after,
    containment_goes_first,
    ours_is_ours,
    nothing_newer_is_lost,
    what_cannot_be_read_stops_nobody,
    merged_is_carried_on,
    who_is_attacked_again_is_contained_again,
    *OF_PLANS,
    *OF_CONTAINMENT,
    *OF_ARCHIVE,
    *OF_MORE,
    *OF_TELLING,
    *OF_READING,
    *OF_ORDERS,
    *OF_LIVE,
)
