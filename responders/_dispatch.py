"""Send what is due: lease calls, reserve, list, send. One drain serves whatever is most important.

The order is the protocol. A row says *sending* before the listing begins; the listing begins before the POST; a sender
whose own write has grown old does not POST; and whoever finds a row that has been *sending* for too long does not
believe it, but waits and lists again. So two of our own isolations never meet on a device.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from responders._containment import Candidate, reserve, settle
from responders._guardrails import Go, rule
from responders._nudges import tell
from responders._outcomes import RETRY, Sender
from responders._planning import lost_reason, stopped
from responders._settling import doubted
from shared.errors import NotFound, Rejected, Throttled, Transient
from shared.models.action import State
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from responders._interface import Lane
    from responders._ledger import Entry
    from responders._ports import Ports
    from shared.models.action import Action, IncidentState

BATCH = 10
_CLAIMS = 6
FACTS_FRESH = timedelta(minutes=10)
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

    def run(self, stop: datetime) -> None:
        """Send what is due, the most important first, until nothing is left, the budget is used up, or `stop`."""
        seen: set[str] = set()
        while self._ports.clock.now() < stop:
            claimed = self._claim(seen)
            if not claimed:
                return
            seen.update(entry.value.key for entry in claimed)
            batch = self._fit(claimed)
            if batch and not self._send(batch):
                return

    def _claim(self, seen: set[str]) -> list[Entry[Action]]:
        """The next rows, of one API, for this worker alone: their due time moves on, so that in a storm workers do not
        meet on the same rows. Nothing where others are faster again and again; they are at work.
        """
        for _ in range(_CLAIMS):
            found = [entry for entry in self._due() if entry.value.key not in seen]
            api = self._api(found[0]) if found else ""
            ready = (entry for entry in found if self._api(entry) == api and not self._follows(entry.value))
            taken = list(islice(ready, BATCH))
            until = self._ports.clock.now() + self._ports.settings.NUDGE_AFTER
            moves = [(entry, entry.value.model_copy(update={"due": until})) for entry in taken]
            try:
                return self._ports.ledger.move_all(moves) if moves else []
            except Conflict:
                continue
        return []

    def _api(self, entry: Entry[Action]) -> str:
        return self._ports.responders[entry.value.responder].api

    def _due(self) -> list[Entry[Action]]:
        """This lane's rows that may be sent now, most important first."""
        rows = [entry for entry in self._ports.ledger.due(self._ports.clock.now()) if self._mine(entry.value)]
        return sorted(rows, key=lambda entry: importance(entry.value))

    def _mine(self, action: Action) -> bool:
        responder = self._ports.responders.get(action.responder)
        return responder is not None and responder.lane == self._lane and action.state in _SENDABLE

    def _fit(self, claimed: Sequence[Entry[Action]]) -> list[Candidate]:
        """The claimed rows that may be sent; what may not is written down as it goes."""
        fit: list[Candidate] = []
        states: dict[str, IncidentState | None] = {}
        for entry in claimed:
            try:
                candidate = self._candidate(entry, states)
            except Conflict:
                continue
            fit += [candidate] if candidate else []
        return fit

    def _candidate(self, entry: Entry[Action], states: dict[str, IncidentState | None]) -> Candidate | None:
        """The row as it may be sent; None where it was settled, or has to wait."""
        action = entry.value
        now = self._ports.clock.now()
        if action.state is State.SENDING:
            visibility = self._ports.settings.ACTION_VISIBILITY
            self._settle(entry, doubted(action, "its sender went silent", now, visibility))
            return None
        if action.incident not in states:
            known = self._ports.ledger.incident(action.incident)
            states[action.incident] = known.value if known else None
        fresh = self._refreshed(entry)
        if fresh is None:
            return None
        instead = self._instead(fresh.value, states[action.incident])
        if instead is None:
            return Candidate(fresh)
        if action.doubtful:
            return Candidate(fresh, instead)
        self._settle(fresh, instead)
        return None

    def _instead(self, action: Action, state: IncidentState | None) -> Action | None:
        """What becomes of the row, as its incident and the rails stand now, instead of being sent."""
        now = self._ports.clock.now()
        settings = self._ports.settings
        responder = self._ports.responders[action.responder]
        lost = lost_reason(action, state, responder) if state else ""
        if lost:
            return action.to(State.WITHDRAWN, now, detail=lost)
        ruling = rule(
            action,
            respond=settings.respond,
            protected=settings.PROTECTED,
            now=now,
            max_age=settings.MAX_AGE_TO_CONTAIN,
            contains=responder.contains,
        )
        return None if isinstance(ruling, Go) else stopped(action, ruling, now)

    def _refreshed(self, entry: Entry[Action]) -> Entry[Action] | None:
        """The row with details of its device that are fresh enough for the rails; None if it must wait for them."""
        action = entry.value
        now = self._ports.clock.now()
        responder = self._ports.responders[action.responder]
        fresh = action.facts_at and now - action.facts_at < FACTS_FRESH
        if not responder.contains or fresh or not self._ports.settings.respond:
            return entry
        try:
            machine = self._ports.devices.machine(action.device)
        except NotFound:
            machine = None
        except Rejected as error:
            log.warning("device %s cannot be read: %s", action.device, error)
            machine = None
        except Transient as error:
            wait = timedelta(seconds=error.retry_after) if error.retry_after else RETRY
            self._ports.ledger.move(entry, action.model_copy(update={"due": now + wait, "detail": str(error)[:300]}))
            self._ports.queues.send(str(self._lane), action.id, delay=wait.total_seconds())
            return None
        return self._ports.ledger.move(entry, action.model_copy(update={"facts": machine, "facts_at": now}))

    def _follows(self, action: Action) -> bool:
        """Whether the row has to wait: per device containment goes before collection, though not for ever."""
        now = self._ports.clock.now()
        if self._ports.responders[action.responder].contains or now - action.created > self._patience:
            return False
        for other in self._ports.ledger.open_actions(action.incident):
            sibling = other.value
            responder = self._ports.responders.get(sibling.responder)
            if sibling.target == action.target and responder and responder.contains and not sibling.state.settled:
                return True
        return False

    @property
    def _patience(self) -> timedelta:
        return self._ports.settings.COLLECT_PATIENCE

    def _settle(self, entry: Entry[Action], to: Action) -> None:
        if settle(self._ports, entry, to):
            tell(self._ports, to)

    def _send(self, batch: Sequence[Candidate]) -> bool:
        """Lease, reserve, list and send a batch of one API; False where nothing more can be sent now."""
        api = self._ports.responders[batch[0].entry.value.responder].api
        lease = self._ports.governor.lease(api, len(batch))
        if lease.granted < len(batch):
            self._wake(api, lease.again)
            self._put_off(batch[lease.granted :], lease.again)
        if not lease.granted:
            return False
        sending = reserve(self._ports, batch[: lease.granted])
        if not sending:
            return True
        try:
            listed = self._sender.listing([candidate.entry.value for candidate in sending])
        except (Transient, Rejected) as error:
            self._sender.put_back(sending, error)
            return not isinstance(error, Throttled)
        taken = [self._sender.send(candidate, listed, lease.until) for candidate in sending]
        if not all(taken):
            self._wake(api, self._ports.clock.now() + RETRY)
        return lease.granted == len(batch) and all(taken)

    def _put_off(self, batch: Sequence[Candidate], again: datetime) -> None:
        """For these there are no calls now: a refusal is a due time."""
        for candidate in batch:
            try:
                self._ports.ledger.move(candidate.entry, candidate.entry.value.model_copy(update={"due": again}))
            except Conflict:
                continue

    def _wake(self, api: str, again: datetime) -> None:
        """Have somebody go on when there are calls again; one message, however many find the budget empty."""
        if self._ports.governor.ask_to_wake(api, again):
            delay = max(0.5, (again - self._ports.clock.now()).total_seconds())
            self._ports.queues.send(str(self._lane), "budget", delay=delay)
