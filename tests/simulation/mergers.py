"""Merges whose time tells: an incident that is harmless for a while takes in one that was acted on.

It is harmful again minutes later. What was planned while the merge was learnt may not know of it; what is planned then
must. A history in which nobody merges like this plays as if there were no such thing.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from shared.models.action import State

if TYPE_CHECKING:
    from tests.simulation.world import World

_LOOKS = 5.0
_HARMLESS = "informationalExpectedActivity"
_CALM, _LEARNT = (60.0, 150.0), (150.0, 400.0)
"""How long the incident is harmless before the merge, and after it: until all of it is learnt."""


class Mergers:
    """One such merge, during the first `span` seconds (0: none)."""

    def __init__(self, world: World, span: float) -> None:
        """Nothing was merged yet."""
        self._world = world
        self._random = Random(world.seed ^ 0x3E63)  # noqa: S311 - histories, not secrets
        self._until = world.clockwork.now() + timedelta(seconds=span)
        if world.dangers.merged and span:
            world.clockwork.after(_LOOKS, self._look)

    def _look(self) -> None:
        """Look for two incidents that may be merged, again and again, until there are."""
        if self._world.clockwork.now() >= self._until:
            return
        rows = self._world.record.open_actions()
        acted = {each.incident for each in rows if each.attempt and each.state is State.SUCCEEDED}
        free = [each for each in self._world.life.incidents if self._open(each)]
        sources = [each for each in free if each in acted]
        into = [each for each in free if each not in acted] or free
        if not sources or len(free) < 2:
            self._world.clockwork.after(_LOOKS, self._look)
            return
        source = self._random.choice(sources)
        target = self._random.choice([each for each in into if each != source])
        self._classify(target, _HARMLESS)
        self._world.clockwork.after(self._random.uniform(*_CALM), partial(self._merge, source, target))

    def _open(self, incident: str) -> bool:
        raw = self._world.tenant.incidents.raw(incident)
        here = not raw["redirectIncidentId"] and raw["status"] != "resolved"
        return here and self._world.life.unclassified(incident)

    def _merge(self, source: str, target: str) -> None:
        if self._world.life.merge(source, target):
            self._world.clockwork.after(self._random.uniform(*_LEARNT), partial(self._declassify, target))

    def _declassify(self, incident: str) -> None:
        """It is harmful again, unless an analyst has called it something else meanwhile."""
        if self._world.tenant.incidents.raw(incident)["classification"] == _HARMLESS:
            self._classify(incident, "unknown")

    def _classify(self, incident: str, said: str) -> None:
        self._world.tenant.incidents.change(incident, {"classification": said})
        self._world.counters.injected["harmless for a while", "tenant"] += said != "unknown"
        self._world.clockwork.note(f"incident {incident}: {said}")
