"""Starts and stops Azurite, so that nobody has to have it running.

Azurite is strict here (no ``--loose``): what it does not know, it refuses. Only its check of the API version is off,
because the storage packages speak a newer version than it knows. It has no versioning, no immutability and no
undelete, and ignores such headers in silence: nothing about write-once storage can be shown with it.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

ACCOUNT: Final = "devstoreaccount1"
# The emulator's account key is a public constant, the same for everybody.
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_EXECUTABLE: Final = Path(__file__).parent / "node_modules" / ".bin" / "azurite"
_OPTIONS: Final = ("--skipApiVersionCheck", "--disableTelemetry")
_LISTENING: Final = re.compile(r"^Azurite (Blob|Queue|Table) service is successfully listening at (\S+)$", re.MULTILINE)
_SERVICES: Final = frozenset({"Blob", "Queue", "Table"})
# Run before Azurite's own code. Azurite's standard input is a pipe that we hold: when we close it, or are gone, however
# we went, Azurite ends in order. Unreferenced, or listening to the pipe would keep Azurite from ending.
_END_WITH_US: Final = (
    "data:text/javascript,process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume().unref()"
)
_POLL_SECONDS: Final = 0.02


class AzuriteError(Exception):
    """Azurite is not installed, or did not start. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Azurite:
    """Where a running Azurite is. The URLs name the account and have no slash at the end."""

    connection_string: str
    blob_url: str
    queue_url: str
    table_url: str
    location: Path


class AzuriteServer:
    """A running Azurite on loopback, as a context manager that gives its `Azurite`.

    Without a location the data lie in a temporary folder that goes with the server; with one they stay in it, and the
    next server there finds them. A port of 0 is any free one. What Azurite prints is in ``azurite.log`` in the
    location; with an access log, one line for each request too.
    """

    def __init__(
        self,
        location: Path | None = None,
        *,
        blob_port: int = 0,
        queue_port: int = 0,
        table_port: int = 0,
        access_log: bool = False,
        start_seconds: float = 30.0,
        stop_seconds: float = 10.0,
    ) -> None:
        self._kept_location = location
        self._ports = {"--blobPort": blob_port, "--queuePort": queue_port, "--tablePort": table_port}
        self._access_log = access_log
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._resources = ExitStack()

    def __enter__(self) -> Azurite:
        """Start, and return once all three services listen.

        Raises:
            AzuriteError: Node or Azurite is missing, or a service does not listen within `start_seconds`.
        """
        command = [_node(), "--import", _END_WITH_US, str(_executable()), *_OPTIONS]
        command += [] if self._access_log else ["--silent"]
        with ExitStack() as starting:
            location = self._kept_location or Path(starting.enter_context(_temporary_folder()))
            location.mkdir(parents=True, exist_ok=True)
            command += ["--location", str(location)]
            for option, port in self._ports.items():
                command += [option, str(port)]
            log = location / "azurite.log"
            process = starting.enter_context(self._process(command, log))
            urls = self._wait_until_listening(process, log)
            self._resources = starting.pop_all()
        return Azurite(
            connection_string=_connection_string(urls),
            blob_url=urls["Blob"],
            queue_url=urls["Queue"],
            table_url=urls["Table"],
            location=location,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop; what was stored under a location given by the caller stays."""
        self._resources.close()

    @contextmanager
    def _process(self, command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
        with (
            log.open("wb") as output,
            # Every part of the command is ours or was given by whoever starts us.
            subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            ) as process,
        ):
            try:
                yield process
            finally:
                self._stop(process)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        """Ask for an orderly end, in which Azurite writes its tables down, and insist if it takes too long."""
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(self._stop_seconds)
        except subprocess.TimeoutExpired:
            # It is the first of a session of its own (so that Ctrl-C reaches us and not it), hence of a group.
            os.killpg(process.pid, signal.SIGKILL)

    def _wait_until_listening(self, process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
        deadline = time.monotonic() + self._start_seconds
        while True:
            ended = process.poll() is not None
            printed = log.read_text(encoding="utf-8", errors="replace")
            urls = {service: f"{url}/{ACCOUNT}" for service, url in _LISTENING.findall(printed)}
            if urls.keys() == _SERVICES and not ended:
                return urls
            if ended:
                raise AzuriteError(f"Azurite ended while it was starting:\n{printed.strip()}")
            if time.monotonic() > deadline:
                raise AzuriteError(f"Azurite does not listen after {self._start_seconds:g} s:\n{printed.strip()}")
            time.sleep(_POLL_SECONDS)


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise AzuriteError("Azurite needs Node 20 or newer, and there is no `node`. Install it, then run `make setup`.")
    return node


def _executable() -> Path:
    if not _EXECUTABLE.exists():
        raise AzuriteError("Azurite is not installed: run `make setup`.")
    return _EXECUTABLE


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="bulkhead-azurite-")


def _connection_string(urls: dict[str, str]) -> str:
    endpoints = "".join(f"{service}Endpoint={url};" for service, url in sorted(urls.items()))
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"
