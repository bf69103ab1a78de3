"""What becomes of a containment of ours that came to wait behind somebody else's on its device: both were taken at
about the same moment. It would land when theirs is undone, against the will of whoever undoes it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._listing import listing
from responders._reconciling import DEADLINE
from responders._releasing import call_off
from responders._settling import ANEW, BEHIND, anew, by_us, left_behind, overtaken, parked
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.device import MachineAction

AGAIN = timedelta(seconds=20)
"""How long a cancellation is given before it is asked for once more."""

log = logging.getLogger(__name__)


class Rivals:
    """Looks at what waits, and takes ours back. `write` moves a row on, with all that hangs on it."""

    def __init__(self, ports: Ports, write: Callable[[Entry[Action], Action], None]) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports
        self._write = write

    def met(
        self, entry: Entry[Action], seen: MachineAction, listed: Mapping[str, MachineAction], now: datetime
    ) -> bool:
        """Whether somebody else's stands before ours, or stood and came to nothing: then it is seen to here. What
        another person cancelled is theirs to have cancelled. Raises what a listing raises.
        """
        action = entry.value
        responder = self._ports.responders[action.responder]
        if not (responder.contains and self._ports.settings.respond) or seen.status not in {"pending", "cancelled"}:
            return False
        ours = seen.status == "cancelled" and self._ours(action, seen)
        beside = self._beside(action) if ours or seen.id not in listed else list(listed.values())
        ahead = parked(action, seen, beside, responder.kinds)
        behind = left_behind(action, seen, beside, responder.kinds, ours=ours)
        if ahead and seen.status == "cancelled":
            self._write(entry, overtaken(action, ahead, now))
        elif behind and seen.status == "cancelled":
            self._write(entry, anew(action, now))
        elif ahead or behind:
            self._take_back(entry, "" if ahead else BEHIND, now)
        return bool(ahead or behind)

    def _ours(self, action: Action, seen: MachineAction) -> bool:
        """Whether we had it cancelled ourselves: it says so, or nothing of who did."""
        unsaid = not (seen.cancel_comment or seen.cancelled_by)
        return unsaid or by_us(seen, self._ports.marker(action.id, "cancel"))

    def _beside(self, action: Action) -> Sequence[MachineAction]:
        """What was done to the device: the listing of young actions does not reach far back."""
        listed = listing(self._ports, (action.device,), DEADLINE)
        for error in listed.missing.values():
            raise error
        return listed.found[action.target]

    def _take_back(self, entry: Entry[Action], why: str, now: datetime) -> None:
        try:
            told = self._ports.ledger.move(entry, entry.value.model_copy(update={"detail": why or entry.value.detail}))
        except Conflict:
            return
        comment = f"{ANEW if why else 'Somebody else did the same'}. "
        said = call_off(self._ports, told, comment + self._ports.marker(entry.value.id, "cancel"), due=now + AGAIN)
        log.info("action %s waits behind another: %s", entry.value.id, said)
