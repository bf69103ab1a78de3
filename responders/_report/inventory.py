"""What the devices have, as their packages tell: programs, addresses, neighbours, the system, files. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._report.summary import Row, part
from shared.models.action import target_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responders._languages import Words
    from shared.models.findings import Inventoried

TOPICS = ("system", "address", "neighbour", "program", "file")
_OF_ONE, _IN_ALL = 500, 2500
_RUNS = (".exe", ".dll", ".ps1", ".bat", ".cmd", ".vbs", ".js", ".hta", ".scr", ".msi", ".lnk", ".iso", ".sh", ".py")
"""Endings of files that can run: they are shown first."""


def inventory(found: Sequence[Inventoried], words: Words, names: Mapping[str, str]) -> Row:
    """By device and topic; of too much the first, and of files those that can run."""
    groups: dict[tuple[str, str], list[Inventoried]] = {}
    for each in found:
        groups.setdefault((target_of(each.device), each.topic), []).append(each)
    rows, room = [], _IN_ALL
    for (device, topic), every in sorted(groups.items(), key=_in_order):
        shown = sorted(every, key=_foremost)[: min(_OF_ONE, room)]
        room -= len(shown)
        told = part(every, len(shown)) | {"rows": shown}
        rows.append({"device": names.get(device, device), "topic": words.of("topic", topic), **told})
    return {"rows": rows, "total": len(found)}


def _in_order(group: tuple[tuple[str, str], list[Inventoried]]) -> tuple[str, int]:
    device, topic = group[0]
    return device, TOPICS.index(topic) if topic in TOPICS else len(TOPICS)


def _foremost(each: Inventoried) -> bool:
    return each.topic == "file" and not each.name.lower().endswith(_RUNS)
