"""The storage's clock, learnt from the `Date` of the answers that come anyway.

Hosts disagree about the time; what they share is the storage. Its `Date` has whole seconds: an answer that was asked
for at `sent` and came at `received`, both by the host's monotonic clock, was stamped in between at a time in
[`Date`, `Date` + 1 s). So each answer bounds the storage's time less ours, and the bounds of several answers are far
tighter than a second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from shared.errors import Rejected, Transient

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW = 600.0
"""Seconds after which a bound is forgotten: a quartz that drifts by 50 ppm has then gained 30 ms."""

BUCKET = 60.0
"""Seconds of answers that are kept as one bound, so that what is kept does not grow with the traffic."""

TOLERANCE = 0.5
"""Seconds by which answers may contradict each other (an account has several front ends). A contradiction beyond means
that the host's monotonic clock stood still, as in a suspended machine: what was learnt before is worthless."""

RESOLUTION = 1.0
"""Seconds in which `Date` counts."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What the answers since `since` (monotonic seconds) say: storage time less monotonic time lies in low..high."""

    since: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class OffsetEstimate:
    """The storage's time less the host's monotonic time, as far as it is known."""

    bounds: tuple[Bound, ...] = ()

    def heard(self, date: float, sent: float, received: float) -> OffsetEstimate:
        """Give the estimate with one more answer: `date` in Unix seconds, the others in monotonic seconds."""
        new = Bound(received, date - received, date + RESOLUTION - sent)
        kept = self._recent(received)
        if kept and (new.low > _high(kept) + TOLERANCE or new.high < _low(kept) - TOLERANCE):
            kept = ()
        if kept and received - kept[-1].since < BUCKET:
            *kept_before, last = kept
            merged = Bound(last.since, max(last.low, new.low), min(last.high, new.high))
            return OffsetEstimate((*kept_before, merged))
        return OffsetEstimate((*kept, new))

    def offset(self, at: float) -> float | None:
        """Give the offset at this monotonic time, the middle of what is possible; None without recent answers."""
        kept = self._recent(at)
        return (_low(kept) + _high(kept)) / 2 if kept else None

    def _recent(self, at: float) -> tuple[Bound, ...]:
        return tuple(bound for bound in self.bounds if at - bound.since <= WINDOW)


def _low(bounds: tuple[Bound, ...]) -> float:
    return max(bound.low for bound in bounds)


def _high(bounds: tuple[Bound, ...]) -> float:
    return min(bound.high for bound in bounds)


class StorageClock:
    """`Clock` that is told of answers through `heard`, and asks for one only where none came for ten minutes."""

    def __init__(self, ask: Callable[[], object], monotonic: Callable[[], float] = time.monotonic) -> None:
        """Use `ask`, a cheap call to the storage whose answer, of whatever status, is passed to `heard`."""
        self._ask = ask
        self._monotonic = monotonic
        self._lock = Lock()
        self._estimate = OffsetEstimate()
        self._latest = 0.0

    def heard(self, date: datetime, sent: float, received: float) -> None:
        """Learn from an answer: its `Date`, and the monotonic seconds just before the request and after the answer."""
        with self._lock:
            self._estimate = self._estimate.heard(date.timestamp(), sent, received)

    def now(self) -> datetime:
        """See `Clock.now`.

        Raises:
            Transient: nothing was heard of late, and the storage could not be asked either.
        """
        moment = self._read()
        if moment is None:
            self._refresh()
            moment = self._read()
        if moment is None:
            raise Transient("the storage answers without telling the time")
        return moment

    def _refresh(self) -> None:
        try:
            self._ask()
        except Rejected:
            # A refusal has a Date as well.
            if self._read() is None:
                raise

    def _read(self) -> datetime | None:
        with self._lock:
            at = self._monotonic()
            offset = self._estimate.offset(at)
            if offset is None:
                return None
            self._latest = max(self._latest, at + offset)
            return datetime.fromtimestamp(self._latest, UTC)
