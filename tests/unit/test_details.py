"""What a rule asks for once a device's details are known: each device for itself, the incident read once for all."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from responders._details import Details, Judged
from responders._ports import CONTAIN, Ports
from responders._versions import snapshot_name
from shared.models.incident import Incident
from shared.storage.interface import Conflict
from tests.contract.test_clients_stand import fake_stand
from tests.fakes.storage import FakeDocuments
from tests.integration.ticking import Clients, ticking
from tests.unit.incidents import HOST1, HOST2, NOW, action, alert, device, incident, machine
from tests.unit.policies import compiled, rule

RAW = incident(alert(device(), device(HOST2, name="host2.contoso.com")))
UNREAD = {"unread": True, "doubt": "details"}


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def ports(calls: list[str]) -> Iterator[Ports]:
    documents = FakeDocuments(before=calls.append)
    documents.create(snapshot_name("2972395", "v1"), json.dumps(RAW).encode())
    with fake_stand() as stand:
        made = ticking(stand.clock, Clients(stand.incidents, stand.devices, stand.downloads, {})).ports
        yield replace(made, documents=documents)


def test_the_incident_is_read_once_for_its_devices(ports: Ports, calls: list[str]) -> None:
    """There may be a thousand of them, each with its own turn."""
    judged = Judged(ports)
    for each in (HOST1, HOST2, HOST1.upper()):
        facts = machine(id=each)
        known = judged.as_asked(action(device=each, facts=facts, **UNREAD))
        assert known
        assert (known.unread, known.doubt) == (False, "")
    assert calls.count("documents.read") == 1


def test_one_that_cannot_be_read_is_left_to_a_person(ports: Ports) -> None:
    judged = Judged(ports)
    for _ in range(2):
        known = judged.as_asked(action(version="gone", **UNREAD))
        assert known
        assert "cannot be read" in known.doubt


@pytest.mark.parametrize("only", [HOST1, HOST2])
def test_of_one_device_the_same_is_said_as_among_all(only: str) -> None:
    policy = compiled(
        rule("lab", {"device": {"group": "Lab"}}, actions=[{"do": "scan"}]),
        rule("all", {"severity": "high"}, actions=[{"do": "isolate"}]),
    )
    read, machines = Incident.model_validate(RAW), {HOST2: machine(id=HOST2, rbacGroupName="Lab")}
    whole = policy.assess(read, machines, NOW)
    mine = [each for each in whole.devices if each.id == only]
    assert policy.assess(read, machines, NOW, only=only) == whole.model_copy(update={"devices": tuple(mine)})


def test_somebody_is_woken_for_details_before_the_row_is_written(ports: Ports) -> None:
    """Another worker may be faster, and this one reads no more of them: somebody has to go on."""
    wanted = action(responder="isolate", device=HOST1, facts=None, facts_at=None, newest_alert=ports.clock.now())
    assert ports.ledger.add(wanted)
    entry = ports.ledger.open_action(wanted.key)
    assert entry
    ports.ledger.move(entry, wanted.model_copy(update={"label": "faster"}))
    ports.governor.refused("machines", 30)
    with pytest.raises(Conflict):
        Details(ports).refreshed(entry)
    ports.clock.advance(31)  # type: ignore[attr-defined] # a fake's
    assert [each.text for each in ports.queues.receive(CONTAIN)] == ["budget"]
