"""Releases that people order, and what they ask of everything else.

A release that overtakes an isolation is undone by it. So whatever of ours is not finished on the device is taken back,
found out about or cancelled first; nothing new is sent to isolate it meanwhile; and afterwards the order stands until
there is a newer reason.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from responders._cases import RELEASED
from responders._consent import Goal, new_round, next_key
from responders._containment import settle
from responders._interface import containment, news_after
from responders._job import Answer
from responders._ledger import ISOLATION
from responders._nudges import forewarn, tell
from responders._rounds import known_incident, last_round, opened, read_device
from responders._settling import BENIGN
from responders._taking import as_held
from shared.errors import NotFound, OutcomeUnknown, Rejected, Transient, Unreadable
from shared.models.action import State, incident_of, target_of
from shared.models.asked import Released
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from responders._entries import Entry
    from responders._job import Job
    from responders._ports import Ports
    from shared.models.action import Action

_REMEMBERED = 10

log = logging.getLogger(__name__)


def release(job: Job, device: str, incident: str | None, responder: str = "release") -> Answer:
    """Release a device, whoever isolated it: for the incident that holds it, else for the one that the order names.
    Another `responder` gives back something else.
    """
    if job.actions():
        return job.ending()
    ports = job.ports
    if responder not in ports.responders:
        raise Unreadable(f"this version does not know how to {responder}", 60.0)
    name = ""
    if not job.keys:
        there = [entry.value for entry in ports.ledger.actions_on(device) if entry.value.responder == responder]
        under_way = [action for action in there if not action.state.settled and action.approved]
        goal = _goal(job, device, incident, responder)
        if under_way:
            job.about([under_way[0].key])
            return job.ending()
        if isinstance(goal, str):
            return Answer.refused(goal)
        name = goal.name
        job.about([next_key(goal, last_round(job, goal))])
    key = job.keys[0]
    known = ports.ledger.incident(incident_of(key))
    slot = ports.ledger.slot(target_of(device), containment(ports.responders[responder]))
    held = as_held(slot.value if slot else None)
    wanted = Goal(device, responder, incident, name or _name(job, device, responder), params=held)
    action = new_round(job.order, key, wanted, known.value if known else None, None, ports.clock.now())
    _stand(ports, action)
    return opened(job, action)


def _goal(job: Job, device: str, incident: str | None, responder: str) -> Goal | str:
    """What is to be released for which incident, or why it cannot be."""
    slot = job.ports.ledger.slot(target_of(device), containment(job.ports.responders[responder]))
    if slot:
        return Goal(device, responder, incident_of(slot.value.owner))
    unknown = known_incident(job, incident)
    if isinstance(unknown, str):
        return unknown
    machine = read_device(job, device)
    return machine if isinstance(machine, str) else Goal(device, responder, incident, machine.name if machine else "")


def _name(job: Job, device: str, responder: str) -> str:
    """The device's name, where the ledger knows it; it is for people only."""
    slot = job.ports.ledger.slot(target_of(device), containment(job.ports.responders[responder]))
    owner = job.ports.ledger.action(incident_of(slot.value.owner), slot.value.owner) if slot else None
    return owner.device_name if owner else ""


def _stand(ports: Ports, action: Action) -> None:
    """Write down that the device is to be free, before the release is planned: whatever is planned later meets this,
    and the release meets whatever was planned before.
    """
    key = _row(action.target, ports.containment(action))
    entry = ports.ledger.one(Released, RELEASED, key)
    made = Released(device=action.target, since=action.created, by=action.approved_by, action=action.key)
    if entry and (entry.value.since > made.since or entry.value.action == made.action):
        return
    base = entry.value if entry else made
    earlier = (*entry.value.earlier, entry.value.action)[-_REMEMBERED:] if entry else ()
    told = {name: getattr(made, name) for name in Released.model_fields}
    row = base.model_copy(update={**told, "earlier": earlier})
    ports.ledger.put(RELEASED, key, row, entry.etag if entry else "")


def _row(target: str, what: str) -> str:
    """Where the release of a device from a containment is kept; isolation came first, and has the plain name."""
    return target if what == ISOLATION else f"{target}~{what}"


def standing(ports: Ports, action: Action) -> tuple[Released | None, bool]:
    """The newest release that people ordered of what an action would take, and did not cancel; and whether it is still
    under way.
    """
    what = ports.containment(action)
    entry = ports.ledger.one(Released, RELEASED, _row(action.target, what)) if what else None
    if entry is None:
        return None, False
    row = entry.value
    for key in (row.action, *reversed(row.earlier)):
        ordered = ports.ledger.action(incident_of(key), key)
        if ordered is None:
            return row, True  # it is about to be planned
        if not ordered.cancelled:
            stands = Released(device=row.device, since=ordered.created, by=ordered.approved_by, action=key)
            return stands, not ordered.state.settled
    return None, False


def clear_the_way(ports: Ports, action: Action) -> str:
    """Take back, or call off, what of ours would isolate the device after its release. Gives what is still in the way,
    in words; empty where nothing is.
    """
    what = ports.containment(action)
    still = ""
    try:
        for entry in ports.ledger.actions_on(action.device):
            other = entry.value
            theirs = not action.approved and other.incident != action.incident  # what is not ordered binds no others
            if ports.contains(other) and ports.containment(other) == what and not other.state.final and not theirs:
                still = _clear(ports, entry, action) or still
    except Transient as error:
        return f"what is under way on the device cannot be cancelled now: {error}"
    return still


def _clear(ports: Ports, entry: Entry[Action], release: Action) -> str:
    other, now = entry.value, ports.clock.now()
    newer = news_after(other, release.created)
    unsent = other.state in {State.PLANNED, State.WAITING} and not other.doubtful
    if unsent and newer:
        return ""  # it has a reason of its own, and waits for the release
    if unsent or (other.joined and not newer):
        why = f"a release was ordered by {release.approved_by}" if release.approved else release.detail
        to = other.to(State.WITHDRAWN, now, cancelled=True, detail=why)
    elif other.joined:
        to = other.to(State.PLANNED, now, due=now, joined="", detail="a release of the device was ordered")
    elif other.state is not State.ACCEPTED:
        return "whether our isolation was sent is being found out"
    elif other.foreign:
        return "an isolation by somebody else is under way"
    else:
        why = "by order" if release.approved else f"since {BENIGN}"
        return call_off(ports, entry, f"Released {why}. {ports.marker(other.id, 'cancel')}")
    forewarn(ports, to.incident)
    if not settle(ports, entry, to):
        return "our isolation is being worked at"
    tell(ports, to)
    return ""


def call_off(ports: Ports, entry: Entry[Action], comment: str, due: datetime | None = None) -> str:
    """Have Defender cancel an action of ours; what is to be waited for, in words. The next tick (after `due`, if given)
    sees what became of it.

    Raises:
        Transient: it cannot be asked now.
    """
    action = entry.value
    said = "Defender was asked to cancel it"
    try:
        ports.devices.cancel(action.machine_action, comment)
        log.info("action %s: Defender was asked to cancel it", action.id)
    except NotFound:
        return "Defender does not show it yet, so it cannot be cancelled"
    except OutcomeUnknown as error:
        said = f"whether Defender cancels it is not known: {error}"
    except Rejected as error:
        said = f"it is over, or cannot be cancelled: {error}"
    try:
        ports.ledger.move(entry, action.model_copy(update={"due": due or ports.clock.now()}))
    except Conflict:
        log.info("action %s was moved by another worker", action.id)
    return said
