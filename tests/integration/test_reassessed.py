"""An incident that changes is judged anew: what is news acts, what is none does not, and nothing is done twice.

The whole flow over HTTP to the simulated tenant, on its own clock. Foreign actions too: adopted as facts, never fought.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from local.tenant import samples
from shared.models.action import Action, State
from shared.models.plan import Verdict
from tests.contract.test_clients_stand import HOST, OTHER, stands
from tests.integration.test_refusals_told import ID, Bench, bench_of

LATER = "8"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with stands("http") as opening:
        made = bench_of(opening())
        made.tick()
        yield made
        assert made.rose == []


def harmful(bench: Bench, incident: str = ID, device: str = HOST, **members: object) -> None:
    now = bench.clock.now()
    bench.stand.tenant.incidents.put(samples.harmful_incident(incident, device_id=device, created=now) | members)


def change(bench: Bench, incident: str = ID, **members: object) -> None:
    bench.stand.tenant.incidents.change(incident, members)


def new_alert(bench: Bench, device: str) -> list[object]:
    """An alert of this moment on a device."""
    alerts: list[object] = samples.harmful_incident("x", device_id=device, created=bench.clock.now())["alerts"][:1]
    return alerts


def rounds(bench: Bench, responder: str, incident: str = ID, device: str = HOST) -> list[Action]:
    found = [each for each in bench.ports.ledger.actions(incident) if each.responder == responder]
    return sorted((each for each in found if each.device == device), key=lambda each: each.round)


def isolations(bench: Bench, device: str = HOST) -> int:
    """How often the tenant was asked to isolate a device."""
    path = f"/api/machines/{device}/isolate"
    return sum(entry["path"] == path for entry in bench.stand.tenant.journal.entries())


def over(bench: Bench, *incidents: str, ticks: int = 60) -> None:
    """Let it run until every action of the incidents is settled and nothing has changed for a minute."""
    quiet, actions = 0, list[Action]()
    for _ in range(ticks):
        bench.tick()
        actions = [each for incident in incidents for each in bench.ports.ledger.actions(incident)]
        quiet = quiet + 1 if all(each.state.settled for each in actions) else 0
        if quiet > 6:
            return
    raise AssertionError([f"{each.key} {each.state} {each.detail}" for each in actions])


def summary(bench: Bench, incident: str = ID) -> str:
    found = [text for text in bench.told("slack") if f"Response ended: incident {incident}," in text]
    return found[-1]


def verdict(bench: Bench, incident: str = ID) -> str:
    entry = bench.ports.ledger.incident(incident)
    assert entry
    return entry.value.verdict


# What is news


def test_a_raised_severity_contains_what_was_only_collected_from(bench: Bench) -> None:
    now = bench.clock.now()
    bench.stand.tenant.incidents.put(samples.low_severity_incident(ID, device_id=HOST, created=now))
    over(bench, ID)
    assert not rounds(bench, "isolate")
    change(bench, severity="high")
    over(bench, ID)
    assert [each.state for each in rounds(bench, "isolate")] == [State.SUCCEEDED]
    assert [each.state for each in rounds(bench, "collect_package")] == [State.SUCCEEDED] * 2
    assert bench.stand.tenant.isolated(HOST)
    assert len([text for text in bench.told("slack") if "Response ended" in text]) == 2


def test_a_new_alert_on_a_device_that_we_hold_collects_again_and_isolates_nothing_twice(bench: Bench) -> None:
    harmful(bench)
    over(bench, ID)
    change(bench, alerts=new_alert(bench, HOST))
    over(bench, ID)
    assert isolations(bench) == 1
    assert len(rounds(bench, "isolate")) == 1
    assert [each.state for each in rounds(bench, "collect_package")] == [State.SUCCEEDED] * 2


def test_a_new_device_is_contained_and_the_first_one_is_left_as_it_is(bench: Bench) -> None:
    harmful(bench)
    over(bench, ID)
    change(bench, alerts=new_alert(bench, OTHER))
    over(bench, ID)
    assert [isolations(bench, device) for device in (HOST, OTHER)] == [1, 1]
    assert len(rounds(bench, "collect_package")) == 1
    assert [each.state for each in rounds(bench, "isolate", device=OTHER)] == [State.SUCCEEDED]


def test_a_merged_incident_leaves_what_was_done_and_nothing_is_repeated(bench: Bench) -> None:
    harmful(bench)
    over(bench, ID)
    harmful(bench, LATER, OTHER)
    over(bench, LATER)
    bench.stand.tenant.incidents.merge(ID, LATER)
    over(bench, ID, LATER)
    assert [isolations(bench, device) for device in (HOST, OTHER)] == [1, 1]
    assert not rounds(bench, "isolate", LATER, HOST)
    slot = bench.ports.ledger.slot(HOST)
    assert slot
    assert slot.value.holders == (LATER,)


def test_merged_before_anything_was_sent_the_other_incident_acts_once(bench: Bench) -> None:
    """Both are seen in one reading: what was planned for neither is planned for the one that goes on."""
    harmful(bench)
    harmful(bench, LATER, OTHER)
    bench.stand.tenant.incidents.merge(ID, LATER)
    over(bench, ID, LATER)
    assert [isolations(bench, device) for device in (HOST, OTHER)] == [1, 1]
    assert not bench.ports.ledger.actions(ID)


def test_reopened_as_a_new_one_it_joins_what_still_holds(bench: Bench) -> None:
    harmful(bench)
    over(bench, ID)
    change(bench, status="resolved", classification="truePositive")
    over(bench, ID)
    harmful(bench, LATER)
    over(bench, LATER)
    assert isolations(bench) == 1
    [again] = rounds(bench, "isolate", LATER)
    assert (again.state, again.detail) == (State.SUCCEEDED, "we hold it isolated already")
    assert [each.state for each in rounds(bench, "collect_package", LATER)] == [State.SUCCEEDED]


def test_reopened_as_a_new_one_after_a_persons_release_its_newer_alert_contains_it_again(bench: Bench) -> None:
    harmful(bench)
    over(bench, ID)
    change(bench, status="resolved", classification="truePositive")
    bench.stand.tenant.person_orders("unisolate", HOST)
    bench.tick(12)
    bench.flow.housekeeping()
    harmful(bench, LATER)
    over(bench, LATER)
    assert isolations(bench) == 2
    assert bench.stand.tenant.isolated(HOST)


# What ends it


@pytest.mark.parametrize("classification", ["falsePositive", "informationalExpectedActivity"])
def test_what_a_person_calls_harmless_before_it_is_sent_is_withdrawn(bench: Bench, classification: str) -> None:
    harmful(bench, device=samples.fleet_id(0))
    for _ in range(20):
        bench.tick()
        found = rounds(bench, "isolate", device=samples.fleet_id(0))
        if found and found[0].state is State.WAITING:
            break
    change(bench, status="resolved", classification=classification)
    over(bench, ID)
    [isolation] = rounds(bench, "isolate", device=samples.fleet_id(0))
    assert isolation.state is State.WITHDRAWN
    assert "harmless" in isolation.detail
    assert not isolations(bench, samples.fleet_id(0))
    entry = bench.ports.ledger.incident(ID)
    assert entry
    assert entry.value.verdict == Verdict.HARMLESS


def test_resolved_without_saying_that_it_was_nothing_a_person_decides(bench: Bench) -> None:
    """What is done stays; what is new waits."""
    harmful(bench)
    over(bench, ID)
    change(bench, status="resolved", classification="truePositive", alerts=new_alert(bench, OTHER))
    over(bench, ID)
    assert bench.stand.tenant.isolated(HOST)
    [waiting] = rounds(bench, "isolate", device=OTHER)
    assert waiting.state is State.WAITING
    assert "somebody resolved the incident" in waiting.detail
    assert not isolations(bench, OTHER)


def test_what_changes_nothing_opens_no_round(bench: Bench) -> None:
    """Our own tag and comment come back to us as a change; so does who is assigned, or a comment of a person."""
    harmful(bench)
    over(bench, ID)
    before = [each.key for each in bench.ports.ledger.actions(ID)]
    told = len(bench.told("slack"))
    change(bench, assignedTo="analyst@contoso.com", customTags=["bulkhead", "seen"])
    bench.stand.tenant.comment(ID, {"comment": "on it"}, "analyst@contoso.com")
    over(bench, ID)
    assert [each.key for each in bench.ports.ledger.actions(ID)] == before
    assert len(bench.told("slack")) == told


# What others do


@pytest.mark.parametrize("who", ["analyst@contoso.com", "Microsoft attack disruption", "SOAR of somebody"])
def test_somebody_elses_isolation_is_a_fact_and_is_never_undone_or_repeated(bench: Bench, who: str) -> None:
    bench.stand.tenant.person_orders("isolate", HOST, who)
    bench.tick(6)
    harmful(bench, displayName="Ransomware activity (attack disruption)")
    over(bench, ID)
    [isolation] = rounds(bench, "isolate")
    assert (isolation.state, isolation.foreign) == (State.ELSEWHERE, True)
    assert isolations(bench) == 0
    assert who.partition("@")[0] in summary(bench)
    assert "attack disruption by Microsoft is under way" in summary(bench)
    assert bench.ports.ledger.slot(HOST) is None


def test_what_attack_disruption_has_dealt_with_waits_for_a_person(bench: Bench) -> None:
    incident = samples.harmful_incident(ID, device_id=HOST, created=bench.clock.now())
    for alert in incident["alerts"]:
        for item in alert["evidence"]:
            if item["verdict"] in {"malicious", "suspicious"}:
                item["remediationStatus"] = "blocked"
    bench.stand.tenant.incidents.put(incident | {"displayName": "Ransomware activity (attack disruption)"})
    over(bench, ID)
    [isolation] = rounds(bench, "isolate")
    assert isolation.state is State.WAITING
    assert isolations(bench) == 0
    assert "bulkhead approve" in summary(bench)


def test_a_release_by_whom_it_may_be_is_not_fought(bench: Bench) -> None:
    """Not by a later version of the incident that says nothing new of the device."""
    harmful(bench)
    over(bench, ID)
    bench.stand.tenant.person_orders("unisolate", HOST, "Microsoft attack disruption")
    bench.tick(12)
    bench.flow.housekeeping()
    change(bench, alerts=new_alert(bench, OTHER))
    over(bench, ID)
    assert isolations(bench) == 1
    assert not bench.stand.tenant.isolated(HOST)
    assert bench.ports.ledger.slot(HOST) is None


def test_an_isolation_under_way_by_somebody_else_is_followed_to_its_end(bench: Bench) -> None:
    made = bench.stand.tenant.person_orders("isolate", HOST)
    bench.clock.advance(6)
    harmful(bench)
    for _ in range(60):
        if rounds(bench, "isolate") and rounds(bench, "isolate")[0].machine_action:
            break
        bench.flow.watch()
        bench.flow.assess(ID)
    [isolation] = rounds(bench, "isolate")
    assert (isolation.machine_action, isolation.foreign) == (made["id"], True)
    over(bench, ID)
    assert rounds(bench, "isolate")[0].state is State.ELSEWHERE
    assert isolations(bench) == 0
    assert "somebody else" in summary(bench)


def test_age_counts_from_the_newest_alert(bench: Bench) -> None:
    """An old incident that grows is news; one that only changes is not."""
    old = samples.harmful_incident(ID, device_id=HOST, created=bench.clock.now() - timedelta(hours=9))
    bench.stand.tenant.incidents.put(old)
    change(bench)
    over(bench, ID)
    assert [each.state for each in rounds(bench, "isolate")] == [State.WAITING]
    change(bench, alerts=new_alert(bench, OTHER))
    over(bench, ID)
    assert [each.state for each in rounds(bench, "isolate", device=OTHER)] == [State.SUCCEEDED]
    assert not isolations(bench)


def test_a_classification_that_is_taken_back_brings_back_what_was_withdrawn(bench: Bench) -> None:
    """The incident then says what it said at first, but what was decided at first knows nothing of the withdrawal."""
    bench.stand.tenant.fleet.put({"id": HOST, "computerDnsName": "dc01.contoso.com"})
    harmful(bench)
    over(bench, ID)
    assert [each.state for each in rounds(bench, "isolate")] == [State.WAITING]
    for _ in range(2):
        change(bench, classification="falsePositive")
        over(bench, ID)
        assert verdict(bench) == Verdict.HARMLESS
        assert rounds(bench, "isolate")[-1].state is State.WITHDRAWN
        change(bench, classification="unknown")
        over(bench, ID)
        assert verdict(bench) == Verdict.HARMFUL
        assert rounds(bench, "isolate")[-1].state is State.WAITING
    assert len(rounds(bench, "isolate")) == 3
