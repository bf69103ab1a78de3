"""What of the live response library concerns us, as it was seen last: kept in the ledger, for people to look at.

Seen by the hourly round wherever live response is used at all, and after an order to sync.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from responders._entries import renewed
from responders._job import Answer
from responders._library import scripts, sha256, sync
from shared.models.action import Kept
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responders._job import Job
    from responders._ports import Ports
    from shared.models.device import LibraryFile
    from shared.models.tool import Tool

NAME = "library"
OURS, PINNED = "ours, as it is here", "pinned, and the one that is pinned"
CHANGED, REPLACED, MISSING = "ours, and changed", "pinned, and another one: it is not used", "missing"

log = logging.getLogger(__name__)


class Held(BaseModel):
    """One file: what stands in the library, and what that means."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    sha256: str = ""
    by: str = ""
    updated: datetime | None = None
    means: str


class Shelf(Kept):
    """The files that concern us, and when they were looked at."""

    files: tuple[Held, ...] = ()
    at: datetime


def looked_at(listed: Sequence[LibraryFile], tools: Mapping[str, Tool]) -> tuple[Held, ...]:
    """Ours and the pinned ones, by name, whether they are there or not. Files that are neither are nobody's business
    here.
    """
    found = {each.name: each for each in listed}
    wanted = {**{name: tool.sha256.lower() for name, tool in tools.items()}, **_ours()}
    return tuple(_held(name, sum_, found.get(name), ours=name in scripts()) for name, sum_ in sorted(wanted.items()))


def _ours() -> dict[str, str]:
    return {name: sha256(content) for name, content in scripts().items()}


def _held(name: str, wanted: str, file: LibraryFile | None, *, ours: bool) -> Held:
    if file is None:
        return Held(name=name, means=f"{MISSING}{'; it is put there when it is used' if ours else ''}")
    same = file.sha256 == wanted
    means = (OURS if same else CHANGED) if ours else (PINNED if same else REPLACED)
    return Held(name=name, sha256=file.sha256, by=file.by, updated=file.updated, means=means)


def look(ports: Ports) -> Shelf:
    """Look, and write it down. Raises Transient and Rejected."""
    shelf = Shelf(files=looked_at(ports.devices.library(), ports.settings.TOOLS), at=ports.clock.now())
    entry = ports.ledger.single(Shelf, NAME)
    try:
        ports.ledger.put_single(NAME, renewed(entry, shelf), entry.etag if entry else "")
    except Conflict:
        log.info("another instance looked at the library")
    return shelf


def look_where_used(ports: Ports) -> None:
    """Look, where a tool is pinned or somebody has looked before: else nobody may have granted the role for it."""
    if ports.settings.TOOLS or ports.ledger.single(Shelf, NAME):
        shelf = look(ports)
        for file in shelf.files:
            if file.means in {CHANGED, REPLACED}:
                log.warning("the library's %s is %s (by %s)", file.name, file.means, file.by)


def sync_library(job: Job) -> Answer:
    """The order: put ours there, and look at the rest."""
    put = sync(job.ports.devices, scripts())
    shelf = look(job.ports)
    other = [f"{each.name} is {each.means}" for each in shelf.files if each.means not in {OURS, PINNED}]
    said = f"put there: {', '.join(put)}" if put else "ours were all there"
    return Answer.done("; ".join((said, *other)))
