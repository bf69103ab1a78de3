"""The operator's command over the whole flow in memory: the app works whenever the command waits for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from console.commands import bulkhead
from console.desk import Desk, told_settings
from console.session import Session
from local.tenant import samples
from local.tenant.model import Tenant
from local.tenant.settings import Durations, TenantSettings
from responders._diagnosis import DEFENDER, GRAPH, needed
from responders._flow import Flow
from responders._governed import GovernedDevices, GovernedHunting, GovernedIncidents
from responders._governor import Governor
from responders._ledger import Ledger
from responders._letters import bury
from responders._policies import SHIPPED, Policies
from responders._ports import ARCHIVE, COLLECT, CONTAIN, INCIDENTS, NOTIFY, ORDERS, QUEUES, REPORT, Ports
from responders._wiring import responders
from shared.config import load
from shared.models.order import NotAnOrder
from shared.storage.interface import Protection
from tests.fakes.clients import (
    FakeChat,
    FakeDevices,
    FakeDownloads,
    FakeGrants,
    FakeIncidents,
    Mishap,
    Mishaps,
    QuietHunting,
)
from tests.fakes.signing import FakeMac, FakeSigner
from tests.fakes.storage import FakeClock, FakeDocuments, FakeEvidence, FakePages, FakeProtections, FakeQueues, FakeRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.testing import Result

    from shared.clients.interface import Chat

Json = dict[str, Any]
DC, LINUX, FIRST, SECOND = map(samples.fleet_id, (0, 1, 2, 3))
NEEDED = tuple(sorted(role for roles in needed(responders().values()).values() for role in roles))
_QUICK = ("Isolate", "Unisolate", "RestrictCodeExecution", "UnrestrictCodeExecution", "StopAndQuarantineFile")
_SOON = {name: Durations((1, 2), (1, 3)) for name in (*_QUICK, "RunAntiVirusScan", "CollectInvestigationPackage")}


@dataclass
class Office:
    """A deployment in memory, and an operator. `roles` are those of the app's identity, `mishaps` what becomes of its
    calls of Defender by name; `account` is what `az` says. `asleep` is an app that does not run; `waits` are the
    seconds that the command has waited.
    """

    settings: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, dict[str, float]] = field(default_factory=dict)
    roles: tuple[str, ...] = NEEDED
    mishaps: dict[str, Mishap] = field(default_factory=dict)
    account: Json | None = None
    environment: dict[str, str] = field(default_factory=dict)
    policy: str = field(default_factory=lambda: SHIPPED.read_text(encoding="utf-8"))
    more_chats: Mapping[str, Chat] = field(default_factory=dict)
    asleep: bool = False
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.rows, self.documents = FakeRows(), FakeDocuments()
        self.evidence = FakeEvidence(mac=FakeMac().of)
        locked = Protection(self.clock.now() + timedelta(days=365), locked=True)
        self.protections = FakeProtections(self.evidence, locked)
        self.queues = FakeQueues(self.clock.now, QUEUES)
        shape = TenantSettings(roles=self.roles, visibility_seconds=0, durations=_SOON, outcomes=self.outcomes)
        self.tenant = Tenant(shape, self.clock.now)
        for machine in samples.fleet(100):
            self.tenant.fleet.put(machine)
        told = {
            "AzureWebJobsStorage": "simulated",
            "EVIDENCE_STORAGE": "simulated",
            "RESPONSE_MODE": "respond",
            "DEPLOYMENT": "unit",
            "ACTION_VISIBILITY": "PT5S",
            "RATE_LIMITS": json.dumps({"incidents": "9000/min"}),
        }
        settings = load(told | self.settings)
        governor, ledger = Governor(self.rows, self.clock, settings), Ledger(self.rows)
        self.ports = Ports(
            settings=settings,
            clock=self.clock,
            ledger=ledger,
            governor=governor,
            documents=self.documents,
            queues=self.queues,
            evidence=self.evidence,
            staging=FakeEvidence(),
            signer=FakeSigner(),
            mac=FakeMac(),
            pages=FakePages(),
            incidents=GovernedIncidents(FakeIncidents(self.tenant), governor),
            devices=GovernedDevices(FakeDevices(self.tenant, mishaps=Mishaps(self.mishaps.get)), governor),
            downloads=FakeDownloads(self.tenant),
            hunting=GovernedHunting(QuietHunting(self.tenant), governor),
            responders=responders(),
            policies=Policies(lambda: self.policy, ledger, self.documents, self.clock),
            chats={"slack": FakeChat(self.tenant)} | dict(self.more_chats),
            grants={
                GRAPH: FakeGrants(self.tenant, settings.graph_audience),
                DEFENDER: FakeGrants(self.tenant, settings.defender_audience),
            },
            protections=self.protections,
        )
        self.flow = Flow(self.ports)
        self.work()

    # the app

    def work(self, seconds: float = 0) -> None:
        """Let time pass; the app does what it would have done in it."""
        for _ in range(max(1, int(seconds))):
            self.clock.advance(min(1, seconds))
            if not self.asleep:
                self._turn()

    def _turn(self) -> None:
        self.flow.watch()
        self.flow.follow()
        handlers = {
            INCIDENTS: self.flow.assess,
            CONTAIN: lambda _text: self.flow.contain(),
            COLLECT: lambda _text: self.flow.collect(),
            ARCHIVE: self.flow.archive,
            REPORT: self.flow.report,
            NOTIFY: self.flow.notify,
            ORDERS: self.flow.order,
        }
        for _ in range(4):
            for queue, handle in handlers.items():
                for message in self.queues.receive(queue):
                    try:
                        handle(message.text)
                    except NotAnOrder:
                        bury(self.ports, queue, message)
                    self.queues.delete(queue, message)

    def raised(self, incident: Json, seconds: float = 60) -> None:
        """An incident shows itself, and is dealt with."""
        now = self.clock.now().isoformat().replace("+00:00", "Z")
        self.tenant.incidents.put({**incident, "lastUpdateDateTime": now})
        self.work(seconds)

    def rubbish(self, text: str) -> str:
        """Put a message that nobody can handle into the queue of orders; gives the key of its dead letter."""
        self.queues.send(ORDERS, text)
        self.work()
        return max(entry.value.key for entry in self.ports.ledger.dead_letters())

    # the operator

    def az(self, _arguments: Sequence[str]) -> Json | None:
        """What `az` answers: what the test says that the account is like."""
        return self.account

    def desk(self, _values: object = None) -> Desk:
        return Desk(
            self.rows,
            self.documents,
            self.queues,
            self.clock,
            told_settings({"RATE_LIMITS": json.dumps({"incidents": "9000/min"})}),
            pause=self._pause,
            elapsed=lambda: self.clock.now().timestamp(),
        )

    def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.work(max(1, seconds))

    def run(self, *said: str, typed: str | None = None, whoami: str = "ann@contoso.com") -> Result:
        """Call the command; `typed` is what somebody types when asked."""
        session = Session(open=self.desk, environment=self.environment, whoami=lambda _values: whoami, az=self.az)
        return CliRunner().invoke(bulkhead, list(said), obj=session, input=typed)

    def told(self, *said: str, status: int = 0) -> Json:
        """Call it as a script does: the one object that it prints."""
        result = self.run(*said, "--json")
        assert result.exit_code == status, result.output
        found: Json = json.loads(result.stdout)
        return found

    def words(self, *said: str, status: int = 0, typed: str | None = None) -> str:
        """Call it as a person does: everything that it says."""
        result = self.run(*said, typed=typed)
        assert result.exit_code == status, result.output
        return result.output


def on_domain_controller(office: Office, incident: str = "71") -> None:
    """An incident whose device waits for a person."""
    office.raised(fresh(office, samples.harmful_incident(incident, device_id=DC)))


def on_workstation(office: Office, incident: str = "72") -> None:
    """An incident whose device is isolated."""
    office.raised(fresh(office, samples.harmful_incident(incident, device_id=FIRST)))


def fresh(office: Office, incident: Json) -> Json:
    """The incident as if it had just begun."""
    now = office.clock.now().isoformat().replace("+00:00", "Z")
    alerts = [{**each, "createdDateTime": now} for each in incident["alerts"]]
    return {**incident, "createdDateTime": now, "alerts": alerts}


def states(office: Office, incident: str) -> Sequence[tuple[str, str]]:
    return [(each.responder, str(each.state)) for each in office.ports.ledger.actions(incident)]
