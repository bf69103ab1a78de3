"""What `bulkhead verify` tells of downloads that somebody took from, of keys, of reports, and while it still reads."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Denied, Transient
from shared.models.archive.checkpoint import VAULT, PublicKey, base64url, digest_of
from shared.models.archive.names import access_folder
from tests.fakes.signing import NAME, FakeSigner
from tests.unit.archived import Archived, action, sealed
from tests.unit.test_console_evidence import Office

OTHER = f"sha256:{'0' * 64}"
REPORT = "2026/08/inc-71/reports/report-r0001.html"


@pytest.fixture
def office() -> Office:
    return Office()


def another() -> Archived:
    """A run of another round."""
    run = Archived()
    run.action = action(round=2)
    run.desk().keep_bytes("data/x.txt", b"other", kind="note", media_type="text/plain")
    run.desk().run.close("succeeded")
    return run


def put(objects: dict[str, bytes], place: Path) -> Path:
    for name, data in objects.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place


def tree(office: Office, root: Path) -> Path:
    """All of the archive, as azcopy brings it."""
    return put({name: data for name, (_, data) in office.run.evidence.stored.items()}, root)


# downloads from which something was taken


OWN = (
    *("manifest.json", "custody.jsonl", "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"),
    *("custody/000001.json", "custody/000003.json"),
)


@pytest.mark.parametrize("left", [(), *((each,) for each in OWN), ("README.txt",), ("data/memory/image.raw",)], ids=str)
def test_a_folder_that_is_called_a_run_needs_a_seal(office: Office, tmp_path: Path, left: tuple[str, ...]) -> None:
    """Whatever is left in it, beside another run that is whole."""
    whole, spoilt = another(), tmp_path / office.name
    put(whole.objects, tmp_path / whole.folder.rpartition("/")[2])
    spoilt.mkdir()
    put({name: office.run.objects[name] for name in left}, spoilt)
    for place in (tmp_path, spoilt):
        assert office.told("verify", str(place), status=1)["unsealed"] == [str(spoilt)]
    assert f"{spoilt}: not sealed" in office.call("verify", str(tmp_path)).output


ALONE = (*((each,) for each in OWN), ("README.txt", "data/a"), ("verify.py", "custody/x"))


@pytest.mark.parametrize("left", ALONE, ids=str)
def test_and_so_does_one_with_any_file_that_only_a_run_has(
    office: Office, tmp_path: Path, left: tuple[str, ...]
) -> None:
    put(office.run.objects, tmp_path / "whole")
    put(dict.fromkeys(left, b"x"), tmp_path / "case 7")
    assert office.told("verify", str(tmp_path), status=1)["unsealed"] == [str(tmp_path / "case 7")]
    with contextlib.chdir(tmp_path):
        assert office.told("verify", ".", status=1)["unsealed"] == ["case 7"]


def test_all_that_marked_a_run_is_gone_and_its_data_is_not(office: Office, tmp_path: Path) -> None:
    """Four marks were looked for, and five files to be taken away."""
    tree(office, tmp_path)
    put(another().objects, tmp_path / "2026/08/inc-71/dev-x-00000000" / another().folder.rpartition("/")[2])
    for name in ("checkpoint.json", "manifest.json", "custody.jsonl", "bagit.txt", "custody/000001.json"):
        (tmp_path / office.run.folder / name).unlink()
    assert office.told("verify", str(tmp_path), status=1)["unsealed"] == [str(tmp_path / office.run.folder)]


def test_a_run_that_is_gone_is_told_by_the_chain_beside_it(office: Office, tmp_path: Path) -> None:
    office.told("evidence", "share", office.name, "--to", "bob")
    tree(office, tmp_path)
    put(another().objects, tmp_path / "other")
    shutil.rmtree(tmp_path / office.run.folder)
    assert office.told("verify", str(tmp_path), status=1)["unsealed"] == [str(tmp_path / office.run.folder)]


def test_what_others_have_beside_runs_is_no_run(tmp_path: Path) -> None:
    """A verifier that is trusted, notes, a chain of accesses; and what a device had may be called like anything."""
    run = Archived()
    for name in ("data/manifest.json", "data/run-1/bagit.txt", "data/x/access/run-1/a", "data/custody/000001.json"):
        run.desk().keep_bytes(name, b"x", kind="note", media_type="text/plain")
    run.desk().run.close("succeeded")
    office = Office(run)
    office.told("evidence", "share", office.name, "--to", "bob")
    tree(office, tmp_path)
    put({"verify.py": b"x", "README.txt": b"x", "notes/run.txt": b"x", "notes/run-1.txt": b"x"}, tmp_path)
    told = office.told("verify", str(tmp_path))
    assert (told["whole"], told["unsealed"], [each["accesses"] for each in told["runs"]]) == (True, [], [True])


def test_a_link_to_a_run_is_no_run(office: Office, tmp_path: Path) -> None:
    put(office.run.objects, tmp_path / "elsewhere")
    put(office.run.objects, tmp_path / "in" / office.name)
    (tmp_path / "in" / "run-linked").symlink_to(tmp_path / "elsewhere")
    assert office.told("verify", str(tmp_path / "in"), status=1)["unsealed"] == [str(tmp_path / "in" / "run-linked")]


@pytest.mark.parametrize("place", ["{name}", "inc-71/{name}", "case/2/{name}"])
def test_a_run_in_a_folder_with_the_bare_name_of_another_one_is_told(
    office: Office, tmp_path: Path, place: str
) -> None:
    """As `evidence get` calls it."""
    folder = put(another().objects, tmp_path / place.format(name=office.name))
    (difference,) = office.told("verify", str(tmp_path), status=1)["runs"][0]["differences"]
    assert difference["text"] == f"is the seal of another run: {another().folder}"
    folder.rename(folder.with_name("mine"))
    assert office.told("verify", str(tmp_path))["whole"]


# chains of accesses that were downloaded


@pytest.fixture
def lent(office: Office, tmp_path: Path) -> Path:
    """The whole archive on this machine, with a run that was lent three times; where the chain of that lies."""
    for to in ("bob", "carol", "dave"):
        office.told("evidence", "share", office.name, "--to", to)
    return tree(office, tmp_path) / access_folder(office.run.folder)


def differences(office: Office, place: Path) -> list[str]:
    told = office.told("verify", str(place), status=1)
    found = [*told["differences"], *(each for run in told["runs"] for each in run["differences"])]
    return [f"{each['object']}: {each['text']}" for each in found]


def test_a_chain_of_accesses_that_was_downloaded_is_followed(office: Office, lent: Path, tmp_path: Path) -> None:
    run = tmp_path / office.run.folder
    for place in (tmp_path, run):
        told = office.told("verify", str(place))
        assert (told["whole"], told["runs"][0]["accesses"]) == (True, True)
    assert "no chain of accesses tells what came last" in office.call("verify", str(tmp_path)).stderr
    (lent / "000002.json").unlink()
    (lent / "000003.json").write_bytes((lent / "000003.json").read_bytes().replace(b"dave", b"eve!"))
    said = f"access/{office.name}/000003.json: comes next after event 1: what was between them is missing"
    assert differences(office, tmp_path) == differences(office, run) == [said]


def test_without_its_run_too(office: Office, lent: Path, tmp_path: Path) -> None:
    (lent / "000001.json").unlink()
    shutil.rmtree(tmp_path / office.run.folder)
    (said,) = differences(office, tmp_path)
    assert said.startswith(
        f"{tmp_path / office.run.folder}: access/{office.name}/000002.json: comes next after event 0"
    )


def test_where_no_chain_lies_beside_a_run_that_is_told(office: Office, tmp_path: Path) -> None:
    office.told("evidence", "get", office.name, "--into", str(tmp_path))
    assert office.told("verify", str(tmp_path))["runs"][0]["accesses"] is False


# whose key it is


class Named(FakeSigner):
    """A key that is called as somebody likes."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__()
        self.named = replace(super().key, kind=kind, key=name)

    @property
    def key(self) -> PublicKey:
        return self.named


def called(kind: str, key: str) -> Office:
    """An archive with a run that such a key sealed."""
    run = Archived()
    run.ports.signer = Named(kind, key)
    run.desk().keep_bytes("data/x.txt", b"x", kind="note", media_type="text/plain")
    run.desk().run.close("succeeded")
    return Office(run)


def test_a_run_that_another_key_sealed_is_told_to_a_script(tmp_path: Path) -> None:
    """Whatever that key is called."""
    name = "https://contoso-kv.vault.azure.net/keys/custody/0123456789abcdef0123456789abcdef"
    office = called(VAULT, name)
    place = str(put(office.run.objects, tmp_path / "run"))
    for where in ((), (place,)):
        assert office.told("verify", *where, "--key", NAME)["runs"][0]["key"] == NAME
        assert office.told("verify", *where, "--key", OTHER, "--key", NAME)["whole"]
        found = office.told("verify", *where, "--key", OTHER, status=1)["runs"][0]["differences"]
        assert [f"{each['object']}: {each['text']}" for each in found] == [
            f"checkpoint.json: is signed with another key: {NAME}"
        ]
        assert "is signed with another key" in office.call("verify", *where, "--key", OTHER).output


@pytest.mark.parametrize("key", ["", "sha256:", NAME[7:], NAME.upper(), f"{NAME}0", "https://x"])
def test_what_is_no_fingerprint_is_refused(office: Office, key: str) -> None:
    result = office.call("verify", "--key", key)
    assert (result.exit_code, "64 hex digits" in result.output) == (2, True)


def test_a_seal_that_nobody_signed_has_no_key_at_all(office: Office) -> None:
    office.spoil("checkpoint.json", b"{}")
    assert office.told("verify", "--key", NAME, status=1)["runs"][0]["key"] == ""


@pytest.mark.parametrize("host", ["vault.azure.net", "vault.usgovcloudapi.net"])
def test_a_vault_s_key_is_told_as_it_can_be_pasted(tmp_path: Path, host: str) -> None:
    """Into `az keyvault key show --id`, in one line; and beside it what it cannot choose."""
    name = f"https://contoso-kv.{host}/keys/custody/0123456789abcdef0123456789abcdef"
    office = called(VAULT, name)
    for where in ((), (str(put(office.run.objects, tmp_path / ("a" * 100) / "run")),)):
        said = office.call("verify", *where).output
        assert f" bytes; {NAME} (key-vault key {name}); as it was sealed\n" in said


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (VAULT, "https://evil.example/keys/custody/0123456789abcdef0123456789abcdef"),
        (VAULT, "https://x.vault.azure.net.evil.example/keys/custody/0123456789abcdef0123456789abcdef"),
        (VAULT, "https://evil.example/?x.vault.azure.net/keys/custody/0123456789abcdef0123456789abcdef"),
        (VAULT, "https://x.vault.azure.net/keys/custody/0123456789abcdef0123456789abcdef\x1b[2J"),
        ("https://x.vault.azure.net/keys/c/0123456789abcdef0123456789abcdef", "x"),
    ],
)
def test_anything_else_that_calls_itself_a_key_is_made_inert(kind: str, key: str) -> None:
    run = sealed()
    point = json.loads(run.objects["checkpoint.json"])
    del point["signature"]
    point["signer"] |= {"kind": kind, "key": key}
    signed = {**point, "signature": base64url(FakeSigner().sign(digest_of(point)))}
    office = Office(run)
    office.spoil("checkpoint.json", (json.dumps(signed, indent=2, sort_keys=True) + "\n").encode())
    said = office.call("verify").output
    assert f"{NAME} (" in said
    assert "https[:]//" in said
    assert "://" not in said.replace("[:]//", "")
    assert "\x1b" not in said


# reports


def reported(office: Office) -> list[str]:
    names = [REPORT, REPORT.replace(".html", "-plain.md")]
    for name in names:
        office.run.evidence.write_once(name, [b"<html>", b"true" * 3_000_000], metadata={"kind": "report"})
    return names


def test_a_byte_in_a_report_or_beside_it_is_named(office: Office) -> None:
    """Under metadata that are as they were, with no second version to show it."""
    names = reported(office)
    assert office.told("verify")["reports"] == 2
    assert "2 files of reports: as they were committed" in office.call("verify").output
    for name in names:
        stored, data = office.run.evidence.stored[name]
        office.run.evidence.stored[name] = (stored, data.replace(b"true", b"trux", 1))
        told = office.told("verify", status=1)
        (difference,) = told["differences"]
        assert difference["object"] == name
        assert difference["text"].startswith(f"is not what was committed: has {len(data)} bytes, sha256:")
        assert difference["text"].endswith(f"was committed with sha256:{stored.sha256}")
        assert told["runs"][0]["whole"]
        assert "2 files of reports: 1 difference" in office.call("verify").output
        office.run.evidence.stored[name] = (stored, data)


def test_of_reports_those_of_the_incident_are_read_and_nothing_else(office: Office) -> None:
    evidence = office.run.evidence
    strange = ("2026/08/inc-71/reports/", "2026/08/inc-72/reports/a", "reports/b", "2026/08/inc-71/dev-a/reports/c")
    for name in (REPORT, *strange[1:]):
        evidence.write_once(name, [b"x"], metadata={})
    for name, (stored, _) in [*evidence.stored.items()]:
        if "/reports/" in name:
            evidence.stored[name] = (stored, b"y")
    assert [each["object"] for each in office.told("verify", "--incident", "71", status=1)["differences"]] == [REPORT]
    found = [each["object"] for each in office.told("verify", status=1)["differences"]]
    assert found == [REPORT, "2026/08/inc-72/reports/a"]


def test_a_report_without_a_hash_or_a_name_is_somebody_else_s(office: Office) -> None:
    reported(office)
    stored, data = office.run.evidence.stored[REPORT]
    odd = "2026/08/inc-71/reports/a/../b"
    office.run.evidence.stored |= {REPORT: (replace(stored, sha256=""), data), odd: (stored, data)}
    told = {each["object"]: each["text"] for each in office.told("verify", status=1)["differences"]}
    assert told.keys() == {REPORT, odd}
    assert all(each.endswith("somebody put it there") for each in told.values())


def test_reports_that_cannot_be_read_are_no_difference(office: Office) -> None:
    reported(office)

    def refuse(call: str) -> None:
        if call == "evidence.head":  # of what nothing else of a check asks for while no chain of accesses is there
            raise Denied("no", status=403)

    office.run.evidence.before = refuse
    told = office.told("verify", status=2)
    assert told["unchecked"] == [{"run": "reports", "why": "no"}]
    assert (told["whole"], told["differences"], told["runs"][0]["whole"]) == (False, [], True)


# while it reads


class Stopped:
    """What a person sees until Ctrl-C, which comes at the n-th call of a name."""

    def __init__(self, office: Office, call: str, after: int) -> None:
        self.left = after

        def before(made: str) -> None:
            self.left -= made == call
            if self.left < 0:
                raise KeyboardInterrupt

        office.run.evidence.before = before


def two(office: Office) -> str:
    """A second run, which is read after the first; its name."""
    folder = office.run.folder.replace("inc-71", "inc-72")
    run, evidence = office.run, office.run.evidence
    for name, data in run.objects.items():
        stored, _ = evidence.stored[f"{run.folder}/{name}"]
        evidence.stored[f"{folder}/{name}"] = (stored, data)
    return folder


@pytest.fixture
def stopped(office: Office) -> str:
    """The second of two runs, before which somebody stops; the first is spoilt."""
    second = two(office)
    office.spoil("data/memory/image.raw", b"memorz")
    # the chain of accesses is read, too, and again when it is noted there
    Stopped(office, "evidence.read", len(office.run.objects) + 3)
    return second


def test_who_stops_it_keeps_what_was_found(office: Office, stopped: str) -> None:
    """And the status says that something differs."""
    result = office.call("verify")
    assert result.exit_code == 1
    assert f"{office.run.folder}:\n  data/memory/image.raw, bytes 0-5: differ" in result.output
    assert f"{stopped}: could not be checked: interrupted" in result.output
    assert "interrupted: of 2 runs 1 read to the end" in result.output


def test_and_so_does_a_script(office: Office, stopped: str) -> None:
    told = office.told("verify", status=1)
    assert told["unchecked"] == [{"run": stopped, "why": "interrupted"}]
    assert [each["run"] for each in told["runs"]] == [office.run.folder]


def test_in_the_middle_of_a_run_as_well(office: Office) -> None:
    """Which is then told with what differs, and not for whole."""
    office.spoil("custody.jsonl", b"x")
    Stopped(office, "evidence.read", 12)
    result = office.call("verify")
    assert result.exit_code == 1
    assert "custody.jsonl, line 1: " in result.output
    assert "could not be checked: interrupted" in result.output
    assert "sealed" not in result.output.replace("was sealed with", "").replace("that was sealed", "")


@pytest.mark.parametrize(
    ("call", "after", "what"),
    [("evidence.read", 3, "run"), ("evidence.names", 0, "everything"), ("evidence.versions", 0, "run")],
)
def test_where_nothing_was_found_until_then_that_is_no_success(
    office: Office, call: str, after: int, what: str
) -> None:
    Stopped(office, call, after)
    told = office.told("verify", status=2)
    assert not told["whole"]
    named = office.run.folder if what == "run" else what
    assert told["unchecked"] == [{"run": named, "why": "interrupted"}]
    Stopped(office, call, after)
    result = office.call("verify")
    assert (result.exit_code, "interrupted" in result.output) == (2, True)


def test_storage_that_breaks_off_in_the_middle_of_a_run_loses_nothing_either(office: Office) -> None:
    office.spoil("custody.jsonl", b"x")
    left = [12]

    def before(call: str) -> None:
        left[0] -= call == "evidence.read"
        if left[0] < 0:
            raise Transient("unreachable")

    office.run.evidence.before = before
    result = office.call("verify")
    assert result.exit_code == 1
    assert "custody.jsonl, line 1: " in result.output
    assert "could not be checked: unreachable" in result.output


def test_each_finding_is_told_before_the_next_object_is_read(office: Office) -> None:
    """Not when all is over: an archive takes hours, and so may one image in it."""
    office.spoil("custody.jsonl", b"x")
    heard: list[str] = []

    def listen(call: str) -> None:
        if call == "evidence.read":
            sys.stdout.flush()
            stdout: Any = sys.stdout.buffer
            heard.append(stdout.getvalue().decode())

    office.run.evidence.before = listen
    result = office.call("verify")
    assert "custody.jsonl, line 1: " in heard[-1]
    lines = result.output.splitlines()
    assert len(lines) == len(set(lines))
    assert any("custody.jsonl, line 1: " in each for each in heard[: len(heard) // 2])


def test_at_a_terminal_it_shows_how_far_it_came_and_elsewhere_nothing(office: Office) -> None:
    """Apart from what was found, which may go into a file."""
    office.spoil("data/memory/image.raw", b"memorz")
    for terminal in (True, False):
        found, shown = office.watched("verify", terminal=terminal)
        assert ("1/1 run-" in shown) is terminal
        assert "image.raw, bytes 0-5: differ" in found
        assert "1/1" not in found
