"""A bench for live response: one simulated Linux device that really runs the shipped scripts, and one action on it.

Everything between is real but the ledger, the queues and the store: the action is a value, moved on by the machinery's
own pure functions, and what is archived lies in a dictionary.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from local.tenant.linux import Sandboxes
from local.tenant.model import Tenant
from local.tenant.sandbox import STANDINS, Sandbox
from local.tenant.settings import TenantSettings
from local.tenant.wire import Json
from responders._archive import after
from responders._governor import Governor
from responders._interface import Ours, Responder
from responders._library import PinnedDevices
from responders._settling import accepted, progressed
from responders._wiring import responders
from shared.clients.interface import ActionQuery
from shared.config import Settings
from shared.errors import Busy, OutcomeUnknown, Transient, Unobtainable
from shared.models.action import Action, State
from shared.models.tool import Tool
from tests.fakes.clients import FakeDevices, FakeDownloads, Mishaps
from tests.fakes.storage import FakeClock, FakeRows
from tests.unit.desks import Desk
from tests.unit.incidents import action

FAST: Json = {"visibility_seconds": 0, "durations": {"LiveResponse": {"pending": 1, "running": 1}}}
MIB = 1 << 20


class TimedDesk(Desk):
    """A desk whose clock is the tenant's."""

    clock: FakeClock

    def now(self) -> datetime:
        return self.clock.now()


class Bench:
    """One device, one action. `device` is what the simulation knows of it (`local/tenant/sandbox.py`)."""

    def __init__(
        self,
        root: Path,
        responder: str,
        device: Json | None = None,
        *,
        params: dict[str, str] | None = None,
        mishaps: Mishaps | None = None,
        tenant: Json | None = None,
        platform: str = "Ubuntu",
        **settings: object,
    ) -> None:
        self.clock = FakeClock()
        chosen = TenantSettings.from_json({**FAST, **(tenant or {})})
        self.boxes = Sandboxes(root, chosen, wait=True)
        self.tenant = Tenant(chosen, self.clock.now, 0, self.boxes)
        self.machine = self.tenant.fleet.put(
            {"computerDnsName": "srv.contoso.com", "osPlatform": platform, "device": device or {}}
        )
        tool = (STANDINS / "avml").read_bytes()
        self.tenant.library.put("avml", tool, "operator")
        self.settings = Settings.model_validate(
            {
                "DEPLOYMENT": "test",
                "TOOLS": {"avml": Tool(sha256=hashlib.sha256(tool).hexdigest())},
                "MEMORY_PART_SIZE": 4 * MIB,
                "LIVE_RESPONSE_POLL": timedelta(seconds=2),
                **settings,
            }
        )
        self.inner = FakeDevices(self.tenant, mishaps=mishaps or Mishaps())
        governor = Governor(FakeRows(), self.clock, self.settings)
        self.devices = PinnedDevices(self.inner, governor, self.settings, held=lambda: "")
        downloads = FakeDownloads(self.tenant, mishaps=mishaps or Mishaps())
        self.desk = TimedDesk(
            self.devices,
            snapshot=b'{"id": "7", "alerts": []}',
            downloads=lambda link: downloads.open(link).chunks,
            settings=self.settings,
        )
        self.desk.clock = self.clock
        self.responder: Responder = responders()[responder]
        self.action: Action = action(
            device=self.machine.shown["id"], responder=responder, state=State.PLANNED, params=params or {}
        )
        self.killed = False
        self.when: dict[str, Callable[[], object]] = {}
        self.legs: list[str] = []
        self.details: list[str] = []

    @property
    def sandbox(self) -> Sandbox:
        return self.boxes.of(self.machine)

    def step(self) -> None:
        """Send, follow or gather: whatever comes next. Errors rise as they do in the machinery."""
        now = self.clock.now()
        if self.action.state is State.PLANNED:
            if self.action.due and now < self.action.due:
                self.clock.advance((self.action.due - now).total_seconds())
            self._send()
        elif self.action.state is State.ACCEPTED:
            self.clock.advance(1.5)
            seen = self.devices.action(self.action.machine_action)
            self.action = progressed(self.action, seen, self.responder, self.clock.now())
        elif self.action.state is State.FETCHING:
            if self.action.due and now < self.action.due:
                self.clock.advance((self.action.due - now).total_seconds())
            self.legs.append(self.leg)
            if self.killed:
                self.responder.gather(self.action, self.desk)  # and its worker dies before it can write anything down
            self.action = after(self.action, self.responder.gather(self.action, self.desk), self.clock.now())
            self.details.append(self.action.detail)

    def _send(self) -> None:
        attempt = self.action.attempt + 1
        marker = f"[bulkhead test/{self.action.id}/"
        sending = self.action.to(State.SENDING, self.clock.now(), attempt=attempt)
        page = self.devices.actions(ActionQuery(machines=(self.action.device,)))
        standing = self.responder.standing(sending, list(page.actions), marker, "[bulkhead test/")
        if isinstance(standing, Ours):
            made = standing.action
        else:
            try:
                made = self.responder.send(self.devices, sending, f"{marker}{attempt}]")
            except Unobtainable as error:
                self.action = sending.to(State.UNAVAILABLE, self.clock.now(), detail=str(error), todo=error.todo)
                return
        self.action = accepted(sending, made, self.clock.now(), foreign=False)

    @property
    def leg(self) -> str:
        """What the present session is for, as the progress says."""
        found = self.action.progress.partition('"leg":"')[2].partition('"')[0]
        return found or "first"

    def run(self, most: int = 400) -> Action:
        """Until the action is over; what may pass is tried again, as the machinery does. `when` is done once, when the
        leg of that name is next.
        """
        for _ in range(most):
            if self.action.state.final:
                return self.action
            try:
                self.step()
            except (Transient, Busy, OutcomeUnknown):
                self.clock.advance(5)
            if self.action.state is State.PLANNED and self.leg in self.when:
                self.when.pop(self.leg)()
            self._let_it_work()
        raise AssertionError(f"not over: {self.action.state} {self.action.detail} {self.legs[-8:]}")

    def _let_it_work(self) -> None:
        """The device's own time is real: give what is detached there a moment."""
        if self.leg == "status" and self.action.state is State.PLANNED:
            time.sleep(0.1)

    def left(self) -> Iterator[Path]:
        """What of ours still lies on the device."""
        return (path for path in (self.sandbox.root / "root").iterdir() if path.name.startswith("bulkhead-"))

    def close(self) -> None:
        self.boxes.close()
