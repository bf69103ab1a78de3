"""The timeline as a table that a browser reads at once: columns of numbers, and every text once. Pure.

Whatever is said here was made visible first, and the page's script only ever sets text: nothing in it can become
markup.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from responders._inert import visible
from responders._report.tree import identity
from shared.models.action import target_of
from shared.models.findings import Collector, Event, Kind, ProcessKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from shared.models.findings import Source

BUDGET = 8_500_000
"""Bytes that the table may have: with all else, a report of 100,000 events stays below 10 MB."""

CLIPS = (2000, 400, 160, 80, 40)
"""How many characters of a text are shown, the first that keeps to the budget; what is cut is whole in the exports."""

ALERT, DEFENDER, BULKHEAD, HIDDEN, CLIPPED, TECHNIQUE = 1, 2, 4, 8, 16, 32
"""What marks a row, as bits."""

_MARKS = {Collector.NOBODY: 0, Collector.DEFENDER: DEFENDER, Collector.BULKHEAD: BULKHEAD}
_TEXTS = ("action", "what", "detail", "actor", "account", "hash", "techniques", "local")
_FOREIGN = ("what", "detail", "actor", "account")
_PLAIN = ("kind", "device", "source", "line", "node", "marks")
_ROW_BYTES = 52
_YEARS = (1990, 2200)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def table(
    events: Sequence[Event],
    sources: Sequence[Source],
    names: Mapping[str, str],
    numbers: Mapping[tuple[str, int, int | None], int],
    zone: tzinfo,
) -> dict[str, Any]:
    """The table of these events. `names` are the devices by id, `numbers` the processes that the page shows."""
    texts: dict[str, int] = {"": 0}
    columns: dict[str, list[int]] = {name: [] for name in (*_TEXTS, *_PLAIN)}
    place = _Places(names, sources, numbers)
    for event in events:
        actor = f"{event.actor_name} ({event.actor.pid})" if event.actor else event.actor_name
        said = (event.action, event.what, event.detail, actor, event.account, event.sha256 or event.sha1)
        for name, text in zip(_TEXTS, (*said, " ".join(event.techniques), event.local), strict=True):
            columns[name].append(texts.setdefault(text, len(texts)))
        for name, number in zip(_PLAIN, place.of(event), strict=True):
            columns[name].append(number)
    shown, marks = _shown(list(texts), len(events))
    for name in _FOREIGN:
        columns["marks"] = [mark | marks[number] for mark, number in zip(columns["marks"], columns[name], strict=True)]
    return {
        "times": _differences(events),
        **{name: column for name, column in columns.items() if any(column)},
        "texts": shown,
        "kinds": [str(kind) for kind in Kind],
        "devices": [visible(name) for name in names.values()],
        "sources": [visible(source.title) for source in sources],
        "zone": offsets([event.at for event in events if event.at], zone),
    }


class _Places:
    """What is told of an event by numbers, in the order of `_PLAIN`."""

    def __init__(
        self, names: Mapping[str, str], sources: Sequence[Source], numbers: Mapping[tuple[str, int, int | None], int]
    ) -> None:
        self._devices = {device: place for place, device in enumerate(names)}
        self._sources = {source.id: place for place, source in enumerate(sources)}
        self._kinds = {kind: place for place, kind in enumerate(Kind)}
        self._numbers = numbers
        self._nodes: dict[ProcessKey | None, int] = {None: 0}

    def of(self, event: Event) -> tuple[int, ...]:
        alerted = ALERT if event.alerts or event.kind is Kind.ALERT else 0
        return (
            self._kinds[event.kind],
            self._devices.get(target_of(event.device), -1),
            self._sources.get(event.where.source, -1),
            event.where.line,
            self._node(event.process) or self._node(event.actor),
            alerted | _MARKS[event.collector] | (TECHNIQUE if event.techniques else 0),
        )

    def _node(self, key: ProcessKey | None) -> int:
        if key not in self._nodes:
            self._nodes[key] = self._numbers.get(identity(key), 0) if key else 0
        return self._nodes[key]


def _differences(events: Sequence[Event]) -> list[int | None]:
    """Each time as the milliseconds since the one before."""
    found: list[int | None] = []
    last = 0
    for event in events:
        at = _milliseconds(event.at) if event.at else None
        found.append(None if at is None else at - last)
        last = last if at is None else at
    return found


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _shown(texts: list[str], rows: int) -> tuple[list[str], list[int]]:
    """Each text as it is shown, and its marks."""
    room = BUDGET - rows * _ROW_BYTES
    shown: list[str] = []
    marks: list[int] = []
    for clip in CLIPS:
        if clip > CLIPS[-1] and sum(min(len(text), clip) + 3 for text in texts) > room:
            continue
        pairs = [_said(text, clip) for text in texts]
        shown, marks = [text for text, _ in pairs], [mark for _, mark in pairs]
        if len(_escaped(json.dumps(shown, separators=(",", ":")))) <= room:
            break
    return shown, marks


def _said(text: str, clip: int) -> tuple[str, int]:
    cut, clipped = (text, 0) if len(text) <= clip else (f"{text[:clip]}…", CLIPPED)
    seen = visible(cut)
    hides = HIDDEN if seen.count("<U+") > cut.count("<U+") else 0
    return seen.replace("://", "[:]//"), hides | clipped


def offsets(moments: Sequence[datetime], zone: tzinfo) -> list[list[int]]:
    """The zone's distance from UTC in minutes, from which moment on (milliseconds): browsers need no table of zones."""
    told = [moment for moment in moments if _YEARS[0] <= moment.year < _YEARS[1]]
    if not told:
        return []
    at, end = min(told) - timedelta(hours=1), max(told) + timedelta(hours=1)
    step = max(timedelta(hours=6), (end - at) / 4000)
    found = [[_milliseconds(at), _minutes(at, zone)]]
    while at < end:
        following = at + step
        if _minutes(following, zone) != found[-1][1]:
            change = _change(at, following, zone)
            found.append([_milliseconds(change), _minutes(following, zone)])
        at = following
    return found


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """When, to the second, the zone changed its distance between these two."""
    before = _minutes(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if _minutes(middle, zone) == before else (low, middle)
    return high.replace(microsecond=0)


def _minutes(moment: datetime, zone: tzinfo) -> int:
    away = moment.astimezone(zone).utcoffset() or timedelta(0)
    return int(away.total_seconds() // 60)


def as_json(made: Mapping[str, Any]) -> str:
    """The table as text that can stand within a script element: nothing in it ends that, or begins another."""
    return _escaped(json.dumps(made, separators=(",", ":"), ensure_ascii=True))


def _escaped(text: str) -> str:
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
