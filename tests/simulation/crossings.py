"""Orders that cross what we are about to do: each comes at the very moment at which one more look makes the difference.

At the most one kind to a history, with draws of its own: where none crosses, a history plays as if there were no such
thing.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING

from local.tenant.wire import ApiError
from responders._given_back import GIVEN_BACK_BY
from shared.models.action import State
from tests.simulation.tenant_life import goes_away

if TYPE_CHECKING:
    from shared.models.action import Action
    from tests.simulation.world import World

_LISTING, _LIBRARY = "devices.actions", "devices.library"
"""What is read between the reservation of an action and its POST."""

_HOLD, _RELEASE = "crossed by a hold", "crossed by a release"
CROSSED = ((_HOLD, _LISTING), (_HOLD, _LIBRARY), (_RELEASE, _LISTING))
"""What crosses which reading."""

_OFTEN = 0.5
_LOOKS = 2.0
_STEPS, _STEP = 16, 0.5
"""How often a reading waits for the answer to an order, and for how many seconds: a lease lasts little longer."""

_AWAY = (200.0, 600.0)
"""Seconds for which a device stays away that somebody isolates: so long theirs is under way."""


class Crossings:
    """What crosses a history, while its trouble lasts."""

    def __init__(self, world: World) -> None:
        """Draw which kind, and which reading a hold crosses."""
        self._world = world
        self._random = Random(world.seed ^ 0xC2055)  # noqa: S311 - histories, not secrets
        self._left = 3
        dangers = world.dangers
        may = [CROSSED[0], *[CROSSED[1]] * (2 * dangers.live), *[CROSSED[2]] * dangers.people]
        self._kind, self._read = self._random.choice(may) if dangers.crossed and dangers.orders else ("", "")

    def before(self, call: str) -> None:
        """Something is about to be read: for an action that is sent next, perhaps."""
        if call != self._read or not (self._left and self._world.troubled):
            return
        about = [row for row in self._world.record.open_actions() if row.state is State.SENDING]
        about = [row for row in about if row.responder not in GIVEN_BACK_BY.values()]
        if about and self._random.random() < _OFTEN:
            self._hold() if self._kind == _HOLD else self._isolates(about)

    def _hold(self) -> None:
        """Somebody holds everything, and is answered while the reading lasts; minutes later it goes on."""
        record, clockwork, before = self._world.record, self._world.clockwork, set(self._world.people.sent)
        if record.holding:
            return
        self._left -= 1
        clockwork.after(0.0, partial(self._world.people.send, "hold"))
        clockwork.after(self._random.uniform(30, 200), partial(self._world.people.send, "resume"))
        for _ in range(_STEPS):
            clockwork.pause(_STEP)
            if record.holding and record.answered.keys() - before:
                self._world.counters.injected[_HOLD, self._read] += 1
                return

    def _isolates(self, about: list[Action]) -> None:
        """Somebody isolates in the portal what we are about to isolate, before we look; the device is away."""
        devices = [row.device for row in about if row.responder == "isolate"]
        if not devices:
            return
        device = self._random.choice(devices)
        try:
            theirs = str(self._world.tenant.person_orders("isolate", device)["id"])
        except ApiError:
            return
        self._left -= 1
        clockwork = self._world.clockwork
        goes_away(clockwork, self._world.tenant, device, self._random.uniform(*_AWAY))
        self._world.counters.injected["a person isolates", "tenant"] += 1
        clockwork.note(f"a person: isolate {device[:8]}, which is away, before we look")
        clockwork.after(_LOOKS, partial(self._releases, theirs, device))

    def _releases(self, theirs: str, device: str) -> None:
        """Somebody else orders the device's release, while that isolation is under way and we follow it."""
        desk = self._world.tenant.desk
        if not self._world.troubled or desk.progress(desk.one(theirs, hidden=True)).final:
            return
        rows = [row for row in self._world.record.open_actions() if row.machine_action == theirs]
        if any(row.foreign and row.state is State.ACCEPTED for row in rows):
            self._world.people.send("release", device=device)
            self._world.counters.injected[_RELEASE, self._read] += 1
        else:
            self._world.clockwork.after(_LOOKS, partial(self._releases, theirs, device))
