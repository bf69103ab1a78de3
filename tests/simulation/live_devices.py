"""Linux devices that keep the contract of our script in virtual time, without running it: what a capture looks like
from outside, with what can go wrong on a device. The script itself runs in `tests/integration/test_live_memory.py`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from local.tenant.liveresponse import CommandOutcome
from responders._capture import EXPIRE
from responders._library import scripts
from responders._live import LINUX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from local.tenant.fleet import Machine
    from local.tenant.liveresponse import Files, Outcomes
    from local.tenant.wire import Json
    from tests.simulation.injections import Injected

TOOL, FIX = b"a memory tool", b"a script of the operator's"
PART = 64 * 1024
_PARTS = 3
_HEADER = b"EMiL\x01\0\0\0"
_FACTS: tuple[Json, ...] = (
    *({},) * 6,
    *({"lockdown": "confidentiality"}, {"battery": 12}, {"metered": True}, {"free_kib": 8}),
    {"free_kib": 64 * 8},
)
"""What a preflight finds beside the ordinary: what stands against an image, or has it compressed."""

_FATES = (*[""] * 8, "lockdown", "tool", "disk", "dies", "changed")


@cache
def image_of(folder: str) -> bytes:
    """The memory that a capture into a folder finds: the same whenever it is looked at, and no other folder's."""
    line = f"synthetic memory {folder} ".encode()
    return (_HEADER + line * (PART * _PARTS // len(line) - 7))[: PART * _PARTS - 999]


@cache
def file_of(device: str, path: str) -> bytes:
    """What a file of a device holds."""
    return f"synthetic file {path} of {device}\n".encode() * 40


@dataclass
class Folder:
    """Ours on a device. `ready` is when the image will be there; with `watched` something there removes it one day."""

    seen: datetime
    ready: datetime | None = None
    fate: str = ""
    alive: bool = True
    watched: bool = True
    interrupted: int = 0
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Device:
    """One device: its facts, our folders by path, and what PutFile left."""

    facts: Json
    folders: dict[str, Folder] = field(default_factory=dict)
    put: dict[str, bytes] = field(default_factory=dict)


_STALLING = 1 / 12


class LiveDevices:
    """A `Runner`. `ran` are the tools that were started, by their hash."""

    def __init__(
        self, seed: int, now: Callable[[], datetime], injected: Injected, stalls: tuple[float, float] | None = None
    ) -> None:
        """No device was asked for anything yet. Where sessions stall, one in twelve takes so many seconds more."""
        self.seed = seed
        self._stalls = stalls
        self._apart = Random(seed ^ 0x57A1)  # noqa: S311 - histories, not secrets
        self._random = Random(seed ^ 0xDE11)  # noqa: S311 - histories, not secrets
        self._now = now
        self._injected = injected
        self._devices: dict[str, Device] = {}
        self.ran: set[str] = set()

    def __call__(self, machine: Machine, commands: Sequence[Json], files: Files) -> Outcomes:
        """See `Runner`."""
        device = self._of(machine)
        outcomes: list[CommandOutcome] = []
        for command in commands:
            params = {one["key"]: one["value"] for one in command.get("params") or ()}
            outcomes.append(self._command(machine, device, command["type"], params, files))
            if outcomes[-1].errors:
                break
        if self._stalls and outcomes and self._apart.random() < _STALLING:
            last = outcomes[-1]
            outcomes[-1] = replace(last, seconds=last.seconds + self._apart.uniform(*self._stalls))
        return outcomes

    def reboot(self, machine: Machine) -> None:
        """What runs ends; the working folder is empty, our folders are not."""
        device = self._of(machine)
        device.put.clear()
        for folder in device.folders.values():
            folder.alive = folder.watched = False

    def left(self, device: str) -> list[str]:
        """The paths of our folders that lie on a device."""
        if device not in self._devices:
            return []
        self._expire(self._devices[device])
        return list(self._devices[device].folders)

    def _of(self, machine: Machine) -> Device:
        name = str(machine.shown["id"])
        if name not in self._devices:
            self._devices[name] = Device(self._random.choice(_FACTS))
        self._expire(self._devices[name])
        return self._devices[name]

    def _expire(self, device: Device) -> None:
        now = self._now()
        gone = [path for path, each in device.folders.items() if each.watched and now - each.seen > EXPIRE]
        for path in gone:
            del device.folders[path]

    def _strikes(self, what: str, chance: float) -> bool:
        strikes = self._random.random() < chance
        self._injected[what, "device"] += strikes
        return strikes

    def _command(self, machine: Machine, device: Device, kind: str, params: Json, files: Files) -> CommandOutcome:
        seconds = self._random.uniform(0.2, 15)
        if kind != "PutFile" and self._strikes("a command takes too long", 0.03):
            return CommandOutcome(seconds, ("It ran longer than its limit.",), late=True)
        if kind == "GetFile":
            return self._file(machine, device, params["Path"], seconds)
        named = params.get("FileName") or params["ScriptName"]
        content = files(named)
        if content is None or self._strikes("a command fails", 0.02):
            return CommandOutcome(seconds, (f"{named} cannot be had",))
        if kind == "PutFile":
            device.put[named] = content
            return CommandOutcome(seconds)
        words = params.get("Args", "").split()
        members = self._script(device, content, words)
        line = json.dumps({"bulkhead": 1, **members}) if members else ""
        said = {"script_name": named, "exit_code": 0, "script_output": f"Transcript\n{line}\n", "script_errors": ""}
        return CommandOutcome(seconds, result=json.dumps(said).encode())

    def _file(self, machine: Machine, device: Device, path: str, seconds: float) -> CommandOutcome:
        found = next((each.files[path] for each in device.folders.values() if path in each.files), None)
        if found is None and path.startswith("/etc/"):
            found = file_of(str(machine.shown["id"]), path)
        if found is None:
            return CommandOutcome(seconds, ("no such file",))
        return CommandOutcome(seconds, result=gzip.compress(found, 1, mtime=0))

    def _script(self, device: Device, content: bytes, words: Sequence[str]) -> Json:
        """What a script's last line says; nothing where somebody put another one in its place."""
        if content == FIX:
            return {"step": "fix", "files": ["/etc/hosts"]}
        if content != scripts()[LINUX]:
            return {}
        given = dict(word.split("=", 1) for word in words[1:])
        path = given.get("dir") or f"/root/bulkhead-{given.get('id', '')}"
        if path in device.folders:
            device.folders[path].seen = self._now()
        return {"step": words[0], **_STEPS[words[0]](self, device, path, given)}

    # The steps of the contract

    def _preflight(self, device: Device, _: str, __: Json) -> Json:
        facts = {"os": "Synthetic Linux", "arch": "x86_64", "ram_kib": PART * _PARTS // 1024, "free_kib": 1 << 20}
        return {**facts, "base": "/root", "lockdown": "none", "battery": None, "metered": None, **device.facts}

    def _start(self, device: Device, path: str, given: Json) -> Json:
        if path not in device.folders:
            tool = hashlib.sha256(device.put.pop(given["tool"], b"")).hexdigest()
            if tool != given["sha256"]:
                return {"error": "tool", "detail": "no tool with the pinned hash was found on the device"}
            self.ran.add(tool)
            ready = self._now() + timedelta(seconds=self._random.uniform(2, 90))
            device.folders[path] = Folder(self._now(), ready, self._random.choice(_FATES))
        return self._status(device, path, given)

    def _status(self, device: Device, path: str, _: Json) -> Json:
        folder = device.folders.get(path)
        if folder is None or folder.ready is None:
            return {"error": "gone", "detail": f"{path} is not there any more"}
        if not folder.alive and folder.fate != "dies":
            folder.interrupted += folder.ready > self._now()
            folder.alive = folder.watched = True
            folder.ready = max(folder.ready, self._now() + timedelta(seconds=5))
        if folder.ready > self._now() or folder.fate == "dies":
            alive = folder.alive and (folder.fate != "dies" or folder.ready > self._now())
            return {"alive": alive, "state": "capturing", "bytes": 1}
        if folder.fate in {"lockdown", "tool", "disk"}:
            return {"alive": True, "state": "failed", "error": folder.fate, "detail": "synthetic"}
        sha256 = hashlib.sha256(image_of(path)).hexdigest()
        ready = {"state": "ready", "size": len(image_of(path)), "sha256": sha256, "format": "lime"}
        return {"alive": True, "interrupted": folder.interrupted, **ready}

    def _cut(self, device: Device, path: str, given: Json) -> Json:
        folder = device.folders.get(path)
        if folder is None:
            return {"error": "gone", "detail": "the image is not there any more"}
        if folder.fate == "changed":
            return {"error": "changed", "detail": "the image is not what it was when it was hashed"}
        image, parts = image_of(path), []
        folder.files.clear()
        for turn in range(int(given["count"])):
            at = int(given["offset"]) + turn * int(given["length"])
            data = image[at : at + int(given["length"])]
            folder.files[f"{path}/part-{at}-{len(data)}"] = data
            parts.append({"offset": at, "length": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        return {"size": len(image), "parts": parts}

    def _bundle(self, device: Device, path: str, _: Json) -> Json:
        folder = device.folders.setdefault(path, Folder(self._now()))
        file, data = f"{path}/bundle.tar.gz", file_of(path, "bundle")
        folder.files[file] = data
        return {"dir": path, "path": file, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def _clean(self, device: Device, path: str, _: Json) -> Json:
        if self._strikes("a folder cannot be removed", 0.1):
            return {"clean": False, "left": path}
        device.folders.pop(path, None)
        return {"clean": True, "left": ""}


_STEPS: dict[str, Callable[[LiveDevices, Device, str, Json], dict[str, Any]]] = {
    "preflight": LiveDevices._preflight,
    "start": LiveDevices._start,
    "status": LiveDevices._status,
    "cut": LiveDevices._cut,
    "triage": LiveDevices._bundle,
    "logs": LiveDevices._bundle,
    "clean": LiveDevices._clean,
}
