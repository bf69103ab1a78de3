"""Values of the ledger as scripts and people get them: members whose names stay, and short texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from console.voice import Json, foreign, ours
from responders._notices import device_label
from shared.models.action import EXPLAINED, State

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from console.ordering import Outcome
    from shared.models.action import Action
    from shared.models.asked import DeadLetter, OrderRecord

STYLES = {
    State.SUCCEEDED: "green",
    State.ELSEWHERE: "green",
    State.FAILED: "red",
    State.REFUSED: "red",
    State.UNAVAILABLE: "red",
    State.WAITING: "yellow",
    State.UNKNOWN: "yellow",
}
_SHOWN = ("incident", "device", "device_name", "responder", "round", "severity", "attempt", "tries", "machine_action")
_SAID = ("reason", "doubt", "detail", "todo", "approved_by", "opened_by", "foreign", "joined")
_TIMES = ("created", "since", "due", "approve_by", "accepted_at", "finished_at")


def action_json(action: Action) -> Json:
    """An action, for scripts."""
    times = {name: iso(getattr(action, name)) for name in _TIMES}
    return {
        "id": action.id,
        "state": str(action.state),
        **{name: getattr(action, name) for name in (*_SHOWN, *_SAID)},
        **times,
        "artefacts": [{"name": each.name, "size": each.size, "sha256": each.sha256} for each in action.artefacts],
    }


def letter_json(letter: DeadLetter) -> Json:
    """A dead letter, for scripts."""
    return {
        "key": letter.key,
        "queue": letter.queue,
        "since": iso(letter.since),
        "text": letter.text,
        "problems": list(letter.problems),
        "replays": [{"order": each.order, "by": each.by, "at": iso(each.at)} for each in letter.replays],
        "dropped": {"by": letter.dropped.by, "at": iso(letter.dropped.at), "why": letter.dropped.why}
        if letter.dropped
        else None,
    }


def order_json(record: OrderRecord) -> Json:
    """An order, for scripts."""
    return {
        "order": record.order.id,
        "kind": record.order.kind,
        "by": record.order.by,
        "state": str(record.state),
        "received_at": iso(record.received_at),
        "answer": record.answer,
    }


def outcome_json(outcome: Outcome) -> Json:
    """What became of an order, for scripts."""
    return {
        "order": outcome.order,
        "kind": outcome.kind,
        "ended": str(outcome.ended),
        "answer": outcome.words,
        "actions": [action_json(action) for action in outcome.actions],
    }


def device_of(action: Action) -> Text:
    """How an action's device is called: as in Slack."""
    return foreign(device_label(action), 100)


def standing(action: Action) -> Text:
    """How an action stands, in Slack's words."""
    said = EXPLAINED[action.state]
    shown = f"{said}: {action.detail}" if action.detail and action.state is not State.SUCCEEDED else said
    return ours(shown, STYLES.get(action.state, ""))


def many(number: int, what: str) -> str:
    """A number of things: `1 device`, `2 devices`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def since(moment: datetime | None, now: datetime) -> str:
    """How long ago something was, for people: `3 min`."""
    return "" if moment is None else span(now - moment)


def span(time: timedelta) -> str:
    """A span of time in the unit that fits: seconds, minutes, hours or days."""
    seconds = max(0, int(time.total_seconds()))
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def iso(moment: datetime | None) -> str | None:
    """An instant as scripts read it."""
    return moment.isoformat() if moment else None
