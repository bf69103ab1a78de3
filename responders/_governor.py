"""The documented rates as a budget, shared by every instance through one row per API.

A worker leases calls before it makes them, in one conditional write. A lease lives for seconds; since a leased call may
leave that much later than it was counted, and the shared clock is coarse, every window is longer by as much. So no
window of the service's own sees more calls than documented, whatever the workers do.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shared.clients.interface import LONGEST_WAIT
from shared.errors import Rejected, Throttled, Transient
from shared.models.action import Kept
from shared.storage.interface import Conflict, Insert, Replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.config import Settings
    from shared.storage.interface import Clock, Row, Rows

LEASE = 10.0
"""Seconds within which a leased call must begin."""

SLACK = LEASE + 1.0
"""Seconds by which every window is longer than documented: the life of a lease and the clock's resolution."""

PARTITION = "budget"
_CONFLICTS = 8
_UNKEPT = "the budget of {} cannot be kept now"


class _Book(Kept):
    """The calls leased within the longest window, in milliseconds since the epoch, oldest first; nothing at all before
    `blocked`; `wake` is when a worker that found the budget empty has already asked to be woken.
    """

    calls: tuple[int, ...] = ()
    blocked: int = 0
    wake: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """`granted` calls may begin before `until`; where fewer than asked were granted, more will be had at `again`."""

    granted: int
    until: datetime
    again: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How an API's budget stands: for each of its limits the calls left, the limit, and its window in seconds;
    `blocked` is until when the service asked to be left alone, if it did.
    """

    windows: tuple[tuple[int, int, int], ...]
    blocked: datetime | None = None


class Governor:
    """Hands out calls, API by API."""

    def __init__(self, rows: Rows, clock: Clock, settings: Settings) -> None:
        """`settings` give the limits (`RATE_LIMITS`)."""
        self._rows = rows
        self._clock = clock
        self._settings = settings

    def lease(self, api: str, wanted: int, leaving: int = 0, least: int = 1) -> Lease:
        """Up to `wanted` calls of `api`, `leaving` some of each window to others, but never less than `least` of it.
        Raises Throttled where other workers keep changing the book.
        """
        for _ in range(_CONFLICTS):
            row, book = self._book(api)
            now = _millis(self._clock.now())
            limits = tuple((max(least, limit - leaving), window) for limit, window in self._settings.rate(api))
            granted, again, calls = _grant(book, now, wanted, limits)
            lease = Lease(granted, _moment(now + int(LEASE * 1000)), _moment(again))
            if not granted:
                return lease
            if self._written(api, row, book.model_copy(update={"calls": calls})):
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

    def standing(self, api: str) -> Standing:
        """How the budget of `api` stands, for people to see: reads, and leases nothing. Raises Throttled."""
        (_, book), now = self._book(api), _millis(self._clock.now())
        windows = []
        for limit, seconds in self._settings.rate(api):
            spent = sum(call > now - seconds * 1000 - int(SLACK * 1000) for call in book.calls)
            windows.append((max(0, limit - spent), limit, seconds))
        return Standing(tuple(windows), _moment(book.blocked) if book.blocked > now else None)

    def ask_to_wake(self, api: str, at: datetime) -> bool:
        """Whether the caller is the one who should have somebody woken at `at`; False where that is arranged."""
        return self._mark(api, "wake", _millis(at))

    def _mark(self, api: str, field: str, value: int) -> bool:
        """Move a time of the book forward; False where it stands as far already."""
        for _ in range(_CONFLICTS):
            row, book = self._book(api)
            now = _millis(self._clock.now())
            stands = getattr(book, field)
            if stands >= value or (field == "wake" and stands > now):
                return False
            if self._written(api, row, book.model_copy(update={field: value})):
                return True
        return False

    def _book(self, api: str) -> tuple[Row | None, _Book]:
        with passing(_UNKEPT.format(api)):
            row = self._rows.get(PARTITION, api)
        return row, _read(api, row)

    def _written(self, api: str, row: Row | None, book: _Book) -> bool:
        """Write a book that is still as it was read; whether it was."""
        text = book.model_dump_json()
        try:
            with passing(_UNKEPT.format(api)):
                self._rows.commit(PARTITION, [Replace(api, text, row.etag) if row else Insert(api, text)])
        except Conflict:
            return False
        return True


@contextmanager
def passing(said: str) -> Iterator[None]:
    """A refusal of our own storage must not pass for one of the service that was to be called, nor stand in the place
    of a 429 that is being noted: it passes, as roles and tokens do that are being renewed. `said` begins the words of
    the Transient.
    """
    try:
        yield
    except Rejected as error:
        raise Transient(f"{said}: {error}") from error


def _read(api: str, row: Row | None) -> _Book:
    try:
        return _Book.model_validate_json(row.text) if row else _Book()
    except ValidationError as error:
        raise Throttled(f"the budget of {api} is kept in a form that this version cannot read", 60.0) from error


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
            first = within[min(max(0, len(within) - limit), len(within) - 1)] if within else now
            again = max(again, first + window)
        granted = min(granted, max(0, limit - len(within)))
    return granted, again, (*calls, *([now] * granted))


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
