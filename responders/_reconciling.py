"""Whether what we hold is still contained: people release devices in the portal, and nobody tells us."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._entries import plan_of
from responders._intake import Intake
from responders._interface import GIVING_BACK, containment, newest
from responders._listing import listing
from shared.errors import Rejected, Throttled, Transient
from shared.models.action import target_of
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Action, Slot
    from shared.models.device import MachineAction
    from shared.models.progress import IncidentState

AT_ONCE = 10
"""How many devices are asked about in one listing."""

DEADLINE = timedelta(minutes=1)
_UNLISTED = timedelta(hours=1)

log = logging.getLogger(__name__)


def reconcile(ports: Ports, stop: datetime, incident: str = "") -> bool:
    """Let go of devices that somebody else released since we contained them: all, or those that an `incident` holds,
    which is just being assessed. Whether there was time to look at all of them, and to let go of those.
    Raises, once all were looked at, why it cannot be told of some; at once where the budget is used up.
    """
    missing: list[Transient | Rejected] = []
    done = True
    pairs = {containment(each): each.kinds for each in ports.responders.values() if containment(each)}
    for what, kinds in pairs.items():
        held = [slot for slot in ports.ledger.slots(what).values() if slot.value.held]
        held = [slot for slot in held if not incident or incident in slot.value.holders]
        held = [slot for slot in held if not slot.value.releasing]  # what gives it back lets go of it
        for first in range(0, len(held), AT_ONCE):
            if ports.clock.now() >= stop:
                return False
            some = held[first : first + AT_ONCE]
            listed = listing(ports, [slot.value.device for slot in some], DEADLINE)
            for slot in some:
                last = given_back(listed.found.get(target_of(slot.value.device), ()), kinds)
                if last:
                    done = let_go(ports, slot, what, last, but=incident) and done
            missing += listed.missing.values()
            if any(isinstance(error, Throttled) for error in missing):
                raise missing[-1]
    if missing:
        raise missing[0]
    return done


def given_back(listed: Sequence[MachineAction], kinds: tuple[str, ...]) -> MachineAction | None:
    """What gave a device back last, unless it was taken since."""
    last = newest(listed, kinds=kinds, status="succeeded")
    return last if last and last.kind in GIVING_BACK else None


def let_go(ports: Ports, slot: Entry[Slot], what: str, last: MachineAction, but: str = "") -> bool:
    """Hold a device no more, once those who hold it and know of an alert since are assessed anew, `but` one that is
    just being: they took it for held. False where one of them cannot be now. Another worker may have been faster.
    """
    try:
        for holder in slot.value.holders:
            if holder != but:
                _assessed_anew(ports, holder, slot.value.device, last)
        ports.ledger.drop_slot(slot.value.device, slot.etag, what)
    except Transient as error:
        log.warning("device %s was released, and stays held for now: %s", slot.value.device, error)
        return False
    except Conflict:
        return True
    log.info("device %s was released by %s; no longer held", slot.value.device, last.requestor)
    return True


def _assessed_anew(ports: Ports, holder: str, device: str, last: MachineAction) -> None:
    state = ports.ledger.heir(holder)
    if state is None or not ports.settings.respond or not _attacked_since(ports, state, device, last):
        return
    try:
        Intake(ports).again(state.id, f"released {last.id}")
    except Rejected as error:
        log.warning("incident %s cannot be assessed anew: %s", state.id, error)


def _attacked_since(ports: Ports, state: IncidentState, device: str, last: MachineAction) -> bool:
    """Whether an incident knows of an alert on a device since that was given back, or of what is not assessed yet."""
    if state.assessed != state.seen:
        return True
    plan = plan_of(ports.documents, state)
    assessment = plan.assessment if plan else None
    for each in assessment.devices if assessment else ():
        alert = each.newest_alert or (assessment.newest_alert if assessment else None)
        if target_of(each.id) == target_of(device) and alert and last.created:
            return alert > last.created
    return False


def beside(ports: Ports, action: Action, seen: MachineAction, now: datetime) -> Iterable[MachineAction]:
    """What else Defender shows of a device whose containment was done, though no listing of this tick shows it:
    somebody may have given it back since. Raises Transient for up to an hour; then the hourly look sees to it.
    """
    if seen.status != "succeeded" or not ports.contains(action):
        return ()
    found, missing = listing(ports, [action.device], DEADLINE)
    error = missing.get(action.target)
    if isinstance(error, Transient) and now - (action.due or now) < _UNLISTED:
        raise error
    return found.get(action.target, ())


def seen_released(ports: Ports, action: Action, listed: Iterable[MachineAction]) -> None:
    """Let go at once of a device of which the listing that settled our containment shows that somebody gave it back.
    Where that cannot be now, the hourly look sees to it.
    """
    responder = ports.responders[action.responder]
    what = containment(responder) if responder.contains else ""
    here = [each for each in listed if target_of(each.machine_id) == action.target]
    last = given_back(here, responder.kinds) if what else None
    slot = ports.ledger.slot(action.target, what) if last else None
    if last and slot and slot.value.held and slot.value.owner == action.key:
        let_go(ports, slot, what, last)
