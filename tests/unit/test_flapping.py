"""Graph's replicas disagree for a while: an alert is there, is missing, and is there again under one time of update."""

from __future__ import annotations

import pytest

from shared.models.action import State
from tests.fakes.clients import Mishap, Mishaps
from tests.unit.order_stand import HOST, INCIDENT, OTHER, Stand

BUSY = Mishap("status", 429, "TooManyRequests", "60")


class Replicas:
    """A stand whose incident concerns two devices, and is shown with or without the second one's alert."""

    def __init__(self, *, cap: int = 5, busy: bool = False) -> None:
        self.busy = busy
        mishaps = Mishaps(lambda call: BUSY if self.busy and call == "devices.isolate" else None)
        caps = f'{{"per_incident": {cap}, "fleet_share": 1.0}}'
        self.stand = Stand({"ISOLATION_CAPS": caps}, mishaps=mishaps)
        self.stand.harm(HOST, OTHER)
        self.stand.wait(10)
        self.alerts = list(self.stand.tenant.incidents.raw(INCIDENT)["alerts"])

    def show(self, *, whole: bool) -> None:
        self.stand.tenant.incidents.raw(INCIDENT)["alerts"] = self.alerts if whole else self.alerts[:1]
        self.stand.flow.watch()
        self.stand.wait(10)

    def rounds(self) -> list[State]:
        actions = self.stand.ports.ledger.actions(INCIDENT)
        return [each.state for each in actions if (each.responder, each.device) == ("isolate", OTHER)]


def test_what_waits_for_a_person_waits_again_when_its_alert_is_back() -> None:
    replicas = Replicas(cap=1)
    replicas.show(whole=False)
    assert replicas.rounds() == [State.WITHDRAWN]
    replicas.show(whole=True)
    assert replicas.rounds() == [State.WITHDRAWN, State.WAITING]


def test_what_had_only_met_a_429_is_sent_when_its_alert_is_back() -> None:
    replicas = Replicas(busy=True)
    replicas.show(whole=False)
    replicas.show(whole=True)
    replicas.busy = False
    replicas.stand.wait(300)
    assert replicas.rounds() == [State.WITHDRAWN, State.SUCCEEDED]
    assert replicas.stand.isolated(OTHER)


@pytest.mark.parametrize("ends_whole", [False, True])
def test_what_is_isolated_stays_so_however_often_they_disagree(*, ends_whole: bool) -> None:
    replicas = Replicas()
    replicas.stand.wait(60)
    told = len(replicas.stand.tenant.chat.messages)
    for turn in range(40):
        replicas.show(whole=(turn % 2 == 1) is ends_whole)
    assert replicas.rounds() == [State.SUCCEEDED]
    assert replicas.stand.posts("/isolate") == 2
    assert replicas.stand.posts("/unisolate") == 0
    assert len(replicas.stand.tenant.chat.messages) - told <= 1


def test_a_content_that_is_shown_again_and_again_is_no_new_version() -> None:
    replicas = Replicas()
    for _ in range(3):
        replicas.show(whole=True)
    entry = replicas.stand.ports.ledger.incident(INCIDENT)
    assert entry
    assert (entry.value.returned, entry.value.seen) == (0, entry.value.assessed)


def test_people_are_not_told_of_it_every_few_seconds() -> None:
    """Our own comment is an update, so that the readings go on."""
    replicas = Replicas(cap=1)
    told = len(replicas.stand.tenant.chat.messages)
    for turn in range(120):
        replicas.show(whole=turn % 2 == 1)
    assert len(replicas.stand.tenant.chat.messages) - told <= 12
    assert len(replicas.rounds()) <= 8


def test_what_came_back_too_soon_is_taken_when_things_have_calmed_down() -> None:
    replicas = Replicas(cap=1)
    for turn in range(40):
        replicas.show(whole=turn % 2 == 1)
    replicas.stand.clock.advance(3600)
    replicas.show(whole=True)
    replicas.stand.flow.housekeeping()
    replicas.stand.wait(10)
    assert replicas.rounds()[-1] is State.WAITING
