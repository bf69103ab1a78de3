"""What still waits for its device when an analyst calls its incident benign does not land on the device's return."""

from __future__ import annotations

import pytest

from shared.models.action import State
from tests.fakes.clients import BROKEN, Mishaps
from tests.unit.order_stand import HOST, INCIDENT, Stand

BENIGN = ["falsePositive", "informationalExpectedActivity"]
FALSE_ALARM = {"classification": "informationalExpectedActivity", "status": "resolved"}
AT_LEAST_A_LOOK = 90.0


def away(stand: Stand) -> Stand:
    """The same, with an isolation under way to a device that does not answer."""
    stand.tenant.fleet.one(HOST).presence.set(stand.clock.now(), online=False)
    stand.harm(HOST)
    stand.wait(60)
    assert stand.made() == ["Isolate Pending"]
    return stand


def called(stand: Stand, incident: str = INCIDENT, **members: object) -> None:
    """Have an analyst change the incident, and the product see it."""
    stand.clock.advance(5)
    stand.tenant.incidents.change(incident, members)
    stand.flow.watch()
    stand.wait(AT_LEAST_A_LOOK)


def returned(stand: Stand) -> None:
    stand.tenant.fleet.one(HOST).presence.set(stand.clock.now(), online=True)
    stand.wait(600)


@pytest.mark.parametrize("classification", BENIGN)
def test_an_isolation_under_way_is_called_off_once_nobody_wants_it(classification: str) -> None:
    stand = away(Stand())
    called(stand, classification=classification, status="resolved")
    assert stand.made() == ["Isolate Cancelled"]
    assert (stand.action().state, stand.action().cancelled) == (State.WITHDRAWN, False)
    assert stand.action().detail.startswith("cancelled by Bulkhead itself: ")
    returned(stand)
    assert not stand.isolated()
    assert stand.posts("/isolate") == stand.posts("/cancel") == 1


def test_what_waited_for_an_approval_that_nobody_has_to_give_any_more_asks_for_none() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}'})
    stand.harm(HOST)
    assert f"bulkhead approve {INCIDENT} host1" in stand.action().todo
    called(stand, classification=BENIGN[0], status="resolved")
    assert (stand.action().state, stand.action().todo) == (State.WITHDRAWN, "")


@pytest.mark.parametrize("classification", BENIGN)
def test_what_was_called_off_is_asked_for_anew_where_that_is_taken_back(classification: str) -> None:
    stand = away(Stand())
    called(stand, classification=classification)
    assert stand.made() == ["Isolate Cancelled"]
    called(stand, classification="truePositive")
    returned(stand)
    assert stand.isolated()
    assert stand.posts("/isolate") == 2


@pytest.mark.parametrize("classification", BENIGN)
def test_it_is_so_though_that_comes_before_the_end_was_seen(classification: str) -> None:
    stand = away(Stand())
    for each in (classification, "truePositive"):
        stand.clock.advance(5)
        stand.tenant.incidents.change(INCIDENT, {"classification": each})
        stand.flow.watch()
        stand.wait(0)
    assert (stand.made(), stand.action().state) == (["Isolate Cancelled"], State.ACCEPTED)
    stand.wait(90)
    returned(stand)
    assert stand.isolated()


def test_what_a_person_had_cancelled_is_not() -> None:
    stand = away(Stand())
    stand.order("cancel", action=stand.action().id)
    stand.wait(60)
    called(stand, **FALSE_ALARM)
    called(stand, classification="truePositive")
    returned(stand)
    assert not stand.isolated()


def test_whoever_looks_in_defender_sees_why() -> None:
    stand = away(Stand())
    called(stand, **FALSE_ALARM)
    assert stand.action().detail == "cancelled by Bulkhead itself: the incident was classified as benign"
    assert "cancelled by Bulkhead itself: the incident was classified as benign" in stand.told()


def test_what_cannot_be_cancelled_now_is_cancelled_later() -> None:
    stand = away(Stand(mishaps=Mishaps.of(devices_cancel=[BROKEN] * 2)))
    called(stand, **FALSE_ALARM)
    stand.wait(300)
    assert stand.made() == ["Isolate Cancelled"]


@pytest.mark.parametrize("members", [{"status": "resolved", "classification": "truePositive"}, {"status": "resolved"}])
def test_an_incident_that_was_dealt_with_calls_nothing_off(members: dict[str, str]) -> None:
    """The attack was real: the device is better cut off when it is back."""
    stand = away(Stand())
    called(stand, **members)
    assert stand.made() == ["Isolate Pending"]


def test_what_a_person_ordered_stands() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}'})
    stand.tenant.fleet.one(HOST).presence.set(stand.clock.now(), online=False)
    stand.harm(HOST)
    stand.order("approve", incident=INCIDENT)
    stand.wait(60)
    called(stand, **FALSE_ALARM)
    assert "Isolate Pending" in stand.made()


@pytest.mark.parametrize("ordered", [False, True])
def test_what_another_incident_wants_too_stands_until_that_is_dismissed_too(*, ordered: bool) -> None:
    """What a person ordered is wanted all the same."""
    stand = away(Stand())
    stand.harm(HOST, incident="8")
    if ordered:
        stand.order("isolate", device=HOST, why="to be sure")
    stand.wait(60)
    called(stand, **FALSE_ALARM)
    assert stand.made() == ["Isolate Pending"]
    called(stand, "8", **FALSE_ALARM)
    stand.wait(120)
    assert stand.made() == ["Isolate Pending" if ordered else "Isolate Cancelled"]


def test_who_observes_calls_nothing_off() -> None:
    stand = away(Stand())
    stand.restart({"RESPONSE_MODE": "observe"})
    called(stand, **FALSE_ALARM)
    assert stand.made() == ["Isolate Pending"]


def test_a_device_that_is_isolated_already_stays_so() -> None:
    """To give it back is for a person, or for a rule that says so."""
    stand = Stand()
    stand.harm(HOST)
    stand.wait(60)
    called(stand, **FALSE_ALARM)
    assert stand.isolated()
    assert stand.posts("/cancel") == 0


def test_what_another_incident_wants_does_not_end_with_it() -> None:
    """It joins what is called off, before anybody sees that it is."""
    stand = away(Stand())
    stand.clock.advance(5)
    stand.tenant.incidents.change(INCIDENT, FALSE_ALARM)
    stand.flow.watch()
    stand.wait(0)
    stand.harm(HOST, incident="8")
    stand.wait(AT_LEAST_A_LOOK)
    assert stand.made() == ["Isolate Cancelled", "Isolate Pending"]
    returned(stand)
    assert stand.isolated()
    assert (stand.action().state, stand.action(incident="8").state) == (State.WITHDRAWN, State.SUCCEEDED)
