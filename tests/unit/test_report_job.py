"""The queue `report`: the newest report in `review`, revisions in `evidence` once, and nothing made for nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from local.tenant import samples
from responders._alarms import troubles
from responders._cases import REPORTS
from responders._flow import Flow
from responders._ports import REPORT
from responders._report.closing import FILES
from responders._report.job import Reporting
from responders._report.kept import labels, placed, written
from responders._sealing import CUSTODY_EVENT
from shared.errors import Denied, NotFound, Transient
from shared.models.reported import Reported
from shared.storage.interface import Pages
from tests.fakes.storage import FakePages
from tests.unit.order_stand import Stand

ID = "7"


@dataclass
class Watched:
    """Pages, and who is told before one is put there."""

    inner: Pages
    before: Callable[[str], None]

    def put(self, name: str, data: bytes, *, media_type: str) -> None:
        """See `Pages.put`."""
        self.before("pages.put")
        self.inner.put(name, data, media_type=media_type)

    def read(self, name: str) -> bytes | None:
        """See `Pages.read`."""
        return self.inner.read(name)


@pytest.fixture
def stand() -> Stand:
    """A harmful incident that is contained, collected and told."""
    made = Stand()
    made.tenant.incidents.put(samples.harmful_incident(ID, created=made.clock.now()))
    made.flow.watch()
    made.wait(600)
    return made


def row(stand: Stand) -> Reported:
    entry = stand.ports.ledger.one(Reported, REPORTS, ID)
    assert entry
    return entry.value


def revisions(stand: Stand) -> list[str]:
    return sorted(name for name in stand.ports.evidence.stored if "/reports/" in name)  # type: ignore[attr-defined]


def pages(stand: Stand) -> dict[str, tuple[bytes, str]]:
    found: dict[str, tuple[bytes, str]] = stand.ports.pages.stored  # type: ignore[attr-defined]
    return found


def test_the_newest_report_and_what_belongs_to_it_is_in_review(stand: Stand) -> None:
    assert set(pages(stand)) == {"index.html", *(f"incidents/{ID}/{name}" for name in ("report.html", *FILES))}
    whole, media_type = pages(stand)[f"incidents/{ID}/report.html"]
    assert media_type == "text/html; charset=utf-8"
    assert b"1 of 1 devices contained" in whole
    assert f'href="incidents/{ID}/report.html"'.encode() in pages(stand)["index.html"][0]
    assert json.loads(pages(stand)[f"incidents/{ID}/attack-layer.json"][0])["versions"]["layer"] == "4.5"


def test_a_revision_is_kept_for_each_stage_once_and_never_changed(stand: Stand) -> None:
    kept = row(stand).revisions
    assert [each.kind for each in kept] in (["contained", "final"], ["final"])
    assert [each.name for each in kept] == [name for name in revisions(stand) if name.endswith(".html")]
    assert all(each.sha256 == stand.ports.evidence.head(each.name).sha256 for each in kept)  # type: ignore[union-attr]
    before = dict(stand.ports.evidence.stored)  # type: ignore[attr-defined]
    for _ in range(3):
        stand.flow.report(ID)
    assert stand.ports.evidence.stored == before  # type: ignore[attr-defined]


def test_what_is_kept_of_a_report_is_found_by_its_index_tags(stand: Stand) -> None:
    tags = stand.ports.evidence.tags  # type: ignore[attr-defined]
    assert [tags[name] for name in revisions(stand)] == [
        {"incident": ID, "kind": "report", "status": "kept"} for _ in revisions(stand)
    ]


def test_the_log_has_the_hash_of_each_file_that_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody signs a report, and whoever may write to the archive can write the hash beside it anew."""
    made = Stand()
    made.tenant.incidents.put(samples.harmful_incident(ID, created=made.clock.now()))
    made.flow.watch()
    with caplog.at_level("INFO"):
        made.wait(600)
    start = f"{CUSTODY_EVENT} "
    said = [json.loads(each.removeprefix(start)) for each in caplog.messages if each.startswith(start)]
    told = {each["report"]: (each["size"], each["sha256"]) for each in said if "report" in each}
    stored = made.ports.evidence.stored  # type: ignore[attr-defined]
    assert told == {name: (stored[name][0].size, stored[name][0].sha256) for name in revisions(made)}
    assert told


def test_nothing_new_makes_nothing(stand: Stand) -> None:
    made = row(stand).made
    stand.wait(300)
    stand.flow.report(ID)
    assert row(stand).made == made


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("manifest.json", b'{"items": [5, {"path": "data/a", "hashes": 7}]}'),
        ("manifest.json", b"{"),
        ("checkpoint.json", b'{"signer": 5}'),
        ("overview.json", b"{"),
        ("overview.json", b'{"answered": [7], "missing": 5}'),
        ("custody.jsonl", b"[" * 100_000 + b'\n5\n{"who": 5}'),
    ],
)
def test_an_archive_that_somebody_changed_keeps_no_report_from_being_made(stand: Stand, name: str, data: bytes) -> None:
    """Else whoever changes evidence could keep people from reading what happened since."""
    stored = stand.ports.evidence.stored  # type: ignore[attr-defined]
    for place in [each for each in stored if each.endswith(f"/{name}")]:
        stored[place] = (replace(stored[place][0], size=len(data)), data)
    test_a_note_is_in_the_next_report(stand)


def test_a_note_is_in_the_next_report(stand: Stand) -> None:
    order = {"id": "note-0001", "kind": "note", "by": "mori@example.com", "at": "2026-01-05T09:30:00Z"}
    stand.flow.order(json.dumps(order | {"incident": ID, "text": "She opened the invoice herself."}))
    stand.wait(120)
    stand.flow.report(ID)
    assert b"She opened the invoice herself." in pages(stand)[f"incidents/{ID}/report.html"][0]


def test_a_report_that_another_worker_overtook_is_made_once_more(stand: Stand) -> None:
    """The slower one publishes last what it read first, over what is newer."""
    met: list[str] = []

    def overtaken(call: str) -> None:
        if call == "pages.put" and not met:
            met.append(call)
            test_a_note_is_in_the_next_report(stand)

    stand.wait(600)
    order = {"id": "note-0000", "kind": "note", "by": "mori@example.com", "at": "2026-01-05T09:20:00Z"}
    stand.flow.order(json.dumps(order | {"incident": ID, "text": "The first one."}))
    slow = replace(stand.ports, pages=Watched(stand.ports.pages, overtaken))
    Reporting(slow, stand.clock.now() + timedelta(minutes=4)).run(ID)
    assert met
    stand.wait(1200)
    stand.flow.report(ID)
    assert b"She opened the invoice herself." in pages(stand)[f"incidents/{ID}/report.html"][0]


def test_who_comes_while_a_report_is_being_made_waits_and_finds_it_done(stand: Stand) -> None:
    """Else each outdates what the others make, and all of them begin again."""
    put: list[str] = []

    def crowd(call: str) -> None:
        put.append(call)
        if len(put) == 1:
            stand.flow.order(json.dumps(order | {"id": "note-0001", "text": "The second one."}))
            for _ in range(12):
                Reporting(watched, stand.clock.now() + timedelta(minutes=4)).run(ID)
            assert len(put) == 1

    stand.wait(1200)
    assert waiting(stand) == []
    order = {"id": "note-0000", "kind": "note", "by": "mori@example.com", "at": "2026-01-05T09:20:00Z", "incident": ID}
    stand.flow.order(json.dumps(order | {"text": "The first one."}))
    watched = replace(stand.ports, pages=Watched(stand.ports.pages, crowd))
    Reporting(watched, stand.clock.now() + timedelta(minutes=4)).run(ID)
    files = len(put)
    assert waiting(stand) == [ID] * 12
    stand.flow = Flow(watched)
    stand.wait(600)
    assert (len(put), waiting(stand)) == (2 * files, [])
    assert b"The second one." in pages(stand)[f"incidents/{ID}/report.html"][0]


def test_a_report_that_storage_refused_is_made_within_the_hour(stand: Stand) -> None:
    """Nothing else of the incident may ever change."""

    def refuse(call: str) -> None:
        if call == "pages.put":
            raise Denied("pages.put: the storage answered 403", status=403)

    order = {"id": "note-0001", "kind": "note", "by": "mori@example.com", "at": "2026-01-05T09:30:00Z"}
    usual = stand.ports.pages
    stand.ports = replace(stand.ports, pages=Watched(usual, refuse))
    stand.flow = Flow(stand.ports)
    stand.flow.order(json.dumps(order | {"incident": ID, "text": "She opened the invoice herself."}))
    stand.wait(1200)
    stand.flow.report(ID)
    stand.ports = replace(stand.ports, pages=usual)
    stand.flow = Flow(stand.ports)
    before = waiting(stand)
    for _ in range(2):
        stand.flow.housekeeping()
    assert waiting(stand) == [*before, ID]
    assert b"She opened" not in pages(stand)[f"incidents/{ID}/report.html"][0]
    stand.flow.report(ID)
    assert b"She opened" in pages(stand)[f"incidents/{ID}/report.html"][0]


def waiting(stand: Stand) -> list[str]:
    found: list[str] = stand.ports.queues.waiting(REPORT)  # type: ignore[attr-defined]
    return found


def test_a_worker_that_dies_between_the_row_and_the_revision_leaves_no_gap(stand: Stand) -> None:
    """The row names the revision; whoever comes next writes it under that name."""
    kept = row(stand).revisions
    entry = stand.ports.ledger.one(Reported, REPORTS, ID)
    assert entry
    unwritten = kept[-1].model_copy(
        update={"number": len(kept) + 1, "name": kept[-1].name[:-9] + "9999.html", "sha256": ""}
    )
    stand.ports.ledger.put(REPORTS, ID, entry.value.model_copy(update={"revisions": (*kept, unwritten)}), entry.etag)
    Reporting(stand.ports, stand.clock.now() + timedelta(minutes=4)).run(ID)
    assert row(stand).revisions[-1].sha256
    assert len(row(stand).revisions) == len(kept) + 1


@pytest.mark.parametrize("name", ["report-r0001.html", "report-r0001.md", "timeline-r0001.csv"])
@pytest.mark.parametrize("metadata", [{}, {"incident": ID, "kind": "report", "revision": "1"}])
def test_a_report_that_somebody_else_put_there_is_not_taken_for_ours(name: str, metadata: dict[str, str]) -> None:
    """Where it will lie can be known beforehand, and so can all that it says of itself but for its mark."""
    made = Stand()
    folder = f"{made.clock.now():%Y/%m}/inc-{ID}/reports"
    for each in (name, name.replace("r0001", "r0002")):
        made.ports.evidence.write_once(f"{folder}/{each}", [b"nothing happened here"], metadata=metadata)
    made.tenant.incidents.put(samples.harmful_incident(ID, created=made.clock.now()))
    made.flow.watch()
    made.wait(600)
    kept = row(made).revisions
    assert [each.number for each in kept] == list(range(3, 3 + len(kept)))
    assert all(each.sha256 == made.ports.evidence.head(each.name).sha256 for each in kept)  # type: ignore[union-attr]
    assert troubles(made.ports) == {f"custody {folder} {name}".replace("/", " ")}
    whole = pages(made)[f"incidents/{ID}/report.html"][0]
    assert kept[-1].name.rpartition("/")[2].encode() in whole


def test_a_report_that_somebody_puts_there_meanwhile_waits_for_another_number(stand: Stand) -> None:
    last = row(stand).revisions[-1]
    named = last.model_copy(update={"number": last.number + 1, "sha256": "", "mark": "ab" * 8})
    place = last.name.replace(f"{last.number:04d}", f"{named.number:04d}")
    stand.ports.evidence.write_once(place, [b"nothing happened here"], metadata={"mark": last.mark})
    with pytest.raises(Transient, match="by somebody else"):
        written(stand.ports, place, [b"x"], labels(ID, named))
    reported = row(stand)
    moved = placed(stand.ports, reported.model_copy(update={"revisions": (*reported.revisions, named)}))
    assert moved.revisions[:-1] == reported.revisions
    assert moved.revisions[-1].number == named.number + 1


def failing(stand: Stand, error: Exception) -> Stand:
    """The same, with pages that cannot be put until the error is taken away."""
    errors = [error]

    def before(call: str) -> None:
        if call == "pages.put" and errors:
            raise errors.pop()

    stand.ports = replace(stand.ports, pages=FakePages(before=before))
    stand.flow = Flow(stand.ports)
    stand.tenant.incidents.put(samples.harmful_incident(ID, created=stand.clock.now()))
    stand.flow.watch()
    stand.wait(600)
    return stand


def test_storage_that_fails_for_a_while_delays_the_report_and_nothing_else() -> None:
    made = failing(Stand(), Transient("storage is busy", 5.0))
    assert f"incidents/{ID}/report.html" in pages(made)
    assert row(made).digest
    assert len(revisions(made)) == 5 * len(row(made).revisions)


def test_a_container_that_is_missing_is_an_alarm_until_it_is_there() -> None:
    made = failing(Stand(), NotFound("review is missing", status=404, code="ContainerNotFound"))
    told = json.dumps([each["message"] for each in made.tenant.chat.messages])
    assert "cannot be kept" in told
    assert "over: the report of incident" in told
    assert f"incidents/{ID}/report.html" in pages(made)


def test_an_incident_that_is_not_assessed_yet_has_no_report() -> None:
    made = Stand()
    made.flow.report(ID)
    assert pages(made) == {}


@pytest.mark.parametrize(("language", "said"), [("en", "Incidents"), ("ja", "インシデント一覧")])
def test_reports_are_in_the_language_of_the_settings(language: str, said: str) -> None:
    made = Stand({"LANGUAGE": language, "REPORT_ZONE": "Asia/Tokyo", "REVIEW_URL": "https://review.example.com"})
    made.tenant.incidents.put(samples.harmful_incident(ID, created=made.clock.now()))
    made.flow.watch()
    made.wait(600)
    assert said in pages(made)["index.html"][0].decode()
    told = json.dumps([each["message"] for each in made.tenant.chat.messages], ensure_ascii=False)
    assert "https://review.example.com/incidents/7/report.html" in told
    assert ("インシデント 7" in told) is (language == "ja")
