"""The folder of one simulated Linux device: what its scripts find there, and what of it runs.

A script is the one that a real device would get. It finds a home, a temporary folder, a working folder and a search
path of its own, in which a few commands (`cat`, `df`, `systemd-run`, ...) show the simulated device instead of this
machine; `standins/` holds them. Whatever a device runs is found again by its environment, so that nothing outlives the
tenant.

Beside the API's members a machine may carry `device`: `memory_mib`, `free_mib` (of the disk), `lockdown` ("none",
"integrity", "confidentiality"), `battery` (percent), `metered`, `systemd`, `disk_fills` (the tool finds less room than
`df` told), `logs` ({path: text}).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.tenant.settings import TenantSettings
    from local.tenant.wire import Json

STANDINS = Path(__file__).parent / "standins"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
DEFAULTS: dict[str, Any] = {"memory_mib": 16, "free_mib": 4096, "lockdown": "none", "systemd": True}
_DEATH = 5.0
_LOOKS = 200


class Sandbox:
    """One device's folder."""

    def __init__(self, root: Path, settings: TenantSettings) -> None:
        """`root` need not exist yet."""
        self.root = root
        self.settings = settings
        self.work = root / "opt" / "live-response"
        self.results = root.with_name(root.name + ".results")

    def furnish(self, device: Json) -> None:
        """Make the folders, the facts that a script can read, and the commands that show them."""
        for name in ("root", "tmp", "var/tmp", "bin", "opt/live-response", "proc", "etc"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.results.mkdir(exist_ok=True)
        facts: dict[str, str] = {
            "device.json": json.dumps(device),
            "proc/meminfo": f"MemTotal:       {int(device['memory_mib']) * 1024} kB\nMemFree:        1024 kB\n",
            "sys/kernel/security/lockdown": _lockdown(str(device["lockdown"])),
            "etc/os-release": 'ID=synthetic\nVERSION_ID="1"\nPRETTY_NAME="Synthetic Linux 1"\n',
            **{str(path).lstrip("/"): str(text) for path, text in (device.get("logs") or {}).items()},
        }
        if device.get("battery") is not None:
            facts["sys/class/power_supply/BAT0/capacity"] = f"{device['battery']}\n"
            facts["sys/class/power_supply/BAT0/status"] = "Discharging\n"
        for name, text in facts.items():
            write(self.root / name, text.encode(), 0o644)
        for source in STANDINS.iterdir():
            if source.name != "avml":
                write(self.root / "bin" / source.stem, source.read_bytes(), 0o755)
        write(self.root / "bin" / "python3", f'#!/bin/bash\nexec {sys.executable} -I "$@"\n'.encode(), 0o755)

    def environment(self) -> dict[str, str]:
        """What a script finds: nothing of the tenant's own environment."""
        return {
            "HOME": str(self.root / "root"),
            "TMPDIR": str(self.root / "var/tmp"),
            "PATH": f"{self.root / 'bin'}:{SYSTEM_PATH}",
            "LANG": "C",
        }

    def path(self, named: str) -> Path:
        """Where a path of the device lies; OSError for one that leads out of its folder."""
        inside = Path(named) if Path(named).is_relative_to(self.root) else self.root / named.lstrip("/")
        if not inside.resolve().is_relative_to(self.root):
            raise PermissionError(f"{named} leads out of the device")
        return inside

    def reboot(self) -> None:
        """End everything; the working folder and /tmp are emptied."""
        self.end_all()
        for folder in (self.work, self.root / "tmp"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)

    def end_all(self) -> None:
        """Kill whatever has this device's environment, until nothing has."""
        until = time.monotonic() + _DEATH
        while found := self.processes():
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > until:
                raise TimeoutError(f"processes {found} of a simulated device do not end")
            time.sleep(0.01)

    def processes(self) -> list[int]:
        """The processes of this device that are not mere remains."""
        mark = _split(f"HOME={self.root / 'root'}".encode())
        found = []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and mark in _split(_environment(process)):
                    found.append(int(process.name))
        return found


def _split(environment: bytes) -> bytes:
    """An environment as bash leaves it for a moment when it starts: it cuts each name off from what it stands for."""
    return b"\0" + environment.replace(b"=", b"\0") + b"\0"


def _environment(process: Path) -> bytes:
    """What a process was started with, as the kernel shows it; OSError where it is gone or is nobody's to read.

    Between two programs a process shows none for a moment, and would be overlooked.
    """
    for _ in range(_LOOKS):
        if shown := (process / "environ").read_bytes():
            return shown
        (process / "exe").readlink()  # OSError: the kernel's own threads and mere remains have no program
        time.sleep(0.001)  # one that really has none is not told from one that the system keeps waiting in between
    return b""


def write(path: Path, content: bytes, mode: int) -> None:
    """Write at once, so that no reader sees half; not at all where it stands there already."""
    if path.is_file() and zlib.crc32(path.read_bytes()) == zlib.crc32(content):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{threading.get_ident()}")
    draft.write_bytes(content)
    draft.chmod(mode)
    draft.replace(path)


def _lockdown(level: str) -> str:
    return " ".join(f"[{one}]" if one == level else one for one in ("none", "integrity", "confidentiality")) + "\n"
