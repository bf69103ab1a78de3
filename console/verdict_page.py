"""What a policy would have made of the past, as a page for people who decide about it, and as lines for a terminal."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from console.pages import Page
from console.replay import JOINED, differences
from console.tracing import GO, NEVER, WAIT
from responders._notices import SEVERITY_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from console.replay import Assumed, Difference, Event, Outcome
    from shared.config import Settings

ISOLATE = "isolate"
ROWS = 500
"""How many rows a table of the page has at most; the JSON has them all."""

_CLASSES = {
    "truepositive": "true positive",
    "falsepositive": "false positive",
    "informationalexpectedactivity": "expected activity",
}
_NAMES = {"": "asks for nothing", GO: "contains it", JOINED: "holds it already", WAIT: "has it wait", NEVER: "refuses"}


def assumptions(assumed: Assumed, settings: Settings, *, raw: bool) -> list[str]:
    """What the figures rest on, in words."""
    fleet = (
        f"The tenant has {assumed.fleet:,} onboarded devices, as was given."
        if assumed.fleet is not None
        else "How many devices are onboarded was not given (--fleet), so the cap on the share held at once is left out."
    )
    stood = (
        "Each incident is taken as it is today, once."
        if raw
        else "Each incident is judged a minute after its alerts came, again and again while it grew, and without what"
        " people said later. What became of files and processes is known as it is today only. Versions that the app"
        " itself kept are taken as they were."
    )
    return [
        stood,
        "Devices are what the alerts say of them: their value, and tags given later, are not known.",
        "A device of which no alert tells anything but its id waits.",
        f"What goes ahead is contained at once, and a person gives it back after {_span(assumed.held)}.",
        f"Nobody approves what waits; it lapses after {_span(settings.APPROVAL_EXPIRES)}.",
        fleet,
        "Days are those of UTC.",
    ]


def head_figures(outcome: Outcome) -> list[tuple[str, str]]:
    """The figures that matter most."""
    done, waits = outcome.of(ISOLATE, GO), outcome.of(ISOLATE, WAIT)
    capped = sum(event.capped for event in waits)
    per_day = Counter(event.claim.at.date() for event in done)
    return [
        (f"{outcome.incidents:,}", "incidents"),
        (f"{outcome.verdicts['may do harm']:,}", "may do harm"),
        (f"{len({event.claim.target for event in done}):,}", "devices isolated"),
        (f"{len(done):,}", "isolations"),
        (f"{len(waits):,}", f"waited for a person, {capped:,} of them at a cap"),
        (f"{max(per_day.values(), default=0):,}", "isolations on the busiest day"),
        (f"{outcome.most_held.get(ISOLATE, 0):,}", "devices isolated at once, at most"),
    ]


def later_called(outcome: Outcome) -> list[tuple[str, int]]:
    """What people have called the incidents of isolations since: the best measure of a policy that there is."""
    found = Counter(
        _CLASSES.get(outcome.traces[event.claim.incident].classification, "not classified")
        for event in outcome.of(ISOLATE, GO, JOINED)
    )
    return found.most_common()


def days_of(outcome: Outcome) -> list[tuple[str, int, int]]:
    """Isolations, and what waited, on every day from the first to the last."""
    if not outcome.first or not outcome.last:
        return []
    done = Counter(event.claim.at.date() for event in outcome.of(ISOLATE, GO))
    waited = Counter(event.claim.at.date() for event in outcome.of(ISOLATE, WAIT))
    whole = _every_day(outcome.first, outcome.last)
    return [(day.isoformat(), done[day], waited[day]) for day in whole]


def _every_day(first: datetime, last: datetime) -> list[date]:
    return [first.date() + timedelta(days=number) for number in range((last.date() - first.date()).days + 1)]


def why_waited(outcome: Outcome) -> list[tuple[str, int]]:
    """Why isolations waited, the most frequent first."""
    return Counter(event.why for event in outcome.of(ISOLATE, WAIT)).most_common(20)


def by_rule(outcome: Outcome) -> list[tuple[str, str, int, int, int]]:
    """For each rule and responder: how often it went ahead, waited, was refused."""
    found: Counter[tuple[str, str, str]] = Counter()
    for event in outcome.events:
        became = GO if event.became == JOINED else event.became
        found[event.claim.rule, event.claim.responder, became] += 1
    pairs = dict.fromkeys((rule, responder) for rule, responder, _ in found)
    rows = [(*pair, found[(*pair, GO)], found[(*pair, WAIT)], found[(*pair, NEVER)]) for pair in pairs]
    return sorted(rows, key=lambda row: -sum(row[2:]))


def event_row(outcome: Outcome, event: Event) -> tuple[str, str, str, str, str, str, str]:
    """One event for people."""
    claim = event.claim
    trace = outcome.traces[claim.incident]
    name = f"{claim.name.partition('.')[0][:40]} ({claim.device[:8]})"
    called = _CLASSES.get(trace.classification, "")
    when = f"{claim.at:%Y-%m-%d %H:%M}"
    why = event.why or f"{SEVERITY_NAMES[claim.severity]}: {trace.title}"
    return (when, claim.incident, name, claim.responder, claim.rule, why, called)


def page(
    outcome: Outcome, against: Outcome | None, assumed: Assumed, settings: Settings, *, raw: bool, made: datetime
) -> str:
    """The whole page."""
    it = Page(f"What the policy “{outcome.policy}” would have done")
    spread = (
        f"{outcome.first:%Y-%m-%d} to {outcome.last:%Y-%m-%d}" if outcome.first and outcome.last else "no incidents"
    )
    it.say(f"A back-test over past incidents, {spread}. Nothing was touched. Made {made:%Y-%m-%d %H:%M} UTC.", dim=True)
    it.figures(head_figures(outcome))
    if called := later_called(outcome):
        it.section("What people have called these incidents since")
        it.table(("classified as", "isolations"), called)
    it.section("Devices isolated per day")
    cap = settings.ISOLATION_CAPS.per_day
    if days := days_of(outcome):
        it.bars(f"Isolations per day, and what waited, against the cap of {cap}", days, cap)
    it.say(f"Blue went ahead, yellow waited for a person, the line is the cap of {cap} within 24 hours.", dim=True)
    if waited := why_waited(outcome):
        it.section("Why a person would have been asked")
        it.table(("reason", "times"), waited)
    it.section("Rules")
    it.table(("rule", "what", "went ahead", "waited", "refused"), by_rule(outcome))
    for title, became in (("What would have been contained", (GO, JOINED)), ("What would have waited", (WAIT,))):
        _events(it, title, outcome, [event for event in outcome.events if event.became in became])
    if against:
        _differences(it, outcome, against)
    it.section("What this rests on")
    for text in assumptions(assumed, settings, raw=raw):
        it.say(text)
    return it.text()


def _events(it: Page, title: str, outcome: Outcome, events: Sequence[Event]) -> None:
    it.section(f"{title} ({len(events):,})")
    heads = ("when (UTC)", "incident", "device", "what", "rule", "why", "called since")
    it.table(heads, [event_row(outcome, event) for event in events[:ROWS]])
    if len(events) > ROWS:
        it.say(f"And {len(events) - ROWS:,} more; bulkhead backtest --json has them all.", dim=True)


def difference_rows(found: Sequence[Difference]) -> list[tuple[str, str, str, str, str]]:
    """Differences for people."""
    return [
        (
            each.incident,
            f"{each.name.partition('.')[0][:40]} ({each.device[:8]})",
            each.responder,
            _NAMES[each.one],
            _NAMES[each.other],
        )
        for each in found
    ]


def _differences(it: Page, outcome: Outcome, against: Outcome) -> None:
    found = differences(outcome, against)
    it.section(f"Where “{against.policy}” would have done otherwise ({len(found):,})")
    pairs = zip(head_figures(outcome), head_figures(against), strict=True)
    it.table(("", outcome.policy, against.policy), [(what, mine, other) for (mine, what), (other, _) in pairs])
    heads = ("incident", "device", "what", f"“{outcome.policy}”", f"“{against.policy}”")
    it.table(heads, difference_rows(found[:ROWS]))
    if len(found) > ROWS:
        it.say(f"And {len(found) - ROWS:,} more; bulkhead backtest --json has them all.", dim=True)


def _span(time: timedelta) -> str:
    hours = time.total_seconds() / 3600
    return f"{hours:g} hours" if hours != 1 else "1 hour"
