"""An archive that somebody spoilt, or a run that was never sealed: what a person can still do with it."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from responders._access import accesses
from responders._verify import plain
from shared.errors import Denied, Transient
from shared.models.archive.canonical import canonical
from shared.models.archive.custody import START
from shared.models.archive.names import access_folder
from shared.storage.interface import Conflict
from tests.unit.archived import Archived
from tests.unit.test_console_evidence import Office, older

if TYPE_CHECKING:
    from pathlib import Path

WHO = {"identity": "x", "function": "x", "version": "x"}
FORGED = {"v": 1, "seq": 1, "prev": START, "at": "x", "who": WHO}
RUBBISH = {
    "no event": b"x",
    "a number that nobody writes": json.dumps({**FORGED, "what": "read", "size": 1 << 60}).encode(),
    "an end": canonical({**FORGED, "what": "sealed"}),
}
IMAGE = "data/memory/image.raw"


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture(params=list(RUBBISH.values()), ids=list(RUBBISH))
def broken(request: pytest.FixtureRequest, office: Office) -> Office:
    """Somebody put a blob where the first event of the chain of accesses belongs."""
    office.run.evidence.write_once(f"{access_folder(office.run.folder)}/000001.json", [request.param], metadata={})
    return office


def refuse(office: Office, refused: str) -> None:
    def before(call: str) -> None:
        if call == refused:
            raise Denied("no", status=403)

    office.run.evidence.before = before


def opened() -> Office:
    """An archive with a run that is not sealed."""
    run = Archived()
    run.desk().keep_bytes("data/a.txt", b"x", kind="n", media_type="text/plain")
    return Office(run)


def test_verify_names_all_of_a_run_that_was_deleted_whole(office: Office) -> None:
    """The versions show it, though no run stands there that could be checked."""
    gone = {name.replace("inc-71", "inc-72") for name in office.run.evidence.stored}
    office.run.evidence.older += [replace(older(office, "x", "1"), name=name) for name in sorted(gone)]
    for said in ((), ("--incident", "72")):
        told = office.told("verify", *said, status=1)
        assert {each["object"] for each in told["differences"]} == gone
        assert {each["text"] for each in told["differences"]} == {
            "was deleted: version 1 is the first of 1 that are kept"
        }
        assert not told["whole"]
        assert f"{min(gone)}, version 1: was deleted" in office.call("verify", *said).output.replace("\n", "")
    assert office.told("verify", "--incident", "71")["differences"] == []


def test_verify_names_a_report_and_a_seal_that_were_written_over_or_deleted(office: Office) -> None:
    """Of no run that stands and is sealed, and still what Bulkhead never does."""
    evidence, report = office.run.evidence, "2026/08/inc-71/reports/report-r0001.html"
    evidence.write_once(report, [b"forged"], metadata={})
    del evidence.stored[f"{office.run.folder}/checkpoint.json"]
    evidence.older += [replace(older(office, "x", "1"), name=report), older(office, "checkpoint.json", "1")]
    told = office.told("verify", status=1)
    assert {each["object"]: each["text"].partition(":")[0] for each in told["differences"]} == {
        report: "was written over",
        f"{office.run.folder}/checkpoint.json": "was deleted",
    }


def test_where_versions_cannot_be_reached_everything_else_is_checked(office: Office) -> None:
    def fail(call: str) -> None:
        if call == "evidence.versions":
            raise Transient("unreachable")

    office.run.evidence.before = fail
    told = office.told("verify", status=2)
    assert told["unchecked"] == [{"run": "versions", "why": "unreachable"}]
    assert (told["runs"][0]["whole"], told["runs"][0]["versions"]) == (True, False)


def test_the_versions_of_a_chain_of_accesses_are_looked_at_where_only_its_run_is_verified(office: Office) -> None:
    office.told("evidence", "share", office.name, "--to", "bob")
    event = f"{access_folder(office.run.folder)}/000001.json"
    office.run.evidence.older.append(replace(older(office, "x", "1"), name=event))
    office.inside = office.run.folder
    (found,) = office.told("verify", "https://a.example/evidence/run", status=1)["runs"][0]["differences"]
    assert (found["object"], found["text"].partition(":")[0]) == (event, "was written over")


def test_a_broken_chain_keeps_nobody_from_holding_an_incident(broken: Office) -> None:
    """Or whoever wants evidence to lapse had a switch."""
    told = broken.told("evidence", "hold", "71", "--why", "court order", status=1)
    assert broken.run.evidence.holds == set(broken.run.evidence.stored)
    assert told["objects"] == len(broken.run.evidence.stored)
    (problem,) = told["problems"]
    assert problem.startswith(f"{broken.run.folder}: could not be noted")
    assert "could not be noted" in broken.call("evidence", "hold", "71", "--why", "x").output


def test_who_may_set_a_hold_and_write_no_note_sets_it_all_the_same(office: Office) -> None:
    refuse(office, "evidence.write_once")
    assert office.told("evidence", "hold", "71", "--why", "x", status=1)["problems"]
    assert office.run.evidence.holds == set(office.run.evidence.stored)


def test_behind_a_broken_chain_nothing_is_let_go_or_lent(broken: Office) -> None:
    broken.told("evidence", "hold", "71", "--why", "x", status=1)
    assert "error" in broken.told("evidence", "release-hold", "71", "--why", "x", status=1)
    assert broken.run.evidence.holds == set(broken.run.evidence.stored)
    told = broken.told("evidence", "share", broken.name, "--to", "bob", status=1)
    assert "links" not in told


def test_of_several_runs_none_is_noted_as_let_go_where_one_chain_is_broken(office: Office) -> None:
    other = office.run.folder.replace("run-", "run-z")
    office.run.evidence.write_once(f"{other}/data/a", [b"x"], metadata={})
    office.run.evidence.write_once(f"{access_folder(other)}/000001.json", [b"x"], metadata={})
    office.told("evidence", "release-hold", "71", "--why", "x", status=1)
    assert office.noted() == []


def test_a_run_whose_chain_is_broken_is_shown_fetched_and_checked(broken: Office, tmp_path: Path) -> None:
    told = broken.told("evidence", "show", broken.name, status=1)
    assert told["access"] is None
    assert told["problems"][0].startswith("its chain of accesses cannot be read: ")
    assert IMAGE in broken.call("evidence", "show", broken.name).output
    assert broken.told("evidence", "get", broken.name, "--into", str(tmp_path))["whole"]
    (difference,) = broken.told("verify", status=1)["runs"][0]["differences"]
    assert difference["object"] == f"{access_folder(broken.run.folder)}/000001.json"


def test_every_version_is_held_and_let_go(office: Office) -> None:
    """The genuine one, too, where something was written over or deleted."""
    office.run.evidence.older += [older(office, IMAGE, "1"), older(office, "data/gone.bin", "2")]
    told = office.told("evidence", "hold", "71", "--why", "x")
    assert office.run.evidence.holds == set(office.run.evidence.stored)
    held = {(f"{office.run.folder}/{IMAGE}", "1"), (f"{office.run.folder}/data/gone.bin", "2")}
    assert office.run.evidence.older_holds == held
    assert told["older"] == 2
    office.told("evidence", "release-hold", "71", "--why", "x")
    assert (office.run.evidence.holds, office.run.evidence.older_holds) == (set(), set())


def test_what_was_deleted_whole_is_held_by_its_versions_and_noted(office: Office) -> None:
    """Then a hold is needed most: the versions that are kept are all that is left."""
    evidence = office.run.evidence
    names = sorted(evidence.stored)
    evidence.older += [replace(older(office, "x", "1"), name=name) for name in names]
    evidence.stored.clear()
    told = office.told("evidence", "hold", "71", "--why", "x")
    assert evidence.older_holds == {(name, "1") for name in names}
    assert (told["runs"], told["older"]) == ([office.run.folder], len(names))
    assert office.noted() == [("held", "ann@contoso.com", "")]
    assert evidence.holds == {f"{access_folder(office.run.folder)}/000001.json"}
    office.told("evidence", "release-hold", "71", "--why", "x")
    assert (evidence.holds, evidence.older_holds) == (set(), set())


def test_of_an_incident_with_a_report_and_no_run_that_is_held(office: Office) -> None:
    report = "2026/09/inc-72/reports/report-r0001.html"
    office.run.evidence.write_once(report, [b"x"], metadata={})
    told = office.told("evidence", "hold", "72", "--why", "x", status=1)
    assert (told["runs"], told["problems"]) == ([], ["there is no run beside which it could be noted"])
    assert office.run.evidence.holds == {report}
    assert "nothing was let go" in office.told("evidence", "release-hold", "72", "--why", "x", status=1)["error"]
    assert office.run.evidence.holds == {report}


def test_where_versions_cannot_be_listed_what_stands_there_is_held_and_that_is_said(office: Office) -> None:
    office.run.evidence.older.append(older(office, IMAGE, "1"))
    refuse(office, "evidence.versions")
    told = office.told("evidence", "hold", "71", "--why", "x", status=1)
    assert office.run.evidence.holds == set(office.run.evidence.stored)
    assert "older versions" in told["problems"][0]


UNSAYABLE = ["a./b", "..\\x", "x//y", "a/../b", "\x01"]
"""What storage may hold and no URL can carry: a stranger's way to stop whoever makes a URL of every name."""


def put(office: Office, place: str) -> None:
    evidence = office.run.evidence
    stored, _ = evidence.stored[f"{office.run.folder}/bagit.txt"]
    evidence.stored[place] = (replace(stored, name=place, size=1), b"x")


@pytest.mark.parametrize("name", UNSAYABLE)
def test_a_name_that_nothing_can_be_read_by_is_a_difference(office: Office, name: str) -> None:
    """In the run, named in its manifest or not, and among the accesses."""
    access = f"{access_folder(office.run.folder)}/{name}"
    put(office, access)
    put(office, f"{office.run.folder}/data/{name}")
    manifest = json.loads(office.run.objects["manifest.json"])
    for items in (manifest["items"], [*manifest["items"], {"path": f"data/{name}"}]):
        office.spoil("manifest.json", (json.dumps({**manifest, "items": items}) + "\n").encode())
        found = office.told("verify", status=1)["runs"][0]["differences"]
        assert {access, f"data/{name}"} <= {each["object"] for each in found}
    assert office.told("evidence", "show", office.name, status=1)["problems"]


@pytest.mark.parametrize("name", UNSAYABLE)
def test_a_run_that_nothing_can_be_read_by_stops_no_other(office: Office, tmp_path: Path, name: str) -> None:
    run = f"{name}/inc-71/run-1"
    put(office, f"{run}/checkpoint.json")
    for said in ((), ("--incident", "71")):
        told = office.told("verify", *said, status=1)
        assert [each["run"] for each in told["unchecked"]] == [run]
        assert [each["whole"] for each in told["runs"] if each["run"] == office.run.folder] == [True]
    for command in (("show",), ("get", "--into", str(tmp_path)), ("share", "--to", "bob")):
        told = office.told("evidence", command[0], run, *command[1:], status=2)
        assert "by a name that nothing can be read by" in told["error"]
    for command in (("hold",), ("release-hold",)):
        told = office.told("evidence", command[0], "71", "--why", "x", status=1)
        assert {each.partition(" ")[0].rstrip(":") for each in told["problems"]} == {run, f"{run}/checkpoint.json"}
    assert [what for what, _, _ in office.noted()][-2:] == ["held", "let go"]


@pytest.mark.parametrize("name", UNSAYABLE)
def test_a_name_that_no_link_can_have_is_not_lent_and_all_else_is(office: Office, name: str) -> None:
    put(office, f"{office.run.folder}/{name}")
    told = office.told("evidence", "share", office.name, "--to", "bob", status=1)
    assert set(told["links"]) == set(office.run.objects) - {name}
    assert told["problems"] == [f"not lent: {plain(name)} is no name of ours: somebody put it there"]
    assert "not lent: " in office.call("evidence", "share", office.name, "--to", "bob").stderr
    noted = office.noted()
    office.told("evidence", "share", office.name, name, "--to", "bob", status=2)
    assert office.noted() == noted


@pytest.mark.parametrize("name", ["data/a\\b", "data/a./b"])
def test_a_name_that_cannot_be_held_keeps_nothing_else_from_it(office: Office, name: str) -> None:
    evidence, place = office.run.evidence, f"{office.run.folder}/{name}"
    evidence.stored[place] = evidence.stored[f"{office.run.folder}/{IMAGE}"]
    told = office.told("evidence", "hold", "71", "--why", "x", status=1)
    assert evidence.holds == set(evidence.stored) - {place}
    assert told["problems"][0].startswith(place)


@pytest.mark.parametrize("spoilt", [b"x{}", b"{}", b"\xff"])
def test_a_manifest_that_cannot_be_read_keeps_nothing_from_being_fetched(
    office: Office, tmp_path: Path, spoilt: bytes
) -> None:
    office.spoil("manifest.json", spoilt)
    told = office.told("evidence", "get", office.name, "--into", str(tmp_path), status=1)
    assert any(each.startswith("manifest.json") for each in told["differences"])
    assert (tmp_path / office.run.folder / IMAGE).read_bytes() == b"memory"
    told = office.told("evidence", "show", office.name, status=1)
    assert (told["sealed"], told["manifest"]) == (True, None)
    assert IMAGE in told["objects"]
    assert (
        "manifest.json cannot be read: it differs from what was sealed"
        in office.call("evidence", "show", office.name).output
    )


def test_a_manifest_that_is_gone_is_not_taken_for_a_run_that_was_never_sealed(office: Office) -> None:
    del office.run.evidence.stored[f"{office.run.folder}/manifest.json"]
    told = office.told("evidence", "show", office.name, status=1)
    assert told["problems"] == ["manifest.json is missing; bulkhead verify looks at everything"]


def test_a_run_that_is_not_sealed_is_shown_as_that(tmp_path: Path) -> None:
    office = opened()
    told = office.told("evidence", "show", office.name)
    assert (told["sealed"], told["manifest"]) == (False, None)
    assert "data/a.txt" in told["objects"]
    assert "not sealed" in office.call("evidence", "show", office.name).output
    told = office.told("evidence", "get", office.name, "--into", str(tmp_path), status=1)
    assert (told["sealed"], told["whole"], told["differences"]) == (False, False, [])
    assert (tmp_path / office.run.folder / "data" / "a.txt").read_bytes() == b"x"
    assert accesses(office.run.evidence, office.run.folder)[0].detail == "downloaded; not sealed"
    said = office.call("evidence", "get", office.name, "--into", str(tmp_path)).output
    assert "NOT SEALED: nothing proves what is in it" in said


def test_a_run_whose_seal_broke_off_is_not_sealed(office: Office) -> None:
    """It has a manifest, and nobody signed that."""
    del office.run.evidence.stored[f"{office.run.folder}/checkpoint.json"]
    told = office.told("evidence", "show", office.name)
    assert told["sealed"] is False
    assert told["manifest"]["items"]


def test_what_does_not_fit_into_one_note_is_not_lent(office: Office) -> None:
    names = [f"data/{number:03d}-{'x' * 60}" for number in range(20)]
    for name in names:
        office.run.evidence.write_once(f"{office.run.folder}/{name}", [b"x"], metadata={})
    told = office.told("evidence", "share", office.name, *names, "--to", "bob", status=2)
    assert "in several shares" in told["error"]
    assert office.noted() == []
    office.told("evidence", "share", office.name, *names[:10], "--to", "bob")
    (noted,) = accesses(office.run.evidence, office.run.folder)
    assert all(name in noted.detail for name in names[:10])
    office.told("evidence", "share", office.name, "--to", "bob")


def test_what_stands_here_otherwise_than_in_the_archive_is_fetched_anew(office: Office, tmp_path: Path) -> None:
    """A fault of this machine's is nothing that happened to the run."""
    office.told("evidence", "get", office.name, "--into", str(tmp_path))
    folder = tmp_path / office.run.folder
    for name, data in ((IMAGE, b"MEMORY"), ("bagit.txt", b"x"), ("manifest.json", b"")):
        (folder / name).write_bytes(data)
    assert office.told("evidence", "get", office.name, "--into", str(tmp_path))["whole"]
    assert (folder / IMAGE).read_bytes() == b"memory"
    assert {each.detail for each in accesses(office.run.evidence, office.run.folder)} == {
        "downloaded; as it was sealed"
    }


def test_a_part_that_is_not_of_the_object_is_fetched_anew(office: Office, tmp_path: Path) -> None:
    part = tmp_path / office.run.folder / f"{IMAGE}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"MEM")
    assert office.told("evidence", "get", office.name, "--into", str(tmp_path))["whole"]
    assert not part.exists()


def test_what_was_written_over_in_the_archive_is_fetched_as_it_is_there(office: Office, tmp_path: Path) -> None:
    office.told("evidence", "get", office.name, "--into", str(tmp_path))
    office.spoil(IMAGE, b"memorz and more")
    told = office.told("evidence", "get", office.name, "--into", str(tmp_path), status=1)
    assert told["differences"][0].startswith(IMAGE)


@pytest.mark.parametrize("error", [Conflict("409 BlobArchived"), Transient("500")], ids=["archive tier", "failing"])
def test_a_chain_that_storage_does_not_give_keeps_nobody_from_holding(office: Office, error: Exception) -> None:
    """An event that somebody moved into the archive tier cannot be read."""

    def fail(call: str) -> None:
        if call == "evidence.read":
            raise error

    office.told("evidence", "share", office.name, "--to", "bob")
    office.run.evidence.before = fail
    assert str(error) in office.told("evidence", "hold", "71", "--why", "x", status=1)["problems"][0]
    assert office.run.evidence.holds == set(office.run.evidence.stored)
    assert office.told("evidence", "release-hold", "71", "--why", "x", status=1) == {
        "error": str(error),
        "problems": [],
    }


def test_a_manifest_that_would_fill_the_memory_is_not_parsed(office: Office) -> None:
    """Whoever looks at a run does so on a machine of their own, and a stranger may have made it."""
    office.spoil("manifest.json", b'{"v":1,"items":[' + b"[]," * 600_000 + b"[]]}")
    tracemalloc.start()
    told = office.told("evidence", "show", office.name, status=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told["manifest"] is None
    assert "manifest.json cannot be read" in told["problems"][0]
    assert peak < 40 << 20
