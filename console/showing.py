"""One incident: what was made of it, what was done, what was told, and what people noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from pydantic import ValidationError
from rich.text import Text

from console.desk import contains
from console.naming import INCIDENT
from console.session import Session, looks
from console.voice import Json, foreign, ours, table
from console.words import action_json, device_of, iso, standing
from responders._cases import partition_of
from responders._notices import FINAL, OURS, SEVERITY_NAMES, Telling, compose
from shared.errors import NotFound
from shared.models.action import State
from shared.models.asked import Remark
from shared.models.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from console.desk import Desk
    from responders._notices import Message
    from shared.models.action import Action
    from shared.models.progress import IncidentState, Notice


@click.command()
@click.argument("incident", type=INCIDENT)
@looks
@click.pass_obj
def show(session: Session, incident: str) -> None:
    """What was made of an INCIDENT, what was done, told and noted."""
    desk = session.desk
    state = known(desk, incident)
    actions = done_or_observed(desk, state)
    notices = [entry.value for entry in desk.ledger.notices(incident)]
    remarks = [entry.value for entry in desk.ledger.every(Remark, partition_of(incident), "note:")]
    absorbed = desk.ledger.absorbed(incident)
    parts: list[RenderableType] = [
        *summary(state, actions),
        _actions(actions),
        table("Told", ("when", "what", "where", "how"), [_told(notice) for notice in notices]),
        table("Noted", ("when", "by", ""), [_noted(remark) for remark in remarks]),
        *[ours(text) for text in todo(actions)],
    ]
    if absorbed:
        parts.insert(1, ours(f"Merged into it: {', '.join(absorbed)}"))
    told = {
        **state_json(state),
        "absorbed": absorbed,
        "actions": [action_json(action) for action in actions],
        "notices": [
            {
                "chapter": each.chapter,
                "kind": each.kind,
                "channel": each.channel,
                "state": each.state,
                "since": iso(each.since),
            }
            for each in notices
        ],
        "notes": [{"at": iso(each.at), "by": each.by, "text": each.text} for each in remarks],
    }
    session.voice.tell(told, *parts)


def known(desk: Desk, incident: str) -> IncidentState:
    """How an incident has come along. Raises NotFound."""
    entry = desk.ledger.incident(incident)
    if entry is None:
        raise NotFound(
            f"incident {incident} is not known here; to have it read: bulkhead reassess {incident}", status=404
        )
    return entry.value


def plan_of(desk: Desk, state: IncidentState) -> Plan | None:
    """The plan of the version that was assessed last; None where there is none, or where a newer version wrote it."""
    data = desk.documents.read(f"{state.id}/{state.assessed}/plan.json") if state.assessed else None
    try:
        return Plan.model_validate_json(data) if data else None
    except ValidationError:
        return None


def done_or_observed(desk: Desk, state: IncidentState) -> list[Action]:
    """The actions of an incident; while observing also those of the plan, as what would have been done."""
    actions = desk.ledger.history(state.id)
    plan = plan_of(desk, state) if state.mode == "observe" else None
    known_keys = {action.key for action in actions}
    for action in plan.actions if plan else ():
        if action.key not in known_keys:
            seen = State.OBSERVED if action.state is State.PLANNED else action.state
            actions.append(action.model_copy(update={"state": seen}))
    return actions


def state_json(state: IncidentState) -> Json:
    """What was made of an incident, for scripts."""
    return {
        "incident": state.id,
        "title": state.title,
        "url": state.url,
        "severity": SEVERITY_NAMES[state.severity],
        "verdict": state.verdict,
        "reasons": list(state.reasons),
        "not_actionable": list(state.not_actionable),
        "mode": state.mode,
        "version": state.seen,
        "assessed": state.assessed == state.seen,
        "assessed_at": iso(state.assessed_at),
        "merged_into": state.merged_into or None,
    }


def summary(state: IncidentState, actions: Sequence[Action]) -> list[Text]:
    """An incident in the words of the message that Slack gets at the end, as it would be sent now."""
    message: Message = compose(FINAL, state, actions, contains, telling=Telling(full=True))
    head = f"Incident {state.id}, severity {SEVERITY_NAMES[state.severity]}{', observed' if message.observed else ''}"
    lines = [ours(head, "bold").append(" ").append(foreign(message.title, 300))]
    if state.assessed != state.seen:
        lines.append(Text("A newer version of it is not assessed yet.", "yellow"))
    if state.merged_into:
        lines.append(ours(f"It was merged into incident {state.merged_into}."))
    for line in message.lines:
        said = ours(line.text) if line.label in OURS else foreign(line.text, 900)
        lines.append(foreign(line.label, 100, "cyan").append(": ").append(said))
    return lines


def todo(actions: Sequence[Action]) -> list[str]:
    """The commands that decide what waits, which may be that of an incident that was merged into this one."""
    waiting = [action for action in actions if action.state is State.WAITING and not action.held]
    return [
        f"To decide: bulkhead approve {meant}    or: bulkhead refuse {meant}"
        for meant in dict.fromkeys(f"{action.incident} {action.label}" for action in waiting)
    ]


def _actions(actions: Sequence[Action]) -> RenderableType:
    rows = [
        (
            _at(each.created),
            device_of(each),
            f"{each.responder} {each.round}",
            standing(each),
            each.id,
            each.machine_action,
        )
        for each in actions
    ]
    return table("Actions", ("since", "device", "what", "how it stands", "action", "in Defender"), rows)


def _told(notice: Notice) -> tuple[str, str, str, str]:
    return _at(notice.since), f"{notice.kind} ({notice.chapter})", notice.channel, notice.state


def _noted(remark: Remark) -> tuple[str, Text, Text]:
    return _at(remark.at), foreign(remark.by), foreign(remark.text, 4000)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
