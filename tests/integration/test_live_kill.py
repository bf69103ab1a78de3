"""300 MiB of memory in parts of 64 MiB, with everything in the way: resets, links that expire, a person's session, a
restart of the device, and hosts that are killed. Real processes, real HTTP, Azurite.
"""

import gzip
import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.run.stage import LAB
from local.tenant import samples
from shared.models.action import Action, State
from shared.storage.interface import Conflict
from tests.integration.stage_harness import Json, Play, eventually, fresh_timers, kill, played

MIB = 1 << 20
SIZE, PART = 300, 64
INCIDENT, DEVICE = "9301", samples.fleet_id(1)
BUDGETS = (
    *("incidents", "machines", "machine_actions", "isolate", "collect", "package_uri"),
    *("live_response", "live_response_result", "library"),
)
QUICK = {"pending": [0.2, 0.5], "running": [0.3, 0.8]}
FAST: Json = {
    "durations": {
        "Isolate": QUICK,
        "Unisolate": QUICK,
        "CollectInvestigationPackage": QUICK,
        "LiveResponse": {"pending": [0.1, 0.3], "running": [0.1, 0.1]},
    },
    "rates": dict.fromkeys((*BUDGETS, "unisolate"), "none"),
    "uplink_bytes_per_second": 500_000_000,
}
CHANGED: dict[str, Any] = LAB | {
    "MEMORY_PART_SIZE": str(PART * MIB),
    "LIVE_RESPONSE_POLL": "PT1S",
    "RATE_LIMITS": json.dumps(dict.fromkeys(BUDGETS, "9000/min")),
}
FAULTS: list[Json] = [
    {"kind": "truncate", "path": "^/download/", "times": 2, "after": 3},
    {"kind": "status", "status": 403, "code": "LinkExpired", "path": "^/download/", "times": 2, "after": 8},
    {"kind": "reset", "path": "^/download/", "times": 2, "after": 12},
    {"kind": "reset_after_effect", "path": "/runliveresponse$", "times": 1, "after": 2},
    {"kind": "status", "status": 503, "path": "GetLiveResponseResultDownloadLink", "times": 2, "after": 4},
]

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux"),
]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    folder = tmp_path_factory.mktemp("live")
    with played(folder, tenant=FAST, host=False, fleet=10, **CHANGED) as stage:
        stage.stage.put_tool()
        stage.control("POST", "machines", [{"id": DEVICE, "device": {"memory_mib": SIZE, "free_mib": 2000}}])
        began = time.monotonic()
        interfered_with(stage)
        stage.notes["seconds"] = time.monotonic() - began
        yield stage


def captured(stage: Play) -> Action | None:
    found = [each for each in stage.ledger.actions(INCIDENT) if each.responder == "capture_memory"]
    return found[0] if found else None


def at(stage: Play, leg: str) -> bool:
    action = captured(stage)
    return bool(action and (f'"leg":"{leg}"' in action.progress or action.state.settled))


def parts(stage: Play) -> int:
    action = captured(stage)
    return len(json.loads(action.progress)["parts"]) if action and action.progress else 0


def look_now(stage: Play) -> None:
    """Have the session under way be looked at by the next tick, and not when it is due again."""
    action, now = captured(stage), datetime.now(UTC)
    entry = stage.ledger.open_action(action.key) if action else None
    if entry and entry.value.state is State.ACCEPTED and entry.value.due and entry.value.due > now:
        with suppress(Conflict):  # a host was faster
            stage.ledger.move(entry, entry.value.model_copy(update={"due": now}))


def soon(stage: Play, true: Callable[[], bool], what: str) -> None:
    """Wait for it, and have what waits for its next try be tried now."""

    def look() -> bool:
        stage.hurry(INCIDENT)
        look_now(stage)
        return true()

    eventually(look, what, 300, stage.story, 0.2)


def interfered_with(stage: Play) -> None:
    """Three lives of the host; in the second the device restarts, in the third somebody works on it."""
    stage.fault(*FAULTS)
    with stage.host(**fresh_timers()) as process:
        stage.await_watching()
        raised = samples.harmful_incident(INCIDENT, device_id=DEVICE, domain_controller_id=samples.fleet_id(0))
        stage.raise_incidents(raised)
        soon(stage, lambda: at(stage, "cut"), "something to fetch")
        kill(process)
    stage.outlive(INCIDENT)
    with stage.host(**fresh_timers()) as process:
        soon(stage, lambda: parts(stage) > 0, "a part")
        stage.control("POST", f"machines/{DEVICE}/reboot")
        soon(stage, lambda: parts(stage) > 2, "more parts")
        kill(process)
    stage.outlive(INCIDENT)
    stage.control("POST", "people/session", {"machineId": DEVICE, "seconds": 3})
    with stage.host(**fresh_timers()):
        soon(stage, lambda: bool((found := captured(stage)) and found.state.settled), "the image")


def test_the_image_is_whole(play: Play) -> None:
    """As the device hashed it, whatever happened; unpacked by a stock library."""
    action = captured(play)
    assert action
    assert action.state is State.SUCCEEDED, action.detail
    (name,) = [each.name for each in action.artefacts if each.name.endswith("memory.lime.gz")]
    (record,) = [each.name for each in action.artefacts if each.name.endswith("memory.json")]
    told = json.loads(b"".join(play.evidence.read(record)))["image"]
    digest, size = hashlib.sha256(), 0
    with gzip.GzipFile(fileobj=io.BytesIO(b"".join(play.evidence.read(name)))) as image:
        while chunk := image.read(MIB):
            digest.update(chunk)
            size += len(chunk)
    assert (digest.hexdigest(), size) == (told["sha256"], told["size"])
    assert size > SIZE * MIB
    assert action.detail == f"a full image by avml: {SIZE} MiB in 5 parts"


def test_everything_that_was_to_go_wrong_did(play: Play) -> None:
    faults = play.control("GET", "faults")["value"]
    assert [each["path"] for each in faults if not each["struck"]] == []


def test_nothing_is_left_on_the_device(play: Play) -> None:
    home = play.stage.folder / "devices" / DEVICE / "root"
    assert [path.name for path in home.iterdir() if path.name.startswith("bulkhead-")] == []


def test_it_does_not_take_for_ever(play: Play) -> None:
    print(f"{play.notes['seconds']:.0f} s for {SIZE} MiB in parts of {PART} MiB")  # noqa: T201
    assert play.notes["seconds"] < 500
