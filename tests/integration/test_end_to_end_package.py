"""Links that are late, expired or broken: a package is archived once, and whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from local.tenant import samples
from shared.models.action import State
from tests.integration.stage_harness import Json, Play, eventually, own_package, played

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

DEVICE = {str(8001 + place): samples.fleet_id(10 + place) for place in range(5)}
LINK, DOWNLOAD = "/getPackageUri$", "^/download/"
FAULTS: list[Json] = [
    {"method": "GET", "times": 1, **fault}
    for fault in (
        {"kind": "status", "path": LINK, "status": 404, "code": "ResourceNotFound"},
        {"kind": "status", "path": LINK, "status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "2"}},
        {"kind": "status", "path": DOWNLOAD, "status": 403, "code": "LinkExpired"},
        {"kind": "truncate", "path": DOWNLOAD},
        {"kind": "status", "path": DOWNLOAD, "status": 200, "body": "<html>Please sign in</html>"},
    )
]


def archived(stage: Play) -> bool:
    stage.hurry(*DEVICE)
    return all(stage.ledger.actions(each) and stage.ledger.actions(each)[0].state.final for each in DEVICE)


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Every response at once: each fault strikes some of them. The waits between the tries pass quickly."""
    folder = tmp_path_factory.mktemp("package")
    with played(folder) as stage:
        for incident, device in DEVICE.items():
            machine, stage.notes[incident] = own_package(folder, device)
            stage.control("POST", "machines", [machine])
        stage.fault(*FAULTS)
        stage.raise_incidents(*(samples.low_severity_incident(each, device_id=DEVICE[each]) for each in DEVICE))
        eventually(lambda: archived(stage), "every package is archived", story=stage.story)
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
