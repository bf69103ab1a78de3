"""Reports that storage refused: made within the hour once it no longer does, though nothing of the incident changes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from responders._entries import renewed
from responders._ports import REPORT
from shared.models.action import Kept
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from responders._ports import Ports

UNREPORTED = "unreported"

log = logging.getLogger(__name__)


class Missed(Kept):
    """An incident whose report was refused. Its row is due until it is asked for again."""

    incident: str


def missed(ports: Ports, incident: str) -> None:
    """Note that a report could not be made. Raises what the ledger raises."""
    _write(ports, incident, ports.clock.now())


def ask_again(ports: Ports) -> None:
    """Have every report made that could not be."""
    for entry in ports.ledger.every(Missed, UNREPORTED, due_by=ports.clock.now()):
        ports.queues.send(REPORT, entry.value.incident)
        _write(ports, entry.value.incident, None)


def _write(ports: Ports, incident: str, due: datetime | None) -> None:
    entry = ports.ledger.one(Missed, UNREPORTED, incident)
    try:
        ports.ledger.put(
            UNREPORTED, incident, renewed(entry, Missed(incident=incident)), entry.etag if entry else "", due
        )
    except Conflict:
        log.info("incident %s: another worker noted whether its report is missed", incident)
