"""The hook for live response: who carries the commands out on the pretended device.

The tenant has nobody by default; every session then ends in Failed. A `Runner` that really runs scripts can be given to
the model; the session's life cycle, limits and result links stay the tenant's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from local.tenant.clock import stamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from local.tenant.wire import Json


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What one command did: its errors (none means completed), its duration, and the bytes it left to download."""

    seconds: float
    errors: tuple[str, ...] = ()
    result: bytes | None = None


class Runner(Protocol):
    """Carries out a session's commands; the first that fails stops the rest."""

    def __call__(self, machine: Json, commands: Sequence[Json], /) -> Sequence[CommandOutcome]:
        """Return one outcome for each command that was begun."""


def nobody(machine: Json, commands: Sequence[Json]) -> Sequence[CommandOutcome]:
    """Carry out nothing: the first command fails."""
    kind = commands[0]["type"]
    return [CommandOutcome(5.0, (f"{kind} cannot be run on the simulated device {machine['computerDnsName']}.",))]


def created(commands: Sequence[Json]) -> list[Json]:
    """Show commands that were not begun."""
    return [
        {
            "index": place,
            "startTime": None,
            "endTime": None,
            "commandStatus": "Created",
            "errors": [],
            "command": {"type": one["type"], "params": list(one.get("params") or [])},
        }
        for place, one in enumerate(commands)
    ]


def carried_out(shown: list[Json], outcomes: Sequence[CommandOutcome], start: datetime) -> list[Json]:
    """Show commands with what became of them; those never begun stay as they are."""
    done = []
    for command, outcome in zip(shown, outcomes, strict=False):
        end = start + timedelta(seconds=outcome.seconds)
        done.append(
            {
                **command,
                "startTime": stamp(start),
                "endTime": stamp(end),
                "commandStatus": "Failed" if outcome.errors else "Completed",
                "errors": list(outcome.errors),
            }
        )
        start = end
    return done + shown[len(done) :]
