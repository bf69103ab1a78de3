"""Decide what to do about an assessed incident. Pure: the same facts give the same plan.

When a goal is called for again says `_news`. What concerns the incident alone and gathers nothing has one round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from responders._actionable import doubtful, lacking, unable, untried
from responders._guardrails import Go, Stop, Wait, rule, told
from responders._interface import GIVING_BACK, Lane
from responders._news import News, called_for, observed
from responders._undoing import given_back
from shared.models.action import Action, State, target_of
from shared.models.plan import Plan, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from responders._guardrails import Ruling
    from responders._interface import Responder
    from responders._news import Facts, Stock
    from shared.config import Settings
    from shared.models.plan import Affected, Assessment, Want
    from shared.models.progress import IncidentState


ASK = 16
"""How many devices a draft asks about at once, beside those that we hold: an incident may name thousands."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan, and the devices whose details are needed before it can be final."""

    plan: Plan
    unread: tuple[str, ...]


def decide(
    state: IncidentState, assessment: Assessment, facts: Facts, responders: Sequence[Responder], settings: Settings
) -> Draft:
    """The plan for the incident's newest version."""
    drafted = draft(state, assessment, facts, responders, settings)
    final = assessment.model_copy(update={"not_actionable": tuple(drafted.unusable)})
    plan = Plan(
        incident=state.id,
        version=state.seen,
        mode=settings.RESPONSE_MODE,
        assessment=final,
        actions=tuple(drafted.actions),
    )
    return Draft(plan, tuple(drafted.unread))


@dataclass(frozen=True, slots=True)
class Drafted:
    """Actions, the devices whose details are needed, and in words those that nothing can be done to."""

    actions: Sequence[Action]
    unread: Sequence[str] = ()
    unusable: Sequence[str] = ()


def draft(
    state: IncidentState, assessment: Assessment, facts: Facts, responders: Sequence[Responder], settings: Settings
) -> Drafted:
    """What a plan consists of."""
    able = [responder for responder in responders if responder.name not in facts.lacks]
    about_it = _of_incident(state, assessment, facts, able, settings) if assessment.wants else ()
    if assessment.verdict is Verdict.HARMLESS:
        freed = given_back(state, assessment, facts, able)
        return Drafted([*freed, *about_it], unusable=assessment.not_actionable)
    actions: list[Action] = []
    unread: list[str] = []
    unusable = [*assessment.not_actionable, *lacking(assessment, facts, responders)]
    doubted: list[str] = []
    stocks = dict(facts.stocks)
    for device in sorted(assessment.devices, key=doubtful):  # what may be no use takes no cap from what is
        problem = unable(device, facts)
        if problem:
            unusable.append(f"{device.name}: {problem}")
            doubted += [device.id] if untried(device, facts) else []
            continue
        for responder, want in _asks(device, able):
            action = _open(state, assessment, device, responder, want, facts)
            if action is None:
                continue
            if responder.contains or want.unread:
                room = _room(stocks, responder, settings)
                asked = facts.slot(device.id, responder.name) or len(unread) < room
                if asked and device.id not in facts.asked_about and device.id not in unread:
                    unread.append(device.id)
            if responder.contains:
                action, stocks[responder.name] = _ruled(action, stocks[responder.name], facts, settings)
            else:
                action = by_the_switch(action, facts.now, settings)
            actions.append(action)
        known = device.onboarding == "onboarded" or device.id in facts.asked_about or device.id in unread
        if not known and len(unread) < ASK:
            unread.append(device.id)
    return Drafted([*_with_head_starts(actions, responders), *about_it], unread or doubted[:ASK], unusable)


def _asks(device: Affected, able: Sequence[Responder]) -> Iterator[tuple[Responder, Want]]:
    """What is wanted of a device that can be done, in the order of the responders."""
    wanted = {want.responder for want in device.wants}
    for responder in able:
        if responder.name in wanted:
            yield from ((responder, want) for want in device.wants if want.responder == responder.name)


def _room(stocks: Mapping[str, Stock], responder: Responder, settings: Settings) -> int:
    """How many more devices may need their details at once; the rest waits for a person whatever they say."""
    used = stocks[responder.name].counts.incident if responder.name in stocks else 0
    return min(ASK, max(0, settings.ISOLATION_CAPS.per_incident - used))


def _open(
    state: IncidentState, assessment: Assessment, device: Affected, responder: Responder, want: Want, facts: Facts
) -> Action | None:
    """A new round for the device, if one is called for."""
    rounds = facts.rounds(device.id, responder.name, want.goal)
    news = News(assessment.severity, device.newest_alert or assessment.newest_alert)
    slot = facts.slot(device.id, responder.name) if responder.contains and facts.sure else None
    seen = observed(state, device.id)
    if not (called_for(state.id, news, rounds, slot, seen) or facts.freed(device.id, responder.name, want.goal)):
        return None
    return Action(
        incident=state.id,
        version=state.seen,
        device=device.id,
        device_name=device.name,
        alike=assessment.alike(device),
        responder=responder.name,
        goal=want.goal,
        params=want.params,
        round=1 + max((each.round for each in rounds), default=0),
        state=State.PLANNED,
        created=facts.now,
        since=facts.now,
        due=facts.now,
        severity=assessment.severity,
        newest_alert=assessment.newest_alert,
        device_alert=news.alert,
        shown_at=state.shown_at,
        reason=f"{', '.join(device.why)}; rule {want.rule}: {assessment.reasons[0]}",
        rule=want.rule,
        approval=None if want.unread and device.id in facts.later else want.approval,
        doubt=_doubt(assessment, want, facts.later, device.id, contains=responder.contains),
        auto_release=want.auto_release,
        head_start=facts.now + want.collect_first if want.collect_first else None,
        unread=want.unread and device.id in facts.later,
        hints=device.hints,
        facts=facts.machines.get(device.id),
        facts_at=facts.now if device.id in facts.machines else None,
    )


def _of_incident(
    state: IncidentState, assessment: Assessment, facts: Facts, able: Sequence[Responder], settings: Settings
) -> Iterator[Action]:
    """What is asked for about the incident itself: once, and what gathers again where there is news."""
    news, seen = News(assessment.severity, assessment.newest_alert), observed(state)
    for responder in able:
        for want in (each for each in assessment.wants if each.responder == responder.name):
            rounds = facts.rounds("", responder.name, want.goal)
            if rounds if not responder.gathers else not called_for(state.id, news, rounds, None, seen):
                continue
            action = Action(
                incident=state.id,
                version=state.seen,
                device="",
                device_name="",
                responder=responder.name,
                goal=want.goal,
                params=want.params,
                round=1 + max((each.round for each in rounds), default=0),
                state=State.PLANNED,
                created=facts.now,
                since=facts.now,
                due=facts.now,
                severity=assessment.severity,
                newest_alert=assessment.newest_alert,
                device_alert=assessment.newest_alert if responder.gathers else None,
                shown_at=state.shown_at,
                reason=f"rule {want.rule}: {assessment.reasons[0]}",
                rule=want.rule,
                approval=want.approval,
                doubt=want.doubt,
            )
            yield by_the_switch(action, facts.now, settings)


def _with_head_starts(actions: Sequence[Action], responders: Sequence[Responder]) -> list[Action]:
    """The actions, none with a head start for a collection that is not to come: what waits for a person is none."""
    if not any(each.head_start for each in actions):
        return list(actions)
    collecting = {each.name for each in responders if each.lane is Lane.COLLECT and each.gathers and each.kinds}
    coming = {each.target for each in actions if each.responder in collecting and each.state is State.PLANNED}
    useless = {each.key for each in actions if each.head_start and each.target not in coming}
    return [each.model_copy(update={"head_start": None}) if each.key in useless else each for each in actions]


def _doubt(assessment: Assessment, want: Want, later: Collection[str], device: str, *, contains: bool) -> str:
    """Why a person has to decide; what only hangs on details that are still `later` to be read is no reason yet."""
    unread = want.unread and device in later
    doubts = (assessment.doubt if contains else "", "" if unread else want.doubt)
    return "; ".join(filter(None, dict.fromkeys(doubts)))


def reread(action: Action, assessment: Assessment, *, contains: bool) -> Action | None:
    """An action as its rule asks for it now that its device's details are known; None where no rule does."""
    device = next((each for each in assessment.devices if target_of(each.id) == action.target), None)
    wants = device.wants if device else ()
    want = next((each for each in wants if (each.responder, each.goal) == (action.responder, action.goal)), None)
    if want is None:
        return None
    doubt = _doubt(assessment, want, (), action.device, contains=contains)
    known = {"rule": want.rule, "params": want.params, "approval": want.approval, "doubt": doubt, "unread": False}
    return action.model_copy(update=known)


def by_the_switch(action: Action, now: datetime, settings: Settings, *, respond: bool = True) -> Action:
    """What does not contain, as the rails leave it."""
    ruling = rule(
        action,
        respond=respond,
        protected=settings.PROTECTED,
        now=now,
        max_age=settings.MAX_AGE_TO_CONTAIN,
        contains=False,
    )
    return action if isinstance(ruling, Go) else stopped(action, ruling, now, settings.APPROVAL_EXPIRES)


def _ruled(action: Action, stock: Stock, facts: Facts, settings: Settings) -> tuple[Action, Stock]:
    """The action as the rails leave it, and the stock with it."""
    ruling: Ruling = rule(
        action,
        respond=True,
        protected=settings.PROTECTED,
        now=facts.now,
        max_age=settings.MAX_AGE_TO_CONTAIN,
        later=action.device in facts.later,
    )
    if isinstance(ruling, Go) or (isinstance(ruling, Wait) and action.device not in facts.machines):
        over = stock.capped(action, settings.ISOLATION_CAPS, facts.now)
        ruling = ruling if isinstance(over, Go) else over
    if not isinstance(ruling, Go):
        return stopped(action, ruling, facts.now, settings.APPROVAL_EXPIRES), stock
    return action, stock if action.target in stock.slots else stock.with_one_more(action, facts.now)


def stopped(action: Action, ruling: Wait | Stop, now: datetime, expires: timedelta) -> Action:
    """The action as a rail leaves it. What waits for a person may be approved for so long, and somebody looks at it
    then; what waits for the end of a hold has no end of its own.
    """
    if isinstance(ruling, Stop):
        return action.to(State.REFUSED, now, detail=ruling.detail, todo=ruling.todo)
    until = None if ruling.held else now + min(action.approval or expires, expires)
    return action.to(State.WAITING, now, due=until, approve_by=until, held=ruling.held, **told(ruling, action))


def lost_reason(  # noqa: PLR0911 - one reason after the other
    action: Action, state: IncidentState, responder: Responder
) -> str:
    """Why an action that was not sent yet is no longer called for; empty where it is. A person's approval stands, what
    has begun on the device (`before`) is carried through, and while a newer version waits for its assessment, the older
    one says nothing of what the newer may have planned.
    """
    if action.approved or action.before or state.assessed != state.seen:
        return ""
    if GIVING_BACK.intersection(responder.kinds[:1]):
        return "" if state.cleared else "the incident is no longer classified as a false positive"
    if not action.device:
        return ""
    if state.verdict == Verdict.HARMLESS:
        return f"the incident is now held for harmless: {state.reasons[0] if state.reasons else ''}"
    if action.target not in map(target_of, state.affected):
        return "the incident no longer concerns the device"
    if responder.contains and not state.contain:
        return "the incident no longer asks for containment"
    return ""
