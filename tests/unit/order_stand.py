"""The whole flow over fakes on a clock that stands until it is moved, for tests of what people order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from local.tenant import samples
from local.tenant.model import Tenant
from local.tenant.settings import ACTION_KINDS, TenantSettings
from responders._cases import ORDERED
from responders._flow import Flow
from responders._governed import GovernedDevices, GovernedHunting, GovernedIncidents
from responders._governor import Governor
from responders._ledger import Ledger
from responders._policies import SHIPPED, Policies
from responders._ports import QUEUES, Ports
from responders._wiring import responders
from shared.config import load
from shared.errors import Transient
from shared.models.action import Action, State
from shared.models.asked import OrderRecord
from shared.models.order import read_order
from tests.fakes.clients import FakeChat, FakeDevices, FakeDownloads, FakeIncidents, Mishaps, QuietHunting
from tests.fakes.signing import FakeMac, FakeSigner
from tests.fakes.storage import FakeClock, FakeDocuments, FakeEvidence, FakePages, FakeQueues, FakeRows

HOST, OTHER, THIRD = (samples.fleet_id(number) for number in (2, 3, 4))
CONTROLLER = samples.fleet_id(0)
PROTECTED = samples.fleet_id(5)
INCIDENT = "7"
FAST = {"visibility_seconds": 5, "durations": {kind: {"pending": 10, "running": 10} for kind in ACTION_KINDS}}
SETTINGS = {
    "AzureWebJobsStorage": "fake",
    "EVIDENCE_STORAGE": "fake",
    "DEPLOYMENT": "test",
    "RESPONSE_MODE": "respond",
    "ISOLATION_CAPS": '{"fleet_share": 1.0}',
    "PROTECTED": json.dumps({"ids": [PROTECTED]}),
    "ACTION_VISIBILITY": "PT30S",
}
TICK = 5.0
NOTHING = Mishaps()


class Trouble:
    """One call of storage that fails, the `number`th of its name from now on, before its effect or after it: its answer
    is lost, or it raises another `error`; or something else happens `instead`.
    """

    def __init__(self) -> None:
        """No trouble yet."""
        self._call, self._number, self._after = "", 0, False
        self._struck = False
        self._error: Exception | None = None
        self._instead: Callable[[], object] | None = None

    def over(self) -> bool:
        """No more trouble; whether there was any."""
        self._call = ""
        return self._struck

    def plan(
        self,
        call: str,
        number: int,
        *,
        after: bool,
        error: Exception | None = None,
        instead: Callable[[], object] | None = None,
    ) -> None:
        self._call, self._number, self._after, self._error, self._instead = call, number, after, error, instead

    def before(self, call: str) -> None:
        self._number -= call == self._call
        if call == self._call and not self._after:
            self._strike(call)

    def after(self, call: str) -> None:
        if call == self._call and self._after:
            self._strike(call)

    def _strike(self, call: str) -> None:
        if self._number == 0:
            self._struck = True
            if self._instead:
                self._instead()
                return
            raise self._error or Transient(f"{call}: lost")


class Stand:
    """One instance of the product, a tenant of eight machines, and people who order."""

    def __init__(
        self,
        settings: Mapping[str, str] = MappingProxyType({}),
        *,
        tenant: Mapping[str, Any] = MappingProxyType({}),
        mishaps: Mishaps = NOTHING,
        before: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`settings` change those of the product, `tenant` those of the tenant; `mishaps` befall calls to the tenant,
        `before` is told of each.
        """
        self.clock = FakeClock()
        self.trouble = Trouble()
        hooks: dict[str, Any] = {"before": self.trouble.before, "after": self.trouble.after}
        self.rows = FakeRows(**hooks)
        self.tenant = Tenant(TenantSettings.from_json({**FAST, **tenant}), self.clock.now)
        for machine in samples.fleet(8, seen=self.clock.now()):
            self.tenant.fleet.put(machine)
        read = load({**SETTINGS, **settings})
        governor = Governor(self.rows, self.clock, read)
        devices = FakeDevices(self.tenant, mishaps=mishaps, before=before)
        self.downloads, self.evidence = FakeDownloads(self.tenant), FakeEvidence(mac=FakeMac().of)
        ledger, documents = Ledger(self.rows), FakeDocuments()
        self.ports = Ports(
            settings=read,
            clock=self.clock,
            ledger=ledger,
            governor=governor,
            documents=documents,
            queues=FakeQueues(self.clock.now, QUEUES, **hooks),
            evidence=self.evidence,
            staging=FakeEvidence(),
            signer=FakeSigner(),
            mac=FakeMac(),
            pages=FakePages(),
            incidents=GovernedIncidents(FakeIncidents(self.tenant, mishaps=mishaps), governor),
            devices=GovernedDevices(devices, governor),
            downloads=self.downloads,
            hunting=GovernedHunting(QuietHunting(self.tenant), governor),
            responders=responders(),
            policies=Policies(lambda: SHIPPED.read_text(encoding="utf-8"), ledger, documents, self.clock),
            chats={"slack": FakeChat(self.tenant)},
        )
        self.flow = Flow(self.ports)
        self._orders = 0
        self.flow.watch()

    def restart(self, settings: Mapping[str, str]) -> None:
        """Restart the instance with other settings."""
        self.ports = replace(self.ports, settings=load({**SETTINGS, **settings}))
        self.flow = Flow(self.ports)

    # time

    def wait(self, seconds: float) -> None:
        """Let time pass: ticks, and messages as they become visible."""
        end = self.clock.now() + timedelta(seconds=seconds)
        self._handle()
        while self.clock.now() < end:
            self.clock.advance(min(TICK, (end - self.clock.now()).total_seconds()))
            self.flow.follow()
            self._handle()

    def _handle(self) -> None:
        steps = {
            "incidents": self.flow.assess,
            "contain": lambda _: self.flow.contain(),
            "collect": lambda _: self.flow.collect(),
            "archive": self.flow.archive,
            "report": self.flow.report,
            "notify": self.flow.notify,
            "orders": self.flow.order,
        }
        while True:
            messages = [(queue, one) for queue in steps for one in self.ports.queues.receive(queue)]
            for queue, message in messages:
                steps[queue](message.text)
                self.ports.queues.delete(queue, message)
            if not messages:
                return

    # the tenant

    def harm(self, *devices: str, incident: str = INCIDENT, **members: Any) -> None:  # noqa: ANN401 - whatever Graph knows
        """Have Graph show a harmful incident on devices, and the product see it."""
        parts = [samples.harmful_incident(incident, device_id=each, created=self.clock.now()) for each in devices]
        alerts = [part["alerts"][0] for part in parts]
        self.tenant.incidents.put({**parts[0], "alerts": alerts, **members})
        self.flow.watch()
        self._handle()

    def grow(self, device: str, incident: str = INCIDENT) -> None:
        """Have another alert on a device appear."""
        alert = samples.harmful_incident(incident, device_id=device, created=self.clock.now())["alerts"][0]
        self.tenant.incidents.change(incident, {"alerts": [alert]})
        self.flow.watch()
        self._handle()

    def posts(self, path: str) -> int:
        """How many calls of a kind the tenant has had."""
        entries = self.tenant.journal.entries()
        return sum(entry["method"] == "POST" and str(entry["path"]).endswith(path) for entry in entries)

    def made(self, device: str = HOST) -> list[str]:
        """The machine actions of a device with how they stand, oldest first."""
        desk = self.tenant.desk
        return [f"{each.kind} {desk.progress(each).status}" for each in desk.of(device)]

    def isolated(self, device: str = HOST) -> bool:
        return self.tenant.isolated(device)

    # orders

    def message(self, kind: str, **members: object) -> str:
        """The message of an order of Ann's, given now, under an id of its own."""
        self._orders += 1
        order = {"id": f"order-{self._orders:03}", "kind": kind, "by": "Ann", "at": self.clock.now().isoformat()}
        return json.dumps(order | members)

    def order(self, kind: str, **members: object) -> OrderRecord:
        """Give an order, have it taken, and see its record."""
        text = self.message(kind, **members)
        self.flow.order(text)
        return self.record(read_order(text).id)

    def record(self, order: str) -> OrderRecord:
        entry = self.ports.ledger.one(OrderRecord, ORDERED, order)
        assert entry
        return entry.value

    def later(self, record: OrderRecord, seconds: float = 120) -> OrderRecord:
        """The record after a while."""
        self.wait(seconds)
        return self.record(record.order.id)

    # the ledger

    def action(self, responder: str = "isolate", device: str = HOST, incident: str = INCIDENT) -> Action:
        """The newest round of a goal."""
        found = [
            each for each in self.ports.ledger.actions(incident) if (each.responder, each.device) == (responder, device)
        ]
        assert found
        return max(found, key=lambda each: each.round)

    def states(self, incident: str = INCIDENT) -> list[tuple[str, State]]:
        """The incident's actions of containment and release, by device's label."""
        actions = self.ports.ledger.actions(incident)
        found = [each for each in actions if each.responder not in {"collect_package", "hunt"}]
        return [(f"{each.responder} {each.label}", each.state) for each in found]

    def told(self) -> str:
        """Everything that Slack heard."""
        return "\n".join(json.dumps(message["message"], ensure_ascii=False) for message in self.tenant.chat.messages)
