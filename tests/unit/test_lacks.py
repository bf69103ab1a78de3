"""What Defender refuses for the whole tenant: what only collects is asked for tomorrow, what contains much sooner."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from responders._diagnosis import of_lacks
from responders._flow import Flow
from responders._lacks import had, lacks, not_to_be_planned, refused_of_late, remember
from responders._refusal import Asked, Service
from responders._refusals import refusal_of
from shared.errors import Rejected, Transient
from shared.models.action import State
from shared.models.asked import Stage
from tests.fakes.clients import DISABLED, FakeChat, Mishap, Mishaps
from tests.unit.order_stand import HOST, INCIDENT, OTHER, THIRD, Stand

ALL = (HOST, OTHER, THIRD)
CAPS = '{"per_incident": 9, "per_hour": 9, "per_day": 9, "fleet_share": 1.0}'


class Switches:
    """Features that are off in the tenant, by the call that meets that."""

    def __init__(self, *off: str) -> None:
        """These are off."""
        self.off = set(off)

    def __call__(self, call: str) -> Mishap | None:
        """Whether a call is refused."""
        return DISABLED if call in self.off else None


def stand_without(*off: str, **settings: str) -> tuple[Stand, Switches]:
    switches = Switches(*off)
    return Stand({"ISOLATION_CAPS": CAPS, **settings}, mishaps=Mishaps(switches)), switches


def test_one_false_refusal_costs_a_minute_and_no_device_its_isolation() -> None:
    stand, switches = stand_without("devices.isolate")
    stand.harm(HOST)
    waiting = stand.action()
    assert (waiting.state, "turned off in this tenant" in waiting.detail) == (State.PLANNED, True)
    switches.off.clear()
    stand.wait(30)
    assert not stand.isolated()
    stand.wait(90)
    assert stand.isolated()
    assert stand.told().count("over: isolate: the feature is turned off") == 1


def test_while_it_is_off_what_asks_for_it_waits_and_one_alone_tries_ever_later() -> None:
    stand, switches = stand_without("devices.isolate")
    stand.harm(*ALL)
    assert stand.posts("/isolate") == 1
    stand.wait(3600)
    tried = stand.posts("/isolate")
    assert 5 <= tried <= 9  # after 1, 2, 4 and 8 minutes, then every ten
    stand.harm(THIRD, incident="8")
    assert {stand.action(device=each).state for each in ALL} == {State.PLANNED}
    assert stand.action(device=THIRD, incident="8").state is State.PLANNED
    assert stand.told().count("Bulkhead itself: unavailable isolate") == 1
    assert "governor" not in stand.told()
    switches.off.clear()
    stand.wait(700)
    assert all(map(stand.isolated, ALL))


def test_it_does_not_wait_for_ever() -> None:
    """What is older than it may be contained by itself is a person's."""
    stand, switches = stand_without("devices.isolate", MAX_AGE_TO_CONTAIN="PT30M")
    stand.harm(HOST)
    stand.wait(2400)
    assert stand.action().state is State.WAITING
    stand.order("approve", incident=INCIDENT)
    stand.wait(60)
    ended = stand.action()
    assert (ended.state, "advanced features" in ended.todo) == (State.UNAVAILABLE, True)
    switches.off.clear()
    again = stand.later(stand.order("retry", action=ended.id))
    assert (again.state, stand.isolated()) == (Stage.DONE, True)


def test_what_a_person_orders_is_tried_and_answered_at_once() -> None:
    stand, switches = stand_without("devices.isolate")
    stand.harm(OTHER)
    ordered = stand.later(stand.order("isolate", device=HOST, why="now"), 30)
    assert (ordered.state, "turned off in this tenant" in ordered.answer) == (Stage.DONE, True)
    switches.off.clear()
    stand.order("isolate", device=HOST, why="now")
    stand.wait(60)
    assert stand.isolated()


def test_a_release_that_the_tenant_refuses_is_tried_again_when_a_person_asks_again() -> None:
    stand, switches = stand_without("devices.release")
    stand.harm(HOST)
    stand.wait(60)
    assert stand.later(stand.order("release", device=HOST, why="clean"), 30).state is Stage.DONE
    assert stand.isolated()
    switches.off.clear()
    stand.order("release", device=HOST, why="clean")
    stand.wait(60)
    assert not stand.isolated()


def test_what_was_taken_before_it_was_refused_is_no_sign_that_it_can_be_had_again() -> None:
    stand, _ = stand_without()
    ports = stand.ports
    took = ports.clock.now()
    stand.wait(1)
    refusal = refusal_of(Rejected("off", status=403, code="DisabledFeature"), Service.DEFENDER, Asked.DEVICE)
    remember(ports, "collect_package", refusal)
    had(ports, "collect_package", took)
    assert "collect_package" in lacks(ports)
    had(ports, "collect_package", ports.clock.now())
    assert "collect_package" not in lacks(ports)


def test_what_is_noted_is_told_though_nobody_lives_to_tell_it() -> None:
    """Else it is not asked for again for a day, and nobody ever hears why."""
    stand, _ = stand_without()
    refusal = refusal_of(Rejected("off", status=403, code="DisabledFeature"), Service.DEFENDER, Asked.DEVICE)
    stand.trouble.plan("rows.commit", 1, after=True)
    with pytest.raises(Transient):
        remember(stand.ports, "collect_package", refusal)
    assert stand.trouble.over()
    assert "collect_package" in lacks(stand.ports)
    stand.wait(60)
    assert stand.told().count("Bulkhead itself: unavailable collect_package") == 1


@pytest.mark.parametrize(("call", "path"), [("devices.collect_package", "/collectInvestigationPackage")])
def test_what_only_collects_is_asked_for_tomorrow(call: str, path: str) -> None:
    stand, _ = stand_without(call)
    stand.harm(HOST)
    stand.wait(120)
    assert stand.action("collect_package").state is State.UNAVAILABLE
    stand.harm(OTHER, incident="8")
    stand.wait(120)
    assert stand.posts(path) == 1
    assert list(not_to_be_planned(stand.ports)) == ["collect_package"]
    assert "tried again after a day" in stand.told()


def test_who_may_be_woken_is_woken_where_nothing_can_be_contained_and_not_for_a_package() -> None:
    stand, switches = stand_without("devices.isolate", "devices.collect_package")
    pager = FakeChat(stand.tenant, path="/slack/nights")
    stand.ports = replace(stand.ports, chats={**stand.ports.chats, "pager": pager})
    stand.flow = Flow(stand.ports)
    stand.harm(HOST)
    stand.wait(900)
    switches.off.clear()
    stand.wait(900)
    woken = [m["message"] for m in stand.tenant.chat.messages if m["path"] == "/slack/nights"]
    assert [each["event"] for each in woken] == ["alarm"]
    assert "isolate: the feature is turned off" in json.dumps(woken)


def test_doctor_knows_of_it_between_two_tries_too() -> None:
    stand, switches = stand_without("devices.isolate")
    stand.harm(HOST)
    stand.clock.advance(3600)
    assert not lacks(stand.ports)
    found = of_lacks({name: (each.detail, each.todo) for name, each in refused_of_late(stand.ports).items()})
    assert [each.check for each in found] == ["licence and switches: isolate"]
    switches.off.clear()
    stand.wait(120)
    assert not refused_of_late(stand.ports)
