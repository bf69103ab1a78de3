"""Read the incidents that changed, have each taken up, and queue a reference. Then, and only then, move on.

Pages come newest first and may shift while they are read; updates may become visible late. So readings overlap, an
hourly sweep reads a whole day again, and what counts as seen is only what the ledger holds as assessed.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from responders._intake import Intake
from responders._ports import INCIDENTS
from shared.errors import Cause, Rejected, Throttled, Transient
from shared.models.incident import SEVERITIES, version_of
from shared.models.lenient import text
from shared.models.progress import Watermark
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
NARROWEST = timedelta(minutes=1)

PASSES = 4
"""How often a slice of several pages is read at the most, until one reading brings nothing new."""

FOR_THE_WATCH = 10
"""Calls of each window of the budget that the sweep leaves to the watch."""

_REPEATED = 50
"""So many incidents one after the other that came before are a circle of pages."""

_BAD_REQUEST = 400

log = logging.getLogger(__name__)


class Unfinished(Transient):
    """A slice whose pages did not come to their end: a narrower one may."""


class Watch:
    """The reading side of the flow."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports
        self._intake = Intake(ports)

    def run(self, stop: datetime) -> None:
        """Read up to the present, slice by slice, until `stop` at the latest. A trouble that may pass rises."""
        entry, more = self._ports.ledger.single(Watermark, WATERMARK) or self._begin(), True
        while more and self._ports.clock.now() < stop:
            entry, more = self._slice(entry, stop)

    def sweep(self, stop: datetime) -> None:
        """Read the last day again, for what became visible late: the newest first, as far as there are calls that the
        watch does not need.
        """
        entry = self._ports.ledger.single(Watermark, WATERMARK)
        if entry is None:
            return
        widest = width = self._ports.settings.WATCH_SLICE
        floor, until = max(entry.value.floor, entry.value.until - SWEEP_BACK), entry.value.until
        while floor < until and self._ports.clock.now() < stop and self._to_spare():
            since = max(floor, until - width)
            try:
                self._pass(since, until, stop, set())
            except Unfinished as error:
                if error.cause is Cause.TIME:
                    raise
                if until - since > NARROWEST:
                    width = max(NARROWEST, (until - since) / 2)
                    continue
                log.warning("what changed from %s to %s is not swept: %s", since, until, error)
            width = min(widest, width * 2)
            until = since

    def _to_spare(self) -> bool:
        """Whether the budget has calls for what nobody waits for."""
        windows = self._ports.governor.standing("incidents").windows
        return all(left > min(FOR_THE_WATCH, limit // 2) for left, limit, _ in windows)

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
        come to an end, the next one is narrower, and that is a trouble like any other.
        """
        mark = entry.value
        widest = self._ports.settings.WATCH_SLICE
        width = min(timedelta(seconds=mark.slice_seconds), widest)
        backlog = self._ports.clock.now() - mark.until > width + self._ports.settings.WATCH_OVERLAP
        until = mark.until + width if backlog else None
        try:
            date = self._read(mark.until, until, stop)
        except Unfinished:
            narrower = max(int(NARROWEST.total_seconds()), int(width.total_seconds() / 2))
            self._commit(entry, mark.model_copy(update={"slice_seconds": narrower}))
            if backlog and self._ports.clock.now() < stop:
                self._glance(stop)
            raise
        reached = until or _believed(date, self._ports.clock.now()) - self._ports.settings.WATCH_OVERLAP
        update = {
            "until": max(mark.until, reached),
            "slice_seconds": min(int(widest.total_seconds()), int(width.total_seconds()) * 2),
            "read_at": self._ports.clock.now(),
        }
        return self._commit(entry, mark.model_copy(update=update)), backlog

    def _glance(self, stop: datetime) -> None:
        """See what is new while the watermark stands: it is not to wait for what is old."""
        try:
            self._pass(self._ports.clock.now() - self._ports.settings.WATCH_OVERLAP, None, stop, set())
        except (Transient, Rejected) as error:
            log.info("what is new cannot be read either: %s", error)

    def _commit(self, entry: Entry[Watermark], mark: Watermark) -> Entry[Watermark]:
        """Move the watermark, if nobody moved it meanwhile; whoever did has read as much as we have."""
        try:
            self._ports.ledger.put_single(WATERMARK, mark, entry.etag)
        except Conflict:
            log.info("another instance moved the watermark")
        return self._ports.ledger.single(Watermark, WATERMARK) or entry

    def _read(self, since: datetime, until: datetime | None, stop: datetime) -> datetime:
        """Read a slice; the tenant's clock at its start. What is updated meanwhile leaves a slice that has an end, and
        has the pages behind move up, so that one incident between two pages is not shown: such a slice is read until
        nothing new comes. Raises Unfinished.
        """
        seen: set[str] = set()
        began, pages = self._pass(since, until, stop, seen)
        for _ in range(1, PASSES):
            before = len(seen)
            if pages > 1 and until:
                self._pass(since, until, stop, seen)
            if len(seen) == before:
                return began
        raise Unfinished("incidents come and go between the pages of a list", cause=Cause.CONTENT)

    def _pass(self, since: datetime, until: datetime | None, stop: datetime, seen: set[str]) -> tuple[datetime, int]:
        """Read every page of a slice, but for what was `seen`; the tenant's clock at its start, and how many pages
        Graph filtered. The gravest are queued at once, the others when all were seen. Raises Unfinished.
        """
        began: datetime | None = None
        count = 0
        others: list[tuple[int, str]] = []
        try:
            for page in self._pages(since, until):
                began, count = began or page.date, count + page.filtered
                for raw, bare in _shown(page):
                    if (said := _said(raw)) in seen:
                        continue
                    taken = (self._intake.bare if bare else self._intake.take)(raw, page.date)
                    seen.add(said)
                    if taken and _severity(raw) < GRAVE:
                        others.append((-_severity(raw), taken))
                    elif taken:
                        self._ports.queues.send(INCIDENTS, taken)
                if page.next:
                    self._in_time(stop)
        finally:
            for _, incident in sorted(others):
                self._ports.queues.send(INCIDENTS, incident)
        if began is None:
            raise Transient("a list of incidents without a page", cause=Cause.CONTENT)
        return began, count

    def _in_time(self, stop: datetime) -> None:
        if self._ports.clock.now() >= stop:
            raise Unfinished("the time of one call ran out before all pages were read", cause=Cause.TIME)

    def _pages(self, since: datetime, until: datetime | None) -> Iterator[IncidentPage]:
        """The pages of a slice. Raises Unfinished after the last one where that is not its end."""
        following, partial, repeated = "", False, 0
        links: set[str] = set()
        shown: set[str] = set()
        while True:
            page = self._page(since, until, following)
            partial = partial or page.partial
            for raw in (*page.incidents, *page.bare):
                repeated = repeated + 1 if (said := _said(raw)) in shown else 0
                shown.add(said)
            yield page
            if not (following := page.next):
                break
            if following in links or repeated >= _REPEATED:
                raise Unfinished("Graph leads from page to page in a circle", cause=Cause.CONTENT)
            links.add(following)
        if partial:
            raise Unfinished("Graph says that it answered with a part of the incidents only", cause=Cause.CONTENT)

    def _page(self, since: datetime, until: datetime | None, following: str) -> IncidentPage:
        try:
            return self._ports.incidents.changed(since, until, following=following)
        except Throttled as error:
            if not following:
                raise
            said = "the budget ran out before all pages were read"
            raise Unfinished(said, error.retry_after, cause=Cause.TIME) from error
        except Rejected as error:
            if not following or error.status != _BAD_REQUEST:
                raise
            raise Unfinished(f"Graph refuses one of the pages of a list: {error}") from error


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


def _shown(page: IncidentPage) -> list[tuple[Mapping[str, Any], bool]]:
    """A page's incidents, and whether each is without its alerts: merged ones first, so that whoever assesses the
    incident that goes on knows what was done for them; then the gravest.
    """
    rows = [*((raw, False) for raw in page.incidents), *((raw, True) for raw in page.bare)]
    return sorted(rows, key=lambda row: (not text(row[0].get("redirectIncidentId")), -_severity(row[0])))


def _said(raw: Mapping[str, Any]) -> str:
    """A name for what a list says of an incident: which update of which one it is, or where it does not say, all."""
    incident, updated = text(raw.get("id")), text(raw.get("lastUpdateDateTime"))
    return f"{incident} {updated}" if incident and updated else version_of(raw)
