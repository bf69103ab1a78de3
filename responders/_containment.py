"""The containment slot of a device and the caps, as changes for the batch that moves an action on.

A slot belongs to the one action that isolates the device; other incidents that want the same join it. It stays while we
hold the device isolated, long after the action was closed, and goes when our isolation came to nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING

from responders._entries import Entry
from responders._guardrails import DAY, Counts, Go, rule_caps
from responders._ledger import caps_key, slot_key
from responders._live import API
from responders._nudges import due_again, tell
from responders._planning import stopped
from responders._sessions import Sessions
from responders._stock import Stock
from responders._taking import FORGOTTEN
from responders._tenant import counts_for, known_fleet
from responders._undoing import refused
from shared.models.action import Caps, Slot, State
from shared.storage.interface import Conflict, Delete, Replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from responders._ports import Ports
    from shared.models.action import Action
    from shared.storage.interface import Change

JOINED_LOOK = timedelta(seconds=10)
_TRIES = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that may be sent. `otherwise` is what becomes of it instead, should an earlier POST of it turn out not to
    have worked: the rails or the assessment have come to forbid it meanwhile.
    """

    entry: Entry[Action]
    otherwise: Action | None = None


class Reservation:
    """One attempt to move a batch to *sending*: read once, changed in memory, written whole."""

    def __init__(self, ports: Ports, now: datetime) -> None:
        """Slots and caps are read when first needed; the batch fails where they change before it is written."""
        self._ports = ports
        self._now = now
        self._fleet = cache(partial(known_fleet, ports))  # counting may take long: once for the batch
        self._heir = cache(partial(_heir, ports))
        self._history = cache(ports.ledger.history)
        self._stocks: dict[str, Stock] = {}
        self._sessions: Sessions | None = None
        self.moves: list[tuple[Entry[Action], Action]] = []
        self.sending: list[str] = []
        self.otherwise: dict[str, Action | None] = {}

    def take(self, candidate: Candidate) -> None:
        """Add a candidate to the batch: to be sent, joined to another's slot, or held back by a cap."""
        action = candidate.entry.value
        self.otherwise[action.key] = candidate.otherwise
        to = action.to(
            State.SENDING,
            self._now,
            attempt=action.attempt + 1,
            doubtful=action.doubtful or action.state is not State.PLANNED,
            joined="",
            due=self._now + self._ports.settings.ACTION_VISIBILITY,
        )
        if self._ports.contains(action):
            to = self._contained(action, to)
        elif self._ports.gives_back(action) and not action.approved:
            to = self._given_back(action, to)
        elif self._ports.responders[action.responder].api == API:
            to = self._in_session(action, to)
        self.moves.append((candidate.entry, to))
        if to.state is State.SENDING:
            self.sending.append(to.key)

    def _stock(self, action: Action) -> Stock:
        lasts = self._ports.containment(action)
        kind = lasts or self._ports.responders[action.responder].kinds[0]
        if kind not in self._stocks:
            caps = self._ports.ledger.caps(kind)
            kept = tuple(spent for spent in caps.value.sent if spent.at > self._now - DAY)
            fresh = Entry(caps.value.model_copy(update={"sent": kept}), caps.etag)
            self._stocks[kind] = Stock(kind, fresh, self._ports.ledger.slots(kind) if lasts else {})
        return self._stocks[kind]

    def _in_session(self, action: Action, to: Action) -> Action:
        """Sessions are counted from the open rows; two workers who count at once meet at the row that is written with
        the batch.
        """
        stock = self._stock(action)
        stock.charged = True
        self._sessions = self._sessions or Sessions.of(self._ports)
        if self._sessions.admits(action):
            return to
        detail = "the device, or as many as we may have, are in a live response session of ours"
        return action.to(State.PLANNED, self._now, due=self._now + JOINED_LOOK, detail=detail)

    def _contained(self, action: Action, to: Action) -> Action:
        stock = self._stock(action)
        slot = stock.slots.get(action.target)
        if slot and slot.value.releasing:
            wait = self._now + JOINED_LOOK
            return action.to(State.PLANNED, self._now, due=wait, detail="a release of the device is under way")
        if slot and slot.value.owner != action.key:
            return self._join(stock, action, to, slot.value)
        capped = None if action.attempt and slot else self._capped(stock, action)
        if capped:
            return capped
        if slot is None and self._ports.containment(action):
            stock.put(Slot(device=action.target, owner=action.key, holders=(action.incident,), since=self._now))
        stock.charge(action, self._now)
        return to

    def _join(self, stock: Stock, action: Action, to: Action, slot: Slot) -> Action:
        """Become a further holder of a device that another action of ours contains, or has contained: whether it still
        is says the listing.
        """
        holders = tuple(dict.fromkeys((*slot.holders, action.incident)))
        stock.put(slot.model_copy(update={"holders": holders}))
        if slot.held:
            return to.model_copy(update={"joined": slot.owner})
        return action.to(
            State.ACCEPTED,
            self._now,
            joined=slot.owner,
            due=self._now + JOINED_LOOK,
            detail="another incident's isolation of the device is under way",
        )

    def _given_back(self, action: Action, to: Action) -> Action:
        """What is given back of itself is not while another incident holds the device; whether an earlier POST of it
        worked is found out first. Marked in its slot, so that nobody joins meanwhile.
        """
        stock = self._stock(action)
        slot = stock.slots.get(action.target)
        if slot is None:
            return to
        own = self._heir(action.incident)
        others = [each for each in slot.value.holders if self._heir(each) != own]
        if others and set(others).issubset(self._ports.ledger.absorbed(own)):
            detail = f"incident {', '.join(others)} was merged into it, and leaves it the device first"
            return action.to(State.PLANNED, self._now, due=self._now + JOINED_LOOK, detail=detail)
        if others:
            denied = refused(action, others, self._now)
            if to.doubtful:
                self.otherwise[action.key] = self.otherwise[action.key] or denied
                return to
            if slot.value.releasing == action.key:
                stock.put(slot.value.model_copy(update={"releasing": ""}))
            return denied
        stock.put(slot.value.model_copy(update={"releasing": action.key}))
        return to

    def _capped(self, stock: Stock, action: Action) -> Action | None:
        if action.approved or (action.goal and action.attempt and stock.counts(action)):
            return None
        actions = self._history(self._heir(action.incident))
        slots = {device: entry.value for device, entry in stock.slots.items()}
        others = tuple(spent for spent in stock.caps.value.sent if spent.id != action.charge)
        counts = counts_for(actions, slots, Caps(sent=others), self._fleet(), action.responder, action.charge)
        sent = {to.charge for _, to in self.moves if self._same(to, action) and to.state is State.SENDING}
        counts = Counts(counts.incident + len(sent - {action.charge}), counts.sent, counts.held, counts.fleet)
        settings = self._ports.tightened
        ruling = rule_caps(counts, settings.ISOLATION_CAPS, self._now)
        return None if isinstance(ruling, Go) else stopped(action, ruling, self._now, settings.APPROVAL_EXPIRES)

    def _same(self, one: Action, other: Action) -> bool:
        """Whether two count as one incident's: what was merged goes on as one."""
        return (self._heir(one.incident), one.responder) == (self._heir(other.incident), other.responder)

    def write(self) -> list[Entry[Action]]:
        """Write the batch; gives the rows that are now to be sent. Raises Conflict, and then nothing was written."""
        changes = [change for stock in self._stocks.values() for change in stock.changes()]
        written = self._ports.ledger.move_all(self.moves, *changes)
        for moved in written:
            if moved.value.key not in self.sending:
                tell(self._ports, moved.value)
        return [entry for entry in written if entry.value.key in self.sending]


def _heir(ports: Ports, incident: str) -> str:
    """The incident that this one was merged into, or itself."""
    state = ports.ledger.heir(incident)
    return state.id if state else incident


def reserve(ports: Ports, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Move candidates to *sending*, all in one write; where somebody interferes, one by one. Gives those to be sent.
    A row of which somebody does each time is due again at once.
    """
    try:
        return _reserve(ports, candidates)
    except Conflict:
        log.info("a reservation of %d met another worker's; taken one by one", len(candidates))
    sending: list[Candidate] = []
    for candidate in candidates:
        for _ in range(_TRIES):
            try:
                sending += _reserve(ports, [candidate])
                break
            except Conflict:
                if ports.ledger.etag(candidate.entry.value.key) != candidate.entry.etag:
                    break
        else:
            due_again(ports, candidate.entry)
    return sending


def _reserve(ports: Ports, candidates: Sequence[Candidate]) -> list[Candidate]:
    reservation = Reservation(ports, ports.clock.now())
    for candidate in candidates:
        reservation.take(candidate)
    return [Candidate(entry, reservation.otherwise[entry.value.key]) for entry in reservation.write()]


def settle(ports: Ports, entry: Entry[Action], to: Action) -> Entry[Action] | None:
    """Move an action on together with its device's slot; None where another worker moved it first.

    A success of our own keeps the slot as held. What came to nothing, or was somebody else's doing, gives the slot and
    the reservation back.
    """
    for _ in range(_TRIES):
        try:
            return ports.ledger.move(entry, to, *_slot_changes(ports, to))
        except Conflict:
            if ports.ledger.etag(to.key) != entry.etag:
                log.info("action %s was moved by another worker", to.id)
                return None
    return None


def _slot_changes(ports: Ports, to: Action) -> list[Change]:
    if ports.gives_back(to):
        return _given_back(ports, to)
    if not ports.contains(to):
        return []
    lasts = ports.containment(to)
    if lasts:
        return _slot_kept(ports, to, lasts)
    return _given_up(ports, to, ports.responders[to.responder].kinds[0]) if to.state.settled else []


def _slot_kept(ports: Ports, to: Action, what: str) -> list[Change]:
    """The slot of what takes one: held, given back, or as it was."""
    slot = ports.ledger.slot(to.target, what)
    if slot is None or slot.value.owner != to.key:
        return []
    key = slot_key(to.target, what)
    if to.state is State.SUCCEEDED and not to.foreign:
        held = slot.value.model_copy(update={"held": True})
        return [Replace(key, held.model_dump_json(), slot.etag)]
    if not (to.foreign or to.state.settled):
        return []
    return [Delete(key, slot.etag), *_given_up(ports, to, what)]


def _given_up(ports: Ports, to: Action, kind: str) -> list[Change]:
    """What certainly never reached a device counts against the caps no more. What counts for several goals stays."""
    if to.goal or to.ended or to.doubtful or (to.machine_action and not to.foreign):
        return []
    caps = ports.ledger.caps(kind)
    left = tuple(spent for spent in caps.value.sent if spent.id != to.charge)
    if len(left) == len(caps.value.sent):
        return []
    return [Replace(caps_key(kind), caps.value.model_copy(update={"sent": left}).model_dump_json(), caps.etag)]


def _given_back(ports: Ports, to: Action) -> list[Change]:
    """A device that was released, by us or by somebody else, is held no more. Where a release of itself came to
    nothing, or found nothing to release yet, it is held as before, and nobody waits for it. Where Defender neither
    lists its isolation nor releases it at a person's word, it is not.
    """
    if not to.state.settled:
        return []
    what = ports.containment(to)
    slot = ports.ledger.slot(to.target, what)
    if slot is None:
        return []
    key = slot_key(to.target, what)
    forgotten = to.state is State.FAILED and to.approved and to.met.startswith(FORGOTTEN)
    if slot.value.held and (forgotten or to.state in {State.SUCCEEDED, State.ELSEWHERE}):
        return [Delete(key, slot.etag)]
    if slot.value.releasing != to.key:
        return []
    return [Replace(key, slot.value.model_copy(update={"releasing": ""}).model_dump_json(), slot.etag)]
