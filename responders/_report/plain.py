"""The report as Markdown, for people and tools that want no page. Pure.

What somebody else wrote stands in code spans only, where neither markup nor links are alive.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from responders._inert import visible
from responders._languages import Words
from responders._report.chapters import evidence, network
from responders._report.closing import missing, sources, verify
from responders._report.devices import devices
from responders._report.moments import ALERTS, LEDGER, key_moments
from responders._report.page import clock_of
from responders._report.summary import summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from responders._report.value import Report
    from shared.models.findings import Event

_TICKS = re.compile(r"`+")
_ENDS = 200
_OURS = frozenset({ALERTS, LEDGER})
"""Sources whose actions are told in our own words."""


def code(text: str) -> str:
    """Foreign text in a span of code that it cannot end."""
    shown = visible(text).replace("://", "[:]//").strip()
    if not shown:
        return ""
    fence = "`" * (1 + max(map(len, _TICKS.findall(shown)), default=0))
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def plain(report: Report) -> str:
    """The whole file."""
    words = Words(report.language)
    return "\n".join(_lines(report, words)) + "\n"


def _lines(report: Report, words: Words) -> Iterator[str]:
    names = devices(report)
    view = summary(report, words, names)
    yield f"# {words('title', id=view['id'])}: {code(view['title'])}"
    yield ""
    yield f"- {words('index.verdict')}: **{view['verdict']}**, {words.of('severity', view['severity_name'])}"
    yield from (f"- {text}" for text in (view["headline"],) if text)
    yield from (f"  - {code(reason)}" for reason in view["reasons"])
    for name in ("first", "last", "shown_at", "made"):
        yield f"- {words('when.' + name.removesuffix('_at'))}: {_when(view[name], report)}"
    yield f"- {words('techniques')}: {', '.join(map(code, view['techniques'])) or '–'}"
    yield from (f"- {words('defender')}: <{url}>" for url in (view["url"],) if url)
    yield from _section(words, "todo", (_todo(each) for each in view["todo"]))
    done = (
        f"- {code(each['device'])} **{each['what']}** {each['state']} ({_when(each['at'], report)})"
        f" {code(each['detail'])}"
        for each in view["done"]["rows"]
    )
    yield from _section(words, "done", done)
    yield from (f"- {words('undo')}: `{command}`" for command in view["undo"])
    yield from _section(words, "evidence", map(_item, evidence(report, words, names)))
    key, more = key_moments(report, words)
    told = [f"- {_when(each.at, report)} **{_action(each)}** {code(each.what)}" for each in key]
    yield from _section(words, "timeline", [*told, *([f"- {words('tree.more', count=more)}"] if more else [])])
    ends = (
        f"- {code(group['process'])}: {code(row['name'] or row['address'])} {row['port']} ×{row['count']}"
        for group in network(report, words, names)["rows"]
        for row in group["rows"]
    )
    yield from _section(words, "network", list(ends)[:_ENDS])
    lacks = (
        f"- {code(each['device'])} {code(each['what'])}: {code(each['why'])} {code(each['todo'])}"
        for each in missing(report, words, names)["rows"]
    )
    yield from _section(words, "missing", lacks)
    cut = [each for each in sources(report, words, names)["rows"] if each["truncated"]]
    yield from (f"- {code(each['title'])}: {words('truncated')}: {code(each['truncated'])}" for each in cut)
    yield from _section(words, "verify", ())
    for label, command in verify(report, words):
        yield f"\n{label}:\n\n```\n{command}\n```"


def _section(words: Words, key: str, lines: Iterable[str]) -> Iterator[str]:
    """A chapter, unless nothing stands in it."""
    found = list(lines)
    if found:
        yield f"\n## {words('nav.' + key)}\n"
        yield from found


def _when(moment: datetime | None, report: Report) -> str:
    if moment is None:
        return "–"
    told = clock_of(moment, report.zone)
    local = f" ({told['local']})" if told["local"] else ""
    return f"{told['utc']}Z{local}"


def _action(event: Event) -> str:
    return event.action if event.where.source in _OURS else code(event.action)


def _todo(each: dict[str, Any]) -> str:
    commands = "".join(f"\n  - `{command}`" for command in each["commands"])
    return f"- {code(each['device'])} **{each['what']}**: {code(each['text'])}{commands}"


def _item(each: dict[str, Any]) -> str:
    head = f"- {code(each['device'])} **{each['what']}**"
    if not each["sha256"]:
        return f"{head} {each['state']}: {code(each['detail'])} {code(each['todo'])}"
    return f"{head} {code(each['name'])} ({each['size']}), SHA-256 `{each['sha256']}`; {each['proof']}"
