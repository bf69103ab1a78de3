"""Acting calls that take long: the effect comes late, or the answer, up to the deadline of the call or after it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.fakes.clients import Mishap
from tests.simulation.record import ACTS

if TYPE_CHECKING:
    from tests.simulation.world import World

LATE = Mishap("delay", seconds=60.0)
"""The answer comes after we have given up waiting for it."""

DEADLINE = 40.0
"""Seconds for which an acting call waits for its answer."""

_SLOW = (30.0, DEADLINE)
_WAITED_FOR = {"devices.unrestrict": 0.7}
"""How often an answer is late, but in time, where that is another share than of the others."""

_SELDOM = frozenset({"devices.cancel", "devices.release", "devices.unrestrict", "devices.live_response"})


class LateAnswers:
    """Drawn from a stream of its own: where none is late, a history plays as if there were no such thing."""

    def __init__(self, world: World) -> None:
        """Nothing was asked yet."""
        self._world = world
        self._random = Random(world.seed ^ 0xDA3D)  # noqa: S311 - histories, not secrets
        self._late: set[tuple[str, str]] = set()
        self._taken: set[str] = set()

    def strikes(self, call: str) -> Mishap | None:
        """Perhaps the answer to this call is to come too late."""
        return LATE if self._may(call) and self._random.random() < self._chance(call) else None

    def given_up(self, call: str, process: str) -> None:
        """The call of a process waits in vain."""
        self._late.add((call, process))

    def under_way(self, call: str) -> None:
        """Pause for as long as an acting call needs until it takes effect, beyond what it needs anywhere."""
        if self._may(call) and self._random.random() < self._chance(call):
            self._taken.add(call)
            self._world.counters.injected["effect up to the deadline", call] += 1
            self._world.clockwork.pause(self._random.uniform(*_SLOW))

    def wait(self, call: str, process: str, *, refused: bool) -> None:
        """Pause for as long as the answer to an acting call takes beyond what it takes anywhere."""
        if (call, process) in self._late:
            self._late.discard((call, process))
            self._world.clockwork.pause(DEADLINE)
        elif call in self._taken:
            self._taken.discard(call)
        elif self._may(call) and not refused and self._random.random() < _WAITED_FOR.get(call, 0.2):
            self._world.counters.injected["up to the deadline", call] += 1
            self._world.clockwork.pause(self._random.uniform(*_SLOW))

    @staticmethod
    def _chance(call: str) -> float:
        return 0.3 if call in _SELDOM else 0.1

    def _may(self, call: str) -> bool:
        return self._world.dangers.late and self._world.troubled and call in ACTS
