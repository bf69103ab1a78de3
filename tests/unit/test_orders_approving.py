"""What waits for a person: approved, refused, or left until it is too late. Approval passes caps and age, no more."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from local.tenant import samples
from responders._entries import Entry
from shared.models.action import Action, State
from shared.models.asked import Stage
from shared.storage.interface import Replace
from tests.unit.order_stand import CONTROLLER, HOST, INCIDENT, OTHER, PROTECTED, THIRD, Stand

NONE = '{"per_incident": 0}'


def waiting(*devices: str, settings: Mapping[str, str] = MappingProxyType({})) -> Stand:
    """A stand where the isolation of devices waits, since the caps allow none."""
    stand = Stand({"ISOLATION_CAPS": NONE, **settings})
    stand.harm(*(devices or (HOST,)))
    assert {state for _, state in stand.states()} == {State.WAITING}
    return stand


def rewritten(stand: Stand, action: Action, **members: object) -> None:
    """Change a row behind everybody's back."""
    entry: Entry[Action] | None = stand.ports.ledger.open_action(action.key)
    assert entry
    made = action.model_copy(update=members)
    stand.rows.commit("open", [Replace(made.key, made.model_dump_json(), entry.etag, made.due)])


def test_what_is_approved_passes_the_cap_and_is_isolated() -> None:
    stand = waiting()
    record = stand.order("approve", incident=INCIDENT)
    assert record.state is Stage.DONE
    assert record.answer == f"approved: isolate on host1 ({stand.action().id})"
    assert (stand.action().approved, stand.action().approved_by) == (True, "Ann")
    stand.wait(60)
    assert stand.isolated()
    assert stand.action().state is State.SUCCEEDED


@pytest.mark.parametrize("called", ["host1", "HOST1", HOST, HOST[:8], HOST[:12].upper()])
def test_one_device_of_the_incident_is_approved_by_its_name_or_the_start_of_its_id(called: str) -> None:
    stand = waiting(HOST, OTHER)
    assert stand.order("approve", incident=INCIDENT, device=called).state is Stage.DONE
    stand.wait(60)
    assert (stand.isolated(HOST), stand.isolated(OTHER)) == (True, False)


def test_one_action_is_approved_by_its_id() -> None:
    stand = waiting(HOST, OTHER)
    assert stand.order("approve", action=stand.action(device=OTHER).id).state is Stage.DONE
    stand.wait(60)
    assert (stand.isolated(HOST), stand.isolated(OTHER)) == (False, True)


def test_all_that_waits_of_an_incident_is_approved_at_once() -> None:
    stand = waiting(HOST, OTHER, THIRD)
    stand.order("approve", incident=INCIDENT)
    stand.wait(60)
    assert {state for _, state in stand.states()} == {State.SUCCEEDED}


def test_the_command_that_an_action_names_approves_nothing_else_that_waits_on_its_device() -> None:
    """Whoever reads of an isolation has not read of the rest."""
    stand = waiting()
    rewritten(stand, stand.action("collect_package"), state=State.WAITING)
    words = stand.action().todo.partition("bulkhead approve ")[2].split()
    assert words == [INCIDENT, "host1", "--responder", "isolate"]
    stand.order("approve", incident=words[0], device=words[1], responder=words[3])
    assert (stand.action().state, stand.action("collect_package").state) == (State.PLANNED, State.WAITING)


def two_of_one_label() -> Stand:
    """Two devices of one incident have the same first label, and the isolation of both waits."""
    stand = Stand({"ISOLATION_CAPS": NONE})
    found = []
    for device, name in ((HOST, "web01.a.example"), (OTHER, "web01.b.example")):
        alert = samples.harmful_incident(INCIDENT, device_id=device, created=stand.clock.now())["alerts"][0]
        for each in alert["evidence"]:
            if each.get("mdeDeviceId") == device:
                each.update(deviceDnsName=name, hostName="web01")
        found.append(alert)
    stand.harm(HOST, OTHER, alerts=found)
    return stand


def test_of_two_devices_with_one_first_label_each_has_a_command_of_its_own() -> None:
    stand = two_of_one_label()
    for device in (HOST, OTHER):
        words = stand.action(device=device).todo.partition("bulkhead approve ")[2].split()
        assert words == [INCIDENT, device[:8], "--responder", "isolate"]
    assert stand.order("approve", incident=INCIDENT, device=HOST[:8], responder="isolate").state is Stage.DONE
    stand.wait(60)
    assert (stand.isolated(HOST), stand.isolated(OTHER)) == (True, False)


def test_a_label_that_two_devices_have_means_neither_once_only_one_of_them_waits() -> None:
    stand = two_of_one_label()
    both = ", ".join(sorted([f"web01.a.example ({HOST[:8]})", f"web01.b.example ({OTHER[:8]})"], key=lambda e: e[17:]))
    for _ in range(2):
        record = stand.order("approve", incident=INCIDENT, device="web01")
        assert record.state is Stage.REFUSED
        assert record.answer == f"several devices are called so: {both}; give the start of the id"
        stand.order("approve", action=stand.action(device=HOST).id)
        stand.wait(60)


def test_a_device_that_was_onboarded_again_is_no_other_one() -> None:
    """It has the name that it had, and another id."""
    stand = waiting(HOST, OTHER)
    rewritten(stand, stand.action(device=OTHER), device_name=stand.action().device_name, state=State.FAILED)
    assert stand.order("approve", incident=INCIDENT, device="host1").state is Stage.DONE


@pytest.mark.parametrize("kind", ["approve", "refuse"])
def test_what_came_to_wait_after_the_order_was_asked_is_not_meant(kind: str) -> None:
    """The order lay in the queue; and whoever names one action means that one whenever it began to wait."""
    stand = waiting(HOST)
    stand.clock.advance(60)
    text = stand.message(kind, incident=INCIDENT)
    stand.clock.advance(600)
    stand.grow(OTHER)
    stand.flow.order(text)
    record = stand.record("order-001")
    assert record.state is Stage.DONE
    left = stand.action(device=OTHER)
    assert f"; not {kind}d: isolate on host2 ({left.id}): it came to wait after this was asked" in record.answer
    assert (stand.action().state is State.WAITING, left.state) == (False, State.WAITING)
    late = stand.message(kind, incident=INCIDENT, device="host2", at="2026-01-05T09:01:00Z")
    stand.flow.order(late)
    assert stand.record("order-002").state is Stage.REFUSED
    stand.flow.order(stand.message(kind, action=left.id, at="2026-01-05T09:01:00Z"))
    assert stand.record("order-003").state is Stage.DONE


def test_a_domain_controller_is_isolated_where_a_person_says_so() -> None:
    stand = Stand()
    stand.harm(CONTROLLER)
    assert stand.action(device=CONTROLLER).state is State.WAITING
    stand.order("approve", incident=INCIDENT, device="dc1")
    stand.wait(60)
    assert stand.isolated(CONTROLLER)


def over_the_cap() -> Stand:
    """A stand where a device is over a cap, so that nobody reads that it has the tag of a domain controller."""
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 1, "fleet_share": 1.0}'})
    stand.tenant.fleet.put({"id": OTHER, "machineTags": ["ADDomainController"]})
    stand.harm(HOST, OTHER)
    stand.wait(60)
    assert stand.action(device=OTHER).facts is None
    return stand


def test_a_cap_names_the_device_and_what_else_is_to_be_weighed() -> None:
    """One approval passes both, so a person has to hear of both."""
    waits = over_the_cap().action(device=OTHER)
    assert waits.detail.startswith("the cap of 1 isolations per incident is reached; ")
    assert "whether it is a domain controller or Hyper-V host is not known" in waits.detail
    assert waits.todo.endswith(f"if so: bulkhead approve {INCIDENT} host2 --responder isolate")


def test_a_cap_does_not_hide_that_a_rule_asks_for_approval() -> None:
    """By its name it is a domain controller, whatever its details say."""
    waits = waiting(HOST, CONTROLLER).action(device=CONTROLLER)
    assert waits.facts is None
    assert waits.detail.endswith("is reached; the rule many-depend-on-it asks for approval")


def test_what_was_approved_before_anybody_knew_its_role_waits_again() -> None:
    """Who says yes to one device too many has not said yes to a domain controller."""
    stand = over_the_cap()
    stand.order("approve", incident=INCIDENT)
    stand.wait(60)
    waits = stand.action(device=OTHER)
    assert (waits.state, waits.approved, stand.isolated(OTHER)) == (State.WAITING, False, False)
    assert waits.detail == "it looks like a domain controller, which nobody knew when Ann approved it"
    assert waits.todo.endswith(f"then: bulkhead approve {INCIDENT} host2 --responder isolate")
    stand.wait(60)
    assert "which nobody knew when Ann approved it" in stand.told()


def test_a_second_approval_counts_once_the_role_is_known() -> None:
    stand = over_the_cap()
    for _ in range(2):
        stand.order("approve", incident=INCIDENT)
        stand.wait(700)
    assert stand.isolated(OTHER)


def test_what_is_approved_though_its_role_is_known_is_done_when_it_is_read_again() -> None:
    stand = Stand()
    stand.harm(CONTROLLER)
    stand.wait(700)
    stand.order("approve", incident=INCIDENT)
    stand.wait(60)
    assert stand.isolated(CONTROLLER)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"incident": "404"}, "nothing of incident 404 waits for a person"),
        ({"incident": INCIDENT, "device": "host9"}, "waits; waiting: isolate on host1"),
        ({"incident": INCIDENT, "device": HOST[:7]}, "waits; waiting: isolate on host1"),
        ({"incident": INCIDENT, "responder": "collect_package"}, "no such action"),
        ({"action": "0" * 16}, "no action of ours has this id"),
    ],
)
def test_where_nothing_waits_the_answer_says_so(about: dict[str, object], words: str) -> None:
    stand = waiting()
    record = stand.order("approve", **about)
    assert record.state is Stage.REFUSED
    assert words in record.answer
    assert stand.action().state is State.WAITING


def test_a_name_that_two_devices_have_is_not_enough() -> None:
    """What is meant is not guessed: the wrong device would be cut off."""
    stand = waiting(HOST, OTHER)
    rewritten(stand, stand.action(device=OTHER), device_name="host1.elsewhere.example")
    record = stand.order("approve", incident=INCIDENT, device="host1")
    assert (record.state, "several devices" in record.answer) == (Stage.REFUSED, True)
    assert not stand.posts("/isolate")


def test_what_is_approved_already_does_not_wait() -> None:
    stand = waiting()
    stand.order("approve", incident=INCIDENT)
    record = stand.order("approve", action=stand.action().id)
    assert record.state is Stage.REFUSED
    assert "it does not wait: it is next to be sent" in record.answer


# Never


def test_protection_passes_no_approval() -> None:
    stand = waiting()
    rewritten(stand, stand.action(), device_name="cfo.contoso.com")
    stand.restart({"ISOLATION_CAPS": NONE, "PROTECTED": '{"names": ["cfo"]}'})
    record = stand.order("approve", incident=INCIDENT)
    assert record.state is Stage.REFUSED
    assert "protected (by name)" in record.answer
    assert stand.action().state is State.WAITING


def test_a_tag_that_protects_is_seen_when_it_is_sent() -> None:
    """The details that were read when it was planned are old by then."""
    stand = waiting()
    stand.restart({"ISOLATION_CAPS": NONE, "PROTECTED": '{"tags": ["Crown"]}'})
    stand.tenant.fleet.put({"id": HOST, "machineTags": ["Crown"]})
    stand.wait(700)
    stand.order("approve", incident=INCIDENT)
    stand.wait(60)
    assert stand.action().state is State.REFUSED
    assert not stand.posts("/isolate")


def test_the_mode_passes_no_approval() -> None:
    stand = waiting()
    stand.restart({"RESPONSE_MODE": "observe"})
    record = stand.order("approve", incident=INCIDENT)
    assert (record.state, "RESPONSE_MODE is observe" in record.answer) == (Stage.REFUSED, True)
    assert stand.action().state is State.WAITING


def test_a_hold_passes_no_approval() -> None:
    stand = waiting()
    stand.order("hold", why="maintenance")
    record = stand.order("approve", incident=INCIDENT)
    assert (record.state, "first: bulkhead resume" in record.answer) == (Stage.REFUSED, True)
    stand.order("resume")
    assert stand.order("approve", incident=INCIDENT).state is Stage.DONE


# Refused


def test_what_a_person_refuses_is_never_done_and_says_who_and_why() -> None:
    stand = waiting()
    record = stand.order("refuse", incident=INCIDENT, why="it is the test bench")
    assert record.state is Stage.DONE
    assert (stand.action().state, stand.action().detail) == (State.REFUSED, "by Ann: it is the test bench")
    stand.wait(60)
    assert "was refused: by Ann: it is the test bench" in stand.told()
    assert stand.order("approve", action=stand.action().id).state is Stage.REFUSED
    assert not stand.isolated()


# Too late


def test_what_waits_may_be_approved_for_so_long_and_is_then_refused_aloud() -> None:
    stand = waiting(settings={"APPROVAL_EXPIRES": "PT10M"})
    stand.wait(595)
    assert stand.action().state is State.WAITING
    stand.wait(10)
    over = stand.action()
    assert over.state is State.REFUSED
    assert over.detail.startswith("nobody approved it in time; the cap of 0")
    assert over.todo == f"if it is still called for: bulkhead retry {over.id}"
    assert stand.told().count('"text": "Response ended: incident 7, severity high", "blocks"') == 2
    assert "nobody approved it in time" in stand.told()


def test_an_approval_after_that_does_nothing_though_nobody_has_looked_yet() -> None:
    stand = waiting(settings={"APPROVAL_EXPIRES": "PT10M"})
    stand.clock.advance(600)
    record = stand.order("approve", incident=INCIDENT)
    assert record.state is Stage.REFUSED
    assert "its approval expired at 2026-01-05 09:10 UTC; anew: bulkhead retry" in record.answer
    stand.wait(60)
    assert not stand.isolated()


def test_what_waits_anew_has_all_its_time_anew() -> None:
    """Approved, then stopped by the mode before it was sent."""
    stand = waiting(settings={"APPROVAL_EXPIRES": "PT10M"})
    stand.clock.advance(590)
    stand.order("approve", incident=INCIDENT)
    stand.restart({"RESPONSE_MODE": "observe", "APPROVAL_EXPIRES": "PT10M"})
    stand.wait(300)
    assert stand.action().state is State.WAITING
    assert stand.action().approve_by == stand.action().since + stand.ports.settings.APPROVAL_EXPIRES


# What was merged


def test_what_waits_of_an_incident_that_was_merged_is_approved_by_either_number() -> None:
    for number in (INCIDENT, "8"):
        stand = waiting(HOST)
        stand.harm(OTHER, incident="8")
        stand.tenant.incidents.change(INCIDENT, {"status": "redirected", "redirectIncidentId": "8"})
        stand.grow(HOST, incident="8")
        stand.wait(10)
        assert stand.ports.ledger.absorbed("8") == [INCIDENT]
        assert stand.order("approve", incident=number, device="host1").answer.startswith("approved: isolate on host1")
        stand.wait(60)
        assert (stand.isolated(HOST), stand.isolated(OTHER)) == (True, False)


# What people are told to do


def test_what_people_are_told_to_do_is_what_they_can_order() -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_incident": 5, "fleet_share": 1.0}'})
    stand.harm(CONTROLLER, PROTECTED)
    assert stand.action(device=CONTROLLER).todo.endswith(f"then: bulkhead approve {INCIDENT} dc1 --responder isolate")
    assert "Defender portal" in stand.action(device=PROTECTED).todo


@pytest.mark.parametrize("name", ["x; rm -rf ~", "$(reboot)", "--yes", "", "a b", "ｈｏｓｔ"])
def test_no_device_can_put_words_into_a_command(name: str) -> None:
    """Names come from telemetry, and people copy commands."""
    stand = Stand({"ISOLATION_CAPS": NONE})
    stand.harm(HOST)
    assert stand.action().model_copy(update={"device_name": f"{name}.contoso.com"}).label == HOST[:8]
