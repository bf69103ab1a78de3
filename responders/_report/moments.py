"""The timeline: what the sources tell, beside alerts, what was done about them, and what people remarked. Pure."""

from __future__ import annotations

from bisect import bisect
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from responders._afterwards import called
from shared.models.action import State
from shared.models.findings import Event, Kind, Source, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from responders._languages import Words
    from responders._report.value import Report
    from shared.models.action import Action
    from shared.models.incident import Alert

ALERTS, LEDGER, NOTES = "alerts", "ledger", "notes"
"""The sources that every report has."""

AT_ONCE = 100_000
"""Events that a report holds at the most; the rest is in the exports."""

HOWS = frozenset({"planned", "observed", "accepted", "done", "ended"})
"""What is told of an action."""

_YEARS = range(1971, 2200)
_LATE = datetime.max.replace(tzinfo=UTC)


def own_sources(words: Words) -> tuple[Source, ...]:
    """Where a report's own rows come from."""
    return tuple(Source(each, each, words(f"source.{each}")) for each in (ALERTS, LEDGER, NOTES))


def moments(report: Report, words: Words) -> list[Event]:
    """Everything that has a place in the timeline, in order; what has no time in UTC comes last, as it came."""
    every = [*_alerts(report, words), *_actions(report, words), *_notes(report), *report.findings.events]
    return sorted(every, key=lambda each: each.at or _LATE)


def span(alerts: Sequence[Alert]) -> tuple[datetime | None, datetime | None]:
    """When the first and the last thing happened that these alerts are about."""
    firsts = [moment for each in alerts if (moment := _known(each.first) or _known(each.created))]
    lasts = [moment for each in alerts if (moment := _known(each.last) or _known(each.created))]
    return min(firsts, default=None), max(lasts, default=None)


def _known(moment: datetime | None) -> datetime | None:
    """A moment, unless it stands for "unknown": some alerts say the year 1, 1601 or 9999 for that."""
    return moment if moment and moment.year in _YEARS else None


def foremost(events: list[Event]) -> list[Event]:
    """As many as a report holds: of more, those that are nearest to what an alert names."""
    if len(events) <= AT_ONCE:
        return events
    marks = sorted(each.at.timestamp() for each in events if each.at and (each.alerts or each.kind is Kind.ALERT))

    def far(event: Event) -> float:
        at = (event.at or _LATE).timestamp()
        place = bisect(marks, at)
        return min((abs(at - mark) for mark in marks[max(0, place - 1) : place + 1]), default=0.0)

    nearest = sorted(range(len(events)), key=lambda place: (not _ours(events[place]), far(events[place])))
    return [events[place] for place in sorted(nearest[:AT_ONCE])]


def key_moments(report: Report, words: Words, limit: int = 60) -> tuple[list[Event], int]:
    """The few that tell the story: alerts and what they name, what came of the response, what people remarked; and how
    many more there are: where they are too many, alerts go first.
    """
    ends = _actions(report, words, frozenset({"observed", "done", "ended"}))
    told = [*_alerts(report, words), *_notes(report), *ends]
    named = [each for each in report.findings.events if each.alerts and not each.collector]
    if len(told) + len(named) <= limit:
        told += named
    dated = [each for each in told if each.at]
    return sorted(dated[:limit], key=lambda each: each.at or _LATE), max(0, len(dated) - limit)


def _ours(event: Event) -> bool:
    return event.kind in {Kind.ALERT, Kind.RESPONSE, Kind.NOTE}


def _alerts(report: Report, words: Words) -> Iterator[Event]:
    for number, alert in enumerate(report.incident.alerts, 1):
        device = next((each.device_id for each in alert.evidence if each.device_id), "")
        detail = ", ".join(filter(None, (words.of("severity", alert.severity or "unknown"), alert.category)))
        told = {"device": device, "kind": Kind.ALERT, "what": alert.title, "detail": detail, "alerts": (alert.id,)}
        whence = {"techniques": alert.techniques, "where": Where(ALERTS, number)}
        first = _known(alert.first)
        if first and first != alert.created:
            yield Event(at=first, action=words("moment.first"), **told, **whence)  # type: ignore[arg-type]
        yield Event(at=alert.created, action=words("moment.alert"), **told, **whence)  # type: ignore[arg-type]


def _actions(report: Report, words: Words, hows: frozenset[str] = HOWS) -> Iterator[Event]:
    for action in report.actions:
        for moment, how in ((moment, how) for moment, how in _stages(action) if how in hows):
            yield Event(
                at=moment,
                device=action.device,
                kind=Kind.RESPONSE,
                action=words(f"moment.{how}"),
                what=called(action, words),
                detail=action.detail if how == "ended" else "",
                where=Where(LEDGER),
            )


def _stages(action: Action) -> Iterator[tuple[datetime | None, str]]:
    if action.state is State.OBSERVED:
        yield action.created, "observed"
        return
    yield action.created, "planned"
    if action.accepted_at:
        yield action.accepted_at, "accepted"
    if action.finished_at:
        done = action.state in {State.SUCCEEDED, State.ELSEWHERE}
        yield action.finished_at, "done" if done else "ended"


def _notes(report: Report) -> Iterator[Event]:
    for note in report.notes:
        where = Where(NOTES)
        yield Event(at=note.at, device="", kind=Kind.NOTE, action=note.by, what=note.text, where=where)
