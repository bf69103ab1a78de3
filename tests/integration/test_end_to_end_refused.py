"""What a tenant cannot have, what it lost, and what it merged: each said once, in words, and nothing done twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.tenant import samples
from shared.models.action import State
from tests.integration.stage_harness import Json, Play, eventually, played

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

UNLICENSED, LATER, FORBIDDEN, GONE, SOURCE, TARGET = "4101", "4102", "4103", "4104", "4105", "4106"
DEVICE = {incident: samples.fleet_id(int(incident) - 4080) for incident in (UNLICENSED, LATER, FORBIDDEN, SOURCE)}
LEFT, BACK = "b" * 40, "c" * 40
COLLECT = "/collectInvestigationPackage"
FAULTS: list[Json] = [
    {"kind": "status", "method": "POST", "path": f"{COLLECT}$", "status": 403, "code": "DisabledFeature"},
    {
        "kind": "status",
        "method": "POST",
        "path": f"^/api/machines/{DEVICE[FORBIDDEN]}/isolate$",
        "status": 403,
        "code": "Forbidden",
    },
]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """One incident after the other, so that the second meets what the first has learnt; then a merge."""
    with played(tmp_path_factory.mktemp("refused")) as stage:
        stage.fault(*FAULTS)
        stage.control("POST", "machines", [{"id": BACK, "computerDnsName": "laptop9.contoso.com"}])
        stage.raise_incidents(samples.harmful_incident(UNLICENSED, device_id=DEVICE[UNLICENSED]))
        stage.await_over(UNLICENSED)
        gone = samples.harmful_incident(GONE, device_id=LEFT)
        for evidence in (each for alert in gone["alerts"] for each in alert["evidence"]):
            if evidence.get("mdeDeviceId") == LEFT and "deviceDnsName" in evidence:
                evidence["deviceDnsName"] = "laptop9.contoso.com"
        others = [samples.harmful_incident(each, device_id=DEVICE[each]) for each in (LATER, FORBIDDEN, SOURCE)]
        stage.raise_incidents(*others, gone, samples.harmful_incident(TARGET, device_id=DEVICE[LATER]))
        stage.await_over(LATER, FORBIDDEN, GONE, SOURCE, TARGET)
        stage.change_incident(SOURCE, {})
        stage.control("POST", f"incidents/{SOURCE}/merge", {"into": TARGET})
        eventually(lambda: stage.ledger.absorbed(TARGET) == [SOURCE], "the merge is known", story=stage.story)
        stage.await_over(SOURCE, TARGET)
        yield stage


def summary(play: Play, incident: str) -> str:
    return next(each.text for each in reversed(play.told(incident)) if each.kind == "ended")


def test_what_the_tenant_cannot_have_is_asked_for_once_and_not_for_every_device(play: Play) -> None:
    assert len(play.requests("POST", COLLECT)) == 1
    assert play.action(UNLICENSED, "collect_package").state is State.UNAVAILABLE
    assert not [each for each in play.ledger.actions(LATER) if each.responder == "collect_package"]


def test_people_read_what_is_missing_in_every_summary_and_as_one_alarm(play: Play) -> None:
    for incident in (UNLICENSED, LATER):
        assert "turned off in this tenant" in summary(play, incident)
        assert "advanced features" in summary(play, incident)
    alarms = {str(each["message"]) for each in play.control("GET", "messages")["value"]}  # told at least once
    assert sum("unavailable collect_package" in each for each in alarms) == 1


def test_containment_does_not_wait_for_what_cannot_be_had(play: Play) -> None:
    assert play.isolated(DEVICE[UNLICENSED])
    assert play.isolated(DEVICE[LATER])


def test_a_missing_role_is_named_where_the_isolation_failed(play: Play) -> None:
    assert play.action(FORBIDDEN, "isolate").state is State.FAILED
    assert "Machine.Isolate" in summary(play, FORBIDDEN)
    assert not play.isolated(DEVICE[FORBIDDEN])


def test_a_device_that_left_is_not_acted_on_and_its_namesake_is_named(play: Play) -> None:
    assert not [action for action in play.ledger.actions(GONE) if action.device]
    assert BACK in summary(play, GONE)
    assert not play.actions(BACK, "Isolate")


def test_what_was_done_for_a_merged_incident_is_not_done_again(play: Play) -> None:
    assert len(play.actions(DEVICE[SOURCE], "Isolate")) == 1
    assert play.action(SOURCE, "isolate").state is State.SUCCEEDED
    assert {each.device for each in play.ledger.actions(TARGET) if each.device} == {DEVICE[LATER]}
    slot = play.ledger.slot(DEVICE[SOURCE])
    assert slot
    assert slot.value.holders == (TARGET,)


def test_isolations_come_with_what_to_mind(play: Play) -> None:
    assert "force-release" in summary(play, UNLICENSED)
