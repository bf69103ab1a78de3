"""Whose turn it is: what has to wait holds up nothing else, and is not dear to ask about."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from responders._interface import Lane
from responders._ledger import OPEN, Ledger
from responders._turns import Turns, graver
from shared.config import load
from shared.models.action import FORM, Action, State
from shared.storage.interface import Insert
from tests.contract.test_clients_stand import fake_stand
from tests.fakes.storage import FakeRows
from tests.integration.ticking import SETTINGS, Clients, Ticking, ticking
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


@pytest.mark.parametrize(("held", "waits"), [(True, True), (False, False)])
def test_a_package_that_a_hold_stopped_still_goes_first(product: Ticking, held: bool, waits: bool) -> None:
    """It goes on with the end of the hold, and may do so later than the isolation; a person may take long."""
    package, isolation = (wanted(product, each, "1", 1) for each in ("collect_package", "isolate"))
    entry = product.ports.ledger.open_action(package.key)
    assert entry
    product.ports.ledger.move(entry, package.to(State.WAITING, product.clock.now(), held=held))
    first = isolation.model_copy(update={"head_start": product.clock.now() + timedelta(minutes=5)})
    assert Turns(product.ports, Lane.CONTAIN).follows(first) is waits


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


@pytest.mark.parametrize(
    ("members", "kept"),
    [
        ({"in_line": True, "due": 30}, 1),
        ({"due": -1}, 1),
        ({"due": -1, "facts_at": -599}, 1),
        ({"due": -1, "facts_at": -600}, 0),
        ({"in_line": True, "due": 30, "facts_at": -600}, 1),
        ({"in_line": True, "due": 299}, 1),
        ({"due": 30}, 0),
        ({"in_line": True, "due": 600}, 0),
        ({"in_line": True, "due": 30, "severity": 3}, 0),
        ({"in_line": True, "due": 30, "responder": "collect_package"}, 0),
        ({"in_line": True, "due": 30, "responder": "restrict"}, 0),
        ({"in_line": True, "due": 30, "state": State.SENDING}, 0),
        ({"due": -1, "head_start": 60}, 0),
    ],
)
def test_calls_are_kept_for_what_is_graver_and_lacks_nothing_else(
    product: Ticking, members: dict[str, Any], kept: int
) -> None:
    """What another worker has in hand, or put off for want of calls; not what waits for a reason of its own, nor for
    its device's details. Here a worker has a row in hand for five minutes.
    """
    product = replace(product, ports=replace(product.ports, settings=load({**SETTINGS, "NUDGE_AFTER": "PT5M"})))
    now = product.clock.now()
    told = {"responder": "isolate", "incident": "1", "device": "a" * 40, "severity": 4, "facts_at": 0, **members}
    for name in {"due", "head_start", "facts_at"} & told.keys():
        told[name] = now + timedelta(seconds=told[name])
    product.ports.ledger.add(action(**told, created=now, since=now))
    mine = wanted(product, "isolate", "2", 1, severity=3)
    assert graver(product.ports, [mine]) == kept


def test_for_the_gravest_nobody_asks(product: Ticking) -> None:
    """In a storm that would be one more reading of the ledger for each batch."""
    calls: list[str] = []
    counted = replace(product, ports=replace(product.ports, ledger=Ledger(FakeRows(before=calls.append))))
    mine = wanted(counted, "isolate", "2", 1, severity=4)
    calls.clear()
    assert graver(counted.ports, [mine]) == 0
    assert calls == []


def test_where_details_cannot_be_had_what_has_them_is_sent(product: Ticking) -> None:
    """An approved one, say; those that are graver and wait for a reading of their device would not be sent anyway."""
    for number in range(120):
        high = wanted(product, "isolate", "1", number, severity=4)
        entry = product.ports.ledger.open_action(high.key)
        assert entry
        product.ports.ledger.move(entry, high.model_copy(update={"facts": None, "facts_at": None}))
    product.ports.governor.refused("machines", 900)
    medium = wanted(product, "isolate", "2", 5000, severity=3)
    entry = product.ports.ledger.open_action(medium.key)
    assert entry
    word = {"approved": True, "approved_by": "Ann", "approved_at": product.clock.now()}
    product.ports.ledger.move(entry, medium.model_copy(update=word))
    product.flow.contain()
    sent = product.ports.ledger.action("2", medium.key)
    assert sent
    assert sent.attempt


def test_the_last_calls_go_to_the_graver_incident_although_another_worker_has_it_in_hand(product: Ticking) -> None:
    product.ports.governor.lease("isolate", 99)
    high = wanted(product, "isolate", "1", 1, severity=4)
    entry = product.ports.ledger.open_action(high.key)
    assert entry
    later = product.clock.now() + timedelta(seconds=60)
    product.ports.ledger.move(entry, high.model_copy(update={"due": later, "in_line": True}))
    medium = wanted(product, "isolate", "2", 2, severity=3)
    product.flow.contain()
    put_off = product.ports.ledger.action("2", medium.key)
    assert put_off
    assert (put_off.state, put_off.attempt, put_off.in_line) == (State.PLANNED, 0, True)
    assert put_off.due
    assert product.clock.now() < put_off.due < later


def test_a_transition_takes_an_action_out_of_the_line(product: Ticking) -> None:
    now = product.clock.now()
    waiting = wanted(product, "isolate", "1", 1).model_copy(update={"in_line": True})
    assert not waiting.to(State.PLANNED, now, due=now).in_line
