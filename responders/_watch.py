"""Read the incidents that changed, keep a snapshot of each, and queue a reference. Then, and only then, move on.

Pages come newest first and may shift while they are read; updates may become visible late. So readings overlap, an
hourly sweep reads a whole day again, and what counts as seen is only what the ledger holds as assessed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from responders._alarms import trouble
from responders._ports import INCIDENTS
from shared.errors import BulkheadError, Cause, Rejected, Throttled, Transient
from shared.models.incident import SEVERITIES, updated_of, version_of
from shared.models.lenient import text
from shared.models.progress import IncidentState, Watermark
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.clients.interface import IncidentPage

WATERMARK = "watermark"
SWEEP_BACK = timedelta(hours=24)
GRAVE = SEVERITIES["high"]
_TOO_LONG = "it is too long to be read, and is not answered; look at it in the Defender portal"
_TRIES = 5
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

log = logging.getLogger(__name__)


class Watch:
    """The reading side of the flow."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def run(self, stop: datetime) -> None:
        """Read up to the present, slice by slice, until `stop` at the latest. A trouble that may pass rises."""
        entry, more = self._ports.ledger.single(Watermark, WATERMARK) or self._begin(), True
        while more and self._ports.clock.now() < stop:
            entry, more = self._slice(entry, stop)

    def sweep(self, stop: datetime) -> None:
        """Read the last day again, for what became visible late."""
        entry = self._ports.ledger.single(Watermark, WATERMARK)
        if entry is None:
            return
        since = max(entry.value.floor, entry.value.until - SWEEP_BACK)
        while since < entry.value.until and self._ports.clock.now() < stop:
            until = min(since + self._ports.settings.WATCH_SLICE, entry.value.until)
            self._read(since, until, stop)
            since = until

    def _begin(self) -> Entry[Watermark]:
        """The first start: from now on, by the tenant's own clock."""
        since = self._ports.settings.WATCH_FROM or _believed(
            self._ports.incidents.changed(self._ports.clock.now()).date, self._ports.clock.now()
        )
        log.info("watching begins at %s", since.isoformat())
        try:
            self._ports.ledger.put_single(WATERMARK, Watermark(until=since, floor=since), "")
        except Conflict:
            log.info("another instance began to watch")
        entry = self._ports.ledger.single(Watermark, WATERMARK)
        if entry is None:
            raise Transient("the watermark was written and cannot be read")
        return entry

    def _slice(self, entry: Entry[Watermark], stop: datetime) -> tuple[Entry[Watermark], bool]:
        """Read one slice and commit it. Gives the new watermark, and whether backlog is left. Where its pages do not
        come to an end in time, or within the budget, the next one is narrower, and that is a trouble like any other.
        """
        mark = entry.value
        widest = self._ports.settings.WATCH_SLICE
        width = min(timedelta(seconds=mark.slice_seconds), widest)
        backlog = self._ports.clock.now() - mark.until > width + self._ports.settings.WATCH_OVERLAP
        until = mark.until + width if backlog else None
        date = self._read(mark.until, until, stop)
        if date is None:
            narrower = max(60, int(width.total_seconds() / 2))
            self._commit(entry, mark.model_copy(update={"slice_seconds": narrower}))
            raise Transient("the time of one call, or the budget, ran out before all pages were read", cause=Cause.TIME)
        reached = until or _believed(date, self._ports.clock.now()) - self._ports.settings.WATCH_OVERLAP
        update = {
            "until": max(mark.until, reached),
            "slice_seconds": min(int(widest.total_seconds()), int(width.total_seconds()) * 2),
            "read_at": self._ports.clock.now(),
        }
        return self._commit(entry, mark.model_copy(update=update)), backlog

    def _commit(self, entry: Entry[Watermark], mark: Watermark) -> Entry[Watermark]:
        """Move the watermark, if nobody moved it meanwhile; whoever did has read as much as we have."""
        try:
            self._ports.ledger.put_single(WATERMARK, mark, entry.etag)
        except Conflict:
            log.info("another instance moved the watermark")
        return self._ports.ledger.single(Watermark, WATERMARK) or entry

    def _read(self, since: datetime, until: datetime | None, stop: datetime) -> datetime | None:
        """Read every page of a slice; the tenant's clock at its start, or None where time or calls ran out on the way.
        The gravest are queued at once, the others when all were seen.
        """
        began: datetime | None = None
        others: list[tuple[int, str]] = []
        try:
            for page in self._pages(since, until):
                began = began or page.date
                for raw in page.too_long:
                    trouble(self._ports, f"incident {incident_key(raw, version_of(raw))}", _TOO_LONG)
                for raw in sorted(page.incidents, key=_place):
                    taken = self._take(raw, page.date)
                    if taken and _severity(raw) < GRAVE:
                        others.append((-_severity(raw), taken))
                    elif taken:
                        self._ports.queues.send(INCIDENTS, taken)
                if page.next and self._ports.clock.now() >= stop:
                    return None
        except Throttled:
            if began is None:
                raise
            return None
        finally:
            for _, incident in sorted(others):
                self._ports.queues.send(INCIDENTS, incident)
        return began

    def _pages(self, since: datetime, until: datetime | None) -> Iterator[IncidentPage]:
        following = ""
        seen: set[str] = set()
        while True:
            page = self._ports.incidents.changed(since, until, following=following)
            yield page
            if not (following := page.next):
                return
            if following in seen:
                raise Transient("Graph leads from page to page in a circle", cause=Cause.CONTENT)
            seen.add(following)

    def _take(self, raw: Mapping[str, Any], date: datetime) -> str:
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
            version = _numbered(content, state)
            if state and (state.assessed == version or _older(updated, state)):
                return ""
            soon = self._ports.clock.now() + self._ports.settings.NUDGE_AFTER
            if state and state.seen == version and self._ports.ledger.reminded(incident, soon):
                return ""
            if state is None or state.seen != version:
                later = state is not None and updated != state.updated
                seen = self._kept(raw, content, self._seen(state, incident, version, updated, date), later=later)
                version = seen.seen
                try:
                    self._ports.ledger.put_incident(seen, entry.etag if entry else "")
                except Conflict:
                    continue
            self._ports.ledger.remind(incident, soon)
            log.info("incident %s: version %s queued", incident, version)
            return incident
        raise BulkheadError(f"incident {incident}: its row kept changing while it was read")

    def _kept(self, raw: Mapping[str, Any], content: str, state: IncidentState, *, later: bool) -> IncidentState:
        """Keep the snapshot of what is seen. Content that comes back by a `later` update gets another name: under its
        first one lies the plan of then, which does not know what was done about the incident since.
        """
        while not self._ports.documents.create(snapshot_name(state.id, state.seen), _canonical(raw)) and later:
            state = state.model_copy(update={"returned": state.returned + 1})
            state = state.model_copy(update={"seen": _numbered(content, state)})
        return state

    def fetch(self, incident: str) -> None:
        """Take up an incident that no reading has shown yet, such as an old one into which a new one was merged. Raises
        Transient where it cannot be read now.
        """
        try:
            raw = self._ports.incidents.get(incident, alerts=True)
        except Rejected as error:
            log.warning("incident %s cannot be read: %s", incident, error)
            return
        if self._take(raw, self._ports.clock.now()):
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
        if entry and _older(updated, entry.value):
            raise Transient(f"incident {incident}: what was read is older than what is known", 5.0)
        state = self._seen(entry.value if entry else None, incident, "", updated, now)
        state = state.model_copy(update={"reassessed": (*state.reassessed, order)})
        state = state.model_copy(update={"seen": _numbered(version_of(raw), state)})
        self._ports.documents.create(snapshot_name(incident, state.seen), _canonical(raw))
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


def _believed(date: datetime, now: datetime) -> datetime:
    """The tenant's clock, unless it differs from storage's by more than a day: a watermark of another year would pass
    over whatever happens until then.
    """
    if abs(date - now) <= SWEEP_BACK:
        return date
    log.warning("the tenant says that it is %s; not believed", date.isoformat())
    return now


def _severity(raw: Mapping[str, Any]) -> int:
    """The rank by which a page's incidents are queued, so that in a storm the gravest are assessed first."""
    return SEVERITIES.get(text(raw.get("severity")).lower(), 0)


def _place(raw: Mapping[str, Any]) -> tuple[bool, int]:
    """Sorts merged incidents to the front, so that whoever assesses the incident that goes on knows what was done for
    them; then the gravest.
    """
    return (not text(raw.get("redirectIncidentId")), -_severity(raw))


def merge_target(raw: Mapping[str, Any], incident: str) -> str:
    """The incident that this one was merged into; empty where there is none, or none whose id can be used."""
    target = text(raw.get("redirectIncidentId"))
    return target if is_key(target) and target != incident else ""


def _numbered(content: str, state: IncidentState | None) -> str:
    """The version of an incident: its content, and how often people had it assessed anew, or it came back, by then."""
    number = len(state.reassessed) + state.returned if state else 0
    return f"{content}-{number}" if number else content


def _older(updated: datetime | None, state: IncidentState) -> bool:
    """Whether a page tells of a state that a newer page has overtaken."""
    return bool(updated and state.updated and updated < state.updated)


def is_key(incident: str) -> bool:
    """Whether an incident's id is one that can stand in a row key or name."""
    return bool(_ID.fullmatch(incident))


def incident_key(raw: Mapping[str, Any], version: str) -> str:
    """The incident's id where it is one that can stand in a row key or name; else a name made from it."""
    named = text(raw.get("id"))
    if is_key(named):
        return named
    return f"x-{hashlib.sha256(named.encode()).hexdigest()[:16] if named else version[:16]}"


def snapshot_name(incident: str, version: str) -> str:
    """Where the snapshot of a version lies."""
    return f"{incident}/{version}/incident.json"


def _canonical(raw: Mapping[str, Any]) -> bytes:
    return json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
