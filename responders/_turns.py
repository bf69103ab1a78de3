"""Whose turn it is on a device: containment goes before collection, unless a rule gives the collection a head start."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from responders._interface import Lane
from shared.models.action import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from responders._ports import Ports
    from shared.models.action import Action


def lets_others_go(action: Action, now: datetime) -> bool:
    """Whether a containment still lets the collection from its device go first. A person's word ends that."""
    return bool(action.head_start and now < action.head_start and not action.approved and not action.attempt)


class Turns:
    """Who has to wait for whom, as the ledger has it now. What an incident wants is read once, however many devices it
    has: rows that wait are asked about one after the other.
    """

    def __init__(self, ports: Ports, lane: Lane) -> None:
        """Nothing is read yet; `lane` is that of the rows that are asked about."""
        self._ports = ports
        self._lane = lane
        self._read: dict[str, Mapping[str, Sequence[Action]]] = {}

    def follows(self, action: Action) -> bool:
        """Whether a row has to wait for another one on its device; neither waits for ever."""
        now = self._ports.clock.now()
        if self._ports.contains(action):
            return lets_others_go(action, now) and any(map(self._collects, self._beside(action)))
        patience = self._ports.settings.COLLECT_PATIENCE
        if self._lane is Lane.CONTAIN or not action.device or now - action.created > patience:
            return False
        return any(self._ports.contains(each) and not lets_others_go(each, now) for each in self._beside(action))

    def _beside(self, action: Action) -> Sequence[Action]:
        """What of its incident is not settled on its device."""
        if action.incident not in self._read:
            found: dict[str, list[Action]] = defaultdict(list)
            for entry in self._ports.ledger.open_actions(action.incident):
                if not entry.value.state.settled:
                    found[entry.value.target].append(entry.value)
            self._read[action.incident] = found
        return self._read[action.incident].get(action.target, ())

    def _collects(self, action: Action) -> bool:
        """Whether it still collects on the device itself: what is only being archived needs the device no more."""
        does = self._ports.responders.get(action.responder)
        under_way = action.state is not State.FETCHING
        return bool(does and under_way and does.lane is Lane.COLLECT and does.gathers and does.kinds)
