"""The acceptance kit for live response: one command that asks a device of a lab what nobody has written down.

`python -m local.acceptance --device ID [--tool NAME] [--settings FILE]`. Against a real tenant, with the app's own
clients, pins and scripts: every assumption of docs/live-response.md becomes a line of its report.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from responders._capture import inside
from responders._live import WINDOWS, asked_on, printed, step
from responders._wiring import build
from shared.errors import BulkheadError, Busy, NotFound, OutcomeUnknown, Throttled, Transient
from shared.models.archive.contents import GZIP
from shared.models.command import GetFile, PutFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from responders._live import Printed
    from shared.clients.interface import Devices, Downloads
    from shared.config import Settings
    from shared.models.command import Command
    from shared.models.device import MachineAction

HOLDS, FAILS, UNSEEN = "holds", "does not hold", "not seen"
PATIENCE = 1800.0
_LOOK = 10.0
_FOLDER = "bulkhead-00000000000acce1"


@dataclass
class Kit:
    """One run. `wait` lets seconds pass; `lines` are what was found, as (assumption, verdict, what was seen)."""

    devices: Devices
    downloads: Downloads
    settings: Settings
    device: str
    wait: Callable[[float], object] = time.sleep
    lines: list[tuple[str, str, str]] = field(default_factory=list)
    script: str = ""

    def found(self, assumption: str, *, holds: bool | None, seen: str) -> None:
        """Note what became of an assumption; None where it could not be seen."""
        self.lines.append((assumption, UNSEEN if holds is None else (HOLDS if holds else FAILS), seen))

    def session(self, *commands: Command) -> MachineAction:
        """Have a session, and wait for its end. Raises Transient where it takes too long."""
        made = self._asked(commands)
        for _ in range(int(PATIENCE / _LOOK)):
            self.wait(_LOOK)
            try:
                seen = self.devices.action(made.id)
            except NotFound:
                continue
            if seen.final:
                return seen
        raise Transient(f"session {made.id} was not over after {PATIENCE:.0f} s")

    def _asked(self, commands: Sequence[Command]) -> MachineAction:
        for _ in range(20):
            try:
                return self.devices.live_response(self.device, commands, "Bulkhead: acceptance of live response")
            except (Busy, Transient) as error:
                print(f"  waits: {error}", file=sys.stderr)
                self.wait(error.retry_after or 30.0 if isinstance(error, Throttled) else 30.0)
        raise Transient("no session was to be had")

    def said(self, seen: MachineAction, index: int = 0) -> Printed:
        """What a script of a session printed."""
        return printed(self.got(seen, index))

    def got(self, seen: MachineAction, index: int) -> bytes:
        """The result of a command as it is received."""
        return b"".join(self.downloads.open(self.devices.result_link(seen.id, index)).chunks)

    def run(self, tool: str, *, kernel: bool = False) -> None:
        """Everything, in order; what a failure leaves unseen stays so. `kernel` asks for a kernel live dump as well."""
        self.script = asked_on(self.devices, self.device)
        base = self._look_at_the_device()
        if not base:
            return
        folder = inside(base, _FOLDER, self.script)
        try:
            self._bundle(folder)
            if tool:
                self._detached(folder, tool)
            else:
                self.found("A detached process outlives its session", holds=None, seen="ask again with --tool")
            if kernel:
                self._captured(folder, step(self.script, "start", dir=folder, how="kernel", **self._words()))
        finally:
            self._clean(folder)

    def _look_at_the_device(self) -> str:
        begun = time.monotonic()
        seen = self.session(step(self.script, "preflight"))
        self.found("A session is over within minutes", holds=seen.final, seen=f"{time.monotonic() - begun:.0f} s")
        self.found("A session shows its commands", holds=bool(seen.commands), seen=f"{len(seen.commands)} of 1")
        listed = {each.name: each.sha256 for each in self.devices.library()}
        self.found("The library tells SHA-256", holds=bool(listed.get(self.script)), seen=listed.get(self.script, ""))
        if seen.status != "succeeded":
            self.found("Our script runs", holds=False, seen=f"{seen.status}: {seen.troubleshoot or seen.commands}")
            return ""
        said = self.said(seen)
        self.found("Arguments arrive, and the last line survives", holds=not said.error, seen=said.why[:80])
        self.found(
            "A result may be asked for again", holds=self.got(seen, 0) == self.got(seen, 0), seen="twice the same"
        )
        facts = {name: value for name, value in said.members.items() if name not in {"bulkhead", "step"}}
        self.found("The preflight tells what is decided by", holds=bool(said.text("base")), seen=json.dumps(facts))
        return said.text("base")

    def _bundle(self, folder: str) -> None:
        seen = self.session(step(self.script, "triage", dir=folder))
        said = self.said(seen)
        self.found("A step of a minute comes to its end", holds=not said.error, seen=said.error or "it did")
        path, sha256 = said.text("path"), said.text("sha256")
        if not path:
            return
        seen = self.session(GetFile(path))
        if seen.status != "succeeded":
            self.found("GetFile reaches what our script wrote", holds=False, seen=str(seen.commands))
            return
        received = self.got(seen, 0)
        self.found("GetFile answers gzip", holds=received.startswith(GZIP), seen=received[:4].hex())
        content = _unpacked(received) if received.startswith(GZIP) else received
        same = hashlib.sha256(content).hexdigest() == sha256
        self.found("What is received is what the device hashed", holds=same, seen=f"{len(content)} bytes")

    def _detached(self, folder: str, tool: str) -> None:
        pinned = self.settings.TOOLS.get(tool)
        if pinned is None:
            self.found("The tool is pinned", holds=False, seen="add it to the setting TOOLS")
            return
        words = {"dir": folder, "tool": tool, "sha256": pinned.sha256.lower(), "compress": 1, **self._words()}
        self._captured(folder, PutFile(tool), step(self.script, "start", **words))

    def _words(self) -> dict[str, object]:
        return {"part": self.settings.MEMORY_PART_SIZE, "reserve": 1 << 20, "expire": 24 * 3600}

    def _captured(self, folder: str, *start: Command) -> None:
        self.session(step(self.script, "clean", dir=folder))
        seen = self.session(*start)
        said = self.said(seen, len(start) - 1) if seen.status == "succeeded" else None
        puts = "The script finds what PutFile left" if len(start) > 1 else "A capture without a tool starts"
        self.found(puts, holds=bool(said and not said.error), seen=said.why if said else "")
        for _ in range(int(self.settings.MEMORY_PATIENCE / timedelta(seconds=60))):
            said = self.said(self.session(step(self.script, "status", dir=folder)))
            state = said.text("state")
            if state in {"ready", "failed"} or said.error == "gone":
                break
            self.wait(50.0)
        alive = said is not None and said.members.get("alive") is True
        self.found("A detached process outlives its session", holds=alive, seen=said.text("state") if said else "")
        ready = said is not None and said.text("state") == "ready"
        what = "The tool captures" if len(start) > 1 else "Windows dumps its kernel"
        self.found(what, holds=ready, seen=json.dumps(dict(said.members)) if said else "")

    def _clean(self, folder: str) -> None:
        said = self.said(self.session(step(self.script, "clean", dir=folder)))
        self.found("Nothing is left", holds=said.members.get("clean") is True, seen=said.text("left"))


def _unpacked(received: bytes) -> bytes:
    """All members of a gzip file."""
    content, rest = b"", received
    while rest:
        member = zlib.decompressobj(31)
        content += member.decompress(rest) + member.flush()
        rest = member.unused_data
    return content


def report(kit: Kit) -> str:
    """What was found, one line each."""
    rows = [f"{verdict:<14} {assumption}: {seen[:300]}" for assumption, verdict, seen in kit.lines]
    heading = f"Live response on {kit.device} ({kit.script})"
    caution = "\nWindows is experimental: keep this report with the device's build." if kit.script == WINDOWS else ""
    return "\n".join((heading, *rows)) + caution


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, and print the report; 1 where something does not hold, 2 where nothing could be asked."""
    parser = argparse.ArgumentParser(prog="python -m local.acceptance", description=__doc__.partition("\n")[0])
    parser.add_argument("--device", required=True, help="the device's id in Defender")
    parser.add_argument(
        "--tool", default="", help="the library's name of a pinned memory tool: captures, and removes again"
    )
    parser.add_argument(
        "--kernel-dump", action="store_true", help="Windows: take a kernel live dump, and remove it again"
    )
    parser.add_argument("--settings", type=Path, default=Path("local.settings.json"), help="the app's settings")
    chosen = parser.parse_args(arguments)
    try:
        values = json.loads(chosen.settings.read_text(encoding="utf-8"))["Values"]
        ports = build({**os.environ, **values})
        kit = Kit(ports.devices, ports.downloads, ports.settings, chosen.device)
        kit.run(chosen.tool, kernel=chosen.kernel_dump)
    except (OSError, ValueError, KeyError, BulkheadError, OutcomeUnknown) as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return 2
    print(report(kit))
    return int(any(verdict == FAILS for _, verdict, _ in kit.lines))


if __name__ == "__main__":
    sys.exit(main())
