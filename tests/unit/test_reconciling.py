"""What the ledger says that we hold, and what people did in the portal meanwhile."""

import pytest

from local.tenant import samples
from shared.models.action import State
from shared.models.asked import Stage
from tests.fakes.clients import BROKEN, Mishaps
from tests.unit.order_stand import HOST, OTHER, Stand

RIVAL = "analyst@contoso.com"


def released_in_the_portal() -> Stand:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(90)
    stand.clock.advance(600)
    stand.tenant.person_orders("unisolate", HOST, RIVAL)
    stand.wait(60)
    assert not stand.isolated()
    stand.clock.advance(300)
    return stand


def test_a_new_alert_has_a_device_isolated_that_a_person_released() -> None:
    """Without waiting for the hourly round: the attacker is back."""
    stand = released_in_the_portal()
    stand.grow(HOST)
    stand.wait(120)
    assert stand.isolated()
    assert stand.posts("/isolate") == 2


def attacked_again_unseen(*, released: bool) -> Stand:
    """A device that we isolated has a new alert while Defender lists no actions; a person may have released it."""
    stand = Stand(mishaps=Mishaps(lambda call: BROKEN if call == "devices.actions" and blind else None))
    blind = False
    stand.harm(HOST)
    stand.wait(90)
    stand.clock.advance(600)
    if released:
        stand.tenant.person_orders("unisolate", HOST, RIVAL)
        stand.wait(60)
        assert not stand.isolated()
        stand.clock.advance(300)
    blind = True
    stand.grow(HOST)
    blind = False
    stand.wait(300)
    return stand


def test_it_is_so_though_nobody_can_see_then_whether_it_is_held() -> None:
    """The plan is made once for a version: what it took for held without looking, nobody would ask about again."""
    assert attacked_again_unseen(released=True).isolated()


def test_what_is_held_after_all_is_not_isolated_twice() -> None:
    stand = attacked_again_unseen(released=False)
    assert stand.isolated()
    assert stand.posts("/isolate") == 1
    rounds = [each for each in stand.ports.ledger.actions("7") if each.responder == "isolate"]
    assert [each.state for each in rounds] == [State.SUCCEEDED] * 2
    assert rounds[1].detail == "we hold it isolated already"


def test_another_incident_does_not_take_it_for_contained() -> None:
    stand = released_in_the_portal()
    stand.harm(HOST, incident="8")
    stand.wait(120)
    assert stand.isolated()
    assert [each.state for each in stand.ports.ledger.actions("8") if each.responder == "isolate"] == [State.SUCCEEDED]


def test_an_order_isolates_it() -> None:
    stand = released_in_the_portal()
    done = stand.later(stand.order("isolate", device=HOST, why="he is back"))
    assert done.state is Stage.DONE
    assert stand.isolated()


def test_without_anything_new_it_stays_released() -> None:
    stand = released_in_the_portal()
    stand.tenant.incidents.change("7", {"assignedTo": RIVAL})
    stand.wait(300)
    stand.flow.housekeeping()
    stand.wait(300)
    assert not stand.isolated()
    assert stand.ports.ledger.slot(HOST) is None


def test_what_we_hold_is_joined_without_a_second_isolation() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(90)
    stand.harm(HOST, incident="8")
    stand.wait(120)
    (joined,) = [each for each in stand.ports.ledger.actions("8") if each.responder == "isolate"]
    assert (joined.state, joined.detail) == (State.SUCCEEDED, "we hold it isolated already")
    assert stand.posts("/isolate") == 1
    slot = stand.ports.ledger.slot(HOST)
    assert slot
    assert set(slot.value.holders) == {"7", "8"}


def test_one_whose_isolation_defender_has_forgotten_counts_as_held() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(90)
    stand.tenant.desk.forget()
    stand.harm(HOST, incident="8")
    stand.wait(120)
    assert stand.posts("/isolate") == 1


def test_a_false_positive_that_is_taken_back_has_the_device_isolated_again() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(90)
    for classification, isolated in (("falsePositive", False), ("truePositive", True), ("falsePositive", False)):
        stand.clock.advance(5)
        stand.tenant.incidents.change("7", {"classification": classification})
        stand.flow.watch()
        stand.wait(400)
        assert stand.isolated() is isolated


def reclassified(stand: Stand, classification: str) -> None:
    """Have an analyst classify the incident, and the product see it."""
    stand.clock.advance(5)
    stand.tenant.incidents.change("7", {"classification": classification})
    stand.flow.watch()
    stand.wait(0)


@pytest.mark.parametrize("unseen", [0, 60])
def test_one_that_is_taken_back_while_the_release_is_under_way_does_too(unseen: int) -> None:
    """Once the release is over, nothing would have the incident assessed again. It is over in Defender already where
    the tick stood still for so long.
    """
    stand = Stand()
    stand.harm(HOST)
    stand.wait(90)
    reclassified(stand, "falsePositive")
    assert stand.action("release").state is State.ACCEPTED
    stand.clock.advance(unseen)
    reclassified(stand, "truePositive")
    stand.wait(400)
    assert stand.isolated()
    assert stand.posts("/isolate") == 2
    slot = stand.ports.ledger.slot(HOST)
    assert slot
    assert slot.value.owner == stand.action().key


def test_one_that_is_taken_back_before_the_release_was_sent_leaves_it_isolated() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(90)
    stand.order("hold", why="wait")
    reclassified(stand, "falsePositive")
    assert stand.action("release").state is State.WAITING
    reclassified(stand, "truePositive")
    stand.order("resume")
    stand.wait(400)
    assert stand.isolated()
    assert stand.action("release").state is State.WITHDRAWN
    assert (stand.posts("/isolate"), stand.posts("/unisolate")) == (1, 0)


def test_a_false_positive_frees_a_device_whose_isolation_defender_has_forgotten() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(90)
    stand.tenant.desk.forget()
    stand.clock.advance(5)
    stand.tenant.incidents.change("7", {"classification": "falsePositive"})
    stand.flow.watch()
    stand.wait(120)
    assert stand.posts("/unisolate") == 1


@pytest.mark.parametrize("cap", [1, 2])
def test_the_cap_of_an_incident_goes_with_it_where_it_is_merged(cap: int) -> None:
    stand = Stand({"ISOLATION_CAPS": f'{{"per_incident": {cap}, "fleet_share": 1.0}}'})
    stand.order("hold", why="wait")
    stand.harm(HOST, incident="7")
    stand.harm(OTHER, incident="8")
    stand.wait(30)
    alerts = samples.harmful_incident("8", device_id=HOST, created=stand.clock.now())["alerts"]
    stand.clock.advance(5)
    stand.tenant.incidents.change("7", {"status": "redirected", "redirectIncidentId": "8"})
    stand.tenant.incidents.change("8", {"alerts": alerts})
    stand.flow.watch()
    stand.wait(30)
    stand.order("resume")
    stand.wait(120)
    assert stand.isolated(HOST) + stand.isolated(OTHER) == cap
