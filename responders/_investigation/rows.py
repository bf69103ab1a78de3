"""The lines that a hunt kept: what was asked, and rows whose members may be missing or odd. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from shared.models.findings import ProcessKey, Source, Where
from shared.models.lenient import instant, text

_LONGEST_LINE = 4_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """One kept answer: `query` is its name, `source` what a report says of it, `rows` follow with their line."""

    query: str
    source: Source
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `device` is the one that the hunt was about, where the row names none."""

    raw: Mapping[str, Any]
    where: Where
    asked_of: str

    def text(self, name: str) -> str:
        """A member as a text; empty where it is none."""
        value = self.raw.get(name)  # asked for millions of times, of which most are plain or missing
        if value is None:
            return ""
        return value if type(value) is str and value.isascii() else text(value)

    def number(self, name: str) -> int:
        """A member as a whole number; 0 where it is none."""
        value = self.raw.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return 0
        try:
            return int(value)
        except (ValueError, OverflowError):
            return 0

    def flag(self, name: str) -> bool | None:
        """A member as a truth; numbers count as one, since the service sends truths as bytes."""
        value = self.raw.get(name)
        if isinstance(value, bool | int):
            return bool(value)
        return {"true": True, "false": False}.get(self.text(name).lower())

    def moment(self, name: str) -> datetime | None:
        """A member as an instant in UTC."""
        return instant(self.raw.get(name))

    def nested(self, name: str) -> Mapping[str, Any]:
        """A member that is JSON in a text, or nested already; empty where it is neither."""
        value = self.raw.get(name)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return {}
        return value if isinstance(value, dict) else {}

    @property
    def device(self) -> str:
        """The device that it is about."""
        return self.text("DeviceId") or self.asked_of

    def key(self, number: str, created: str) -> ProcessKey | None:
        """A process by the names of its members; None where it has no number."""
        value = self.raw.get(number)
        if value is None:
            return None
        if type(value) is int:
            return _key(self.device, value, self.text(created))
        return ProcessKey(self.device, self.number(number), self.moment(created))


@lru_cache(maxsize=8192)
def _key(device: str, number: int, created: str) -> ProcessKey:
    """A process by its number; most rows are about a few hundred."""
    return ProcessKey(device, number, instant(created))


def read_answer(lines: Iterable[bytes], *, source: str, name: str, device: str, sha256: str = "") -> Answer:
    """One kept answer. Lines that are not understood are counted as not read, never passed over in silence."""
    head: Mapping[str, Any] = {}
    rows: list[Row] = []
    broken = 0
    for number, line in enumerate(lines, 1):
        found = _object(line)
        if number == 1 and found is not None and "hunting" in found:
            head = found
        elif found is None:
            broken += 1
        else:
            rows.append(Row(found, Where(source, number), device))
    return Answer(
        text(head.get("hunting")), _source(head, source, name, device, sha256, len(rows), broken), tuple(rows)
    )


def _source(
    head: Mapping[str, Any], source: str, name: str, device: str, sha256: str, read: int, broken: int
) -> Source:
    said = head.get("rows")
    there = said if isinstance(said, int) and not isinstance(said, bool) else read + broken
    missing = [text(head.get("truncated"))] if head.get("truncated") else []
    if not head:
        missing.append("its first line, which says what was asked, is not there")
    if broken:
        missing.append(f"{broken} lines are no JSON objects")
    if there > read + broken:
        missing.append(f"{there - read - broken} rows are not there")
    return Source(
        id=source,
        kind="hunting",
        title=text(head.get("title")) or text(head.get("hunting")) or name.rpartition("/")[2],
        device=device,
        name=name,
        sha256=sha256,
        query=text(head.get("query")),
        since=instant(head.get("since")),
        until=instant(head.get("until")),
        asked=instant(head.get("asked")),
        rows=max(there, read + broken),
        read=read,
        truncated="; ".join(missing),
    )


def _object(line: bytes) -> Mapping[str, Any] | None:
    if len(line) > _LONGEST_LINE:
        return None
    try:
        found = json.loads(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream, without their ends; empty ones are left out."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest
