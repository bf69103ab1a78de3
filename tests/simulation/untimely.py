"""What comes at the wrong moment: a worker that stands still right behind a new row, while its incident is merged away;
an order to release what is on its way; a 404 for what goes on; an acting call that arrives when its sender has died;
a changed setting that some instances have, and others not yet.

Drawn from a stream of its own: where none of it comes, a history plays as if there were no such thing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from local.tenant.settings import Durations
from shared.models.action import State
from tests.fakes.clients import BROKEN, HIDDEN, LOST, Mishap
from tests.simulation.record import CREATING
from tests.simulation.tenant_life import goes_away

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from local.tenant.settings import TenantSettings
    from tests.simulation.clockwork import Process
    from tests.simulation.world import World

HALTED, MERGED = "stands still behind a new row", "merged while a worker stands still"
HASTY = "a release of what is on its way"
LANDED = "lands when its sender has died"
ROLLING = "has an older setting for a while"

_HALTS, _MERGES, _RELEASES, _DIES = 0.25, 0.5, 0.2, 0.12
_SELDOM = frozenset({"devices.release", "devices.unrestrict", "devices.live_response", "devices.stop_quarantine"})
_DIES_SELDOM = 0.4
_LANDS = (0.1, 7.0)
"""Seconds after which a call arrives whose sender has died."""
_STILL, _UNTIL_LEARNT = (5.0, 60.0), (40.0, 120.0)
"""Seconds for which a worker stands still; from the merge on, too, until the others have learnt of it."""

_GOES = 0.6
"""How often the device that is to be free is away from then on."""

_AWAY = (1000.0, 1500.0)
ROLLS = (0.0, 90.0)
"""Seconds until an instance has a setting that was changed."""

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

    def dies(self, call: str) -> bool:
        """Whether the sender of an acting call dies now: that arrives all the same, seconds later."""
        world = self._world
        may = world.dangers.landing and world.troubled and call in CREATING
        if not may or self._random.random() > (_DIES_SELDOM if call in _SELDOM else _DIES):
            return False
        process, sent = world.clockwork.process(), world.sending()
        assert process
        looked = world.record.looked()
        world.clockwork.after(self._random.uniform(*_LANDS), partial(self._lands, call, sent, process, looked))
        return True

    def _lands(self, call: str, sent: Callable[[], object], process: Process, looked: datetime | None) -> None:
        world = self._world
        world.counters.injected[LANDED, call] += 1
        world.clockwork.note(f"{call} of {process.name} arrives, which has died")
        world.record.before(call, process)
        sent()
        world.record.after(call, process, looked)

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

    def restart(self) -> None:
        """A setting was changed: instances end, and new ones start with it, one after the other in some histories."""
        world = self._world
        if not world.dangers.rolling:
            world.platform.restart_all()
            return
        for instance in list(world.platform.instances):
            world.counters.injected[ROLLING, "instance"] += 1
            world.clockwork.after(self._random.uniform(*ROLLS), partial(world.platform.kill, instance.process))

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
            if self._random.random() < _GOES:  # before it heard of what is on its way to it
                world.clockwork.note(f"device {device[:8]} is away, and its release is ordered")
                goes_away(world.clockwork, world.tenant, device, self._random.uniform(*_AWAY))
            world.people.send("release", device=device)
            world.counters.injected[HASTY, "order"] += 1
        world.clockwork.after(_LOOKS, self._look)


def lasting(settings: TenantSettings) -> TenantSettings:
    """Settings under which a package and a scan take until after a 404 is believed of them."""
    return replace(settings, durations={**settings.durations, **dict.fromkeys(_LASTING, _LONG)})
