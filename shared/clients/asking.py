"""Several ways to ask for the same list, the narrowest first: a service may refuse a filter that it documents."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared.errors import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.errors import Transient

REMEMBERED = 900.0
"""Seconds for which a way that was refused is not tried again: each refusal costs a call of the budget."""

LONGEST = 4 * 3600.0
"""Seconds for which less is asked for at the most, where all cannot be had again and again: it may take as long as a
call may to find out.
"""


_TROUBLED = frozenset({500, 502, 503, 504})


def may_be_too_much(error: Transient) -> bool:
    """Whether less might be answered: there was too much, or a trouble that may have any reason."""
    return error.cause in {Cause.LONG, Cause.LATE} or error.status in _TROUBLED


class Ways:
    """Which way to begin with. Where two calls learn it at once, either is right."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is any clock that goes forward."""
        self._seconds = seconds
        self._way = 0
        self._until = 0.0

    def first(self) -> int:
        """The narrowest way that was not refused lately; 0 is the one to wish for."""
        return self._way if self._seconds() < self._until else 0

    def refused(self, way: int) -> None:
        """Begin with a wider way than this one, for a while."""
        self._way = way + 1
        self._until = self._seconds() + REMEMBERED


class Rungs:
    """How much of a list to ask for at once, from all of it (0) down to the last rung, for a service that cannot answer
    so much. Where two calls learn it at once, either is right.

    An answer that is too long says so itself. A server error may be about anything: only what fails again right after
    the service answered something light is too much for it. What is learnt is remembered for a while; then all is asked
    for once more, and one failure leads back, for twice as long each time (`LONGEST` at the most).
    """

    def __init__(self, last: int, seconds: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is any clock that goes forward."""
        self._last = last
        self._seconds = seconds
        self._rung = 0
        self._until = 0.0
        self._for = REMEMBERED
        self._doubted = self._light = False

    def first(self) -> int:
        """The rung to ask at."""
        return self._rung if self._seconds() < self._until else 0

    def doubted(self) -> bool:
        """Whether something light should be asked for first, to see whether the service answers at all."""
        return self._doubted

    def answered(self, *, light: bool) -> None:
        """Note whether the service answered something light. If not, it is not about how much is asked for."""
        self._doubted = self._light = light

    def failed(self, rung: int, *, surely: bool) -> None:
        """Note that a list failed that was begun at this rung; `surely` because there was too much of it."""
        if rung != self.first():  # others have learnt since
            return
        if rung < self._rung:
            self._for = min(LONGEST, self._for * 2)
            self._until = self._seconds() + self._for
        elif surely or self._light:
            self._rung = rung + 1 if rung < self._last else 0
            self._until = self._seconds() + self._for
            self._doubted = not surely
        else:
            self._doubted = True
        self._light = False

    def done(self, rung: int) -> None:
        """Note that a list that was begun at this rung came to its end."""
        if rung == self.first():
            self._for = self._for if rung else REMEMBERED
            self._rung = rung
            self._doubted = self._light = False
