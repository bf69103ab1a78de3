"""The whole flow in one process, over the storage's fakes and whatever clients it is given, on a clock that is moved.

The fakes pass the contract suite; a message whose work raises comes again, and is a dead letter after five times.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from responders._flow import Flow
from responders._governed import GovernedHunting, GovernedIncidents
from responders._governor import Governor
from responders._holding import held_in
from responders._ledger import Ledger
from responders._library import PinnedDevices
from responders._policies import SHIPPED, Policies
from responders._ports import COLLECT, CONTAIN, QUEUES, Ports
from responders._wiring import responders
from shared.clients.interface import Chat, Devices, Downloads, Hunting, HuntingRows, Incidents
from shared.config import load
from shared.storage.interface import Message
from tests.fakes.signing import FakeMac, FakeSigner
from tests.fakes.storage import FakeClock, FakeDocuments, FakeEvidence, FakePages, FakeQueues, FakeRows

TICK = 10.0
MAX_DEQUEUES = 5
SETTINGS = {
    "AzureWebJobsStorage": "simulated",
    "EVIDENCE_STORAGE": "simulated",
    "DEPLOYMENT": "test",
    "RESPONSE_MODE": "respond",
    "ISOLATION_CAPS": '{"fleet_share": 1}',
    "RATE_LIMITS": '{"package_uri": "100/min"}',
}

log = logging.getLogger(__name__)


class NothingHunted:
    """`Hunting` of a tenant in which nothing ever happened."""

    def run(self, query: str, since: datetime, until: datetime) -> HuntingRows:
        """See `Hunting.run`."""
        del query, since, until
        return HuntingRows((), ())


@dataclass(frozen=True)
class Clients:
    """The way to a tenant, and to people."""

    incidents: Incidents
    devices: Devices
    downloads: Downloads
    chats: Mapping[str, Chat]
    hunting: Hunting = field(default_factory=NothingHunted)


@dataclass(frozen=True)
class Ticking:
    """The product, and a clock that moves in ticks. `rose` is whatever rose out of a step: defects, all of them."""

    clock: FakeClock
    ports: Ports
    flow: Flow
    queues: FakeQueues
    rose: list[Exception] = field(default_factory=list)

    def tick(self, times: int = 1) -> None:
        """Run what is due: the timers, then every message, then ten seconds pass."""
        for _ in range(times):
            self.flow.watch()
            self.flow.follow()
            while self._deliver():
                pass
            self.clock.advance(TICK)

    def _deliver(self) -> bool:
        taken = False
        for queue in QUEUES:
            for message in self.queues.receive(queue, hidden_for=600.0):
                taken = True
                if self._worked(queue, message):
                    self.queues.delete(queue, message)
        return taken

    def _worked(self, queue: str, message: Message) -> bool:
        """Whether a message is done with, one way or the other."""
        try:
            self._work(queue, message.text)
        except Exception as error:  # as the host does
            log.exception("%s %s", queue, message.text)
            self.rose.append(error)
            if message.dequeue_count < MAX_DEQUEUES:
                return False
            self.queues.send(f"{queue}-poison", message.text)
        return True

    def _work(self, queue: str, text: str) -> None:
        match queue:
            case "incidents":
                self.flow.assess(text)
            case "notify":
                self.flow.notify(text)
            case "report":
                self.flow.report(text)
            case "orders":
                self.flow.order(text)
            case "archive":
                self.flow.archive(text)
            case _:
                {CONTAIN: self.flow.contain, COLLECT: self.flow.collect}[queue]()


def ticking(clock: FakeClock, clients: Clients, *, policy: Path = SHIPPED, **changed: str) -> Ticking:
    """The product with settings of its own, before its first tick."""
    settings, rows = load(SETTINGS | changed), FakeRows()
    governor, ledger, documents = Governor(rows, clock, settings), Ledger(rows), FakeDocuments()
    queues = FakeQueues(clock.now, [*QUEUES, *(f"{queue}-poison" for queue in QUEUES)])
    ports = Ports(
        settings=settings,
        clock=clock,
        ledger=ledger,
        governor=governor,
        documents=documents,
        queues=queues,
        evidence=FakeEvidence(mac=FakeMac().of),
        staging=FakeEvidence(),
        signer=FakeSigner(),
        mac=FakeMac(),
        pages=FakePages(),
        incidents=GovernedIncidents(clients.incidents, governor),
        devices=PinnedDevices(clients.devices, governor, settings, partial(held_in, ledger)),
        downloads=clients.downloads,
        hunting=GovernedHunting(clients.hunting, governor),
        responders=responders(),
        policies=Policies(lambda: policy.read_text(encoding="utf-8"), ledger, documents, clock),
        chats=clients.chats,
    )
    return Ticking(clock, ports, Flow(ports), queues)
