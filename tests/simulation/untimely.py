"""What comes at the wrong moment: a worker that stands still right behind a new row, while its incident is merged away;
an order to release what is on its way; a 404 for what goes on.

Drawn from a stream of its own: where none of it comes, a history plays as if there were no such thing.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from local.tenant.settings import Durations
from shared.models.action import State
from tests.fakes.clients import BROKEN, HIDDEN, LOST, Mishap

if TYPE_CHECKING:
    from local.tenant.settings import TenantSettings
    from tests.simulation.world import World

HALTED, MERGED = "stands still behind a new row", "merged while a worker stands still"
HASTY = "a release of what is on its way"

_HALTS, _MERGES, _RELEASES = 0.25, 0.5, 0.2
_STILL, _UNTIL_LEARNT = (5.0, 60.0), (40.0, 120.0)
"""Seconds for which a worker stands still; from the merge on, too, until the others have learnt of it."""

_GOES = 0.6
"""How often the device that is to be free is away from then on."""

_AWAY = (1000.0, 1500.0)
_LOOKS = 2.0
_ON_ITS_WAY_FOR = (20.0, 38.0)
_ON_ITS_WAY = frozenset({State.SENDING, State.UNKNOWN, State.ACCEPTED})
_STRIKES: dict[str, dict[str, tuple[float, Mishap]]] = {
    "hasty": {"devices.isolate": (0.4, LOST)},
    "denied": {"devices.actions": (0.5, BROKEN), "devices.action": (0.7, HIDDEN)},
}
"""What befalls which calls beside what always can, and how often."""

_LONG = Durations((1, 20), (580, 760))
_LASTING = ("CollectInvestigationPackage", "RunAntiVirusScan")


class Untimely:
    """What comes at the wrong moment in a history, during the first `span` seconds (0: nothing)."""

    def __init__(self, world: World, span: float) -> None:
        """Nothing came yet."""
        self._world = world
        self._random = Random(world.seed ^ 0x07713)  # noqa: S311 - histories, not secrets
        self._left = 4
        if world.dangers.hasty and world.dangers.orders and span:
            world.clockwork.after(_LOOKS, self._look)

    def strikes(self, call: str) -> Mishap | None:
        """Perhaps the answer to this call is lost, or denies what goes on."""
        for danger, struck in _STRIKES.items():
            chance, mishap = struck.get(call, (0.0, LOST))
            if getattr(self._world.dangers, danger) and self._world.troubled and self._random.random() < chance:
                return mishap
        return None

    def under_way(self, call: str) -> None:
        """Perhaps a call takes effect late, so that there is time to order a release first."""
        if self._world.dangers.hasty and self._world.troubled and call == "devices.isolate":
            self._world.clockwork.pause(self._random.choice([0.0, self._random.uniform(*_ON_ITS_WAY_FOR)]))

    def behind(self, key: str, process: str) -> None:
        """A worker has written a new row, the first of several perhaps: it may stand still now."""
        world = self._world
        may = world.dangers.halting and world.troubled and key.startswith("action:")
        if not may or self._random.random() > _HALTS:
            return
        world.counters.injected[HALTED, "rows.commit"] += 1
        world.record.disturbed.append((world.clockwork.now(), process))
        world.clockwork.pause(self._random.uniform(*_STILL))
        if self._random.random() < _MERGES and self._merged(key.split(":")[1]):
            world.clockwork.pause(self._random.uniform(*_UNTIL_LEARNT))

    def _merged(self, incident: str) -> bool:
        """Whether Defender merges an incident into another one at this moment."""
        others = [each for each in self._world.life.incidents if each != incident]
        known = incident in self._world.life.incidents and others and self._world.troubled
        done = bool(known) and self._world.life.merge(incident, self._random.choice(others))
        self._world.counters.injected[MERGED, "tenant"] += done
        return done

    def _look(self) -> None:
        """Somebody wants a device free that we are isolating at this moment."""
        world = self._world
        if not world.troubled or not self._left:
            return
        rows = [each for each in world.record.open_actions() if each.responder == "isolate" and not each.foreign]
        devices = [each.device for each in rows if each.state in _ON_ITS_WAY and not each.joined]
        if devices and self._random.random() < _RELEASES:
            self._left -= 1
            device = self._random.choice(devices)
            if self._random.random() < _GOES:
                self._goes(device)
            world.people.send("release", device=device)
            world.counters.injected[HASTY, "order"] += 1
        world.clockwork.after(_LOOKS, self._look)

    def _goes(self, device: str) -> None:
        """A device goes away before it heard of what is on its way to it."""
        clockwork, presence = self._world.clockwork, self._world.tenant.fleet.one(device).presence
        presence.set(clockwork.now(), online=False)
        clockwork.note(f"device {device[:8]} is away, and its release is ordered")
        clockwork.after(self._random.uniform(*_AWAY), lambda: presence.set(clockwork.now(), online=True))


def lasting(settings: TenantSettings) -> TenantSettings:
    """Settings under which a package and a scan take until after a 404 is believed of them."""
    return replace(settings, durations={**settings.durations, **dict.fromkeys(_LASTING, _LONG)})
