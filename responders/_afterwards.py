"""What the end of an incident does not wait for long, or at all: hunts, and devices that are away. Pure.

A hunt reads what Defender has recorded, however long its quota makes that take. The last message about an incident
waits for it a little while, so that it usually knows how that ended. It is not told again for a hunt that ends later:
the report shows what that found. A device may be away for days, while people wait to hear of all others; how it ends
there is told when it does.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.models.action import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from responders._languages import Words
    from shared.models.action import Action

AFTERWARDS = frozenset({"hunt"})
"""The responders whose results may come after everything else."""

PATIENCE = timedelta(minutes=5)
"""How long they are waited for once all else is settled."""

LONGEST = timedelta(hours=2)
"""How long the report that is kept for good waits for them."""


def comes_after(action: Action) -> bool:
    """Whether an action is one that nobody waits for long."""
    return action.responder in AFTERWARDS


def unsure(action: Action) -> bool:
    """Whether a person should hear that nobody knows whether it was taken."""
    return action.state is State.UNKNOWN and action.doubts > 1


def out_of_reach(actions: Iterable[Action]) -> list[Action]:
    """Those of them that need a device which does not answer now."""
    waiting = [each for each in actions if not (each.state.settled or comes_after(each))]
    away = {each.target for each in waiting if each.away}
    return [each for each in waiting if each.target in away and each.state is not State.FETCHING]


def going_on(actions: Iterable[Action]) -> list[Action]:
    """Those of them that are under way."""
    return [each for each in actions if comes_after(each) and not each.state.settled]


def all_over(actions: Sequence[Action], now: datetime) -> bool:
    """Whether the end can be told: everything is settled, but for what is away or was waited for long enough."""
    away = {each.key for each in out_of_reach(actions)}
    awaited = [each for each in actions if not comes_after(each) and each.key not in away]
    if not all(each.state.settled for each in awaited):
        return False
    late = going_on(actions)
    since = max((*(each.since for each in awaited), *(each.created for each in late)), default=now)
    return not late or now - since >= PATIENCE


def stands(action: Action) -> str:
    """An action's state as far as a change of it is news: of what comes afterwards only that a person is asked, of what
    is under way only a doubt.
    """
    if comes_after(action) and action.state not in {State.WAITING, State.OBSERVED}:
        return "asked"
    if action.state.settled:
        return str(action.state)
    return "unsure" if unsure(action) else "open"


def state_told(action: Action, words: Words) -> str:
    """An action's state for people. What asks nothing of a device is not done there before its answers are kept."""
    asking = action.state is State.FETCHING and comes_after(action)
    return words("state.asking") if asking else words.of("state", action.state)


def called(action: Action, words: Words) -> str:
    """What an action does, for people: a hunt that is about no device looks at the others."""
    whole = comes_after(action) and not action.device
    return words.of("responder", f"{action.responder}_elsewhere" if whole else action.responder)
