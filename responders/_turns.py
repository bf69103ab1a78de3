"""Whose turn it is. On a device containment goes before collection, unless a rule gives the collection a head start;
among devices the graver incident goes first.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from responders._details import stale
from responders._interface import Lane
from shared.models.action import State, incident_of, target_in
from shared.models.incident import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from responders._ports import Ports
    from shared.models.action import Action

_SOON = timedelta(minutes=2)
"""How long at least a call is kept for a graver one: longer than a window of a minute."""

_GRAVEST = max(SEVERITIES.values())


def lets_others_go(action: Action, now: datetime) -> bool:
    """Whether a containment still lets the collection from its device go first. A person's word ends that."""
    return bool(action.head_start and now < action.head_start and not action.approved and not action.attempt)


def _goes_on(action: Action) -> bool:
    """Whether something more happens by itself: what waits for nothing but the end of a hold goes on with that."""
    return not action.state.settled or (action.state is State.WAITING and action.held)


def graver(ports: Ports, batch: Sequence[Action]) -> int:
    """How many containments through the same API are more severe than all of a batch and lack nothing but a call: the
    batch leaves them theirs, though other workers have them in hand or put them off. What waits for a reason of its own
    holds nobody up, nor does what its device's details may keep from being sent at all.
    """
    now = ports.clock.now()
    least = max(action.severity for action in batch)
    if least >= _GRAVEST:
        return 0
    api = ports.responders[batch[0].responder].api
    soon = (entry.value for entry in ports.ledger.due(now + max(_SOON, ports.settings.NUDGE_AFTER)))
    planned = (each for each in soon if each.state is State.PLANNED and each.severity > least)
    ready = (each for each in planned if each.in_line or (each.due and each.due <= now and not stale(ports, each, now)))
    return sum(
        ports.contains(each) and ports.responders[each.responder].api == api and not lets_others_go(each, now)
        for each in ready
    )


class Turns:
    """Who has to wait for whom, as the ledger has it now. All that is open is read at once, where it matters at all:
    in a storm hundreds of rows wait, each for another one of its incident on its device.
    """

    def __init__(self, ports: Ports, lane: Lane) -> None:
        """Nothing is read yet; `lane` is that of the rows that are asked about."""
        self._ports = ports
        self._lane = lane

    def follows(self, action: Action) -> bool:
        """Whether a row has to wait for another one on its device; neither waits for ever."""
        now = self._ports.clock.now()
        if self._ports.contains(action):
            return lets_others_go(action, now) and (
                self._unknown(action) or any(map(self._collects, self._beside(action)))
            )
        patience = self._ports.settings.COLLECT_PATIENCE
        if self._lane is Lane.CONTAIN or not action.device or now - action.created > patience:
            return False
        if self._unknown(action):
            return True
        return any(self._precedes(each) and not lets_others_go(each, now) for each in self._beside(action))

    def _beside(self, action: Action) -> Sequence[Action]:
        """What of its incident goes on by itself on its device."""
        return self._open[0].get((action.incident, action.target), ())

    def _unknown(self, action: Action) -> bool:
        """Whether a newer version of the product has a row of its incident on its device that this one cannot read."""
        return (action.incident, action.target) in self._open[1]

    @cached_property
    def _open(self) -> tuple[Mapping[tuple[str, str], Sequence[Action]], frozenset[tuple[str, str]]]:
        entries, unreadable = self._ports.ledger.everything_open()
        found: dict[tuple[str, str], list[Action]] = defaultdict(list)
        for action in filter(_goes_on, (entry.value for entry in entries)):
            found[action.incident, action.target].append(action)
        return found, frozenset((incident_of(key), target_in(key)) for key in unreadable)

    def _precedes(self, action: Action) -> bool:
        """Whether it contains: while that is held, what comes behind it is held as well, and says so."""
        return self._ports.contains(action) and not action.state.settled

    def _collects(self, action: Action) -> bool:
        """Whether it still collects on the device itself: what is only being archived needs the device no more."""
        does = self._ports.responders.get(action.responder)
        under_way = action.state is not State.FETCHING
        return bool(does and under_way and does.lane is Lane.COLLECT and does.gathers and does.kinds)
