"""Logs, what is volatile, files and scripts from a device that really runs the shipped script."""

import gzip
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from responders._library import scripts
from responders._live import LINUX
from shared.models.action import State
from shared.models.command import RunScript
from tests.integration.live_bench import Bench

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
Opened = Callable[..., Bench]
LOGS = {"logs": {"/var/log/auth.log": "failed password for root\n", "/var/log/journal.txt": "it began\n"}}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made: list[Bench] = []

    def open_one(responder: str, *args: object, **settings: object) -> Bench:
        made.append(Bench(tmp_path / str(len(made)), responder, *args, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield open_one
    for each in made:
        each.close()


def bundle(bench: Bench, folder: str) -> dict[str, bytes]:
    """What a bundle holds, and that it is what the device hashed."""
    packed = gzip.decompress(bench.desk.kept[f"data/{folder}/{folder}.tar.gz.gz"])
    said = next(json.loads(data) for name, data in bench.desk.kept.items() if name.startswith("data/sessions/000"))
    assert hashlib.sha256(packed).hexdigest() in said["script_output"]
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        files = {member.name.removeprefix("./"): tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in files.items() if file}


def test_the_logs_of_a_device_are_collected(opened: Opened) -> None:
    bench = opened("collect_logs", LOGS)
    assert bench.run().state is State.SUCCEEDED, bench.action.detail
    found = bundle(bench, "logs")
    assert found["log/auth.log"] == b"failed password for root\n"
    assert found["journal.txt"] == b"it began\n"
    assert list(bench.left()) == []
    assert bench.legs == ["first", "fetch", "clean"]


def test_what_is_volatile_is_collected(opened: Opened) -> None:
    bench = opened("collect_volatile")
    bench.killed = True
    assert bench.run().state is State.SUCCEEDED, bench.action.detail
    found = bundle(bench, "volatile")
    assert {"processes.txt", "programs.txt", "net/tcp", "time.txt"} <= set(found)
    assert list(bench.left()) == []


def asked(bench: Bench, args: str) -> str:
    """What our script says in a session of its own."""
    made = bench.inner.live_response(bench.action.device, [RunScript(LINUX, args)], "x")
    while not (seen := bench.inner.action(made.id)).final:
        bench.clock.advance(5)
    assert seen.status == "succeeded"
    return str(bench.tenant.desk.one(made.id).results[0])


def test_a_device_that_nobody_comes_back_to_forgets_by_itself(opened: Opened) -> None:
    """What a session left is gone after the given seconds without a word from us, though nobody asked for it."""
    bench = opened("collect_volatile", {"systemd": False})
    bench.inner.upload(LINUX, scripts()[LINUX], "ours")
    assert "bulkhead-0123456789abcdef/triage.tar.gz" in asked(bench, "triage id=0123456789abcdef expire=1")
    until = time.monotonic() + 60
    while list(bench.left()) and time.monotonic() < until:
        time.sleep(0.2)
    assert list(bench.left()) == []


def test_a_folder_is_found_by_the_id_in_its_name_wherever_it_is(opened: Opened) -> None:
    """Where there was most room when it was made may not be where there is most now."""
    bench = opened("collect_volatile")
    bench.inner.upload(LINUX, scripts()[LINUX], "ours")
    home = bench.sandbox.root / "root"
    for name in ("0123456789abcdef", "aaaaaaaaaaaaaaaa"):
        (home / f"bulkhead-{name}").mkdir()
    assert "clean" in asked(bench, "clean id=0123456789abcdef")
    assert [path.name for path in bench.left()] == ["bulkhead-aaaaaaaaaaaaaaaa"]


def test_files_are_fetched_and_the_missing_one_is_named(opened: Opened) -> None:
    bench = opened("get_files", LOGS, params={"paths": "/var/log/auth.log\n/missing\n/etc/os-release", "purpose": "x"})
    done = bench.run()
    assert (done.state, done.detail[:12]) == (State.SUCCEEDED, "2 of 3 files")
    assert gzip.decompress(bench.desk.kept["data/files/001.gz"]) == b"failed password for root\n"
    assert b"Synthetic Linux" in gzip.decompress(bench.desk.kept["data/files/003.gz"])


def test_a_pinned_script_of_the_operators_runs_and_its_files_come_along(opened: Opened) -> None:
    text = b"""#!/bin/bash
echo "fixing $1"
echo evidence > "$HOME/found.txt"
echo "{\\"bulkhead\\":1,\\"step\\":\\"fix\\",\\"files\\":[\\"$HOME/found.txt\\"]}"
"""
    pins = {"fix.sh": {"sha256": hashlib.sha256(text).hexdigest()}}
    bench = opened("run_script", params={"script": "fix.sh", "args": "it"}, TOOLS=pins)
    bench.tenant.library.put("fix.sh", text, "operator")
    done = bench.run()
    assert (done.state, done.detail) == (State.SUCCEEDED, "fix.sh: exit code 0; 1 of 1 files")
    assert b"fixing it" in bench.desk.kept["data/script/output.txt"]
    assert gzip.decompress(bench.desk.kept["data/files/001.gz"]) == b"evidence\n"


def test_a_script_that_is_not_pinned_does_not_run(opened: Opened) -> None:
    bench = opened("run_script", params={"script": "fix.sh"})
    bench.tenant.library.put("fix.sh", b"touch $HOME/evil", "somebody")
    assert bench.run().state is State.UNAVAILABLE
    assert bench.tenant.desk.everything() == []
