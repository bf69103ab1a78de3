"""What can be had of a device's memory, decided from what its preflight told, and explained. Pure.

A full image by the operator's pinned tool, compressed where the disk is short; on Windows else a kernel live dump,
which needs no driver, else dumps of the processes that the incident names; else what is volatile without an image
(/proc triage), and why there is no more: a normal outcome.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from shared.models.lenient import Text, Token, Truth, Whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.models.tool import Tool

LEAST_BATTERY = 30
"""Percent of charge below which a device that runs on its battery is left alone."""

WINDOW = 2
"""How many parts are made at once, and fetched in one session."""

_GIB_KIB = 1 << 20
_RESERVE_KIB = 2 * _GIB_KIB
_MOST_GIB = 2048
_GAPS_KIB = 16 * _GIB_KIB
_PACKED = 0.5
"""What a compressed image is assumed to take of the memory's size; on the device the disk is watched all the same."""

_KERNEL = 0.35
"""What a kernel live dump is assumed to take of the memory's size: Windows tells nobody beforehand."""

_DUMPS_KIB = 4 * _GIB_KIB
"""Room that dumps of processes are given at least; the device's disk is watched between them."""

MOST_PROCESSES = 8
_SYSTEM = 4
"""The process id of Windows' own kernel; smaller ones are nobody's."""

_WORD = re.compile(r"[A-Za-z0-9._-]{1,60}")
_HARMFUL = frozenset({"malicious", "suspicious"})

_CLOSED = frozenset({"confidentiality"})
DUMPERS = ("procdump",)
"""Programs that dump a process, by how their names begin: these take no memory image."""

_FAMILIES = {"linux": ("avml",), "windows": ("go-winpmem", "winpmem", "dumpit", "magnet")}
_SAME = {"x86_64": "x86_64", "amd64": "x86_64", "x64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


class Facts(BaseModel):
    """What a preflight tells. Sizes in KiB; `battery` is the charge in percent while it is being used up; None and
    empty texts were not told. `hvci`, `driver_policy` and `live_dump` are Windows'.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    os: Text = ""
    build: Text = ""
    arch: Token = ""
    ram_kib: Whole = None
    free_kib: Whole = None
    base: Text = ""
    lockdown: Token = ""
    battery: Whole = None
    metered: Truth = None
    hvci: Truth = None
    driver_policy: Truth = None
    live_dump: Truth = None
    tools: Text = ""


@dataclass(frozen=True, slots=True)
class Full:
    """An image of the whole memory. `reserve_kib` is the room that has to stay free meanwhile."""

    tool: str
    sha256: str
    compress: bool
    reserve_kib: int
    why: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel live dump, by what Windows has for it."""

    reserve_kib: int
    why: str


@dataclass(frozen=True, slots=True)
class Processes:
    """Dumps of the processes that the incident names, by a pinned tool."""

    tool: str
    sha256: str
    pids: str
    reserve_kib: int
    why: str


@dataclass(frozen=True, slots=True)
class Less:
    """Nothing of all that: why, and what a person could do about it."""

    why: str
    todo: str = ""


def too_large(facts: Facts, size: int) -> str:
    """Why an image of so many bytes is not to be believed, empty where it is: somebody else may hold the device, and
    would have us fetch for ever. An image has gaps of the address space too, and disks are cleared meanwhile.
    """
    bounds = [(_MOST_GIB * _GIB_KIB, "more than can be fetched through live response")]
    if facts.ram_kib is not None:
        bounds.append((4 * facts.ram_kib + _GAPS_KIB, f"its memory has {facts.ram_kib >> 10} MiB"))
    if facts.free_kib is not None:
        bounds.append((2 * facts.free_kib, f"its disk had room for {facts.free_kib >> 10} MiB"))
    most, why = min(bounds)
    if size <= most << 10:
        return ""
    return f"the device says that the image has {size >> 20} MiB, which is not believed beyond {most >> 10} MiB: {why}"


Decision = Full | Kernel | Processes | Less


def decide(facts: Facts, tools: Mapping[str, Tool], part: int, platform: str = "linux", pids: str = "") -> Decision:
    """What can be had. `tools` are the pinned ones by name, `part` is the size of parts in bytes, `pids` the processes
    that the incident names on the device (see `suspects`).
    """
    spared = _spared(facts)
    if spared:
        return spared
    full = _full(facts, tools, part, platform)
    if not isinstance(full, Less) or platform != "windows" or not facts.base:
        return full
    return _kernel(facts, part, full.why) or _processes(facts, tools, pids, full.why) or full


def suspects(snapshot: bytes | None, device: str) -> str:
    """The processes that an incident's alerts call harmful on a device, as `pid:image` with commas between; without an
    image where its name is no plain word.
    """
    incident = json.loads(snapshot) if snapshot else None
    alerts = [alert for whole in _records([incident]) for alert in _records(whole.get("alerts"))]
    found: dict[str, None] = {}
    for item in (each for alert in alerts for each in _records(alert.get("evidence"))):
        ours = str(item.get("mdeDeviceId") or "").lower() == device.lower()
        harmful = str(item.get("verdict") or "").lower() in _HARMFUL
        pid = item.get("processId")
        if ours and harmful and isinstance(pid, int) and pid > _SYSTEM:
            name = "".join(str(image.get("fileName") or "") for image in _records([item.get("imageFile")]))
            found[f"{pid}:{name}" if _WORD.fullmatch(name) else str(pid)] = None
    return ",".join(list(found)[:MOST_PROCESSES])


def _records(value: object) -> list[dict[str, object]]:
    """The objects of a list, whatever else Graph put there."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _spared(facts: Facts) -> Less | None:
    """A device that cannot afford any of it."""
    if facts.battery is not None and facts.battery < LEAST_BATTERY:
        return Less(f"the device runs on its battery, of which {facts.battery} % are left", "retry when it is charged")
    if facts.metered:
        return Less("the device's connection is metered, and an image has gigabytes", "retry on another connection")
    return None


def _full(facts: Facts, tools: Mapping[str, Tool], part: int, platform: str) -> Full | Less:
    obstacle = _obstacle(facts, platform)
    if obstacle:
        return obstacle
    tool = _tool(facts, tools, platform)
    if tool is None:
        system = f"{platform} on {facts.arch or 'an unknown architecture'}"
        todo = "upload a memory tool to the live response library and name it with its SHA-256 in the setting TOOLS"
        return Less(f"no memory tool for {system} is pinned", todo)
    if not facts.base:
        return Less("no folder of the device can be written that would hold an image")
    return _room(facts, tool, tools[tool].sha256.lower(), part)


def _obstacle(facts: Facts, platform: str) -> Less | None:
    if facts.lockdown in _CLOSED:
        why = f"the kernel is locked down ({facts.lockdown}), and shows its memory to nobody"
        return Less(why, "nothing short of another boot configuration helps; look at the triage instead")
    if platform == "windows" and facts.hvci:
        why = "memory integrity (HVCI) is on: drivers of memory tools are refused, or see zeros without saying so"
        return Less(why, "use a kernel live dump by hand, or a tool whose vendor supports HVCI")
    if platform == "windows" and facts.driver_policy:
        return Less("the device's driver policy refuses cross-signed drivers", "use a kernel live dump by hand")
    return None


def _kernel(facts: Facts, part: int, why: str) -> Kernel | None:
    """The rung below an image, where Windows offers it and the disk has room for what it may take."""
    memory = facts.ram_kib or 0
    reserve = _reserve(memory)
    needed = int(memory * _KERNEL) + reserve + WINDOW * part // 1024
    if not facts.live_dump or (facts.free_kib is not None and facts.free_kib < needed):
        return None
    said = "a kernel live dump instead (for WinDbg; Volatility 3 reads no such dump)"
    return Kernel(reserve, f"no full image: {why}; {said}")


def _processes(facts: Facts, tools: Mapping[str, Tool], pids: str, why: str) -> Processes | None:
    """The rung below that: what the incident names, by a tool that the operator pinned for it."""
    dumper = next((name for name in sorted(tools) if name.lower().startswith(DUMPERS)), None)
    if dumper is None or not pids or (facts.free_kib is not None and facts.free_kib < _DUMPS_KIB):
        return None
    count = pids.count(",") + 1
    said = f"dumps of {count} processes that the incident names, by {dumper}, instead"
    return Processes(
        dumper, tools[dumper].sha256.lower(), pids, _reserve(facts.ram_kib or 0), f"no image: {why}; {said}"
    )


def _reserve(memory: int) -> int:
    return min(memory // 10, _RESERVE_KIB)


def _tool(facts: Facts, tools: Mapping[str, Tool], platform: str) -> str | None:
    """The first pinned tool, by name, for the device's system and architecture."""
    wanted = _SAME.get(facts.arch, facts.arch)
    for name in sorted(tools):
        runs_on = "" if name.lower().startswith(DUMPERS) else tools[name].platform or _family(name)
        if runs_on == platform and (not wanted or _architecture(name, tools[name]) == wanted):
            return name
    return None


def _family(name: str) -> str:
    return next((system for system, starts in _FAMILIES.items() if name.lower().startswith(starts)), "")


def _architecture(name: str, tool: Tool) -> str:
    """What a tool runs on: as the operator says, else as its name does, else what nearly all are made for."""
    said = tool.architecture.lower()
    if said:
        return _SAME.get(said, said)
    return "aarch64" if any(word in name.lower() for word in ("aarch64", "arm64")) else "x86_64"


def _room(facts: Facts, tool: str, sha256: str, part: int) -> Full | Less:
    memory, free = facts.ram_kib or 0, facts.free_kib
    reserve = _reserve(memory)
    beside = reserve + WINDOW * min(part // 1024, max(memory, 1))
    if free is None or free >= memory + beside:
        return Full(tool, sha256, compress=False, reserve_kib=reserve, why=f"a full image by {tool}")
    needed = int(memory * _PACKED) + beside
    if free >= needed:
        why = f"a full image by {tool}, compressed since the disk has room for {free // 1024} MiB only"
        return Full(tool, sha256, compress=True, reserve_kib=reserve, why=why)
    why = f"{free // 1024} MiB are free on the device's disk; even a compressed image would want {needed // 1024} MiB"
    return Less(why, "make room on the device's disk, then retry")
