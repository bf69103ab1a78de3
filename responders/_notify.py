"""Tell people: chat channels, and the incident's own tag and comment.

A notice is written down for all its channels at once, then claimed, sent and marked sent on each. Where the sender
vanished in between, it is sent again and says that it may be a repeat. A channel that is gone never delays the others,
and containment least of all.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._afterwards import all_over
from responders._alarms import over, trouble
from responders._entries import Entry, plan_of
from responders._notices import (
    FINAL,
    STARTED,
    WAITING,
    Telling,
    breather,
    chapter_of,
    compose,
    digest_of,
    due_kind,
)
from responders._ports import INCIDENTS, NOTIFY, PAGER, REPORT
from responders._refusal import Fate, Service
from responders._refusals import refusal_of, told
from responders._rendering import PLAIN, RENDERERS, comment
from responders._repeats import ASKED, FAILED, LEFT, OPEN, SENDING, SENT, STALE, left_out, said_before, under_way
from responders._waking import newest_waiting, page_due
from shared.errors import Rejected, Throttled, Transient
from shared.models.action import State
from shared.models.incident import OWN_TAG
from shared.models.lenient import records, texts
from shared.models.progress import Notice
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._notices import Message
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.progress import IncidentState

ATTEMPTS = 40
OFTEN, DOUBLINGS = 10, 4
"""Attempts that follow one another after `STALE`, and how often that is doubled afterwards: a chat may be away for a
night, and the summary of that night is to be read in the morning.
"""

DEFENDER = "defender"
SERVICES = {"slack": Service.SLACK, "teams": Service.TEAMS, PAGER: Service.PAGER, DEFENDER: Service.GRAPH}
ROLES = ("SecurityIncident.ReadWrite.All",)
_LATEST = timedelta(minutes=10)
_KINDS = 6

log = logging.getLogger(__name__)


class Notify:
    """The telling side of the flow."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports
        self._busy: dict[str, datetime] = {}

    def run(self, incident: str) -> None:
        """Tell whatever is due about an incident, have its report made, and arrange for the next look at it."""
        reminder = self._ports.ledger.reminder(incident)
        for _ in range(_KINDS):
            # What was told is read first: who wrote that down knew nothing newer than what is read now.
            notices = self._ports.ledger.notices(incident)
            entry = self._ports.ledger.incident(incident)
            if entry is None:
                return
            state = entry.value
            if state.assessed != state.seen:
                self._ports.queues.send(INCIDENTS, incident)
                return
            actions = self._actions(state)
            met = self._pending(state, actions, notices)
            if met is None:
                continue
            waits, told = met
            due, pause = self._due(state, actions, told)
            if not due:
                self._ports.queues.send(REPORT, incident)
                self._next_look(state, actions, reminder, min([*waits, *pause], default=None))
                return
            self._open(state, actions, due)
        self._ports.queues.send(NOTIFY, incident)

    def _actions(self, state: IncidentState) -> list[Action]:
        """The incident's actions; while observing, also those of the plan, as what would have been done."""
        actions = self._ports.ledger.actions(state.id)
        if state.mode != "observe":
            return actions
        plan = plan_of(self._ports.documents, state)
        known = {action.key for action in actions}
        for action in plan.actions if plan else ():
            if action.key not in known:
                seen = State.OBSERVED if action.state is State.PLANNED else action.state
                actions.append(action.model_copy(update={"state": seen}))
        return actions

    def _due(
        self, state: IncidentState, actions: Sequence[Action], told: Sequence[Notice]
    ) -> tuple[list[tuple[str, int]], list[timedelta]]:
        """The kinds that are to be told now, each with its chapter, and how long an end still waits. Somebody is woken
        where something has begun to wait for a person since somebody was woken last.
        """
        contained = [action for action in actions if self._ports.contains(action)]
        page = page_due(contained, told) if PAGER in self._ports.chats and state.mode == "respond" else ""
        kind, chapter = due_kind(state, actions, told, now := self._ports.clock.now(), self._ports.contains)
        pause = breather(told, now) if kind == FINAL else []
        every = ((page, chapter_of(told)), ("" if pause else kind, chapter))
        return [(each, at) for each, at in every if each], pause

    def _channels(self, state: IncidentState, kind: str) -> list[str]:
        """Where a kind is told. Defender's own incident only hears of it where we may touch the tenant."""
        touch = state.mode == "respond" and self._ports.settings.respond and not state.id.startswith("x-")
        if kind.startswith(WAITING):
            return [PAGER]
        chats = [name for name in self._ports.chats if name != PAGER]
        return [*chats, *([DEFENDER] if touch and kind in {STARTED, FINAL} else ["ledger"])]

    def _open(self, state: IncidentState, actions: Sequence[Action], due: Sequence[tuple[str, int]]) -> None:
        """Write down what is to be told, for every channel at once, so that none is forgotten whatever happens."""
        made = Notice(chapter=0, kind="", channel="", state=OPEN, since=self._ports.clock.now(), attempts=0)
        every = [
            made.model_copy(update={"chapter": chapter, "kind": kind, "channel": channel} | self._tells(actions))
            for kind, chapter in due
            for channel in self._channels(state, kind)
        ]
        try:
            self._ports.ledger.open_notices(state.id, every)
        except Conflict:
            log.info("incident %s: another worker opened %s", state.id, due)

    def _tells(self, actions: Sequence[Action]) -> dict[str, object]:
        """What a notice that tells of these actions remembers of them."""
        newest = newest_waiting(list(filter(self._ports.contains, actions)))
        return {"digest": digest_of(actions), "newest": newest}

    def _pending(
        self, state: IncidentState, actions: Sequence[Action], notices: Sequence[Entry[Notice]]
    ) -> tuple[list[timedelta], list[Notice]] | None:
        """Send what is open, and again what was begun and never marked sent. Gives the waits of what is still to be
        sent, and each notice with what it tells by now; None where another worker tells one at this moment.
        """
        waits: list[timedelta] = []
        told, tells = [entry.value for entry in notices], self._tells(actions)
        taken = under_way(told)
        for place, entry in enumerate(notices):
            notice, now = entry.value, self._ports.clock.now()
            if not notice.pending:
                continue
            free = max(self._busy.get(notice.channel, now), taken.get(notice.channel, now))
            if notice.state == SENDING:
                free = max(free, notice.since + STALE)
            if now < free:
                waits.append(free - now)
                continue
            ended = all_over(actions, now)
            touches = notice.channel == DEFENDER and not self._ports.settings.respond  # it was switched since
            why = left_out(notice, told, ended=state.mode == "observe" and ended, touches=touches)
            if why:
                if not self._mark(state, entry, LEFT, why):
                    return None
                continue
            told[place] = notice = notice.model_copy(update=tells)
            same = said_before(notice, told, ended=ended)
            if same and not notice.attempts and (same.state == SENT or notice.kind != FINAL):  # an end follows
                self._mark(state, Entry(notice, entry.etag), LEFT, "the summary before it told the same")
                continue
            claim = {"state": SENDING, "attempts": notice.attempts + 1, "since": now, "detail": ""}
            try:
                claimed = self._ports.ledger.put_notice(state.id, notice.model_copy(update=claim), entry.etag)
            except Conflict:
                return None
            told[place] = claimed.value
            waits += self._send(state, actions, claimed, again=same is not None)
        return waits, told

    def _send(
        self, state: IncidentState, actions: Sequence[Action], entry: Entry[Notice], *, again: bool
    ) -> list[timedelta]:
        """Send one notice on one channel and write down how it went. It may be told `again`."""
        notice = entry.value
        told = Telling.of(self._ports.settings)
        repeat = again or notice.attempts > 1
        message = compose(notice.kind, state, actions, self._ports.contains, telling=told, repeat=repeat)
        try:
            self._deliver(state, notice, message)
        except Throttled as error:
            wait = timedelta(seconds=max(1.0, error.retry_after or STALE.total_seconds()))
            self._busy[notice.channel] = self._ports.clock.now() + wait  # whatever else is to be told there
            # It was not told, so that this is no attempt, and the next one no repeat.
            self._mark(state, entry, SENDING, f"{ASKED}{error}", wait, notice.attempts - 1)
            return [wait]
        except (Transient, Rejected) as error:
            return self._untold(state, entry, error)
        else:
            log.info("incident %s: %s told on %s", state.id, notice.kind, notice.channel)
            self._mark(state, entry, SENT, "")
            if notice.channel in SERVICES:
                over(self._ports, f"channel {notice.channel}")
        return []

    def _untold(self, state: IncidentState, entry: Entry[Notice], error: Transient | Rejected) -> list[timedelta]:
        """A notice that was not taken: to be sent again, or given up, and then somebody is told elsewhere."""
        notice = entry.value
        row = refusal_of(error, SERVICES[notice.channel], permissions=ROLES)
        said = told(row, error)
        log.warning("incident %s: %s not told on %s: %s", state.id, notice.kind, notice.channel, said)
        if (isinstance(error, Transient) or row.fate is Fate.AGAIN) and notice.attempts < ATTEMPTS:
            asked = error.retry_after if isinstance(error, Transient) else None
            wait = timedelta(seconds=asked) if asked else STALE * 2 ** min(max(0, notice.attempts - OFTEN), DOUBLINGS)
            # the row stays "sending" and is taken up again when it is stale: no earlier than the wait
            self._mark(state, entry, SENDING, said, wait)
            return [max(wait, timedelta(seconds=1))]
        self._mark(state, entry, FAILED, said)
        lost = f"{notice.kind} of incident {state.id} could not be told on {notice.channel}"
        trouble(self._ports, f"channel {notice.channel}", f"{lost}: {said}; {row.todo}")
        return []

    def _mark(
        self,
        state: IncidentState,
        entry: Entry[Notice],
        how: str,
        detail: str,
        wait: timedelta | None = None,
        attempts: int | None = None,
    ) -> bool:
        """Write down how a notice stands; whether no other worker did so meanwhile."""
        since = self._ports.clock.now() - (STALE - wait if wait else timedelta(0))
        counted = entry.value.attempts if attempts is None else attempts
        update = {"state": how, "detail": detail[:300], "since": since, "attempts": counted}
        try:
            self._ports.ledger.put_notice(state.id, entry.value.model_copy(update=update), entry.etag)
        except Conflict:
            log.info("incident %s: another worker told %s", state.id, entry.value.kind)
            return False
        return True

    def _deliver(self, state: IncidentState, notice: Notice, message: Message) -> None:
        if notice.channel == DEFENDER:
            self._defender(state, notice, message)
        elif notice.channel in self._ports.chats:
            self._post(notice.channel, message)

    def _post(self, channel: str, message: Message) -> None:
        """A message that the channel finds wrong is told in a plainer form, once."""
        chat = self._ports.chats[channel]
        try:
            chat.post(RENDERERS[channel](message))
        except Rejected as error:
            if refusal_of(error, SERVICES[channel]).fate is not Fate.OTHERWISE:
                raise
            log.warning("incident %s: %s takes no such message (%s); told plainly", message.incident, channel, error)
            chat.post(PLAIN[channel](message))

    def _defender(self, state: IncidentState, notice: Notice, message: Message) -> None:
        """A tag when it starts, a comment when it ends; neither twice. Tags are read, added to and written back, since
        the API replaces them all.
        """
        raw = self._ports.incidents.get(state.id)
        tags = texts(raw.get("customTags"))
        if OWN_TAG not in tags:
            self._ports.incidents.set_tags(state.id, [*tags, OWN_TAG])
        if notice.kind != FINAL:
            return
        marker = self._ports.marker(state.id, f"final-{notice.chapter}")
        comments = records(raw.get("comments"))
        if not any(marker in str(each.get("comment")) for each in comments if isinstance(each, dict)):
            self._ports.incidents.comment(state.id, comment(message, marker))

    def _next_look(
        self, state: IncidentState, actions: Sequence[Action], reminder: str, retry: timedelta | None
    ) -> None:
        """Drop the reminder of an incident that is done with; else set it, the later the longer nothing happens."""
        now = self._ports.clock.now()
        looks = [] if retry is None else [retry]
        open_actions = [action for action in actions if not action.state.settled]
        if open_actions:
            quiet = now - max(action.since for action in open_actions)
            looks.append(min(_LATEST, max(self._ports.settings.NUDGE_AFTER, quiet / 10)))
        try:
            if looks:
                self._ports.ledger.remind(state.id, now + min(looks))
            elif reminder:
                self._ports.ledger.forget(state.id, reminder)
        except Conflict:
            self._ports.queues.send(NOTIFY, state.id)
