"""What a stranger is told of a run: that it is as it was sealed, or exactly what differs."""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bagit
import jsonschema
import pytest
import tree_sitter_powershell
from tree_sitter import Language, Parser

from responders import _verify
from responders._access import Access, record
from responders._verify import Folder, called, check, follow
from shared.models.archive.bag import POWERSHELL
from shared.models.archive.checkpoint import base64url, checkpoint_json, digest_of
from shared.models.archive.custody import Who
from shared.models.archive.manifest import manifest_schema
from shared.models.archive.names import access_folder
from tests.fakes.signing import NAME, FakeSigner, N
from tests.unit.archived import Archived, Memory, sealed

ROOT = Path(__file__).parents[2]
MEBI = 1 << 20


@pytest.fixture(scope="module")
def run() -> Archived:
    return sealed()


@pytest.fixture(scope="module")
def large() -> Archived:
    return sealed(20)


@pytest.fixture
def folder(run: Archived, tmp_path: Path) -> Path:
    """The run, downloaded."""
    for name, data in run.objects.items():
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "run"


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_run_as_it_was_sealed(run: Archived) -> None:
    """Everything was read, once, and the signature holds."""
    checked = run.checked()
    assert checked.findings == []
    assert checked.whole
    assert checked.objects == len(run.objects)
    assert (checked.key, checked.signed) == (NAME, f"{NAME} (local key)")


KINDS = (
    "README.txt",
    "bag-info.txt",
    "bagit.txt",
    "checkpoint.json",
    "custody.jsonl",
    "custody/000001.json",
    "custody/000003.json",
    "custody/000005.json",
    "data/incident/incident.json",
    "data/memory/image.raw",
    "manifest-sha256.txt",
    "manifest.json",
    "manifest.schema.json",
    "tagmanifest-sha256.txt",
    "verify.py",
)


def test_every_kind_of_object_is_among_those_that_are_spoilt(run: Archived) -> None:
    shown = {name.replace("2", "1").replace("4", "3") if name.startswith("custody/") else name for name in run.objects}
    assert shown - {"data/empty.txt"} == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_one_bit_anywhere_in_any_object_is_found_there(run: Archived, name: str) -> None:
    """The object is named, and none that is whole, but for the line that says something else of it."""
    data = run.objects[name]
    step = max(1, len(data) // 100)
    for at in (*range(0, len(data), step), len(data) - 1):
        found = run.checked(**{name: flipped(data, at)}).findings
        assert found, at
        assert name in {each.object for each in found}, (at, list(map(str, found)))
        others = {each.object for each in found} - {name}
        assert others <= set(), (at, list(map(str, found)))


def test_the_bytes_that_differ_are_told_to_eight_mebibytes(large: Archived) -> None:
    data = large.objects["data/memory/image.raw"]
    spoilt = flipped(flipped(data, 3), 17 * MEBI)
    found = large.checked(**{"data/memory/image.raw": spoilt}).findings
    assert [(each.object, each.where) for each in found] == [
        ("data/memory/image.raw", f"bytes 0-{8 * MEBI - 1}"),
        ("data/memory/image.raw", f"bytes {16 * MEBI}-{20 * MEBI - 1}"),
    ]


def test_what_is_cut_short_says_where_it_ends(large: Archived) -> None:
    data = large.objects["data/memory/image.raw"][: 10 * MEBI]
    (found,) = large.checked(**{"data/memory/image.raw": data}).findings
    assert found.where == f"bytes {10 * MEBI}-"
    assert found.text == f"has {10 * MEBI} bytes instead of {20 * MEBI}"


def test_an_event_that_was_changed_is_named_by_its_line(run: Archived) -> None:
    """In the file of all, and not the blob of its own, or the other way round."""
    lines = run.objects["custody.jsonl"].split(b"\n")
    lines[1] = lines[1].replace(b'"incident":"71"', b'"incident":"72"')
    (found,) = run.checked(**{"custody.jsonl": b"\n".join(lines)}).findings
    assert (found.object, found.where) == ("custody.jsonl", "line 2")


def test_a_line_of_a_manifest_that_was_changed_is_named(run: Archived) -> None:
    lines = run.objects["manifest-sha256.txt"].decode().split("\n")
    lines[1] = "0" * 64 + lines[1][64:]
    found = run.checked(**{"manifest-sha256.txt": "\n".join(lines).encode()}).findings
    assert {(each.object, each.where) for each in found} == {("manifest-sha256.txt", "line 2")}


@pytest.mark.parametrize("name", [each for each in KINDS if each != "tagmanifest-sha256.txt"])
def test_what_is_missing_is_named(run: Archived, name: str) -> None:
    found = run.checked(**{name: None}).findings
    assert (name, "is missing") in {(each.object, each.text) for each in found}


def test_what_somebody_put_there_is_named(run: Archived) -> None:
    for name in ("data/more.bin", "custody/000099.json", "run.exe"):
        (found,) = run.checked(**{name: b"x"}).findings
        assert found.object == name
        assert "somebody put it there" in found.text


def test_a_whole_run_of_somebody_else_s_key_says_whose_it_is(run: Archived) -> None:
    """Whoever can write everything can seal everything: whose key it is has to be compared, so it is told."""
    point = json.loads(run.objects["checkpoint.json"])
    point["signer"]["key"] = "https://vault/keys/custody/1"
    changed = (json.dumps(point, indent=2, sort_keys=True) + "\n").encode()
    assert not run.checked(**{"checkpoint.json": changed}).signed


def test_what_nobody_signed_makes_nothing_a_part_of_the_run(run: Archived) -> None:
    """The tag manifest holds the hash of the checkpoint, which cannot hold its hash: anybody can add to it."""
    for name in ("data/more.bin", "custody/000006.json", "run.exe"):
        line = f"{hashlib.sha256(b'x').hexdigest()}  {name}\n".encode()
        tags = run.objects["tagmanifest-sha256.txt"] + line
        end = tags.count(b"\n")
        told = [str(each) for each in run.checked(**{name: b"x", "tagmanifest-sha256.txt": tags}).findings]
        assert told == [
            f"tagmanifest-sha256.txt, line {end}: should not be there",
            f"{name}: is not part of the run: somebody put it there",
        ]


FREE = ("README.txt", "bag-info.txt", "bagit.txt", "manifest.schema.json", "verify.py")


def without(tags: bytes, *names: str) -> bytes:
    """A tag manifest without the lines of some files."""
    return b"".join(line for line in tags.splitlines(keepends=True) if line[66:-1].decode() not in names)


@pytest.mark.parametrize("names", [*((name,) for name in FREE), FREE], ids=str)
def test_what_is_gone_with_its_line_in_the_tag_manifest_is_missing(run: Archived, names: tuple[str, ...]) -> None:
    """The tag manifest is not signed: what has to be there, the seal and the chain say."""
    tags = without(run.objects["tagmanifest-sha256.txt"], *names)
    changed: dict[str, bytes | None] = {**dict.fromkeys(names), "tagmanifest-sha256.txt": tags}
    told = [(each.object, each.text.partition(" ")[0]) for each in run.checked(**changed).findings]
    lines = [("tagmanifest-sha256.txt", "should")] * len(names)
    assert told == [*((name, "is") for name in names), *lines]


def test_every_line_of_the_tag_manifest_has_its_place(run: Archived) -> None:
    """Nor does the right line make up for a wrong one that is read before it, or after it."""
    lines = run.objects["tagmanifest-sha256.txt"].decode().splitlines(keepends=True)
    wrong = "0" * 64 + lines[3][64:]
    for number, changed in {
        1: [*lines[1::-1], *lines[2:]],
        4: [*lines[:3], wrong, *lines[3:]],
        5: [*lines[:4], wrong, *lines[4:]],
        3: [*lines[:3], lines[2], *lines[3:]],
        7: lines[:6] + lines[7:],
        len(lines): [*lines[:-1], lines[-1].rstrip()],
    }.items():
        found = run.checked(**{"tagmanifest-sha256.txt": "".join(changed).encode()}).findings
        assert {each.object for each in found} == {"tagmanifest-sha256.txt"}
        assert found[0].where == f"line {number}"
        assert found[0].text == f"should be {lines[number - 1].rstrip()}"
        assert len(found) == (2 if number == 1 else 1)


@pytest.mark.parametrize("names", [("custody.jsonl",), ("custody.jsonl", "custody/000005.json")], ids=str)
def test_a_chain_whose_file_is_gone_is_followed_by_its_events(run: Archived, names: tuple[str, ...]) -> None:
    """What the seal promises is not taken for something that somebody put there."""
    told = [str(each) for each in run.checked(**dict.fromkeys(names)).findings]
    assert {f"{name}: is missing" for name in names} <= set(told)
    assert not any("somebody put it there" in each or each.startswith("tagmanifest") for each in told)


def test_a_run_without_items_is_whole() -> None:
    run = Archived()
    run.desk().run.note("clock", "unknown")
    run.desk().run.close("failed", missing="not had")
    assert run.objects["manifest-sha256.txt"] == b""
    assert run.checked().findings == []


def resealed(run: Archived, **signer: str) -> bytes:
    """The checkpoint with another signer, signed with the key of the tests."""
    return signed_anew(run, lambda point: point["signer"].update(signer))


def signed_anew(run: Archived, edit: Callable[[dict[str, Any]], object]) -> bytes:
    """The checkpoint with anything else in it, signed with the key of the tests."""
    point = json.loads(run.objects["checkpoint.json"])
    del point["signature"]
    edit(point)
    signed = {**point, "signature": base64url(FakeSigner().sign(digest_of(point)))}
    return (json.dumps(signed, indent=2, sort_keys=True) + "\n").encode()


def test_a_signature_that_needs_no_key_is_none(run: Archived) -> None:
    """With the exponent 1 a signature is what it signs; the modulus can be that of the right key."""
    point = json.loads(run.objects["checkpoint.json"])
    del point["signature"]
    point["signer"]["e"] = base64url(b"\x01")
    block = bytes.fromhex("3031300d060960864801650304020105000420") + digest_of(point)
    forged = b"\x00\x01" + b"\xff" * (256 - len(block) - 3) + b"\x00" + block
    assert point["signer"]["n"] == base64url(N.to_bytes(256, "big"))
    changed = (json.dumps({**point, "signature": base64url(forged)}, indent=2, sort_keys=True) + "\n").encode()
    assert not run.checked(**{"checkpoint.json": changed}).signed


def test_a_local_key_that_goes_by_the_name_of_another_one_is_told(run: Archived) -> None:
    """Its name is what people compare with the log."""
    changed = resealed(run, key=f"sha256:{'0' * 64}")
    texts = [each.text for each in run.checked(**{"checkpoint.json": changed}).findings]
    assert "calls its key by the name of another one" in texts


def test_the_seal_of_another_run_is_told(run: Archived) -> None:
    """A run that was put in the place of another one is whole; it is not the one that is looked for."""
    assert check(Memory(run.objects), run.folder).whole
    (found,) = check(Memory(run.objects), run.folder.replace("inc-71", "inc-72")).findings
    assert found.text == f"is the seal of another run: {run.folder}"


def test_whatever_a_key_calls_itself_its_own_fingerprint_is_told_first(run: Archived) -> None:
    """Who forges a run can give their key any name, the vault's too, and say the fingerprint of another one in it."""
    named = f"https://contoso.vault.azure.net/keys/custody/1 (sha256:{'0' * 64})"
    checked = run.checked(**{"checkpoint.json": resealed(run, kind="key-vault", key=named)})
    assert (checked.key, checked.signed) == (NAME, f"{NAME} (key-vault key {named})")


def put(objects: dict[str, bytes], place: Path) -> Path:
    for name, data in objects.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place


OTHERS = {
    "another round": lambda run: run.replace("-01", "-02"),
    "another incident": lambda run: run.replace("inc-71", "inc-99"),
    "another device": lambda run: run.replace("dddddddd", "eeeeeeee"),
    "another month": lambda run: run.replace("/08/", "/09/"),
}
DEPTHS = {"another round": 1, "another device": 2, "another incident": 3, "another month": 5}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_a_folder_that_is_called_after_another_run_is_told(
    run: Archived, tmp_path: Path, other: str, depth: int
) -> None:
    """As far as its path is of our making: from the run's own name up."""
    named = OTHERS[other](run.folder)
    right, wrong = ("/".join(folder.split("/")[-depth:]) for folder in (run.folder, named))
    command = [sys.executable, "-I", "-S"]
    for place, status in ((right, 0), (wrong, int(depth >= DEPTHS[other]))):
        folder = put(run.objects, tmp_path / str(status) / place)
        done = subprocess.run([*command, str(folder / "verify.py")], check=False, capture_output=True, text=True)
        assert done.returncode == status, done.stdout
        assert (f"checkpoint.json: is the seal of another run: {run.folder}" in done.stdout) is bool(status)
        by_place = [*command, "verify.py", "."]
        assert subprocess.run(by_place, cwd=folder, check=False, capture_output=True).returncode == status


@pytest.mark.parametrize(
    "name", ["run-1", "run-20260801T101500Z-collect-package", "copy", "inc-99/run", "inc-99/dev-a/x"]
)
def test_a_folder_with_a_name_of_its_own_may_hold_any_run(run: Archived, tmp_path: Path, name: str) -> None:
    assert called(put(run.objects, tmp_path / name)) == ""
    assert called(tmp_path / "inc-99" / run.folder.rpartition("/")[2]) == f"/{run.folder.rpartition('/')[2]}"


# what happened since


def lent(times: int) -> dict[str, bytes]:
    """A chain of accesses, by the names of its events."""
    run = sealed()
    who = Who(identity="ann", function="x", version="1")
    for number in range(times):
        record(run.evidence, run.folder, Access("shared", "everything", to=f"to-{number}"), who, run.clock.now())
    start = f"{access_folder(run.folder)}/"
    return {name.removeprefix(start): data for name, (_, data) in run.evidence.stored.items() if name.startswith(start)}


def test_a_chain_of_accesses_is_followed() -> None:
    chain = lent(5)
    found = follow(Memory(chain))
    assert (found.findings, found.objects, found.size) == ([], 5, sum(map(len, chain.values())))


@pytest.mark.parametrize(("gone", "told"), [(1, "000002.json"), (2, "000003.json"), (4, "000005.json")])
def test_an_access_that_is_missing_is_named_once(gone: int, told: str) -> None:
    chain = lent(5)
    del chain[f"{gone:06d}.json"]
    assert [str(each) for each in follow(Memory(chain)).findings] == [
        f"{told}: comes next after event {gone - 1}: what was between them is missing"
    ]


def test_an_access_that_was_changed_is_found_by_the_one_after_it() -> None:
    """Unless it is the newest, after which nothing comes."""
    chain = lent(4)
    chain["000003.json"] = chain["000003.json"].replace(b"to-2", b"to-9")
    assert [str(each) for each in follow(Memory(chain)).findings] == [
        "000004.json: does not follow the event before it: one of them was changed"
    ]
    del chain["000004.json"]
    assert follow(Memory(chain)).whole


@pytest.mark.parametrize(
    "event",
    [
        *(b"", b"x", b"[]", b"{}", b"\xff", b'{"prev":"\\ud800","seq":3}', b"[" * 100_000),
        b'{"a":' * 990 + b"1" + b"}" * 990,
        lent(3)["000003.json"].replace(b'"seq":3', b'"seq": 3'),
        lent(3)["000003.json"].replace(b'"seq":3', b'"seq":4'),
        lent(3)["000003.json"] + b"\n",
    ],
    ids=range(11),
)
def test_what_is_no_event_is_named(event: bytes) -> None:
    found = follow(Memory({**lent(2), "000003.json": event})).findings
    assert {each.object for each in found} == {"000003.json"}


@pytest.mark.parametrize(
    "name", ["000000.json", "3.json", "000003.json.part", "x/000003.json", "\u0660\u0660\u0660\u0660\u0660\u0663.json"]
)
def test_what_somebody_put_beside_the_accesses_is_named(name: str) -> None:
    (found,) = follow(Memory({**lent(4), name: b"{}"})).findings
    assert (found.object, found.text) == (name, "is no event: somebody put it there")


@pytest.mark.parametrize("version", ["", "3.9", "3.10", "3.12"])
def test_the_file_in_the_run_follows_the_chain_beside_it(folder: Path, version: str) -> None:
    """And says what it cannot know."""
    place = put(lent(3), folder.parent / "access" / folder.name)
    python = interpreter(version) if version else sys.executable
    if not python:
        pytest.skip(f"there is no Python {version} here")
    command = [python, "-I", "-S", str(folder / "verify.py"), str(place)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"access/{folder.name}: 3 events; unbroken; what came last, it does not tell\n")
    told = (folder / "README.txt").read_text(encoding="ascii").splitlines()
    assert f"  python3 verify.py ../access/{sealed().folder.rpartition('/')[2]}" in told
    (place / "000002.json").unlink()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert "000003.json: comes next after event 1" in done.stdout
    assert "2 events; NOT one unbroken chain" in done.stdout


def test_a_run_that_lies_in_a_folder_called_access_is_checked_as_a_run(run: Archived, tmp_path: Path) -> None:
    folder = put(run.objects, tmp_path / "access" / "case")
    done = subprocess.run([sys.executable, str(folder / "verify.py")], check=False, capture_output=True, text=True)
    assert (done.returncode, "as it was sealed" in done.stdout) == (0, True)


@pytest.mark.parametrize("name", ["head", "events", "files", "run", "sealed"])
@pytest.mark.parametrize("value", [None, 6, True, [1], "", {}])
def test_whoever_signs_a_seal_without_an_end_does_not_stop_the_check(run: Archived, name: str, value: object) -> None:
    """With a key of their own, beside the runs that are ours."""
    gone = signed_anew(run, lambda point: point.pop(name))
    odd = signed_anew(run, lambda point: point.update({name: value}))
    for changed in (gone, odd):
        assert not run.checked(**{"checkpoint.json": changed}).whole


@dataclass
class Failing(Memory):
    """Objects of which one is listed and cannot be read, or breaks off."""

    spoilt: str = ""
    error: Exception = field(default_factory=OSError)

    def read(self, name: str) -> Iterator[bytes]:
        for piece in super().read(name):
            yield piece
            if name == self.spoilt:
                raise self.error


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("error", [OSError("I/O error"), KeyError("gone")])
def test_what_is_there_and_cannot_be_read_is_named(run: Archived, name: str, error: Exception) -> None:
    found = check(Failing(run.objects, name, error), run.folder).findings
    assert (name, "cannot be read") in {(each.object, each.text) for each in found}


@dataclass
class Endless(Memory):
    """Objects of which one does not end before so many MiB."""

    spoilt: str = ""
    size: int = 0
    given: int = 0

    def names(self) -> list[str]:
        return sorted({*self.objects, self.spoilt})

    def read(self, name: str) -> Iterator[bytes]:
        if name != self.spoilt:
            yield from super().read(name)
            return
        for _ in range(self.size):
            self.given += 1
            yield b" " * MEBI


@pytest.mark.parametrize(
    ("name", "most"),
    [
        *((name, 8) for name in ("checkpoint.json", "custody/000003.json", "README.txt", "verify.py")),
        *((name, 8) for name in ("tagmanifest-sha256.txt", "manifest-sha256.txt")),
        *((name, 16) for name in ("manifest.json", "custody.jsonl")),
    ],
)
def test_what_is_too_large_for_a_file_of_ours_is_not_read_to_its_end(run: Archived, name: str, most: int) -> None:
    """A stranger's run may hold anything, and is checked in a process with little memory."""
    reader = Endless(run.objects, name, 1000)
    found = check(reader, run.folder).findings
    assert (name, f"is too large: it has more than {most * MEBI} bytes or 500000 values") in {
        (each.object, each.text) for each in found
    }
    assert reader.given == most + 1


@pytest.mark.parametrize("piece", ["[],", '{"":1},'])
@pytest.mark.parametrize("name", ["manifest.json", "checkpoint.json"])
def test_what_would_fill_the_memory_once_it_is_parsed_is_not_parsed(run: Archived, name: str, piece: str) -> None:
    """Two bytes of brackets are an object of 60 to 250: what has the size of one of ours is not harmless by that."""
    hostile = f'{{"items": [{piece * 600_000}{piece[:-1]}]}}'.encode()
    assert len(hostile) < 8 * MEBI
    tracemalloc.start()
    found = check(Memory({**run.objects, name: hostile}), run.folder).findings
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (name, "is too large") in {(each.object, each.text.partition(":")[0]) for each in found}
    assert peak < 40 * MEBI


@pytest.mark.parametrize("line", [b"\n", b"%06d\n"], ids=["empty", "short"])
@pytest.mark.parametrize("name", ["manifest-sha256.txt", "tagmanifest-sha256.txt", "custody.jsonl"])
def test_what_would_fill_the_memory_once_it_is_taken_for_lines_is_not(run: Archived, name: str, line: bytes) -> None:
    """One byte is a line, and a line is an object or two. How many events there are tells the seal, if there is one."""
    spoilt = {"checkpoint.json": b"{}"} if name == "custody.jsonl" else {}
    for count, large in ((120_000, False), (1_100_000, True)):
        hostile = b"".join(line % number if b"%" in line else line for number in range(count))
        assert len(hostile) < 8 * MEBI
        tracemalloc.start()
        found = check(Memory({**run.objects, name: hostile, **spoilt}), run.folder).findings
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert ((name, "is too large") in {(each.object, each.text.partition(":")[0]) for each in found}) is large
        assert peak < 40 * MEBI


def test_findings_without_end_are_not_all_kept(run: Archived) -> None:
    assert len(run.checked(**{"manifest-sha256.txt": b"\n" * 100_000}).findings) == 1000


DEEP = b"[" * 100_000
ODD = (
    {"items": 5},
    {"items": [{"path": "data/empty.txt", "size": "x", "sha256": "0", "blocks": {"sha256": [5]}}]},
    {"items": [{"path": "data/memory/image.raw", "blocks": {"size": -5}}]},
    {"items": [{"path": "data/memory/image.raw", "blocks": {"size": 1, "sha256": 7}}]},
    {"items": [{"path": "data/memory/image.raw", "blocks": {"size": "eight"}}]},
)


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_manifest_that_was_made_to_stop_the_check_does_not(run: Archived, odd: dict[str, object]) -> None:
    """Else whoever changes evidence could keep that from being told."""
    assert not run.checked(**{"manifest.json": json.dumps(odd).encode()}).whole


@pytest.mark.parametrize("name", ["manifest.json", "checkpoint.json"])
def test_json_that_is_nested_for_ever_does_not_stop_it_either(run: Archived, name: str) -> None:
    assert not run.checked(**{name: DEEP}).whole


def test_nor_do_numbers_that_are_too_long_or_halves_of_characters(run: Archived) -> None:
    event = b'{"prev":"' + b"0" * 64 + b'","seq":' + b"9" * 5000 + b"}\n"
    assert not run.checked(**{"custody.jsonl": event}).whole
    assert not run.checked(**{"checkpoint.json": b'{"signer": {"n": "\\ud800", "e": "AQAB"}, "run": "\\ud800"}'}).whole


def test_a_name_can_neither_hide_nor_end_the_line_that_tells_of_it(run: Archived) -> None:
    (found,) = run.checked(**{"data/\x1b[2Kx\n5 objects; as it was sealed": b""}).findings
    assert str(found).startswith("data/\\x1b[2Kx\\n5 objects; as it was sealed: is not part of the run")


@pytest.mark.parametrize("hostile", ["\x1b[2J\x1b[8m", "5 objects\n", "\u202e", "\u65e5", "\x9b2J"], ids=ascii)
def test_no_text_of_a_seal_reaches_the_terminal_as_it_is(run: Archived, folder: Path, hostile: str) -> None:
    """Anybody can seal a run with a key of their own; and not every terminal has every sign."""

    def edit(point: dict[str, Any]) -> None:
        point["run"] = hostile
        point["signer"] |= {"kind": "key-vault", "key": hostile}

    forged = signed_anew(run, edit)
    (folder / "checkpoint.json").write_bytes(forged)
    (folder / "data" / f"{hostile}.txt").write_bytes(b"x")
    odd = folder.rename(folder.with_name(f"run{hostile}"))
    told = ascii(hostile)[1:-1]
    for path, status, lines, end in (
        (odd, 1, 3, f"signed with {NAME} (key-vault key {told}); NOT as it was sealed: 2 differences"),
        (odd / "data", 2, 1, f"run{told}/data: no run that was sealed (checkpoint.json is missing)"),
    ):
        done = subprocess.run([sys.executable, str(odd / "verify.py"), str(path)], check=False, capture_output=True)
        said = (done.stdout + done.stderr).decode("ascii").splitlines()
        assert (done.returncode, len(said)) == (status, lines)
        assert all(each.isprintable() for each in said)
        assert said[-1].endswith(end)
        assert said[-1].startswith(f"{told}: 18 objects") or path != odd


@pytest.mark.parametrize("rubbish", [b"", b"[]", b"{}", b"\xff\xfe", b'{"files": 3, "signer": "x"}', b'{"items": [3]}'])
@pytest.mark.parametrize("name", KINDS)
def test_rubbish_is_reported_and_breaks_nothing(run: Archived, name: str, rubbish: bytes) -> None:
    assert not run.checked(**{name: rubbish}).whole


def test_nothing_at_all_is_no_run() -> None:
    assert not check(Memory({})).whole


# with other people's tools


def test_it_is_a_bag(folder: Path) -> None:
    bag = bagit.Bag(str(folder))
    bag.validate()
    assert bag.info["External-Identifier"].startswith("2026/")
    (folder / "data" / "incident" / "incident.json").write_bytes(b"{}")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(folder)).validate()


def test_sha256sum_checks_it(folder: Path) -> None:
    command = ["sha256sum", "--strict", "--quiet", "-c", "manifest-sha256.txt", "tagmanifest-sha256.txt"]
    assert subprocess.run(command, cwd=folder, check=False).returncode == 0
    (folder / "README.txt").write_bytes(b"x")
    assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 1


def test_windows_is_told_how_in_words_that_it_has(run: Archived) -> None:
    """In the page of the run and in ours, and without what only PowerShell 7 knows. That it runs was not seen."""
    lines, page = run.objects["README.txt"].decode("ascii"), (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    block = "\n".join(POWERSHELL)
    assert block in page
    assert block in lines.replace("\n  ", "\n")
    assert "py verify.py" in page
    assert "py verify.py" in lines
    tree = Parser(Language(tree_sitter_powershell.language())).parse(block.encode())
    assert not tree.root_node.has_error
    assert not re.search(r"\?\?|\?\.|&&|\|\||-Parallel|\? [^|]*:", block)
    assert not re.search(r"[A-Za-z]\\", block), "what is written in a manifest has slashes"


def test_the_file_in_the_run_checks_it_with_nothing_of_ours(folder: Path) -> None:
    """In isolation: no package of ours, nor any other, is within its reach."""
    command = [sys.executable, "-I", "-S", str(folder / "verify.py")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"signed with {NAME} (local key); as it was sealed\n")
    (folder / "data" / "memory" / "image.raw").write_bytes(b"x")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "data/memory/image.raw, bytes 1-: has 1 bytes instead of 6" in done.stdout
    assert subprocess.run([*command, str(folder.parent)], check=False, capture_output=True).returncode == 2


def interpreter(version: str) -> str:
    """A Python of this version, where this machine has one. A name in the path may be a shim that leads nowhere."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*sorted(pyenv.glob(f"{version}.*/bin/python")), shutil.which(f"python{version}")]
    runs = (each for each in found if each and not subprocess.run([each, "-c", ""], check=False).returncode)
    return str(next(runs, ""))


def in_the_run(version: str, folder: Path) -> subprocess.CompletedProcess[str]:
    python = interpreter(version)
    if not python:
        pytest.skip(f"there is no Python {version} here; the oldest syntax and `zip` are looked at in any case")
    return subprocess.run([python, "-I", "-S", str(folder / "verify.py")], check=False, capture_output=True, text=True)


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12"])
def test_a_reviewer_with_an_older_python_is_told_the_same(folder: Path, version: str) -> None:
    done = in_the_run(version, folder)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "data" / "memory" / "image.raw").write_bytes(b"memorz")
    (folder / "manifest.json").write_bytes(b"[" * 100_000)
    done = in_the_run(version, folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert "data/memory/image.raw" in done.stdout
    assert "manifest.json, line 1: is not JSON any more" in done.stdout


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12"])
def test_and_of_the_bytes_that_differ(folder: Path, version: str) -> None:
    (folder / "data" / "memory" / "image.raw").write_bytes(b"memorz")
    done = in_the_run(version, folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert "data/memory/image.raw, bytes 0-5: differ from what was sealed" in done.stdout


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8"])
def test_one_with_too_old_a_python_is_not_told_that_something_differs(folder: Path, version: str) -> None:
    done = in_the_run(version, folder)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "verify.py needs Python 3.9 or newer\n")


def test_the_file_in_the_run_is_written_for_python_3_9() -> None:
    """And so that 3.6 comes as far as to say that it is too old."""
    text = Path(_verify.__file__).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    assert "strict=" not in text
    assert "from __future__" not in text
    said = text.index("sys.exit(2)")
    assert text.index("\nimport ") < said < text.index("\nfrom ")


@pytest.mark.parametrize("target", ["/etc/hostname", "nowhere", "../image.raw", "../../data"])
def test_a_link_is_no_part_of_a_downloaded_run(folder: Path, target: str) -> None:
    """Nor in the place of an object of which it holds every byte."""
    (folder / "data" / "memory" / "more").symlink_to(target)
    found = check(Folder(folder)).findings
    assert [str(each) for each in found] == [
        f"data/memory/more -> {target}: is not part of the run: somebody put it there"
    ]


def test_a_link_does_not_stand_in_for_an_object(folder: Path) -> None:
    image = folder / "data" / "memory" / "image.raw"
    image.rename(folder.parent / "elsewhere")
    image.symlink_to(folder.parent / "elsewhere")
    told = [str(each) for each in check(Folder(folder)).findings]
    assert "data/memory/image.raw: is missing" in told
    assert any(each.startswith("data/memory/image.raw -> ") for each in told)


def test_the_file_in_the_run_imports_the_standard_library_only() -> None:
    text = Path(_verify.__file__).read_text(encoding="utf-8")
    names = {line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert names <= sys.stdlib_module_names


def test_the_manifest_follows_the_published_schema(run: Archived) -> None:
    published = json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8"))
    assert published == manifest_schema(), "python -m local.docs writes it"
    assert published == json.loads(run.objects["manifest.schema.json"])
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.Draft202012Validator(published).validate(json.loads(run.objects["manifest.json"]))
    assert b"manifest.schema.json" in run.objects["README.txt"]
    assert published["$id"] == "urn:bulkhead:manifest:1"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((("items", 0, "path"), each) for each in ("../../x", "data/../x", "data//x", "data", "/data/x", "data/x.")),
        *((("items", 0, "path"), each) for each in ("data/" + "x" * 86, "data/a b", "")),
        *((("items", 0, "blocks", "sha256"), [each]) for each in ("zz", "A" * 64, "")),
        *((("items", 0, "collected"), each) for each in ("yesterday", "2026-11-30", "2026-11-30T10:00:00")),
        (("made",), "yesterday"),
        (("run", "begun"), ""),
        *((("run", "folder"), each) for each in ("", "2026/11/inc-1", "../2026/11/inc-1/dev-a/run-b")),
        (("items", 1), None),
    ],
)
def test_the_schema_refuses_what_no_manifest_of_ours_says(
    run: Archived, place: tuple[str | int, ...], value: object
) -> None:
    """None for the second item: the first one twice."""
    made = json.loads(run.objects["manifest.json"])
    inner = made
    for each in place[:-1]:
        inner = inner[each]
    inner[place[-1]] = made["items"][0] if value is None else value
    schema = jsonschema.Draft202012Validator(json.loads(run.objects["manifest.schema.json"]))
    assert not schema.is_valid(made)


def test_a_run_of_before_there_was_a_schema_in_it_is_whole(run: Archived) -> None:
    """What belongs to a run is what its seal says."""
    objects = {name: data for name, data in run.objects.items() if name != "manifest.schema.json"}
    point = json.loads(objects["checkpoint.json"])
    del point["signature"], point["files"]["manifest.schema.json"]
    objects["checkpoint.json"] = checkpoint_json(point, FakeSigner().sign(digest_of(point)))
    now = hashlib.sha256(objects["checkpoint.json"]).hexdigest()
    was = hashlib.sha256(run.objects["checkpoint.json"]).hexdigest()
    tags = [
        each for each in objects["tagmanifest-sha256.txt"].decode().splitlines(keepends=True) if "schema" not in each
    ]
    objects["tagmanifest-sha256.txt"] = "".join(tags).replace(was, now).encode()
    assert check(Memory(objects)).findings == []


def test_a_run_is_found_by_the_index_tags_of_its_items_and_of_its_seal(run: Archived) -> None:
    """Events, of which there may be hundreds, have none."""
    whose = {"incident": "71", "device": "d" * 40}
    tags = {name.removeprefix(f"{run.folder}/"): each for name, each in run.evidence.tags.items() if each}
    assert set(tags) == {name for name in run.objects if not name.startswith("custody/")}
    sealed_by = {name: each for name, each in tags.items() if not name.startswith("data/")}
    assert all(each == {**whose, "kind": "seal", "status": "sealed"} for each in sealed_by.values())
    assert {"manifest.json", "checkpoint.json"} <= set(sealed_by)
    assert all(whose.items() <= each.items() for each in tags.values())


def test_every_hash_of_an_item_is_that_of_its_bytes(run: Archived) -> None:
    for item in json.loads(run.objects["manifest.json"])["items"]:
        digest = hashlib.sha256(run.objects[item["path"]]).hexdigest()
        assert {item["sha256"], item["hashes"]["received"], item["hashes"]["stored"]} == {digest}
