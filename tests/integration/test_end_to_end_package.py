"""Links that are late, expired or broken: a package is archived once, and whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from local.tenant import samples
from shared.models.action import State
from tests.integration.stage_harness import Json, Play, own_package, played

MISSING, EXPIRED, TRUNCATED, PAGE, LATE = "8001", "8002", "8003", "8004", "8005"
DEVICE = {each: samples.fleet_id(int(each) - 7990) for each in (MISSING, EXPIRED, TRUNCATED, PAGE, LATE)}
URI = "/getPackageUri$"
FAULTS: dict[str, Json] = {
    MISSING: {"kind": "status", "path": URI, "status": 404, "code": "ResourceNotFound"},
    EXPIRED: {"kind": "status", "path": "^/download/", "status": 403, "code": "LinkExpired"},
    TRUNCATED: {"kind": "truncate", "path": "^/download/"},
    PAGE: {"kind": "status", "path": "^/download/", "status": 200, "body": "<html>Please sign in</html>"},
    LATE: {"kind": "status", "path": URI, "status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "2"}},
}


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """One incident after the other meets its fault; then the waits between the tries pass."""
    folder = tmp_path_factory.mktemp("package")
    with played(folder) as stage:
        for incident, device in DEVICE.items():
            machine, stage.notes[incident] = own_package(folder, device)
            stage.control("POST", "machines", [machine])
        for incident, fault in FAULTS.items():
            stage.fault({**fault, "method": "GET", "times": 1})
            stage.raise_incidents(samples.low_severity_incident(incident, device_id=DEVICE[incident]))
            stage.await_fetched(incident)
        stage.hurry(*DEVICE)
        stage.await_over(*DEVICE)
        stage.notes["faults"] = stage.control("GET", "faults")["value"]
        yield stage


def test_every_fault_struck(play: Play) -> None:
    assert [each["struck"] for each in play.notes["faults"]] == [1] * len(FAULTS)


@pytest.mark.parametrize("incident", DEVICE)
def test_the_package_is_archived_whole_after_all(play: Play, incident: str) -> None:
    assert play.action(incident, "collect_package").state is State.SUCCEEDED
    packages = {name: data for name, data in play.archived(incident).items() if name.endswith(".zip")}
    assert [hashlib.sha256(data).hexdigest() for data in packages.values()] == [play.notes[incident]]


@pytest.mark.parametrize("incident", DEVICE)
def test_it_is_collected_once_and_told_once(play: Play, incident: str) -> None:
    assert len(play.actions(DEVICE[incident], "CollectInvestigationPackage")) == 1
    assert play.kinds_told(incident) == ["started", "ended"]
    assert play.notes[incident] in play.told(incident)[-1].text


def test_a_link_is_asked_for_anew_after_each_failure(play: Play) -> None:
    links = [each for each in play.requests("GET", "/getPackageUri") if each["status"] == 200]
    assert len(links) == len(DEVICE) + 3
