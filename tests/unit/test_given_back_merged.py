"""A device that a false positive had isolated stays isolated once that is merged into an incident that may want it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from responders._assess import Assess
from shared.models.action import Slot, State
from tests.fakes.clients import LOST, THROTTLED, Mishap, Mishaps
from tests.unit.order_stand import HOST, INCIDENT, OTHER, THIRD, Stand

HEIR = "8"
CALLED = {"classification": "falsePositive", "status": "resolved"}
COMMITS = range(1, 9)


def isolated(stand: Stand) -> Stand:
    """The same, with a device that the first incident isolated, and another incident on another device."""
    stand.harm(HOST)
    stand.harm(OTHER, incident=HEIR)
    stand.wait(90)
    assert stand.isolated()
    return stand


def called(stand: Stand, incident: str = INCIDENT) -> None:
    """An analyst calls an incident a false positive; the product has not looked yet."""
    stand.clock.advance(5)
    stand.tenant.incidents.change(incident, CALLED)


def merged(stand: Stand) -> None:
    """Defender merges it into the other one, and the product reads that; it assesses neither."""
    stand.clock.advance(5)
    stand.tenant.incidents.merge(INCIDENT, HEIR)
    stand.flow.watch()


def assessed(stand: Stand, incident: str = INCIDENT) -> None:
    """It is assessed, and nobody sends anything yet."""
    assert Assess(stand.ports).run(incident)


def stays(stand: Stand) -> None:
    """It is never given back, not for a moment, and is the other incident's."""
    stand.wait(90)
    assert stand.posts("/unisolate") == 0
    assert slot(stand).holders == (HEIR,)
    assert slot(stand).releasing == ""


def slot(stand: Stand) -> Slot:
    entry = stand.ports.ledger.slot(HOST)
    assert entry
    return entry.value


def planned() -> Stand:
    """One whose release was planned before the merge, and could not be sent for want of a turn."""
    stand = isolated(Stand())
    called(stand)
    stand.flow.watch()
    assessed(stand)
    assert stand.action("release").state is State.PLANNED
    return stand


def test_what_was_merged_plans_no_release() -> None:
    stand = isolated(Stand())
    called(stand)
    merged(stand)
    stays(stand)
    assert [each.responder for each in stand.ports.ledger.actions(INCIDENT) if each.responder == "release"] == []


@pytest.mark.parametrize("number", COMMITS)
def test_whenever_a_sender_comes_while_the_merge_is_assessed(number: int) -> None:
    stand = isolated(Stand())
    called(stand)
    merged(stand)
    stand.trouble.plan("rows.commit", number, after=True, instead=stand.flow.contain)
    assessed(stand)
    stand.trouble.over()
    stays(stand)


def test_a_release_that_was_planned_before_is_not_sent_while_the_merge_is_not_assessed() -> None:
    stand = planned()
    merged(stand)
    stand.flow.contain()
    assert "is assessed first" in stand.action("release").detail
    assert slot(stand).releasing == ""
    stays(stand)
    assert stand.action("release").state is State.WITHDRAWN


@pytest.mark.parametrize("assess", [False, True])
def test_nor_where_its_sender_had_taken_it_up_already(*, assess: bool) -> None:
    """The merge is read between the reservation and the POST."""
    meanwhile: list[Callable[[], None]] = []

    def before(call: str) -> None:
        if call == "devices.actions" and meanwhile:
            meanwhile.pop()()

    def merge() -> None:
        merged(stand)
        if assess:
            assessed(stand)

    stand = isolated(Stand(before=before))
    called(stand)
    stand.flow.watch()
    assessed(stand)
    meanwhile.append(merge)
    stand.flow.contain()
    assert not meanwhile
    assert slot(stand).releasing
    stays(stand)


def test_one_whose_post_is_in_doubt_is_found_out_about_before_the_other_incident_keeps_the_device() -> None:
    """It worked: the device is free, and the row says so."""
    stand = isolated(Stand(mishaps=Mishaps.of(devices_release=[LOST])))
    called(stand)
    stand.flow.watch()
    assessed(stand)
    stand.flow.contain()
    assert stand.action("release").state is State.UNKNOWN
    merged(stand)
    stand.wait(90)
    assert stand.posts("/unisolate") == 1
    assert stand.action("release").state is State.SUCCEEDED


@pytest.mark.parametrize("early", [False, True])
def test_where_both_are_false_positives_it_is_given_back_once(*, early: bool) -> None:
    stand = planned() if early else isolated(Stand())
    if not early:
        called(stand)
    called(stand, HEIR)
    merged(stand)
    stand.wait(90)
    assert not stand.isolated()
    assert stand.posts("/unisolate") == 2
    assert stand.ports.ledger.slots() == {}


def test_one_that_was_sent_before_the_merge_is_read_has_the_device_isolated_anew() -> None:
    """The other incident has the same alerts by then, and knows that the device is being set free."""
    stand = planned()
    stand.flow.contain()
    assert stand.action("release").state is State.ACCEPTED
    merged(stand)
    stand.wait(90)
    assert stand.posts("/unisolate") == 1
    assert stand.isolated()
    assert slot(stand).holders == (HEIR,)


def test_the_other_one_waits_until_what_was_merged_into_it_leaves_it_the_device() -> None:
    stand = isolated(Stand())
    called(stand)
    called(stand, HEIR)
    merged(stand)
    assessed(stand, HEIR)
    stand.flow.contain()
    assert stand.isolated()
    assert (
        stand.action("release", incident=HEIR).detail == "incident 7 was merged into it, and leaves it the device first"
    )
    stand.wait(90)
    assert not stand.isolated()


def test_it_waits_for_what_was_inherited_too() -> None:
    stand = Stand()
    for device, incident in ((HOST, "6"), (THIRD, INCIDENT), (OTHER, HEIR)):
        stand.harm(device, incident=incident)
    stand.wait(60)
    stand.clock.advance(5)
    stand.tenant.incidents.merge("6", INCIDENT)
    stand.flow.watch()
    stand.wait(20)
    called(stand)
    called(stand, HEIR)
    merged(stand)
    assessed(stand, HEIR)
    stand.wait(90)
    assert stand.ports.ledger.slots() == {}


def gone(stand: Stand) -> None:
    """It was merged into an incident that nobody can read."""
    stand.clock.advance(5)
    stand.tenant.incidents.change(INCIDENT, {"status": "redirected", "redirectIncidentId": "9", "alerts": []})
    stand.flow.watch()
    assessed(stand)


def marked(mishap: Mishap) -> Stand:
    """One whose release did not come through at once."""
    stand = isolated(Stand(mishaps=Mishaps.of(devices_release=[mishap])))
    called(stand)
    stand.flow.watch()
    assessed(stand)
    stand.flow.contain()
    assert slot(stand).releasing
    gone(stand)
    stand.clock.advance(90)
    stand.flow.contain()
    return stand


def test_a_release_that_is_refused_leaves_no_mark() -> None:
    """Others would wait for its end for ever."""
    stand = marked(THROTTLED)
    assert stand.action("release").state is State.REFUSED
    assert (slot(stand).holders, slot(stand).releasing) == (("9",), "")


def test_a_release_in_doubt_is_looked_for_before_it_is_refused() -> None:
    assert marked(LOST).action("release").state is State.ACCEPTED
