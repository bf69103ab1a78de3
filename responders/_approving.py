"""What waits for a person: a person lets it go on, or has it never done, or says nothing until it is too late."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from responders._consent import approved, called, declined, latest, what
from responders._guardrails import Go, Ordered, rule
from responders._holding import held
from responders._job import Answer
from shared.models.action import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from responders._job import Job
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.order import Approve, Refuse

_NO_NAME = re.compile(r"[^A-Za-z0-9.-]")
"""What no device's name of DNS has: a name may be anybody's."""


def approve(job: Job, order: Approve) -> Answer:
    """Let it go on: it passes the caps and its age, never what protects the device nor the kill switch."""
    now = job.ports.clock.now()

    def becomes(action: Action) -> Action | str:
        to = approved(action, order.by, latest(order, now), now)
        return to if isinstance(to, str) else forbidden(job.ports, to, later=True) or to

    return _answered(job, order, "approved", becomes)


def refuse(job: Job, order: Refuse) -> Answer:
    """Have it never done."""
    now = job.ports.clock.now()
    return _answered(job, order, "refused", lambda action: declined(action, order.by, order.why, now))


def forbidden(ports: Ports, action: Action, *, later: bool = False) -> str:
    """What forbids an action although a person wants it; empty where nothing does. `later` says that the device's
    details are still to be read.
    """
    settings = ports.tightened
    hold = "" if ports.gives_back(action) else held(ports)
    if hold:
        return f"everything is held {hold}; first: bulkhead resume"
    if not (settings.respond or ports.gives_back(action)):
        return "RESPONSE_MODE is observe, so nothing is touched"
    ruling = rule(
        action,
        respond=settings.respond,
        protected=settings.PROTECTED,
        now=ports.clock.now(),
        max_age=settings.MAX_AGE_TO_CONTAIN,
        contains=ports.contains(action),
        later=later,
        people=Ordered(gives_back=ports.gives_back(action)),
    )
    return "" if isinstance(ruling, Go) else ruling.detail


def _answered(job: Job, order: Approve | Refuse, verb: str, becomes: Callable[[Action], Action | str]) -> Answer:
    """Who names an incident means what waited then: whoever asked has seen nothing of what came to wait since."""

    def in_time(action: Action) -> Action | str:
        unseen = not order.action and action.state is State.WAITING and action.since > job.latest
        return f"it came to wait after this was asked, at {action.since:%H:%M:%S} UTC" if unseen else becomes(action)

    if not job.keys:
        meant = _meant(job, order)
        if isinstance(meant, str):
            return Answer.refused(meant)
        job.about([action.key for action in meant])
    done, left = [], []
    for action in job.actions():
        why_not = job.change(action.key, in_time)
        left += [f"{what(action)}: {why_not}"] if why_not else []
        done += [] if why_not else [what(action)]
    words = [f"{verb}: {', '.join(done)}"] if done else []
    words += [f"not {verb}: {'; '.join(left)}"] if left else []
    return Answer.done("; ".join(words)) if done else Answer.refused("; ".join(words))


def _meant(job: Job, order: Approve | Refuse) -> list[Action] | str:
    """The actions that an order is about, or why there are none: of its incident, and of those merged into that."""
    if order.action:
        action = job.ports.ledger.action_by_id(order.action)
        return [action] if action else "no action of ours has this id"
    ledger, incident = job.ports.ledger, order.incident or ""
    incidents = (incident, *ledger.absorbed(incident))
    every = [entry.value for each in incidents for entry in ledger.open_actions(each)]
    waiting = [action for action in every if action.state is State.WAITING]
    found = [action for action in waiting if _names(order, action)]
    if order.device and found:
        rest = [action for each in incidents for action in ledger.actions(each) if _names(order, action)]
        several = _several(found, rest)
        if several:
            return f"several devices are called so: {several}; give the start of the id"
    if found:
        return found
    if not waiting:
        return f"nothing of incident {order.incident} waits for a person; bulkhead status lists what does"
    others = dict.fromkeys(f"{action.responder} on {action.label}" for action in waiting)
    return f"no such action of incident {order.incident} waits; waiting: {', '.join(others)}"


def _names(order: Approve | Refuse, action: Action) -> bool:
    """Whether an action is of the responder and the device that an order names, where it names any."""
    return order.responder in {None, action.responder} and (order.device is None or called(action, order.device))


def _several(found: Sequence[Action], rest: Sequence[Action]) -> str:
    """The devices that may be meant, where those are several: also one of which nothing waits any more, since a command
    about that one would mean another one now. A device that was onboarded again keeps its name, and is no other one.
    """
    names = {action.device_name.lower() for action in found}
    others = [action for action in rest if action.device_name.lower() not in names]
    devices = {action.target: action.device_name for action in (*others, *found)}
    each = [f"{_NO_NAME.sub('', name)[:80]} ({target[:8]})" for target, name in sorted(devices.items())]
    return ", ".join(each) if len(each) > 1 else ""
