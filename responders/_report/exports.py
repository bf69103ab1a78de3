"""The timeline for other tools: Timesketch, a spreadsheet, and the ATT&CK Navigator. Pure.

The JSONL is the record, with every value as the source gave it. The CSV is made to be opened: what a spreadsheet would
take for a formula begins with an apostrophe there. Both are made line by line, so that a long timeline needs no room.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

from responders._report.devices import devices
from responders._report.moments import moments, own_sources
from shared.models.action import target_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responders._languages import Words
    from responders._report.value import Report
    from shared.models.findings import Event

COLUMNS = (
    *("datetime", "local_time", "device", "kind", "action", "what", "detail", "process", "pid", "account"),
    *("sha256", "sha1", "techniques", "alerts", "collector", "source", "line"),
)
"""The columns of the CSV."""

_FORMULA = frozenset("=+-@\t\r\n\0＝＋－＠")
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
_BATCH = 2000


def timesketch(report: Report, words: Words) -> Iterator[bytes]:
    """A line of JSON for each event that has a time in UTC, as Timesketch reads it (`message`, `datetime`,
    `timestamp_desc`), in order. Half of a surrogate pair cannot be written in UTF-8 and stays an escape.
    """
    told = _Told(report, words)
    lines: list[str] = []
    for event in moments(report, words):
        if event.at:
            lines.append(json.dumps(told.line(event), ensure_ascii=True, separators=(",", ":")))
        if len(lines) >= _BATCH:
            yield _joined(lines)
    if lines:
        yield _joined(lines)


def _joined(lines: list[str]) -> bytes:
    data = ("\n".join(lines) + "\n").encode("ascii")
    lines.clear()
    return data


def table(report: Report, words: Words) -> Iterator[bytes]:
    """Every event as RFC 4180 CSV in UTF-8 with a mark at its beginning, by which Excel knows the encoding."""
    told = _Told(report, words)
    rows = _Rows()
    writer = csv.writer(rows, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield b"\xef\xbb\xbf"
    for event in moments(report, words):
        writer.writerow([guarded(cell) for cell in told.cells(event)])
        if len(rows.written) >= _BATCH:
            yield rows.taken()
    yield rows.taken()


class _Rows:
    """What a CSV writer writes to."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)

    def taken(self) -> bytes:
        data = "".join(self.written).encode("utf-8", "backslashreplace")
        self.written.clear()
        return data


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    bare = cell.lstrip(" ")
    return f"'{cell}" if bare[:1] in _FORMULA and bare else cell


class _Told:
    """An event as both files tell it."""

    def __init__(self, report: Report, words: Words) -> None:
        self._incident = report.state.id
        self._names = devices(report)
        self._sources = {each.id: each.title for each in (*own_sources(words), *report.findings.sources)}

    def line(self, event: Event) -> dict[str, Any]:
        at = event.at.astimezone(UTC) if event.at else None
        detail = f" ({event.detail})" if event.detail else ""
        told: dict[str, Any] = {
            "message": f"{event.action}: {event.what}{detail}",
            "datetime": at.isoformat(timespec="microseconds") if at else "",
            "timestamp_desc": event.action or str(event.kind),
            "tag": [*event.techniques, *(("alert",) if event.alerts else ()), *filter(None, (str(event.collector),))],
            "incident": self._incident,
            "device": self._device(event),
            "device_id": event.device,
            "kind": str(event.kind),
            "what": event.what,
            "detail": event.detail,
            "process_name": event.actor_name,
            "pid": event.actor.pid if event.actor else None,
            "account": event.account,
            "sha256": event.sha256,
            "sha1": event.sha1,
            "alerts": list(event.alerts),
            "source": self._sources.get(event.where.source, event.where.source),
            "source_line": event.where.line or None,
        }
        return {name: value for name, value in told.items() if value not in (None, "", [])}

    def cells(self, event: Event) -> tuple[str, ...]:
        at = event.at.astimezone(UTC).isoformat(timespec="microseconds") if event.at else ""
        pid = str(event.actor.pid) if event.actor else ""
        source = self._sources.get(event.where.source, event.where.source)
        said = (event.action, event.what, event.detail, event.actor_name, pid, event.account, event.sha256, event.sha1)
        marks = (" ".join(event.techniques), " ".join(event.alerts), str(event.collector))
        line = str(event.where.line or "")
        return (at, event.local, self._device(event), str(event.kind), *said, *marks, source, line)

    def _device(self, event: Event) -> str:
        return self._names.get(target_of(event.device), event.device)


def layer(report: Report) -> dict[str, Any]:
    """The techniques of alerts and events as a layer of the ATT&CK Navigator, format 4.5; scored by how often."""
    seen: dict[str, int] = {}
    why: dict[str, dict[str, None]] = {}
    for alert in report.incident.alerts:
        for technique in filter(_TECHNIQUE.fullmatch, alert.techniques):
            seen[technique] = seen.get(technique, 0) + 1
            why.setdefault(technique, {})[alert.title] = None
    for event in report.findings.events:
        for technique in filter(_TECHNIQUE.fullmatch, event.techniques):
            seen[technique] = seen.get(technique, 0) + 1
    return {
        "name": f"Incident {report.state.id}",
        "versions": {"attack": "17", "navigator": "5.1.0", "layer": "4.5"},
        "domain": "enterprise-attack",
        "description": "What the alerts and events of the incident name. Made by Bulkhead.",
        "sorting": 3,
        "hideDisabled": False,
        "gradient": {"colors": ["#fdebcf", "#d23645"], "minValue": 0, "maxValue": max(seen.values(), default=1)},
        "techniques": [
            {
                "techniqueID": technique,
                "score": seen[technique],
                "comment": "; ".join(why.get(technique, ()))[:500],
                "enabled": True,
                "showSubtechniques": "." in technique,
            }
            for technique in sorted(seen)
        ],
    }
