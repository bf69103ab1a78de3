"""Releases, and the other things that a person orders for a device or an action of ours."""

import pytest

from local.tenant import samples
from responders._cases import RELEASED
from responders._interface import BY_ORDER
from responders._ledger import slot_key
from responders._wiring import responders
from shared.models.action import State
from shared.models.asked import Released, Stage
from tests.fakes.clients import LOST, UNSENT, Mishap, Mishaps
from tests.unit.order_stand import HOST, INCIDENT, OTHER, PROTECTED, Stand

WHY = "false alarm"


def contained() -> Stand:
    """A stand that holds a device isolated."""
    stand = Stand()
    stand.harm(HOST)
    stand.wait(90)
    assert stand.isolated()
    return stand


# A device that we hold


def test_a_device_that_we_hold_is_released_and_held_no_more() -> None:
    stand = contained()
    record = stand.order("release", device=HOST, why=WHY)
    assert record.state is Stage.WAITING
    assert stand.isolated()
    done = stand.later(record)
    assert (done.state, done.answer) == (Stage.DONE, f"release on host1 ({stand.action('release').id}) is done")
    assert not stand.isolated()
    assert stand.ports.ledger.slot(HOST) is None
    assert done.actions == (stand.action("release").key,)


def test_defender_keeps_who_ordered_it_and_no_name_passes_for_a_marker() -> None:
    stand = contained()
    stand.order("release", device=HOST, why=WHY, by="Eve [bulkhead test/0/1] [by order]/")
    stand.wait(60)
    comment = stand.tenant.desk.of(HOST)[-1].comment
    action = stand.action("release")
    assert comment.endswith(f"[bulkhead test/{action.id}/1] {BY_ORDER}")
    assert comment.count("[") == 2
    assert "By order of Eve bulkhead test01 by order" in comment


@pytest.mark.parametrize("how", ["observe", "hold", "caps"])
def test_a_release_passes_observing_a_hold_and_the_caps(how: str) -> None:
    stand = contained()
    if how == "hold":
        stand.order("hold", why="wait")
    else:
        stand.restart({"RESPONSE_MODE": "observe"} if how == "observe" else {"ISOLATION_CAPS": '{"per_hour": 0}'})
    assert stand.later(stand.order("release", device=HOST, why=WHY)).state is Stage.DONE
    assert not stand.isolated()


def test_people_hear_of_it_and_what_is_undone_is_not_offered_to_be_undone() -> None:
    stand = contained()
    assert f"bulkhead release {HOST}" in stand.told()
    before = len(stand.tenant.chat.messages)
    stand.order("release", device=HOST, why=WHY)
    stand.wait(120)
    told = str([message["message"] for message in stand.tenant.chat.messages[before:]])
    assert "Release, host1" in told
    assert "To undo" not in told.rpartition("Response ended")[2]


def test_two_orders_for_one_device_are_one_release_and_both_are_answered() -> None:
    stand = contained()
    first, second = (stand.order("release", device=HOST, why=WHY) for _ in range(2))
    assert stand.later(first).answer == stand.later(second).answer
    assert stand.posts("/unisolate") == 1


def test_a_device_that_we_hold_is_released_although_defender_has_forgotten_its_isolation() -> None:
    stand = contained()
    stand.tenant.desk.forget()
    done = stand.later(stand.order("release", device=HOST, why=WHY))
    assert stand.posts("/unisolate") == 1
    assert done.state is Stage.DONE
    assert "does not list it any more" in done.answer
    assert stand.ports.ledger.slot(HOST) is None


# A device that others hold, or nobody


def test_somebody_elses_isolation_may_be_released_too_and_the_answer_says_whose_it_was() -> None:
    stand = Stand()
    stand.tenant.person_orders("isolate", HOST, "analyst@contoso.com")
    stand.wait(60)
    done = stand.later(stand.order("release", device=HOST, why=WHY))
    assert done.state is Stage.DONE
    assert "is done: it had been isolated by analyst@contoso.com, not by us" in done.answer
    assert not stand.isolated()
    assert stand.action("release", incident="orders").state is State.SUCCEEDED


def test_a_device_that_is_not_isolated_needs_no_release_and_none_is_sent() -> None:
    stand = Stand()
    done = stand.later(stand.order("release", device=HOST, why=WHY))
    assert (done.state, "was not needed: the device is not isolated" in done.answer) == (Stage.DONE, True)
    assert not stand.posts("/unisolate")


def test_somebody_elses_isolation_that_defender_does_not_show_yet_is_released_once_it_does() -> None:
    """Whoever ordered it would be told that the device is not isolated, and it would stay so."""
    stand = Stand(tenant={"visibility_seconds": 25})
    stand.tenant.person_orders("isolate", HOST, "analyst@contoso.com")
    stand.clock.advance(21)
    assert stand.isolated()
    record = stand.later(stand.order("release", device=HOST, why=WHY), 1)
    assert record.state is Stage.WAITING
    assert "as far as Defender shows" in stand.action("release", incident="orders").detail
    done = stand.later(record)
    assert "is done: it had been isolated by analyst@contoso.com, not by us" in done.answer
    assert not stand.isolated()


def test_a_release_that_is_under_way_already_is_followed() -> None:
    stand = contained()
    stand.tenant.person_orders("unisolate", HOST, "analyst@contoso.com")
    stand.clock.advance(6)
    done = stand.later(stand.order("release", device=HOST, why=WHY))
    assert "was done by somebody else: through analyst@contoso.com" in done.answer
    assert not stand.posts("/unisolate")
    assert stand.ports.ledger.slot(HOST) is None


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"device": "0" * 40}, "Defender knows no device"),
        ({"device": "host1"}, "Defender knows no device"),
        ({"device": HOST, "incident": "404"}, "incident 404 is not known here"),
    ],
)
def test_what_cannot_be_meant_is_refused(about: dict[str, object], words: str) -> None:
    stand = Stand()
    record = stand.order("release", why=WHY, **about)
    assert (record.state, words in record.answer) == (Stage.REFUSED, True)


# What is in the way


def test_an_isolation_that_waits_is_taken_back_and_never_comes_again_without_news() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}'})
    stand.harm(HOST)
    stand.order("release", device=HOST, why=WHY)
    stand.wait(60)
    assert (stand.action().state, stand.action().detail) == (State.WITHDRAWN, "a release was ordered by Ann")
    assert not stand.action().todo
    stand.restart({})
    stand.tenant.incidents.change(INCIDENT, {"assignedTo": "somebody"})
    stand.flow.watch()
    stand.wait(60)
    assert stand.action().round == 1
    assert not stand.posts("/isolate")


def test_an_isolation_that_defender_has_is_cancelled_before_the_release() -> None:
    """A release that overtakes it would be undone by it."""
    stand = Stand()
    stand.harm(HOST)
    assert stand.made() == ["Isolate Pending"]
    record = stand.order("release", device=HOST, why=WHY)
    done = stand.later(record, 200)
    assert stand.made() == ["Isolate Cancelled", "CollectInvestigationPackage Succeeded"]
    assert (stand.action().state, stand.action().cancelled) == (State.WITHDRAWN, True)
    assert stand.action().detail == "cancelled by Bulkhead itself: released by order"
    assert "was not needed" in done.answer
    assert not stand.isolated()


def test_an_isolation_too_late_to_cancel_is_released_when_it_is_done() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.clock.advance(20)
    assert stand.made() == ["Isolate Succeeded"]
    done = stand.later(stand.order("release", device=HOST, why=WHY), 200)
    assert "is done" in done.answer
    assert not stand.isolated()


@pytest.mark.parametrize("mishap", [LOST, UNSENT])
def test_an_isolation_in_doubt_is_found_out_about_first(mishap: Mishap) -> None:
    stand = Stand(mishaps=Mishaps.of(devices_isolate=[mishap]))
    stand.harm(HOST)
    assert stand.action().state is State.UNKNOWN
    record = stand.order("release", device=HOST, why=WHY)
    stand.wait(5)
    assert not stand.posts("/unisolate")
    done = stand.later(record, 300)
    assert done.state is Stage.DONE
    assert not stand.isolated()
    assert stand.posts("/isolate") == 1
    assert stand.action().state.final


def test_a_release_whose_answer_is_lost_is_found_and_not_sent_twice() -> None:
    stand = Stand(mishaps=Mishaps.of(devices_release=[LOST]))
    stand.harm(HOST)
    stand.wait(90)
    done = stand.later(stand.order("release", device=HOST, why=WHY), 300)
    assert "is done" in done.answer
    assert stand.posts("/unisolate") == 1


# It stands


def released() -> Stand:
    stand = contained()
    stand.order("release", device=HOST, why=WHY)
    stand.wait(120)
    assert not stand.isolated()
    return stand


def test_a_release_by_order_stands_against_what_is_no_news() -> None:
    """Severity alone is none, nor is another incident with an older alert on the device."""
    stand = contained()
    old = stand.clock.now()
    stand.clock.advance(10)
    stand.order("release", device=HOST, why=WHY)
    stand.wait(120)
    alerts = samples.harmful_incident("8", device_id=HOST, created=old)["alerts"][:1]
    stand.harm(HOST, incident="8", alerts=alerts)
    stand.wait(120)
    refused = stand.action(incident="8")
    assert refused.state is State.REFUSED
    assert "released by order of Ann, and no alert was created since" in refused.detail
    assert f"bulkhead isolate {HOST}" in refused.todo
    assert stand.posts("/isolate") == 1


@pytest.mark.parametrize("asked", ["isolate", "approve"])
def test_what_was_asked_before_somebody_released_the_device_isolates_it_no_more(asked: str) -> None:
    """The order lay in the queue; it is not the newer wish only because it was read later."""
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}'})
    stand.harm(HOST)
    about = {"device": HOST} if asked == "isolate" else {"incident": INCIDENT}
    text = stand.message(asked, **about)
    stand.clock.advance(3600)
    for kind in ("isolate", "unisolate"):
        stand.tenant.person_orders(kind, HOST)
        stand.clock.advance(60)
    stand.flow.order(text)
    stand.wait(120)
    assert not stand.isolated()
    assert not stand.posts("/isolate")
    refused = stand.action(incident="orders" if asked == "isolate" else INCIDENT)
    assert refused.state is State.REFUSED
    why = " after this was asked for" if asked == "isolate" else ", and no alert was created since"
    assert f"released by analyst@contoso.com{why}" in refused.detail


def test_an_alert_after_an_order_was_asked_is_news_to_its_round_though_the_order_was_read_later() -> None:
    """The order is refused, since a release is newer than it; the attack is newer than both."""
    stand = contained()
    text = stand.message("isolate", device=HOST, incident=INCIDENT)
    stand.clock.advance(3600)
    stand.tenant.person_orders("unisolate", HOST)
    stand.clock.advance(60)
    alert = samples.harmful_incident(INCIDENT, device_id=HOST, created=stand.clock.now())["alerts"][0]
    stand.tenant.incidents.change(INCIDENT, {"alerts": [alert]})
    stand.clock.advance(5)
    stand.flow.order(text)
    stand.wait(60)
    assert (stand.action().round, stand.action().state) == (2, State.REFUSED)
    stand.flow.watch()
    stand.wait(120)
    assert stand.action().round == 3
    assert stand.isolated()


def test_an_alert_after_it_ends_it() -> None:
    stand = released()
    stand.grow(HOST)
    stand.wait(90)
    assert stand.action().round == 2
    assert stand.isolated()


def test_a_person_who_wants_it_isolated_after_all_ends_it_too() -> None:
    stand = released()
    done = stand.later(stand.order("isolate", device=HOST, incident=INCIDENT))
    assert (done.state, stand.isolated()) == (Stage.DONE, True)


def test_what_is_newer_than_the_order_waits_for_the_release() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.clock.advance(5)
    stand.order("release", device=HOST, why=WHY)
    stand.clock.advance(1)
    stand.harm(HOST, incident="8")
    assert "a release that a person ordered comes first" in stand.action(incident="8").detail
    stand.wait(200)
    assert [one.partition(" ")[0] for one in stand.made() if "solate" in one] == ["Isolate", "Isolate"]
    assert stand.isolated()


def test_a_release_that_was_cancelled_stands_against_nothing() -> None:
    stand = contained()
    stand.order("release", device=HOST, why=WHY)
    stand.order("cancel", action=stand.action("release").id)
    stand.wait(60)
    assert stand.action("release").state in {State.WITHDRAWN, State.FAILED}
    assert stand.isolated()
    assert stand.ports.ledger.one(Released, RELEASED, HOST)
    stand.tenant.person_orders("unisolate", HOST)
    stand.wait(60)
    stand.flow.housekeeping()
    stand.harm(HOST, incident="8")
    stand.wait(60)
    assert "by order" not in stand.action(incident="8").detail


def test_where_one_of_two_releases_was_cancelled_the_other_stands() -> None:
    stand = Stand()
    old = stand.clock.now()
    stand.clock.advance(10)
    stand.later(stand.order("release", device=HOST, why=WHY))
    stand.order("release", device=HOST, why=WHY, by="Bob")
    stand.order("cancel", action=stand.action("release", incident="orders").id)
    alerts = samples.harmful_incident("8", device_id=HOST, created=old)["alerts"][:1]
    stand.harm(HOST, incident="8", alerts=alerts)
    stand.wait(60)
    assert "released by order of Ann" in stand.action(incident="8").detail


# Isolate and collect


def test_a_device_is_isolated_by_order_apart_from_any_incident() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0, "per_hour": 0}'})
    done = stand.later(stand.order("isolate", device=HOST, why="seen on the phone"))
    assert (done.state, stand.isolated()) == (Stage.DONE, True)
    action = stand.action(incident="orders")
    assert (action.state, action.reason) == (State.SUCCEEDED, "ordered by Ann: seen on the phone")
    assert (slot_key(HOST), stand.action(incident="orders").opened_by) == (f"slot:{HOST}", done.order.id)


def test_a_device_in_capitals_that_somebody_isolated_is_left_to_them() -> None:
    """Asked for in their spelling, Defender lists what runs on it."""
    stand = Stand()
    stand.tenant.person_orders("isolate", HOST)
    stand.wait(60)
    done = stand.later(stand.order("isolate", device=HOST.upper()))
    assert (done.state, stand.action(incident="orders").state) == (Stage.DONE, State.ELSEWHERE)
    assert stand.made() == ["Isolate Succeeded"]


@pytest.mark.parametrize(
    ("settings", "device", "words"),
    [
        ({}, PROTECTED, "the device is protected (by id)"),
        ({"RESPONSE_MODE": "observe"}, HOST, "RESPONSE_MODE is observe"),
        ({}, "0" * 40, "Defender knows no device"),
    ],
)
def test_what_must_not_be_isolated_is_answered_in_words(settings: dict[str, str], device: str, words: str) -> None:
    stand = Stand(settings)
    record = stand.order("isolate", device=device)
    assert (record.state, words in record.answer) == (Stage.REFUSED, True)
    assert stand.ports.ledger.actions("orders") == []


@pytest.mark.parametrize("protected", ['{"tags": ["Crown"]}', '{"ids": ["80fe8ff8-2624-418e-9591-41f0491218f9"]}'])
def test_a_device_that_cannot_be_read_may_be_protected_by_a_tag_or_by_its_id_in_entra(protected: str) -> None:
    unreadable = Mishap("status", 403, "Forbidden")
    stand = Stand({"PROTECTED": protected}, mishaps=Mishaps.of(devices_machine=[unreadable]))
    record = stand.order("isolate", device=HOST)
    assert (record.state, "whether it is protected" in record.answer) == (Stage.REFUSED, True)


def test_beside_a_round_that_is_open_none_opens() -> None:
    stand = Stand()
    stand.harm(HOST)
    record = stand.order("isolate", device=HOST, incident=INCIDENT)
    assert (record.state, "already" in record.answer) == (Stage.REFUSED, True)


def test_beside_one_that_waits_none_opens_and_the_answer_names_the_command() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}'})
    stand.harm(HOST)
    record = stand.order("isolate", device=HOST, incident=INCIDENT)
    assert record.answer.endswith(f"bulkhead approve {INCIDENT} host1 --responder isolate")


def test_a_package_is_collected_by_order_with_and_without_an_incident() -> None:
    stand = Stand()
    stand.harm(OTHER)
    for incident in (None, INCIDENT):
        done = stand.later(stand.order("collect", device=HOST, incident=incident), 200)
        action = stand.action("collect_package", incident=incident or "orders")
        assert (done.state, action.state) == (Stage.DONE, State.SUCCEEDED)
        names = [each.name for each in action.artefacts]
        assert any(name.endswith("investigation-package.zip") for name in names)
        assert len(names) == (3 if incident else 1)


def test_only_what_collects_collects() -> None:
    record = Stand().order("collect", device=HOST, responder="isolate")
    collecting = ", ".join(name for name, each in responders().items() if each.gathers and name != "clean_up")
    assert record.state is Stage.REFUSED
    assert record.answer.endswith(f"known are {collecting}")
    assert "collect_package" in collecting


def test_a_round_by_order_is_no_news_to_later_versions() -> None:
    """Else the next version of the incident would collect again."""
    stand = Stand()
    stand.harm(HOST)
    stand.wait(120)
    stand.order("collect", device=HOST, incident=INCIDENT)
    stand.wait(120)
    stand.tenant.incidents.change(INCIDENT, {"assignedTo": "somebody"})
    stand.flow.watch()
    stand.wait(60)
    assert stand.action("collect_package").round == 2


# Retry


def test_what_was_not_done_is_tried_again_as_a_person_says() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}', "APPROVAL_EXPIRES": "PT1M"})
    stand.harm(HOST)
    stand.wait(90)
    old = stand.action()
    assert old.state is State.REFUSED
    record = stand.order("retry", action=old.id)
    assert stand.action().round == 2
    assert record.actions == (stand.action().key,)
    assert stand.action().id in record.answer
    assert stand.later(record).state is Stage.DONE
    assert stand.isolated()


def test_what_waited_in_vain_is_tried_again_though_nobody_has_looked_yet() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}', "APPROVAL_EXPIRES": "PT1M"})
    stand.harm(HOST)
    stand.clock.advance(61)
    stand.order("retry", action=stand.action().id)
    assert stand.states()[0] == ("isolate host1", State.REFUSED)
    stand.wait(60)
    assert stand.isolated()


def test_an_action_is_found_by_its_id_when_it_is_closed() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}', "APPROVAL_EXPIRES": "PT1M"})
    stand.harm(HOST)
    stand.wait(90)
    old = stand.action()
    stand.clock.advance(3700)
    stand.flow.housekeeping()
    assert stand.ports.ledger.open_action(old.key) is None
    stand.order("retry", action=old.id)
    stand.wait(60)
    assert stand.isolated()


def test_what_is_done_waits_or_was_tried_again_is_not_tried_again() -> None:
    stand = contained()
    assert "only what was not done" in stand.order("retry", action=stand.action().id).answer
    assert "no action of ours" in stand.order("retry", action="0" * 16).answer
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}'})
    stand.harm(HOST)
    first = stand.action().id
    assert stand.order("retry", action=first).state is Stage.REFUSED
    stand.order("refuse", incident=INCIDENT)
    assert stand.order("retry", action=first).state is Stage.WAITING
    again = stand.order("retry", action=first)
    assert (again.state, stand.action().id in again.answer) == (Stage.REFUSED, True)


@pytest.mark.parametrize("incident", [None, INCIDENT])
def test_a_release_that_failed_is_tried_again_and_one_that_is_done_is_not(incident: str | None) -> None:
    stand = Stand()
    if incident:
        stand.harm(HOST)
    else:
        stand.tenant.person_orders("isolate", HOST)
    stand.wait(90)
    stand.tenant.fleet.put({"id": HOST, "outcomes": {"Unisolate": {"status": "Failed"}}})
    stand.order("release", device=HOST, why=WHY)
    stand.wait(600)
    failed = stand.action("release", incident=incident or "orders")
    assert failed.state is State.FAILED
    assert failed.todo.endswith(f"bulkhead retry {failed.id}")
    stand.tenant.fleet.put({"id": HOST, "outcomes": {"Unisolate": {"status": "Succeeded"}}})
    done = stand.later(stand.order("retry", action=failed.id))
    assert (done.state, stand.isolated()) == (Stage.DONE, False)
    again = stand.order("retry", action=stand.action("release", incident=incident or "orders").id)
    assert (again.state, "only what was not done" in again.answer) == (Stage.REFUSED, True)


# Cancel


def test_what_is_not_sent_stays_unsent() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 0}'})
    stand.harm(HOST)
    record = stand.order("cancel", action=stand.action().id, why="mistake")
    assert record.state is Stage.DONE
    assert (stand.action().state, stand.action().detail) == (State.WITHDRAWN, "cancelled by order of Ann: mistake")
    stand.wait(60)
    assert not stand.posts("/isolate")


def test_what_defender_has_is_cancelled_there_with_our_words() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.clock.advance(6)
    done = stand.later(stand.order("cancel", action=stand.action().id))
    assert done.state is Stage.DONE
    assert "cancelled by" in done.answer
    made = stand.tenant.desk.show(stand.tenant.desk.of(HOST)[0])
    assert made["cancellationComment"].endswith(f"[bulkhead test/{stand.action().id}/cancel]")
    assert (stand.action().state, stand.action().cancelled) == (State.WITHDRAWN, True)
    assert stand.action().detail == "cancelled by Bulkhead itself: cancelled by order"


def test_what_does_not_show_yet_is_cancelled_when_it_does() -> None:
    stand = Stand()
    stand.harm(HOST)
    record = stand.order("cancel", action=stand.action().id)
    assert record.state is Stage.WAITING
    stand.wait(60)
    assert stand.made()[0] == "Isolate Cancelled"


@pytest.mark.parametrize("mishap", [LOST, UNSENT])
def test_what_is_in_doubt_is_not_sent_again(mishap: Mishap) -> None:
    stand = Stand(mishaps=Mishaps.of(devices_isolate=[mishap]))
    stand.harm(HOST)
    done = stand.later(stand.order("cancel", action=stand.action().id), 300)
    assert done.state is Stage.DONE
    assert stand.posts("/isolate") == 1
    assert not stand.isolated()
    assert stand.action().state in {State.WITHDRAWN, State.FAILED}


def test_somebody_elses_action_and_what_is_over_are_not_ours_to_cancel() -> None:
    stand = Stand()
    stand.tenant.person_orders("isolate", HOST)
    stand.clock.advance(6)
    stand.harm(HOST)
    record = stand.order("cancel", action=stand.action().id)
    assert (record.state, "somebody else" in record.answer) == (Stage.REFUSED, True)
    stand.wait(60)
    over = stand.order("cancel", action=stand.action().id)
    assert (over.state, "it is over" in over.answer) == (Stage.REFUSED, True)


def test_what_shares_another_incidents_isolation_names_whose() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.harm(HOST, incident="8")
    record = stand.order("cancel", action=stand.action(incident="8").id)
    assert record.state is Stage.REFUSED
    assert f"incident 7, {stand.action().id}" in record.answer
