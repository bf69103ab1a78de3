"""The documented rates as a budget, shared by every instance through one row per API.

A worker leases calls before it makes them, in one conditional write. A lease lives for seconds; since a leased call may
leave that much later than it was counted, and the shared clock is coarse, every window is longer by as much. So no
window of the service's own sees more calls than documented, whatever the workers do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel

from shared.errors import Throttled
from shared.storage.interface import Conflict, Insert, Replace

if TYPE_CHECKING:
    from shared.config import Settings
    from shared.storage.interface import Clock, Rows

LEASE = 10.0
"""Seconds within which a leased call must begin."""

SLACK = LEASE + 1.0
"""Seconds by which every window is longer than documented: the life of a lease and the clock's resolution."""

LONGEST_WAIT = 3600.0
"""Seconds for which a Retry-After is believed at the most; the longest documented window is an hour."""

PARTITION = "budget"
_CONFLICTS = 8


class _Book(BaseModel):
    """The calls leased within the longest window, in milliseconds since the epoch, oldest first; nothing at all before
    `blocked`; `wake` is when a worker that found the budget empty has already asked to be woken.
    """

    v: int = 1
    calls: tuple[int, ...] = ()
    blocked: int = 0
    wake: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """`granted` calls may begin before `until`; where fewer than asked were granted, more will be had at `again`."""

    granted: int
    until: datetime
    again: datetime


class Governor:
    """Hands out calls, API by API."""

    def __init__(self, rows: Rows, clock: Clock, settings: Settings) -> None:
        """`settings` give the limits (`RATE_LIMITS`)."""
        self._rows = rows
        self._clock = clock
        self._settings = settings

    def lease(self, api: str, wanted: int, leaving: int = 0) -> Lease:
        """Up to `wanted` calls of `api`, `leaving` some of each window to others. Raises Throttled where other workers
        keep changing the book.
        """
        for _ in range(_CONFLICTS):
            row = self._rows.get(PARTITION, api)
            book = _Book.model_validate_json(row.text) if row else _Book()
            now = _millis(self._clock.now())
            limits = tuple((max(1, limit - leaving), window) for limit, window in self._settings.rate(api))
            granted, again, calls = _grant(book, now, wanted, limits)
            lease = Lease(granted, _moment(now + int(LEASE * 1000)), _moment(again))
            if not granted:
                return lease
            changed = book.model_copy(update={"calls": calls}).model_dump_json()
            try:
                self._rows.commit(PARTITION, [Replace(api, changed, row.etag) if row else Insert(api, changed)])
            except Conflict:
                continue
            return lease
        raise Throttled(f"the budget of {api} is contended", 1.0)

    def spend(self, api: str, leaving: int = 0) -> None:
        """One call of `api`, or Throttled with the wait in seconds; `leaving` as in `lease`."""
        lease = self.lease(api, 1, leaving)
        now = self._clock.now()
        if not lease.granted:
            raise Throttled(f"the budget of {api} is used up", max(0.1, (lease.again - now).total_seconds()))
        if now >= lease.until:
            raise Throttled(f"the lease for {api} took too long to be used", 1.0)

    def refused(self, api: str, retry_after: float | None) -> datetime:
        """Take note of a 429: nobody calls `api` before the time that this gives."""
        wait = min(LONGEST_WAIT, 30.0 if retry_after is None else retry_after)
        until = self._clock.now() + timedelta(seconds=wait + 0.001)
        self._mark(api, "blocked", _millis(until))
        return until

    def ask_to_wake(self, api: str, at: datetime) -> bool:
        """Whether the caller is the one who should have somebody woken at `at`; False where that is arranged."""
        return self._mark(api, "wake", _millis(at))

    def _mark(self, api: str, field: str, value: int) -> bool:
        """Move a time of the book forward; False where it stands as far already."""
        for _ in range(_CONFLICTS):
            row = self._rows.get(PARTITION, api)
            book = _Book.model_validate_json(row.text) if row else _Book()
            now = _millis(self._clock.now())
            stands = getattr(book, field)
            if stands >= value or (field == "wake" and stands > now):
                return False
            changed = book.model_copy(update={field: value}).model_dump_json()
            try:
                self._rows.commit(PARTITION, [Replace(api, changed, row.etag) if row else Insert(api, changed)])
            except Conflict:
                continue
            return True
        return False


def _grant(book: _Book, now: int, wanted: int, limits: tuple[tuple[int, int], ...]) -> tuple[int, int, tuple[int, ...]]:
    """How many calls may be had, when there will be more, and the calls to keep. All times in milliseconds."""
    slack = int(SLACK * 1000)
    longest = max(window for _, window in limits) * 1000 + slack
    calls = tuple(sorted(call for call in book.calls if call > now - longest))
    if book.blocked > now:
        return 0, book.blocked, calls
    granted, again = wanted, now + 1
    for limit, seconds in limits:
        window = seconds * 1000 + slack
        within = [call for call in calls if call > now - window]
        if len(within) + wanted > limit:
            first = within[max(0, len(within) - limit)] if within else now
            again = max(again, first + window)
        granted = min(granted, max(0, limit - len(within)))
    return granted, again, (*calls, *([now] * granted))


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
