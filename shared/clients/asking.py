"""Several ways to ask for the same list, the narrowest first: a service may refuse a filter that it documents."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REMEMBERED = 900.0
"""Seconds for which a way that was refused is not tried again: each refusal costs a call of the budget."""


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
