"""A tenant and storage that stay, for trying the product by hand: `make stage`, and `make incident DEVICE=dc1` into it.

The settings lie in `.run/stage/local.settings.json`, for `make host` and for `bulkhead --settings`. It begins in
observe.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from local.azurite import AzuriteError
from local.run.incidents import FLEET, unstamped
from local.run.stage import FASTER, StageError, grounds
from local.tenant import samples

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(".run") / "stage"
SETTINGS_FILE = "local.settings.json"
_OWN = {"RESPONSE_MODE": "observe", "DEPLOYMENT": "stage", "RATE_LIMITS": json.dumps(FASTER)}
_SOON = {"pending": [1, 2], "running": [2, 5]}
_KINDS = ("Isolate", "Unisolate", "CollectInvestigationPackage")
_TENANT = {"visibility_seconds": 2, "durations": dict.fromkeys(_KINDS, _SOON), "rates": FASTER}
DEVICES = {"dc1": 0, "linux1": 1, **{f"host{number}": number + 1 for number in range(1, FLEET - 1)}}
"""What the devices of the simulated tenant are called, and their places in its fleet."""


def stand(folder: Path) -> None:
    """Start storage and a tenant with a fleet, write the settings down, and stay until interrupted."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with grounds(folder, _TENANT, _OWN) as stage:
        stage.control("POST", "machines", samples.fleet(FLEET))
        path = folder / SETTINGS_FILE
        values = dict(stage.settings)
        path.write_text(json.dumps({"IsEncrypted": False, "Values": values}, indent=1) + "\n", encoding="utf-8")
        print(f"Storage and a simulated tenant ({stage.tenant}) are there. The settings: {path}", flush=True)
        ended.wait()
        path.unlink(missing_ok=True)


def incident(folder: Path, device: str) -> str:
    """Raise a harmful incident on a device of the tenant that stands there; gives the incident's id.

    Raises:
        StageError: no tenant stands there, or it has no such device.
    """
    if device not in DEVICES:
        raise StageError(f"DEVICE={device}: there are {', '.join(list(DEVICES)[:4])}, and so on")
    path = folder / SETTINGS_FILE
    if not path.is_file():
        raise StageError(f"nothing stands in {folder}: make stage")
    tenant = json.loads(path.read_text(encoding="utf-8"))["Values"]["GRAPH_API_URL"]
    raised = samples.harmful_incident(device_id=samples.fleet_id(DEVICES[device]), created=datetime.now(UTC))
    answer = requests.post(f"{tenant}/_tenant/incidents", json=[unstamped(raised)], timeout=30)
    answer.raise_for_status()
    return str(answer.json()["value"][0]["id"])


def main(arguments: Sequence[str]) -> int:
    """Stand there, or raise an incident."""
    parser = argparse.ArgumentParser(prog="python -m local.run.standing", description="Try the product by hand.")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--incident", metavar="DEVICE", help="raise a harmful incident there, and end")
    wanted = parser.parse_args(arguments)
    try:
        if wanted.incident:
            print(f"incident {incident(wanted.folder, wanted.incident)} is raised on {wanted.incident}")
        else:
            stand(wanted.folder)
    except (StageError, AzuriteError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
