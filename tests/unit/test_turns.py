"""Whose turn it is: what has to wait holds up nothing else, and is not dear to ask about."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from responders._interface import Lane
from responders._ledger import OPEN, Ledger
from responders._turns import Turns
from shared.models.action import FORM, Action, State
from shared.storage.interface import Insert
from tests.contract.test_clients_stand import fake_stand
from tests.fakes.storage import FakeRows
from tests.integration.ticking import Clients, Ticking, ticking
from tests.unit.incidents import action

MANY = 60


@pytest.fixture
def product() -> Iterator[Ticking]:
    with fake_stand() as stand:
        clients = Clients(stand.incidents, stand.devices, stand.downloads, {})
        yield ticking(stand.clock, clients, RATE_LIMITS='{"live_response_sessions": 2}')


def wanted(product: Ticking, responder: str, incident: str, number: int, severity: int = 4) -> Action:
    """A row that is due, on a device of its own."""
    now = product.clock.now()
    members = {"responder": responder, "incident": incident, "device": f"{number:040x}", "severity": severity}
    made = action(**members, created=now, since=now, due=now, facts_at=now)
    assert product.ports.ledger.add(made)
    return made


def test_sessions_that_wait_for_their_turn_are_no_sessions(product: Ticking) -> None:
    """The device of another incident is not kept waiting by those that may not be sent yet."""
    for number in range(2):
        isolation = wanted(product, "isolate", "1", number)
        entry = product.ports.ledger.open_action(isolation.key)
        assert entry
        product.ports.ledger.move(entry, isolation.to(State.ACCEPTED, product.clock.now()))
        wanted(product, "collect_volatile", "1", number)
    other = wanted(product, "collect_volatile", "2", 9, severity=3)
    product.flow.collect()
    stands = product.ports.ledger.action("2", other.key)
    assert stands
    assert stands.attempt or stands.state is not State.PLANNED


def test_an_incident_is_read_once_however_many_devices_it_has(product: Ticking) -> None:
    calls: list[str] = []
    ports = replace(product.ports, ledger=Ledger(FakeRows(before=calls.append)))
    counted = replace(product, ports=ports)
    packages = [wanted(counted, "collect_package", "1", number) for number in range(MANY)]
    for number in range(MANY):
        wanted(counted, "isolate", "1", number)
    turns = Turns(ports, Lane.COLLECT)
    assert all(map(turns.follows, packages))
    assert calls.count("rows.query") == 1
    product.clock.advance(timedelta(minutes=11).total_seconds())
    assert not any(map(Turns(ports, Lane.COLLECT).follows, packages))


def test_a_row_that_only_a_newer_version_can_read_keeps_its_own_device_waiting(product: Ticking) -> None:
    """It may be a containment; and what it is about says its key. Nobody else waits for it, nor does that for ever."""
    rows = FakeRows()
    counted = replace(product, ports=replace(product.ports, ledger=Ledger(rows)))
    packages = [wanted(counted, "collect_package", "1", number) for number in range(2)]
    strange = action(incident="1", device=packages[0].device.upper(), responder="isolate")
    text = strange.model_dump_json().replace(f'"v":{FORM},', f'"v":{FORM + 1},', 1)
    rows.commit(OPEN, [Insert(strange.key, text, product.clock.now())])
    turns = Turns(counted.ports, Lane.COLLECT)
    assert [turns.follows(each) for each in packages] == [True, False]
    product.clock.advance(timedelta(minutes=11).total_seconds())
    assert not Turns(counted.ports, Lane.COLLECT).follows(packages[0])
