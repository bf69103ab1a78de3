"""Who runs the deployment and changes its settings in the middle of a history: caps, what is protected, rates, policy.

All of it is drawn from a stream of its own: where nobody changes anything, a history plays as if nobody were there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from shared.config import Caps
from tests.simulation.tenant_life import PROTECTED_TAG
from tests.simulation.untimely import ROLLS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.simulation.record import Effect
    from tests.simulation.world import World

_WIDE = {"per_incident": 20, "per_hour": 60, "per_day": 60, "fleet_share": 1.0}
TIGHT: dict[str, dict[str, float]] = {
    "per_incident": {"per_incident": 1},
    "per_hour": {"per_hour": 2},
    "per_day": {"per_day": 2},
    "fleet_share": {"fleet_share": 0.03},
}
"""One cap so narrow that it is reached, the others so wide that they are not."""

_CAPS = (
    {"per_incident": 1, "per_hour": 2, "per_day": 3, "fleet_share": 0.05},
    {"per_incident": 3, "per_hour": 4, "per_day": 6, "fleet_share": 0.1},
    {"per_incident": 0, "per_hour": 0, "per_day": 0, "fleet_share": 0.0},
    _WIDE,
)
ANOTHER_TAG = "Crown"
"""The tag that is protected from some moment on; some devices carry it from the beginning."""

_CARRY_IT = (4, 5, 7)
_RATES: tuple[dict[str, object], ...] = (
    {},
    {"isolate": "4/min"},
    {"machine_actions": "20/min", "machines": "12/min"},
    {"isolate": "6/min,60/h", "collect": "3/min", "incidents": "30/min"},
)
POLICIES = ("as it was", "more", "less")
"""What the policy asks for: as in any history, or more beside isolation, or a scan instead of it."""


@dataclass(frozen=True, slots=True)
class InForce:
    """Caps, and since when they were in force."""

    since: datetime
    caps: Caps


class Operators:
    """The settings that may change, as they are now."""

    def __init__(self, world: World, span: float) -> None:
        """Draw what is changed when, within `span` seconds (0: nothing is)."""
        self._world = world
        self._random = Random(world.seed ^ 0x09E7)  # noqa: S311 - histories, not secrets
        self.tags = [PROTECTED_TAG]
        self.rates: dict[str, object] = {}
        self.policy = POLICIES[0]
        self._caps: list[InForce] = []
        dangers, after = world.dangers, world.clockwork.after
        if dangers.tight:
            world.caps = json.dumps(_WIDE | TIGHT[dangers.tight])
        if dangers.observing and span:
            after(self._random.uniform(90, span / 2), self._respond)
        happenings: list[Callable[[], None]] = [self._other_caps, self._other_caps]
        happenings += [self._protect, self._other_rates, self._other_policy]
        for _ in range(self._random.randint(1, 3) if dangers.changes and span else 0):
            after(self._random.uniform(60, span), self._random.choice(happenings))
        if dangers.changes:
            after(0.0, self._tag_them)

    def note_caps(self) -> None:
        """Note which caps an instance begins with."""
        caps = Caps(**json.loads(self._world.caps))
        if not self._caps or self._caps[-1].caps != caps:
            self._caps.append(InForce(self._world.clockwork.now(), caps))

    def allowed(self, effect: Effect) -> Caps:
        """The widest caps that were in force while an action waited for its call, from its row until it took effect, or
        that its sender had still.
        """
        rolled = timedelta(seconds=ROLLS[1] * self._world.dangers.rolling)
        born = effect.row.created - rolled if effect.row else None
        known = [
            each.caps
            for each, after in zip(self._caps, [*self._caps[1:], None], strict=True)
            if each.since <= effect.at and not (born and after and after.since <= born)
        ]
        known.append(self._world.settings[effect.process].ISOLATION_CAPS)
        widest = {name: max(getattr(each, name) for each in known) for name in Caps.model_fields}
        return Caps(**widest)

    def _tag_them(self) -> None:
        for place in _CARRY_IT:
            self._world.life.tag(place, ANOTHER_TAG)

    def _respond(self) -> None:
        if self._world.mode == "observe":
            self._world.switch()

    def _changed(self, what: str, told: str) -> None:
        """A setting was changed: every instance ends, and new ones start with it."""
        self._world.counters.injected["setting changed", what] += 1
        self._world.clockwork.note(f"{what} is changed: {told}")
        self._world.untimely.restart()
        for _ in range(2):  # who changes a setting looks at incidents then, too
            self._world.clockwork.after(self._random.uniform(5, 120), self._world.life.assign)

    def _other_caps(self) -> None:
        caps = json.dumps(self._random.choice(_CAPS))
        self._world.caps = caps
        self._changed("ISOLATION_CAPS", caps)

    def _protect(self) -> None:
        if ANOTHER_TAG not in self.tags:
            self.tags.append(ANOTHER_TAG)
            self._changed("PROTECTED", ANOTHER_TAG)

    def _other_rates(self) -> None:
        self.rates = self._random.choice(_RATES)
        self._changed("RATE_LIMITS", json.dumps(self.rates))

    def _other_policy(self) -> None:
        self.policy = self._random.choice([each for each in POLICIES if each != self.policy])
        self._changed("the policy", self.policy)
