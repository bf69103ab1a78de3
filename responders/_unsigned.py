"""What is under legal hold and nobody signed: an incident's reports, and a run that is not sealed.

Each object was committed with its hash, which tells when its bytes are others. Whoever may write to the archive can
write a hash as well: what was written over or deleted is told by the account's versions.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from responders._rewritten import altered, broken_access, rewritten_under
from responders._verify import MOST, Finding
from shared.models.archive.names import access_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.storage.interface import Evidence

log = logging.getLogger(__name__)


def place_of(name: str) -> str:
    """Where an object belongs: its run, also what lies beside that, else its incident's reports, else its incident, or
    whatever folder is the first. Pure.
    """
    parts = name.split("/")
    run = next((at for at, part in enumerate(parts) if at and part.startswith("run-")), 0)
    if run:
        return "/".join([*parts[: run - (parts[run - 1] == "access")], parts[run]])
    incident = next((at for at, part in enumerate(parts) if part.startswith("inc-")), 0)
    return "/".join(parts[: incident + 1 + (parts[incident + 1 : incident + 2] == ["reports"])])


def is_run(place: str) -> bool:
    """Whether what lies there is a run. Pure."""
    return place.rpartition("/")[2].startswith("run-")


def read_through(evidence: Evidence, place: str, tell: Callable[[Finding], None]) -> None:
    """Read everything of a place to its end, and tell its first difference, as soon as there is one; the others are in
    the log, a thousand of them at most. Raises what `evidence` raises.
    """
    for number, found in enumerate(islice(_differences(evidence, place), MOST)):
        if number:
            log.warning("%s", found)
        else:
            tell(found)


def _differences(evidence: Evidence, place: str) -> Iterator[Finding]:
    """What is gone altogether, too: that it was held is known by the ledger."""
    there = False
    for name in evidence.names(place):
        if place_of(name) == place:
            there = True
            if found := altered(evidence, name):
                yield found
    if is_run(place):
        yield from broken_access(evidence, place)
    for prefix in (place, f"{access_folder(place)}/")[: 1 + is_run(place)]:
        for found in rewritten_under(evidence, prefix):
            if place_of(found.object) == place:
                there = True
                yield found
    if not there:
        yield Finding(place, "", "was under legal hold and is gone from the archive")
