"""Windows, as far as it can be tried here: the app against a device that keeps the contract of the script. The script
itself never runs here (docs/live-response.md says so); a grammar checks it in `tests/unit/test_library.py`.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.tenant.evidence import process_evidence
from local.tenant.sandbox import STANDINS
from local.tenant.wire import Json
from shared.models.action import State
from tests.integration.live_bench import MIB, Bench

TOOL = (STANDINS / "avml").read_bytes()
ON: Json = {
    "WINDOWS_LIVE_RESPONSE": "experimental",
    "TOOLS": {"go-winpmem.exe": {"sha256": hashlib.sha256(TOOL).hexdigest()}},
    "MEMORY_PART_SIZE": MIB,
}
DUMPER: Json = ON | {"TOOLS": {"procdump64.exe": {"sha256": hashlib.sha256(TOOL).hexdigest()}}}
Opened = Callable[..., Bench]


def named(bench: Bench) -> Json:
    """An incident that names a process on the bench's device, and one on another."""
    now = bench.clock.now()
    ours, other = (
        process_evidence(device, now, verdict="malicious", remediation="active")
        for device in (bench.machine.shown["id"], "another")
    )
    return {"id": "7", "alerts": [{"evidence": [ours, {**other, "processId": 99}]}]}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made: list[Bench] = []

    def open_one(responder: str, device: Json | None = None, **settings: object) -> Bench:
        bench = Bench(tmp_path / str(len(made)), responder, device, platform="Windows11", **settings)  # type: ignore[arg-type]
        bench.tenant.library.put("go-winpmem.exe", TOOL, "operator")
        made.append(bench)
        return bench

    yield open_one
    for each in made:
        each.close()


@pytest.mark.parametrize("responder", ["capture_memory", "collect_logs", "collect_volatile"])
def test_it_is_off_until_somebody_switches_it_on(opened: Opened, responder: str) -> None:
    bench = opened(responder)
    done = bench.run()
    assert done.state is State.UNAVAILABLE
    assert "experimental and switched off" in done.detail
    assert bench.tenant.desk.everything() == []


def test_an_image_comes_in_parts_from_windows_paths(opened: Opened) -> None:
    bench = opened("capture_memory", {"memory_mib": 3}, **ON)
    done = bench.run()
    assert done.state is State.SUCCEEDED, done.detail
    image = gzip.decompress(bench.desk.kept["data/memory/memory.raw.gz"])
    assert len(image) == 3 * MIB
    asked = [one["command"]["params"] for action in bench.tenant.desk.everything() for one in action.commands]
    paths = [each["value"] for params in asked for each in params if each["key"] == "Path"]
    assert [path.rpartition("\\")[2] for path in paths] == [f"part-{at * MIB}-{MIB}" for at in range(3)]
    assert all(path.startswith("C:\\Windows\\bulkhead-") for path in paths)


REFUSING = pytest.mark.parametrize(
    ("device", "words"),
    [({"hvci": True}, "memory integrity (HVCI) is on"), ({"build": "26100"}, "driver policy refuses")],
)
"""Devices that refuse the drivers of memory tools, and how that is said."""


def started(bench: Bench) -> str:
    """The words with which the capture was started."""
    commands = [one["command"] for action in bench.tenant.desk.everything() for one in action.commands]
    args = [str(param["value"]) for one in commands for param in one["params"] if param["key"] == "Args"]
    return next(each for each in args if each.startswith("start "))


@REFUSING
def test_a_device_that_refuses_drivers_gives_a_dump_of_its_kernel(opened: Opened, device: Json, words: str) -> None:
    bench = opened("capture_memory", device, **ON)
    done = bench.run()
    assert done.state is State.SUCCEEDED, done.detail
    assert words in done.detail
    assert "a kernel live dump instead" in done.detail
    assert gzip.decompress(bench.desk.kept["data/memory/memory.dmp.gz"]).startswith(b"PAGEDU64")
    assert " how=kernel " in started(bench)
    assert "tool=" not in started(bench)


@REFUSING
def test_where_there_is_no_such_dump_the_processes_of_the_incident_are_dumped(
    opened: Opened, device: Json, words: str
) -> None:
    bench = opened("capture_memory", device | {"live_dump": False}, **DUMPER)
    bench.tenant.library.put("procdump64.exe", TOOL, "operator")
    bench.desk._snapshot = json.dumps(named(bench)).encode()
    done = bench.run()
    assert done.state is State.SUCCEEDED, done.detail
    assert words in done.detail
    assert "dumps of 1 processes that the incident names, by procdump64.exe" in done.detail
    assert "data/memory/processes.zip.gz" in bench.desk.kept
    assert " how=processes pids=4780:powershell.exe tool=procdump64.exe " in started(bench)


@REFUSING
def test_a_device_that_offers_neither_gives_what_is_volatile_and_says_why(
    opened: Opened, device: Json, words: str
) -> None:
    bench = opened("capture_memory", device | {"live_dump": False}, **ON)
    done = bench.run()
    assert done.state is State.UNAVAILABLE
    assert words in done.detail
    assert "kernel live dump" in done.todo
    assert "data/triage/triage.zip.gz" in bench.desk.kept
    assert "start" not in bench.legs


def test_logs_come_as_an_archive(opened: Opened) -> None:
    bench = opened("collect_logs", **ON)
    assert bench.run().state is State.SUCCEEDED, bench.action.detail
    assert gzip.decompress(bench.desk.kept["data/logs/logs.zip.gz"]).startswith(b"PK")
