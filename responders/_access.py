"""What happened to a run after it was sealed: a chain of its own beside it, and the runs as readers find them."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from responders._custody import Chain
from responders._sealing import CHECKPOINT, announce
from shared.errors import NotFound, Rejected
from shared.models.archive.custody import Clocks, Said, Why, event_name, stamp
from shared.models.archive.names import access_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from shared.models.archive.custody import Event, Who
    from shared.storage.interface import Evidence

VERIFIED, SHARED, READ, HELD, LET_GO = "verified", "shared", "read", "held", "let go"
METADATA = {"kind": "access"}
DETAIL = 1000
"""Characters of what was done, in one event."""


@dataclass
class Stored:
    """A run in the archive, as `_verify.check` reads it."""

    evidence: Evidence
    folder: str

    def names(self) -> list[str]:
        """Every object's name within the run."""
        start = f"{self.folder}/"
        return [name.removeprefix(start) for name in self.evidence.names(start)]

    def read(self, name: str) -> Iterator[bytes]:
        """An object's bytes. Raises KeyError."""
        try:
            return self.evidence.read(f"{self.folder}/{name}")
        except NotFound as error:
            if error.code == "ContainerNotFound":
                raise
            raise KeyError(name) from None
        except ValueError as error:  # somebody's name, which no URL can carry
            raise KeyError(name) from error


@dataclass(frozen=True, slots=True)
class Access:
    """Something that was done with a sealed run: `to` is who was given it, `purpose` why."""

    what: str
    detail: str
    to: str = ""
    purpose: str = ""


def record(
    evidence: Evidence,
    folder: str,
    access: Access,
    who: Who,
    now: datetime,
    host: Callable[[], datetime] | None = None,
) -> Event:
    """Put it into the run's chain of accesses, and into the log, with the storage's clock (`now`) and that of the
    `host` on which it is done. Raises Transient and Rejected (`Denied`).
    """
    chain = Chain(evidence, access_folder(folder), METADATA)
    said = Said(
        at=stamp(now),
        what=access.what,
        subject=f"{folder.rpartition('/')[2]} {token_hex(8)}",
        who=who,
        why=Why(purpose=access.purpose[:500]),
        clocks=Clocks(storage=stamp(now), host=stamp(host()) if host else ""),
        to=access.to[:500],
        detail=access.detail[:DETAIL],
    )
    event = chain.add(said)
    announce(access_folder(folder), event.hash, event.seq)
    return event


def accesses(evidence: Evidence, folder: str) -> tuple[Event, ...]:
    """What the chain of accesses tells. Raises Rejected where it is broken."""
    chain = Chain(evidence, access_folder(folder), METADATA)
    if chain.sealed:
        place = f"{access_folder(folder)}/{event_name(chain.sealed.seq)}"
        raise Rejected(
            f"{place} ends what nothing of ours ends: somebody else put it there", status=409, code="Differs"
        )
    return chain.events


def runs(names: Iterable[str]) -> dict[str, bool]:
    """The runs among the names of the archive, in order, each with whether it was sealed."""
    found: dict[str, bool] = {}
    for name in names:
        parts = name.split("/")
        at = next((place for place, part in enumerate(parts) if part.startswith("run-")), 0)
        if at and parts[at - 1] != "access":
            folder = "/".join(parts[: at + 1])
            found[folder] = found.get(folder, False) or name == f"{folder}/{CHECKPOINT}"
    return dict(sorted(found.items()))
