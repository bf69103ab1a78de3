"""What waits for people, and what people wait for: approvals that nobody gave in time, what a hold has stopped once it
is over, orders that are not answered yet.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._cases import ORDERED
from responders._consent import expired, lapsed
from responders._containment import settle
from responders._holding import held
from responders._nudges import forewarn, tell
from responders._ports import ORDERS
from shared.errors import Unreadable
from shared.models.action import State
from shared.models.asked import OrderRecord, Stage
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.config import Settings
    from shared.models.action import Action

LONGEST = timedelta(hours=1)
"""How rarely an order is taken up that cannot be carried out again and again."""

log = logging.getLogger(__name__)


def tend(ports: Ports, open_rows: Sequence[Entry[Action]], now: datetime) -> None:
    """Settle what waited in vain, let go on what waited for the end of a hold, what contains before what is collected,
    and take up orders that are due.
    """
    waiting = [entry for entry in open_rows if entry.value.state is State.WAITING]
    waiting.sort(key=lambda entry: not ports.contains(entry.value))
    stopped = any(entry.value.held for entry in waiting) and _held(ports)
    for entry in waiting:
        action = entry.value
        if action.held and not stopped:
            _write(ports, entry, action.to(State.PLANNED, now, due=now, held=False, detail="the hold is over", todo=""))
        elif lapsed(action, now):
            _write(ports, entry, expired(action, now))
    for record in ports.ledger.every(OrderRecord, ORDERED, due_by=now):
        _take_up(ports, record, now)


def _held(ports: Ports) -> bool:
    """Whether a hold stands; one that this version cannot read does."""
    try:
        return bool(held(ports))
    except Unreadable as error:
        log.warning("what was held stays so: %s", error)
        return True


def _write(ports: Ports, entry: Entry[Action], to: Action) -> None:
    forewarn(ports, to.incident)
    if settle(ports, entry, to):
        tell(ports, to)


def patience(record: OrderRecord, settings: Settings) -> timedelta:
    """How long after now an order that is not answered is taken up again."""
    times = 0 if record.state is Stage.WAITING else min(record.looks, 6)
    wait: timedelta = settings.NUDGE_AFTER * 2**times
    return min(LONGEST, wait)


def _take_up(ports: Ports, entry: Entry[OrderRecord], now: datetime) -> None:
    """Send an order's message again; the more rarely the more often it could not be carried out."""
    record = entry.value
    due = now + patience(record, ports.settings)
    looked = record.model_copy(update={"looks": record.looks + 1})
    try:
        ports.ledger.put(ORDERED, record.order.id, looked, entry.etag, due)
    except Conflict:
        log.info("order %s is being taken up by another worker", record.order.id)
        return
    ports.queues.send(ORDERS, record.order.model_dump_json())
