"""A memory image from a device that really runs the shipped script: cut, fetched, joined, and nothing left behind."""

import gzip
import hashlib
import io
import json
import shutil
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.tenant.liveresponse import nobody
from local.tenant.wire import Json
from shared.models.action import State
from shared.models.archive.contents import GZIP
from tests.fakes.clients import BROKEN, CUT, EXPIRED, LOST, UNSENT, Mishaps
from tests.integration.live_bench import MIB, Bench

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
Opened = Callable[..., Bench]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made: list[Bench] = []

    def open_one(device: Json | None = None, **settings: object) -> Bench:
        made.append(Bench(tmp_path / str(len(made)), "capture_memory", device, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield open_one
    for each in made:
        each.close()


def image(bench: Bench) -> bytes:
    """The archived image, unpacked by a stock library."""
    (name,) = [name for name in bench.desk.kept if name.startswith("data/memory/memory.") and not name.endswith("json")]
    return gzip.decompress(bench.desk.kept[name]) if name.endswith(".gz") else bench.desk.kept[name]


def record(bench: Bench) -> Json:
    return dict(json.loads(bench.desk.kept["data/memory/memory.json"]))


def whole(bench: Bench) -> None:
    """The image is archived as the device hashed it, and nothing is left on the device."""
    done = bench.run()
    assert done.state is State.SUCCEEDED, done.detail
    assert hashlib.sha256(image(bench)).hexdigest() == record(bench)["image"]["sha256"]
    assert len(image(bench)) == record(bench)["image"]["size"]
    assert list(bench.left()) == []
    parts = record(bench)["parts"]
    assert [part["content_sha256"] for part in parts] == [part["device"] for part in parts]


def not_to_be_had(bench: Bench) -> str:
    """There is no image, which is no failure; what is volatile is there instead. Gives why."""
    done = bench.run()
    assert done.state is State.UNAVAILABLE, done.detail
    assert not [name for name in bench.desk.kept if name.startswith("data/memory/")]
    assert list(bench.left()) == []
    return done.detail


def triage(bench: Bench) -> set[str]:
    packed = gzip.decompress(bench.desk.kept["data/triage/triage.tar.gz.gz"])
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        return {name.removeprefix("./") for name in tar.getnames()}


def test_an_image_is_captured_fetched_in_parts_and_joined(opened: Opened) -> None:
    bench = opened({"memory_mib": 10}, params={"purpose": "a test"})
    whole(bench)
    assert len(image(bench)) == 10 * MIB + 3 * 32
    assert bench.desk.kept["data/memory/memory.lime.gz"].startswith(GZIP)
    assert [(part["offset"], part["content_size"]) for part in record(bench)["parts"]] == [
        (0, 4 * MIB),
        (4 * MIB, 4 * MIB),
        (8 * MIB, 2 * MIB + 96),
    ]
    assert record(bench)["purpose"] == "a test"
    assert bench.action.detail == "a full image by avml: 10 MiB in 3 parts"


def test_the_record_says_what_was_done_on_the_device(opened: Opened) -> None:
    bench = opened({"memory_mib": 5})
    whole(bench)
    assert record(bench)["tool"] == {
        "name": "avml",
        "sha256": bench.settings.TOOLS["avml"].sha256,
        "compressed": False,
    }
    assert record(bench)["device"]["ram_kib"] == 5 * 1024
    sessions = sorted(name for name in bench.desk.kept if name.startswith("data/sessions/"))
    assert [name.split("-")[-1] for name in sessions] == ["preflight.json", "start.json", "status.json", "clean.json"]
    assert "data/incident/incident.json" in bench.desk.kept


def test_no_secret_reaches_the_device(opened: Opened) -> None:
    """What sessions carry are names, hashes, sizes and folders."""
    bench = opened({"memory_mib": 5})
    whole(bench)
    commands = [one for action in bench.tenant.desk.everything() for one in action.commands]
    values = [param["value"] for one in commands for param in one["command"]["params"]]
    words = {word.partition("=")[0] for value in values for word in value.split() if "=" in word}
    assert words == {"dir", "tool", "sha256", "compress", "part", "reserve", "expire", "offset", "length", "count"}
    assert not [value for value in values if "http" in value or "sig=" in value or "Bearer" in value]


def test_a_stock_tool_reads_the_image(opened: Opened, tmp_path: Path) -> None:
    """Volatility 3 finds the banner of the memory's kernel, through the LiME layer over the gzip file."""
    bench = opened({"memory_mib": 5})
    whole(bench)
    path = tmp_path / "memory.lime.gz"
    path.write_bytes(bench.desk.kept["data/memory/memory.lime.gz"])
    command = [str(Path(sys.executable).with_name("vol")), "-q", "--offline", "-f", str(path), "banners.Banners"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "0x1000\tLinux version 6.1.0-synthetic" in done.stdout


def test_a_short_disk_has_the_image_compressed(opened: Opened) -> None:
    """AVML's own format then, whose pages a snappy reader unpacks."""
    bench = opened({"memory_mib": 40, "free_mib": 45})
    whole(bench)
    assert record(bench)["tool"]["compressed"]
    assert "compressed" in bench.action.detail
    assert image(bench).startswith(b"AVML\x02\0\0\0")
    assert sum(length for _, length in unpacked(image(bench))) == 40 * MIB
    assert len(image(bench)) < 30 * MIB


def unpacked(data: bytes) -> list[tuple[int, int]]:
    """The ranges of an AVML image, as (start, length): its snappy frames walked, copies and literals counted."""
    found, at = [], 0
    while at < len(data):
        magic, version, start, end, _ = struct.unpack_from("<IIQQQ", data, at)
        assert (magic, version) == (0x4C4D5641, 2)
        at, begun, length = at + 32, at + 32, 0
        assert data[at : at + 10] == b"\xff\x06\x00\x00sNaPpY"
        at += 10
        while length < end - start + 1:
            kind, size = data[at], int.from_bytes(data[at + 1 : at + 4], "little")
            length += size - 4 if kind == 1 else _declared(data[at + 8 : at + 12])
            at += 4 + size
        assert struct.unpack_from("<Q", data, at) == (at - begun,)
        at += 8
        found.append((start, length))
    return found


def _declared(head: bytes) -> int:
    return (head[0] & 0x7F) | (head[1] << 7)


# What cannot be had


def test_a_kernel_that_is_locked_down_gives_triage_and_says_why(opened: Opened) -> None:
    bench = opened({"lockdown": "confidentiality"})
    assert not_to_be_had(bench) == "the kernel is locked down (confidentiality), and shows its memory to nobody"
    assert {"processes.txt", "net/tcp", "programs.txt", "mounts.txt"} <= triage(bench)
    assert "start" not in bench.legs


def test_a_tool_that_the_kernel_refuses_is_the_same_outcome(opened: Opened) -> None:
    """Integrity mode may still show the memory, so it is tried."""
    bench = opened({"lockdown": "integrity"})
    assert not_to_be_had(bench).startswith("the kernel is locked down, and showed its memory to nobody: error:")
    assert "processes.txt" in triage(bench)


def test_a_disk_without_room_is_not_filled(opened: Opened) -> None:
    bench = opened({"memory_mib": 100, "free_mib": 30})
    assert "MiB are free on the device's disk" in not_to_be_had(bench)
    assert "start" not in bench.legs


def test_a_disk_that_fills_up_meanwhile_is_freed_again(opened: Opened) -> None:
    bench = opened({"memory_mib": 40, "free_mib": 100, "disk_fills": True})
    assert "the device's disk is full" in not_to_be_had(bench)


def test_a_tool_with_another_hash_never_reaches_the_device(opened: Opened) -> None:
    bench = opened()
    bench.tenant.library.put("avml", b"something else", "somebody")
    done = bench.run()
    assert done.state is State.UNAVAILABLE
    assert "the live response library's avml is not the pinned one" in done.detail
    assert "find out who replaced avml" in done.todo
    assert list(bench.left()) == []
    kinds = [one["command"]["type"] for action in bench.tenant.desk.everything() for one in action.commands]
    assert kinds == ["RunScript"]


def test_a_tool_that_changes_on_the_device_does_not_run(opened: Opened) -> None:
    """The device hashes what it was given, too."""
    bench = opened(TOOLS={"avml": {"sha256": "0" * 64}})
    bench.tenant.library._files["avml"][1]["sha256"] = "0" * 64
    assert "no avml with the pinned hash was found on the device" in not_to_be_had(bench)


def _script() -> bytes:
    return Path("responders/live_response/bulkhead-linux.sh").read_bytes()


@pytest.mark.parametrize(
    ("device", "words"),
    [({"battery": 12}, "12 % are left"), ({"metered": True}, "connection is metered")],
)
def test_a_device_that_cannot_afford_it_is_spared(opened: Opened, device: Json, words: str) -> None:
    assert words in not_to_be_had(opened(device))


def test_without_a_pinned_tool_there_is_triage(opened: Opened) -> None:
    bench = opened(TOOLS={})
    assert "no memory tool for linux on x86_64 is pinned" in not_to_be_had(bench)
    assert "TOOLS" in bench.action.todo


# Whatever happens meanwhile


def test_our_script_is_put_back_where_somebody_changed_it(opened: Opened) -> None:
    bench = opened({"memory_mib": 5})
    bench.tenant.library.put("bulkhead-linux.sh", b"#!/bin/bash\ntouch $HOME/evil\n", "somebody")
    whole(bench)
    assert bench.tenant.library.content("bulkhead-linux.sh") == _script()
    assert not (bench.sandbox.root / "root/evil").exists()


def test_a_restart_during_the_capture_begins_it_anew_and_says_so(opened: Opened) -> None:
    bench = opened({"memory_mib": 60})
    bench.when["status"] = lambda: bench.tenant.reboot(bench.action.device)
    whole(bench)
    assert record(bench)["interrupted"] == 1
    assert "the device restarted during the capture" in bench.action.detail


def test_an_image_survives_a_restart(opened: Opened) -> None:
    bench = opened({"memory_mib": 18})
    bench.when["cut"] = lambda: bench.tenant.reboot(bench.action.device)
    whole(bench)
    assert record(bench)["interrupted"] == 0


def test_an_image_that_somebody_removed_is_not_made_up(opened: Opened) -> None:
    bench = opened({"memory_mib": 18})
    bench.when["cut"] = lambda: shutil.rmtree(next(bench.left()))
    assert "the image cannot be cut" in not_to_be_had(bench)


def test_an_image_that_somebody_changed_is_not_taken(opened: Opened) -> None:
    bench = opened({"memory_mib": 18})

    def change() -> None:
        with (next(bench.left()) / "image").open("r+b") as file:
            file.seek(5 * MIB)
            file.write(b"evil")

    bench.when["cut"] = change
    assert "not what it was when it was hashed" in not_to_be_had(bench)


def test_a_worker_that_dies_at_any_place_costs_nothing_but_time(opened: Opened) -> None:
    """Every look is taken twice: what was kept by the first is found by the second."""
    bench = opened({"memory_mib": 10})
    bench.killed = True
    whole(bench)
    assert bench.desk.begun == 3


def test_resets_expired_links_and_lost_answers_are_passed_over(opened: Opened) -> None:
    mishaps = Mishaps.of(
        devices_live_response=[LOST, UNSENT, LOST, BROKEN],
        devices_result_link=[UNSENT, BROKEN],
        downloads_open=[EXPIRED, UNSENT, CUT, EXPIRED, CUT],
        devices_library=[BROKEN, UNSENT],
    )
    bench = opened({"memory_mib": 10}, mishaps=mishaps)
    whole(bench)
    assert [each.id for each in bench.tenant.desk.everything()] == [*bench.action.ended, bench.action.machine_action]


def test_a_device_that_somebody_works_on_is_waited_for(opened: Opened) -> None:
    bench = opened({"memory_mib": 5})
    bench.when["cut"] = lambda: bench.tenant.person_connects(bench.action.device, 30)
    whole(bench)


def test_parts_that_take_too_long_are_cut_smaller(opened: Opened) -> None:
    slow = {"uplink_bytes_per_second": 1_500_000, "get_file_seconds": 1.0}
    bench = opened({"memory_mib": 10}, tenant=slow)
    whole(bench)
    assert max(part["content_size"] for part in record(bench)["parts"]) == MIB
    assert "cut is tried again" in " ".join(bench.details)


def test_parts_beyond_what_may_be_fetched_are_cut_smaller(opened: Opened) -> None:
    bench = opened({"memory_mib": 10}, tenant={"get_file_limit": 3 * MIB})
    whole(bench)
    assert max(part["content_size"] for part in record(bench)["parts"]) == 2 * MIB


def test_a_capture_without_an_end_is_given_up(opened: Opened) -> None:
    bench = opened({"memory_mib": 400}, MEMORY_PATIENCE="PT0.5S")
    assert "was not over after" in not_to_be_had(bench)


def test_without_systemd_the_capture_outlives_its_session_too(opened: Opened) -> None:
    whole(opened({"memory_mib": 5, "systemd": False}))


def test_what_cannot_be_removed_is_said(opened: Opened) -> None:
    """The image counts all the same."""
    bench = opened({"memory_mib": 5})

    def fail() -> None:
        bench.tenant.desk._runner = nobody

    bench.when["clean"] = fail
    done = bench.run()
    assert done.state is State.SUCCEEDED
    assert "could not be removed" in done.detail
