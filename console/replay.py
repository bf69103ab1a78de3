"""A policy over the incidents of the past: what would have been contained, what would have waited, and when. Pure.

Claims come in the order of time and meet the rounds, slots and caps that there would have been, by the functions that
plan. What is assumed: what goes is contained at once, stays so for `held`, and nobody approves what waits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from console.tracing import GO, NEVER, WAIT
from responders._guardrails import DAY, Counts, Wait, beside
from responders._news import News, Stock, called_for
from shared.models.action import Slot, State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from console.tracing import Claim, Trace
    from shared.config import Settings

JOINED = "held already"
"""What becomes of a claim on a device that another incident has contained."""


class Event(NamedTuple):
    """What would have become of a claim: GO, JOINED, WAIT or NEVER, with the reason in words."""

    claim: Claim
    became: str
    why: str
    capped: bool = False


@dataclass(slots=True)
class _Round:
    """A round as `called_for` asks about one."""

    state: State
    severity: int
    device_alert: datetime | None
    lapses: datetime | None = None
    machine_action: str = ""
    doubtful: bool = False
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Assumed:
    """What nobody can read in old incidents: the number of onboarded devices (None: so that share is not asked about),
    and for how long a device stays contained.
    """

    fleet: int | None
    held: timedelta


@dataclass
class Outcome:
    """What a policy would have made of the past. `traces` are the incidents with claims, by id."""

    policy: str
    incidents: int = 0
    first: datetime | None = None
    last: datetime | None = None
    verdicts: Counter[str] = field(default_factory=Counter)
    besides: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: list[Event] = field(default_factory=list)
    traces: dict[str, Trace] = field(default_factory=dict)
    most_held: dict[str, int] = field(default_factory=dict)

    def count(self, trace: Trace) -> None:
        """Take in what became of one incident; its claims are kept for later."""
        self.incidents += 1
        self.verdicts[trace.verdict] += 1
        for responder, ruled, times in trace.besides:
            self.besides[responder, ruled] += times
        if trace.claims:
            self.traces[trace.incident] = trace
        for claim in trace.claims[:1] + trace.claims[-1:]:
            self.first = min(self.first or claim.at, claim.at)
            self.last = max(self.last or claim.at, claim.at)

    def of(self, responder: str, *became: str) -> list[Event]:
        """What became so of what one responder does."""
        return [event for event in self.events if event.claim.responder == responder and event.became in became]


def replayed(outcome: Outcome, settings: Settings, assumed: Assumed) -> Outcome:
    """The outcome with its events. `settings` are those that count, the policy's rails included."""
    book = _Book(settings, assumed)
    claims = [claim for trace in outcome.traces.values() for claim in trace.claims]
    outcome.events = list(book.decided(sorted(claims, key=lambda claim: (claim.at, -claim.severity))))
    outcome.most_held = dict(book.most)
    return outcome


class _Book:
    """Rounds, slots and counts as they would have been; each responder has its own."""

    def __init__(self, settings: Settings, assumed: Assumed) -> None:
        self._settings = settings
        self._assumed = assumed
        self._rounds: dict[tuple[str, str, str, str], list[_Round]] = defaultdict(list)
        self._stocks: dict[str, Stock] = {}
        self._own: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.most: Counter[str] = Counter()

    def decided(self, claims: Iterable[Claim]) -> Iterable[Event]:
        for claim in claims:
            event = self._decide(claim)
            if event:
                yield event

    def _decide(self, claim: Claim) -> Event | None:
        rounds = self._rounds[claim.incident, claim.target, claim.responder, claim.goal]
        for each in rounds:
            if each.lapses and each.lapses <= claim.at:
                each.state, each.lapses = State.REFUSED, None
        stock = self._stock(claim)
        slot = stock.slots.get(claim.target)
        if not called_for(claim.incident, News(claim.severity, claim.alert), rounds, slot):
            return None
        event = self._ruled(claim, stock)
        rounds.append(self._round(claim, event))
        if event.became == GO:
            self._contain(claim, stock)
        elif event.became == JOINED and slot:
            holders = (*slot.holders, claim.incident)
            self._keep(claim, replace(stock, slots={**stock.slots, claim.target: _held(claim, holders, slot.since)}))
        return event

    def _stock(self, claim: Claim) -> Stock:
        """What counts at the time of a claim: devices that were held long enough are free, and yesterday is over."""
        stock = self._stocks.get(claim.responder) or Stock(Counts(0, (), 0, None))
        until = claim.at - self._assumed.held
        slots = stock.slots
        if any(slot.since <= until for slot in slots.values()):
            slots = {device: slot for device, slot in slots.items() if slot.since > until}
        sent = stock.counts.sent
        if sent and sent[0].at <= claim.at - DAY:
            sent = tuple(spent for spent in sent if spent.at > claim.at - DAY)
        own = len(self._own[claim.incident, claim.responder])
        fleet = _ANY_FLEET if self._assumed.fleet is None else self._assumed.fleet
        held = 0 if self._assumed.fleet is None else len(slots)
        return Stock(Counts(own, sent, held, fleet), slots)

    def _ruled(self, claim: Claim, stock: Stock) -> Event:
        if claim.ruled == NEVER:
            return Event(claim, NEVER, claim.why)
        if claim.ruled == GO or not claim.known:
            over = stock.capped(claim, self._settings.ISOLATION_CAPS, claim.at)
            if isinstance(over, Wait):
                return Event(claim, WAIT, beside(over, claim.weighed), capped=True)
        if claim.ruled == WAIT:
            return Event(claim, WAIT, claim.why)
        return Event(claim, JOINED if claim.target in stock.slots else GO, "")

    def _round(self, claim: Claim, event: Event) -> _Round:
        if event.became == WAIT:
            expires = self._settings.APPROVAL_EXPIRES
            until = claim.at + min(claim.approval or expires, expires)
            return _Round(State.WAITING, claim.severity, claim.alert, until)
        state = State.REFUSED if event.became == NEVER else State.SUCCEEDED
        return _Round(state, claim.severity, claim.alert)

    def _contain(self, claim: Claim, stock: Stock) -> None:
        self._own[claim.incident, claim.responder].add(claim.target)
        stock = stock.with_one_more(claim, claim.at)
        if claim.responder in _LASTING:
            slot = _held(claim, (claim.incident,), claim.at)
            stock = replace(stock, slots={**stock.slots, claim.target: slot})
        self._keep(claim, stock)

    def _keep(self, claim: Claim, stock: Stock) -> None:
        self._stocks[claim.responder] = stock
        self.most[claim.responder] = max(self.most[claim.responder], len(stock.slots))


_LASTING = frozenset({"isolate", "restrict"})
_ANY_FLEET = 10**9


def _held(claim: Claim, holders: tuple[str, ...], since: datetime) -> Slot:
    return Slot(device=claim.target, owner=claim.charge, holders=holders, held=True, since=since)


class Difference(NamedTuple):
    """A device of an incident of which two policies make different things; empty where one asks for nothing."""

    incident: str
    device: str
    name: str
    responder: str
    one: str
    other: str


def differences(one: Outcome, other: Outcome) -> list[Difference]:
    """What two policies make differently, by incident and device: the strongest thing that each does to it."""
    ours, theirs = _strongest(one), _strongest(other)
    found = []
    for key in dict.fromkeys((*ours, *theirs)):
        mine, yours = ours.get(key), theirs.get(key)
        said = (mine.became if mine else "", yours.became if yours else "")
        if said[0] != said[1]:
            event = mine or yours
            found.append(Difference(*key[:2], event.claim.name if event else "", key[2], *said))
    return found


_STRENGTH = {NEVER: 0, WAIT: 1, JOINED: 2, GO: 3}


def _strongest(outcome: Outcome) -> dict[tuple[str, str, str], Event]:
    found: dict[tuple[str, str, str], Event] = {}
    for event in outcome.events:
        key = (event.claim.incident, event.claim.target, event.claim.responder)
        if key not in found or _STRENGTH[event.became] > _STRENGTH[found[key].became]:
            found[key] = event
    return found
