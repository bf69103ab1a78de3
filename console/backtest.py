"""The command that tries a policy on the past."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.explaining import policy_file
from console.fetching import MOST_DAYS, fetched, graph, told_rails
from console.past import PROCESSES, Asked, pieces, traced
from console.policies import text_of
from console.replay import JOINED, Assumed, Outcome, differences, replayed
from console.session import Session, looks
from console.tracing import GO, WAIT
from console.verdict_page import (
    assumptions,
    by_rule,
    days_of,
    difference_rows,
    event_row,
    head_figures,
    later_called,
    page,
    why_waited,
)
from console.voice import Json, foreign, ours, table
from console.words import many
from responders._policies import compiled
from responders._rails import inner
from shared.errors import SettingsError
from shared.models.policy.problems import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from console.past import Read
    from console.replay import Event
    from shared.config import Settings

_SHOWN = 20
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False)
@click.option("--tenant", is_flag=True, help="Read the incidents from the tenant instead, with your own sign-in.")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), default=MOST_DAYS, show_default=True, help="With --tenant.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Where to keep what --tenant reads.")
@click.option("--policy", type=_FILE, help="The policy; without it POLICY_FILE, else the one that comes with Bulkhead.")
@click.option("--against", type=_FILE, help="Another policy to compare with.")
@click.option("--fleet", type=click.IntRange(1), help="How many devices are onboarded; without it no share is capped.")
@click.option(
    "--hours", type=click.FloatRange(0.1), default=24.0, show_default=True, help="How long a device stays contained."
)
@click.option("--raw", is_flag=True, help="Take each incident as it is today, once.")
@click.option("--page", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML page as well.")
@looks
@click.pass_obj
def backtest(session: Session, /, folder: Path | None, **said: Any) -> None:  # noqa: ANN401 - click's options
    """What a policy would have done to past incidents: of a FOLDER of snapshots, or of the tenant. Touches nothing."""
    if bool(folder) == said["tenant"]:
        raise click.UsageError("say a FOLDER, or --tenant")
    settings = told_rails(session.values)
    files = [said["policy"] or policy_file(session.values.get("POLICY_FILE", ""))]
    files += [said["against"]] if said["against"] else []
    policies = [(text, _tightened(settings, text)) for text in map(_usable, files)]
    assumed = Assumed(said["fleet"], timedelta(hours=said["hours"]))
    with ExitStack() as stack:
        where = folder or _from_tenant(session, stack, settings, said)
        found = pieces(where)
        outcomes = [Outcome(compiled(text).policy.name) for text, _ in policies]
        unreadable = tally(traced(found, Asked(tuple(policies), raw=said["raw"]), PROCESSES), outcomes)
    if unreadable and not outcomes[0].incidents:
        raise SettingsError([f"none of {many(len(unreadable), 'file')} holds an incident; the first: {unreadable[0]}"])
    for outcome, (_, rails) in zip(outcomes, policies, strict=True):
        replayed(outcome, rails, assumed)
    one, other = outcomes[0], outcomes[1] if len(outcomes) > 1 else None
    if said["file"]:
        html = page(one, other, assumed, policies[0][1], raw=said["raw"], made=datetime.now(UTC))
        said["file"].write_text(html, encoding="utf-8")
        session.voice.aside(f"the page is {said['file']}")
    told = {**outcome_json(one), "against": outcome_json(other) if other else None, "unreadable": unreadable}
    told["differences"] = [each._asdict() for each in differences(one, other)] if other else []
    told["assumed"] = assumptions(assumed, policies[0][1], raw=said["raw"])
    session.voice.tell(told, *drawn(one, other, policies[0][1], unreadable, told["assumed"]))


def _from_tenant(session: Session, stack: ExitStack, settings: Settings, said: dict[str, Any]) -> Path:
    where = said["keep"] or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bulkhead-")))
    return fetched(graph(settings), where, datetime.now(UTC) - timedelta(days=said["days"]), session.voice.aside)


def _usable(file: Path) -> str:
    """A policy's text. Raises SettingsError with every problem."""
    text = text_of(file)
    try:
        compiled(text)
    except PolicyError as error:
        raise SettingsError([f"{file.name}, {problem}" for problem in error.problems]) from None
    return text


def _tightened(settings: Settings, text: str) -> Settings:
    caps, protected = inner(settings.ISOLATION_CAPS, settings.PROTECTED, compiled(text).policy)
    return settings.model_copy(update={"ISOLATION_CAPS": caps, "PROTECTED": protected})


def tally(reads: Iterable[Read], outcomes: Sequence[Outcome]) -> list[str]:
    """Take in what was read, as it comes; gives the files that hold no incident."""
    unreadable: list[str] = []
    for read in reads:
        unreadable += read.unreadable
        for traces in read.traces:
            for outcome, trace in zip(outcomes, traces, strict=True):
                outcome.count(trace)
    return unreadable


def outcome_json(outcome: Outcome) -> Json:
    """What a policy would have made of the past, for scripts."""
    return {
        "policy": outcome.policy,
        "incidents": outcome.incidents,
        "verdicts": dict(outcome.verdicts),
        "besides": [{"responder": who, "became": how, "times": times} for (who, how), times in outcome.besides.items()],
        "days": [{"day": day, "isolated": done, "waited": waited} for day, done, waited in days_of(outcome)],
        "most_held": outcome.most_held,
        "called_since": dict(later_called(outcome)),
        "events": [_event_json(outcome, event) for event in outcome.events],
    }


def _event_json(outcome: Outcome, event: Event) -> Json:
    claim = event.claim
    return {
        "at": claim.at.isoformat(),
        "incident": claim.incident,
        "device": claim.device,
        "device_name": claim.name,
        "responder": claim.responder,
        "rule": claim.rule,
        "became": event.became,
        "why": event.why,
        "capped": event.capped,
        "called_since": outcome.traces[claim.incident].classification,
    }


def drawn(
    one: Outcome, other: Outcome | None, settings: Settings, unreadable: Sequence[str], assumed: Sequence[str]
) -> list[RenderableType]:
    """The same for people."""
    spread = f", {one.first:%Y-%m-%d} to {one.last:%Y-%m-%d}" if one.first and one.last else ""
    parts: list[RenderableType] = [ours(f"The policy {one.policy} over past incidents{spread}", "bold")]
    parts += [ours(f"{number:>9}  {what}") for number, what in head_figures(one)]
    parts.append(table("Called since by people", ("classified as", "isolations"), _cells(later_called(one))))
    cap = settings.ISOLATION_CAPS.per_day
    days = [day for day in days_of(one) if day[1] or day[2]]
    parts.append(table(f"Isolations per day (cap {cap})", ("day", "isolated", "waited"), _cells(days)))
    parts.append(table("Why a person would have been asked", ("reason", "times"), _cells(why_waited(one))))
    parts.append(table("Rules", ("rule", "what", "went ahead", "waited", "refused"), _cells(by_rule(one))))
    for title, became in (("Would have been contained", (GO, JOINED)), ("Would have waited", (WAIT,))):
        events = [event for event in one.events if event.became in became]
        rows = [tuple(foreign(cell, 200) for cell in event_row(one, event)) for event in events[:_SHOWN]]
        more = f"; the first {_SHOWN}" if len(events) > _SHOWN else ""
        heads = ("when", "incident", "device", "what", "rule", "why", "called since")
        parts.append(table(f"{title} ({len(events)}{more})", heads, rows))
    if other:
        found = differences(one, other)
        columns = ["incident", "device", "what", one.policy, other.policy]
        title = f"Differences to {other.policy} ({len(found)})"
        parts.append(table(title, columns, _cells(difference_rows(found[:_SHOWN]))))
    if unreadable:
        parts.append(ours(f"{many(len(unreadable), 'file')} without an incident; the first: {unreadable[0]}", "yellow"))
    return [*parts, ours(""), *(ours(text, "dim") for text in assumed)]


def _cells(rows: Iterable[Sequence[object]]) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in rows]
