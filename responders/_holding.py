"""The kill switch by order: while a hold stands, nothing that touches a device is sent, but what gives back.

It is one row. What a hold has stopped waits, and goes on through every rail once the row says that it is over; so the
end of a long hold fires no backlog.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from responders._alarms import over, trouble
from responders._job import Answer
from shared.errors import Transient
from shared.models.asked import Held, Mark
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from responders._entries import Entry
    from responders._job import Job
    from responders._ledger import Ledger
    from responders._ports import Ports
    from shared.models.order import Hold, Resume

HOLD = "hold"
_REMEMBERED = 20
_TRIES = 5

log = logging.getLogger(__name__)


def held(ports: Ports) -> str:
    """Who holds everything, since when and why, in words; empty where nobody does."""
    return held_in(ports.ledger)


def held_in(ledger: Ledger) -> str:
    """The same for who has nothing but the ledger."""
    entry = ledger.single(Held, HOLD)
    return _words(entry.value) if entry and entry.value.active else ""


def hold(job: Job, order: Hold) -> Answer:
    """Begin to hold, or have a hold that stands be the newer one: a resume that was asked before does not end it.
    Raises Transient where others are always faster.
    """
    before = _changed(job, lambda row: _holds(job, order, row))
    if before and before.active and order.id not in before.orders:
        return Answer.done(f"everything was held already, {_words(before)}")
    if held(job.ports):
        text = f"everything is held {held(job.ports)}; nothing touches a device until: bulkhead resume"
        trouble(job.ports, HOLD, text)
    return Answer.done("held: nothing that touches a device is sent, but what gives back")


def resume(job: Job, order: Resume) -> Answer:
    """End a hold that was asked before. What waited for that goes on by itself. Raises Transient where others are
    always faster.
    """
    before = _changed(job, lambda row: _resumes(job, row))
    if before is None or not (before.active or order.id in before.orders):
        return Answer.refused("nothing is held")
    if order.id not in before.orders and _stands(job, before):
        return Answer.refused(f"a newer hold stands, {_newest(before)}; to end that one: bulkhead resume, once more")
    if not held(job.ports):
        over(job.ports, HOLD)
    return Answer.done("resumed: what was held goes on through every rail")


def _holds(job: Job, order: Hold, row: Held | None) -> Held | None:
    """The row as a hold makes it; None where it stays as it is."""
    mark = Mark(order=order.id, by=order.by, at=job.asked, why=order.why)
    if row is None or not row.active:
        return Held(active=True, since=job.ports.clock.now(), by=order.by, why=order.why, newest=mark)
    return None if row.newest and row.newest.at >= mark.at else row.model_copy(update={"newest": mark})


def _resumes(job: Job, row: Held | None) -> Held | None:
    """The row as a resume makes it; None where it stays as it is."""
    ends = row is not None and row.active and not _stands(job, row)
    return row.model_copy(update={"active": False}) if row and ends else None


def _stands(job: Job, row: Held) -> bool:
    """Whether the newest hold was asked after this order."""
    return row.newest is not None and job.latest < row.newest.at


def _changed(job: Job, becomes: Callable[[Held | None], Held | None]) -> Held | None:
    """Change the row once for this order, however often others are faster; gives it as it was before that."""
    for _ in range(_TRIES):
        entry = job.ports.ledger.single(Held, HOLD)
        before = entry.value if entry else None
        to = None if before and job.order.id in before.orders else becomes(before)
        try:
            if to:
                _write(job, to, entry)
        except Conflict:
            continue
        return before
    raise Transient("the hold keeps changing")


def _write(job: Job, to: Held, entry: Entry[Held] | None) -> None:
    """Write the row, with the order that changed it: one that is repeated later must not change it again."""
    orders = (*(entry.value.orders if entry else ()), job.order.id)[-_REMEMBERED:]
    base = entry.value if entry else to
    made = base.model_copy(update={**{name: getattr(to, name) for name in Held.model_fields}, "orders": orders})
    job.ports.ledger.put_single(HOLD, made, entry.etag if entry else "")
    log.info("order %s: %s", job.order.id, "held" if made.active else "resumed")


def _words(row: Held) -> str:
    return f"by {row.by} since {row.since:%Y-%m-%d %H:%M} UTC: {row.why}"


def _newest(row: Held) -> str:
    mark = row.newest
    return f"by {mark.by}, asked at {mark.at:%Y-%m-%d %H:%M:%S %Z}: {mark.why}" if mark else ""
