"""The listing before a POST cannot be had for one device: the others are contained all the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from local.tenant import samples
from responders._flow import Flow
from responders._governed import GovernedDevices
from responders._listing import IN_VAIN, ONE_BY_ONE, listing
from responders._reconciling import reconcile
from shared.clients.interface import ActionPage, ActionQuery
from shared.errors import Cause, Throttled, Transient
from shared.models.action import State
from tests.fakes.clients import FakeDevices
from tests.unit.order_stand import HOST, OTHER, THIRD, Stand

FLEET = tuple(samples.fleet_id(number) for number in (2, 3, 4, 6, 7, 1))
MANY = {"ISOLATION_CAPS": '{"per_incident": 50, "per_hour": 50, "per_day": 50, "fleet_share": 1.0}'}
NONSENSE = Transient("an unfinished machine action without a usable id", cause=Cause.CONTENT)
MINUTE = timedelta(minutes=1)


class Poisoned(FakeDevices):
    """Where one of these devices is asked about, the answer is of no use."""

    poison: frozenset[str] = frozenset()
    error: Transient = NONSENSE
    asked = 0

    def actions(self, query: ActionQuery, following: str = "") -> ActionPage:
        self.asked += 1
        if self.poison.intersection(query.machines):
            raise self.error
        return super().actions(query, following)


def poisoned(*devices: str) -> tuple[Stand, Poisoned]:
    stand = Stand(MANY)
    client = Poisoned(stand.tenant)
    client.poison = frozenset(devices)
    stand.ports = replace(stand.ports, devices=GovernedDevices(client, stand.ports.governor))
    stand.flow = Flow(stand.ports)
    return stand, client


@pytest.mark.parametrize("devices", [FLEET[:4], FLEET])
def test_its_neighbours_are_isolated(devices: tuple[str, ...]) -> None:
    stand, client = poisoned(OTHER)
    stand.harm(*devices)
    stand.wait(120)
    assert [each for each in devices if not stand.isolated(each)] == [OTHER]
    assert stand.action(device=OTHER).state is State.PLANNED
    client.poison = frozenset()
    stand.wait(120)
    assert stand.isolated(OTHER)


@pytest.mark.parametrize("devices", [FLEET[:4], FLEET])
def test_few_are_asked_about_where_there_is_an_answer_for_none(devices: tuple[str, ...]) -> None:
    stand, client = poisoned(*devices)
    found, missing = listing(stand.ports, devices, MINUTE)
    assert (found, set(missing)) == ({}, set(devices))
    assert client.asked == IN_VAIN + (len(devices) > ONE_BY_ONE)


@pytest.mark.parametrize("devices", [FLEET[:4], FLEET])
def test_nobody_is_asked_about_once_the_budget_is_used_up(devices: tuple[str, ...]) -> None:
    stand, client = poisoned(devices[1])
    client.error = Throttled("no more calls", 30.0)
    found, missing = listing(stand.ports, devices, MINUTE)
    whole = len(devices) > ONE_BY_ONE
    assert set(found) == (set() if whole else {devices[0]})
    assert set(missing) == set(devices) - set(found)
    assert client.asked == (1 if whole else 2)


def test_what_people_released_is_let_go_though_one_device_cannot_be_looked_at() -> None:
    stand, client = poisoned()
    stand.harm(HOST, OTHER, THIRD)
    stand.wait(120)
    for device in (HOST, THIRD):
        stand.tenant.person_orders("unisolate", device)
    stand.clock.advance(60)
    client.poison = frozenset({OTHER})
    with pytest.raises(Transient, match="usable id"):
        reconcile(stand.ports, stand.clock.now() + MINUTE)
    assert set(stand.ports.ledger.slots()) == {OTHER}
