"""The tick: settle what Defender finished, and nudge what is overdue.

One listing settles every young action and finds the markers of POSTs whose outcome is unknown; old actions are asked
for singly and rarely. A row that cannot be settled now is left to the next tick, and never stops this one.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._alarms import tell_alarms, trouble
from responders._containment import JOINED_LOOK, settle
from responders._interface import adopted
from responders._nudges import tell
from responders._ports import ARCHIVE, INCIDENTS, QUEUES
from responders._settling import YOUNG, accepted, ended, looked, progressed
from shared.clients.interface import ACTIONS_PAGE, ActionQuery
from shared.errors import NotFound, Rejected, Throttled, Transient
from shared.models.action import State, target_of
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responders._ledger import Entry
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.device import MachineAction

MARGIN = timedelta(minutes=10)
"""How far Defender's clock may be behind storage's in a listing by creation time."""

_PAGES = 20
_POISON_HIDDEN = 30.0

log = logging.getLogger(__name__)


class Follow:
    """The settling side of the flow."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def run(self) -> None:
        """One tick."""
        now = self._ports.clock.now()
        rows = self._ports.ledger.due(now)
        self._nudge(rows, now)
        self._drain_poison()
        tell_alarms(self._ports)
        unsure = [
            entry for entry in self._ports.ledger.open_actions() if entry.value.state in {State.UNKNOWN, State.SENDING}
        ]
        running = [entry for entry in rows if entry.value.state is State.ACCEPTED]
        self._settle([entry for entry in running if not entry.value.joined], unsure, now)
        for entry in running:
            if entry.value.joined:
                self._joined(entry, now)

    def _settle(self, running: Sequence[Entry[Action]], unsure: Sequence[Entry[Action]], now: datetime) -> None:
        young = [entry for entry in running if now - (entry.value.accepted_at or now) < YOUNG]
        try:
            listed = self._listing([*young, *unsure]) if young or unsure else {}
        except (Transient, Rejected) as error:
            log.warning("the machine actions cannot be listed now: %s", error)
            listed = {}
        for entry in unsure:
            self._adopt(entry, listed, now)
        for entry in running:
            seen = listed.get(entry.value.machine_action)
            if seen is None and not self._one_by_one(entry, now):
                continue
            try:
                self._progress(entry, seen or self._ports.devices.action(entry.value.machine_action), now)
            except NotFound:
                self._vanished(entry, now)
            except Throttled:
                return
            except (Transient, Rejected) as error:
                log.warning("action %s cannot be looked at now: %s", entry.value.id, error)

    def _listing(self, entries: Sequence[Entry[Action]]) -> Mapping[str, MachineAction]:
        """Every machine action since the oldest of these began, by id."""
        since = min(entry.value.accepted_at or entry.value.since for entry in entries) - MARGIN
        found: dict[str, MachineAction] = {}
        for page in range(_PAGES):
            rows = self._ports.devices.actions(ActionQuery(since=since), page * ACTIONS_PAGE)
            found |= {row.id: row for row in rows}
            if len(rows) < ACTIONS_PAGE:
                break
        return found

    def _one_by_one(self, entry: Entry[Action], now: datetime) -> bool:
        """Whether an action that the listing does not show is asked for by itself: old ones whenever they are due,
        young ones once Defender must show them.
        """
        return now - (entry.value.accepted_at or now) >= self._ports.settings.ACTION_VISIBILITY

    def _adopt(self, entry: Entry[Action], listed: Mapping[str, MachineAction], now: datetime) -> None:
        """Our own marker in the listing tells that a POST worked after all."""
        action = entry.value
        kind = self._ports.responders[action.responder].kinds[0]
        mine = adopted(action, list(listed.values()), self._ports.marker(action.id), kind)
        if mine and target_of(mine.machine_id) == action.target:
            self._write(entry, accepted(action, mine, now, foreign=False))

    def _progress(self, entry: Entry[Action], seen: MachineAction, now: datetime) -> None:
        to = progressed(entry.value, seen, self._ports.responders[entry.value.responder], now)
        if to.state is entry.value.state:
            self._look_later(entry, to)
        else:
            self._write(entry, to)

    def _vanished(self, entry: Entry[Action], now: datetime) -> None:
        """Defender does not know an action that it accepted. Just after the 201 that means nothing."""
        action = entry.value
        if now - (action.accepted_at or now) < max(MARGIN, self._ports.settings.ACTION_VISIBILITY * 2):
            self._look_later(entry, looked(action, now))
        else:
            self._write(entry, ended(action, "Defender no longer knows the action", now))

    def _joined(self, entry: Entry[Action], now: datetime) -> None:
        """An action that waits for another incident's isolation of its device shares that one's end."""
        action = entry.value
        owner = self._ports.ledger.action(action.joined.split(":")[1], action.joined)
        if owner is None or (owner.state.settled and owner.state not in {State.SUCCEEDED, State.ELSEWHERE}):
            if owner and owner.cancelled:
                to = action.to(State.FAILED, now, cancelled=True, detail=owner.detail, todo=owner.todo)
            else:
                to = action.to(State.PLANNED, now, due=now, joined="", detail="the other incident's isolation failed")
        elif owner.state in {State.SUCCEEDED, State.ELSEWHERE}:
            to = action.to(owner.state, now, detail=f"through incident {owner.incident}")
        else:
            self._look_later(entry, action.model_copy(update={"due": now + JOINED_LOOK}))
            return
        self._write(entry, to)

    def _look_later(self, entry: Entry[Action], to: Action) -> None:
        try:
            self._ports.ledger.move(entry, to)
        except Conflict:
            log.info("action %s was moved by another worker", to.id)

    def _write(self, entry: Entry[Action], to: Action) -> None:
        if settle(self._ports, entry, to):
            tell(self._ports, to)

    def _nudge(self, rows: Sequence[Entry[Action]], now: datetime) -> None:
        """One message per queue that has overdue work, and one per overdue incident."""
        late = now - self._ports.settings.NUDGE_AFTER
        queues: set[str] = set()
        for entry in rows:
            action = entry.value
            responder = self._ports.responders.get(action.responder)
            if responder is None or action.due is None or action.due > late:
                continue
            if action.state in {State.PLANNED, State.SENDING, State.UNKNOWN}:
                queues.add(str(responder.lane))
            elif action.state is State.FETCHING:
                queues.add(ARCHIVE)
        for queue in sorted(queues):
            self._ports.queues.send(queue, "overdue")
        for incident in self._ports.ledger.overdue(now):
            self._ports.ledger.remind(incident, now + self._ports.settings.NUDGE_AFTER)
            self._ports.queues.send(INCIDENTS, incident)

    def _drain_poison(self) -> None:
        """Keep what nobody could handle, so that it neither expires nor stays unseen."""
        for queue in QUEUES:
            poison = f"{queue}-poison"
            for message in self._ports.queues.receive(poison, hidden_for=_POISON_HIDDEN):
                self._ports.ledger.bury(queue, message.id, message.text)
                kind = f"dead letter {queue} {message.id}"
                trouble(self._ports, kind, "a message could not be handled; it is kept in the ledger")
                self._ports.queues.delete(poison, message)
