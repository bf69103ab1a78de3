"""The product against a tenant that it was not made for: no defect rises, nothing is done twice, all is told.

See foreign.py for its habits. Ten minutes of trouble, and then whatever is left is seen to.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from local.tenant import samples
from responders._watch import WATERMARK
from shared.clients.defender import DefenderDevices
from shared.clients.downloads import LinkDownloads
from shared.clients.graph import GraphIncidents
from shared.clients.web import Api, session
from shared.clients.webhooks import WebhookChat
from shared.models.action import State
from shared.models.progress import Watermark
from tests.fakes.storage import FakeClock
from tests.integration.foreign import Foreign, Json, serving
from tests.integration.ticking import Clients, Ticking, ticking

pytestmark = pytest.mark.timeout(300)  # ten seconds each on a machine of its own

SEEDS = range(2)
TROUBLE, PEACE = 60, 400
"""Ticks of ten seconds."""

PLAIN, LOUD, HUGE, NUMBERED, LOST, EMPTY, SHY = "plain", "loud", "huge", "4711", "lost", "empty", "shy"
DEVICES = {name: f"{number:x}" * 40 for number, name in enumerate((PLAIN, LOUD, HUGE, NUMBERED, SHY), 10)}
ALERTS = 2_000


def machine(device: str, **members: object) -> Json:
    """As little as there may be, and more than anybody knows."""
    return {
        "id": device.upper(),
        "computerDnsName": f"host-{device[0]}.fabrikam.example",
        "onboardingStatus": "ONBOARDED",
        "osPlatform": None,
        "machineTags": [],
        "mergedIntoMachineId": None,
        "novel": [[{}]],
        **members,
    }


def harmful(name: str, created: datetime, **members: object) -> Json:
    found = samples.harmful_incident(name, device_id=DEVICES[name], created=created)
    for alert in found["alerts"]:
        alert["status"] = "new"
    return {**found, "status": "active", **members}


def shouted(incident: Json) -> Json:
    """Its words in capitals, and its device's id too."""
    for alert in incident["alerts"]:
        for item in alert["evidence"]:
            item |= {key: str(item[key]).upper() for key in ("verdict", "remediationStatus") if key in item}
            if item.get("mdeDeviceId"):
                item["mdeDeviceId"] = item["mdeDeviceId"].upper()
            if "roles" in item:
                item["roles"] = [role.upper() for role in item["roles"]]
    return incident | {"severity": "HIGH", "status": "ACTIVE"}


def swollen(incident: Json) -> Json:
    """Thousands of alerts, with kinds of evidence that nobody knows, and some that are no objects at all."""
    evidence = [{"@odata.type": "#microsoft.graph.security.quantumEvidence", "verdict": None}, None, {"roles": 5}]
    alerts = [{"id": f"a{number}", "evidence": evidence if number % 20 == 0 else 7} for number in range(ALERTS)]
    return incident | {"alerts": [*incident["alerts"], *alerts, None, "odd"]}


def shown(state: Foreign) -> None:
    created = state.now()
    state.apart = frozenset({PLAIN})
    for device in DEVICES.values():
        state.machines[device] = machine(device)
    state.machines[DEVICES[SHY]] |= {"machineTags": [{"name": "Domain Controller"}]}
    state.show(harmful(PLAIN, created))
    state.show(shouted(harmful(LOUD, created)))
    state.show(swollen(harmful(HUGE, created)))
    state.show(harmful(NUMBERED, created) | {"id": 4711})
    state.show(harmful(SHY, created))
    lost = harmful(PLAIN, created) | {"id": LOST}
    for alert in lost["alerts"]:
        alert["evidence"] = [{**item, "mdeDeviceId": None} for item in alert["evidence"]]
    state.show(lost)
    state.show({"id": EMPTY, **dict.fromkeys(("severity", "status", "alerts", "displayName", "createdDateTime"))})


@contextmanager
def facing(state: Foreign, clock: FakeClock) -> Iterator[Ticking]:
    with serving(state) as url, session() as http:
        graph, defender = (Api(url, lambda: "t", http) for _ in range(2))
        clients = Clients(
            GraphIncidents(graph),
            DefenderDevices(defender, 10.0),
            LinkDownloads((), http, loopback=True),
            {name: WebhookChat(f"{url}/chat/{name}", http) for name in ("slack", "teams")},
        )
        yield ticking(clock, clients, MAX_AGE_TO_CONTAIN="PT30M")


def until(product: Ticking, true: Callable[[], bool], ticks: int) -> None:
    for _ in range(ticks):
        if true():
            return
        product.tick()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_foreign_tenant_is_dealt_with(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    clock = FakeClock()
    state = Foreign(clock.now, seed)
    with facing(state, clock) as product:
        ledger = product.ports.ledger
        until(product, lambda: ledger.single(Watermark, WATERMARK) is not None, PEACE)
        shown(state)
        product.tick(TROUBLE)
        state.troubled = False
        every = (PLAIN, LOUD, HUGE, NUMBERED, LOST, EMPTY, SHY)
        until(product, lambda: all(_told(state, each) for each in every) and _settled(product), PEACE)

        assert product.rose == []
        assert state.doubles == []
        assert [each for each in every if not _told(state, each)] == []
        for name, device in DEVICES.items():
            actions = {each.responder: each for each in ledger.actions(name)}
            isolation = actions["isolate"]
            assert isolation.state.settled
            assert (isolation.state is State.SUCCEEDED) == state.isolated(device), isolation
            assert len(state.ours(device, "Isolate")) <= 1
            assert isolation.state is State.SUCCEEDED or isolation.todo
        assert not state.isolated(DEVICES[SHY])
        plans = [name for name in product.ports.documents.stored if name.endswith("plan.json")]  # type: ignore[attr-defined]
        assert sorted(name.partition("/")[0] for name in plans) == sorted(every), "each was judged once"


def _settled(product: Ticking) -> bool:
    return all(entry.value.state.settled for entry in product.ports.ledger.open_actions())


def _told(state: Foreign, incident: str) -> bool:
    return any("Response ended" in text for text in state.told(f"incident {incident}"))
