"""Files of a device: a few to a session, each kept as it was received, and those that cannot be had named."""

import gzip
import hashlib
import json

import pytest

from responders._interface import Finished, NotObtainable, Onward
from responders.get_files import GetFiles
from shared.errors import Unobtainable
from shared.models.action import State
from shared.models.command import GetFile
from tests.unit.incidents import action
from tests.unit.live_answers import Answering, desk, leg

EVIL = gzip.compress(b"evil" * 100, mtime=0)
PATHS = "/tmp/evil\n\n C:\\Temp\\a b.exe \n/etc/x"


def test_each_path_is_a_command_and_five_a_session() -> None:
    devices = Answering()
    GetFiles().send(devices, action(responder="get_files", params={"paths": PATHS}), "x")
    GetFiles().send(devices, action(responder="get_files", params={"paths": "\n".join("abcdefg")}), "x")
    assert list(devices.sent[0]) == [GetFile("/tmp/evil"), GetFile("C:\\Temp\\a b.exe"), GetFile("/etc/x")]
    assert len(devices.sent[1]) == 5


@pytest.mark.parametrize("paths", ["", " \n "])
def test_without_a_path_nothing_is_sent(paths: str) -> None:
    devices = Answering()
    with pytest.raises(Unobtainable):
        GetFiles().send(devices, action(responder="get_files", params={"paths": paths}), "x")
    assert devices.sent == []


def test_a_file_is_kept_as_it_was_received_and_its_content_hashed() -> None:
    at = desk(EVIL, b"plain")
    done = GetFiles().gather(leg("get_files", paths="/tmp/evil\n/tmp/plain", purpose="why"), at)
    assert isinstance(done, Finished)
    assert at.kept["data/files/001.gz"] == EVIL
    assert at.kept["data/files/002.received"] == b"plain"
    told = json.loads(at.kept["data/files.json"])
    assert told["purpose"] == "why"
    assert told["files"][0] == {
        "path": "/tmp/evil",
        "name": "data/files/001.gz",
        "size": 400,
        "sha256": hashlib.sha256(b"evil" * 100).hexdigest(),
    }
    assert done.detail == "2 of 2 files"
    assert "data/incident/incident.json" in at.kept


def test_one_that_cannot_be_had_is_named_and_the_next_session_goes_on_behind_it() -> None:
    at = desk(EVIL, None)
    onward = GetFiles().gather(leg("get_files", paths="/a\n/b\n/c"), at)
    assert isinstance(onward, Onward)
    devices = Answering()
    GetFiles().send(
        devices, action(responder="get_files", progress=onward.progress, params={"paths": "/a\n/b\n/c"}), "x"
    )
    assert list(devices.sent[0]) == [GetFile("/c")]
    at._devices, at._downloads = Answering(EVIL), lambda _: [EVIL]
    row = leg("get_files", onward.progress, paths="/a\n/b\n/c")
    done = GetFiles().gather(row.model_copy(update={"artefacts": onward.artefacts}), at)
    assert isinstance(done, Finished)
    assert done.detail == "2 of 3 files; not had: /b (no such file)"
    assert {"data/files/001.gz", "data/files/003.gz", "data/files.json"} <= {each.name for each in done.artefacts}


def test_no_file_at_all_is_no_success() -> None:
    done = GetFiles().gather(leg("get_files", paths="/a"), desk(None))
    assert isinstance(done, NotObtainable)
    assert "0 of 1 files; not had: /a" in done.detail


@pytest.mark.parametrize(
    "path",
    [
        "/a/../../x",
        "C:\\Users\\J\u00fcrgen\\..",
        "/tmp/\u202egpj.exe",
        "/tmp/invoice.exe",
        "/" + "n" * 300,
        "C:\\x\\con",
    ],
)
def test_no_name_that_somebody_chose_is_one_in_the_archive(path: str) -> None:
    """Nor a part of one. Where the file was stands in a file."""
    at = desk(EVIL)
    GetFiles().gather(leg("get_files", paths=path), at)
    assert [name for name in at.kept if name.startswith("data/files")] == ["data/files/001.gz", "data/files.json"]
    (told,) = json.loads(at.kept["data/files.json"])["files"]
    assert (told["path"], told["name"]) == (path, "data/files/001.gz")


def test_a_look_that_is_taken_twice_keeps_the_same() -> None:
    at, row = desk(EVIL), leg("get_files", paths="/a")
    assert GetFiles().gather(row, at) == GetFiles().gather(row, at)
    assert row.state is State.FETCHING
