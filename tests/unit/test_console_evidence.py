"""What a person does with the archive, and that it is noted beside the run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import tree_sitter_powershell
from click.testing import CliRunner
from tree_sitter import Language, Parser

from console.archive import Archive
from console.commands import bulkhead
from console.downloading import REBUILD, fetched
from console.session import Session
from responders._access import accesses
from responders._verify import Folder, plain
from shared.errors import Denied, Transient
from shared.models.archive.names import access_folder
from shared.storage.interface import Version
from tests.fakes.signing import NAME
from tests.fakes.storage import FakeCustodian
from tests.unit.archived import Archived, action, sealed

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parents[2]


@dataclass
class Office:
    """An archive with one sealed run, and a person who may do everything, or read only."""

    run: Archived = field(default_factory=sealed)
    inside: str = ""

    def archive(self, _values: object, _url: str) -> Archive:
        custodian = FakeCustodian(self.run.evidence, self.run.clock.now)
        return Archive(self.run.evidence, custodian, self.run.clock, self.inside)

    def session(self) -> Session:
        return Session(reach=self.archive, environment={}, whoami=lambda _values: "ann@contoso.com")

    def call(self, *said: str) -> Result:
        return CliRunner().invoke(bulkhead, list(said), obj=self.session())

    def watched(self, *said: str, terminal: bool) -> tuple[str, str]:
        """What a command finds, and what it shows meanwhile on its standard error, a terminal or a pipe."""
        ours, theirs = pty.openpty() if terminal else os.pipe()
        found, shown = io.StringIO(), bytearray()

        def look() -> None:
            with contextlib.suppress(OSError):  # so a terminal ends
                while read := os.read(ours, 1 << 16):
                    shown.extend(read)

        looking = Thread(target=look)
        looking.start()
        with contextlib.ExitStack() as around:
            err = around.enter_context(os.fdopen(theirs, "w"))
            around.enter_context(contextlib.redirect_stdout(found))
            around.enter_context(contextlib.redirect_stderr(err))
            bulkhead.main(list(said), obj=self.session(), standalone_mode=False)
        looking.join()
        os.close(ours)
        return found.getvalue(), shown.decode()

    def told(self, *said: str, status: int = 0) -> dict[str, Any]:
        result = self.call(*said, "--json")
        assert result.exit_code == status, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    @property
    def name(self) -> str:
        return self.run.folder.rpartition("/")[2]

    def noted(self) -> list[tuple[str, str, str]]:
        since = accesses(self.run.evidence, self.run.folder)
        return [(each.what, each.who.identity, each.to) for each in since]

    def spoil(self, name: str, data: bytes) -> None:
        place = f"{self.run.folder}/{name}"
        stored, _ = self.run.evidence.stored[place]
        self.run.evidence.stored[place] = (replace(stored, size=len(data)), data)


def sealed_of(device: str) -> Archived:
    """The run that was gathered at the same moment of another device."""
    run = Archived()
    run.action = action(device=device)
    run.desk().keep_bytes("data/a.txt", b"a", kind="note", media_type="text/plain")
    run.desk().run.close("succeeded")
    return run


@pytest.fixture
def office() -> Office:
    return Office()


def test_runs_are_listed_with_whether_they_are_sealed(office: Office) -> None:
    assert office.told("evidence", "list") == {"runs": [{"run": office.run.folder, "sealed": True, "held": False}]}
    assert office.told("evidence", "list", "99") == {"runs": []}
    assert office.name in office.call("evidence", "list").output


def test_a_run_is_shown_with_its_proof_and_what_happened_since(office: Office) -> None:
    office.told("evidence", "share", office.name, "--to", "bob@law.example")
    told = office.told("evidence", "show", office.name)
    assert {each["path"]: each["proof"] for each in told["manifest"]["items"]}[
        "data/memory/image.raw"
    ] == "received-only"
    assert told["access"][0]["to"] == "bob@law.example"
    assert "bob(at)law" in office.call("evidence", "show", office.name).output


def test_verify_says_that_all_is_as_it_was_sealed_and_notes_that_it_was_read(office: Office) -> None:
    told = office.told("verify")
    assert told["whole"]
    assert told["runs"][0]["signed"] == f"{NAME} (local key)"
    assert office.noted() == [("verified", "ann@contoso.com", "")]


def test_verify_names_what_differs_and_fails(office: Office) -> None:
    office.spoil("data/memory/image.raw", b"memorz")
    told = office.told("verify", status=1)
    (difference,) = told["runs"][0]["differences"]
    assert (difference["object"], difference["where"]) == ("data/memory/image.raw", "bytes 0-5")
    assert "data/memory/image.raw, bytes 0-5: differ from what was sealed" in office.call("verify").output


def older(office: Office, name: str, number: str) -> Version:
    return Version(f"{office.run.folder}/{name}", number, office.run.clock.now(), current=False)


def test_verify_names_what_was_written_over_though_its_bytes_are_the_same(office: Office) -> None:
    """Nothing of ours writes twice: the account keeps what was there before."""
    office.run.evidence.older += [older(office, "data/memory/image.raw", each) for each in ("1", "2")]
    (difference,) = office.told("verify", status=1)["runs"][0]["differences"]
    assert (difference["object"], difference["where"]) == ("data/memory/image.raw", "version 9")
    assert difference["text"] == "was written over: 9 stands in place of 1, the first of 3 versions"


def test_verify_names_what_was_deleted_and_which_version_is_kept(office: Office) -> None:
    office.run.evidence.older.append(older(office, "data/gone.bin", "1"))
    (difference,) = office.told("verify", status=1)["runs"][0]["differences"]
    assert difference["text"] == "was deleted: version 1 is the first of 1 that are kept"


def test_who_may_not_look_at_versions_is_told_so(office: Office) -> None:
    def refuse(call: str) -> None:
        if call == "evidence.versions":
            raise Denied("no", status=403)

    office.run.evidence.before = refuse
    result = office.call("verify")
    assert result.exit_code == 0
    assert "whether anything was written over was not looked at" in result.stderr
    assert office.told("verify")["runs"][0]["versions"] is False


def test_versions_that_were_looked_at_are_told(office: Office, tmp_path: Path) -> None:
    assert office.told("verify")["runs"][0]["versions"] is True
    office.told("evidence", "get", office.name, "--into", str(tmp_path))
    told = office.told("verify", str(tmp_path))["runs"][0]
    assert (told["versions"], told["sealed_as"]) == (False, office.run.folder)
    assert f"(the seal of {office.run.folder})" in " ".join(office.call("verify", str(tmp_path)).output.split())


def test_what_could_not_be_checked_has_a_status_of_its_own(office: Office) -> None:
    """Nobody is to take a lost connection, or a missing role, for forged evidence."""

    def refuse(call: str) -> None:
        if call == refused:
            raise error

    office.run.evidence.before = refuse
    error: Exception
    for error in (Denied("no", status=403), Transient("unreachable")):
        for refused in ("evidence.names", "evidence.read"):
            result = office.call("verify")
            assert (result.exit_code, "could not be checked" in result.output) == (2, True), (refused, error)
    told = office.told("verify", status=2)
    assert not told["whole"]
    assert told["unchecked"] == [{"run": office.run.folder, "why": "unreachable"}]


def test_a_difference_counts_for_more_than_what_could_not_be_checked(office: Office) -> None:
    office.spoil("data/memory/image.raw", b"memorz")

    def refuse(call: str) -> None:
        if call == "evidence.versions":
            raise Transient("unreachable")

    office.run.evidence.before = refuse
    told = office.told("verify", status=1)
    assert told["runs"][0]["differences"]
    assert told["unchecked"]


def test_an_incident_s_runs_are_not_sought_in_a_folder(office: Office, tmp_path: Path) -> None:
    office.told("evidence", "get", office.name, "--into", str(tmp_path))
    assert office.call("verify", str(tmp_path), "--incident", "72").exit_code == 2


@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_bit_in_any_access_is_named(office: Office, number: int) -> None:
    """The chain beside the run is checked too, its last event by the hash that it was committed with."""
    for _ in range(3):
        office.told("evidence", "share", office.name, "--to", "bob")
    name = f"{access_folder(office.run.folder)}/{number:06d}.json"
    stored, data = office.run.evidence.stored[name]
    for at in range(0, len(data), 40):
        office.run.evidence.stored[name] = (stored, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        found = office.told("verify", status=1)["runs"][0]["differences"]
        assert [each["object"] for each in found] == [name], at


def test_an_access_that_is_missing_is_noticed(office: Office) -> None:
    for _ in range(3):
        office.told("evidence", "share", office.name, "--to", "bob")
    folder = access_folder(office.run.folder)
    del office.run.evidence.stored[f"{folder}/000002.json"]
    found = office.told("verify", status=1)["runs"][0]["differences"]
    assert [each["object"] for each in found] == [f"{folder}/000003.json"]


def test_a_run_that_is_not_sealed_is_no_success(office: Office) -> None:
    office.run.evidence.write_once("2026/08/inc-9/dev-a-b/run-1/data/a", [b"x"], metadata={})
    assert office.told("verify", status=1)["unsealed"] == ["2026/08/inc-9/dev-a-b/run-1"]
    assert not office.told("verify", "--incident", "8", status=1)["runs"]


def test_who_may_only_read_verifies_all_the_same(office: Office) -> None:
    def refuse(call: str) -> None:
        if call == "evidence.write_once":
            raise Denied("no", status=403)

    office.run.evidence.before = refuse
    result = office.call("verify")
    assert result.exit_code == 0
    assert "you may only read" in result.stderr
    assert office.call("evidence", "share", office.name, "--to", "bob").exit_code == 1, "nothing is lent unseen"


def test_a_run_is_fetched_checked_and_noted(office: Office, tmp_path: Path) -> None:
    told = office.told("evidence", "get", office.name, "--into", str(tmp_path))
    assert told["whole"]
    assert (tmp_path / office.run.folder / "data" / "memory" / "image.raw").read_bytes() == b"memory"
    assert [what for what, _, _ in office.noted()] == ["read"]
    assert office.told("verify", str(tmp_path))["whole"]


def test_a_download_goes_on_where_it_ended(office: Office, tmp_path: Path) -> None:
    """What is there whole is not fetched again, and what is there in part from its end on."""
    folder = tmp_path / office.run.folder
    (folder / "data" / "memory").mkdir(parents=True)
    path = folder / "data" / "memory" / "image.raw"
    path.with_name("image.raw.part").write_bytes(b"mem")
    archive, name = office.archive({}, ""), f"{office.run.folder}/data/memory/image.raw"
    assert list(fetched(archive, name, path)) == [3, 3]
    assert path.read_bytes() == b"memory"
    assert list(fetched(archive, name, path)) == [6]
    assert office.told("evidence", "get", office.name, "--into", str(tmp_path))["whole"]


def test_of_two_devices_with_runs_of_one_name_neither_lies_in_the_place_of_the_other(tmp_path: Path) -> None:
    """They are begun in one second, by one responder: the name is the same, and says nothing of the device."""
    office, other = Office(), Office(sealed_of("e" * 40))
    assert (office.name, office.run.folder != other.run.folder) == (other.name, True)
    office.run.evidence.stored |= other.run.evidence.stored
    for run in (office.run.folder, other.run.folder):
        told = office.told("evidence", "get", run, "--into", str(tmp_path))
        assert (told["whole"], told["folder"]) == (True, str(tmp_path / run))
    found = {json.loads(each.read_text())["run"]["device"]["id"][0] for each in tmp_path.rglob("manifest.json")}
    assert found == {"d", "e"}
    assert {each["run"] for each in office.told("verify", str(tmp_path))["runs"]} == {
        str(tmp_path / run) for run in (office.run.folder, other.run.folder)
    }


def test_a_download_of_an_earlier_version_is_gone_on_with_and_no_other_s(tmp_path: Path) -> None:
    """It lies in a folder that is called after the run alone: of whichever device was fetched last."""
    office, other = Office(), Office(sealed_of("e" * 40))
    office.run.evidence.stored |= other.run.evidence.stored
    for name, data in office.run.objects.items():
        path = tmp_path / office.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / office.name / "data" / "memory" / "image.raw").unlink()
    told = office.told("evidence", "get", office.run.folder, "--into", str(tmp_path))
    assert (told["whole"], told["folder"]) == (True, str(tmp_path / office.name))
    assert office.told("evidence", "get", other.run.folder, "--into", str(tmp_path))["folder"] == str(
        tmp_path / other.run.folder
    )


def test_nothing_is_put_over_what_was_downloaded_of_another_run(tmp_path: Path) -> None:
    office, other = Office(), Office(sealed_of("e" * 40))
    folder = tmp_path / office.run.folder
    folder.mkdir(parents=True)
    (folder / "checkpoint.json").write_bytes(other.run.objects["checkpoint.json"])
    told = office.told("evidence", "get", office.name, "--into", str(tmp_path), status=1)
    assert f"is of another run than {office.run.folder}" in told["error"]
    assert [each.name for each in folder.iterdir()] == ["checkpoint.json"]


@pytest.mark.parametrize("seal", [b"", b"[" * 100_000, b"[]", b'{"run": null}', b"{" * (2 << 20)])
def test_a_seal_that_says_nothing_of_a_run_keeps_none_from_being_fetched(tmp_path: Path, seal: bytes) -> None:
    office = Office()
    for place in (tmp_path / office.name, tmp_path / office.run.folder):
        place.mkdir(parents=True)
        (place / "checkpoint.json").write_bytes(seal)
    assert office.told("evidence", "get", office.name, "--into", str(tmp_path))["whole"]


def test_what_lies_in_the_archive_in_the_place_of_another_run_is_fetched_twice_too(tmp_path: Path) -> None:
    """It is told as a difference, and a download of it that broke off is gone on with."""
    office, other = Office(), Office(sealed_of("e" * 40))
    for name in list(office.run.objects):
        del office.run.evidence.stored[f"{office.run.folder}/{name}"]
    for name in other.run.objects:
        office.run.evidence.stored[f"{office.run.folder}/{name}"] = other.run.evidence.stored[
            f"{other.run.folder}/{name}"
        ]
    for _ in range(2):
        (told,) = office.told("evidence", "get", office.name, "--into", str(tmp_path), status=1)["differences"]
        assert told.endswith(f"is the seal of another run: {other.run.folder}")


ODD = [
    "data/..hidden",
    "data/.ssh",
    "data/a\u202eb",
    "data/a.",
    "data./a",
    "a//b",
    "x\\y",
    "data/nul",
    f"data/{'x' * 300}",
]
CLASHING = [
    *("data", "custody", "Custody", "checkpoint.json/x", "manifest.json/x/y"),
    *("data/memory", "data/memory/image.raw/x", "data/memory/Image.raw", "DATA/memory/image.raw"),
    *("data/memory/image.raw.part", "README.txt.PART"),
]


@pytest.mark.parametrize("name", [*ODD, *CLASHING])
def test_a_name_that_is_none_of_ours_is_not_made_a_file_and_all_else_is(
    office: Office, tmp_path: Path, name: str
) -> None:
    """Anybody who may write could else keep a run from being fetched."""
    stored = office.run.evidence.stored
    stored[f"{office.run.folder}/{name}"] = stored[f"{office.run.folder}/bagit.txt"]
    (difference,) = office.told("evidence", "get", office.name, "--into", str(tmp_path), status=1)["differences"]
    assert difference.startswith(plain(name))
    assert "not fetched" in difference
    fetched_ = {
        each.relative_to(tmp_path / office.run.folder).as_posix(): each.read_bytes()
        for each in tmp_path.rglob("*")
        if each.is_file()
    }
    assert fetched_ == {each: data for each, data in office.run.objects.items() if each != name}
    assert "not fetched" in office.call("evidence", "get", office.name, "--into", str(tmp_path)).output
    assert accesses(office.run.evidence, office.run.folder)[0].detail == "downloaded; 1 difference"


def test_get_shows_at_a_terminal_how_far_it_came_and_elsewhere_nothing(office: Office, tmp_path: Path) -> None:
    objects = len(office.run.objects)

    def slowly(call: str) -> None:
        time.sleep(0.15 * (call == "evidence.read"))

    office.run.evidence.before = slowly
    for terminal in (True, False):
        found, shown = office.watched("evidence", "get", office.name, "--into", str(tmp_path / "x"), terminal=terminal)
        assert (f"/{objects} data/memory/image.raw" in shown) is terminal
        assert ("0/6 bytes" in shown) is terminal
        assert "as it was sealed" in found
        assert f"/{objects} data" not in found
        shutil.rmtree(tmp_path / "x")


def test_of_a_run_that_is_not_sealed_what_is_left_out_is_named_too(tmp_path: Path) -> None:
    run = Archived()
    run.desk().keep_bytes("data/a.txt", b"x", kind="n", media_type="text/plain")
    run.evidence.stored[f"{run.folder}/data"] = run.evidence.stored[f"{run.folder}/data/a.txt"]
    office = Office(run)
    told = office.told("evidence", "get", office.name, "--into", str(tmp_path), status=1)
    assert told["differences"] == ["data: cannot be a file beside data/a.txt, and was not fetched"]
    assert (tmp_path / office.run.folder / "data" / "a.txt").read_bytes() == b"x"


def test_a_whole_name_is_that_of_one_run(office: Office, tmp_path: Path) -> None:
    """A longer one that ends the same is somebody else's, who cannot keep ours from being named by it."""
    folder, write = office.run.folder, office.run.evidence.write_once
    write(f"zz/{folder}/a", [b"x"], metadata={})
    part = folder.removeprefix("2026/08/inc-71/")
    write(f"{part}/a", [b"x"], metadata={})
    for said in (("show", folder), ("get", f"/{folder}/", "--into", str(tmp_path)), ("share", folder, "--to", "bob")):
        told = office.told("evidence", *said)
        assert told.get("run", folder) == folder
    for short in (office.name, part):
        assert "evidence list has their whole names" in office.told("evidence", "show", short, status=2)["error"]


def test_a_run_after_which_no_folder_is_called_is_not_fetched(office: Office, tmp_path: Path) -> None:
    office.run.evidence.write_once("x/run-a:b/checkpoint.json", [b"{}"], metadata={})
    assert "no run of ours" in office.told("evidence", "get", "run-a:b", "--into", str(tmp_path), status=2)["error"]


LINKS = ["", "/data", "/data/memory", "/data/memory/image.raw", "/data/memory/image.raw.part"]


@pytest.mark.parametrize("link", ["2026", "2026/08/inc-71", *(f"{{run}}{each}" for each in LINKS)])
@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_written_through_a_link(office: Office, tmp_path: Path, link: str, there: bool) -> None:
    """Whoever can write to the folder in which somebody downloads would else choose what is written over."""
    elsewhere = tmp_path / "elsewhere"
    if there and link.endswith("raw.part"):
        elsewhere.write_bytes(b"precious")
    elif there:
        elsewhere.mkdir()
    path = tmp_path / "into" / link.format(run=office.run.folder)
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    result = office.call("evidence", "get", office.name, "--into", str(tmp_path / "into"))
    assert result.exit_code == 1
    assert "is a link, and nothing is written through one" in " ".join(result.output.split())
    assert elsewhere.exists() is there
    assert not there or (
        elsewhere.read_bytes() == b"precious" if elsewhere.is_file() else not list(elsewhere.iterdir())
    )


def test_a_link_that_comes_after_the_look_is_not_written_through_either(office: Office, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "image.raw.part").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        list(fetched(office.archive({}, ""), f"{office.run.folder}/data/memory/image.raw", tmp_path / "image.raw"))
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_link_reads_for_eight_hours_and_is_noted_with_whom_it_is_for(office: Office) -> None:
    told = office.told("evidence", "share", office.name, "data/memory/image.raw", "--to", "bob", "--why", "review")
    (link,) = told["links"].values()
    assert "sp=r&" in link
    assert told["until"].startswith(f"{office.run.clock.now().date()} {office.run.clock.now().hour + 8:02d}:")
    (noted,) = accesses(office.run.evidence, office.run.folder)
    assert (noted.what, noted.to, noted.why.purpose) == ("shared", "bob", "review")
    assert noted.clocks.storage == noted.at  # and beside it that of this machine, which is another year
    assert datetime.fromisoformat(noted.clocks.host) > datetime.fromisoformat(noted.at) + timedelta(days=30)
    assert "sig=" not in noted.line.decode()
    assert office.call("evidence", "share", office.name, "data/none", "--to", "bob").exit_code == 2


@pytest.mark.parametrize(("end", "last"), [("\n", ""), ("\r\n", ""), ("\n", "\n")])
def test_who_was_lent_a_run_makes_its_folder_again_with_bash(
    office: Office, tmp_path: Path, end: str, last: str
) -> None:
    """By the line that the command and the page show, whatever became of the ends of lines on the way."""
    served, folder = tmp_path / "served", tmp_path / "there"
    for name, data in office.run.objects.items():
        path = served / office.run.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    said = office.call("evidence", "share", office.name, "--to", "bob")
    assert all(f"{shell}:  {line}\n" in said.stderr for shell, line in REBUILD.items())
    folder.mkdir()
    bash = str(shutil.which("bash"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served)) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        links = said.stdout.replace("https://memory/", f"http://127.0.0.1:{server.server_port}/").rstrip("\n") + last
        (tmp_path / "links.txt").write_bytes(links.replace("\n", end).encode())
        done = subprocess.run([bash, "-c", REBUILD["bash"]], cwd=folder, check=False, capture_output=True, timeout=60)
        server.shutdown()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    checked = subprocess.run([sys.executable, "verify.py"], cwd=folder, check=False, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert Folder(folder).names() == sorted(office.run.objects)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_args: object) -> None:
        """Stay silent."""


def test_the_page_shows_how_a_folder_is_made_again() -> None:
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    assert all(f"\n{line}\n" in page for line in REBUILD.values())
    tree = Parser(Language(tree_sitter_powershell.language())).parse(REBUILD["PowerShell"].encode())
    assert not tree.root_node.has_error


@pytest.mark.parametrize("hours", ["nan", "inf", "-inf", "-1", "0", "1e-12", "0.016", "168.1", "a day", ""])
def test_a_link_works_for_a_minute_at_least_and_seven_days_at_most(office: Office, hours: str) -> None:
    result = office.call("evidence", "share", office.name, "--to", "bob", "--hours", hours)
    assert result.exit_code == 2
    assert "from 0.02 (about a minute) to 168 (seven days)" in result.output
    assert office.noted() == []


@pytest.mark.parametrize("hours", ["0.02", "1e-1", "168"])
def test_and_for_anything_between(office: Office, hours: str) -> None:
    office.told("evidence", "share", office.name, "--to", "bob", "--hours", hours)


UNREADABLE = ["", " ", "x" * 501, "\udcff", "bob\nx", "\x1b[2J", "\x00"]


@pytest.mark.parametrize("said", UNREADABLE, ids=ascii)
def test_to_whom_and_why_are_texts_that_a_note_can_hold(office: Office, said: str) -> None:
    """Nobody is to find half of a name there, or none."""
    for command in (
        ("share", office.name, "--to", said),
        ("share", office.name, "--to", "bob", "--why", said),
        ("hold", "71", "--why", said),
    ):
        result = office.call("evidence", *command)
        assert (result.exit_code, "1 to 500 characters" in result.output) == (2, True)
    assert office.noted() == []


@pytest.mark.parametrize("said", ["b", "x" * 500, "日本 法律事務所", 'N. N., "Example" LLP'])
def test_who_was_lent_a_run_is_noted_whole(office: Office, said: str) -> None:
    office.told("evidence", "share", office.name, "--to", said, "--why", said)
    (noted,) = accesses(office.run.evidence, office.run.folder)
    assert (noted.to, noted.why.purpose) == (said, said)


def test_a_hold_is_set_on_every_object_of_an_incident_and_let_go(office: Office) -> None:
    """What happened to its runs since, and the reports that were kept of it, too; of no other incident anything."""
    run, label = office.run, {"kind": "report"}
    kept = "2026/09/inc-71/reports/report-r0001.html"
    run.evidence.write_once(kept, [b"x"], metadata=label)
    run.evidence.write_once(kept.replace("inc-71", "inc-710"), [b"x"], metadata=label)
    told = office.told("evidence", "hold", "71", "--why", "court order")
    device, _, name = run.folder.rpartition("/")
    beside = {kept, f"{device}/access/{name}/000001.json"}
    assert run.evidence.holds == {f"{run.folder}/{name}" for name in run.objects} | beside
    assert told["objects"] == len(run.evidence.holds)
    assert office.told("evidence", "list")["runs"][0]["held"]
    office.told("evidence", "release-hold", "71", "--why", "settled")
    assert office.run.evidence.holds == set()
    assert [what for what, _, _ in office.noted()] == ["held", "let go"]
    assert office.call("evidence", "hold", "99", "--why", "x").exit_code == 2


def test_what_happens_since_changes_nothing_of_the_run(office: Office) -> None:
    before = office.run.objects
    for command in (("share", office.name, "--to", "b"), ("hold", "71", "--why", "x")):
        office.told("evidence", *command)
    assert office.run.objects == before
    assert office.told("verify")["whole"]


def test_a_run_in_the_place_of_another_one_is_told_where_the_folders_are_called_as_in_the_archive(
    office: Office, tmp_path: Path
) -> None:
    """As after azcopy; what `get` brings may lie anywhere."""
    other = office.run.folder.replace("inc-71", "inc-72")
    for place in (office.run.folder, other, "anywhere/run-1"):
        for name, data in office.run.objects.items():
            path = tmp_path / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    told = office.told("verify", str(tmp_path), status=1)
    found = {each["run"]: [one["text"] for one in each["differences"]] for each in told["runs"]}
    assert found == {
        str(tmp_path / office.run.folder): [],
        str(tmp_path / "anywhere" / "run-1"): [],
        str(tmp_path / other): [f"is the seal of another run: {office.run.folder}"],
    }
    assert not office.told("verify", os.path.relpath(tmp_path / other), status=1)["whole"]


def test_a_downloaded_run_whose_seal_is_gone_is_not_passed_over(office: Office, tmp_path: Path) -> None:
    """Beside another one that is whole: removing a file must not make an end green."""
    for number in (1, 2):
        for name, data in office.run.objects.items():
            path = tmp_path / f"run-{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    assert office.told("verify", str(tmp_path))["whole"] is True
    (tmp_path / "run-2" / "checkpoint.json").unlink()
    told = office.told("verify", str(tmp_path), status=1)
    assert told["unsealed"] == [str(tmp_path / "run-2")]
