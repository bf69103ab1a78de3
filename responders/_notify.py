"""Tell people: chat channels, and the incident's own tag and comment.

A notice is written down before it is sent and marked sent after. Where the sender vanished in between, it is sent again
and says that it may be a repeat. A channel that is gone never delays the others, and containment least of all.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._notices import FINAL, STARTED, compose, digest_of, due_kind
from responders._ports import INCIDENTS, NOTIFY
from responders._rendering import RENDERERS, comment
from shared.errors import Rejected, Throttled, Transient
from shared.models.action import Notice, State
from shared.models.incident import OWN_TAG
from shared.models.lenient import records, texts
from shared.models.plan import Plan
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._ledger import Entry
    from responders._notices import Message
    from responders._ports import Ports
    from shared.models.action import Action, IncidentState

STALE = timedelta(minutes=2)
"""How long a notice may be *sending* before its sender is taken for dead."""

ATTEMPTS = 20
DEFENDER = "defender"
SENT, SENDING, FAILED = "sent", "sending", "failed"
_LATEST = timedelta(minutes=10)
_KINDS = 6

log = logging.getLogger(__name__)


class Notify:
    """The telling side of the flow."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def run(self, incident: str) -> None:
        """Tell whatever is due about an incident, and arrange for the next look at it."""
        reminder = self._ports.ledger.reminder(incident)
        for _ in range(_KINDS):
            entry = self._ports.ledger.incident(incident)
            if entry is None:
                return
            state = entry.value
            if state.assessed != state.seen:
                self._ports.queues.send(INCIDENTS, incident)
                return
            actions = self._actions(state)
            notices = self._ports.ledger.notices(incident)
            waits = self._pending(state, actions, notices)
            told = [notice.value for notice in notices]
            kind, chapter = due_kind(state, actions, told, self._ports.clock.now(), self._contains)
            if not kind:
                self._next_look(state, actions, reminder, min(waits, default=None))
                return
            self._open(state, actions, kind, chapter)

    def _contains(self, action: Action) -> bool:
        responder = self._ports.responders.get(action.responder)
        return bool(responder and responder.contains)

    def _actions(self, state: IncidentState) -> list[Action]:
        """The incident's actions; while observing, also those of the plan, as what would have been done."""
        actions = self._ports.ledger.actions(state.id)
        if state.mode != "observe":
            return actions
        data = self._ports.documents.read(f"{state.id}/{state.assessed}/plan.json")
        known = {action.key for action in actions}
        for action in Plan.model_validate_json(data).actions if data else ():
            if action.key not in known:
                seen = State.OBSERVED if action.state is State.PLANNED else action.state
                actions.append(action.model_copy(update={"state": seen}))
        return actions

    def _channels(self, state: IncidentState, kind: str) -> list[str]:
        """Where a kind is told. Defender's own incident only hears of it where we may touch the tenant."""
        touch = state.mode == "respond" and self._ports.settings.respond and not state.id.startswith("x-")
        return [*self._ports.chats, *([DEFENDER] if touch and kind in {STARTED, FINAL} else ["ledger"])]

    def _open(self, state: IncidentState, actions: Sequence[Action], kind: str, chapter: int) -> None:
        """Write a notice down for every channel, then send each."""
        now = self._ports.clock.now()
        digest = digest_of(actions)
        for channel in self._channels(state, kind):
            notice = Notice(chapter=chapter, kind=kind, channel=channel, state=SENDING, since=now, digest=digest)
            try:
                entry = self._ports.ledger.put_notice(state.id, notice, "")
            except Conflict:
                continue
            self._send(state, actions, entry)

    def _pending(
        self, state: IncidentState, actions: Sequence[Action], notices: Sequence[Entry[Notice]]
    ) -> list[timedelta]:
        """Send again what was begun and never marked sent. Gives the waits of what is still to be sent."""
        now = self._ports.clock.now()
        waits: list[timedelta] = []
        for entry in notices:
            notice = entry.value
            if notice.state != SENDING:
                continue
            if now < notice.since + STALE:
                waits.append(notice.since + STALE - now)
                continue
            again = notice.model_copy(update={"attempts": notice.attempts + 1, "since": now})
            try:
                entry = self._ports.ledger.put_notice(state.id, again, entry.etag)  # noqa: PLW2901 - the row as it is now
            except Conflict:
                continue
            waits += self._send(state, actions, entry)
        return waits

    def _send(self, state: IncidentState, actions: Sequence[Action], entry: Entry[Notice]) -> list[timedelta]:
        """Send one notice on one channel and write down how it went."""
        notice = entry.value
        full = self._ports.settings.NOTIFY_DETAIL == "full"
        message = compose(notice.kind, state, actions, self._contains, full=full, repeat=notice.attempts > 1)
        try:
            self._deliver(state, notice, message)
        except Throttled as error:
            wait = timedelta(seconds=max(1.0, error.retry_after or STALE.total_seconds()))
            # It was not told, so that this is no attempt, and the next one no repeat.
            self._mark(state, entry, SENDING, str(error), wait, notice.attempts - 1)
            return [wait]
        except Transient as error:
            log.warning("incident %s: %s on %s has to wait: %s", state.id, notice.kind, notice.channel, error)
            if notice.attempts < ATTEMPTS:
                wait = timedelta(seconds=error.retry_after) if error.retry_after else STALE
                # the row stays "sending" and is taken up again when it is stale: no earlier than the wait
                self._mark(state, entry, SENDING, str(error), wait)
                return [max(wait, timedelta(seconds=1))]
            self._mark(state, entry, FAILED, str(error))
        except Rejected as error:
            log.error("incident %s: %s cannot be told on %s: %s", state.id, notice.kind, notice.channel, error)  # noqa: TRY400 - the error is told whole
            self._mark(state, entry, FAILED, str(error))
        else:
            log.info("incident %s: %s told on %s", state.id, notice.kind, notice.channel)
            self._mark(state, entry, SENT, "")
        return []

    def _mark(
        self,
        state: IncidentState,
        entry: Entry[Notice],
        how: str,
        detail: str,
        wait: timedelta | None = None,
        attempts: int | None = None,
    ) -> None:
        since = self._ports.clock.now() - (STALE - wait if wait else timedelta(0))
        counted = entry.value.attempts if attempts is None else attempts
        update = {"state": how, "detail": detail[:300], "since": since, "attempts": counted}
        try:
            self._ports.ledger.put_notice(state.id, entry.value.model_copy(update=update), entry.etag)
        except Conflict:
            log.info("incident %s: another worker told %s", state.id, entry.value.kind)

    def _deliver(self, state: IncidentState, notice: Notice, message: Message) -> None:
        if notice.channel == DEFENDER:
            self._defender(state, notice, message)
        elif notice.channel in self._ports.chats:
            self._ports.chats[notice.channel].post(RENDERERS[notice.channel](message))

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
        open_actions = [action for action in actions if not action.state.settled]
        try:
            if retry is not None:
                self._ports.ledger.remind(state.id, now + retry)
            elif open_actions:
                quiet = now - max(action.since for action in open_actions)
                wait = min(_LATEST, max(self._ports.settings.NUDGE_AFTER, quiet / 10))
                self._ports.ledger.remind(state.id, now + wait)
            elif reminder:
                self._ports.ledger.forget(state.id, reminder)
        except Conflict:
            self._ports.queues.send(NOTIFY, state.id)
