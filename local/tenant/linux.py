"""Live response that is really carried out, on simulated Linux devices: uploaded scripts run under bash.

Without a network, as far as this machine lets one be taken away; with the limits that the settings scale; and each
script is ended with its process group when its time is over.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import Future
from functools import cache
from typing import IO, TYPE_CHECKING

from local.tenant.liveresponse import CommandOutcome
from local.tenant.sandbox import DEFAULTS, Sandbox, write
from local.tenant.windows import WindowsDevice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from local.tenant.fleet import Machine
    from local.tenant.liveresponse import Files, Outcomes
    from local.tenant.settings import TenantSettings
    from local.tenant.wire import Json

_TRANSCRIPT = "Transcript started, output file is transcript.log\n"


class Sandboxes:
    """A `Runner`: every device gets a folder below `root` when it is first needed. With `wait` a session is over when
    the call returns, else it goes on in a thread.
    """

    def __init__(self, root: Path, settings: TenantSettings, *, wait: bool = False) -> None:
        """Make the folder that holds the devices'."""
        self._root = root.resolve()
        self._root.mkdir(parents=True, exist_ok=True)
        self._settings = settings
        self._wait = wait
        self._windows: dict[str, WindowsDevice] = {}

    def __call__(self, machine: Machine, commands: Sequence[Json], files: Files) -> Outcomes | Future[Outcomes]:
        """See `Runner`."""
        platform = str(machine.shown["osPlatform"])
        if platform.startswith("Windows"):
            pretended = self._windows.setdefault(str(machine.shown["id"]), WindowsDevice())
            return pretended.session(machine, commands, files)
        if platform.startswith("macOS"):
            return [CommandOutcome(1.0, (f"The simulated device runs no {platform}.",))]
        sandbox = self.of(machine)
        if self._wait:
            return _session(sandbox, commands, files)
        future: Future[Outcomes] = Future()

        def run() -> None:
            try:
                future.set_result(_session(sandbox, commands, files))
            except OSError as error:
                future.set_result([CommandOutcome(0.0, (f"The device cannot do it: {error}",))])

        threading.Thread(target=run, daemon=True).start()
        return future

    def of(self, machine: Machine) -> Sandbox:
        """A device's sandbox, its facts as the machine tells them now."""
        sandbox = Sandbox(self._root / str(machine.shown["id"]), self._settings)
        sandbox.furnish({**DEFAULTS, **machine.device})
        return sandbox

    def reboot(self, machine: Machine) -> None:
        """End what the device runs and empty what does not survive a restart."""
        self.of(machine).reboot()

    def close(self) -> None:
        """End whatever runs on any device."""
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            Sandbox(folder, self._settings).end_all()


def _session(sandbox: Sandbox, commands: Sequence[Json], files: Files) -> Outcomes:
    outcomes: list[CommandOutcome] = []
    for command in commands:
        params = {one["key"]: one["value"] for one in command.get("params") or ()}
        began = time.monotonic()
        try:
            outcome = _COMMANDS[command["type"]](sandbox, params, files)
        except OSError as error:
            outcome = CommandOutcome(time.monotonic() - began, (f"{type(error).__name__}: {error}",))
        outcomes.append(outcome)
        if outcome.errors:
            break
    return outcomes


def _put_file(sandbox: Sandbox, params: Json, files: Files) -> CommandOutcome:
    content = _known(files, params["FileName"])
    if len(content) > sandbox.settings.put_file_limit:
        return CommandOutcome(0.0, ("The file is larger than PutFile allows on this platform.",))
    write(sandbox.work / params["FileName"], content, 0o644)
    return CommandOutcome(0.1)


def _run_script(sandbox: Sandbox, params: Json, files: Files) -> CommandOutcome:
    name = params["ScriptName"]
    script = sandbox.work / "scripts" / name
    write(script, _known(files, name), 0o755)
    limit = sandbox.settings.script_seconds
    began = time.monotonic()
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complained:
        process = subprocess.Popen(  # noqa: S603 - running uploaded scripts is what this is for
            [*without_network(), "/bin/bash", str(script), *shlex.split(params.get("Args", ""))],
            cwd=sandbox.work,
            env=sandbox.environment(),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=complained,
            start_new_session=True,
        )
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            _end_group(process)
            return CommandOutcome(time.monotonic() - began, ("The script ran longer than its limit.",), late=True)
        out, err = (_text(each) for each in (printed, complained))
    if code < 0:
        return CommandOutcome(time.monotonic() - began, (f"The script was ended by signal {-code}.",))
    told = {"script_name": name, "exit_code": code, "script_output": _TRANSCRIPT + out, "script_errors": err}
    return CommandOutcome(time.monotonic() - began, result=json.dumps(told).encode())


def _get_file(sandbox: Sandbox, params: Json, files: Files) -> CommandOutcome:
    del files
    path = sandbox.path(params["Path"])
    size, settings = path.stat().st_size, sandbox.settings
    if not path.is_file():
        raise IsADirectoryError(params["Path"])
    seconds = size / settings.uplink_bytes_per_second if settings.uplink_bytes_per_second else 0.0
    if size > settings.get_file_limit:
        return CommandOutcome(0.1, ("The file is larger than GetFile allows.",))
    if seconds > settings.get_file_seconds:
        return CommandOutcome(settings.get_file_seconds, ("The transfer ran longer than its limit.",), late=True)
    target = sandbox.results / f"{time.monotonic_ns()}.gz"
    with path.open("rb") as source, target.open("wb") as packed:
        while block := source.read(max(1, int(settings.gzip_member_bytes))):
            packed.write(gzip.compress(block, 1, mtime=0))
        if packed.tell() == 0:
            packed.write(gzip.compress(b"", 1, mtime=0))
    return CommandOutcome(seconds, result=target)


_COMMANDS: dict[str, Callable[[Sandbox, Json, Files], CommandOutcome]] = {
    "PutFile": _put_file,
    "RunScript": _run_script,
    "GetFile": _get_file,
}


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@cache
def without_network() -> tuple[str, ...]:
    """What runs a command without a network, or nothing where this machine does not allow that."""
    for prefix in (("unshare", "--net", "--"), ("unshare", "--map-root-user", "--net", "--")):
        with contextlib.suppress(OSError):
            if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:  # noqa: S603
                return prefix
    return ()


def _known(files: Files, name: str) -> bytes:
    content = files(name)
    if content is None:
        raise FileNotFoundError(f"{name} is not in the library")
    return content
