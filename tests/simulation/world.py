"""A history: the real flow over the verified fakes, in several instances, with everything that can go wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from local.tenant.model import Tenant
from local.tenant.settings import Durations, TenantSettings
from responders._governed import GovernedDevices, GovernedIncidents
from responders._governor import Governor
from responders._ledger import Ledger
from responders._ports import INCIDENTS, NOTIFY, QUEUES, Ports
from responders._wiring import responders
from shared.config import load
from shared.errors import Transient
from tests.fakes.clients import POSSIBLE, FakeChat, FakeDevices, FakeDownloads, FakeIncidents, Mishap, Mishaps
from tests.fakes.storage import FakeDocuments, FakeEvidence, FakeQueues, FakeRows
from tests.simulation.clockwork import START, Clockwork, Killed
from tests.simulation.platform import Platform
from tests.simulation.record import Record
from tests.simulation.tenant_life import PROTECTED_TAG, TenantLife

if TYPE_CHECKING:
    from datetime import datetime

    from shared.config import Settings

SPAN = 1200.0
"""Virtual seconds during which things go wrong."""

SETTLES = 6 * 3600.0
"""Virtual seconds within which everything is settled after they stopped."""

LOOKS = 30.0
_ACTS = frozenset({"devices.isolate", "devices.release", "devices.collect_package"})


@dataclass(frozen=True, slots=True)
class Dangers:
    """How often each kind of trouble strikes, per port call. `only` limits which kinds strike, for shrinking."""

    crash: float = 0.0
    mishap: float = 0.0
    storage: float = 0.0
    slow: float = 0.0
    switches: bool = False
    people: bool = True
    sweeps: bool = True
    instances: int = 2


def drawn(seed: int) -> Dangers:
    """The dangers of a seed: from none at all to all at once."""
    random = Clockwork(seed ^ 0x5EED).random
    return Dangers(
        crash=random.choice([0.0, 0.001, 0.004, 0.01]),
        mishap=random.choice([0.0, 0.01, 0.05, 0.2]),
        storage=random.choice([0.0, 0.001, 0.005]),
        slow=random.choice([0.0, 0.01, 0.05]),
        switches=random.random() < 0.3,
        people=random.random() < 0.7,
        sweeps=random.random() < 0.5,
        instances=random.choice([1, 2, 2, 3]),
    )


class SkewedClock:
    """The storage's clock as one instance knows it: off by up to half a second, always the same way."""

    def __init__(self, clockwork: Clockwork) -> None:
        """Draw how far off."""
        self._clockwork = clockwork
        self._skew = timedelta(seconds=clockwork.random.uniform(-0.5, 0.5))

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._clockwork.now() + self._skew


@dataclass
class Counters:
    """Which trouble struck which call, how often."""

    injected: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)


class World:
    """Everything of one seed. `run` plays it; `record` knows what happened, for the invariants."""

    def __init__(self, seed: int, dangers: Dangers | None = None, *, eventful: bool = True) -> None:
        """Nothing has happened yet; what happens in the tenant is drawn from the seed where it is to be `eventful`."""
        self.seed = seed
        self.dangers = dangers or drawn(seed)
        self.clockwork = Clockwork(seed)
        self.random = self.clockwork.random
        self.counters = Counters()
        self.troubled = True
        self._refused: set[tuple[str, str]] = set()
        self.mode = "respond"
        before, after = self._before, self._after
        self.rows = FakeRows(before=before, after=after)
        self.documents = FakeDocuments(before=before, after=after)
        self.queues = FakeQueues(self.clockwork.now, QUEUES, before=before, after=after)
        self.evidence = FakeEvidence(before=before, after=after)
        self.tenant = Tenant(self._tenant_settings(), self.clockwork.now, seed)
        mishaps = Mishaps(self._mishap)
        self._incidents = FakeIncidents(self.tenant, mishaps=mishaps, before=before, after=after)
        self._devices = FakeDevices(self.tenant, mishaps=mishaps, before=before, after=after)
        self._downloads = FakeDownloads(self.tenant, mishaps=mishaps, before=before, after=after)
        self._chat = FakeChat(self.tenant, mishaps=mishaps, before=before, after=after)
        self.settings: dict[str, Settings] = {}
        self.caps = self.random.choice(
            ['{"per_incident": 3, "per_hour": 4, "per_day": 6, "fleet_share": 0.1}', '{"fleet_share": 0.5}']
        )
        self.record = Record(self)
        self.life = TenantLife(self.clockwork, self.tenant, SPAN, people=self.dangers.people, eventful=eventful)
        self.platform = Platform(
            self.clockwork, self.queues, self._ports, self.dangers.instances, sweeps=self.dangers.sweeps
        )
        self.garbage: list[str] = []
        for _ in range(self.random.choice([0, 0, 1])):
            self.clockwork.after(self.random.uniform(30, SPAN), self._rubbish)
        if self.dangers.switches:
            for _ in range(self.random.randint(1, 3)):
                self.clockwork.after(self.random.uniform(30, SPAN), self._switch)
        self.clockwork.after(SPAN, self._calm)

    def run(self) -> bool:
        """Play the history; whether everything was settled in time."""
        self.clockwork.run(self.clockwork.now() + timedelta(seconds=SPAN + 1))
        end = self.clockwork.now() + timedelta(seconds=SETTLES)
        while self.clockwork.now() < end:
            self.clockwork.run(self.clockwork.now() + timedelta(seconds=LOOKS))
            if self.record.settled():
                return True
        return False

    def elapsed(self) -> float:
        """Virtual seconds from the end of the trouble until now."""
        return (self.clockwork.now() - START).total_seconds() - SPAN

    def _tenant_settings(self) -> TenantSettings:
        random = self.random
        return TenantSettings(
            visibility_seconds=random.choice([0.0, 5.0, 30.0, 100.0]),
            duplicate_isolate=random.choice(["error", "silent", "race"]),
            durations={
                "Isolate": Durations((1, 20), (2, 90)),
                "CollectInvestigationPackage": Durations((1, 30), (20, 200)),
            },
            outcomes={
                "Isolate": {"Failed": random.choice([0.0, 0.2])},
                "CollectInvestigationPackage": {"Failed": random.choice([0.0, 0.2])},
            },
            link_seconds=random.choice([5.0, 60.0, 300.0]),
            slack_per_second=random.choice([0.2, 1.0]),
        )

    def _ports(self, name: str) -> Ports:
        """The ports of a new instance, with the settings of now."""
        settings = load(
            {
                "AzureWebJobsStorage": "simulated",
                "EVIDENCE_STORAGE": "simulated",
                "DEPLOYMENT": "simulation",
                "RESPONSE_MODE": self.mode,
                "ISOLATION_CAPS": self.caps,
                "PROTECTED": f'{{"tags": ["{PROTECTED_TAG}"]}}',
                "MAX_AGE_TO_CONTAIN": "PT30M",
            }
        )
        self.settings[name] = settings
        clock = SkewedClock(self.clockwork)
        governor = Governor(self.rows, clock, settings)
        return Ports(
            settings=settings,
            clock=clock,
            ledger=Ledger(self.rows),
            governor=governor,
            documents=self.documents,
            queues=self.queues,
            evidence=self.evidence,
            incidents=GovernedIncidents(self._incidents, governor),
            devices=GovernedDevices(self._devices, governor),
            downloads=self._downloads,
            responders=responders(),
            chats={"slack": self._chat},
        )

    # Trouble

    def _before(self, call: str) -> None:
        process = self.clockwork.process()
        if process is None:
            return
        self.counters.calls[call] += 1
        self.clockwork.pause(self._latency(call))
        self._perhaps_die(call, "crash before")
        if call.startswith(("rows.", "queues.", "documents.", "evidence.")) and self._strikes(self.dangers.storage):
            self.counters.injected["storage fails", call] += 1
            self.record.disturbed.append((self.clockwork.now(), process.name))
            raise Transient(f"{call}: storage cannot be reached")
        self.record.before(call, process)

    def _after(self, call: str) -> None:
        process = self.clockwork.process()
        if process is None:
            return
        self.record.after(call, process)
        # The pause before the next call lets others in just as well; only a slow answer is one more.
        slow = call in POSSIBLE and call not in _ACTS and self._strikes(self.dangers.slow)
        refused = (call, process.name) in self._refused  # arrives at once: a wait begins when it is heard
        self._refused.discard((call, process.name))
        if slow and not refused:
            self.clockwork.pause(self.random.uniform(1, 60))
        self._perhaps_die(call, "crash after")
        if call in {"rows.commit", "queues.send", "documents.create"} and self._strikes(self.dangers.storage / 2):
            self.counters.injected["storage answer lost", call] += 1
            self.record.disturbed.append((self.clockwork.now(), process.name))
            raise Transient(f"{call}: the answer was lost")

    def _latency(self, call: str) -> float:
        if self._strikes(self.dangers.slow):
            self.counters.injected["slow", call] += 1
            process = self.clockwork.process()
            self.record.disturbed.append((self.clockwork.now(), process.name if process else ""))
            return self.random.uniform(0.5, 8.0 if call in POSSIBLE else 60.0)
        return self.random.uniform(0.002, 0.05) if call not in POSSIBLE else self.random.uniform(0.05, 0.8)

    def _perhaps_die(self, call: str, how: str) -> None:
        process = self.clockwork.process()
        if process and self._strikes(self.dangers.crash):
            self.counters.injected[how, call] += 1
            self.clockwork.note(f"{process.name}: {how} {call}")
            self.record.disturbed.append((self.clockwork.now(), process.name))
            self.platform.kill(process)
            raise Killed(process.name)

    def _strikes(self, chance: float) -> bool:
        return self.troubled and chance > 0 and self.random.random() < chance

    def _mishap(self, call: str) -> Mishap | None:
        mishap = self.random.choice(POSSIBLE[call]) if self._strikes(self.dangers.mishap) else None
        if mishap and mishap.retry_after:
            mishap = replace(mishap, retry_after=self.random.choice(["2.128", "30", "90"]))
        if mishap:
            self.counters.injected[mishap.kind, call] += 1
            self.clockwork.note(f"{call}: {mishap.kind} {mishap.status}")
            process = self.clockwork.process()
            self.record.mishap(call, mishap, process.name if process else "")
            self._refused.add((call, process.name if process else ""))
        return mishap

    def _switch(self) -> None:
        self.mode = "observe" if self.mode == "respond" else "respond"
        self.counters.injected["mode switched", self.mode] += 1
        self.clockwork.note(f"RESPONSE_MODE is now {self.mode}")
        self.record.switched(self.mode)
        self.platform.restart_all()

    def _rubbish(self) -> None:
        """Somebody puts a message that nobody can handle."""
        text = self.random.choice(["no/such#incident", "?"]) + str(len(self.garbage))
        self.garbage.append(text)
        self.counters.injected["rubbish", "queues.receive"] += 1
        self.queues.send(self.random.choice([INCIDENTS, NOTIFY]), text)

    def _calm(self) -> None:
        """Nothing goes wrong any more."""
        self.clockwork.note("the trouble is over")
        self.troubled = False
        self.life.quiet()
