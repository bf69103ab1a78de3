"""Whether the deployment and the tenant are as they should be: what the app found with its own rights, and what can be
seen from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
from rich.text import Text

from console.cloud import account_findings
from console.session import Session, looks
from console.status import gather
from console.voice import Json, ours, table
from console.words import iso, since
from responders._health import FOLLOW, HOURLY, HOUSEKEEPING, WATCH, Beat
from responders._readiness import FRESH, ROW
from shared import VERSION
from shared.models.readiness import Finding, Readiness, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from console.desk import Desk
    from console.status import Status

PATIENCE = timedelta(minutes=10)
"""How long the watch and the tick may be silent: what `STALL_ALARM` is by default."""

SKEW = timedelta(seconds=60)
_STALE = FRESH + timedelta(hours=2)
_STYLES = {Verdict.GOOD: "green", Verdict.LOOK: "yellow", Verdict.BAD: "bold red", Verdict.BY_HAND: "cyan"}
_ORDER = (Verdict.BAD, Verdict.LOOK, Verdict.BY_HAND, Verdict.GOOD)
_RESTART = "see in the function app whether the function is disabled or fails; start the app, or publish it"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found, and when the app last examined itself (None: never)."""

    findings: tuple[Finding, ...]
    examined_at: datetime | None

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return all(each.verdict is not Verdict.BAD for each in self.findings)


def diagnose(desk: Desk, here: datetime) -> Diagnosis:
    """Read how everything stands; `here` is this machine's clock. Raises Transient or Rejected without storage."""
    entry = desk.ledger.single(Readiness, ROW)
    own = entry.value if entry else None
    status = gather(desk)
    found = [
        *of_examination(own, status.at),
        *of_timers({each.value.name: each.value.at for each in desk.ledger.singles(Beat, "beat:")}, status.at),
        *of_status(status),
        of_this_clock(status.at, here),
        *(own.findings if own else ()),
    ]
    return Diagnosis(tuple(sorted(found, key=lambda each: _ORDER.index(each.verdict))), own.at if own else None)


def of_examination(own: Readiness | None, now: datetime) -> Iterator[Finding]:
    """Whether the app has examined itself of late, and is of this command's version. Pure."""
    if own is None:
        text = "the app has never examined itself: it does not run, cannot reach its storage, or refuses its settings"
        yield Finding(check="the app", verdict=Verdict.BAD, text=text, todo=f"{_RESTART}; its log names what is wrong")
        return
    said = f"{own.deployment} {own.version} in {own.mode}, examined {since(own.at, now)} ago"
    if now - own.at > _STALE:
        yield Finding(check="the app", verdict=Verdict.BAD, text=f"{said}, and not since", todo=_RESTART)
    else:
        yield Finding(check="the app", verdict=Verdict.GOOD, text=said)
    if own.version != VERSION:
        text = f"the app is {own.version}, this command is {VERSION}"
        yield Finding(check="versions", verdict=Verdict.LOOK, text=text, todo="use the command of the same version")


def of_timers(beats: dict[str, datetime], now: datetime) -> Iterator[Finding]:
    """Whether every timer runs to its end. Pure."""
    for name, patience in ((WATCH, PATIENCE), (FOLLOW, PATIENCE), (HOUSEKEEPING, HOURLY)):
        last = beats.get(name)
        if last is None:
            # the hourly round may not have had its turn yet
            verdict = Verdict.LOOK if name == HOUSEKEEPING and beats else Verdict.BAD
            yield Finding(check=f"timer {name}", verdict=verdict, text="has never run to its end", todo=_RESTART)
        elif now - last > patience:
            text = f"has been silent for {since(last, now)}"
            yield Finding(check=f"timer {name}", verdict=Verdict.BAD, text=text, todo=_RESTART)
        else:
            yield Finding(check=f"timer {name}", verdict=Verdict.GOOD, text=f"ran {since(last, now)} ago")


def of_status(status: Status) -> Iterator[Finding]:
    """What the ledger says of troubles, holds, dead letters, unreadable rows and budgets. Pure."""
    for alarm in status.alarms:
        text = f"{alarm.text} (for {since(alarm.since, status.at)})"
        yield Finding(check=f"alarm {alarm.kind}", verdict=Verdict.BAD, text=text, todo="docs/runbooks.md, Alarms")
    mark = status.watermark
    if mark is None or mark.read_at is None:
        todo = "see the checks of Graph and of the watch"
        yield Finding(check="incidents", verdict=Verdict.BAD, text="incidents were never read", todo=todo)
    else:
        read = f"incidents were read {since(mark.read_at, status.at)} ago"
        yield Finding(check="incidents", verdict=Verdict.GOOD, text=read)
    if status.hold:
        text = f"everything is held by {status.hold.by} for {since(status.hold.since, status.at)}: {status.hold.why}"
        yield Finding(check="hold", verdict=Verdict.LOOK, text=text, todo="bulkhead resume")
    if status.letters:
        text = f"{len(status.letters)} messages could not be handled"
        yield Finding(check="dead letters", verdict=Verdict.LOOK, text=text, todo="bulkhead dead-letters list")
    if status.unreadable:
        text = f"{len(status.unreadable)} rows are of a newer version"
        yield Finding(check="rows", verdict=Verdict.LOOK, text=text, todo="finish the update")
    yield from _of_budgets(status)


def _of_budgets(status: Status) -> Iterator[Finding]:
    tight = []
    for api, stands in status.budgets:
        if stands is None:
            continue
        if stands.blocked:
            tight.append(f"{api} (refused until {stands.blocked:%H:%M:%S} UTC)")
        elif any(not left for left, _, _ in stands.windows):
            tight.append(f"{api} (used up)")
    if tight:
        todo = "in a storm nothing; else find the other tool that calls Defender, or lower RATE_LIMITS"
        yield Finding(check="API budgets", verdict=Verdict.LOOK, text=", ".join(tight), todo=todo)
    else:
        yield Finding(check="API budgets", verdict=Verdict.GOOD, text="something is left of each that was used")


def of_this_clock(storage: datetime, here: datetime) -> Finding:
    """Whether this machine's clock is right: only what is shown here, and tokens, depend on it. Pure."""
    apart = abs(storage - here)
    text = f"this machine and storage are {apart.total_seconds():.0f} s apart"
    if apart <= SKEW:
        return Finding(check="clock here", verdict=Verdict.GOOD, text=text)
    return Finding(check="clock here", verdict=Verdict.LOOK, text=text, todo="set this machine's clock")


@click.command()
@looks
@click.pass_obj
def doctor(session: Session) -> None:
    """Whether the deployment and the tenant are as they should be, and what to do where not.

    The app examines itself with its own rights every hour, soon after each change of its settings or version, and every
    ten minutes while something is wrong. Exit status: 0 nothing is wrong, 1 something is.
    """
    found = diagnose(session.desk, datetime.now(UTC))
    more = account_findings(session.values, session.az)
    found = Diagnosis((*found.findings, *more), found.examined_at)
    session.voice.tell(diagnosis_json(found), *drawn(found))
    click.get_current_context().exit(0 if found.well else 1)


def diagnosis_json(found: Diagnosis) -> Json:
    """The diagnosis, for scripts."""
    checks = [
        {"check": each.check, "verdict": str(each.verdict), "text": each.text, "todo": each.todo}
        for each in found.findings
    ]
    return {"well": found.well, "examined_at": iso(found.examined_at), "checks": checks}


def drawn(found: Diagnosis) -> list[RenderableType]:
    """The diagnosis, for people: what is wrong first."""
    rows: list[tuple[str | Text, ...]] = [
        (
            ours(str(each.verdict), _STYLES[each.verdict]),
            ours(each.check),
            ours(each.text).append("\n" if each.todo else "").append(ours(each.todo, "dim")),
        )
        for each in found.findings
    ]
    counts = ", ".join(f"{sum(each.verdict is kind for each in found.findings)} {kind}" for kind in _ORDER)
    return [table("", ("", "check", "what was found, and what to do"), rows), Text(counts)]
