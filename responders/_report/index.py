"""The page of all incidents. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from responders._languages import Words
from responders._notices import SEVERITY_NAMES
from responders._report.page import SCRIPT_WORDS, Ours, clock_of, environment, policy
from responders._report.table import as_json
from shared.models.plan import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from responders._report.page import Assets
    from shared.models.reported import Reported

MOST = 2000
"""Incidents on the page at the most, the newest."""


def page_name(incident: str, file: str = "report.html") -> str:
    """Where an incident's newest report lies."""
    return f"incidents/{incident}/{file}"


def index(reported: Sequence[Reported], assets: Assets, language: str, zone: tzinfo) -> str:
    """The whole file; the newest incident comes first."""
    words = Words(language)
    rows = [_row(each, words) for each in sorted(reported, key=_newest, reverse=True)[:MOST]]

    def clock(moment: datetime) -> dict[str, Ours]:
        return clock_of(moment, zone)

    return (
        environment(assets)
        .get_template("index.html.j2")
        .render(
            t=words,
            rows=rows,
            total=len(reported),
            clock_of=clock,
            csp=Ours(policy(assets)),
            css=Markup(assets.css),  # noqa: S704 - a file of ours
            js=Markup(assets.script),  # noqa: S704 - likewise
            words=Markup(as_json({key: words(key) for key in SCRIPT_WORDS})),  # noqa: S704 - as_json ends no element
        )
    )


def _newest(each: Reported) -> datetime:
    return each.shown_at or each.made


def _row(each: Reported, words: Words) -> dict[str, object]:
    return {
        "id": each.incident,
        "href": Ours(page_name(each.incident)),
        "title": each.title or words("untitled"),
        "severity": each.severity,
        "severity_name": SEVERITY_NAMES[each.severity],
        "verdict": words("verdict.harmless" if each.verdict == Verdict.HARMLESS else "verdict.harmful"),
        "stands": each.stands,
        "shown_at": each.shown_at,
        "made": each.made,
        "devices": each.devices,
        "contained": each.contained,
    }
