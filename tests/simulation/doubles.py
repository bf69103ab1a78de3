"""Somebody asks for the same as we do, at the very moment when we do, and Defender answers that as it may."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from local.tenant.wire import ApiError
from shared.models.action import State
from tests.fakes.clients import RACE, SILENT

if TYPE_CHECKING:
    from tests.fakes.clients import Mishap
    from tests.simulation.world import World

_THEIRS = {"devices.isolate": ("isolate", "isolate"), "devices.release": ("release", "unisolate")}
_ANSWERED = {"devices.isolate": (SILENT, RACE, None), "devices.release": (SILENT, None)}
_CHANCE = 0.3


class Doubles:
    """Drawn from a stream of its own: where nobody does, a history plays as if there were no such thing."""

    def __init__(self, world: World) -> None:
        """Nothing was asked yet."""
        self._world = world
        self._random = Random(world.seed ^ 0xD0B1)  # noqa: S311 - histories, not secrets
        self._answer: Mishap | None = None
        self._asked: dict[tuple[str, str], str] = {}

    def before(self, call: str) -> None:
        """We are about to send an isolation or a release: perhaps a person asks for it first."""
        world = self._world
        self._answer = None
        if call not in _THEIRS or not (world.dangers.doubled and world.troubled) or self._random.random() > _CHANCE:
            return
        responder, theirs = _THEIRS[call]
        rows = [each for each in world.record.open_actions() if each.responder == responder]
        devices = [each.device for each in rows if each.state is State.SENDING]
        if not devices:
            return
        device = self._random.choice(devices)
        try:
            world.tenant.person_orders(theirs, device)
        except ApiError:
            return
        told = "a person isolates" if theirs == "isolate" else "a person releases"
        world.counters.injected[told, "tenant"] += 1
        world.clockwork.note(f"a person: {theirs} {device[:8]}, at the moment when we do")
        self._answer = self._random.choice(_ANSWERED[call])

    def answer(self) -> Mishap | None:
        """How Defender answers what is sent now, if that is not left to chance."""
        answer, self._answer = self._answer, None
        return answer

    def asked(self, call: str, process: str, mishap: Mishap) -> None:
        """An answer is to be one of these: whether that means anything is seen once it was given."""
        self._asked[call, process] = mishap.kind

    def after(self, call: str, process: str) -> None:
        """Count what had an effect: nothing was made (silent), or what was made is parked (race)."""
        kind = self._asked.pop((call, process), "")
        if not kind:
            return
        made = self._world.record.made()
        if (kind == "silent" and not made) or (kind == "race" and any(each.behind_releases for each in made)):
            self._world.counters.injected[kind, call] += 1
