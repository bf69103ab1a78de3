"""What people are told about an incident, and when. Pure: its state, its actions and what was told give what is due.

A chapter is what one summary ends: *started* at most once, *contained* at most once, *final* once. Something new after
a summary begins the next chapter. Nothing is told as done before it is final.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from responders._afterwards import all_over, called, comes_after, going_on, out_of_reach, stands, state_told, unsure
from responders._given_back import standing, undoing
from responders._languages import ENGLISH, EVERY, Words
from shared.models.action import State
from shared.models.plan import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.config import Settings
    from shared.models.action import Action, Artefact
    from shared.models.progress import IncidentState, Notice

_NEVER = datetime.min.replace(tzinfo=UTC)
GRACE = timedelta(seconds=60)
"""How long *contained* waits for further devices once the first is contained, and an end behind another."""

STARTED, CONTAINED, UNSURE, FINAL, ALARM = "started", "contained", "unsure", "final", "alarm"
WAITING = "waiting-"
"""How the kinds begin that wake a person; a number follows."""

EVIDENCE, TODO, UNDO = (ENGLISH(f"line.{name}") for name in ("evidence", "todo", "undo"))
OURS = frozenset(words(f"line.{name}") for words in EVERY for name in ("evidence", "todo", "undo"))
"""The labels of lines that are in our own words throughout, names and commands that people copy, in any language."""

COMMANDS = frozenset(words("line.undo") for words in EVERY)
"""The labels of lines that hold nothing but a command."""

SEVERITY_NAMES = ("unknown", "informational", "low", "medium", "high")
_TOLD, _UNDONE = 20, 5
_ANSWERS = "/data/hunting/"


_NOT_LINUX = frozenset({"macos", "ios", "ipados", "android"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a message: `label` in our words, `text` possibly in somebody else's."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is told, before any channel gives it its form. `severity` is a rank; `links` are label and
    address; `observed` says that nothing was touched, `away` that the end is told but for devices that do not answer;
    `key` is the same in all messages about an incident.
    """

    kind: str
    incident: str
    title: str
    severity: int
    observed: bool
    lines: tuple[Line, ...]
    links: tuple[tuple[str, str], ...] = ()
    repeat: bool = False
    away: bool = False
    key: str = ""
    words: Words = ENGLISH


def chapter_of(notices: Sequence[Notice]) -> int:
    """The chapter that is open: one more than the summaries told or given up."""
    return 1 + len({notice.chapter for notice in notices if notice.kind == FINAL})


def digest_of(actions: Sequence[Action]) -> str:
    """A name for how the actions stand, so that a summary is told again when that changes, and only then."""
    told = sorted(f"{action.key}={stands(action)}{_basis(action)}" for action in actions)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _basis(action: Action) -> str:
    """Worth telling again: while observing, a round that any news plans anew; what waits although it was approved."""
    again = f"@{action.approved_at}" if action.state is State.WAITING and action.approved_at else ""
    return f"@{action.severity}/{action.device_alert}" if action.state is State.OBSERVED else again


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
    last = {notice.digest for notice in told if notice.chapter == max(each.chapter for each in told)}
    if not here and last == {digest_of(actions)}:
        return "", chapter  # else something else was told since, and is so no more
    touched = [action for action in actions if action.device]  # tags and comments alone are no news of a harmless one
    untold = not here and not touched
    if untold and (state.verdict == Verdict.HARMLESS or (told and state.mode == "observe")):
        return "", chapter
    if all_over(actions, now):
        return FINAL, chapter
    if STARTED not in here and not all(action.state.settled or comes_after(action) for action in actions):
        return STARTED, chapter
    since = max((notice.since for notice in told), default=None)
    away = [each for each in out_of_reach(actions) if each.away and contains(each) and each.since > (since or _NEVER)]
    if UNSURE not in here and (away or any(map(unsure, actions))):
        return UNSURE, chapter
    if CONTAINED not in here and _contained([each for each in actions if contains(each)], since, now):
        return CONTAINED, chapter
    return "", chapter


def waits(action: Action) -> bool:
    """Whether it waits for a person, and not for the end of a hold."""
    return action.state is State.WAITING and not action.held


def breather(notices: Sequence[Notice], now: datetime) -> list[timedelta]:
    """How long an end still waits behind another: a person's word about an incident settles its actions one by one."""
    last = max((notice.since for notice in notices if notice.kind == FINAL), default=_NEVER)
    return [last + GRACE - now] if now < last + GRACE else []


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


@dataclass(frozen=True, slots=True)
class Telling:
    """How people are told: with each device's whole name and its reasons (`full`), in which language, and at which
    address they reach the pages of `review` (empty: not known). `deployment` tells apart what several of us say.
    """

    full: bool = False
    words: Words = ENGLISH
    review: str = ""
    deployment: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Telling:
        """How the settings have it."""
        full = settings.NOTIFY_DETAIL == "full"
        return cls(full, Words(settings.LANGUAGE), settings.REVIEW_URL, settings.DEPLOYMENT)


PLAINLY = Telling()


def compose(
    kind: str,
    state: IncidentState,
    actions: Sequence[Action],
    contains: Callable[[Action], bool],
    *,
    telling: Telling = PLAINLY,
    repeat: bool = False,
) -> Message:
    """The message of a kind about an incident as it stands."""
    words = telling.words
    lines: list[Line] = []
    paging = kind.startswith(WAITING)
    actions = [action for action in actions if waits(action) and contains(action)] if paging else actions
    if state.notify:
        lines.append(Line(words("line.for"), ", ".join(state.notify)))
    if kind in {STARTED, FINAL}:
        verdict = "verdict.harmless" if state.verdict == Verdict.HARMLESS else "verdict.harmful"
        lines.append(Line(words("line.verdict"), words(verdict)))
        lines += [Line(words("line.why"), reason) for reason in state.reasons[:6]]
    for action in sorted(actions, key=_late if len(actions) > _TOLD else comes_after)[:_TOLD]:
        lines.append(Line(_what(action, words), _how(action, words)))
        if telling.full and kind != CONTAINED:
            whose = f"{action.device_name}: " if action.device else ""
            lines.append(Line(words("line.concerned"), f"{whose}{action.reason}"))
        if action.todo and action.state.settled:
            lines.append(Line(words("line.todo"), action.todo))
    if len(actions) > _TOLD:
        lines.append(Line(words("line.and"), words("line.more", count=len(actions) - _TOLD)))
    if kind != CONTAINED:
        lines += [Line(words("line.not_actionable"), text) for text in state.not_actionable[:5]]
    contained = [action for action in actions if contains(action)]
    away = kind == FINAL and bool(out_of_reach(actions))
    if kind in {CONTAINED, FINAL}:
        lines += _times(state, contained, words)
    lines += _undo(standing(contained, actions), words)
    if kind == FINAL:
        lines += _evidence(actions, words)
        lines += [Line(words("line.report"), words("line.hunting"))] if going_on(actions) else []
        lines += [Line(words("line.mind"), words("line.away"))] if away else []
    return Message(
        kind=kind,
        incident=state.id,
        title=state.title or words("untitled"),
        severity=state.severity,
        observed=state.mode == "observe" and not any(action.attempt for action in actions),
        lines=tuple(lines),
        links=tuple(_links(state, telling)),
        repeat=repeat,
        away=away,
        key=f"{telling.deployment}/{state.id}" if telling.deployment else state.id,
        words=words,
    )


def _late(action: Action) -> tuple[bool, bool, bool]:
    """Where not all have room, those that need a person have it, then what is not over."""
    return not action.todo, comes_after(action), action.state.settled


def _links(state: IncidentState, telling: Telling) -> Iterator[tuple[str, str]]:
    if state.url.startswith("https://"):
        yield telling.words("link.defender"), state.url
    if telling.review:
        yield telling.words("link.report"), f"{telling.review}/incidents/{state.id}/report.html"


def _what(action: Action, words: Words) -> str:
    said = called(action, words)
    return f"{said}, {device_label(action)}" if action.device else said


def device_label(action: Action) -> str:
    """How a device is called towards people: the first label of its name and the start of its id; where there is none,
    as in commands.
    """
    return action.label if not action.device else f"{action.device_name.partition('.')[0][:40]} ({action.device[:8]})"


def _how(action: Action, words: Words) -> str:
    said = state_told(action, words)
    return f"{said}: {action.detail}" if action.detail and action.state is not State.SUCCEEDED else said


def _times(state: IncidentState, actions: Sequence[Action], words: Words) -> list[Line]:
    ours = [action for action in actions if action.state is State.SUCCEEDED and action.finished_at]
    if not ours:
        return []
    isolated = [action for action in ours if action.responder == "isolate"]
    minded = dict.fromkeys(trap for each in isolated for trap in _traps(each))
    traps = [Line(words("line.mind"), words(text)) for text in minded]
    last = max(action.finished_at for action in ours if action.finished_at)
    seconds = max(0.0, (last - state.shown_at).total_seconds())
    told = Line(words("line.time"), words("line.seconds", seconds=f"{seconds:.0f}"))
    return [told, *traps]


def _traps(action: Action) -> tuple[str, ...]:
    """What people should know of a full isolation on the device's system, and of any system's where nobody said which
    (defender-api.md 5.1).
    """
    system = action.facts.os_platform.lower() if action.facts else ""
    windows = system.startswith("windows") or not system
    linux = not windows and system not in _NOT_LINUX
    return (
        "trap.forced" if windows else "trap.proxy",
        *(["trap.hyper_v"] if windows else []),
        *(["trap.iptables"] if linux or not system else []),
    )


def _undo(actions: Sequence[Action], words: Words) -> list[Line]:
    return [Line(words("line.undo"), command) for command in undoing(actions)[:_UNDONE]]


def _evidence(actions: Sequence[Action], words: Words) -> list[Line]:
    collected = [artefact for action in actions if not comes_after(action) for artefact in action.artefacts]
    kept = [each for each in collected if "/data/incident/" not in each.name]
    answers = sum(_ANSWERS in artefact.name for action in actions for artefact in action.artefacts)
    items = [_item(each, words) for each in kept[:_TOLD]]
    items += [words("line.answers", count=answers)] if answers else []
    return [Line(words("line.evidence"), item) for item in items]


def _item(artefact: Artefact, words: Words) -> str:
    """A kept file and its marks. What stands behind a colon in one may be an attacker's: that is in the manifest."""
    said = words("line.item", name=artefact.name, size=f"{artefact.size:,}", sha256=artefact.sha256)
    return "; ".join((said, *(mark.partition(":")[0] for mark in artefact.marks)))
