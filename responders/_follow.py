"""The tick: settle what Defender finished, and nudge what is overdue.

One listing settles every young action and finds the markers of POSTs whose outcome is unknown; old actions are asked
for singly and rarely. A row that cannot be settled now is left to the next tick, and never stops this one.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._alarms import over, tell_alarms, trouble
from responders._containment import JOINED_LOOK, settle
from responders._fallback import fall_back
from responders._interface import adopted
from responders._leftovers import tidy
from responders._letters import bury
from responders._nudges import tell, tell_away
from responders._ports import ARCHIVE, INCIDENTS, OVERDUE, QUEUES
from responders._reconciling import beside, seen_released
from responders._refusal import Asked, Service
from responders._refusals import TABLE, refusal_of, told
from responders._rivals import Rivals
from responders._sessions import overdue, taken_back
from responders._settling import YOUNG, accepted, anew, by_us, ended, looked, progressed
from responders._waiting import tend
from shared.clients.interface import ActionQuery
from shared.errors import NotFound, OutcomeUnknown, Rejected, Throttled, Transient
from shared.models.action import State, target_of
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.device import MachineAction

MARGIN = timedelta(minutes=10)
"""How far Defender's clock may be behind storage's in a listing by creation time."""

AWAY = "The device was away for too long"
"""What the comment says with which we take back a session that waits for its device."""

NO_LONGER = "the incident is no longer classified as benign, and it is asked for anew"

_PAGES = 20
_POISON_HIDDEN = 30.0

log = logging.getLogger(__name__)


@contextlib.contextmanager
def _left_to_the_next(entry: Entry[Action]) -> Iterator[None]:
    """What cannot be settled now is left to the next tick, and stops no other. A budget that is used up does."""
    try:
        yield
    except Throttled:
        raise
    except (Transient, Rejected) as error:
        log.warning("action %s cannot be looked at now: %s", entry.value.id, error)


class Follow:
    """The settling side of the flow."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports
        self._rivals = Rivals(ports, self._write)

    def run(self, stop: datetime) -> None:
        """One tick, until `stop` at the latest: what nobody looked at by then is due at the next."""
        now = self._ports.clock.now()
        rows = self._ports.ledger.due(now)
        self._nudge(rows, now)
        self._drain_poison()
        tell_alarms(self._ports)
        mine = self._ports.responders
        open_rows = [entry for entry in self._ports.ledger.open_actions() if entry.value.responder in mine]
        tend(self._ports, open_rows, now)
        tidy(self._ports, open_rows)
        unsure = [entry for entry in open_rows if entry.value.state in {State.UNKNOWN, State.SENDING}]
        running = [entry for entry in rows if entry.value.state is State.ACCEPTED and entry.value.responder in mine]
        self._settle([entry for entry in running if not entry.value.joined], unsure, now, stop)
        for entry in running:
            if entry.value.joined:
                with _left_to_the_next(entry):
                    self._joined(entry)

    def _settle(
        self, running: Sequence[Entry[Action]], unsure: Sequence[Entry[Action]], now: datetime, stop: datetime
    ) -> None:
        young = [entry for entry in running if now - (entry.value.accepted_at or now) < YOUNG]
        listed = self._known([*young, *unsure]) if young or unsure else {}
        for entry in unsure:
            with _left_to_the_next(entry):
                self._adopt(entry, listed, now)
        for entry in running:
            if self._ports.clock.now() >= stop:
                log.warning("the time of this tick is over; what is left is looked at in the next")
                return
            try:
                with _left_to_the_next(entry):
                    self._look(entry, listed, now)
            except Throttled:
                return

    def _look(self, entry: Entry[Action], listed: Mapping[str, MachineAction], now: datetime) -> None:
        """What goes on is judged as of the listing; what is over counts as over when it was seen to be: a tick may take
        minutes.
        """
        action = entry.value
        seen = listed.get(action.machine_action)
        if seen is None and not self._one_by_one(entry, now):
            return
        told: Iterable[MachineAction] = listed.values()
        try:
            if seen is None:
                seen = self._ports.devices.action(action.machine_action)
                told = beside(self._ports, action, seen, now)
            at = self._ports.clock.now() if seen.final else now
            if not self._rivals.met(entry, seen, listed, at):
                self._progress(entry, seen, at)
                if seen.status == "succeeded":
                    seen_released(self._ports, action, told)
        except NotFound:
            self._vanished(entry, self._ports.clock.now())

    def _known(self, entries: Sequence[Entry[Action]]) -> Mapping[str, MachineAction]:
        """The listing; nothing where it cannot be had now. Where it is refused, people are told: until it is not, what
        was sent is followed one by one at best, and lost answers are not found.
        """
        try:
            listed = self._listing(entries)
        except Transient as error:
            log.warning("the machine actions cannot be listed now: %s", error)
            return {}
        except Rejected as error:
            row = refusal_of(error, Service.DEFENDER, Asked.LIST, permissions=("Machine.Read.All",))
            trouble(self._ports, "follow", f"machine actions cannot be listed: {told(row, error)}; {row.todo}")
            return {}
        over(self._ports, "follow")
        return listed

    def _listing(self, entries: Sequence[Entry[Action]]) -> Mapping[str, MachineAction]:
        """Every machine action since the oldest of these began, by id."""
        since = min(entry.value.accepted_at or entry.value.since for entry in entries) - MARGIN
        found: dict[str, MachineAction] = {}
        following = ""
        for _ in range(_PAGES):
            page = self._ports.devices.actions(ActionQuery(since=since), following)
            found |= {row.id: row for row in page.actions}
            following = page.next
            if not following:
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
        responder = self._ports.responders[entry.value.responder]
        marker = self._ports.marker(entry.value.id, "cancel")
        patience, reissues = self._ports.settings.LIVE_RESPONSE_PATIENCE, self._ports.settings.AWAY_REISSUES
        to = progressed(entry.value, seen, responder, now, reissues, marker)
        if seen.status == "cancelled" and by_us(seen, marker) and AWAY in seen.cancel_comment:
            to = taken_back(entry.value, now, patience, reissues)  # whoever asked for that did not come to note it
        if to.state is State.WITHDRAWN and not to.cancelled:
            to = self._called_off(entry.value, to, now)
        if seen.status == "pending" and overdue(entry.value, responder.api, now, patience):
            self._take_back(entry, now)
        elif to.state is entry.value.state:
            self._look_later(entry, to)
        else:
            self._write(entry, to)

    def _called_off(self, action: Action, to: Action, now: datetime) -> Action:
        """What was cancelled since its incident was benign, as that stands now: asked for anew where it no longer is,
        and looked at again while that is being found out.
        """
        state = self._ports.ledger.heir(action.incident)
        if state is None or (state.assessed == state.seen and (state.dismissed or state.cleared)):
            return to
        return looked(action, now) if state.assessed != state.seen else anew(action, now, NO_LONGER)

    def _take_back(self, entry: Entry[Action], now: datetime) -> None:
        """Cancel a session of ours that waits for a device that is away: 26 of them block a whole tenant."""
        settings, action = self._ports.settings, entry.value
        why = f"{AWAY}. {self._ports.marker(action.id, 'cancel')}"
        try:
            self._ports.devices.cancel(action.machine_action, why)
        except (OutcomeUnknown, Rejected) as error:
            log.warning("the session of action %s cannot be cancelled now: %s", action.id, error)
            self._look_later(entry, looked(action, now, away=True))
            return
        self._write(entry, taken_back(action, now, settings.LIVE_RESPONSE_PATIENCE, settings.AWAY_REISSUES))

    def _vanished(self, entry: Entry[Action], now: datetime) -> None:
        """Defender does not know an action that it accepted. Just after the 201 that means nothing."""
        action = entry.value
        if now - (action.accepted_at or now) < max(MARGIN, self._ports.settings.ACTION_VISIBILITY * 2):
            self._look_later(entry, looked(action, now))
        else:
            gone = ended(action, TABLE[Service.DEFENDER, "action-gone"], now)
            # It may be there all the same: before anything else becomes of it, a listing is looked at.
            self._write(entry, gone.model_copy(update={"doubtful": gone.state is State.PLANNED}))

    def _joined(self, entry: Entry[Action]) -> None:
        """An action that waits for another incident's isolation of its device shares that one's end."""
        action = entry.value
        owner = self._ports.ledger.action(action.joined.split(":")[1], action.joined)
        now = self._ports.clock.now()
        if owner is None or (owner.state.settled and owner.state not in {State.SUCCEEDED, State.ELSEWHERE}):
            if owner and owner.cancelled and not self._for_its_incident(owner):
                to = action.to(owner.state, now, cancelled=True, detail=owner.detail, todo=owner.todo)
            else:
                nothing = "the other incident's isolation came to nothing"
                to = action.to(State.PLANNED, now, due=now, joined="", detail=nothing)
        elif owner.state is State.SUCCEEDED and not self._ports.ledger.slot(
            action.target, self._ports.containment(action)
        ):
            to = action.to(State.PLANNED, now, due=now, joined="", detail="the device was released since")
        elif owner.state in {State.SUCCEEDED, State.ELSEWHERE}:
            to = action.to(owner.state, now, detail=f"through incident {owner.incident}")
        else:
            self._look_later(entry, action.model_copy(update={"due": now + JOINED_LOOK, "away": owner.away}))
            return
        self._write(entry, to)

    def _for_its_incident(self, owner: Action) -> bool:
        """Whether an isolation was called off since its own incident is harmless: what others want does not end with
        it. What a person cancelled, or released, ends for all of them.
        """
        state = self._ports.ledger.heir(owner.incident)
        return owner.state is State.WITHDRAWN and bool(state and (state.dismissed or state.cleared))

    def _look_later(self, entry: Entry[Action], to: Action) -> None:
        try:
            self._ports.ledger.move(entry, to)
        except Conflict:
            log.info("action %s was moved by another worker", to.id)
        if to.away and not entry.value.away:
            tell_away(self._ports, to)

    def _write(self, entry: Entry[Action], to: Action) -> None:
        planned = fall_back(self._ports, entry, to)
        if planned:
            tell(self._ports, planned)
        if planned or settle(self._ports, entry, to):
            tell(self._ports, to)

    def _nudge(self, rows: Sequence[Entry[Action]], now: datetime) -> None:
        """One message per queue that has overdue work, and one per overdue incident."""
        late = now - self._ports.settings.NUDGE_AFTER
        queues: set[str] = set()
        for entry in rows:
            action = entry.value
            responder = self._ports.responders.get(action.responder)
            waits = now if action.head_start and not action.attempt else late
            if responder is None or action.due is None or action.due > waits:
                continue
            if action.state in {State.PLANNED, State.SENDING, State.UNKNOWN}:
                queues.add(str(responder.lane))
            elif action.state is State.FETCHING or action.state.final:
                queues.add(ARCHIVE)
        for queue in sorted(queues):
            self._ports.queues.send(queue, OVERDUE)
        for incident in self._ports.ledger.overdue(now):
            self._ports.ledger.remind(incident, now + self._ports.settings.NUDGE_AFTER)
            self._ports.queues.send(INCIDENTS, incident)

    def _drain_poison(self) -> None:
        """Keep what nobody could handle, so that it neither expires nor stays unseen."""
        for queue in QUEUES:
            poison = f"{queue}-poison"
            for message in self._ports.queues.receive(poison, hidden_for=_POISON_HIDDEN):
                bury(self._ports, queue, message)
                self._ports.queues.delete(poison, message)
