"""What was written over or deleted in a run: the account keeps every version, and nothing of ours makes a second one.

A version that was put over ours may well be the same bytes, or hide that ours were others, so a check of what stands
there is not enough. The older ones can be read by their ids (`az storage blob download --version-id`).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from itertools import groupby, islice
from typing import TYPE_CHECKING

from responders._access import accesses
from responders._bounded import bounded
from responders._verify import MOST, Finding
from shared.errors import Rejected
from shared.models.archive.custody import event_name, stamp
from shared.models.archive.names import access_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.storage.interface import Evidence, Version

_EVENT = re.compile(r"[0-9]{6,}\.json")
_NO_NAME = "has no name of ours: somebody put it there"
_REPORT = re.compile(r"(?:.*/)?inc-([^/]+)/reports/.")


def rewritten(evidence: Evidence, folder: str) -> Iterator[Finding]:
    """A finding for each object of a run, and of its chain of accesses, that has several versions, or none that stands.
    Raises Transient, and Rejected where versions may not be listed.
    """
    for place in (folder, access_folder(folder)):
        yield from (within(each, folder) for each in rewritten_under(evidence, f"{place}/"))


def rewritten_under(evidence: Evidence, prefix: str) -> Iterator[Finding]:
    """Likewise for whatever begins so, by its whole name: of a run that was deleted, too."""
    for name, group in groupby(evidence.versions(prefix), key=lambda version: version.name):
        versions = sorted(group, key=lambda version: version.id)
        if len(versions) > 1 or not versions[0].current:
            yield Finding(name, f"version {versions[-1].id}", _said(versions))


def within(finding: Finding, folder: str) -> Finding:
    """The same, told by the object's name in its run."""
    return replace(finding, object=finding.object.removeprefix(f"{folder}/"))


def _said(versions: list[Version]) -> str:
    first = versions[0]
    when = f"{versions[-1].id} ({stamp(versions[-1].written)})" if versions[-1].written else versions[-1].id
    if not any(version.current for version in versions):
        return f"was deleted: version {first.id} is the first of {len(versions)} that are kept"
    return f"was written over: {when} stands in place of {first.id}, the first of {len(versions)} versions"


def reports(names: Iterable[str], incident: str = "") -> list[str]:
    """Of the names in the archive those of reports and what lies beside them, of one incident or all. Pure."""
    found = ((name, _REPORT.match(name)) for name in names)
    return [name for name, match in found if match and incident in ("", match[1])]


def altered(evidence: Evidence, name: str) -> Finding | None:
    """A finding for an object that no longer has the size and the hash with which it was committed. It is read to its
    end, whatever its size.
    """
    try:
        standing = evidence.head(name)
        if standing is None:
            return Finding(name, "", "is missing")
        digest, size = hashlib.sha256(), 0
        for piece in evidence.read(name):
            digest.update(piece)
            size += len(piece)
    except ValueError:
        return Finding(name, "", _NO_NAME)
    if (digest.hexdigest(), size) == (standing.sha256, standing.size):
        return None
    was = f"sha256:{standing.sha256}" if standing.sha256 else "no hash: somebody put it there"
    said = f"is not what was committed: has {size} bytes, sha256:{digest.hexdigest()}, and was committed with {was}"
    return Finding(name, "", said)


def broken_access(evidence: Evidence, folder: str) -> list[Finding]:
    """A finding for whatever does not fit in the chain of what happened to a run since it was sealed: against the hash
    that each event was committed with, and then along the chain. The last event's own is in the log, too. What has no
    event's name is not read, and of differences a thousand at most are told: there may be any number.
    """
    place = access_folder(folder)
    names = list(evidence.names(f"{place}/"))
    ours = {name for name in names if _EVENT.fullmatch(name, len(place) + 1)}
    changed = (Finding(name, "", said) for name in names if name in ours and (said := _changed(evidence, name)))
    if spoilt := list(islice(changed, MOST)):
        return spoilt + _beside(names, ours)
    try:
        told = {f"{place}/{event_name(event.seq)}" for event in accesses(evidence, folder)}
    except Rejected as error:
        if error.code != "Differs":
            raise
        return [Finding(str(error).partition(" ")[0], "", "does not follow the event before it: one of them is forged")]
    return _beside(names, told)


def _beside(names: list[str], told: set[str]) -> list[Finding]:
    odd = "is no part of the chain: an event before it is missing, or somebody put it there"
    return [Finding(name, "", odd) for name in islice((each for each in names if each not in told), MOST)]


def _changed(evidence: Evidence, name: str) -> str:
    """What is the matter with an event by itself; empty where nothing is."""
    try:
        standing, data = evidence.head(name), bounded(evidence, name)
    except ValueError:  # no URL can carry it
        return _NO_NAME
    if standing is None or data is None or hashlib.sha256(data).hexdigest() != standing.sha256:
        return "is not the event that was committed"
    return ""
