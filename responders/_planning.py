"""Decide what to do about an assessed incident. Pure: the same facts give the same plan.

A round is one goal for (incident, device, responder). A new one opens only when the last is over and something relevant
is new: severity up, or a newer alert on the device.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from responders._guardrails import Counts, Go, Stop, Wait, rule, rule_caps
from shared.models.action import Action, IncidentState, Slot, Spent, State, target_of
from shared.models.plan import Plan, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from responders._guardrails import Ruling
    from responders._interface import Responder
    from shared.config import Settings
    from shared.models.device import Machine
    from shared.models.plan import Affected, Assessment


ASK = 16
"""How many devices a draft asks about at once, beside those that we hold: an incident may name thousands."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a plan rests on. `machines` are the devices asked about: None where Defender's answer could not be had;
    `unknown` are devices that Defender does not know; the details of those in `later` are read before they are sent.
    """

    now: datetime
    machines: Mapping[str, Machine | None]
    unknown: frozenset[str]
    later: frozenset[str]
    existing: Sequence[Action]
    slots: Mapping[str, Slot]
    counts: Counts


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan, and the devices whose details are needed before it can be final."""

    plan: Plan
    unread: tuple[str, ...]


def decide(
    state: IncidentState, assessment: Assessment, facts: Facts, responders: Sequence[Responder], settings: Settings
) -> Draft:
    """The plan for the incident's newest version."""
    if assessment.verdict is Verdict.HARMLESS:
        return Draft(_plan(state, assessment, (), settings), ())
    actions: list[Action] = []
    unread: list[str] = []
    unusable = list(assessment.not_actionable)
    counts = facts.counts
    for device in assessment.devices:
        problem = _unusable(device, facts)
        if problem:
            unusable.append(f"{device.name}: {problem}")
            continue
        for responder in responders:
            action = _open(state, assessment, device, responder, facts)
            if action is None:
                continue
            if responder.contains:
                asked = device.id in facts.slots or len(unread) < _room(counts, settings)
                if asked and device.id not in facts.machines and device.id not in facts.later:
                    unread.append(device.id)
                action, counts = _ruled(action, counts, facts, settings)
            actions.append(action)
        known = device.onboarding or device.id in {*facts.machines, *facts.later, *unread}
        if not known and len(unread) < ASK:
            unread.append(device.id)
    final = assessment.model_copy(update={"not_actionable": tuple(unusable)})
    return Draft(_plan(state, final, tuple(actions), settings), tuple(unread))


def _plan(state: IncidentState, assessment: Assessment, actions: tuple[Action, ...], settings: Settings) -> Plan:
    return Plan(
        incident=state.id,
        version=state.seen,
        mode=settings.RESPONSE_MODE,
        assessment=assessment,
        actions=actions,
    )


def _unusable(device: Affected, facts: Facts) -> str:
    if device.id in facts.unknown:
        return "Defender does not know this device"
    machine = facts.machines.get(device.id)
    if not device.onboarding and machine and machine.onboarding not in {"", "onboarded"}:
        return f"not onboarded to Defender ({machine.onboarding[:40]})"
    return ""


def _room(counts: Counts, settings: Settings) -> int:
    """How many more devices may need their details at once; the rest waits for a person whatever they say."""
    return min(ASK, max(0, settings.ISOLATION_CAPS.per_incident - counts.incident))


def _open(
    state: IncidentState, assessment: Assessment, device: Affected, responder: Responder, facts: Facts
) -> Action | None:
    """A new round for the device, if one is called for."""
    reason = responder.wants(assessment)
    if not reason:
        return None
    rounds = [
        each for each in facts.existing if each.target == target_of(device.id) and each.responder == responder.name
    ]
    last = max(rounds, key=lambda each: each.round, default=None)
    alert = device.newest_alert or assessment.newest_alert
    if last:
        news = _never_sent(last) or _news(assessment.severity, alert, last.severity, last.device_alert)
        if not last.state.final or not news:
            return None
        slot = facts.slots.get(target_of(device.id))
        if responder.contains and slot and slot.held and state.id in slot.holders:
            return None
    elif device.id in state.observed and not _news(
        assessment.severity, alert, state.observed_severity, state.observed_alert
    ):
        return None
    return Action(
        incident=state.id,
        version=state.seen,
        device=device.id,
        device_name=device.name,
        responder=responder.name,
        round=last.round + 1 if last else 1,
        state=State.PLANNED,
        created=facts.now,
        since=facts.now,
        due=facts.now,
        severity=assessment.severity,
        newest_alert=assessment.newest_alert,
        device_alert=alert,
        reason=f"{', '.join(device.why)}; {reason}",
        doubt=assessment.doubt if responder.contains else "",
        hints=device.hints,
        facts=facts.machines.get(device.id),
        facts_at=facts.now if device.id in facts.machines else None,
    )


def _never_sent(last: Action) -> bool:
    """Whether the last round was taken back before anything was sent: it may be called for again."""
    return last.state is State.WITHDRAWN and not last.attempt


def _news(severity: int, alert: datetime | None, old_severity: int, old_alert: datetime | None) -> bool:
    return severity > old_severity or bool(alert and (old_alert is None or alert > old_alert))


def _ruled(action: Action, counts: Counts, facts: Facts, settings: Settings) -> tuple[Action, Counts]:
    """The action as the rails leave it, and the counts with it. A device that we hold already costs nothing."""
    slot = facts.slots.get(action.target)
    ruling: Ruling = rule(
        action,
        respond=True,
        protected=settings.PROTECTED,
        now=facts.now,
        max_age=settings.MAX_AGE_TO_CONTAIN,
        later=action.device in facts.later,
    )
    capped = Go() if slot else rule_caps(counts, settings.ISOLATION_CAPS, facts.now)
    if isinstance(ruling, Go) or (isinstance(ruling, Wait) and action.device not in facts.machines):
        ruling = ruling if isinstance(capped, Go) else capped
    if not isinstance(ruling, Go):
        return stopped(action, ruling, facts.now), counts
    if slot is None:
        sent = (*counts.sent, Spent(id=action.id, at=facts.now))
        counts = replace(counts, incident=counts.incident + 1, held=counts.held + 1, sent=sent)
    return action, counts


def stopped(action: Action, ruling: Wait | Stop, now: datetime) -> Action:
    """The action as a rail leaves it."""
    state = State.WAITING if isinstance(ruling, Wait) else State.REFUSED
    return action.to(state, now, detail=ruling.detail, todo=ruling.todo)


def lost_reason(action: Action, state: IncidentState, responder: Responder) -> str:
    """Why an action that was not sent yet is no longer called for; empty where it is. A person's approval stands,
    and while a newer version waits for its assessment, the older one says nothing of what the newer may have planned.
    """
    if action.approved or state.assessed != state.seen:
        return ""
    if state.verdict == Verdict.HARMLESS:
        return f"the incident is now held for harmless: {state.reasons[0] if state.reasons else ''}"
    if action.device not in state.affected:
        return "the incident no longer concerns the device"
    if responder.contains and not state.contain:
        return "the incident no longer asks for containment"
    return ""
