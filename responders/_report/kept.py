"""Revisions in the evidence store: under which number one is kept, and that what stands there already is ours.

Only the row, which is in another account, tells that beforehand: the mark of a revision is on all its files.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from responders._alarms import trouble
from responders._report.closing import FILES
from responders._report.revisions import next_number, revision_name
from responders._reverify import ALARM
from responders._sealing import CUSTODY_EVENT
from responders._telemetry import event
from shared.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from responders._ports import Ports
    from shared.models.reported import KeptRevision, Reported
    from shared.storage.interface import Stored

log = logging.getLogger(__name__)


def placed(ports: Ports, reported: Reported) -> Reported:
    """The same, with each revision that is not written yet under a number at which nothing of anybody else's stands.
    What does is an alarm.
    """
    if all(each.sha256 for each in reported.revisions):
        return reported
    standing = set(ports.evidence.names(f"{reported.folder}/"))
    for revision in reported.revisions:
        strange = "" if revision.sha256 else _strange(ports, reported, revision, standing)
        if not strange:
            continue
        said = f"{strange} was put there by somebody else: the report is kept under another number"
        trouble(ports, f"{ALARM} {strange.replace('/', ' ')}", said)
        number = next_number(reported.revisions)
        while standing & set(_places(reported.folder, number)):
            number += 1
        moved = revision.model_copy(update={"number": number, "name": revision_name(reported.folder, number)})
        revisions = [moved if each is revision else each for each in reported.revisions]
        reported = reported.model_copy(update={"revisions": tuple(revisions)})
    return reported


def written(ports: Ports, name: str, chunks: Iterable[bytes], metadata: dict[str, str]) -> Stored:
    """A file of a revision; what stands there already stays as it is. The log workspace is told its hash, which nobody
    signs. Raises Transient where what stands there is not ours.
    """
    tags = {"incident": metadata["incident"], "kind": metadata["kind"], "status": "kept"}
    stored = ports.evidence.write_once(name, chunks, metadata=metadata, tags=tags)
    if not stored.created and not _ours(stored, metadata):
        raise Transient(f"{name} was put there meanwhile, by somebody else")
    log.info("%s", event(CUSTODY_EVENT, {"report": name, "size": stored.size, "sha256": stored.sha256}))
    return stored


def labels(incident: str, revision: KeptRevision) -> dict[str, str]:
    """The metadata of its files. One that an older version named has no mark."""
    mark = {"mark": revision.mark} if revision.mark else {}
    return {"incident": incident, "kind": "report", "revision": f"{revision.number}"} | mark


def _strange(ports: Ports, reported: Reported, revision: KeptRevision, standing: set[str]) -> str:
    """What stands in a revision's place and is not ours; empty where nothing does."""
    for place in (revision.name, *_places(reported.folder, revision.number)):
        found = ports.evidence.head(place) if place in standing else None
        if found and not _ours(found, labels(reported.incident, revision)):
            return place
    return ""


def _places(folder: str, number: int) -> list[str]:
    return [revision_name(folder, number), *(revision_name(folder, number, name) for name in FILES)]


def _ours(stored: Stored, metadata: dict[str, str]) -> bool:
    return metadata.items() <= stored.metadata.items()
