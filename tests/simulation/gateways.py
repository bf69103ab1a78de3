"""What stands between us and a service answers for it: 502, 504, or nothing for as long as we wait. Nothing is done.

Drawn from a stream of its own: where none does, a history plays as if there were no such thing.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import greenlet

from tests.fakes.clients import LOST, POSSIBLE, Mishap

if TYPE_CHECKING:
    from tests.simulation.world import World

UNHEARD = Mishap("timeout")
BAD, LATE = Mishap("status", 502, "BadGateway"), Mishap("status", 504, "GatewayTimeout")
READS = {
    call: (UNHEARD, BAD) if call == "hunting.run" else (UNHEARD, BAD, LATE)
    for call, mishaps in POSSIBLE.items()
    if LOST not in mishaps
}
"""What can befall each read beside what always can. A hunt has a 504 of its own, which calls for a smaller question."""

DEADLINE = 60.0
"""Seconds for which a read waits for its answer."""

_SELDOM = frozenset({"incidents.more_alerts", "devices.named", "devices.result_link", "devices.library", "hunting.run"})


class Gateways:
    """What answers for the services of a history, while its trouble lasts."""

    def __init__(self, world: World) -> None:
        """Nothing was asked yet."""
        self._world = world
        self._random = Random(world.seed ^ 0x6A7E)  # noqa: S311 - histories, not secrets
        self._unheard: set[object] = set()

    def strikes(self, call: str) -> Mishap | None:
        """Perhaps a gateway answers this read."""
        if not (self._world.dangers.gateway and self._world.troubled and call in READS):
            return None
        if self._random.random() > (0.25 if call in _SELDOM else 0.05):
            return None
        mishap = self._random.choice(READS[call])
        if mishap is UNHEARD:
            self._unheard.add(greenlet.getcurrent())
        return mishap

    def wait(self) -> None:
        """Pause for as long as the running task waits in vain."""
        if greenlet.getcurrent() in self._unheard:
            self._unheard.discard(greenlet.getcurrent())
            self._world.clockwork.pause(DEADLINE)
