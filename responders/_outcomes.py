"""The listing before a POST, the POST, and what is written down after it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._containment import settle
from responders._interface import Clear, Done, Later, Others, Ours, Refuse
from responders._nudges import tell
from responders._settling import accepted, doubted, rejected
from shared.clients.interface import ACTIONS_PAGE, ActionQuery
from shared.errors import Busy, OutcomeUnknown, Rejected, Throttled, Transient
from shared.models.action import State, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from responders._containment import Candidate
    from responders._interface import Standing
    from responders._ledger import Entry
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.device import MachineAction

RETRY = timedelta(seconds=10)
ONE_BY_ONE = 5
BUSY_ATTEMPTS = 40
_PAGES = 20

log = logging.getLogger(__name__)


class Sender:
    """The calls of a drain."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports
        self._deadline = ports.settings.ACTION_VISIBILITY / 3

    def listing(self, actions: Sequence[Action]) -> dict[str, list[MachineAction]]:
        """The machine actions of the actions' devices, by device. Few devices are asked for one by one, which every
        API understands; more in one listing, or one by one where the API refuses that.
        """
        devices = tuple(dict.fromkeys(action.device for action in actions))
        if len(devices) > ONE_BY_ONE:
            try:
                return self._listed(devices)
            except Rejected as error:
                log.warning("a listing of several devices was refused (%s); asked one by one", error)
        found: dict[str, list[MachineAction]] = {}
        for device in devices:
            found |= self._listed((device,))
        return found

    def _listed(self, asked: tuple[str, ...]) -> dict[str, list[MachineAction]]:
        found: dict[str, list[MachineAction]] = {target_of(device): [] for device in asked}
        for page in range(_PAGES):
            rows = self._ports.devices.actions(ActionQuery(machines=asked), page * ACTIONS_PAGE)
            for row in rows:
                if target_of(row.machine_id) in found:
                    found[target_of(row.machine_id)].append(row)
            if len(rows) < ACTIONS_PAGE:
                return found
        raise Transient(f"the machine actions of {len(asked)} devices are more than {_PAGES} pages")

    def put_back(self, candidates: Sequence[Candidate], error: Exception) -> None:
        """The listing could not be had, so nothing was sent by this attempt: try again later."""
        now = self._ports.clock.now()
        wait = getattr(error, "retry_after", None)
        due = now + (timedelta(seconds=wait) if wait else RETRY)
        for candidate in candidates:
            before = candidate.entry.value
            if isinstance(error, Rejected):
                self._write(candidate.entry, rejected(before, error, now))
            else:
                self._write(candidate.entry, before.to(State.PLANNED, now, due=due, detail=str(error)[:300]))

    def send(self, candidate: Candidate, listed: dict[str, list[MachineAction]], until: datetime) -> bool:
        """Settle one reserved row by the listing, or send it; False where the API takes no more calls now."""
        entry = candidate.entry
        action = entry.value
        responder = self._ports.responders[action.responder]
        standing = responder.standing(
            action, listed.get(action.target, []), self._ports.marker(action.id), self._ports.own_marker
        )
        now = self._ports.clock.now()
        if not isinstance(standing, Ours):
            action = action.model_copy(update={"doubtful": False})
            if candidate.otherwise:
                self._write(entry, candidate.otherwise)
                return True
        if not isinstance(standing, Clear):
            self._write(entry, self._by_standing(action, standing, now))
            return True
        if now >= until or now - action.since > self._deadline:
            self._write(entry, action.to(State.PLANNED, now, due=now, detail="the listing took too long; taken again"))
            return True
        return self._post(entry, action)

    def _by_standing(self, action: Action, standing: Standing, now: datetime) -> Action:
        match standing:
            case Ours(made):
                return accepted(action, made, now, foreign=False)
            case Others(made):
                return accepted(action, made, now, foreign=True)
            case Done(detail):
                return action.to(State.ELSEWHERE, now, foreign=True, detail=detail)
            case Later(detail):
                return action.to(State.PLANNED, now, due=now + RETRY, detail=detail)
            case Refuse(detail):
                todo = "nothing, unless the device should be contained after all; then do it in the Defender portal"
                return action.to(State.REFUSED, now, detail=detail, todo=todo)
            case _:
                raise AssertionError(f"not a standing that settles: {standing}")

    def _post(self, entry: Entry[Action], action: Action) -> bool:
        responder = self._ports.responders[action.responder]
        marker = self._ports.marker(action.id, action.attempt)
        comment = f"Bulkhead: {responder.name} for incident {action.incident}. {marker}"
        more = True
        try:
            made = responder.send(self._ports.devices, action.device, comment)
            now = self._ports.clock.now()
            to = accepted(action, made, now, foreign=self._ports.marker(action.id) not in made.comment)
        except Throttled as error:
            now = self._ports.clock.now()
            wait = timedelta(seconds=30.0 if error.retry_after is None else error.retry_after)
            to = action.to(State.PLANNED, now, due=now + wait, detail="Defender asked to wait")
            more = False
        except OutcomeUnknown as error:
            to = self._unknown(action, error)
        except Busy as error:
            to = self._busy(action, error)
        except Rejected as error:
            to = rejected(action, error, self._ports.clock.now())
        except Transient as error:
            now = self._ports.clock.now()
            to = action.to(State.PLANNED, now, due=now + RETRY, detail=str(error)[:300])
        self._write(entry, to)
        return more

    def _unknown(self, action: Action, error: OutcomeUnknown) -> Action:
        """Find out first: by the listing of every tick, and by another one before it is sent again, ever later."""
        return doubted(action, str(error), self._ports.clock.now(), self._ports.settings.ACTION_VISIBILITY)

    def _busy(self, action: Action, error: Busy) -> Action:
        """Something runs on the device, seen or unseen. The next listing will tell, if it is to be seen."""
        now = self._ports.clock.now()
        if action.attempt >= BUSY_ATTEMPTS:
            return rejected(action, error, now)
        wait = RETRY * 2 ** min(action.attempt - 1, 6)
        return action.to(State.PLANNED, now, due=now + wait, detail="something else is running on the device")

    def _write(self, entry: Entry[Action], to: Action) -> None:
        if settle(self._ports, entry, to):
            tell(self._ports, to)
