"""A host that is killed in the middle of responses, again and again: nothing is lost, nothing done or told twice."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from local.tenant import samples
from shared.models.action import State
from tests.integration.stage_harness import Json, Play, fresh_timers, kill, own_package, played

SEED = 20260820
KILLS = 12
LONGEST = 7.0
INCIDENTS = [str(number) for number in range(9001, 9007)]
BOTH = [str(number) for number in range(9101, 9105)]
DEVICE = {each: samples.fleet_id(int(each) - 8990) for each in [*INCIDENTS, *BOTH]}
KINDS = ["started", "contained", "ended"]
SLOW: Json = {
    "visibility_seconds": 2,
    "durations": {
        "Isolate": {"pending": [1, 3], "running": [1, 3]},
        "CollectInvestigationPackage": {"pending": [1, 3], "running": [1, 3]},
    },
}


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Two scenes on one stage: a host that dies a dozen times, then two hosts at once of which one dies."""
    folder = tmp_path_factory.mktemp("kill")
    with played(folder, tenant=SLOW, host=False) as stage:
        for incident, device in DEVICE.items():
            machine, stage.notes[incident] = own_package(folder, device)
            stage.control("POST", "machines", [machine])
        killed_often(stage)
        two_at_once(stage)
        yield stage


def killed_often(stage: Play) -> None:
    """Raise an incident every other life of the host, and end each life at a moment that the seed draws."""
    chance = random.Random(SEED)  # noqa: S311 - the same moments every time
    waiting = list(INCIDENTS)
    with stage.host(**fresh_timers()):
        stage.await_watching()
    for life in range(KILLS):
        with stage.host(**fresh_timers()) as process:
            if life % 2 == 0 and waiting:
                raised = waiting.pop(0)
                stage.raise_incidents(samples.harmful_incident(raised, device_id=DEVICE[raised]))
            time.sleep(chance.uniform(0.3, LONGEST))
            kill(process)
    with stage.host(**fresh_timers()):
        stage.await_over(*INCIDENTS)


def two_at_once(stage: Play) -> None:
    """Two hosts share the storage; one of them dies while both are at work, and the other goes on alone."""
    timers = fresh_timers()
    with ExitStack() as hosts:
        first = hosts.enter_context(stage.host("first", **timers))
        hosts.enter_context(stage.host("second", **timers))
        stage.raise_incidents(*(samples.harmful_incident(each, device_id=DEVICE[each]) for each in BOTH))
        stage.await_told("started", *BOTH)
        kill(first)
        stage.await_over(*BOTH)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("incident", [*INCIDENTS, *BOTH])
def test_one_isolation_is_sent_for_each_device(play: Play, incident: str) -> None:
    [action] = play.actions(DEVICE[incident], "Isolate")
    assert action["status"] == "Succeeded"
    assert play.isolated(DEVICE[incident])
    assert play.action(incident, "isolate").state is State.SUCCEEDED


@pytest.mark.parametrize("incident", [*INCIDENTS, *BOTH])
def test_the_package_is_collected_and_archived_once(play: Play, incident: str) -> None:
    assert len(play.actions(DEVICE[incident], "CollectInvestigationPackage")) == 1
    files = play.archived(incident)
    assert len(files) == 3
    [package] = [data for name, data in files.items() if name.endswith(".zip")]
    assert hashlib.sha256(package).hexdigest() == play.notes[incident]
    archived = {each.name: each.sha256 for each in play.action(incident, "collect_package").artefacts}
    assert archived == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


@pytest.mark.parametrize("incident", [*INCIDENTS, *BOTH])
def test_people_are_told_to_the_end_and_a_repeat_says_that_it_may_be_one(play: Play, incident: str) -> None:
    told = play.told(incident)
    plain = [each.kind for each in told if "(possibly repeated)" not in each.text]
    assert sorted(set(plain), key=plain.index) == [kind for kind in KINDS if kind in plain]
    assert len(plain) == len(set(plain))
    assert [each.kind for each in told][-1] == "ended"
    assert play.notes[incident] in told[-1].text


@pytest.mark.parametrize("incident", [*INCIDENTS, *BOTH])
def test_the_incident_carries_one_tag_and_one_comment(play: Play, incident: str) -> None:
    shown = play.incident(incident)
    assert shown["customTags"] == ["bulkhead"]
    assert len(shown["comments"]) == 1


def test_no_message_was_given_up_and_nothing_is_left_open(play: Play) -> None:
    assert list(play.ledger.dead_letters()) == []
    assert {each.value.state for each in play.ledger.open_actions()} == {State.SUCCEEDED}


def test_each_instance_did_some_of_the_work(play: Play) -> None:
    for name in ("first", "second"):
        assert "Executed 'Functions." in play.log(name)
