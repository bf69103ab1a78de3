"""Whether what we hold is still contained: people release devices in the portal, and nobody tells us."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._interface import GIVING_BACK, containment, newest
from responders._listing import listing
from shared.errors import Rejected, Throttled, Transient
from shared.models.action import target_of
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Slot
    from shared.models.device import MachineAction

AT_ONCE = 10
"""How many devices are asked about in one listing."""

DEADLINE = timedelta(minutes=1)

log = logging.getLogger(__name__)


def reconcile(ports: Ports, stop: datetime, about: Callable[[Slot], bool] = lambda _slot: True) -> bool:
    """Let go of devices that somebody else released since we contained them. Whether there was time to look at all.
    Raises, once all were looked at, why it cannot be told of some; at once where the budget is used up.
    """
    missing: list[Transient | Rejected] = []
    pairs = {containment(each): each.kinds for each in ports.responders.values() if containment(each)}
    for what, kinds in pairs.items():
        held = [slot for slot in ports.ledger.slots(what).values() if slot.value.held and about(slot.value)]
        for first in range(0, len(held), AT_ONCE):
            if ports.clock.now() >= stop:
                return False
            some = held[first : first + AT_ONCE]
            listed = listing(ports, [slot.value.device for slot in some], DEADLINE)
            for slot in some:
                last = given_back(listed.found.get(target_of(slot.value.device), ()), kinds)
                if last:
                    let_go(ports, slot, what, last)
            missing += listed.missing.values()
            if any(isinstance(error, Throttled) for error in missing):
                raise missing[-1]
    if missing:
        raise missing[0]
    return True


def given_back(listed: Sequence[MachineAction], kinds: tuple[str, ...]) -> MachineAction | None:
    """What gave a device back last, unless it was taken since."""
    last = newest(listed, kinds=kinds, status="succeeded")
    return last if last and last.kind in GIVING_BACK else None


def let_go(ports: Ports, slot: Entry[Slot], what: str, last: MachineAction) -> None:
    """Hold a device no more. Another worker may have been faster."""
    try:
        ports.ledger.drop_slot(slot.value.device, slot.etag, what)
    except Conflict:
        return
    log.info("device %s was released by %s; no longer held", slot.value.device, last.requestor)
