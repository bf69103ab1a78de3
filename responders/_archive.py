"""Have what a finished action left gathered into the evidence store, by whichever responder knows how.

What ends elsewhere, between two sessions of a collection, comes here too, for its run to be sealed.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from heapq import nsmallest
from typing import TYPE_CHECKING

from responders._afterwards import comes_after
from responders._alarms import over, trouble
from responders._calls import FETCHES, SLOW_FOR
from responders._containment import settle
from responders._desk import Desk
from responders._dispatch import importance
from responders._interface import Again, Finished, Gathered, NotObtainable
from responders._lacks import had, lacked, remember
from responders._late import SEAL_AGAIN, may_be_sealed, sealed_late, unsealed
from responders._nudges import tell
from responders._planning import by_the_switch
from responders._refusal import Asked, Fate, Service
from responders._refusals import TABLE, refusal_of, remembers, stops, told
from responders._unbroken import BROKEN
from shared.errors import BulkheadError, Cause, Forbidden, Incomplete, Rejected, Throttled, Transient
from shared.models.action import State
from shared.storage.interface import MAX_TEXT_UNITS, Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from responders._refusal import Refusal
    from shared.models.action import Action

CLAIM = timedelta(minutes=12)
"""How long a download belongs to the worker that began it: longer than any function may run."""

WITHOUT_A_WORD = 2 * FETCHES
"""How often a worker may begin on an action and end without having written anything: killed, or by a defect of ours."""

SEALINGS = 2
"""How often it is then tried to seal what they gathered: what ended them may end that, too."""

AT_ONCE = 8
"""How many of the most important rows are worked through before it is read anew which those are."""

RETRY = timedelta(seconds=20)
DOUBLINGS = 5
_UNSEALED = "what was gathered is whole and cannot be sealed now"
_LONG = TABLE[Service.DOWNLOADS, "out-of-time"].means
_HAD = frozenset({State.SUCCEEDED, State.ELSEWHERE})
_LESS = frozenset({State.FAILED, State.UNAVAILABLE})
_PACKAGE = "collectinvestigationpackage"

log = logging.getLogger(__name__)


class Archive:
    """The archiving side of the flow."""

    def __init__(self, ports: Ports, *, beside: bool = False) -> None:
        """Everything outside comes with `ports`. With `beside`, somebody else fetches what devices left, and this one
        does what no machine action came before: tags, comments, hunts.
        """
        self._ports = ports
        self._beside = beside

    def run(self, stop: datetime) -> None:
        """Archive what is due, until nothing is left or `stop`: the most important first; what Defender keeps anyway
        comes after what a device gave, and what took all the time of a call after everything that did not.
        """
        while self._ports.clock.now() < stop:
            now = self._ports.clock.now()
            due = [each for each in self._ports.ledger.due(now) if self._mine(each.value)]
            if not due:
                return
            short = [each for each in due if not each.value.detail.startswith(_LONG)] or due
            first = nsmallest(AT_ONCE, short, key=lambda each: (comes_after(each.value), *importance(each.value)))
            begin = now.microsecond % len(first)  # so that workers who come at once do not meet on the same row
            for entry in (*first[begin:], *first[:begin]):
                if self._ports.clock.now() >= stop:
                    return
                self._claimed(entry, stop)

    def _claimed(self, entry: Entry[Action], stop: datetime) -> None:
        """Archive a row, if no other worker was faster."""
        now = self._ports.clock.now()
        claim = entry.value.model_copy(update={"due": now + CLAIM, "fetches": entry.value.fetches + 1})
        try:
            claimed = self._ports.ledger.move(entry, claim)
        except Conflict:
            return
        if claimed.value.state.final:
            self._late(claimed, stop)
        elif claimed.value.fetches > WITHOUT_A_WORD:
            self._unheard(claimed, stop)
        elif not self._stopped(claimed):
            self._one(claimed, stop)

    def _stopped(self, entry: Entry[Action]) -> bool:
        """Whether an action waits for a person, since it writes into an incident and the mode was switched since it was
        sent. Whatever else comes here fetches what is there, and goes on.
        """
        settings, action, now = self._ports.settings, entry.value, self._ports.clock.now()
        responder = self._ports.responders[action.responder]
        if settings.respond or responder.kinds or responder.gathers:
            return False
        waits = by_the_switch(action, now, settings, respond=False)
        if waits is action:
            return False
        self._write(entry, waits.model_copy(update={"progress": ""}))  # how often it was written counts anew
        return True

    def _late(self, entry: Entry[Action], stop: datetime) -> None:
        """Seal the run of what ended elsewhere. People hear of what cannot be sealed."""
        action = entry.value
        again = action.fetches <= WITHOUT_A_WORD
        to = sealed_late(self._ports, Desk(self._ports, action, stop), action, again=again)
        if settle(self._ports, entry, to) and to.detail != action.detail:
            tell(self._ports, to)

    def _unheard(self, entry: Entry[Action], stop: datetime) -> None:
        """Give up what its workers never told of, once what they gathered is sealed or cannot be."""
        to = unheard(entry.value, self._ports.clock.now())
        tried = entry.value.fetches > WITHOUT_A_WORD + SEALINGS
        self._write(entry, unsealed(to) if tried else self._closed(Desk(self._ports, entry.value, stop), to))

    def _mine(self, action: Action) -> bool:
        responder = self._ports.responders.get(action.responder)
        here = action.state is State.FETCHING or action.state.final
        return here and responder is not None and not (self._beside and responder.kinds)

    def _one(self, entry: Entry[Action], stop: datetime) -> None:
        action = entry.value
        desk = Desk(self._ports, action, stop, piece=self._ports.piece)
        gathered, sealing = None, False
        try:
            to = self._as_sealed(action, desk) if action.fetches > 1 else None
            if to is None:
                gathered = self._ports.responders[action.responder].gather(action, desk)
                to = after(action, gathered, self._ports.clock.now())
            to = in_a_row(action, to, self._ports.clock.now())
            if to.state.final:
                desk.at = Service.STORAGE
                sealing = True
                desk.run.close(*_end_of(to))
        except (Transient, Rejected, Forbidden) as error:
            self._refused(entry, error, desk, sealing=sealing)
        else:
            self._write(entry, to)
            if sealing and action.detail.startswith(_UNSEALED):
                over(self._ports, "seal")
            if to.state in _HAD and action.responder in lacked(self._ports):
                had(self._ports, action.responder, action.accepted_at or action.created)

    def _unsealed(self, entry: Entry[Action], said: str) -> None:
        """All that there is was gathered; the key, or storage, cannot be had: it is sealed later, and people hear."""
        said = f"{_UNSEALED}: {said}"
        trouble(self._ports, "seal", f"{said}; where CUSTODY_KEY is set, see that the app may use the key")
        self._again(entry, SEAL_AGAIN, said, fetches=max(1, entry.value.fetches - 1))

    def _as_sealed(self, action: Action, desk: Desk) -> Action | None:
        """The action as an earlier call ended it, which sealed the run and came not to write it down: nothing may be
        added to that, and whoever gathers anew may be given something else. None where the run is open.
        """
        if not (sealed := desk.run.sealed()):
            return None
        end, missing, artefacts = sealed
        ended, _, detail = end.partition(": ")
        if ended not in _HAD | _LESS:
            return None
        todo = f"see what is missing and why; then: bulkhead retry {action.id}" if ended in _LESS else ""
        said = (missing or detail)[:300]
        return action.to(State(ended), self._ports.clock.now(), detail=said, todo=todo, artefacts=artefacts)

    def _refused(self, entry: Entry[Action], error: BulkheadError, desk: Desk, *, sealing: bool) -> None:
        """What cannot be had now is tried again, from its link on; what cannot be had is left to a person."""
        action, now = entry.value, self._ports.clock.now()
        service = Service.DOWNLOADS if isinstance(error, Incomplete) else desk.at
        responder = self._ports.responders[action.responder]
        asked = Asked.PACKAGE if _PACKAGE in responder.kinds else Asked.CALL
        row = refusal_of(error, service, asked, permissions=responder.permissions)
        often = bool(desk.run.broken) and action.fetches >= FETCHES  # each time it broke off, a link was asked for
        if isinstance(error, Throttled) and not often:
            wait = timedelta(seconds=error.retry_after or RETRY.total_seconds())
            fetches = max(int(sealing), action.fetches - (not desk.run.broken))  # the next call has to look for a seal
            self._again(entry, wait, told(row, error), fetches=fetches)
        elif error.cause in {Cause.TIME, *BROKEN} and desk.moved and now - action.since < SLOW_FOR:
            wait = timedelta(0) if error.cause is Cause.TIME else RETRY
            vain = min(action.fetches - 1, desk.again)  # what brought nothing is forgotten, but not what was begun anew
            self._again(entry, wait, told(row, error), fetches=max(int(sealing), vain))
        elif error.cause is Cause.TIME and not desk.whole:
            self._again(entry, timedelta(0), told(row, error), fetches=action.fetches - 1)
        elif (stops(row) or action.fetches >= FETCHES) and sealing and may_be_sealed(action, error, now):
            self._unsealed(entry, told(row, error))
        elif stops(row) or action.fetches >= FETCHES:
            if remembers(row):
                remember(self._ports, action.responder, row)
            ended = State.UNAVAILABLE if row.fate is Fate.UNAVAILABLE else State.FAILED
            detail, todo = self._given_up(action, row, error)
            detail = f"not archived: the download broke off again and again: {desk.run.broken}" if often else detail
            self._write(entry, self._closed(desk, action.to(ended, now, detail=detail, todo=todo)))
        else:
            wait = RETRY * 2 ** min(action.fetches - 1, DOUBLINGS)
            self._again(entry, wait, told(row, error), fetches=action.fetches)

    def _closed(self, desk: Desk, to: Action) -> Action:
        """The action that is given up, once what was gathered is sealed with what was not and why. Where that fails
        too, people have to know; and where an earlier call has sealed it, it ended as that says.
        """
        desk.run.last = True
        try:
            desk.run.close(str(to.state), missing=to.detail)
        except (Transient, Rejected) as error:
            log.warning("the run %s cannot be sealed: %s", desk.run.folder, error)
            return unsealed(to)
        sealed = self._as_sealed(to, desk)
        return sealed if sealed and sealed.state is not to.state else to

    def _given_up(self, action: Action, row: Refusal, error: BulkheadError) -> tuple[str, str]:
        """What the ledger keeps, and what a person should do: a package is still to be had by hand for a while."""
        kinds = self._ports.responders[action.responder].kinds
        said = f"not archived: {told(row, error)}" if kinds else told(row, error)
        by_hand = TABLE[Service.DEFENDER, "package-not-ready"].todo if _PACKAGE in kinds else ""
        return said, row.todo if by_hand in row.todo else f"{by_hand}; {row.todo}"

    def _again(self, entry: Entry[Action], wait: timedelta, detail: str, *, fetches: int) -> None:
        """Have it taken up again after `wait`. `fetches` is how many downloads count by then."""
        due = self._ports.clock.now() + wait
        self._write(entry, entry.value.model_copy(update={"due": due, "fetches": fetches, "detail": detail[:300]}))

    def _write(self, entry: Entry[Action], to: Action) -> None:
        to = to.model_copy(update={"due": None}) if to.state.final else to  # its run is as it will stay
        if settle(self._ports, entry, to):
            tell(self._ports, to)


def unheard(action: Action, now: datetime) -> Action:
    """The action once its workers ended too often without a word: else it would be taken up for ever. Pure."""
    detail = f"not archived: {WITHOUT_A_WORD} workers began on it and ended without a word"
    todo = f"see in the log why they end; then: bulkhead retry {action.id}"
    return action.to(State.FAILED, now, detail=detail, todo=todo)


def after(action: Action, gathered: Gathered, now: datetime) -> Action:
    """The action after a look at what its machine action left. Pure."""
    if isinstance(gathered, Finished):
        state = State.ELSEWHERE if action.foreign else State.SUCCEEDED
        return action.to(state, now, artefacts=gathered.artefacts, detail=gathered.detail[:300])
    kept = {"artefacts": gathered.artefacts or action.artefacts}
    if isinstance(gathered, NotObtainable):
        return action.to(State.UNAVAILABLE, now, **kept, detail=gathered.detail[:300], todo=gathered.todo)
    said = {"progress": gathered.progress, "detail": gathered.detail[:300]}
    on = {**kept, **said, "due": now + gathered.wait, "fetches": 0}
    if isinstance(gathered, Again):
        return action.model_copy(update=on)
    done = {"ended": (*action.ended, action.machine_action), "machine_action": "", "foreign": False}
    anew = {"before": action.attempt, "tries": 0, "doubts": 0, "timeouts": 0, "accepted_at": None}
    return action.to(State.PLANNED, now, **on, **done, **anew)


def _end_of(to: Action) -> tuple[str, str]:
    """What a run's seal says of its end, and what is missing from it."""
    if to.state in _LESS:
        return str(to.state), to.detail
    return ": ".join(filter(None, (str(to.state), to.detail))), ""


def in_a_row(action: Action, to: Action, now: datetime) -> Action:
    """What becomes of the action, if a row of the ledger holds that; else it has failed, and says so. Pure."""
    units = len(to.model_dump_json().encode("utf-16-le")) // 2
    if units <= MAX_TEXT_UNITS:
        return to
    detail = f"what is known of it does not fit into its row any more ({units} characters, {MAX_TEXT_UNITS} fit)"
    return action.to(State.FAILED, now, detail=detail, todo="have less of it collected at once")
