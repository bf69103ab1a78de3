"""A person releases a device in the portal, and it is attacked again before we could see that: it is isolated again."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from shared.models.action import State
from tests.fakes.clients import BROKEN, BROKEN_AFTER, Mishap, Mishaps
from tests.unit.order_stand import HOST, INCIDENT, Stand

PERSON = "analyst@contoso.com"
NOTHING: Mapping[str, str] = MappingProxyType({})


class Night:
    """A stand whose device we isolate; `lost` has Graph not answer for one incident, and what is not `listed` Defender
    for machine actions.
    """

    def __init__(self, *, listed: bool = True) -> None:
        self.lost, self.listed = False, True
        self.stand = Stand(mishaps=Mishaps(self._mishap))
        self.stand.harm(HOST)
        self.listed = listed
        assert self.stand.action().state is State.ACCEPTED

    def _mishap(self, call: str) -> Mishap | None:
        lost = self.lost and call == "incidents.get"
        return BROKEN if lost or (not self.listed and call == "devices.actions") else None

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


@pytest.mark.parametrize("listed", [True, False])
def test_while_the_tick_stood_still_for_so_long_that_no_listing_shows_it(listed: bool) -> None:
    """Then the action is asked for by itself, and its device for what came since, as soon as that can be listed."""
    night = Night(listed=listed)
    night.pass_by(90)
    night.released()
    night.pass_by(2400)
    night.stand.grow(HOST)
    night.stand.wait(60)
    night.listed = True
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


BENIGN = {"classification": "informationalExpectedActivity", "status": "resolved"}


def unheard(*, released: bool = True, attacked: bool = False, members: Mapping[str, str] = NOTHING) -> Stand:
    """Our isolation had no answer, and Defender lists nothing until it is done and a person may have `released` the
    device; the incident may have changed by then.
    """
    asked: list[str] = []
    blind = True

    def befalls(call: str) -> Mishap | None:
        asked.append(call)
        if call == "devices.isolate" and asked.count(call) == 1:
            return BROKEN_AFTER
        return BROKEN if call == "devices.actions" and blind and "devices.isolate" in asked else None

    stand = Stand(mishaps=Mishaps(befalls))
    stand.harm(HOST)
    stand.wait(25)
    assert (stand.isolated(), stand.action().state) == (True, State.UNKNOWN)
    if released:
        stand.tenant.person_orders("unisolate", HOST, PERSON)
    stand.wait(30)
    assert stand.isolated() is not released
    if attacked:
        stand.grow(HOST)
    if members:
        stand.tenant.incidents.change(INCIDENT, dict(members))
        stand.flow.watch()
        stand.wait(10)
    blind = False
    stand.wait(120)
    return stand


@pytest.mark.parametrize("members", [{}, BENIGN])
def test_what_was_done_before_we_heard_of_it_is_told_as_done(members: dict[str, str]) -> None:
    """The device was off the network at our word, though a person has released it since and it stays so."""
    stand = unheard(members=members)
    done = stand.action()
    assert (done.state, done.detail) == (State.SUCCEEDED, f"released by {PERSON} since")
    assert done.machine_action == stand.tenant.desk.of(HOST)[0].id
    assert (stand.isolated(), stand.posts("/isolate"), stand.ports.ledger.slot(HOST)) == (False, 1, None)


def test_though_nobody_heard_of_our_isolation() -> None:
    stand = unheard(attacked=True)
    assert stand.isolated()
    assert stand.posts("/isolate") == 2


def test_what_nobody_heard_of_is_not_taken_back_as_if_it_had_not_been_sent() -> None:
    """Else it would stay isolated, and nobody would hold it or give it back."""
    stand = unheard(released=False, members=BENIGN)
    assert (stand.isolated(), stand.action().state) == (True, State.SUCCEEDED)
    slot = stand.ports.ledger.slot(HOST)
    assert slot
    assert slot.value.held


def test_it_is_given_back_once_it_is_heard_of() -> None:
    stand = unheard(released=False, members={"classification": "falsePositive"})
    assert (stand.isolated(), stand.action().state, stand.action("release").state) == (False, *[State.SUCCEEDED] * 2)
