"""What people are told about an incident, and when. Pure: its state, its actions and what was told give what is due.

A chapter is what one summary ends: *started* at most once, *contained* at most once, *final* once. Something new after
a summary begins the next chapter. Nothing is told as done before it is final.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.models.action import EXPLAINED, State
from shared.models.plan import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from shared.models.action import Action, IncidentState, Notice

GRACE = timedelta(seconds=60)
"""How long *contained* waits for further devices once the first is contained."""

STARTED, CONTAINED, UNSURE, FINAL, ALARM = "started", "contained", "unsure", "final", "alarm"
EVIDENCE = "Evidence"
"""The label of where something lies."""

SEVERITY_NAMES = ("unknown", "informational", "low", "medium", "high")
_TOLD = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a message: `label` in our words, `text` possibly in somebody else's."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is told, before any channel gives it its form. `severity` is a rank; `links` are label and
    address; `observed` says that nothing was touched.
    """

    kind: str
    incident: str
    title: str
    severity: int
    observed: bool
    lines: tuple[Line, ...]
    links: tuple[tuple[str, str], ...] = ()
    repeat: bool = False


def chapter_of(notices: Sequence[Notice]) -> int:
    """The chapter that is open: one more than the summaries told or given up."""
    return 1 + len({notice.chapter for notice in notices if notice.kind == FINAL})


def digest_of(actions: Sequence[Action]) -> str:
    """A name for how the actions stand, so that a summary is told again when that changes, and only then."""
    told = sorted(f"{action.key}={action.state}{_basis(action)}" for action in actions)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _basis(action: Action) -> str:
    """While observing, a round is planned anew for every piece of news, and each is worth telling."""
    return f"@{action.severity}/{action.device_alert}" if action.state is State.OBSERVED else ""


def due_kind(  # noqa: PLR0911 - one reason after the other
    state: IncidentState,
    actions: Sequence[Action],
    notices: Sequence[Notice],
    now: datetime,
    contains: Callable[[Action], bool],
) -> tuple[str, int]:
    """What is to be told now (empty: nothing) and its chapter."""
    if state.assessed != state.seen or not state.verdict:
        return "", 0
    told = [notice for notice in notices if notice.kind == FINAL]
    chapter = chapter_of(notices)
    here = {notice.kind for notice in notices if notice.chapter == chapter}
    if told and max(told, key=lambda each: each.chapter).digest == digest_of(actions):
        return "", chapter
    if not actions and (state.verdict == Verdict.HARMLESS or (told and state.mode == "observe")):
        return "", chapter
    if all(action.state.settled for action in actions):
        return FINAL, chapter
    if STARTED not in here:
        return STARTED, chapter
    if UNSURE not in here and any(action.state is State.UNKNOWN and action.doubts > 1 for action in actions):
        return UNSURE, chapter
    since = max((notice.since for notice in told), default=None)
    if CONTAINED not in here and _contained([each for each in actions if contains(each)], since, now):
        return CONTAINED, chapter
    return "", chapter


def _contained(actions: Sequence[Action], since: datetime | None, now: datetime) -> bool:
    done = [
        action.finished_at
        for action in actions
        if action.state in {State.SUCCEEDED, State.ELSEWHERE}
        and action.finished_at
        and (since is None or action.finished_at > since)
    ]
    if not done:
        return False
    return all(action.state.settled for action in actions) or now - min(done) >= GRACE


def compose(
    kind: str,
    state: IncidentState,
    actions: Sequence[Action],
    contains: Callable[[Action], bool],
    *,
    full: bool = False,
    repeat: bool = False,
) -> Message:
    """The message of a kind about an incident as it stands; `full` adds each device's whole name and its reasons."""
    lines: list[Line] = []
    if kind in {STARTED, FINAL}:
        lines.append(Line("Verdict", state.verdict))
        lines += [Line("Why", reason) for reason in state.reasons[:6]]
    # where not all have room, those that need a person have it
    for action in sorted(actions, key=lambda each: len(actions) > _TOLD and not each.todo)[:_TOLD]:
        lines.append(Line(f"{_what(action)}", _how(action)))
        if full and kind != CONTAINED:
            lines.append(Line("Concerned", f"{action.device_name}: {action.reason}"))
        if action.todo and kind == FINAL:
            lines.append(Line("What you should do", action.todo))
    if len(actions) > _TOLD:
        lines.append(Line("And", f"{len(actions) - _TOLD} more actions; see the ledger"))
    lines += [Line("Not actionable", text) for text in state.not_actionable[:5]] if kind != CONTAINED else []
    if kind in {CONTAINED, FINAL}:
        lines += _times(state, [action for action in actions if contains(action)])
    if kind == FINAL:
        lines += _evidence(actions)
    links = [("Open the incident in Defender", state.url)] if state.url.startswith("https://") else []
    return Message(
        kind=kind,
        incident=state.id,
        title=state.title or "(no title)",
        severity=state.severity,
        observed=state.mode == "observe" and not any(action.attempt for action in actions),
        lines=tuple(lines),
        links=tuple(links),
        repeat=repeat,
    )


def _what(action: Action) -> str:
    return f"{action.responder.replace('_', ' ').capitalize()}, {device_label(action)}"


def device_label(action: Action) -> str:
    """How a device is called towards people: the first label of its name and the start of its id."""
    return f"{action.device_name.partition('.')[0][:40]} ({action.device[:8]})"


def _how(action: Action) -> str:
    said = EXPLAINED[action.state]
    return f"{said}: {action.detail}" if action.detail and action.state is not State.SUCCEEDED else said


def _times(state: IncidentState, actions: Sequence[Action]) -> list[Line]:
    ours = [action for action in actions if action.state is State.SUCCEEDED and action.finished_at]
    if not ours:
        return []
    last = max(action.finished_at for action in ours if action.finished_at)
    seconds = max(0.0, (last - state.shown_at).total_seconds())
    undo = "on the device's page in the Defender portal, choose 'Release from isolation'"
    return [Line("Time to contain", f"{seconds:.0f} s since the tenant showed the incident"), Line("To undo", undo)]


def _evidence(actions: Sequence[Action]) -> list[Line]:
    kept = [artefact for action in actions for artefact in action.artefacts if "/data/incident/" not in artefact.name]
    return [Line(EVIDENCE, f"{each.name} ({each.size:,} bytes, SHA-256 {each.sha256})") for each in kept[:_TOLD]]
