"""The containment slot of a device and the caps, as changes for the batch that moves an action on.

A slot belongs to the one action that isolates the device; other incidents that want the same join it. It stays while we
hold the device isolated, long after the action was closed, and goes when our isolation came to nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._guardrails import DAY, Counts, Go, rule_caps
from responders._ledger import CAPS, Entry, slot_key
from responders._planning import stopped
from responders._tenant import counts_for, fleet_size
from shared.models.action import Caps, Slot, Spent, State
from shared.storage.interface import Conflict, Delete, Insert, Replace

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
        """Read slots and caps; the batch fails where they change before it is written."""
        self._ports = ports
        self._now = now
        caps = ports.ledger.caps()
        self._caps_etag = caps.etag
        kept = tuple(spent for spent in caps.value.sent if spent.at > now - DAY)
        self.caps = caps.value.model_copy(update={"sent": kept})
        self.slots = ports.ledger.slots()
        self.moves: list[tuple[Entry[Action], Action]] = []
        self.sending: list[str] = []
        self._touched: set[str] = set()

    def take(self, candidate: Candidate) -> None:
        """Add a candidate to the batch: to be sent, joined to another's slot, or held back by a cap."""
        action = candidate.entry.value
        to = action.to(
            State.SENDING,
            self._now,
            attempt=action.attempt + 1,
            doubtful=action.doubtful or action.state is not State.PLANNED,
            due=self._now + self._ports.settings.ACTION_VISIBILITY,
        )
        if self._ports.responders[action.responder].contains:
            to = self._contained(action, to)
        self.moves.append((candidate.entry, to))
        if to.state is State.SENDING:
            self.sending.append(to.key)

    def _contained(self, action: Action, to: Action) -> Action:
        slot = self.slots.get(action.target)
        if slot and slot.value.owner != action.key:
            return self._join(action, slot)
        capped = None if action.attempt and slot else self._capped(action)
        if capped:
            return capped
        if slot is None:
            made = Slot(device=action.target, owner=action.key, holders=(action.incident,), since=self._now)
            self.slots[action.target] = Entry(made, "")
            self._touched.add(action.target)
        if all(spent.id != action.id for spent in self.caps.sent):
            sent = (*self.caps.sent, Spent(id=action.id, at=self._now))
            self.caps = self.caps.model_copy(update={"sent": sent})
        return to

    def _join(self, action: Action, slot: Entry[Slot]) -> Action:
        """Become a further holder of a device that another action of ours isolates, or has isolated."""
        holders = tuple(dict.fromkeys((*slot.value.holders, action.incident)))
        self.slots[action.target] = Entry(slot.value.model_copy(update={"holders": holders}), slot.etag)
        self._touched.add(action.target)
        if slot.value.held:
            return action.to(State.SUCCEEDED, self._now, joined=slot.value.owner, detail="we hold it isolated already")
        return action.to(
            State.ACCEPTED,
            self._now,
            joined=slot.value.owner,
            due=self._now + JOINED_LOOK,
            detail="another incident's isolation of the device is under way",
        )

    def _capped(self, action: Action) -> Action | None:
        if action.approved:
            return None
        actions = self._ports.ledger.actions(action.incident)
        slots = {device: entry.value for device, entry in self.slots.items()}
        others = [spent for spent in self.caps.sent if spent.id != action.id]
        caps = Caps(sent=tuple(others))
        counts = counts_for(self._ports, actions, slots, caps, fleet_size(self._ports), action.key)
        beside = sum(to.incident == action.incident and to.state is State.SENDING for _, to in self.moves)
        counts = Counts(counts.incident + beside, counts.sent, counts.held, counts.fleet)
        ruling = rule_caps(counts, self._ports.settings.ISOLATION_CAPS, self._now)
        return None if isinstance(ruling, Go) else stopped(action, ruling, self._now)

    def write(self) -> list[Entry[Action]]:
        """Write the batch; gives the rows that are now to be sent. Raises Conflict, and then nothing was written."""
        changes: list[Change] = []
        for device in sorted(self._touched):
            entry = self.slots[device]
            text = entry.value.model_dump_json()
            key = slot_key(device)
            changes.append(Replace(key, text, entry.etag) if entry.etag else Insert(key, text))
        if any(self._ports.responders[to.responder].contains for _, to in self.moves):
            text = self.caps.model_dump_json()
            changes.append(Replace(CAPS, text, self._caps_etag) if self._caps_etag else Insert(CAPS, text))
        written = self._ports.ledger.move_all(self.moves, *changes)
        return [entry for entry in written if entry.value.key in self.sending]


def reserve(ports: Ports, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Move candidates to *sending*, all in one write; where somebody interferes, one by one. Gives those to be sent."""
    try:
        return _reserve(ports, candidates)
    except Conflict:
        log.info("a reservation of %d met another worker's; taken one by one", len(candidates))
    sending: list[Candidate] = []
    for candidate in candidates:
        for _ in range(_TRIES):
            try:
                sending += _reserve(ports, [candidate])
            except Conflict:
                if ports.ledger.etag(candidate.entry.value.key) != candidate.entry.etag:
                    break
                continue
            break
    return sending


def _reserve(ports: Ports, candidates: Sequence[Candidate]) -> list[Candidate]:
    reservation = Reservation(ports, ports.clock.now())
    for candidate in candidates:
        reservation.take(candidate)
    otherwise = {candidate.entry.value.key: candidate.otherwise for candidate in candidates}
    return [Candidate(entry, otherwise[entry.value.key]) for entry in reservation.write()]


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
    if not ports.responders[to.responder].contains:
        return []
    slot = ports.ledger.slot(to.target)
    if slot is None or slot.value.owner != to.key:
        return []
    key = slot_key(to.target)
    if to.state is State.SUCCEEDED and not to.foreign:
        held = slot.value.model_copy(update={"held": True})
        return [Replace(key, held.model_dump_json(), slot.etag)]
    if not (to.foreign or to.state.settled):
        return []
    changes: list[Change] = [Delete(key, slot.etag)]
    if not (to.ended or to.doubtful) and (to.foreign or not to.machine_action):
        caps = ports.ledger.caps()
        left = tuple(spent for spent in caps.value.sent if spent.id != to.id)
        if len(left) != len(caps.value.sent):
            text = caps.value.model_copy(update={"sent": left}).model_dump_json()
            changes.append(Replace(CAPS, text, caps.etag))
    return changes
