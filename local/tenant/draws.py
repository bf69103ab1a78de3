"""Chance that repeats: ids and durations drawn from the tenant's seed.

Every drawing has its own stream, named by what it is for, so that one more call in one place does not change what
another place draws.
"""

from __future__ import annotations

import random
import uuid


class Draws:
    """Named streams of pseudo-random values for one seed."""

    def __init__(self, seed: int) -> None:
        """Start every stream of this seed anew."""
        self._seed = seed
        self._counts: dict[str, int] = {}

    def stream(self, name: str) -> random.Random:
        """Return the next generator of a stream."""
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        return random.Random(f"{self._seed}/{name}/{count}")  # noqa: S311 - chance that repeats is the point

    def guid(self, name: str) -> str:
        """Return the next GUID of a stream."""
        return str(uuid.UUID(int=self.stream(name).getrandbits(128), version=4))

    def number(self, name: str) -> int:
        """Return how many values the stream has given, and count one more."""
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        return count
