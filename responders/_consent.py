"""What a person's word makes of an action. Pure: an action, who says what, and the time give the next action."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.models.action import EXPLAINED, INCIDENT_ITSELF, Action, State, action_key
from shared.models.frozen import Params
from shared.models.incident import SEVERITIES

if TYPE_CHECKING:
    from datetime import datetime

    from shared.models.device import Machine
    from shared.models.order import AnyOrder
    from shared.models.progress import IncidentState

WITHOUT_INCIDENT = "orders"
"""Stands for the incident where a person asks for something apart from any."""

CLOCKS = timedelta(seconds=30)
"""How slow a sender's clock may be."""

_SHORTEST = 8
"""Characters of a device's id by which people may name it."""


def latest(order: AnyOrder, now: datetime) -> datetime:
    """The latest moment at which an order can have been asked. Only what was so by then, its sender can have known."""
    return now if order.at >= now - CLOCKS else order.at + CLOCKS


# What waits


def approved(action: Action, by: str, asked: datetime, now: datetime) -> Action | str:
    """A waiting action once a person has approved it; why not, where that is too late or no question."""
    if action.state is not State.WAITING:
        return f"it does not wait: it {EXPLAINED[action.state]}"
    if lapsed(action, now):
        return f"its approval expired at {action.approve_by:%Y-%m-%d %H:%M} UTC; anew: bulkhead retry {action.id}"
    given = {"approved": True, "approved_by": by, "approved_at": asked, "held": False}
    return action.to(State.PLANNED, now, due=now, detail=f"approved by {by}", todo="", **given)


def declined(action: Action, by: str, why: str, now: datetime) -> Action | str:
    """A waiting action once a person has refused it; why not, where it does not wait."""
    if action.state is not State.WAITING:
        return f"it does not wait: it {EXPLAINED[action.state]}"
    return action.to(State.REFUSED, now, detail=f"by {by}{f': {why}' if why else ''}", todo="")


def approving(action: Action) -> str:
    """The command that approves an action and nothing else that waits on its device."""
    if action.goal:
        return f"bulkhead approve --action {action.id}"
    return f"bulkhead approve {action.incident} {action.label} --responder {action.responder}"


def lapsed(action: Action, now: datetime) -> bool:
    """Whether an action waited for a person in vain."""
    return action.state is State.WAITING and bool(action.approve_by and now >= action.approve_by)


def expired(action: Action, now: datetime) -> Action:
    """A waiting action that nobody approved in time."""
    todo = f"if it is still called for: bulkhead retry {action.id}"
    return action.to(State.REFUSED, now, detail=f"nobody approved it in time; {action.detail}", todo=todo)


def called(action: Action, called: str) -> bool:
    """Whether a person who calls a device so may mean this action's; `incident` is one that is about none."""
    name = called.lower()
    if not action.device:
        return name == INCIDENT_ITSELF
    first = action.device_name.partition(".")[0].lower()
    return name in {action.target, first} or (len(name) >= _SHORTEST and action.target.startswith(name))


# What is taken back


def recalled(action: Action, words: str, now: datetime) -> Action | str:
    """An action that is not sent, and will not be; one in doubt stays as it is until that is found out, and is not sent
    again. Why not, where it has gone on.
    """
    if action.state is State.UNKNOWN or (action.state is State.PLANNED and action.doubtful):
        return action.model_copy(update={"revoked": words})
    if action.state in {State.PLANNED, State.WAITING}:
        return action.to(State.WITHDRAWN, now, cancelled=True, detail=words, todo="")
    return f"it {EXPLAINED[action.state]}"


# Rounds that a person opens


@dataclass(frozen=True, slots=True)
class Goal:
    """What a person wants done to a device. `incident` is None where it is wanted apart from any; `goal` and `params`
    as in `Action`.
    """

    device: str
    responder: str
    incident: str | None
    name: str = ""
    goal: str = ""
    params: Params = field(default_factory=Params)


def next_key(goal: Goal, last: Action | None) -> str:
    """The row key of a goal's next round."""
    incident = goal.incident or WITHOUT_INCIDENT
    return action_key(incident, goal.device, goal.responder, last.round + 1 if last else 1, goal.goal)


def new_round(
    order: AnyOrder, key: str, goal: Goal, state: IncidentState | None, machine: Machine | None, now: datetime
) -> Action:
    """The round of this key as a person orders it. What is news to it came after it was asked."""
    asked = latest(order, now)
    _, incident, device, responder, number = key.split(":")
    return Action(
        incident=incident,
        version=state.seen if state else "",
        device=device,
        device_name=goal.name or (machine.name if machine else "") or device[:8],
        responder=responder.partition("~")[0],
        goal=responder.partition("~")[2],
        params=goal.params,
        round=int(number),
        state=State.PLANNED,
        created=now,
        since=now,
        due=now,
        severity=max(SEVERITIES.values()),
        newest_alert=asked,
        device_alert=asked,
        reason=f"ordered by {order.by}{f': {order.why}' if order.why else ''}",
        approved=True,
        approved_by=order.by,
        approved_at=asked,
        opened_by=order.id,
        orders=(order.id,),
        facts=machine,
        facts_at=now if machine else None,
    )


# In words


def what(action: Action) -> str:
    """An action as its order's answer calls it."""
    return f"{action.responder.replace('_', ' ')} on {action.label} ({action.id})"


def told(action: Action) -> str:
    """How an action stands, in words for whoever asked for it."""
    more = "; ".join(each for each in (action.detail, action.met) if each)
    needless = action.state is State.ELSEWHERE and not action.machine_action
    how = "was not needed" if needless else EXPLAINED[action.state]
    return f"{what(action)} {how}{f': {more}' if more else ''}"
