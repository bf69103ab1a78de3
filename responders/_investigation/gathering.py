"""Read what runs left in the evidence store, and make findings of it.

As much as one page can show and one small worker can hold is read. What is left unread stays evidence, and is named.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from responders._bounded import bounded
from responders._investigation.correlated import with_alerts
from responders._investigation.hunted import found
from responders._investigation.packaged import in_package
from responders._investigation.rows import lines_of, read_answer
from responders._package.opening import Remote, opened
from shared.errors import NotFound
from shared.models.findings import Findings, NotCollected, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from responders._investigation.rows import Answer
    from shared.models.action import Action, Artefact
    from shared.storage.interface import Evidence

MOST_BYTES = 48_000_000
"""What is read of all hunts together, some 48,000 rows of a kilobyte: the process then has 250 MB, of the 512 of an
instance.
"""

_LAST = ("processes", "network", "logons", "registry", "device-events", "files", "image-loads")
"""The queries whose answers are large, the most telling first; all others are read before them."""

_HUNTING = "/data/hunting/"
_PACKAGE = "/investigation-package.zip"

log = logging.getLogger(__name__)


def findings_of(
    evidence: Evidence, actions: Sequence[Action], snapshot: bytes | None, left_of: Callable[[], float]
) -> Findings:
    """What the runs of an incident found, joined with its alerts. `left_of` gives the seconds that are left for it;
    what was not reached is named. Raises Transient and Rejected.
    """
    chosen = _chosen(actions)
    parts: list[Findings] = []
    for action in actions:
        packages = [each for each in action.artefacts if each.name.endswith(_PACKAGE)]
        parts += [_package(evidence, each, action, left_of) for each in packages]
        if action.responder != "hunt":
            continue
        answers: list[Answer] = []
        missing = list(_said_missing(evidence, action))
        for artefact in filter(_is_answer, action.artefacts):
            if artefact.name in chosen:
                answers.append(_answer(evidence, artefact, action))
            else:
                missing.append(_too_much(artefact, action))
        parts.append(replace(found(answers), missing=tuple(missing)))
    return with_alerts(joined(parts), snapshot)


def _is_answer(artefact: Artefact) -> bool:
    return _HUNTING in artefact.name and artefact.name.endswith(".jsonl")


def _chosen(actions: Sequence[Action]) -> frozenset[str]:
    """The answers that are read, where all together are too much: of every device the most telling first, so that no
    device of many is left out for what another one's libraries take.
    """
    every = [each for action in actions if action.responder == "hunt" for each in action.artefacts if _is_answer(each)]
    left, found = MOST_BYTES, []
    for each in sorted(every, key=lambda each: (_rank(each), each.size)):
        if each.size <= left:
            left -= each.size
            found.append(each.name)
    return frozenset(found)


def _rank(artefact: Artefact) -> int:
    query = artefact.name.partition(_HUNTING)[2].removesuffix(".jsonl").partition("/")[0]
    return _LAST.index(query) + 1 if query in _LAST else 0


def _answer(evidence: Evidence, artefact: Artefact, action: Action) -> Answer:
    name = artefact.name
    source = f"{action.id[:6]}/{name.partition(_HUNTING)[2].removesuffix('.jsonl')}"
    lines = lines_of(evidence.read(name))
    return read_answer(lines, source=source, name=name, device=action.device, sha256=artefact.sha256)


def _package(evidence: Evidence, artefact: Artefact, action: Action, left_of: Callable[[], float]) -> Findings:
    """A package, opened where it lies."""
    source = f"{action.id[:6]}/package"

    def read_from(start: int) -> Iterator[bytes]:
        return evidence.read(artefact.name, start=start)

    package = opened(Remote(artefact.size, read_from), action.device, source, left_of)
    return in_package(package, artefact, action.device, source)


def _too_much(artefact: Artefact, action: Action) -> NotCollected:
    name = artefact.name.partition(_HUNTING)[2]
    why = f"collected, and not shown: all hunts together are more than {MOST_BYTES // 1_000_000} MB"
    return NotCollected(f"hunting: {name}", why, action.device, todo=f"open {artefact.name}")


def _said_missing(evidence: Evidence, action: Action) -> Iterator[NotCollected]:
    """What the hunt itself says that it did not get."""
    overview = next((each.name for each in action.artefacts if each.name.endswith(f"{_HUNTING}overview.json")), "")
    if not overview:
        return
    try:
        told: Any = json.loads(bounded(evidence, overview) or b"null")
    except NotFound:
        log.warning("%s is not there", overview)
        return
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        yield NotCollected("hunting", "its overview cannot be read any more: bulkhead verify says why", action.device)
        return
    for each in _listed(told, "answered"):
        if isinstance(each, dict) and each.get("missing"):
            yield NotCollected(f"hunting: {each.get('query', '')}", str(each["missing"]), action.device)
    for each in _listed(told, "missing"):
        yield NotCollected("hunting", str(each), action.device)


def _listed(told: dict[str, Any], name: str) -> list[Any]:
    found = told.get(name)
    return found if isinstance(found, list) else []
