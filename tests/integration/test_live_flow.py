"""Memory capture as a policy asks for it, through the whole flow: rules, budgets, ledger, queues, transfer and archive.

Only storage and the wire are fakes (they pass the contract suites); the device really runs the shipped script. The
clock is moved in ticks, so hours cost seconds.
"""

import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.tenant import samples
from local.tenant.linux import Sandboxes
from local.tenant.model import Tenant
from local.tenant.sandbox import STANDINS
from local.tenant.settings import ACTION_KINDS, TenantSettings
from local.tenant.wire import Json
from responders._run import run_folder
from shared.models.action import Action, State
from tests.fakes.clients import FakeChat, FakeDevices, FakeDownloads, FakeIncidents, Mishaps
from tests.fakes.storage import FakeClock
from tests.integration.ticking import Clients, Ticking, ticking

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
LAB = Path("policies/lab-memory.yaml")
MIB = 1 << 20
LINUX = samples.fleet_id(1)
FAST: Json = {"visibility_seconds": 2, "durations": {kind: {"pending": 2, "running": 2} for kind in ACTION_KINDS}}


class Bench:
    """A tenant with a fleet whose Linux server can be used, and the product with the policy of the lab."""

    def __init__(self, root: Path, device: Json, mishaps: Mishaps, tenant: Json, changed: dict[str, str]) -> None:
        self.clock = FakeClock()
        settings = TenantSettings.from_json({**FAST, **tenant})
        self.boxes = Sandboxes(root, settings, wait=True)
        self.tenant = Tenant(settings, self.clock.now, 0, self.boxes)
        for machine in samples.fleet(6, seen=self.clock.now()):
            self.tenant.fleet.put(machine)
        self.tenant.fleet.put({"id": LINUX, "device": device})
        tool = (STANDINS / "avml").read_bytes()
        self.tenant.library.put("avml", tool, "operator")
        downloads, devices = FakeDownloads(self.tenant, mishaps=mishaps), FakeDevices(self.tenant, mishaps=mishaps)
        clients = Clients(FakeIncidents(self.tenant), devices, downloads, {"slack": FakeChat(self.tenant)})
        pins = json.dumps({"avml": {"sha256": hashlib.sha256(tool).hexdigest()}})
        chosen = {"TOOLS": pins, "MEMORY_PART_SIZE": str(4 * MIB), "LIVE_RESPONSE_POLL": "PT10S"} | changed
        self.play: Ticking = ticking(self.clock, clients, policy=LAB, **chosen)

    def raised(self, incident: str = "1001") -> str:
        self.play.tick()
        raw = samples.harmful_incident(incident, device_id=LINUX, created=self.clock.now())
        self.tenant.incidents.put({name: each for name, each in raw.items() if name != "lastUpdateDateTime"}, 0.0)
        return incident

    def action(self, incident: str, responder: str) -> Action:
        (found,) = [each for each in self.play.ports.ledger.actions(incident) if each.responder == responder]
        return found

    def until(self, incident: str, responder: str, *, most: int = 400) -> Action:
        """Tick until an action is over; the device's own time is real."""
        for _ in range(most):
            self.play.tick()
            found = [each for each in self.play.ports.ledger.actions(incident) if each.responder == responder]
            if found and found[0].state.settled:
                assert self.play.rose == []
                return found[0]
            if found and '"leg":"status"' in found[0].progress:
                time.sleep(0.1)
        raise AssertionError(
            [(each.responder, each.state, each.detail) for each in self.play.ports.ledger.actions(incident)]
        )

    def kept(self, action: Action, name: str) -> bytes:
        return b"".join(self.play.ports.evidence.read(f"{run_folder(action)}/{name}"))

    def left(self) -> list[str]:
        home = self.boxes.of(self.tenant.fleet.one(LINUX)).root / "root"
        return [path.name for path in home.iterdir() if path.name.startswith("bulkhead-")]


Opened = Callable[..., Bench]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made: list[Bench] = []

    def open_one(
        device: Json | None = None, mishaps: Mishaps | None = None, tenant: Json | None = None, **changed: str
    ) -> Bench:
        made.append(Bench(tmp_path / str(len(made)), device or {}, mishaps or Mishaps(), tenant or {}, changed))
        return made[-1]

    yield open_one
    for each in made:
        each.boxes.close()


def test_a_rule_has_the_memory_of_a_linux_device_captured_and_archived(opened: Opened) -> None:
    bench = opened({"memory_mib": 10})
    incident = bench.raised()
    done = bench.until(incident, "capture_memory")
    assert done.state is State.SUCCEEDED, done.detail
    image = gzip.decompress(bench.kept(done, "data/memory/memory.lime.gz"))
    told = json.loads(bench.kept(done, "data/memory/memory.json"))
    assert hashlib.sha256(image).hexdigest() == told["image"]["sha256"]
    assert "ran from memory" in told["purpose"]
    assert bench.left() == []
    assert bench.action(incident, "isolate").state is State.SUCCEEDED
    assert bench.tenant.journal.violations() == []


def test_a_device_that_never_comes_back_is_reported_and_blocks_nobody(opened: Opened) -> None:
    """Our waiting session is cancelled after the patience, asked for once more, and given up aloud."""
    bench = opened(tenant={"offline_seconds": 1e9}, LIVE_RESPONSE_PATIENCE="PT5M")
    bench.tenant.fleet.one(LINUX).presence.set(bench.clock.now(), online=False)
    incident = bench.raised()
    done = bench.until(incident, "capture_memory")
    assert done.state is State.FAILED
    assert "did not answer for 0:05:00; our session there was cancelled (2 of 2 times)" in done.detail
    sessions = [one for one in bench.tenant.desk.of(LINUX) if one.kind == "LiveResponse"]
    assert [bench.tenant.desk.progress(one).status for one in sessions] == ["Cancelled", "Cancelled"]


def half_way(bench: Bench) -> tuple[str, str]:
    """An incident whose capture has a folder on the device, and the session of it that waits there now."""
    incident = bench.raised()
    for _ in range(200):
        bench.play.tick()
        found = [each for each in bench.play.ports.ledger.actions(incident) if each.responder == "capture_memory"]
        if found and found[0].before and '"leg":"start"' not in found[0].progress:
            open_ = [one for one in bench.tenant.desk.of(LINUX) if one.kind == "LiveResponse"]
            if found[0].machine_action and bench.tenant.desk.progress(open_[-1]).status == "Pending":
                return incident, open_[-1].id
    raise AssertionError("no capture came half-way")


def test_what_a_cancelled_capture_left_is_removed(opened: Opened) -> None:
    bench = opened({"memory_mib": 10}, tenant={"durations": {"LiveResponse": {"pending": 40, "running": 2}}})
    incident, session = half_way(bench)
    assert bench.left()
    bench.tenant.person_cancels(session)
    assert bench.until(incident, "capture_memory").state is State.FAILED
    done = bench.until(incident, "clean_up")
    assert done.state is State.SUCCEEDED, done.detail
    assert "ended before it could clean up" in done.reason
    assert bench.left() == []


def test_what_is_left_on_a_device_that_never_comes_back_is_reported(opened: Opened) -> None:
    bench = opened(
        {"memory_mib": 10},
        tenant={"offline_seconds": 1e9, "durations": {"LiveResponse": {"pending": 40, "running": 2}}},
        LIVE_RESPONSE_PATIENCE="PT5M",
    )
    incident, _ = half_way(bench)
    bench.tenant.fleet.one(LINUX).presence.set(bench.clock.now(), online=False)
    assert bench.until(incident, "capture_memory").state is State.FAILED
    done = bench.until(incident, "clean_up", most=1200)
    assert done.state is State.FAILED
    (left,) = bench.left()
    assert left in done.todo
    for each in bench.tenant.desk.of(LINUX):  # the package would be waited for, for days
        if not bench.tenant.desk.progress(each).final:
            bench.tenant.person_cancels(each.id)
    for _ in range(30):
        bench.play.tick()
    told = " ".join(str(message["message"]) for message in bench.tenant.chat.messages)
    assert left in told


def test_a_portal_session_means_busy_later(opened: Opened) -> None:
    bench = opened({"memory_mib": 5})
    bench.tenant.person_connects(LINUX, 120)
    done = bench.until(bench.raised(), "capture_memory")
    assert done.state is State.SUCCEEDED, done.detail


def test_a_package_that_cannot_be_had_has_the_essentials_in_its_place(opened: Opened) -> None:
    bench = opened({"memory_mib": 5})
    bench.tenant.fleet.put({"id": LINUX, "outcomes": {"CollectInvestigationPackage": {"status": "Failed"}}})
    incident = bench.raised()
    assert bench.until(incident, "collect_package").state is State.FAILED
    done = bench.until(incident, "collect_volatile")
    assert done.state is State.SUCCEEDED, done.detail
    assert "instead of the investigation package, which failed" in done.reason
    assert gzip.decompress(bench.kept(done, "data/volatile/volatile.tar.gz.gz"))[:2] == b"\x1f\x8b"


def test_one_device_has_one_session_of_ours_at_a_time(opened: Opened) -> None:
    """Whatever wants it: the tenant never has to say that it is busy."""
    bench = opened({"memory_mib": 10})
    bench.tenant.fleet.put({"id": LINUX, "outcomes": {"CollectInvestigationPackage": {"status": "Failed"}}})
    incident = bench.raised()
    bench.until(incident, "collect_volatile")
    bench.until(incident, "capture_memory")
    assert [entry for entry in bench.tenant.journal.entries() if entry["status"] == 400] == []
