"""The processes of a run: storage, tenant and host, each ended with the run however it ends."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from local.azurite import AzuriteServer
from local.storage import prepare
from local.tenant.sandbox import STANDINS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from local.azurite import Azurite

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0

SETTINGS = {
    "RESPONSE_MODE": "respond",
    "DEPLOYMENT": "make-run",
    "WATCH_SCHEDULE": "*/2 * * * * *",
    "FOLLOW_SCHEDULE": "*/2 * * * * *",
    "HOUSEKEEPING_SCHEDULE": "0 * * * * *",
    "ACTION_VISIBILITY": "PT9S",
    "NUDGE_AFTER": "PT10S",
    "REPORT_EVERY": "PT5S",
    "PROTECTED": json.dumps({"tags": ["Payroll"]}),
}
"""Faster than the defaults, so that a run can be watched; everything else is as it would be in Azure."""

TENANT = {
    "visibility_seconds": 2,
    "durations": {
        "Isolate": {"pending": [1, 3], "running": [3, 6]},
        "CollectInvestigationPackage": {"pending": [1, 3], "running": [4, 8]},
        "RunAntiVirusScan": {"pending": [1, 3], "running": [2, 4]},
    },
}


FASTER = {"incidents": "200/min", "live_response": "30/min", "hunting": "600/min"}
"""Limits for a clock that runs faster: reading every two seconds would leave no calls for comments."""

LAB_TENANT = {
    "durations": {**TENANT["durations"], "LiveResponse": {"pending": [0.5, 1.5], "running": [0.1, 0.2]}},  # type: ignore[dict-item]
    "uplink_bytes_per_second": 20_000_000,
}
LAB = {
    "POLICY_FILE": "policies/lab-memory.yaml",
    "LIVE_RESPONSE_POLL": "PT2S",
    "MEMORY_PART_SIZE": str(12 << 20),
    "RATE_LIMITS": json.dumps(FASTER),
    "TOOLS": json.dumps({"avml": {"sha256": hashlib.sha256((STANDINS / "avml").read_bytes()).hexdigest()}}),
}
"""What a run has beside: memory capture, with a stand-in of the tool, on Linux devices that really run scripts."""


class StageError(Exception):
    """A process that did not start; the message says which, and where its log lies."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A running stage: the tenant's address and the settings that the host runs with."""

    tenant: str
    settings: Mapping[str, str]
    folder: Path

    def put_tool(self) -> None:
        """Have the live response library hold the stand-in of the memory tool, as an operator would upload it."""
        content = (STANDINS / "avml").read_bytes()
        requests.put(f"{self.tenant}/_tenant/library/avml", data=content, timeout=30).raise_for_status()

    def control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Speak to the tenant's control API (`/_tenant/...`)."""
        answer = requests.request(method, f"{self.tenant}/_tenant/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@contextmanager
def staged(folder: Path, package: str = "") -> Iterator[Stage]:
    """Start storage, tenant and host in this order, and end them in the other."""
    wanted = {**TENANT, **LAB_TENANT, "rates": FASTER}
    wanted |= {"package_file": package} if package else {}
    with grounds(folder, wanted, LAB) as stage, host(folder, stage.settings):
        stage.put_tool()
        yield stage


@contextmanager
def grounds(
    folder: Path, tenant: Mapping[str, object], changed: Mapping[str, str] | None = None, *, access_log: bool = False
) -> Iterator[Stage]:
    """Start storage and a tenant of these settings, for hosts to come: they run with ours and what is `changed`."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        azurite = stack.enter_context(AzuriteServer(folder / "storage", access_log=access_log))
        address = stack.enter_context(_tenant(folder, tenant))
        settings = settings_for(azurite, address) | dict(changed or {})
        prepare(settings)
        yield Stage(address, settings, folder)


def settings_for(azurite: Azurite, tenant: str) -> dict[str, str]:
    """The settings of a host on this machine."""
    return SETTINGS | {
        "AzureWebJobsStorage": azurite.connection_string,
        "EVIDENCE_STORAGE": azurite.connection_string,
        "DEFENDER_API_URL": tenant,
        "GRAPH_API_URL": tenant,
        "SLACK_WEBHOOK_URL": f"{tenant}/slack/operations",
        "IDENTITY_ENDPOINT": f"{tenant}/msi/token",
        "IDENTITY_HEADER": "synthetic-identity-header",
    }


@contextmanager
def _tenant(folder: Path, wanted: Mapping[str, object]) -> Iterator[str]:
    port_file = folder / "tenant.port"
    port_file.unlink(missing_ok=True)
    command = ["local.tenant", "--port", "0", "--settings", json.dumps(dict(wanted)), "--port-file", str(port_file)]
    command += ["--devices", str(folder / "devices")]
    with _process(command, folder / "tenant.log") as process:
        _await(process, lambda: port_file.is_file() and port_file.read_text().strip(), folder / "tenant.log")
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"


@contextmanager
def host(folder: Path, settings: Mapping[str, str], name: str = "host") -> Iterator[subprocess.Popen[bytes]]:
    """Run the functions under the local host until the context ends. `name` is that of its log, which is added to."""
    path = folder / f"{name}.settings.json"
    path.write_text(json.dumps({"IsEncrypted": False, "Values": dict(settings)}, indent=1))
    log = folder / f"{name}.log"
    log.touch()
    told = log.stat().st_size
    command = ["local.host", "--settings", str(path), "--check", "local.storage:check"]
    with _process(command, log) as process:
        _await(process, lambda: b"host ready" in log.read_bytes()[told:], log)
        yield process


@contextmanager
def _process(module: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, "-m", *module],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _await(process: subprocess.Popen[bytes], ready: Callable[[], object], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise StageError(f"did not start; the end of {log}:\n{tail}")
        time.sleep(0.05)
