"""Send what is due: lease calls, reserve, list, send. One drain serves whatever is most important.

The order is the protocol. A row says *sending* before the listing begins; the listing begins before the POST; a sender
whose own write has grown old does not POST; and whoever finds a row that has been *sending* for too long does not
believe it, but waits and lists again. So two of our own isolations never meet on a device.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from responders._containment import Candidate, reserve, settle
from responders._details import Details, Judged
from responders._guardrails import Go, Ordered, rule
from responders._holding import held
from responders._interface import Lane
from responders._lacks import lacks, without
from responders._nudges import tell, wake
from responders._outcomes import RETRY, Sender
from responders._planning import lost_reason, stopped
from responders._releasing import clear_the_way, standing
from responders._sessions import Sessions
from responders._settling import doubted
from responders._turns import Turns, graver
from responders._undoing import premature
from shared.errors import Unreadable
from shared.models.action import State
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from responders._entries import Entry
    from responders._lacks import Lack
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.progress import IncidentState

BATCH = 10
_CLAIMS = 6
_SENDABLE = frozenset({State.PLANNED, State.UNKNOWN, State.SENDING})

log = logging.getLogger(__name__)


def importance(action: Action) -> tuple[object, ...]:
    """Sorts what should be sent first to the front: high severity, then what waits longest."""
    return (-action.severity, action.created, action.key)


class Dispatch:
    """The sending side of one lane."""

    def __init__(self, ports: Ports, lane: Lane) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports
        self._lane = lane
        self._sender = Sender(ports)
        self._judged = Judged(ports)
        self._details = Details(ports)

    def run(self, stop: datetime) -> None:
        """Send what is due, the most important first, until nothing is left, the budgets are used up, or `stop`."""
        seen: set[str] = set()
        used_up: set[str] = set()
        while self._ports.clock.now() < stop:
            claimed = self._claim(seen, used_up)
            if not claimed:
                return
            seen.update(entry.value.key for entry in claimed)
            batch = self._fit(claimed, stop)
            if batch and self._ports.clock.now() >= stop:
                self._put_off(batch, self._ports.clock.now())  # claimed, they would lie for a minute
            elif batch and not self._send(batch):
                used_up.add(self._api(claimed[0]))

    def _claim(self, seen: set[str], used_up: set[str]) -> list[Entry[Action]]:
        """The next rows, of one API, for this worker alone: their due time moves on, so that workers do not meet on the
        same ones; none where others are faster again and again. What has to wait holds up nothing else.
        """
        for _ in range(_CLAIMS):
            due = [entry for entry in self._due() if entry.value.key not in seen and self._api(entry) not in used_up]
            turns = Turns(self._ports, self._lane)
            free = [entry for entry in due if not turns.follows(entry.value)]
            ready = iter(Sessions.of(self._ports, free).admitted(free))
            taken = list(islice(ready, 1))
            taken += islice((each for each in ready if self._like(each) == self._like(taken[0])), BATCH - 1)
            until = self._ports.clock.now() + self._ports.settings.NUDGE_AFTER
            moves = [(entry, entry.value.model_copy(update={"due": until, "in_line": True})) for entry in taken]
            try:
                return self._ports.ledger.move_all(moves) if moves else []
            except Conflict:
                continue
        return []

    def _api(self, entry: Entry[Action]) -> str:
        return self._ports.responders[entry.value.responder].api

    def _like(self, entry: Entry[Action]) -> tuple[str, int]:
        """What the rows of a batch have in common: containments also how grave they are."""
        return self._api(entry), entry.value.severity if self._lane is Lane.CONTAIN else 0

    def _due(self) -> list[Entry[Action]]:
        """This lane's rows that may be sent now, most important first."""
        rows = [entry for entry in self._ports.ledger.due(self._ports.clock.now()) if self._mine(entry.value)]
        rows = [entry for entry in rows if not self._details.lacking(entry.value)]
        return sorted(rows, key=lambda entry: importance(entry.value))

    def _mine(self, action: Action) -> bool:
        responder = self._ports.responders.get(action.responder)
        return responder is not None and responder.lane == self._lane and action.state in _SENDABLE

    def _fit(self, claimed: Sequence[Entry[Action]], stop: datetime) -> list[Candidate]:
        """The claimed rows that may be sent; what may not is written down as it goes, as far as there is time."""
        fit: list[Candidate] = []
        states: dict[str, IncidentState | None] = {}
        lacking = lacks(self._ports)
        for place, entry in enumerate(claimed):
            if self._ports.clock.now() >= stop:
                return [*fit, *map(Candidate, claimed[place:])]
            try:
                candidate = self._candidate(entry, states, lacking)
            except Conflict:
                continue
            except Unreadable as error:
                log.warning("action %s has to wait: %s", entry.value.id, error)
                continue
            fit += [candidate] if candidate else []
        return fit

    def _candidate(
        self, entry: Entry[Action], states: dict[str, IncidentState | None], lacking: Mapping[str, Lack]
    ) -> Candidate | None:
        """The row as it may be sent; None where it was settled, or has to wait."""
        action = entry.value
        now = self._ports.clock.now()
        if action.state is State.SENDING:
            visibility = self._ports.settings.ACTION_VISIBILITY
            self._settle(entry, doubted(action, "its sender went silent", now, visibility))
            return None
        if action.incident not in states:
            states[action.incident] = self._ports.ledger.heir(action.incident)
        fresh = self._details.refreshed(entry)
        if fresh and fresh.value.unread:
            fresh = self._reconsidered(fresh)
        if fresh is None:
            return None
        instead = self._instead(fresh.value, states[action.incident], lacking)
        if instead is None and not self._ports.responders[action.responder].kinds:
            instead = fresh.value.to(State.FETCHING, now, due=now)
        if instead is None:
            return Candidate(fresh)
        if action.doubtful:
            return Candidate(fresh, instead)
        self._settle(fresh, instead)
        return None

    def _reconsidered(self, entry: Entry[Action]) -> Entry[Action] | None:
        """The row as its rule asks for it now that the device's details are known; None where no rule does."""
        known = self._judged.as_asked(entry.value)
        if known:
            return self._ports.ledger.move(entry, known)
        why = "now that the device's details are known, no rule of the policy asks for it"
        self._settle(entry, entry.value.to(State.WITHDRAWN, self._ports.clock.now(), detail=why))
        return None

    def _instead(self, action: Action, state: IncidentState | None, lacking: Mapping[str, Lack]) -> Action | None:
        """What becomes of the row, as its incident and the rails stand now, instead of being sent."""
        now = self._ports.clock.now()
        settings = self._ports.tightened
        responder = self._ports.responders[action.responder]
        if action.revoked:
            return action.to(State.WITHDRAWN, now, cancelled=True, detail=action.revoked)
        lost = lost_reason(action, state, responder) if state else ""
        if lost:
            return action.to(State.WITHDRAWN, now, detail=lost)
        lacks_it = without(action, lacking, self._ports)
        if lacks_it and lacks_it.state.final:
            return lacks_it
        released, comes_first = standing(self._ports, action) if responder.contains else (None, False)
        ruling = rule(
            action,
            respond=settings.respond,
            protected=settings.PROTECTED,
            now=now,
            max_age=settings.MAX_AGE_TO_CONTAIN,
            contains=responder.contains,
            people=Ordered(held(self._ports), released, self._ports.gives_back(action)),
        )
        if not isinstance(ruling, Go):
            return stopped(action, ruling, now, settings.APPROVAL_EXPIRES)
        if lacks_it:
            return lacks_it
        waits = "a release that a person ordered comes first" if comes_first else ""
        if self._ports.gives_back(action):
            waits = premature(action, state) or clear_the_way(self._ports, action)
        return action.to(State.PLANNED, now, due=now + RETRY, detail=waits) if waits else None

    def _settle(self, entry: Entry[Action], to: Action) -> None:
        if settle(self._ports, entry, to):
            tell(self._ports, to)

    def _send(self, batch: Sequence[Candidate]) -> bool:
        """Lease, reserve, list and send a batch of one API; False where nothing more can be sent now."""
        api = self._ports.responders[batch[0].entry.value.responder].api
        ahead = graver(self._ports, [each.entry.value for each in batch]) if self._lane is Lane.CONTAIN else 0
        lease = self._ports.governor.lease(api, len(batch), ahead, least=0)
        if lease.granted < len(batch):
            again = min(lease.again, self._ports.clock.now() + RETRY) if ahead else lease.again
            wake(self._ports, self._lane, api, again)
            self._put_off(batch[lease.granted :], again)
        if not lease.granted:
            return False
        sending = reserve(self._ports, batch[: lease.granted])
        if not sending:
            return True
        listed, used_up = self._sender.listing(sending)
        there = [each for each in sending if each.entry.value.target in listed]
        taken = [self._sender.send(each, listed, lease.until) for each in there]
        if not all(taken):
            wake(self._ports, self._lane, api, self._ports.clock.now() + RETRY)
        return lease.granted == len(batch) and all(taken) and not used_up

    def _put_off(self, batch: Sequence[Candidate], again: datetime) -> None:
        """For these there are no calls now: a refusal is a due time."""
        moves = [(each.entry, each.entry.value.model_copy(update={"due": again})) for each in batch]
        try:
            self._ports.ledger.move_all(moves)
        except Conflict:
            for entry, to in moves:
                with suppress(Conflict):
                    self._ports.ledger.move(entry, to)
