"""What a plan rests on, and whether there is a reason for another round of a goal. Pure.

A round is one goal for (incident, device, responder). A new one opens only when the last is over and something relevant
is new: severity up, or a newer alert on the device.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from responders._given_back import GIVEN_BACK_BY
from responders._guardrails import Go, rule_caps
from shared.models.action import Spent, State, target_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from responders._guardrails import Counts, Ruling
    from shared.config import Caps
    from shared.models.action import Action, Slot
    from shared.models.device import Machine
    from shared.models.progress import IncidentState


class Counted(Protocol):
    """What of an action bears on the caps; `Action` is one."""

    @property
    def incident(self) -> str:
        """Whose it is."""

    @property
    def target(self) -> str:
        """The device."""

    @property
    def goal(self) -> str:
        """What tells it from other goals on the device."""

    @property
    def charge(self) -> str:
        """What it counts as."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What is known of one containing responder: what counts against the caps, and the slots of devices."""

    counts: Counts
    slots: Mapping[str, Slot] = field(default_factory=dict)

    def capped(self, action: Counted, caps: Caps, now: datetime) -> Ruling:
        """What the caps say. A device that we hold already costs nothing. A further goal on one that counts costs no
        more, and has its place only where the caps, as they are now, have room for that device.
        """
        if action.target in self.slots:
            return Go()
        return rule_caps(self._beside(action) if action.goal else self.counts, caps, now)

    def with_one_more(self, action: Counted, now: datetime) -> Stock:
        """The stock once an action is counted."""
        if self._counts(action):
            return self
        sent = (*self.counts.sent, Spent(id=action.charge, at=now))
        more = replace(self.counts, incident=self.counts.incident + 1, held=self.counts.held + 1, sent=sent)
        return replace(self, counts=more)

    def _beside(self, action: Counted) -> Counts:
        """What counts beside an action."""
        if not self._counts(action):
            return self.counts
        incident, held = max(0, self.counts.incident - 1), max(0, self.counts.held - 1)
        sent = tuple(spent for spent in self.counts.sent if spent.id != action.charge)
        return replace(self.counts, incident=incident, held=held, sent=sent)

    def _counts(self, action: Counted) -> bool:
        return any(spent.id == action.charge for spent in self.counts.sent)


@dataclass(frozen=True)
class Facts:
    """What a plan rests on. `machines` are the devices asked about: None where Defender's answer could not be had;
    `unknown` are devices that Defender does not know, with what is known of their whereabouts; the details of those in
    `later` are read before they are sent. `stocks` are by responder, for all that contain. `lacks` says by responder
    what the tenant cannot have now, and why. Where it is not `sure` that what we hold is still contained, news opens
    another round: before it is sent, Defender's listing tells.
    """

    now: datetime
    machines: Mapping[str, Machine | None]
    unknown: Mapping[str, str]
    later: frozenset[str]
    existing: Sequence[Action]
    stocks: Mapping[str, Stock]
    lacks: Mapping[str, str] = field(default_factory=dict)
    sure: bool = True

    def slot(self, device: str, responder: str) -> Slot | None:
        """The slot of a device that a responder takes, if somebody has it."""
        stock = self.stocks.get(responder)
        return stock.slots.get(target_of(device)) if stock else None

    def rounds(self, device: str, responder: str, goal: str) -> Sequence[Action]:
        """The rounds of a goal so far; those of the incident itself where no device is named."""
        return self._by_goal.get((target_of(device), responder, goal), ())

    def freed(self, device: str, responder: str, goal: str) -> bool:
        """Whether what the last round took was given back of itself, or is about to be: an analyst called the incident
        benign then. Once that is over, nothing else would have the incident planned for again.
        """
        rounds = self.rounds(device, responder, goal)
        if not rounds or any(not each.state.final for each in rounds):
            return False
        last = max(rounds, key=lambda each: each.round)
        back = self.rounds(device, GIVEN_BACK_BY.get(responder, ""), "")
        own = [each for each in back if not each.approved and each.created > last.created]
        ends = any(each.state is State.SUCCEEDED or not each.state.final for each in own)
        return last.state is State.SUCCEEDED and ends

    @cached_property
    def asked_about(self) -> frozenset[str]:
        """The devices whose details were read, or are read later."""
        return self.later.union(self.machines)

    @cached_property
    def _by_goal(self) -> Mapping[tuple[str, str, str], Sequence[Action]]:
        found: dict[tuple[str, str, str], list[Action]] = {}
        for each in self.existing:
            found.setdefault((each.target, each.responder, each.goal), []).append(each)
        return found


@dataclass(frozen=True, slots=True)
class News:
    """What may be new of a device: the incident's severity as a rank, and the device's newest alert."""

    severity: int
    alert: datetime | None

    def beyond(self, severity: int, alert: datetime | None) -> bool:
        """Whether it is more than what was known."""
        return self.severity > severity or bool(self.alert and (alert is None or self.alert > alert))


class Round(Protocol):
    """What of an earlier round bears on the next one; `Action` is one."""

    @property
    def state(self) -> State:
        """Where it stands."""

    @property
    def severity(self) -> int:
        """The incident's severity when it was opened."""

    @property
    def device_alert(self) -> datetime | None:
        """The device's newest alert then."""

    @property
    def machine_action(self) -> str:
        """Defender's id of what it came to, if anything."""

    @property
    def doubtful(self) -> bool:
        """Whether a POST of it may have worked without our knowing."""

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled, by a person or for one."""


def observed(state: IncidentState, device: str = "") -> News | None:
    """What was known of a device while observing, or, without one, of the incident; None where it had no turn then."""
    had = target_of(device) in map(target_of, state.observed) if device else bool(state.observed)
    return News(state.observed_severity, state.observed_alert) if had else None


def called_for(incident: str, news: News, rounds: Sequence[Round], slot: Slot | None, seen: News | None = None) -> bool:
    """Whether a new round of an incident opens beside those that there were. `slot` is the device's, for what takes
    one; `seen` what was known of the device while observing, where it would have had its turn then.
    """
    if any(not each.state.final for each in rounds):
        return False
    handled = [each for each in rounds if not _came_to_nothing(each)]
    if handled:
        newest = max((each.device_alert for each in handled if each.device_alert), default=None)
        held = slot and slot.held and incident in slot.holders
        return not held and news.beyond(max(each.severity for each in handled), newest)
    return seen is None or bool(rounds) or news.beyond(seen.severity, seen.alert)


def _came_to_nothing(action: Round) -> bool:
    """Whether a round was taken back, by no person, while Defender had nothing of it: it may be called for again. How
    often it was about to be sent tells nothing: a 429, or a try that failed on the device, leaves that as it was.
    """
    return action.state is State.WITHDRAWN and not (action.machine_action or action.doubtful or action.cancelled)
