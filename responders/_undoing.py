"""What is given back of itself: containments whose rule says so, once an analyst calls the incident a false positive.

Only what this incident's own action took and nobody else wants: a device that another incident holds stays contained,
and so does one that somebody else contained. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._given_back import by_hand
from responders._interface import GIVING_BACK, containment
from responders._taking import as_held
from shared.models.action import Action, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from responders._interface import Responder
    from responders._news import Facts
    from shared.models.action import Slot
    from shared.models.plan import Assessment
    from shared.models.progress import IncidentState

WHY = "an analyst classified the incident as a false positive"
_IN_VAIN = frozenset({State.REFUSED, State.FAILED, State.UNAVAILABLE})
_TAKEN = frozenset({State.SENDING, State.UNKNOWN, State.ACCEPTED, State.SUCCEEDED})


def given_back(
    state: IncidentState, assessment: Assessment, facts: Facts, responders: Sequence[Responder]
) -> Iterator[Action]:
    """The releases of an incident that was called a false positive."""
    if not assessment.cleared:
        return
    undoing = {containment(each): each for each in responders if GIVING_BACK.intersection(each.kinds[:1])}
    for responder in responders:
        back = undoing.get(containment(responder)) if responder.contains else None
        if back is None:
            continue
        for taken in _newest(facts.existing, responder.name):
            slot = facts.slot(taken.device, responder.name)
            sent = taken.state in _TAKEN or (taken.doubtful and not taken.state.final)
            if slot and taken.auto_release and sent and not taken.foreign:
                yield from _release(state, taken, back.name, slot, facts)


def _newest(existing: Sequence[Action], responder: str) -> list[Action]:
    """The newest round on each device, of those that were sent, or joined one that was."""
    found: dict[str, Action] = {}
    for each in existing:
        before = found.get(each.target)
        if each.responder == responder and (each.attempt or each.joined) and (not before or each.round > before.round):
            found[each.target] = each
    return list(found.values())


def _release(state: IncidentState, taken: Action, responder: str, slot: Slot, facts: Facts) -> Iterator[Action]:
    """The release, unless one is under way or came to nothing, or this incident holds the device no more; refused while
    others do.
    """
    rounds = facts.rounds(taken.device, responder, "")
    own = {state.id, *(each.incident for each in facts.existing)}
    if own.isdisjoint(slot.holders) or any(not each.state.final or _in_vain(each, taken) for each in rounds):
        return
    planned = Action(
        incident=state.id,
        version=state.seen,
        device=taken.device,
        device_name=taken.device_name,
        responder=responder,
        round=1 + max((each.round for each in rounds), default=0),
        state=State.PLANNED,
        created=facts.now,
        since=facts.now,
        due=facts.now,
        severity=taken.severity,
        newest_alert=taken.newest_alert,
        device_alert=taken.device_alert,
        reason=f"{WHY}; the rule {taken.rule} asks for its release then",
        rule=taken.rule,
        detail=WHY,
        params=as_held(slot),
    )
    others = [each for each in slot.holders if each not in own]
    yield refused(planned, others, facts.now) if others else planned


def _in_vain(release: Action, taken: Action) -> bool:
    """Whether a release of itself came to nothing, or a person stopped it. That was told, and telling it changes the
    incident in Defender, so that it is assessed anew: tried anew each time, it would be told for ever.
    """
    over = release.state in _IN_VAIN or release.cancelled
    return over and not release.opened_by and release.created >= taken.created


def premature(release: Action, state: IncidentState | None) -> str:
    """Why a release of itself is not to be sent now, as the incident that it goes on with stands; empty where it may
    be. What is not assessed yet may have been taken back, or merged into one that wants the device as it is.
    """
    if release.approved or state is None:
        return ""
    if state.assessed != state.seen:
        return f"incident {state.id} changed, and is assessed first"
    return "" if state.cleared else f"incident {state.id} is not classified as a false positive"


def refused(action: Action, others: Sequence[str], now: datetime) -> Action:
    """A release of itself where other incidents hold the device."""
    detail = f"{WHY}, but incident {', '.join(others)} holds the device too"
    todo = f"nothing, unless it should be free all the same; then: {by_hand(action)}"
    return action.to(State.REFUSED, now, detail=detail, todo=todo)
