"""A person releases a device in the portal, and it is attacked again before we could see that: it is isolated again."""

from __future__ import annotations

import pytest

from shared.models.action import State
from tests.fakes.clients import BROKEN, Mishaps
from tests.unit.order_stand import HOST, INCIDENT, Stand

PERSON = "analyst@contoso.com"


class Night:
    """A stand whose device we isolate; `lost` has Graph not answer for one incident."""

    def __init__(self) -> None:
        self.lost = False
        self.stand = Stand(mishaps=Mishaps(lambda call: BROKEN if self.lost and call == "incidents.get" else None))
        self.stand.harm(HOST)
        assert self.stand.action().state is State.ACCEPTED

    def pass_by(self, seconds: float) -> None:
        """Time without a tick."""
        self.stand.clock.advance(seconds)

    def released(self) -> None:
        self.stand.tenant.person_orders("unisolate", HOST, PERSON)

    def isolations(self) -> int:
        return self.stand.posts("/isolate")


def unseen(*, attacked: bool = True) -> Night:
    """The tick stands still from the isolation until after the release and what came then."""
    night = Night()
    night.pass_by(90)
    night.released()
    night.pass_by(90)
    assert not night.stand.isolated()
    if attacked:
        night.stand.grow(HOST)
    assert night.stand.action().state is State.ACCEPTED
    return night


def test_while_the_tick_stood_still() -> None:
    night = unseen()
    night.stand.wait(120)
    assert night.stand.isolated()
    assert night.isolations() == 2


def test_a_release_stands_where_nothing_came_after_it() -> None:
    night = unseen(attacked=False)
    night.stand.wait(120)
    night.stand.flow.housekeeping()
    night.stand.wait(120)
    assert not night.stand.isolated()
    assert night.isolations() == 1
    assert night.stand.ports.ledger.slot(HOST) is None


@pytest.mark.parametrize("still", [False, True])
def test_while_the_release_was_under_way(*, still: bool) -> None:
    """Whoever plans then takes the device for held; the hourly look sees that it is not."""
    night = Night()
    (night.pass_by if still else night.stand.wait)(90)
    night.released()
    night.pass_by(3)
    night.stand.grow(HOST)
    night.stand.wait(120)
    night.stand.flow.housekeeping()
    night.stand.wait(120)
    assert night.stand.isolated()
    assert night.isolations() == 2


def test_though_graph_does_not_answer_when_it_is_seen() -> None:
    night = unseen()
    night.lost = True
    night.stand.wait(60)
    assert not night.stand.isolated()
    night.lost = False
    night.stand.flow.housekeeping()
    night.stand.wait(120)
    assert night.stand.isolated()


def test_an_incident_is_assessed_anew_once_for_a_release() -> None:
    night = unseen()
    for _ in range(3):
        night.stand.wait(120)
        night.stand.flow.housekeeping()
    entry = night.stand.ports.ledger.incident(INCIDENT)
    assert entry
    assert len(entry.value.reassessed) == 1
    assert night.isolations() == 2


def test_who_observes_by_then_has_nothing_assessed_anew() -> None:
    night = unseen()
    night.stand.restart({"RESPONSE_MODE": "observe"})
    night.stand.wait(120)
    night.stand.flow.housekeeping()
    night.stand.wait(120)
    assert not night.stand.isolated()


def test_though_it_is_another_incident_that_took_it_for_held() -> None:
    """It had joined the first one's isolation, and shares no success that was over before."""
    night = unseen(attacked=False)
    night.stand.harm(HOST, incident="8")
    assert night.stand.action(incident="8").joined
    night.stand.wait(120)
    assert night.stand.isolated()
    assert night.stand.action(incident="8").state is State.SUCCEEDED
    assert night.isolations() == 2
