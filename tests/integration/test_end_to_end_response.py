"""From a new incident to an isolated device and an archived package: what is done, what is not, and what is told.

One stage plays every scene at once, each on devices of its own; the tests look at what came of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.tenant import samples
from local.tenant.evidence import device_evidence
from shared.models.action import State
from tests.integration.stage_harness import Json, Play, eventually, moment, own_package, played

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

NOW = datetime.now(UTC)
HARMFUL, HARMLESS, PROTECTED, LOW, CONTROLLER_TAG, CONTROLLER_NAME = "3001", "3002", "3003", "3004", "3005", "3006"
STALE, TAKEN, RELEASED, PENDING, TWIN, OTHER_TWIN, GROWING = "3007", "3008", "3009", "3010", "3011", "3012", "3013"
DEVICE = {incident: samples.fleet_id(int(incident) - 2990) for incident in map(str, range(3001, 3014))}
DEVICE[OTHER_TWIN] = DEVICE[TWIN]
JOINER = samples.fleet_id(50)
KINDS = ["started", "contained", "ended"]
KIND_COLLECT = "CollectInvestigationPackage"


def every_incident() -> list[Json]:
    old = NOW - timedelta(hours=3)
    plain = (HARMFUL, CONTROLLER_NAME, TAKEN, PENDING, TWIN, OTHER_TWIN, GROWING)
    return [
        *(samples.harmful_incident(each, device_id=DEVICE[each]) for each in plain),
        samples.harmless_incident(HARMLESS, device_id=DEVICE[HARMLESS]),
        samples.protected_incident(PROTECTED, device_id=DEVICE[PROTECTED], tag="Payroll"),
        samples.low_severity_incident(LOW, device_id=DEVICE[LOW]),
        samples.protected_incident(CONTROLLER_TAG, device_id=DEVICE[CONTROLLER_TAG]),
        samples.harmful_incident(STALE, device_id=DEVICE[STALE], created=old),
        samples.harmful_incident(RELEASED, device_id=DEVICE[RELEASED], created=NOW - timedelta(minutes=1)),
    ]


def prepare(play: Play) -> str:
    """What people did before, and what the machines are; gives the SHA-256 of the first device's package."""
    machine, digest = own_package(play.stage.folder, DEVICE[HARMFUL])
    changes = [
        machine,
        {"id": DEVICE[PROTECTED], "machineTags": ["payroll"]},
        {"id": DEVICE[CONTROLLER_NAME], "computerDnsName": "site7-dc02.contoso.com"},
        {"id": DEVICE[PENDING], "online": False},
    ]
    play.control("POST", "machines", changes)
    for incident in (TAKEN, RELEASED, PENDING):
        play.control("POST", "people/isolate", {"machineId": DEVICE[incident], "by": "alice@contoso.com"})
    eventually(lambda: play.isolated(DEVICE[RELEASED]), "it is isolated")
    play.control("POST", "people/release", {"machineId": DEVICE[RELEASED], "by": "bob@contoso.com"})
    eventually(lambda: not play.isolated(DEVICE[RELEASED]), "it is released")
    eventually(lambda: play.isolated(DEVICE[TAKEN]), "it is isolated")
    return digest


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Every scene, played to its end; where a scene has a second part, that is played afterwards."""
    folder = tmp_path_factory.mktemp("response")
    protected = json.dumps({"tags": ["Payroll"]})
    with played(folder, tenant={"duplicate_isolate": "silent"}, PROTECTED=protected) as stage:
        stage.notes["digest"] = prepare(stage)
        stage.raise_incidents(*every_incident())
        waits = {PENDING}
        stage.await_over(*(set(DEVICE) - waits))
        stage.notes["while pending"] = stage.kinds_told(PENDING)
        stage.notes["after release"] = stage.action(RELEASED, "isolate").model_dump()
        stage.control("POST", f"machines/{DEVICE[PENDING]}/online")
        newer = {"title": "Again", "severity": "high", "createdDateTime": datetime.now(UTC).isoformat()}
        for incident, device in ((GROWING, JOINER), (RELEASED, DEVICE[RELEASED])):
            evidence = [device_evidence(device, NOW, roles=["compromised"])]
            stage.change_incident(incident, {"alerts": [{**newer, "evidence": evidence}]})
        stage.await_over(PENDING, GROWING, RELEASED)
        yield stage


def test_a_harmful_incident_isolates_its_device_once(play: Play) -> None:
    device = DEVICE[HARMFUL]
    assert len(play.requests("POST", f"/{device}/isolate")) == 1
    [action] = play.actions(device, "Isolate")
    assert (action["status"], action["scope"], action["requestor"]) == ("Succeeded", "Full", "Bulkhead")
    assert action["requestorComment"].startswith(f"Bulkhead: isolate for incident {HARMFUL}. [bulkhead end-to-end/")
    assert play.isolated(device)


def test_a_device_that_was_only_scanned_is_left_alone(play: Play) -> None:
    """Every harmful sample names the domain controller as scanned."""
    assert play.requests("POST", f"/{samples.fleet_id(0)}/isolate") == []
    assert play.requests("POST", f"/{samples.fleet_id(0)}/collectInvestigationPackage") == []


def test_the_package_is_archived_once_as_the_tenant_served_it(play: Play) -> None:
    files = play.archived(HARMFUL)
    [package] = [name for name in files if name.endswith("/investigation-package.zip")]
    assert hashlib.sha256(files[package]).hexdigest() == play.notes["digest"]
    action = play.action(HARMFUL, "collect_package")
    assert action.state is State.SUCCEEDED
    assert {each.name: each.sha256 for each in action.artefacts} == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items()
    }
    assert len(play.actions(DEVICE[HARMFUL], "CollectInvestigationPackage")) == 1


def test_each_run_is_sealed_and_as_it_was_sealed(play: Play) -> None:
    """With the key that the app made for itself, since none in a vault was named."""
    found = play.checked(HARMFUL)
    assert [run for run in found if run.endswith("-collect-package-01")]
    assert [run for run in found if "-hunt-" in run]
    for checked in found.values():
        assert list(map(str, checked.findings)) == []
        assert checked.signed == f"{checked.key} (local key)"


def test_what_the_device_did_is_hunted_for(play: Play) -> None:
    names = {name.rpartition("/")[2] for name in play.archived(HARMFUL, "hunt")}
    assert {"processes.jsonl", "network.jsonl", "same-addresses.jsonl", "overview.json"} <= names
    hunts = [each for each in play.ledger.actions(HARMFUL) if each.responder == "hunt"]
    assert {each.device: each.state for each in hunts} == dict.fromkeys(("", DEVICE[HARMFUL]), State.SUCCEEDED)


def test_incident_and_alerts_lie_beside_the_package(play: Play) -> None:
    files = {name.rpartition("/")[2]: data for name, data in play.archived(HARMFUL).items()}
    assert set(files) == {"investigation-package.zip", "incident.json", "alerts.json"}
    incident = json.loads(files["incident.json"])
    assert incident["id"] == HARMFUL
    assert json.loads(files["alerts.json"]) == incident["alerts"]
    assert len(incident["alerts"]) == 2


def test_the_collection_begins_once_the_device_is_contained(play: Play) -> None:
    [isolate] = play.actions(DEVICE[HARMFUL], "Isolate")
    [collect] = play.actions(DEVICE[HARMFUL], "CollectInvestigationPackage")
    assert moment(collect["creationDateTimeUtc"]) > moment(isolate["lastUpdateDateTimeUtc"])


def test_the_incident_gets_our_tag_and_one_comment(play: Play) -> None:
    incident = play.incident(HARMFUL)
    assert incident["customTags"] == ["bulkhead"]
    [comment] = incident["comments"]
    assert comment["comment"].startswith(f"Response ended: incident {HARMFUL}")
    assert "[bulkhead end-to-end/" in comment["comment"]


def test_chat_hears_of_the_start_the_containment_and_the_end_in_this_order(play: Play) -> None:
    assert play.kinds_told(HARMFUL) == KINDS
    started, contained, ended = play.told(HARMFUL)
    assert "may do harm" in started.text
    assert "is done" in contained.text
    assert play.notes["digest"] in ended.text
    assert f"bulkhead release {DEVICE[HARMFUL]}" in ended.text


@pytest.mark.parametrize("incident", [HARMFUL, PENDING, TWIN, GROWING])
def test_nothing_is_announced_before_it_is_final(play: Play, incident: str) -> None:
    told = play.told(incident)
    [isolate] = play.actions(DEVICE[incident], "Isolate")
    final = moment(isolate["lastUpdateDateTimeUtc"])
    assert all(each.at > final for each in told if each.kind in {"contained", "ended"})
    collected = [moment(each["lastUpdateDateTimeUtc"]) for each in play.actions(DEVICE[incident], KIND_COLLECT)]
    assert all(each.at > min(collected) for each in told if each.kind == "ended")


def test_a_harmless_incident_is_left_alone_and_nobody_is_told(play: Play) -> None:
    entry = play.ledger.incident(HARMLESS)
    assert entry is not None
    assert entry.value.verdict == "very likely harmless"
    assert play.ledger.actions(HARMLESS) == []
    assert play.told(HARMLESS) == []
    incident = play.incident(HARMLESS)
    assert (incident["customTags"], incident["comments"]) == ([], [])
    assert play.actions(DEVICE[HARMLESS], "Isolate") + play.actions(DEVICE[HARMLESS], KIND_COLLECT) == []


def test_a_protected_device_is_never_isolated_but_collected_from_and_told(play: Play) -> None:
    assert play.requests("POST", f"/{DEVICE[PROTECTED]}/isolate") == []
    assert play.action(PROTECTED, "isolate").state is State.REFUSED
    assert len(play.archived(PROTECTED)) == 3
    assert play.kinds_told(PROTECTED) == ["started", "ended"]
    assert "the device is protected (by tag payroll)" in play.told(PROTECTED)[-1].text.lower()


def test_low_severity_collects_scans_and_tells_and_contains_nothing(play: Play) -> None:
    assert [each.responder for each in play.ledger.actions(LOW)] == ["hunt", "collect_package", "hunt", "scan"]
    assert play.requests("POST", f"/{DEVICE[LOW]}/isolate") == []
    assert len(play.archived(LOW)) == 3
    assert play.kinds_told(LOW) == ["started", "ended"]


@pytest.mark.parametrize("incident", [CONTROLLER_TAG, CONTROLLER_NAME])
def test_a_domain_controller_waits_for_a_person(play: Play, incident: str) -> None:
    assert play.requests("POST", f"/{DEVICE[incident]}/isolate") == []
    assert play.action(incident, "isolate").state is State.WAITING
    ended = play.told(incident)[-1]
    assert ended.kind == "ended"
    assert "waits for a person: it looks like a domain controller" in ended.text
    assert "What you should do" in ended.text


def test_a_stale_incident_waits_for_a_person(play: Play) -> None:
    assert play.requests("POST", f"/{DEVICE[STALE]}/isolate") == []
    assert play.action(STALE, "isolate").state is State.WAITING
    assert "the newest alert is 3 h old" in play.told(STALE)[-1].text
    assert len(play.archived(STALE)) == 3


def test_a_device_that_a_person_isolated_is_left_alone_and_that_is_said(play: Play) -> None:
    assert play.requests("POST", f"/{DEVICE[TAKEN]}/isolate") == []
    assert play.action(TAKEN, "isolate").state is State.ELSEWHERE
    assert "alice(at)contoso[.]com" in play.told(TAKEN)[-1].text
    assert len(play.archived(TAKEN)) == 3


def test_a_persons_release_stands(play: Play) -> None:
    stood = play.notes["after release"]
    assert stood["state"] is State.REFUSED
    assert "bob@contoso.com" in stood["detail"]


def test_a_newer_alert_overrides_a_persons_release(play: Play) -> None:
    assert len(play.ours(DEVICE[RELEASED], "Isolate")) == 1
    assert play.isolated(DEVICE[RELEASED])


def test_an_isolation_by_a_person_that_is_pending_is_followed(play: Play) -> None:
    assert "contained" not in play.notes["while pending"]
    assert "ended" not in play.notes["while pending"]
    assert play.requests("POST", f"/{DEVICE[PENDING]}/isolate") == []
    followed = play.action(PENDING, "isolate")
    assert (followed.state, followed.foreign) == (State.ELSEWHERE, True)
    assert "ended" in play.kinds_told(PENDING)


def test_two_incidents_on_one_device_isolate_it_once(play: Play) -> None:
    assert len(play.requests("POST", f"/{DEVICE[TWIN]}/isolate")) == 1
    assert len(play.actions(DEVICE[TWIN], "Isolate")) == 1
    slot = play.ledger.slot(DEVICE[TWIN])
    assert slot is not None
    assert set(slot.value.holders) == {TWIN, OTHER_TWIN}
    for incident in (TWIN, OTHER_TWIN):
        assert play.kinds_told(incident) == KINDS


def test_an_incident_that_grows_isolates_the_new_device_too(play: Play) -> None:
    for device in (DEVICE[GROWING], JOINER):
        assert len(play.actions(device, "Isolate")) == 1
        assert play.isolated(device)
    told = play.kinds_told(GROWING)
    # what is done before anybody could be told of it is told as ended, and not as contained before
    assert [kind for kind in told if kind != "contained"] == ["started", "ended"] * 2
    assert told.count("contained") in range(3)


def test_tokens_are_asked_for_the_right_audiences(play: Play) -> None:
    asked = {each["query"]["resource"] for each in play.requests("GET", "/msi/token")}
    assert asked == {"https://api.securitycenter.microsoft.com", "https://graph.microsoft.com"}


def test_no_message_was_given_up(play: Play) -> None:
    assert list(play.ledger.dead_letters()) == []
    assert "Traceback" not in play.log()
