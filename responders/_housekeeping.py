"""The hourly round: what became visible late, what can be closed, and whether we still hold what we think we hold."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from responders._interface import newest
from responders._tenant import fleet_size
from responders._watch import Watch
from shared.clients.interface import ActionQuery
from shared.errors import Rejected, Transient
from shared.models.action import target_of
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from responders._ledger import Entry
    from responders._ports import Ports
    from shared.models.action import Slot

log = logging.getLogger(__name__)


class Housekeeping:
    """Work that nobody waits for."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def run(self, stop: datetime) -> None:
        """One round; a part that cannot be done now is left to the next one, and stops no other."""
        self._close()
        for part in (self._sweep, self._fleet, self._reconcile):
            try:
                part(stop)
            except (Transient, Rejected) as error:
                log.warning("housekeeping: %s", error)

    def _sweep(self, stop: datetime) -> None:
        Watch(self._ports).sweep(stop)

    def _fleet(self, stop: datetime) -> None:
        del stop
        if self._ports.settings.respond:
            fleet_size(self._ports)

    def _close(self) -> None:
        """Move actions that have been final for long enough out of the open partition."""
        until = self._ports.clock.now() - self._ports.settings.CLOSE_AFTER
        for entry in self._ports.ledger.open_actions():
            finished = entry.value.finished_at
            if entry.value.state.final and finished and finished <= until:
                try:
                    self._ports.ledger.close(entry)
                except Conflict:
                    log.info("action %s changed while it was closed", entry.value.id)

    def _reconcile(self, stop: datetime) -> None:
        """Let go of devices that somebody else released since we isolated them."""
        for slot in self._ports.ledger.slots().values():
            if slot.value.held and self._ports.clock.now() < stop:
                self._look(slot)

    def _look(self, slot: Entry[Slot]) -> None:
        device = slot.value.device
        listed = self._ports.devices.actions(ActionQuery(machines=(device,)))
        own = [each for each in listed if target_of(each.machine_id) == device]
        last = newest(own, kinds=("isolate", "unisolate"), status="succeeded")
        if last and last.kind == "unisolate":
            try:
                self._ports.ledger.drop_slot(device, slot.etag)
            except Conflict:
                return
            log.info("device %s was released by %s; no longer held", device, last.requestor)
