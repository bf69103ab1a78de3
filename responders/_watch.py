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

from responders._ports import INCIDENTS
from shared.errors import BulkheadError, Transient
from shared.models.action import IncidentState, Watermark
from shared.models.incident import SEVERITIES, version_of
from shared.models.lenient import instant, text
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from responders._ledger import Entry
    from responders._ports import Ports
    from shared.clients.interface import IncidentPage

WATERMARK = "watermark"
SWEEP_BACK = timedelta(hours=24)
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
        entry = self._ports.ledger.single(Watermark, WATERMARK) or self._begin()
        while self._ports.clock.now() < stop:
            entry, more = self._slice(entry, stop)
            if not more:
                return

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
        since = self._ports.settings.WATCH_FROM
        if since is None:
            since = self._ports.incidents.changed(self._ports.clock.now()).date
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
        """Read one slice and commit it. Gives the new watermark, and whether backlog is left."""
        mark = entry.value
        widest = self._ports.settings.WATCH_SLICE
        width = min(timedelta(seconds=mark.slice_seconds), widest)
        backlog = self._ports.clock.now() - mark.until > width + self._ports.settings.WATCH_OVERLAP
        until = mark.until + width if backlog else None
        date = self._read(mark.until, until, stop)
        if date is None:
            narrower = max(60, int(width.total_seconds() / 2))
            return self._commit(entry, mark.model_copy(update={"slice_seconds": narrower})), False
        reached = until or date - self._ports.settings.WATCH_OVERLAP
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
        """Read every page of a slice; the tenant's clock at its start, or None where time ran out."""
        began: datetime | None = None
        for page in self._pages(since, until):
            began = began or page.date
            for raw in sorted(page.incidents, key=_severity, reverse=True):
                self._take(raw, page.date)
            if page.next and self._ports.clock.now() >= stop:
                return None
        return began

    def _pages(self, since: datetime, until: datetime | None) -> Iterator[IncidentPage]:
        following = ""
        while True:
            page = self._ports.incidents.changed(since, until, following=following)
            yield page
            if not page.next:
                return
            following = page.next

    def _take(self, raw: Mapping[str, Any], date: datetime) -> None:
        """Snapshot an incident, write its row, have it looked at, queue it: in this order, so that a crash anywhere
        leaves nothing that the next reading would take for seen.
        """
        version = version_of(raw)
        incident = incident_key(raw, version)
        updated = instant(raw.get("lastUpdateDateTime"))
        for _ in range(_TRIES):
            entry = self._ports.ledger.incident(incident)
            state = entry.value if entry else None
            if state and (state.assessed == version or _older(updated, state)):
                return
            now = self._ports.clock.now()
            soon = now + self._ports.settings.NUDGE_AFTER
            if state and state.seen == version and self._ports.ledger.reminded(incident, soon):
                return
            if state is None or state.seen != version:
                self._ports.documents.create(snapshot_name(incident, version), _canonical(raw))
                try:
                    self._ports.ledger.put_incident(
                        self._seen(state, incident, version, updated, date), entry.etag if entry else ""
                    )
                except Conflict:
                    continue
            self._ports.ledger.remind(incident, soon)
            self._ports.queues.send(INCIDENTS, incident)
            log.info("incident %s: version %s queued", incident, version)
            return
        raise BulkheadError(f"incident {incident}: its row kept changing while it was read")

    def _seen(
        self, state: IncidentState | None, incident: str, version: str, updated: datetime | None, date: datetime
    ) -> IncidentState:
        now = self._ports.clock.now()
        if state:
            return state.model_copy(update={"seen": version, "updated": updated, "seen_at": now})
        return IncidentState(id=incident, seen=version, updated=updated, shown_at=date, seen_at=now)


def _severity(raw: Mapping[str, Any]) -> int:
    """The rank by which a page's incidents are queued, so that in a storm the gravest are assessed first."""
    return SEVERITIES.get(text(raw.get("severity")).lower(), 0)


def _older(updated: datetime | None, state: IncidentState) -> bool:
    """Whether a page tells of a state that a newer page has overtaken."""
    return bool(updated and state.updated and updated < state.updated)


def incident_key(raw: Mapping[str, Any], version: str) -> str:
    """The incident's id where it is one that can stand in a row key or name; else a name made from it."""
    named = text(raw.get("id"))
    if _ID.fullmatch(named):
        return named
    return f"x-{hashlib.sha256(named.encode()).hexdigest()[:16] if named else version[:16]}"


def snapshot_name(incident: str, version: str) -> str:
    """Where the snapshot of a version lies."""
    return f"{incident}/{version}/incident.json"


def _canonical(raw: Mapping[str, Any]) -> bytes:
    return json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
