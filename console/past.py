"""Incidents of the past in files, traced by two processes. A file is read when its turn comes, and never kept.

A folder holds incidents as Graph returns them, with their alerts: one a file (`*.json`), several in a list or in an
answer's `value`, or one a line (`*.jsonl`, `*.ndjson`). Where it is a copy of the app's own container, the versions of
an incident lie beside each other, and each is taken as it was.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import from_json

from console.moments import Moment, moments, versions
from console.tracing import Trace, Tracer
from responders._policies import compiled
from responders._wiring import responders
from shared.errors import SettingsError
from shared.models.incident import Incident, lacks_alerts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shared.config import Settings

PROCESSES = 2
BATCH = 250
"""Files that a process takes at a time."""

STRETCH = 2_000_000
"""Bytes of a file of lines that are read at a time."""

_KEPT, _APART, _PLAN = "incident.json", "alerts.json", "plan.json"
_LINES = {".jsonl", ".ndjson"}


@dataclass(frozen=True, slots=True)
class Piece:
    """Files to be read together: the versions of one incident, one file, or a stretch of a file of lines."""

    paths: tuple[str, ...]
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """The policies to be asked, as texts, each with the settings that count under it. With `raw` incidents are taken
    as they are now, once.
    """

    policies: tuple[tuple[str, Settings], ...]
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What came of some pieces: for each incident its traces, one for each policy; and the files that are none."""

    traces: tuple[tuple[Trace, ...], ...]
    unreadable: tuple[str, ...]


def pieces(folder: Path) -> list[Piece]:
    """What a folder holds. Raises SettingsError where that is nothing."""
    kept: dict[str, list[str]] = defaultdict(list)
    found: list[Piece] = []
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path, ending = os.path.join(where, name), os.path.splitext(name)[1].lower()  # noqa: PTH118, PTH122 - tens of thousands
            if name == _KEPT and where != str(folder):
                kept[os.path.dirname(where)].append(path)  # noqa: PTH120 - likewise
            elif ending in _LINES:
                size = os.path.getsize(path)  # noqa: PTH202 - likewise
                found += [Piece((path,), start, min(start + STRETCH, size)) for start in range(0, size, STRETCH)]
            elif ending == ".json" and not (name == _PLAN or (name == _APART and _KEPT in names)):
                found.append(Piece((path,)))
    found += [Piece(tuple(paths)) for paths in kept.values()]
    if not found:
        raise SettingsError([f"{folder}: holds no incidents (*.json, *.jsonl)"])
    return found


def traced(found: Sequence[Piece], asked: Asked, processes: int = PROCESSES) -> Iterator[Read]:
    """What the policies ask for of everything that was found, as it comes."""
    batches = [found[start : start + BATCH] for start in range(0, len(found), BATCH)]
    if processes < 2 or len(batches) < 2:  # noqa: PLR2004 - two processes
        yield from (_read(batch, asked) for batch in batches)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=unhurried) as pool:
        yield from pool.map(_read, batches, [asked] * len(batches))


def unhurried() -> None:
    """Look for cycles rarely: what a batch makes has none, and is gone after it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _read(batch: Sequence[Piece], asked: Asked) -> Read:
    tracers = [Tracer(compiled(text), settings, tuple(responders().values())) for text, settings in asked.policies]
    found: list[tuple[Trace, ...]] = []
    unreadable: list[str] = []
    for piece in batch:
        try:
            for now_is, grown in _of(piece, raw=asked.raw):
                found.append(tuple(tracer.trace(now_is, grown) for tracer in tracers))
        except (OSError, ValueError, ValidationError) as error:
            unreadable.append(f"{piece.paths[0]}: {str(error).splitlines()[0][:100]}")
    return Read(tuple(found), tuple(unreadable))


def _of(piece: Piece, *, raw: bool) -> Iterator[tuple[Incident, list[Moment]]]:
    """Each incident as it is now, and as it stood while it grew."""
    if piece.end:
        incidents = [Incident.model_validate(_json(line)) for line in _lines(piece) if line.strip()]
    else:
        incidents = [each for path in piece.paths for each in _incidents(path)]
    if len(piece.paths) > 1:
        stood = list(versions(incidents))
        if stood:
            yield stood[-1].incident, stood
        return
    for each in incidents:
        now = each.updated or each.newest_alert
        yield each, ([Moment(now, each)] if raw and now else list(moments(each)))


def _incidents(path: str) -> Iterable[Incident]:
    with open(path, "rb") as file:  # noqa: PTH123 - tens of thousands
        raw = _json(file.read())
    several = raw.get("value") if isinstance(raw, dict) and "value" in raw else raw
    for each in several if isinstance(several, list) else [several]:
        if not isinstance(each, dict) or not each.get("id"):
            raise ValueError("is no incident")
        yield Incident.model_validate({**each, **_apart(path)} if lacks_alerts(each) else each)


def _apart(path: str) -> dict[str, Any]:
    """The alerts that lie beside a version, where the app had to read them apart."""
    beside = Path(path).with_name(_APART)
    if Path(path).name != _KEPT or not beside.exists():
        return {}
    found = _json(beside.read_bytes())
    return found if isinstance(found, dict) else {}


def _json(data: bytes) -> Any:  # noqa: ANN401 - whatever a file holds
    """JSON, the fast way where it is clean; the lenient one takes half a surrogate pair, as Graph may send one."""
    try:
        return from_json(data, cache_strings="keys")
    except ValueError:
        return json.loads(data)


def _lines(piece: Piece) -> Iterator[bytes]:
    """The lines that begin within a stretch."""
    with Path(piece.paths[0]).open("rb") as file:
        if piece.start:
            file.seek(piece.start - 1)
            file.readline()
        while file.tell() < piece.end:
            yield file.readline()
