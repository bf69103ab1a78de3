"""The kill switch by order: while a hold stands, nothing that touches a device is sent, but what gives back.

It is one row. What a hold has stopped waits, and goes on through every rail once the row says that it is over; so the
end of a long hold fires no backlog.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from responders._alarms import over, trouble
from responders._job import Answer
from shared.models.asked import Held

if TYPE_CHECKING:
    from responders._job import Job
    from responders._ports import Ports
    from shared.models.order import Hold, Resume

HOLD = "hold"
_REMEMBERED = 20

log = logging.getLogger(__name__)


def held(ports: Ports) -> str:
    """Who holds everything, since when and why, in words; empty where nobody does."""
    entry = ports.ledger.single(Held, HOLD)
    return _words(entry.value) if entry and entry.value.active else ""


def hold(job: Job, order: Hold) -> Answer:
    """Begin to hold. Raises Conflict where another order was faster."""
    entry = job.ports.ledger.single(Held, HOLD)
    before = entry.value if entry else None
    if before and before.active and order.id not in before.orders:
        return Answer.done(f"everything was held already, {_words(before)}")
    if before is None or order.id not in before.orders:
        now = job.ports.clock.now()
        made = Held(active=True, since=now, by=order.by, why=order.why)
        _write(job, made, before, entry.etag if entry else "")
    if held(job.ports):
        text = f"everything is held {held(job.ports)}; nothing touches a device until: bulkhead resume"
        trouble(job.ports, HOLD, text)
    return Answer.done("held: nothing that touches a device is sent, but what gives back")


def resume(job: Job, order: Resume) -> Answer:
    """End a hold. What waited for that goes on by itself. Raises Conflict where another order was faster."""
    entry = job.ports.ledger.single(Held, HOLD)
    if entry is None or not (entry.value.active or order.id in entry.value.orders):
        return Answer.refused("nothing is held")
    if order.id not in entry.value.orders:
        _write(job, entry.value.model_copy(update={"active": False}), entry.value, entry.etag)
    if not held(job.ports):
        over(job.ports, HOLD)
    return Answer.done("resumed: what was held goes on through every rail")


def _write(job: Job, to: Held, before: Held | None, etag: str) -> None:
    """Write the row, with the order that changed it: one that is repeated later must not change it again."""
    orders = (*(before.orders if before else ()), job.order.id)[-_REMEMBERED:]
    base = before or to
    made = base.model_copy(update={**{name: getattr(to, name) for name in Held.model_fields}, "orders": orders})
    job.ports.ledger.put_single(HOLD, made, etag)
    log.info("order %s: %s", job.order.id, "held" if made.active else "resumed")


def _words(row: Held) -> str:
    return f"by {row.by} since {row.since:%Y-%m-%d %H:%M} UTC: {row.why}"
