"""A Windows device that keeps the contract of our script without running it: no PowerShell runs here.

It answers the steps of `bulkhead-windows.ps1` as docs/live-response.md writes them, with made-up memory and files; it
shows how the app deals with a Windows device, and nothing of how Windows does.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.tenant.liveresponse import CommandOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local.tenant.fleet import Machine
    from local.tenant.liveresponse import Files, Outcomes
    from local.tenant.wire import Json

BASE = "C:\\Windows"
SCRIPT = "bulkhead-windows.ps1"
_DEFAULTS: dict[str, Any] = {"memory_mib": 4, "free_mib": 4096, "build": "22631", "hvci": False, "live_dump": True}
_MIB = 1 << 20
_HEADS = {"": (b"", "raw"), "kernel": (b"PAGEDU64", "dmp"), "processes": (b"PK\x03\x04", "zip")}
"""How what is captured begins, and what the script calls it, by how it is taken."""


@dataclass
class WindowsDevice:
    """What one device has: files by path, and how its capture stands."""

    put: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    image: bytes = b""
    format: str = ""
    polls: int = 0

    def session(self, machine: Machine, commands: Sequence[Json], files: Files) -> Outcomes:
        """Carry a session's commands out; the first that fails is the last."""
        outcomes: list[CommandOutcome] = []
        for command in commands:
            params = {one["key"]: one["value"] for one in command.get("params") or ()}
            outcomes.append(self._command(machine, command["type"], params, files))
            if outcomes[-1].errors:
                break
        return outcomes

    def _command(self, machine: Machine, kind: str, params: Json, files: Files) -> CommandOutcome:
        named = params.get("FileName") or params.get("ScriptName") or ""
        content = files(named) if named else None
        if named and content is None:
            return CommandOutcome(0.1, (f"{named} is not in the library",))
        if kind == "PutFile":
            self.put[named] = content or b""
            return CommandOutcome(0.1)
        if kind == "GetFile":
            found = self.files.get(params["Path"])
            return CommandOutcome(0.1, ("no such file",) if found is None else (), gzip.compress(found or b"", 1))
        members = self._step(machine, params.get("Args", "")) if named == SCRIPT else {}
        line = json.dumps({"bulkhead": 1, **members}) if members else ""
        said = {
            "script_name": named,
            "exit_code": 0,
            "script_output": f"Transcript\r\n{line}\r\n\0",
            "script_errors": "",
        }
        return CommandOutcome(0.5, result=json.dumps(said).encode())

    def _step(self, machine: Machine, args: str) -> Json:
        name, *rest = args.split()
        words = dict(word.split("=", 1) for word in rest)
        words.setdefault("dir", f"{BASE}\\bulkhead-{words.get('id', '')}")
        return {"step": name, **_STEPS[name](self, {**_DEFAULTS, **machine.device}, words)}

    def _preflight(self, device: Json, _: Json) -> Json:
        told = {"os": "Synthetic Windows", "build": device["build"], "arch": "amd64", "base": BASE, "lockdown": ""}
        sizes = {"ram_kib": device["memory_mib"] * 1024, "free_kib": device["free_mib"] * 1024}
        policy = int(device["build"]) >= 26100  # noqa: PLR2004 - Windows 11 24H2
        told |= {"battery": None, "metered": None, "hvci": device["hvci"], "driver_policy": policy}
        return {**told, **sizes, "live_dump": device["live_dump"]}

    def _start(self, device: Json, words: Json) -> Json:
        tool = self.put.pop(words.get("tool", ""), b"")
        if words.get("tool") and hashlib.sha256(tool).hexdigest() != words["sha256"]:
            return {"error": "tool", "detail": f"no {words['tool']} with the pinned hash was found on the device"}
        chance = random.Random(device["memory_mib"])  # noqa: S311 - made-up memory
        head, self.format = _HEADS[words.get("how", "")]
        self.image, self.polls = head + chance.randbytes(device["memory_mib"] * _MIB - len(head)), 0
        return {"alive": True, "state": "starting"}

    def _status(self, _: Json, __: Json) -> Json:
        self.polls += 1
        if not self.image:
            return {"error": "gone", "detail": "there is nothing"}
        if self.polls == 1:
            return {"alive": True, "state": "capturing", "bytes": len(self.image) // 2}
        sha256 = hashlib.sha256(self.image).hexdigest()
        return {"alive": True, "state": "ready", "size": len(self.image), "sha256": sha256, "format": self.format}

    def _cut(self, _: Json, words: Json) -> Json:
        parts = []
        for turn in range(int(words["count"])):
            at = int(words["offset"]) + turn * int(words["length"])
            data = self.image[at : at + int(words["length"])]
            self.files[f"{words['dir']}\\part-{at}-{len(data)}"] = data
            parts.append({"offset": at, "length": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        return {"size": len(self.image), "parts": parts}

    def _bundle(self, _: Json, words: Json) -> Json:
        path, data = f"{words['dir']}\\bundle.zip", b"PK\x05\x06" + bytes(18)
        self.files[path] = data
        return {"dir": words["dir"], "path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def _clean(self, _: Json, __: Json) -> Json:
        self.files.clear()
        self.image = b""
        return {"clean": True, "left": ""}


_STEPS: dict[str, Callable[[WindowsDevice, Json, Json], Json]] = {
    "preflight": WindowsDevice._preflight,  # noqa: SLF001 - its own table
    "start": WindowsDevice._start,  # noqa: SLF001 - likewise
    "status": WindowsDevice._status,  # noqa: SLF001 - likewise
    "cut": WindowsDevice._cut,  # noqa: SLF001 - likewise
    "triage": WindowsDevice._bundle,  # noqa: SLF001 - likewise
    "logs": WindowsDevice._bundle,  # noqa: SLF001 - likewise
    "clean": WindowsDevice._clean,  # noqa: SLF001 - likewise
}
