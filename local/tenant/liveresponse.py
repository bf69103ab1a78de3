"""The hook for live response: who carries the commands out on the pretended device.

The tenant has nobody by default; every session then ends in Failed. A `Runner` that really runs scripts
(`linux.Sandboxes`) can be given to the model; the session's life cycle, limits and result links stay the tenant's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from local.tenant.clock import stamp

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from local.tenant.fleet import Machine
    from local.tenant.wire import Json

Files = Callable[[str], bytes | None]
"""The library: a file's bytes by its name."""


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What one command did: its errors (none means completed), its duration, and what it left to download: bytes, or
    a file that holds them. `late` says that its time ran out.
    """

    seconds: float
    errors: tuple[str, ...] = ()
    result: bytes | Path | None = None
    late: bool = False


Outcomes = Sequence[CommandOutcome]


class Runner(Protocol):
    """Carries out a session's commands; the first that fails stops the rest."""

    def __call__(self, machine: Machine, commands: Sequence[Json], files: Files, /) -> Outcomes | Future[Outcomes]:
        """Return one outcome for each command that was begun, at once or when it is over."""


@runtime_checkable
class Restarts(Protocol):
    """A runner whose devices can be restarted."""

    def reboot(self, machine: Machine) -> None:
        """End what the device runs; its working folder is empty afterwards."""


def nobody(machine: Machine, commands: Sequence[Json], files: Files) -> Outcomes:
    """Carry out nothing: the first command fails."""
    del files
    kind = commands[0]["type"]
    return [CommandOutcome(5.0, (f"{kind} cannot be run on the simulated device {machine.shown['computerDnsName']}.",))]


def told(outcomes: Outcomes | Future[Outcomes]) -> Outcomes | None:
    """What a runner has answered; None while it works."""
    if not isinstance(outcomes, Future):
        return outcomes
    return outcomes.result() if outcomes.done() else None


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


def carried_out(shown: list[Json], outcomes: Outcomes, start: datetime) -> list[Json]:
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
