"""What happened to an item, by whom, when and why: events in a chain, each of which holds the hash of the one before.

An event is one canonical line and one small blob. The chain can be read by itself: of a run's sealed chain follows its
manifest. A chain shows that it was changed; it does not say that a device was honest.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.models.archive.canonical import canonical
from shared.models.archive.manifest import Item, Manifest, Missing, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

START = "0" * 64
"""What the first event holds in place of a hash."""

OPENED, KEPT, MISSING, NOTED, SEALED = "opened", "kept", "missing", "noted", "sealed"
"""What the machinery tells: a run was begun; an item committed and read again; something could not be had; something
happened that a reader should know of; nothing follows.
"""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Who(_Strict):
    """Who did it: the identity (an object or client id, or an account), the function or command, and its version."""

    identity: str
    function: str
    version: str
    deployment: str = ""


class Why(_Strict):
    """Why: the incident, the policy's rule, the order of a person, Defender's own action; or a purpose in words."""

    incident: str = ""
    rule: str = ""
    order: str = ""
    machine_action: str = ""
    purpose: str = ""


class Clocks(_Strict):
    """What several clocks showed, RFC 3339 or as they wrote it. The event's own time is the storage's. Where nothing
    told what the device's did, the last event says `unknown`.
    """

    host: str = ""
    storage: str = ""
    defender: str = ""
    device: str = ""


class Said(_Strict):
    """What an event tells, before it has its place in the chain.

    `subject` tells two events of one kind apart: who repeats an event, after a crash or beside another worker, says
    the same `what` of the same `subject`, and it is written once. `source` is where a thing came from, `to` where it
    went or who was given it. What was kept has its `item`, the last event its `run`.
    """

    at: str
    what: str
    subject: str = ""
    who: Who
    why: Why = Why()
    clocks: Clocks = Clocks()
    source: str = ""
    to: str = ""
    size: int | None = None
    sha256: str = ""
    detail: str = ""
    item: Item | None = None
    run: Run | None = None


class Event(Said):
    """An event in its place: `seq` counts from 1, `prev` is the SHA-256 of the previous event's line. `mac` tells the
    app that it wrote the event itself; nobody else can make one, or needs it.
    """

    v: Literal[1] = 1
    seq: int = Field(ge=1)
    prev: str = Field(pattern=r"^[0-9a-f]{64}$")
    mac: str = ""

    @property
    def line(self) -> bytes:
        """The event as it is stored and hashed: canonical JSON, without an end of line."""
        return canonical(self._members())

    @property
    def uncoded(self) -> bytes:
        """The line that the event has without its `mac`."""
        return canonical({name: value for name, value in self._members().items() if name != "mac"})

    def _members(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True) | {"v": self.v}

    @property
    def hash(self) -> str:
        """The SHA-256 of the line, in hex."""
        return hashlib.sha256(self.line).hexdigest()


def following(chain: Sequence[Event], said: Said) -> Event:
    """What is said, as the next event of a chain."""
    prev = chain[-1].hash if chain else START
    return Event(seq=len(chain) + 1, prev=prev, **dict(said))


def event_name(number: int) -> str:
    """The name of an event's blob in its folder."""
    return f"{number:06d}.json"


def jsonl(chain: Iterable[Event]) -> bytes:
    """The chain in one file, a line for each event."""
    return b"".join(event.line + b"\n" for event in chain)


def manifest_of(chain: Sequence[Event]) -> Manifest:
    """What a chain that is sealed says of its run. Raises ValueError for one that is not."""
    last = chain[-1]
    if last.run is None:
        raise ValueError("the chain is not sealed")
    items = tuple(each.item for each in chain if each.item)
    missing = tuple(
        Missing(subject=each.subject, at=each.at, reason=each.detail) for each in chain if each.what == MISSING
    )
    return Manifest(run=last.run, made=last.at, items=items, missing=missing)


def stamp(moment: datetime) -> str:
    """A time as the archive writes it: RFC 3339, UTC, milliseconds. `moment` is in UTC."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
