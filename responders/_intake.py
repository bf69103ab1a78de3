"""Take up one incident: a snapshot, its row, a reminder; and read it by itself where no list shows it whole.

What cannot be read now is reminded of under a name of its own, so that it comes back whatever the watermark has passed,
and holds up no other.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from responders._alarms import lasting_since, over, trouble
from responders._ports import INCIDENTS
from responders._versions import (
    canonical,
    incident_key,
    is_key,
    merge_target,
    numbered,
    older,
    patience,
    snapshot_name,
)
from shared.errors import BulkheadError, Cause, NotFound, Rejected, Throttled, Transient
from shared.models.incident import updated_of, version_of
from shared.models.lenient import text
from shared.models.progress import IncidentState
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from responders._ports import Ports

UNREAD = "unread~"
"""Before an incident's id in a reminder, and in its message: it is to be read, not to be assessed."""

LATEST = timedelta(hours=1)
"""How rarely an incident that cannot be read is tried again at the most."""

GONE = timedelta(days=1)
"""How long an incident may be unknown to Graph before it counts as gone."""

_TRIES = 5
_WHAT_NOW = "it is not answered until it can be, and tried again; look at it in the Defender portal"

log = logging.getLogger(__name__)


class Intake:
    """Single incidents on their way into the ledger."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def take(self, raw: Mapping[str, Any], date: datetime) -> str:
        """Snapshot an incident, write its row, have it looked at: in this order, so that a crash anywhere leaves
        nothing that the next reading would take for seen. Gives its id where it is to be queued.
        """
        content = version_of(raw)
        incident = incident_key(raw, content)
        if target := merge_target(raw, incident):
            self._ports.ledger.absorb(target, incident, self._ports.clock.now())
        updated = updated_of(raw, date)
        for _ in range(_TRIES):
            entry = self._ports.ledger.incident(incident)
            state = entry.value if entry else None
            version = numbered(content, state)
            if state and (state.assessed == version or older(updated, state)):
                return ""
            soon = self._ports.clock.now() + self._ports.settings.NUDGE_AFTER
            if state and state.seen == version and self._ports.ledger.reminded(incident, soon):
                return ""
            if state is None or state.seen != version:
                seen = self._kept(raw, content, self._seen(state, incident, version, updated, date), state)
                if seen is None:
                    return ""
                version = seen.seen
                try:
                    self._ports.ledger.put_incident(seen, entry.etag if entry else "")
                except Conflict:
                    continue
            self._ports.ledger.remind(incident, soon)
            log.info("incident %s: version %s queued", incident, version)
            return incident
        raise BulkheadError(f"incident {incident}: its row kept changing while it was read")

    def _kept(
        self, raw: Mapping[str, Any], content: str, state: IncidentState, before: IncidentState | None
    ) -> IncidentState | None:
        """Keep the snapshot of what is seen. Content that comes back gets another name, be it by an update or since
        Graph's replicas disagree for a while: under its first one lies the plan of then, which does not know what was
        done, or taken back, about the incident since. None where it comes back too soon: a later reading takes it.
        """
        while not self._ports.documents.create(snapshot_name(state.id, state.seen), canonical(raw)):
            if before and state.seen_at - before.seen_at < patience(before):
                return None
            state = state.model_copy(update={"returned": state.returned + 1})
            state = state.model_copy(update={"seen": numbered(content, state)})
        return state

    def bare(self, raw: Mapping[str, Any], date: datetime) -> str:
        """See to it that an incident which a list shows without its alerts is read by itself, unless what is known is
        as new: by a call of its own, so that it holds up no other. Gives what is to be queued for that.
        """
        incident = text(raw.get("id"))
        if not is_key(incident):
            self._told(incident_key(raw, version_of(raw)), "it has no id by which it could be read")
            return ""
        to_read = f"{UNREAD}{incident}"
        if self._ports.ledger.reminder(to_read) or self._is_known(incident, updated_of(raw, date)):
            return ""
        self._ports.ledger.remind(to_read, self._ports.clock.now() + self._ports.settings.NUDGE_AFTER)
        return to_read

    def _is_known(self, incident: str, updated: datetime | None) -> bool:
        """Whether an incident is known as it was at its last update, and looked after."""
        entry = self._ports.ledger.incident(incident)
        if entry is None or updated is None or entry.value.updated is None or updated > entry.value.updated:
            return False
        soon = self._ports.clock.now() + self._ports.settings.NUDGE_AFTER
        return entry.value.assessed == entry.value.seen or self._ports.ledger.reminded(incident, soon)

    def read(self, incident: str) -> str:
        """Read an incident that is to be read by itself, and take it up. Gives its id where it is to be assessed. Where
        it cannot be read now, its reminder brings it back.
        """
        kind, now = _kind(incident), self._ports.clock.now()
        if not self._ports.ledger.reminder(f"{UNREAD}{incident}"):
            return ""
        taken = ""
        try:
            raw = self._ports.incidents.get(incident, alerts=True)
        except Throttled as error:
            wait = timedelta(seconds=error.retry_after or 0)
            self._ports.ledger.remind(f"{UNREAD}{incident}", now + max(wait, self._ports.settings.NUDGE_AFTER))
            return ""
        except (Transient, Rejected) as error:
            since = lasting_since(self._ports, kind) or now
            if not isinstance(error, NotFound) or now - since < GONE:
                self._leave(incident, error)
                return ""
            log.warning("incident %s is gone: %s", incident, error)
        else:
            taken = self.take(raw, now) or self._nothing_new(incident, raw, updated_of(raw, now))
        with contextlib.suppress(Conflict):
            if etag := self._ports.ledger.reminder(f"{UNREAD}{incident}"):
                self._ports.ledger.forget(f"{UNREAD}{incident}", etag)
        over(self._ports, kind)
        return taken

    def _nothing_new(self, incident: str, raw: Mapping[str, Any], updated: datetime | None) -> str:
        """Note an update that brought nothing new, such as a comment of ours, so that it is read once only."""
        entry = self._ports.ledger.incident(incident)
        if entry and updated and entry.value.seen == numbered(version_of(raw), entry.value):
            with contextlib.suppress(Conflict):
                self._ports.ledger.put_incident(entry.value.model_copy(update={"updated": updated}), entry.etag)
        return ""

    def _leave(self, incident: str, error: Transient | Rejected) -> None:
        """Have an incident that cannot be read now read again: soon at first, then ever more rarely."""
        now, least = self._ports.clock.now(), self._ports.settings.NUDGE_AFTER
        since = lasting_since(self._ports, _kind(incident)) or now
        self._ports.ledger.remind(f"{UNREAD}{incident}", now + max(least, min(LATEST, (now - since) / 4)))
        passing = isinstance(error, Transient | NotFound) and error.cause is not Cause.LONG
        self._told(incident, str(error), self._ports.settings.WATCH_ALARM if passing else timedelta(0))

    def _told(self, incident: str, why: str, lasting: timedelta = timedelta(0)) -> None:
        said = f"incident {incident} cannot be read with its alerts: {why}; {_WHAT_NOW}"
        trouble(self._ports, _kind(incident), said, lasting=lasting)

    def fetch(self, incident: str) -> None:
        """Take up an incident that no reading has shown yet, such as an old one into which a new one was merged. It is
        left for later where it cannot be read now. Raises Throttled.
        """
        try:
            raw = self._ports.incidents.get(incident, alerts=True)
        except Throttled:
            raise
        except Transient as error:
            self._leave(incident, error)
        except Rejected as error:
            log.warning("incident %s cannot be read: %s", incident, error)
        else:
            if self.take(raw, self._ports.clock.now()):
                self._ports.queues.send(INCIDENTS, incident)

    def again(self, incident: str, order: str) -> IncidentState:
        """Read one incident anew and have it assessed, once for an order, though its content be the same. Gives how far
        it has come. Raises NotFound, and Transient where it cannot be read now, or keeps changing.
        """
        entry = self._ports.ledger.incident(incident)
        if entry and order in entry.value.reassessed:
            if entry.value.assessed != entry.value.seen:
                self._queued(incident)
            return entry.value
        raw = self._ports.incidents.get(incident, alerts=True)
        updated = updated_of(raw, now := self._ports.clock.now())
        if entry and older(updated, entry.value):
            raise Transient(f"incident {incident}: what was read is older than what is known", 5.0)
        state = self._seen(entry.value if entry else None, incident, "", updated, now)
        state = state.model_copy(update={"reassessed": (*state.reassessed, order)})
        state = state.model_copy(update={"seen": numbered(version_of(raw), state)})
        self._ports.documents.create(snapshot_name(incident, state.seen), canonical(raw))
        try:
            self._ports.ledger.put_incident(state, entry.etag if entry else "")
        except Conflict:
            raise Transient(f"incident {incident}: its row changed while it was read", 5.0) from None
        self._queued(incident)
        return state

    def _queued(self, incident: str) -> None:
        """Have an incident assessed, whatever becomes of the message."""
        self._ports.ledger.remind(incident, self._ports.clock.now() + self._ports.settings.NUDGE_AFTER)
        self._ports.queues.send(INCIDENTS, incident)

    def _seen(
        self, state: IncidentState | None, incident: str, version: str, updated: datetime | None, date: datetime
    ) -> IncidentState:
        now = self._ports.clock.now()
        if state:
            return state.model_copy(update={"seen": version, "updated": updated, "seen_at": now})
        return IncidentState(id=incident, seen=version, updated=updated, shown_at=date, seen_at=now)


def _kind(incident: str) -> str:
    """The trouble that an incident cannot be read."""
    return f"unread incident {incident}"
