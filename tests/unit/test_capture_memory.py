"""What is decided of a device's memory, and what the responder asks and makes of answers. What really runs on a device
is in `tests/integration/test_live_memory.py`.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responders._capture import (
    LEAST_PART,
    MOST_PARTS,
    Fetched,
    Leg,
    Progress,
    commands,
    inside,
    onward,
    smaller,
)
from responders._interface import Clear, Ours
from responders._live import LINUX, MACOS, WINDOWS, last_line, printed, script_for
from responders._memory import (
    MOST_PROCESSES,
    Decision,
    Facts,
    Full,
    Kernel,
    Less,
    Processes,
    decide,
    suspects,
    too_large,
)
from responders.capture_memory import CaptureMemory
from shared.errors import Incomplete
from shared.models.action import State
from shared.models.command import GetFile, RunScript
from shared.models.device import MachineAction
from shared.models.tool import Tool
from shared.storage.interface import MAX_TEXT_UNITS
from shared.storage.limits import utf16_units
from tests.unit.incidents import JSON, action
from tests.unit.live_answers import leg

TOOLS = {"avml": Tool(sha256="a" * 64)}
GIB = 1 << 20
"""In KiB, as facts are."""

PART = 512 << 20
GREATEST = 2 << 30
"""Bytes of the largest part that may be asked for: live response fetches 3 GB."""

SERVER = Facts(arch="x86_64", ram_kib=16 * GIB, free_kib=64 * GIB, base="/root", lockdown="none")


def decided(**facts: object) -> Decision:
    return decide(SERVER.model_copy(update=facts), TOOLS, PART)


def why(**facts: object) -> str:
    found = decided(**facts)
    assert isinstance(found, Less)
    return found.why


def test_a_device_with_room_gives_a_full_image() -> None:
    assert decided() == Full("avml", "a" * 64, compress=False, reserve_kib=16 * GIB // 10, why="a full image by avml")


def test_the_image_the_parts_and_a_reserve_have_to_fit() -> None:
    """16 GiB, two parts of 512 MiB, and a tenth: one KiB less, and the image is compressed."""
    least = 16 * GIB + GIB + 16 * GIB // 10
    fits, short = decided(free_kib=least), decided(free_kib=least - 1)
    assert isinstance(fits, Full)
    assert isinstance(short, Full)
    assert (fits.compress, short.compress) == (False, True)


def test_the_reserve_is_never_more_than_two_gibibytes() -> None:
    big = decided(ram_kib=1024 * GIB, free_kib=2048 * GIB)
    assert isinstance(big, Full)
    assert big.reserve_kib == 2 * GIB


def test_what_does_not_fit_compressed_is_not_begun() -> None:
    assert "MiB are free on the device's disk" in why(free_kib=9 * GIB)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"lockdown": "confidentiality"}, "locked down"),
        ({"battery": 29}, "29 % are left"),
        ({"metered": True}, "metered"),
        ({"base": ""}, "no folder"),
        ({"arch": "aarch64"}, "no memory tool for linux on aarch64"),
        ({"arch": "riscv64"}, "no memory tool for linux on riscv64"),
    ],
)
def test_each_obstacle_is_said(facts: dict[str, object], words: str) -> None:
    assert words in why(**facts)


@pytest.mark.parametrize(
    "facts",
    [
        {"lockdown": "integrity"},
        {"lockdown": ""},
        {"battery": 30},
        {"battery": None},
        {"metered": None},
        {"metered": False},
        {"free_kib": None},
        {"arch": "AMD64".lower()},
    ],
)
def test_what_is_not_known_or_enough_is_no_obstacle(facts: dict[str, object]) -> None:
    assert isinstance(decided(**facts), Full)


def test_a_tool_is_chosen_by_its_system_and_architecture() -> None:
    tools = {
        "avml-aarch64": Tool(sha256="b" * 64),
        "go-winpmem.exe": Tool(sha256="c" * 64),
        "memory.bin": Tool(sha256="d" * 64, platform="linux", architecture="riscv64"),
    }
    for arch, name in (("aarch64", "avml-aarch64"), ("riscv64", "memory.bin")):
        found = decide(SERVER.model_copy(update={"arch": arch}), tools, PART)
        assert isinstance(found, Full)
        assert found.tool == name
    assert isinstance(decide(SERVER, tools, PART), Less)


WINDOWS_TOOLS = {"go-winpmem.exe": Tool(sha256="c" * 64), "procdump64.exe": Tool(sha256="D" * 64, platform="windows")}
REFUSING = pytest.mark.parametrize("refusal", [{"hvci": True}, {"driver_policy": True}])


def on_windows(pids: str = "", tools: Mapping[str, Tool] = WINDOWS_TOOLS, **facts: Any) -> Decision:  # noqa: ANN401 - as told
    return decide(SERVER.model_copy(update=facts), tools, PART, "windows", pids)


def test_on_windows_a_full_image_comes_first() -> None:
    found = on_windows("4780:evil.exe", live_dump=True)
    assert isinstance(found, Full)
    assert found.tool == "go-winpmem.exe"


@REFUSING
def test_then_a_kernel_live_dump_which_loads_no_driver(refusal: dict[str, Any]) -> None:
    found = on_windows("4780:evil.exe", live_dump=True, **refusal)
    assert isinstance(found, Kernel)
    assert found.why.startswith("no full image: ")
    assert isinstance(on_windows(tools={}, live_dump=True), Kernel)


@REFUSING
@pytest.mark.parametrize(
    "unable", [{"live_dump": False}, {"live_dump": None}, {"live_dump": True, "free_kib": 7 * GIB}]
)
def test_then_the_processes_that_the_incident_names(refusal: dict[str, Any], unable: dict[str, Any]) -> None:
    found = on_windows("4780:evil.exe,12", **refusal, **unable)
    assert isinstance(found, Processes)
    assert (found.tool, found.sha256, found.pids) == ("procdump64.exe", "d" * 64, "4780:evil.exe,12")
    assert "dumps of 2 processes" in found.why


@REFUSING
@pytest.mark.parametrize(
    ("pids", "tools", "free"),
    [("", WINDOWS_TOOLS, 64), ("4780", {}, 64), ("4780", WINDOWS_TOOLS, 3)],
    ids=["nobody named", "no tool", "no room"],
)
def test_and_then_nothing_but_the_reason(refusal: dict[str, Any], pids: str, tools: dict[str, Tool], free: int) -> None:
    found = on_windows(pids, tools, free_kib=free * GIB, **refusal)
    assert isinstance(found, Less)
    assert "kernel live dump" in found.todo


@pytest.mark.parametrize("facts", [{"battery": 3}, {"metered": True}])
def test_a_device_that_cannot_afford_it_is_spared_every_rung(facts: dict[str, Any]) -> None:
    assert isinstance(on_windows("4780", live_dump=True, **facts), Less)


def test_a_kernel_live_dump_is_windows_own() -> None:
    assert isinstance(decided(lockdown="confidentiality", live_dump=True), Less)


def evidence(**members: object) -> dict[str, object]:
    process = {"mdeDeviceId": "HOST", "verdict": "malicious", "processId": 7, "imageFile": {"fileName": "evil.exe"}}
    return process | members


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "7:evil.exe"),
        ({"verdict": "Suspicious"}, "7:evil.exe"),
        ({"imageFile": {"fileName": "two words.exe"}}, "7"),
        ({"imageFile": {"fileName": "a,b=c"}}, "7"),
        ({"imageFile": None}, "7"),
        ({"imageFile": "x"}, "7"),
        ({"verdict": "unknown"}, ""),
        ({"verdict": None}, ""),
        ({"mdeDeviceId": "other"}, ""),
        ({"mdeDeviceId": None}, ""),
        ({"processId": 4}, ""),
        ({"processId": "7"}, ""),
        ({"processId": True}, ""),
    ],
)
def test_processes_are_those_that_an_alert_calls_harmful_on_the_device(members: dict[str, object], said: str) -> None:
    snapshot = json.dumps({"alerts": [{"evidence": [evidence(**members), None, 3]}, "x", {"evidence": None}]})
    assert suspects(snapshot.encode(), "host") == said


@given(JSON)
def test_no_incident_breaks_the_reading_of_its_processes(raw: object) -> None:
    assert re.fullmatch(r"([0-9]+(:[A-Za-z0-9._-]+)?(,|$))*", suspects(json.dumps(raw).encode(), "host"))


def test_few_processes_are_enough() -> None:
    many = [evidence(processId=each) for each in range(100, 200)] * 2
    assert suspects(json.dumps({"alerts": [{"evidence": many}]}).encode(), "host").count(",") == MOST_PROCESSES - 1
    assert suspects(None, "host") == ""


@given(
    ram=st.integers(1, 1 << 31),
    free=st.integers(0, 1 << 31),
    part=st.integers(64 * 1024, 2 << 30),
)
def test_a_disk_is_never_promised_more_than_it_has(ram: int, free: int, part: int) -> None:
    """An uncompressed image, its parts and the reserve fit together, whatever the figures are."""
    found = decide(SERVER.model_copy(update={"ram_kib": ram, "free_kib": free}), TOOLS, part)
    if isinstance(found, Full) and not found.compress:
        assert ram + found.reserve_kib <= free
    if isinstance(found, Full):
        assert found.reserve_kib <= max(0, free)


# The contract with the scripts


def result(output: str, code: object = 0, **members: object) -> bytes:
    return json.dumps({"script_name": "x", "exit_code": code, "script_output": output, **members}).encode()


def test_the_last_line_of_the_contract_counts() -> None:
    output = 'Transcript started\n{"bulkhead":1,"step":"a"}\n{"x":1}\n{"bulkhead":1,"step":"b","size":3}\n\0\0'
    said = printed(result(output) + b"\0\0")
    assert (said.text("step"), said.number("size"), said.error) == ("b", 3, "")


@pytest.mark.parametrize("output", ["", "{}", '{"bulkhead":2}', "[1]", "no json", '{"bulkhead":1'])
def test_a_script_that_does_not_keep_it_has_said_nothing(output: str) -> None:
    said = printed(result(output, script_errors="bash: oh"))
    assert (said.members, said.error, said.why) == ({}, "silent", "bash: oh")


@pytest.mark.parametrize("member", ["script_error", "script_errors"])
def test_older_and_newer_names_of_the_errors_are_read(member: str) -> None:
    assert printed(result("", **{member: "oh"})).errors == "oh"


@pytest.mark.parametrize("raw", [b"", b"[]", b"nonsense", b'{"script_output":'])
def test_a_result_that_is_none_is_incomplete(raw: bytes) -> None:
    with pytest.raises(Incomplete):
        printed(raw)


@given(st.text())
def test_no_output_breaks_the_reading(output: str) -> None:
    assert last_line(output) == {} or last_line(output)["bulkhead"] == 1


@pytest.mark.parametrize(
    ("platform", "script"),
    [("Windows11", WINDOWS), ("WindowsServer2022", WINDOWS), ("Ubuntu", LINUX), ("", LINUX), ("macOS", MACOS)],
)
def test_a_device_gets_the_script_of_its_system(platform: str, script: str) -> None:
    assert script_for(platform) == script


# Legs


def test_the_first_session_looks_at_the_device_only() -> None:
    assert commands(Progress(), "0" * 16) == (RunScript(LINUX, "preflight"),)


def test_a_session_fetches_what_it_cuts() -> None:
    progress = Progress(leg=Leg.CUT, folder="/root/bulkhead-1", size=10, part=4)
    sent = Progress.model_validate_json(onward(progress).progress)
    assert commands(sent, "1") == (
        RunScript(LINUX, "cut dir=/root/bulkhead-1 offset=0 length=4 count=2 reserve=0"),
        GetFile("/root/bulkhead-1/part-0-4"),
        GetFile("/root/bulkhead-1/part-4-4"),
    )


@given(size=st.integers(1, 10_000), part=st.integers(1, 4_000), fetched=st.integers(0, 9_999))
def test_parts_follow_each_other_to_the_end(size: int, part: int, fetched: int) -> None:
    """Whatever was fetched: the next parts begin there, leave no gap, and end with the image at the latest."""
    whole = {"size": 1, "sha256": "", "content_sha256": "", "device": ""}
    parts = ({"offset": 0, "number": 1, "content_size": min(fetched, size), **whole},)
    progress = Progress.model_validate({"leg": "cut", "size": size, "part": part, "parts": parts})
    at = progress.offset
    for offset, length in progress.next_parts():
        assert (offset, length > 0) == (at, True)
        at += length
    assert at <= size
    assert at > progress.offset or at == size


@given(size=st.integers(1, 1 << 41), part=st.integers(LEAST_PART, 1 << 30), slow=st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_an_image_never_comes_in_more_parts_than_a_row_can_tell_of(size: int, part: int, slow: int) -> None:
    """Nor does it where many sessions in a row took too long: parts are not halved below what that needs."""
    at = Progress(leg=Leg.CUT, size=size, part=part)
    for _ in range(slow):
        at = at.model_copy(update={"part": smaller(at.part, at.least)})
    parts: list[Fetched] = []
    for offset, length in at.next_parts():  # all others are like these
        told: dict[str, Any] = {"sha256": "0" * 64, "content_sha256": "0" * 64, "device": "0" * 64}
        parts.append(Fetched(offset=offset, number=1, size=length, content_size=length, **told))
    assert parts[0].content_size * MOST_PARTS >= size
    after = at.model_copy(update={"parts": tuple(parts)})
    assert after.least <= max(at.part, at.least)


def test_so_many_parts_fit_into_a_row() -> None:
    told: dict[str, Any] = {"sha256": "f" * 64, "content_sha256": "f" * 64, "device": "f" * 64}
    most = range(GREATEST * (MOST_PARTS - 1), GREATEST * (2 * MOST_PARTS - 1), GREATEST)
    parts = [Fetched(offset=at, number=MOST_PARTS, size=GREATEST, content_size=GREATEST, **told) for at in most]
    text = Progress(leg=Leg.CUT, parts=tuple(parts)).model_dump_json()
    row = leg("capture_memory", text).model_dump_json()
    assert len(parts) == MOST_PARTS
    assert utf16_units(row) < 0.95 * MAX_TEXT_UNITS
    assert not too_large(Facts(), 2 << 40)
    assert too_large(Facts(), (2 << 40) + 1)
    assert Progress(leg=Leg.CUT, size=2 << 40).least < GREATEST


def test_parts_do_not_get_smaller_for_ever() -> None:
    assert smaller(PART) == PART // 2
    assert smaller(64 * 1024) == 64 * 1024


def test_paths_on_windows_are_windows_paths() -> None:
    assert inside("C:\\Windows\\Temp", "x", WINDOWS) == "C:\\Windows\\Temp\\x"


# Standing: where it does not act


def test_a_session_of_ours_is_adopted_and_one_that_is_over_is_not() -> None:
    mine = MachineAction(id="1", kind="liveresponse", comment="[bulkhead test/abc/1]")
    responder, row = CaptureMemory(), action(responder="capture_memory", state=State.SENDING)
    assert responder.standing(row, [mine], "[bulkhead test/abc/", "[bulkhead test/") == Ours(mine)
    over = row.model_copy(update={"ended": ("1",)})
    assert responder.standing(over, [mine], "[bulkhead test/abc/", "[bulkhead test/") == Clear()


def test_an_interval_is_what_the_settings_say() -> None:
    assert onward(Progress(), wait=timedelta(minutes=2)).wait == timedelta(minutes=2)
