"""Make an incident's report: the newest one in `review`, which is written over, and a revision in `evidence`, once,
whenever the incident is contained, over, or begins anew.

The row in the ledger names a revision before it is written, so that two workers never make one of the same number; and
it says until when a worker is at it, so that the others wait.
"""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

from responders._cases import REPORTS
from responders._entries import plan_of, renewed
from responders._investigation.opinions import with_opinions, worth_asking
from responders._languages import Words
from responders._notices import digest_of
from responders._ports import REPORT
from responders._report.assets import assets
from responders._report.closing import LAYER, PLAIN, TABLE, TIMESKETCH
from responders._report.exports import layer, table, timesketch
from responders._report.index import index, page_name
from responders._report.kept import labels, placed, written
from responders._report.page import page
from responders._report.plain import plain
from responders._report.revisions import next_number, revision_name, wanted
from responders._report.sources import actions_of, gather, zone_of
from responders._report.summary import still_contained
from responders._reputation import opinions
from shared.errors import Rejected, Transient
from shared.models.asked import Remark
from shared.models.reported import KeptRevision, Reported
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from responders._report.value import Report
    from shared.models.action import Action
    from shared.models.progress import IncidentState, Notice

HTML, MARKDOWN = "text/html; charset=utf-8", "text/markdown; charset=utf-8"
PAGE, INDEX = "report.html", "index.html"
_TRIES = 5
_WRITING = timedelta(minutes=1)
_SOON = 10.0
MEDIA = {
    TIMESKETCH: "application/x-ndjson",
    TABLE: "text/csv; charset=utf-8",
    LAYER: "application/json",
    PLAIN: MARKDOWN,
}

log = logging.getLogger(__name__)


class Reporting:
    """The reporting side of the flow."""

    def __init__(self, ports: Ports, stop: datetime) -> None:
        """Everything outside comes with `ports`; sources are read until `stop`."""
        self._ports = ports
        self._stop = stop

    def run(self, incident: str) -> None:
        """Bring an incident's report up to how it stands, unless it is, or was made a moment ago and nothing is to be
        kept. Raises Transient and Rejected.
        """
        entry = self._ports.ledger.incident(incident)
        if entry is None or not entry.value.assessed:
            return
        state = entry.value
        row = self._ports.ledger.one(Reported, REPORTS, incident)
        notices = [notice.value for notice in self._ports.ledger.notices(incident)]
        digest = self._digest(state, notices)
        kept, now = row.value.revisions if row else (), self._ports.clock.now()
        new = wanted(notices, kept, self._ports.ledger.actions(incident), now)
        unwritten = [each for each in row.value.revisions if not each.sha256] if row else []
        if row and row.value.digest == digest and not new and not unwritten:
            return
        later = row.value.held_until if row else None
        if row and not new and not unwritten and not later:
            later = row.value.made + self._ports.settings.REPORT_EVERY
        if later and now < later:
            self._ports.queues.send(REPORT, incident, delay=max(1.0, (later - now).total_seconds()))
            return
        try:
            self._make(state, row, new, digest)
        except Conflict:
            log.info("incident %s: another worker reports it", incident)
            self._ports.queues.send(REPORT, incident, delay=_SOON)

    def _digest(self, state: IncidentState, notices: Sequence[Notice]) -> str:
        """A name for what a report would be made of: where nothing of it changed, there is nothing to do."""
        actions = actions_of(self._ports, state, plan_of(self._ports.documents, state))
        told = sorted({(notice.chapter, notice.kind) for notice in notices})
        notes = self._ports.ledger.every(Remark, f"incident:{state.id}", "note:")
        settings = self._ports.settings
        said = [state.assessed, digest_of(actions), _details(actions), told, len(notes), settings.LANGUAGE]
        return hashlib.sha256(json.dumps([*said, settings.REPORT_ZONE]).encode()).hexdigest()[:16]

    def _make(
        self, state: IncidentState, row: Entry[Reported] | None, new: tuple[int, str] | None, digest: str
    ) -> None:
        begun = placed(self._ports, self._begun(state, row, new))
        held = self._held(state.id, begun, row, self._stop)
        try:
            report = gather(self._ports, state, begun.revisions, self._stop)
            said = opinions(self._ports, worth_asking(report.findings, report.incident))
            report = replace(report, findings=with_opinions(report.findings, said.known))
            whole = page(report, assets()).encode()
            kept = tuple(each if each.sha256 else self._keep(report, whole, each) for each in begun.revisions)
            made = begun.model_copy(update={"revisions": kept})
            held = self._held(state.id, made, held, self._ports.clock.now())
            self._publish(report, whole)
            self._write_down(held, self._told(report, made, "" if said.wait else digest), digest)
        except (Transient, Rejected):
            with suppress(Conflict, Transient, Rejected):  # whoever tries again need not wait
                free = held.value.model_copy(update={"held_until": None})
                self._ports.ledger.put(REPORTS, state.id, free, held.etag)
            raise
        self._publish_index()
        if said.wait:
            self._ports.queues.send(REPORT, state.id, delay=said.wait.total_seconds())
        log.info("incident %s: reported, %d bytes, %d revisions", state.id, len(whole), len(kept))

    def _begun(self, state: IncidentState, row: Entry[Reported] | None, new: tuple[int, str] | None) -> Reported:
        """What the row says of the report, with the revision that is to be kept now."""
        begun = row.value if row else self._first(state)
        if new is None:
            return begun
        chapter, kind = new
        number = next_number(begun.revisions)
        name = revision_name(begun.folder, number)
        at = self._ports.clock.now()
        named = KeptRevision(number=number, kind=kind, chapter=chapter, at=at, name=name, mark=token_hex(8))
        return begun.model_copy(update={"revisions": (*begun.revisions, named)})

    def _held(self, incident: str, made: Reported, row: Entry[Reported] | None, until: datetime) -> Entry[Reported]:
        """The row, held until then and a minute more. Raises Conflict where another worker holds it."""
        held = renewed(row, made.model_copy(update={"held_until": until + _WRITING}))
        return self._ports.ledger.put(REPORTS, incident, held, row.etag if row else "")

    def _write_down(self, held: Entry[Reported], told: Reported, digest: str) -> None:
        """Where another worker published and wrote down meanwhile, what was published just now may be older than what
        stood there, unless that was of the same: it is made once more.
        """
        try:
            self._ports.ledger.put(REPORTS, told.incident, renewed(held, told), held.etag)
        except Conflict:
            for _ in range(_TRIES):
                entry = self._ports.ledger.one(Reported, REPORTS, told.incident)
                if entry is None or entry.value.digest == digest:
                    break
                with suppress(Conflict):
                    outdated = entry.value.model_copy(update={"digest": ""})
                    self._ports.ledger.put(REPORTS, told.incident, outdated, entry.etag)
                    break
            raise

    def _first(self, state: IncidentState) -> Reported:
        begun = state.shown_at.astimezone(UTC)
        folder = f"{begun:%Y/%m}/inc-{state.id}/reports"
        return Reported(incident=state.id, made=self._ports.clock.now(), folder=folder)

    def _keep(self, report: Report, whole: bytes, revision: KeptRevision) -> KeptRevision:
        """Write a revision and what lies beside it; what stands there already stays as it is."""
        metadata = labels(report.state.id, revision)
        folder = revision.name.rpartition("/")[0]
        for name in MEDIA:
            place = revision_name(folder, revision.number, name)
            written(self._ports, place, _chunks(report, name), metadata)
        stored = written(self._ports, revision.name, [whole], metadata)
        return revision.model_copy(update={"sha256": stored.sha256})

    def _publish(self, report: Report, whole: bytes) -> None:
        for name, media_type in MEDIA.items():
            data = b"".join(_chunks(report, name))
            self._ports.pages.put(page_name(report.state.id, name), data, media_type=media_type)
        self._ports.pages.put(page_name(report.state.id), whole, media_type=HTML)

    def _publish_index(self) -> None:
        every = self._ports.ledger.every(Reported, REPORTS)
        rows = [entry.value for entry in every if entry.value.stands]
        settings = self._ports.settings
        made = index(rows, assets(), settings.LANGUAGE, zone_of(settings.REPORT_ZONE))
        self._ports.pages.put(INDEX, made.encode(), media_type=HTML)

    def _told(self, report: Report, begun: Reported, digest: str) -> Reported:
        """What the page of all incidents shows of it."""
        state = report.state
        open_ = any(not action.state.settled for action in report.actions)
        waits = any(action.state.settled and not action.state.final for action in report.actions)
        update = {
            "digest": digest,
            "held_until": None,
            "made": report.made,
            "title": state.title,
            "severity": state.severity,
            "verdict": state.verdict,
            "mode": state.mode,
            "shown_at": state.shown_at,
            "devices": len(state.affected),
            "contained": len(still_contained(report)),
            "stands": "open" if open_ else "waiting" if waits else "over",
        }
        return begun.model_copy(update=update)


def _details(actions: Sequence[Action]) -> list[str]:
    return [f"{action.detail}|{action.finished_at}|{[each.sha256 for each in action.artefacts]}" for action in actions]


def _chunks(report: Report, name: str) -> Iterator[bytes]:
    """A file that lies beside a report."""
    words = Words(report.language)
    if name == TIMESKETCH:
        yield from timesketch(report, words)
    elif name == TABLE:
        yield from table(report, words)
    elif name == LAYER:
        yield json.dumps(layer(report), indent=1).encode()
    else:
        yield plain(report).encode("utf-8", "backslashreplace")
