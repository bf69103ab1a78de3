"""The hourly round: what became visible late, what can be closed, and whether we still hold what we think we hold."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._alarms import over, trouble
from responders._leftovers import tidy
from responders._readiness import examine
from responders._reconciling import reconcile
from responders._report.missed import ask_again
from responders._reverify import reverify
from responders._shelf import look_where_used
from responders._tenant import fleet_size
from responders._unsent import forget_unsent
from responders._watch import Watch
from shared.errors import Rejected, Transient
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from responders._ports import Ports

PATIENCE = timedelta(minutes=50)
"""How long an update may leave rows that only its newer version can read."""

log = logging.getLogger(__name__)


class Housekeeping:
    """Work that nobody waits for."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def run(self, stop: datetime) -> None:
        """One round; a part that cannot be done now is left to the next one, and stops no other."""
        parts = (
            self._close,
            self._sweep,
            self._fleet,
            self._reconcile,
            self._unreadable,
            self._library,
            self._unsent,
            self._unreported,
            self._examine,
            self._reverify,  # takes whatever time there is
        )
        for part in parts:
            try:
                part(stop)
            except (Transient, Rejected) as error:
                log.warning("housekeeping: %s", error)

    def _reverify(self, stop: datetime) -> None:
        reverify(self._ports, stop)

    def _sweep(self, stop: datetime) -> None:
        Watch(self._ports).sweep(stop)

    def _fleet(self, stop: datetime) -> None:
        del stop
        if self._ports.settings.respond:
            fleet_size(self._ports)

    def _library(self, stop: datetime) -> None:
        """Notice what somebody did to the files that would run on devices."""
        del stop
        look_where_used(self._ports)

    def _close(self, stop: datetime) -> None:
        """Move actions that have been final for long enough out of the open partition, once their runs are closed."""
        del stop
        until = self._ports.clock.now() - self._ports.settings.CLOSE_AFTER
        rows = self._ports.ledger.open_actions()
        tidy(self._ports, rows)
        for entry in rows:
            finished = entry.value.finished_at
            if entry.value.state.final and finished and finished <= until and not entry.value.due:
                try:
                    self._ports.ledger.close(entry)
                except Conflict:
                    log.info("action %s changed while it was closed", entry.value.id)

    def _unreadable(self, stop: datetime) -> None:
        """Rows of a newer form are for the newer version, which should be everywhere within the hour."""
        del stop
        keys = self._ports.ledger.unreadable()
        if keys:
            text = f"{len(keys)} rows cannot be read by this version, the first is {keys[0]}: finish the update"
            trouble(self._ports, "unreadable rows", text, lasting=PATIENCE)
        else:
            over(self._ports, "unreadable rows")

    def _unsent(self, stop: datetime) -> None:
        """One incident without alerts is no trouble for ever."""
        del stop
        forget_unsent(self._ports)

    def _unreported(self, stop: datetime) -> None:
        """Have reports made that storage refused."""
        del stop
        ask_again(self._ports)

    def _examine(self, stop: datetime) -> None:
        """See whether this deployment has what it needs; `bulkhead doctor` shows it."""
        if self._ports.clock.now() < stop:
            examine(self._ports)

    def _reconcile(self, stop: datetime) -> None:
        """Let go of devices that somebody else released since we isolated them."""
        reconcile(self._ports, stop)
