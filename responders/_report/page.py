"""The report as one HTML file that needs nothing but itself. Pure.

Two things keep what an attacker wrote from being more than text: Jinja2 escapes whatever it puts in, and before that
every text goes through `visible` (`finalize`), so that a template cannot forget it. Only texts of our own are `Ours`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from responders._inert import visible
from responders._languages import Words
from responders._report.branches import trees
from responders._report.chapters import accounts, elsewhere, evidence, log, network, persistence
from responders._report.closing import (
    FILES,
    LIMITS,
    QUESTIONS,
    custody,
    interview,
    missing,
    sources,
    verify,
)
from responders._report.devices import devices
from responders._report.inventory import inventory
from responders._report.moments import foremost, key_moments, moments, own_sources
from responders._report.summary import Row, part, still_contained, summary
from responders._report.table import as_json, table
from responders._report.tree import forest
from shared.models.action import target_of
from shared.models.findings import Kind

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from responders._report.value import Report
    from shared.models.findings import Event

SCRIPT_WORDS = (
    *(
        "copied",
        "search.hint",
        "counted",
        "rows.none",
        "untimed",
        "more.printed",
        "node.filter",
        "tree.show",
        "clipped",
        "hidden",
    ),
    *("col.time", "col.device", "col.action", "col.what", "col.detail", "col.actor", "col.account", "col.source"),
    *("col.local", "hash", "techniques", "marks", "collector.defender", "collector.bulkhead", "alerted", "line"),
    *("col.device", *(f"kind.{kind}" for kind in Kind)),
)
"""What the page's own script says."""


_LONGEST = 3000
"""Characters of one text that the page shows; what is longer says how long it is."""


@dataclass(frozen=True, slots=True)
class Assets:
    """The files that a page is made of: templates by name, and what goes into them as it is."""

    templates: tuple[tuple[str, str], ...]
    css: str
    script: str


class Ours(str):
    """A text of our own that is shown as it is, an address among them; escaped all the same."""

    __slots__ = ()


@cache
def environment(assets: Assets) -> Environment:
    """Templates that escape everything, and make everything visible first."""
    made = Environment(
        loader=DictLoader(dict(assets.templates)), autoescape=True, undefined=StrictUndefined, finalize=_finalized
    )
    made.policies["json.dumps_kwargs"] = {"sort_keys": True, "ensure_ascii": True}
    return made


def _finalized(value: object) -> object:
    if isinstance(value, Markup | Ours) or not isinstance(value, str):
        return value
    cut = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}… ({len(value):,})"
    return visible(cut).replace("://", "[:]//")


def policy(assets: Assets) -> str:
    """The content security policy: this style and this script, and nothing from anywhere."""
    style, script = (_digest(text) for text in (assets.css, assets.script))
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; img-src data:; base-uri 'none';"
        " form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def clock_of(moment: datetime, zone: tzinfo) -> dict[str, Ours]:
    """A moment in UTC, to the millisecond where it has any, and in the operator's zone where that is another."""
    utc = moment.astimezone(UTC)
    try:
        there = moment.astimezone(zone)
    except OverflowError:  # the first day of the year 1, the last of 9999
        there = utc
    milliseconds = f".{utc.microsecond // 1000:03d}" if utc.microsecond >= 1000 else ""  # noqa: PLR2004 - one of them
    told = f"{utc:%Y-%m-%d %H:%M:%S}{milliseconds}"
    away = there.strftime("%z")
    day = f"{there:%m-%d} " if there.date() != utc.date() else ""
    local = f"{day}{there:%H:%M:%S} {away[:3]}:{away[3:]}" if zone is not UTC else ""
    return {"iso": Ours(f"{told.replace(' ', 'T')}Z"), "utc": Ours(told), "local": Ours(local)}


def page(report: Report, assets: Assets) -> str:
    """The whole file."""
    words = Words(report.language)
    names = devices(report)
    events = moments(report, words)
    held = foremost(events)
    grown = forest(report)
    every = (*own_sources(words), *report.findings.sources)
    rows = table(held, every, names, grown.numbers, report.zone)
    view = _view(report, words, names)
    view["timeline"] = {"shown": len(held), "total": len(events), "left": len(held) < len(events)}
    key, more = key_moments(report, words)
    view["moments"] = [_moment(each, names) for each in key]
    view["more_moments"] = words("tree.more", count=more) if more else ""
    view["trees"] = trees(report, grown, words, names)
    view["hidden"] = any(mark & 8 for mark in rows.get("marks", ()))
    view["tiles"] = _tiles(report, view, len(events))
    view["contents"] = _contents(view)
    return (
        environment(assets)
        .get_template("report.html.j2")
        .render(
            v=view,
            t=words,
            clock_of=lambda moment: clock_of(moment, report.zone),
            csp=Ours(policy(assets)),
            css=Markup(assets.css),  # noqa: S704 - a file of ours
            js=Markup(assets.script),  # noqa: S704 - likewise
            table=Markup(as_json(rows)),  # noqa: S704 - as_json leaves nothing that could end the element
            words=Markup(as_json({key: words(key) for key in SCRIPT_WORDS})),  # noqa: S704 - likewise
        )
    )


def _view(report: Report, words: Words, names: dict[str, str]) -> Row:
    found = report.findings
    view = summary(report, words, names)
    view["url"] = Ours(view["url"])
    return view | {
        "evidence": part(evidence(report, words, names)),
        "network": network(report, words, names),
        "persistence": persistence(found.persistence, words, names),
        "accounts": accounts(found.accounts, names),
        "elsewhere": elsewhere(found.elsewhere),
        "inventory": inventory(found.inventory, words, names),
        "notes": [{"at": each.at, "by": each.by, "text": each.text} for each in report.notes],
        "interview": interview(report, names),
        "questions": [words(f"ask.{number}") for number in range(1, QUESTIONS + 1)],
        "custody": custody(report),
        "log": log(report.actions, words, names),
        "revisions": report.revisions,
        "missing": missing(report, words, names),
        "sources": sources(report, words, names),
        "limits": [words(f"limit.{number}") for number in range(1, LIMITS + 1)],
        "verify": [(label, Ours(command)) for label, command in verify(report, words)],
        "files": [(name, words(f"file.{name.partition('.')[2]}")) for name in FILES],
    }


def _moment(event: Event, names: dict[str, str]) -> Row:
    return {
        "at": event.at,
        "kind": str(event.kind),
        "device": names.get(target_of(event.device), event.device),
        "action": event.action,
        "what": event.what,
        "detail": event.detail[:300],
        "techniques": event.techniques,
    }


def _tiles(report: Report, view: Row, events: int) -> list[tuple[str, str, str]]:
    concerned = {target_of(each.id) for each in report.assessment.devices} if report.assessment else set()
    items = [each for each in view["evidence"]["rows"] if each["sha256"]]
    return [
        ("devices", str(len(concerned or set(report.state.affected))), ""),
        ("contained", str(len(still_contained(report))), ""),
        ("alerts", str(len(report.incident.alerts)), ""),
        ("items", str(len(items)), ""),
        ("events", f"{events:,}", ""),
        ("missing", str(view["missing"]["total"]), ""),
    ]


def _contents(view: Row) -> list[tuple[str, int | None]]:
    counts: dict[str, Any] = {
        "summary": None,
        "done": view["done"]["total"],
        "evidence": view["evidence"]["total"],
        "tree": sum(each["count"] for each in view["trees"]),
        "timeline": view["timeline"]["total"],
        "network": view["network"]["total"],
        "persistence": view["persistence"]["total"],
        "elsewhere": view["elsewhere"]["total"],
        "inventory": view["inventory"]["total"] or None,
        "notes": len(view["notes"]) or None,
        "interview": None,
        "custody": None,
        "missing": view["missing"]["total"],
        "verify": None,
    }
    here = [(key, count) for key, count in counts.items() if key not in {"inventory", "notes"} or count]
    todo = [("todo", len(view["todo"]))] if view["todo"] else []
    return [here[0], *todo, *here[1:]]
