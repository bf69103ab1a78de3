"""The first look: how it stands, what needs a person, what was done. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from responders._afterwards import called, state_told
from responders._given_back import UNDOING, standing, undoing
from responders._inert import address
from responders._notices import SEVERITY_NAMES
from responders._report.moments import span
from shared.models.action import State, target_of
from shared.models.plan import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from responders._languages import Words
    from responders._report.value import Report
    from shared.models.action import Action

Row = dict[str, Any]

GOOD = frozenset({State.SUCCEEDED, State.ELSEWHERE})
_BAD = frozenset({State.FAILED})
_WARN = frozenset({State.WAITING, State.UNKNOWN, State.REFUSED, State.UNAVAILABLE})
_ROWS = 1000
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def part(rows: Sequence[Any], limit: int = _ROWS) -> Row:
    """Rows with how many there are: of too many, the first."""
    return {"rows": list(rows[:limit]), "total": len(rows), "left": len(rows) > limit}


def kind_of(state: State) -> str:
    """How a state is coloured."""
    return "good" if state in GOOD else "bad" if state in _BAD else "warn" if state in _WARN else "wait"


def size_of(size: int) -> str:
    """Bytes as people read them."""
    told = float(size)
    for unit in _UNITS:
        if told < _THOUSAND or unit == _UNITS[-1]:
            break
        told /= _THOUSAND
    return f"{size:,} {unit}" if unit == _UNITS[0] else f"{told:,.1f} {unit}"


def summary(report: Report, words: Words, names: dict[str, str]) -> Row:
    """What stands above everything else."""
    state, incident = report.state, report.incident
    alerts = incident.alerts
    first, last = span(alerts)
    observed = _observed(report)
    headline, kind = _headline(report, words)
    return {
        "language": words.language,
        "id": state.id,
        "title": state.title or incident.title or words("untitled"),
        "severity": state.severity,
        "severity_name": SEVERITY_NAMES[state.severity],
        "mode": "observed" if observed else "respond",
        "merged": state.merged_into,
        "verdict": words("verdict.harmless" if state.verdict == Verdict.HARMLESS else "verdict.harmful"),
        "headline": headline,
        "headline_kind": kind,
        "reasons": list(state.reasons),
        "first": first,
        "last": last,
        "shown_at": state.shown_at,
        "made": report.made,
        "techniques": techniques(report),
        "categories": sorted({each for alert in alerts for each in (alert.category, *alert.categories) if each}),
        "url": address(state.url),
        "todo": _todo(report, words, names),
        "done": part([_done(each, words, names) for each in report.actions]),
        "undo": undoing(standing(contained(report), report.actions)),
        "not_actionable": list(state.not_actionable),
        "deployment": report.deployment,
        "zone_name": report.zone_name,
        "many": len(names) > 1,
    }


def techniques(report: Report) -> list[str]:
    """The ATT&CK ids that alerts or events name, each once."""
    named = (each for alert in report.incident.alerts for each in alert.techniques)
    seen = (each for event in report.findings.events for each in event.techniques)
    return sorted({*named, *seen})


def _observed(report: Report) -> bool:
    return report.state.mode == "observe" and not any(action.attempt for action in report.actions)


def contained(report: Report) -> list[Action]:
    """What takes devices of this incident off, and can be undone."""
    return [each for each in report.actions if each.responder in report.contains and each.responder in UNDOING]


def _standing(report: Report) -> list[Action]:
    """Of these, what came about and has not been undone since."""
    return [each for each in standing(contained(report), report.actions) if each.state in GOOD]


def still_contained(report: Report) -> set[str]:
    """The devices that are contained now."""
    return {target_of(each.device) for each in _standing(report)}


def _never_begun(action: Action) -> bool:
    """Whether a containment was taken back before anything came of it: then it concerns no device."""
    return action.state is State.WITHDRAWN and not (action.attempt or action.joined or action.cancelled)


def _headline(report: Report, words: Words) -> tuple[str, str]:
    """What became of containment, in one sentence, and how that is coloured."""
    wanted = contained(report)
    if _observed(report):
        return words("headline.observed"), "wait"
    devices = {target_of(each.device) for each in wanted if not _never_begun(each)}
    withdrawn = all(each.state is State.WITHDRAWN for each in wanted)
    if not devices or (withdrawn and report.state.verdict == Verdict.HARMLESS):
        return (words("headline.nothing"), "good") if report.state.verdict == Verdict.HARMLESS else ("", "")
    stands = _standing(report)
    done = {target_of(each.device) for each in stands}
    ended = [each.finished_at for each in stands if each.state is State.SUCCEEDED and each.finished_at]
    if not done and any(each.state in GOOD for each in wanted):
        return words("headline.released"), "wait"
    if not done:
        open_ = any(not each.state.settled for each in wanted)
        return words("headline.open" if open_ else "headline.none", total=len(devices)), "warn" if open_ else "bad"
    seconds = max(0, round((max(ended) - report.state.shown_at).total_seconds())) if ended else None
    after = words("headline.after", seconds=seconds) if seconds is not None else ""
    said = words("headline.contained", done=len(done), total=len(devices), after=after)
    return said, "good" if len(done) == len(devices) else "warn"


def _todo(report: Report, words: Words, names: dict[str, str]) -> list[Row]:
    """What only a person can do, with the commands that do it."""
    found: list[Row] = []
    for action in report.actions:
        waits = action.state is State.WAITING
        if not waits and not (action.todo and action.state.settled and action.state not in GOOD):
            continue
        commands = [f"bulkhead {verb} --action {action.id}" for verb in ("approve", "refuse") if waits]
        found.append(
            {
                "device": names.get(target_of(action.device), action.device) or words("whole"),
                "what": called(action, words),
                "text": action.todo or action.detail or action.doubt or state_told(action, words),
                "commands": commands,
            }
        )
    return found[:50]


def _done(action: Action, words: Words, names: dict[str, str]) -> Row:
    at: datetime | None = action.finished_at or action.since
    return {
        "device": names.get(target_of(action.device), action.device) or words("whole"),
        "device_id": action.device[:8],
        "what": called(action, words),
        "state": state_told(action, words),
        "kind": kind_of(action.state),
        "detail": action.detail,
        "at": at,
        "reason": action.reason,
        "by": action.approved_by if action.approved else "",
    }
