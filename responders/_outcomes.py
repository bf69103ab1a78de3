"""The listing before a POST, the POST, and what is written down after it."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from responders._containment import settle
from responders._given_back import by_hand
from responders._guardrails import Wait
from responders._holding import held
from responders._interface import Clear, Done, Held, Later, Others, Ours, Refuse, newest
from responders._lacks import had, lacked, remember, waits
from responders._listing import listing
from responders._nudges import tell
from responders._planning import stopped
from responders._reconciling import let_go
from responders._refusal import Asked, Service
from responders._refusals import refusal_of, remembers, told
from responders._settling import accepted, doubted, rejected
from responders._taking import TAKEN
from responders._undoing import premature
from shared.errors import Busy, OutcomeUnknown, Rejected, Throttled, Transient, Unobtainable
from shared.models.action import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from responders._containment import Candidate
    from responders._entries import Entry
    from responders._interface import Standing
    from responders._ports import Ports
    from responders._refusal import Refusal
    from shared.errors import BulkheadError
    from shared.models.action import Action
    from shared.models.device import MachineAction

RETRY = timedelta(seconds=10)
UNSAID = timedelta(seconds=30)
"""The wait after a 429 that names none."""

_TOO_LONG = "what is looked at before it is sent took too long; taken again"
_AS_SHOWN = "as far as Defender shows; what was done right before it was asked for is shown within minutes"

BUSY_ATTEMPTS = 40
BUSY_DOUBLINGS = 6

log = logging.getLogger(__name__)


class Sender:
    """The calls of a drain."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports
        self._deadline = ports.settings.ACTION_VISIBILITY / 3
        self._refused: dict[str, Refusal] = {}

    @cached_property
    def _lacked(self) -> frozenset[str]:
        """What the tenant once lacked; read once per drain."""
        return lacked(self._ports)

    def listing(self, candidates: Sequence[Candidate]) -> tuple[dict[str, list[MachineAction]], bool]:
        """The machine actions of the candidates' devices, by device; those that cannot be had now put back. And whether
        the budget was used up by it.
        """
        found, missing = listing(self._ports, (each.entry.value.device for each in candidates), self._deadline)
        for each in candidates:
            error = missing.get(each.entry.value.target)
            if error:
                self._put_back(each.entry, error)
        return found, any(isinstance(error, Throttled) for error in missing.values())

    def _put_back(self, entry: Entry[Action], error: Rejected | Transient) -> None:
        """The listing could not be had, so nothing was sent by this attempt: try again later."""
        before, now = entry.value, self._ports.clock.now()
        if isinstance(error, Rejected):
            responder = self._ports.responders[before.responder]
            self._write(entry, rejected(before, error, responder, now, Asked.LIST))
        else:
            due = now + (timedelta(seconds=error.retry_after) if error.retry_after else RETRY)
            spent = isinstance(error, Throttled)
            self._write(entry, before.to(State.PLANNED, now, due=due, in_line=spent, detail=_told(error)))

    def send(self, candidate: Candidate, listed: dict[str, list[MachineAction]], until: datetime) -> bool:
        """Settle one reserved row by the listing, or send it; False where the API takes no more calls now."""
        entry = candidate.entry
        action = entry.value
        responder = self._ports.responders[action.responder]
        standing = responder.standing(
            action, listed[action.target], self._ports.marker(action.id), self._ports.own_marker
        )
        now = self._ports.clock.now()
        if not isinstance(standing, Ours):
            action = action.model_copy(update={"doubtful": False})
            if candidate.otherwise:
                self._write(entry, candidate.otherwise.model_copy(update={"doubtful": False}))
                return True
        if action.joined:
            standing = self._as_held(action, standing, listed[action.target])
        if not isinstance(standing, Clear):
            self._write(entry, self._by_standing(action, standing, now))
            return True
        stops = self._stops(action)
        if stops:
            self._write(entry, action.to(State.PLANNED, now, due=now, detail=stops))
            return True
        again = self._refused.get(responder.name)
        if again and waits(action, self._ports):
            self._write(entry, self._later(action, again.means, again.todo))
            return True
        if self._late(action, until):  # what stops it, storage may have been slow to say
            now = self._ports.clock.now()
            self._write(entry, action.to(State.PLANNED, now, due=now, detail=_TOO_LONG))
            return True
        return self._post(entry, action.model_copy(update={"met": standing.met}), listed[action.target], until)

    def _late(self, action: Action, until: datetime) -> bool:
        """Whether it is too late for a POST: its lease is over, or the write that reserved it has grown old."""
        now = self._ports.clock.now()
        return now >= until or now - action.since > self._deadline

    def _in_time(self, action: Action, until: datetime) -> None:
        if self._late(action, until):
            raise Transient(_TOO_LONG)

    def _stops(self, action: Action) -> str:
        """What has come to stop an action since it was taken up, in words; empty where nothing has."""
        if self._ports.gives_back(action):
            return "" if action.approved else premature(action, self._ports.ledger.heir(action.incident))
        hold = held(self._ports)
        return f"everything is held {hold}" if hold else ""

    def _as_held(self, action: Action, standing: Standing, listed: Sequence[MachineAction]) -> Standing:
        """How a device that by our ledger we hold stands in truth: somebody may have released it since."""
        what = self._ports.containment(action)
        last = newest(listed, kinds=self._ports.responders[action.responder].kinds, status="succeeded")
        if isinstance(standing, Done) or (isinstance(standing, Clear) and last is None):
            return Held(f"we hold it {TAKEN[what]} already")
        slot = self._ports.ledger.slot(action.target, what)
        if isinstance(standing, Clear | Refuse) and slot and last and slot.value.owner == action.joined:
            let_go(self._ports, slot, what, last, but=action.incident)
        return Later("it was released since we held it") if isinstance(standing, Clear) else standing

    def _by_standing(self, action: Action, standing: Standing, now: datetime) -> Action:
        match standing:
            case Ours(made, since):
                return accepted(action, made, now, foreign=False).model_copy(update={"detail": since})
            case Others(made):
                return accepted(action, made, now, foreign=True)
            case Held(detail):
                return action.to(State.SUCCEEDED, now, detail=detail)
            case Done(detail):
                return self._needless(action, detail, now)
            case Later(detail):
                return action.to(State.PLANNED, now, due=now + RETRY, detail=detail)
            case Refuse():
                return self._not_sent(action, standing, now)
            case _:
                raise AssertionError(f"not a standing that settles: {standing}")

    def _needless(self, action: Action, detail: str, now: datetime) -> Action:
        """What is the case already. Who ordered a device to be released is told so once Defender must show whatever
        took it before.
        """
        shown = action.created + self._ports.settings.ACTION_VISIBILITY
        if self._ports.gives_back(action) and action.approved and now < shown:
            return action.to(State.PLANNED, now, due=shown, detail=f"{detail}, {_AS_SHOWN}")
        return action.to(State.ELSEWHERE, now, foreign=True, detail=detail)

    def _not_sent(self, action: Action, standing: Refuse, now: datetime) -> Action:
        """What must not be sent: for good, or until a person has taken away what hangs in Defender."""
        if standing.hung:
            todo = f"cancel that in the Defender portal; then: bulkhead approve {action.id}"
            return stopped(action, Wait(standing.detail, todo), now, self._ports.settings.APPROVAL_EXPIRES)
        back = self._ports.gives_back(action)
        wanted = "be free all the same" if back else "be contained after all"
        command = by_hand(action) if back else f"bulkhead retry {action.id}"
        todo = f"nothing, unless the device should {wanted}; then: {command}"
        return action.to(State.REFUSED, now, detail=standing.detail, todo=todo)

    def _post(self, entry: Entry[Action], action: Action, listed: Sequence[MachineAction], until: datetime) -> bool:
        """One POST, and what it came to. Nothing that reads or writes storage stands beside it: an error of storage
        would pass for one of the POST's, and say that it was not sent. What its responder reads before it may be slow.
        """
        responder = self._ports.responders[action.responder]
        refused = None
        devices = self._ports.devices.timed(partial(self._in_time, action, until))
        try:
            made = responder.send(devices, action, self._ports.comment(action))
        except Throttled as error:
            now = self._ports.clock.now()
            wait = UNSAID if error.retry_after is None else timedelta(seconds=error.retry_after)
            self._write(entry, action.to(State.PLANNED, now, due=now + wait, in_line=True, detail=_told(error)))
            return False
        except OutcomeUnknown as error:
            to = self._unknown(action, error)
        except Busy as error:
            to = self._busy(action, error, listed)
        except Rejected as error:
            to = rejected(action, error, responder, self._ports.clock.now())
            refused = refusal_of(error, Service.DEFENDER, Asked.DEVICE, permissions=responder.permissions)
            if remembers(refused) and waits(action, self._ports):
                self._refused[responder.name] = refused
                to = self._later(action, to.detail, refused.todo)
        except Unobtainable as error:
            to = action.to(State.UNAVAILABLE, self._ports.clock.now(), detail=str(error)[:300], todo=error.todo)
        except Transient as error:
            now = self._ports.clock.now()
            to = action.to(State.PLANNED, now, due=now + RETRY, detail=_told(error))
        else:
            now = self._ports.clock.now()
            to = accepted(action, made, now, foreign=self._ports.marker(action.id) not in made.comment)
        self._write(entry, to)
        self._note(responder.name, refused, had_it=to.state is State.ACCEPTED)
        return True

    def _later(self, action: Action, detail: str, todo: str) -> Action:
        """The tenant refused it as a whole, and it is tried again all the same; how soon, `_lacks` knows by then."""
        now = self._ports.clock.now()
        return action.to(State.PLANNED, now, due=now + self._ports.settings.NUDGE_AFTER, detail=detail, todo=todo)

    def _note(self, responder: str, refused: Refusal | None, *, had_it: bool) -> None:
        """Remember what the tenant lacks, or has again. Where that cannot be written now, the next POST will tell."""
        try:
            if refused and remembers(refused):
                remember(self._ports, responder, refused)
            elif had_it and responder in self._lacked:
                had(self._ports, responder, self._ports.clock.now())
        except Transient as error:
            log.warning("what Defender says of %s cannot be noted now: %s", responder, error)

    def _unknown(self, action: Action, error: OutcomeUnknown) -> Action:
        """Find out first: by the listing of every tick, and by another one before it is sent again, ever later."""
        return doubted(action, _told(error), self._ports.clock.now(), self._ports.settings.ACTION_VISIBILITY)

    def _busy(self, action: Action, error: Busy, listed: Sequence[MachineAction]) -> Action:
        """Something runs on the device, seen or unseen. The next listing will tell, if it is to be seen."""
        now = self._ports.clock.now()
        running = ", ".join(sorted({each.kind for each in listed if not each.final}))
        attempts = action.attempt - action.before
        if attempts >= BUSY_ATTEMPTS:
            return rejected(action, error, self._ports.responders[action.responder], now, seen=bool(running))
        wait = RETRY * 2 ** min(attempts - 1, BUSY_DOUBLINGS)
        means = refusal_of(error, Service.DEFENDER, seen=bool(running)).means
        return action.to(State.PLANNED, now, due=now + wait, detail=": ".join(filter(None, (means, running))))

    def _write(self, entry: Entry[Action], to: Action) -> None:
        if settle(self._ports, entry, to):
            tell(self._ports, to)


def _told(error: BulkheadError) -> str:
    return told(refusal_of(error, Service.DEFENDER), error)
