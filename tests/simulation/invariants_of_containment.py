"""What must always hold of what takes something from a device: isolation, restriction, the end of a file.

Each invariant gives one text for each thing that it looked at: an empty one where that is as it must be.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.models.action import target_of
from shared.models.incident import Incident

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.tenant.actions import Action as MachineAction
    from shared.models.action import Action
    from tests.simulation.record import Cancelled, Effect
    from tests.simulation.world import World

TAKING = {"Isolate": "isolate", "RestrictCodeExecution": "restrict", "StopAndQuarantineFile": "stop_quarantine"}
"""What takes something from a device's user, and the responder that does it: protection and caps are of these."""

UNDONE_BY = {"Isolate": "Unisolate", "RestrictCodeExecution": "UnrestrictCodeExecution"}
"""What takes something until it is given back, and what gives it back."""

GIVING_BACK = frozenset(UNDONE_BY.values())
"""What undoes a containment."""

_ASKED_ONCE = {*TAKING, "CollectInvestigationPackage", "RunAntiVirusScan"}
_ASKED_BY = {
    **{kind: {responder} for kind, responder in TAKING.items()},
    "Unisolate": {"release"},
    "UnrestrictCodeExecution": {"unrestrict"},
    "CollectInvestigationPackage": {"collect_package"},
    "RunAntiVirusScan": {"scan"},
}
"""Which responders have Defender do what: a live response session is any other's."""

_ELSE = frozenset(responder for those in _ASKED_BY.values() for responder in those)

OURS = "[bulkhead simulation/"
"""How every marker of ours begins."""

_FLEET = 60
_SKEW = timedelta(seconds=1)
_SLOW = timedelta(seconds=75)


def never_two_of_ours(world: World) -> Iterator[str]:
    """Nothing of ours meets another one of its kind of ours that is pending on the device; no isolation and no
    restriction one that is effective there, though a person's came on top of that.
    """
    for effect in world.record.effects:
        if effect.kind in _ASKED_ONCE:
            met = "PublicApi" in effect.rivals or (effect.kind in TAKING and effect.ours_in_effect)
            yield f"{effect.kind} on {effect.device[:8]} at {effect.at}: {effect.comment}" if met else ""


def nothing_is_asked_for_twice(world: World) -> Iterator[str]:
    """What was asked for is not asked for again while Defender has it, nor after it did it: a further attempt follows
    only one that came to nothing, was cancelled, or was undone since.
    """
    for effect in world.record.effects:
        if effect.kind in _ASKED_ONCE:
            yield f"{effect.kind} on {effect.device[:8]} at {effect.at}: {effect.comment}" if effect.doubled else ""


def protected_is_never_touched(world: World) -> Iterator[str]:
    """No device is isolated or restricted, and no file stopped there, that carried a protecting tag for longer than the
    details of a device count as fresh.
    """
    for effect in world.record.effects:
        if effect.kind in TAKING:
            long = any(world.life.tagged_long(effect.device, tag, effect.at) for tag in world.protecting(effect))
            yield f"{effect.kind} on {effect.device[:8]} at {effect.at}" if long else ""


def no_more_than_the_caps(world: World) -> Iterator[str]:
    """No cap is exceeded but by what people approve: per incident, hour and day, nor the share of the fleet held; each
    kind of containment counts on its own.
    """
    for kind in TAKING:
        yield from _within_the_caps(world, [each for each in world.record.effects if each.kind == kind])


def _within_the_caps(world: World, every: list[Effect]) -> Iterator[str]:
    allowed = world.operators.allowed
    ours = [effect for effect in every if not effect.approved]
    granted = {effect.charge for effect in every if effect.approved}  # whatever else counts as the same
    for last in ours:
        until = [each for each in ours if each.incident == last.incident and each.at <= last.at]
        devices = {each.device for each in until if not world.record.came_to_nothing(each.id, last.at)}
        said = f"incident {last.incident}: {last.kind} on {len(devices)} devices at {last.at}"
        yield said if len(devices) > allowed(last).per_incident else ""
    for name, window in (("per_hour", timedelta(hours=1)), ("per_day", timedelta(days=1))):
        for last in ours:
            limit = getattr(allowed(last), name)
            goals = {each.charge for each in ours if last.at - window + _SKEW * 70 < each.at <= last.at} - granted
            yield f"{len(goals)} times {last.kind} within {window} up to {last.at}" if len(goals) > limit else ""
    for effect in ours:
        share = allowed(effect).fleet_share
        most = max(1, int(_FLEET * share)) if share else 0
        most += len({each.device for each in every if each.approved and each.at <= effect.at} & set(effect.holding))
        yield f"{effect.held} devices held at {effect.at}, allowed {most}" if effect.held > most else ""


def nothing_in_observe(world: World) -> Iterator[str]:
    """An instance that observes touches no device, but to give back what was taken as a person orders or approves."""
    for effect in world.record.effects:
        ordered = effect.kind in GIVING_BACK and effect.row and effect.row.approved
        touched = effect.mode != "respond" and not ordered
        yield f"{effect.kind} on {effect.device[:8]} at {effect.at}" if touched else ""


def nothing_written_in_observe(world: World) -> Iterator[str]:
    """An instance that observes writes nothing into an incident or the library, and has nothing cancelled but what a
    person orders to be cancelled or released, and a session that its device does not take up.
    """
    for each in world.record.written:
        observing = world.settings[each.process].RESPONSE_MODE != "respond"
        yield f"{each.call} by {each.process} at {each.at}" if observing else ""
    for stopped in world.record.cancels:
        observing = world.settings[stopped.process].RESPONSE_MODE != "respond"
        may = stopped.kind == "LiveResponse" or _ordered_to_stop(world, stopped)
        said = f"{stopped.kind} on {stopped.device[:8]} is cancelled by {stopped.process} at {stopped.at}"
        yield said if observing and not may else ""


def _ordered_to_stop(world: World, stopped: Cancelled) -> bool:
    """Whether somebody had ordered what was cancelled to be, or its device to be released."""
    for order in world.people.sent.values():
        if order.at <= stopped.at and order.kind == "cancel" and order.action == _named(stopped.comment):
            return True
        if order.at <= stopped.at and order.kind == "release" and target_of(order.device) == target_of(stopped.device):
            return True
    return False


def no_backlog_by_a_switch(world: World) -> Iterator[str]:
    """What was judged while observing is not contained by the switch to respond, without something new."""
    for (incident, device), (severity, alert, since) in world.record.observed.items():
        raw = world.tenant.incidents.raw(incident)
        if incident in world.life.merged:  # what it brought with it is something new
            continue
        if str(raw["severity"]) != severity or str(Incident.model_validate(raw).newest_alert) != alert:
            continue
        named = [each for each in world.record.effects if (each.device, each.incident) == (device, incident)]
        sent = [each for each in named if each.kind in TAKING and not each.approved and each.at > since]
        late = [each for each in sent if not world.record.rows_before(incident, device, since)]
        yield f"incident {incident}, {late[0].kind} on {device[:8]} at {late[0].at}" if late else ""


def a_persons_release_stands(world: World) -> Iterator[str]:
    """What a person gave back to a device, the network or its programs, is not taken by us again without an alert
    created since.
    """
    for effect in world.record.effects:
        if effect.kind in UNDONE_BY:
            wanted = effect.row and effect.row.approved_at
            yield f"{effect.device[:8]} at {effect.at}" if effect.stands_released and not wanted else ""


def what_people_took_stays(world: World) -> Iterator[str]:
    """What a person has taken from a device, the network or its programs, for longer than an action may be hidden is
    not given back without a person's word, whether ours came before it or on top: an order, or an approval of that.
    """
    for effect in world.record.effects:
        if effect.kind in GIVING_BACK and not effect.approved:
            long = effect.theirs_since and effect.at - effect.theirs_since > _SLOW * 3
            yield f"{effect.kind} on {effect.device[:8]} at {effect.at}" if long else ""


def whatever_we_do_is_in_the_ledger(world: World) -> Iterator[str]:
    """Whatever Defender was asked to do in our name is of an action that was in the ledger by then and is there still:
    its marker names it, and it wants that of that device.
    """
    then = {effect.id: effect.row for effect in world.record.effects}
    now = {action.key: action for action in world.record.actions()}
    for made in world.tenant.desk.everything():
        if made.source == "PublicApi":
            row = then.get(made.id)
            rows = [row, now.get(row.key)] if row else [row]
            stray = [each for each in rows if each is None or not _of_it(made, each)]
            yield f"{made.kind} on {made.machine_id[:8]} at {made.created}: {made.comment!r}" if stray else ""


def _of_it(made: MachineAction, row: Action) -> bool:
    """Whether an action of ours wants what Defender was asked for."""
    asked = row.responder in _ASKED_BY[made.kind] if made.kind in _ASKED_BY else row.responder not in _ELSE
    return asked and row.target == target_of(made.machine_id) and _named(made.comment) == row.id


def only_ours_is_cancelled(world: World) -> Iterator[str]:
    """Nothing that a person asked for is cancelled by us, nor what another action of ours asked for: only what was
    made by us, and carries the marker of the action for which it is cancelled.
    """
    for each in world.record.cancels:
        theirs = each.source != "PublicApi" or OURS not in each.comment
        yield f"{each.kind} of {each.source} on {each.device[:8]} at {each.at}: {each.comment!r}" if theirs else ""
    for action in world.record.interrupted():
        why = action.interruption.comment or "" if action.interruption else ""
        mine = OURS in why and _named(why) == _named(action.comment)
        theirs = action.source != "PublicApi" or not mine
        said = f"{action.kind} of {action.source} on {action.machine_id[:8]}: {action.comment!r}, {why!r}"
        yield said if theirs else ""


def _named(comment: str) -> str:
    """The action that a marker in a comment names."""
    return comment.partition(OURS)[2].partition("/")[0]


OF_CONTAINMENT = (
    never_two_of_ours,
    nothing_is_asked_for_twice,
    protected_is_never_touched,
    no_more_than_the_caps,
    nothing_in_observe,
    nothing_written_in_observe,
    no_backlog_by_a_switch,
    a_persons_release_stands,
    what_people_took_stays,
    whatever_we_do_is_in_the_ledger,
    only_ours_is_cancelled,
)
