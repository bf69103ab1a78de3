"""How far a collection by live response is: what is carried from session to session, and what each one asks. Pure.

A collection goes in legs, each a session: a look at the device, the start of the capture, polls, parts, clean-up. All
that is known stands in the action's progress, so that any worker can go on at any place.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from responders._interface import Onward
from responders._live import LINUX, MACOS, WINDOWS, step
from responders._memory import WINDOW, Facts
from shared.models.action import Artefact
from shared.models.command import GetFile, PutFile

if TYPE_CHECKING:
    from shared.models.command import Command

TRIES = 4
"""How often in a row a leg may come to nothing."""

LEAST_PART = 64 * 1024
MOST_PARTS = 1_200
"""Parts of one image: what is known of them has to fit into the action's row."""

EXPIRE = timedelta(days=2)
"""After so long without a word from us the device removes what we left there by itself."""


class Leg(StrEnum):
    """What the present session is for; `JOIN` needs none."""

    PREFLIGHT = "preflight"
    START = "start"
    STATUS = "status"
    CUT = "cut"
    JOIN = "join"
    TRIAGE = "triage"
    LOGS = "logs"
    FETCH = "fetch"
    CLEAN = "clean"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class Fetched(_Frozen):
    """A part that lies in staging: where it was cut, and what its transfer says (`shared.models.part`)."""

    offset: int
    number: int
    size: int
    sha256: str
    content_size: int
    content_sha256: str
    device: str
    bounded: bool = True


class Progress(_Frozen):
    """What is known of a collection. `sessions` counts those that are over, `failures` those of the present leg that
    came to nothing, `polls` how often the capture was not over yet. `why` says why there is less than was asked for,
    `todo` what a person could do.

    Of an image: `how` is empty, `kernel` or `processes` (then `pids` says which); `part` is the size of parts in bytes,
    smaller after a time-out, though not below `least`; `asked` are those of the present session, as (offset, length);
    `size`, `sha256` and `format` are the device's; `packed` says that what is received is gzip. Of a bundle: `path`,
    `size` and `sha256`.
    `folder` is ours on the device, and there may be something in it; where its place is not known, it bears the id of
    the action that had it made: `of`, or this one.
    """

    leg: Leg = Leg.PREFLIGHT
    script: str = LINUX
    sessions: int = 0
    failures: int = 0
    polls: int = 0
    facts: Facts = Facts()
    decision: str = ""
    folder: str = ""
    of: str = ""
    begun: datetime | None = None
    how: str = ""
    pids: str = ""
    tool: str = ""
    tool_sha256: str = ""
    compress: bool = False
    reserve: int = 0
    part: int = 0
    size: int = 0
    sha256: str = ""
    format: str = ""
    interrupted: int = 0
    path: str = ""
    asked: tuple[tuple[int, int], ...] = ()
    packed: bool | None = None
    parts: tuple[Fetched, ...] = ()
    artefacts: tuple[Artefact, ...] = ()
    why: str = ""
    todo: str = ""
    left: str = ""

    @property
    def platform(self) -> str:
        """The system that the script is for."""
        return {WINDOWS: "windows", MACOS: "macos"}.get(self.script, "linux")

    @property
    def offset(self) -> int:
        """Up to where the image is fetched."""
        return sum(part.content_size for part in self.parts)

    @property
    def least(self) -> int:
        """How many bytes the next parts must have, so that there are no more than `MOST_PARTS` in the end."""
        needed = -(-(self.size - self.offset) // max(1, MOST_PARTS - len(self.parts)))
        return needed if needed <= LEAST_PART else -(-needed // LEAST_PART) * LEAST_PART

    def file(self, name: str) -> str:
        """A path in our folder."""
        return inside(self.folder, name, self.script)

    def to(self, leg: Leg, **changes: object) -> Progress:
        """The next leg, this session being over."""
        return self.model_copy(update={"leg": leg, "failures": 0, "sessions": self.sessions + 1, **changes})

    def next_parts(self) -> tuple[tuple[int, int], ...]:
        """The parts of the next session, as (offset, length)."""
        found: list[tuple[int, int]] = []
        at, part = self.offset, max(self.part, self.least)
        while at < self.size and len(found) < WINDOW:
            found.append((at, min(part, self.size - at)))
            at += part
        return tuple(found)


def commands(progress: Progress, action: str) -> tuple[Command, ...]:
    """What the session of a leg asks. `action` is the action's id, which names our folder on the device."""
    script, folder = progress.script, progress.folder
    match progress.leg:
        case Leg.START:
            words = {
                "dir": folder,
                "how": progress.how,
                "pids": progress.pids,
                "tool": progress.tool,
                "sha256": progress.tool_sha256,
                "compress": int(progress.compress),
                "part": progress.part,
                "reserve": progress.reserve,
                "expire": int(EXPIRE.total_seconds()),
            }
            put = (PutFile(progress.tool),) if progress.tool else ()
            return (*put, step(script, "start", **words))
        case Leg.CUT:
            first, length = progress.asked[0]
            words = {"dir": folder, "offset": first, "length": length, "count": len(progress.asked)}
            words |= {"reserve": progress.reserve}
            gets = (GetFile(progress.file(f"part-{offset}-{length}")) for offset, length in progress.asked)
            return (step(script, "cut", **words), *gets)
        case Leg.FETCH:
            return (GetFile(progress.path),)
        case Leg.PREFLIGHT:
            return (step(script, str(progress.leg)),)
        case Leg.TRIAGE | Leg.LOGS:
            return (step(script, str(progress.leg), **_named(progress, action), expire=int(EXPIRE.total_seconds())),)
        case _:
            return (step(script, str(progress.leg), **_named(progress, action)),)


def _named(progress: Progress, action: str) -> dict[str, object]:
    """Our folder on the device: by its path where that is known, else by the id in its name."""
    return {"dir": progress.folder} if progress.folder else {"id": progress.of or action}


def left_in(progress: Progress, action: str) -> str:
    """The same in words."""
    return progress.folder or f"the folder bulkhead-{progress.of or action}"


def inside(folder: str, name: str, script: str) -> str:
    """A path in a folder of the device."""
    separator = "\\" if script == WINDOWS else "/"
    return f"{folder}{separator}{name}"


def onward(progress: Progress, detail: str = "", wait: timedelta = timedelta(0)) -> Onward:
    """The next session."""
    asked = progress.next_parts() if progress.leg is Leg.CUT else ()
    return Onward(progress.model_copy(update={"asked": asked}).model_dump_json(), wait, progress.artefacts, detail)


def less(progress: Progress, why: str, todo: str = "", leg: Leg = Leg.CLEAN) -> Onward:
    """There is less than was asked for, and this is why. The first reason stands."""
    told = {"why": progress.why or why[:300], "todo": progress.todo or todo}
    return onward(progress.to(leg, **told), f"no image: {why}" if leg is Leg.TRIAGE else why)


def smaller(part: int, least: int = 0) -> int:
    """The size of parts after one took too long."""
    return max(LEAST_PART, least, part // 2)
