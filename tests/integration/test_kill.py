"""A host that is killed in the middle of responses, again and again: nothing is lost, nothing done or told twice."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from local.tenant import samples
from shared.models.action import State
from tests.integration.stage_harness import Json, Play, eventually, fresh_timers, kill, own_package, played

SEED = 20260820
HELD = [str(number) for number in range(9001, 9008)]
CUT = [str(number) for number in range(9101, 9107)]
BOTH = [str(number) for number in range(9201, 9204)]
EVERY = [*HELD, *CUT, *BOTH]
DEVICE = {each: samples.fleet_id(10 + place) for place, each in enumerate(EVERY)}
KINDS = ["started", "contained", "ended"]
SLOW: Json = {"visibility_seconds": 1}
CAPS = '{"per_hour": 99, "fleet_share": 1}'

pytestmark = pytest.mark.timeout(900)


def held(incident: str, kind: str, method: str, path: str, **more: object) -> Json:
    """A call that hangs: with its effect (`delay`) or without (`timeout`), long enough to be killed in."""
    where = path.format(device=DEVICE[incident], incident=incident)
    return {"kind": kind, "method": method, "path": where, "seconds": 15, "times": 1, **more}


MOMENTS = [
    held(HELD[0], "delay", "GET", "^/v1.0/security/incidents$", after=3),
    held(HELD[0], "delay", "GET", "^/api/machines/{device}$"),
    held(HELD[1], "delay", "GET", "^/api/machineactions$", query="machineId eq '" + DEVICE[HELD[1]]),
    held(HELD[2], "timeout", "POST", "^/api/machines/{device}/isolate$"),
    held(HELD[3], "delay", "POST", "^/api/machines/{device}/isolate$"),
    held(HELD[4], "timeout", "POST", "^/api/machines/{device}/collectInvestigationPackage$"),
    held(HELD[5], "delay", "POST", "^/api/machines/{device}/collectInvestigationPackage$"),
    held(HELD[0], "delay", "GET", "/getPackageUri$"),
    held(HELD[0], "delay", "GET", "^/download/"),
    held(HELD[0], "delay", "POST", "^/slack/", after=2),
    held(HELD[6], "delay", "PATCH", "^/v1.0/security/incidents/{incident}$"),
    held(HELD[6], "delay", "POST", "^/v1.0/security/incidents/{incident}/comments$"),
]
"""A dozen moments, each at a call that leaves the process: before its effect, or after it and before the answer."""

_TWICE = ["assess_incident", "notify_people"]
STILL = 20.0
"""Seconds after which a claim that did not move is a dead host's: a living one needs a few for such a package."""
FUNCTIONS = ["collect_evidence", "archive_evidence", *_TWICE, *_TWICE]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Three scenes on one stage: hosts that die at calls, hosts that die inside functions, and two hosts at once."""
    folder = tmp_path_factory.mktemp("kill")
    chance = random.Random(SEED)  # noqa: S311 - the same moments every time
    with played(folder, tenant=SLOW, host=False, ISOLATION_CAPS=CAPS, REPORT_EVERY="PT10M") as stage:
        for incident, device in DEVICE.items():
            machine, stage.notes[incident] = own_package(folder, device)
            stage.control("POST", "machines", [machine])
        with stage.host(**fresh_timers()):
            stage.await_watching()
        killed_at_calls(stage, chance)
        killed_inside_functions(stage, chance)
        two_at_once(stage)
        yield stage


def raised(stage: Play, *incidents: str) -> None:
    stage.raise_incidents(*(samples.harmful_incident(each, device_id=DEVICE[each]) for each in incidents))


def killed_at_calls(stage: Play, chance: random.Random) -> None:
    """Every response at once; whenever a call hangs that did not hang before, the host dies and another one begins."""
    stage.fault(*MOMENTS)
    raised(stage, *HELD)
    lives = seen = 0
    while seen < len(MOMENTS):
        with stage.host(**fresh_timers()) as process:
            eventually(lambda before=seen: struck(stage) > before, "the next moment", story=stage.story)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.3))
            kill(process)
        lives += 1
        seen = struck(stage)
        stage.outlive(*HELD)
    stage.notes["lives"] = lives
    with stage.host(**fresh_timers()):
        stage.await_over(*HELD)


def killed_inside_functions(stage: Play, chance: random.Random) -> None:
    """Another response in each life, which ends some milliseconds after a function of a certain name began."""
    for incident, function in zip(CUT, chance.sample(FUNCTIONS, len(FUNCTIONS)), strict=True):
        before = len(stage.log())
        raised(stage, incident)
        begun = re.compile(rf"Executing 'Functions\.{function}'")
        with stage.host(**fresh_timers()) as process:
            eventually(
                lambda at=before, line=begun: line.search(stage.log(), at) is not None,  # type: ignore[misc]
                function,
                story=stage.story,
                pause=0.005,
            )
            time.sleep(chance.uniform(0, 0.12))
            kill(process)
        stage.outlive(*CUT)
    with stage.host(**fresh_timers()):
        stage.await_over(*CUT)


def two_at_once(stage: Play) -> None:
    """Two hosts share the storage; one of them dies while both are at work, and the other goes on alone."""
    timers = fresh_timers()
    with ExitStack() as hosts:
        first = hosts.enter_context(stage.host("first", **timers))
        hosts.enter_context(stage.host("second", **timers))
        raised(stage, *BOTH)
        stage.await_told("started", *BOTH)
        kill(first)
        claims = stage.claims(*BOTH)
        time.sleep(STILL)
        stage.outlive(*BOTH, claims=claims)
        stage.await_over(*BOTH, seconds=200)


def struck(stage: Play) -> int:
    return sum(int(each["struck"]) for each in stage.control("GET", "faults")["value"])


def test_the_host_died_at_a_dozen_moments(play: Play) -> None:
    assert struck(play) == len(MOMENTS) == 12
    print(f"{play.notes['lives']} lives for {len(MOMENTS)} calls, {len(FUNCTIONS)} for functions")  # noqa: T201


@pytest.mark.parametrize("incident", EVERY)
def test_one_isolation_is_sent_for_each_device(play: Play, incident: str) -> None:
    [action] = play.actions(DEVICE[incident], "Isolate")
    assert action["status"] == "Succeeded"
    assert play.isolated(DEVICE[incident])
    assert play.action(incident, "isolate").state is State.SUCCEEDED


@pytest.mark.parametrize("incident", EVERY)
def test_the_package_is_collected_and_archived_once(play: Play, incident: str) -> None:
    assert len(play.actions(DEVICE[incident], "CollectInvestigationPackage")) == 1
    files = play.archived(incident)
    assert len(files) == 3
    [package] = [data for name, data in files.items() if name.endswith(".zip")]
    assert hashlib.sha256(package).hexdigest() == play.notes[incident]
    archived = {each.name: each.sha256 for each in play.action(incident, "collect_package").artefacts}
    assert archived == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


@pytest.mark.parametrize("incident", EVERY)
def test_people_are_told_to_the_end_and_a_repeat_says_that_it_may_be_one(play: Play, incident: str) -> None:
    told = play.told(incident)
    plain = [each.kind for each in told if "(possibly repeated)" not in each.text and each.kind != "unsure"]
    assert plain == [kind for kind in KINDS if kind in plain]
    assert {"started", "ended"} <= {each.kind for each in told}
    last = [each for each in told if each.kind == "ended"][-1]
    assert play.notes[incident] in last.text


@pytest.mark.parametrize("incident", EVERY)
def test_the_incident_carries_one_tag_and_one_comment(play: Play, incident: str) -> None:
    shown = play.incident(incident)
    assert shown["customTags"] == ["bulkhead"]
    assert len(shown["comments"]) == 1


def test_no_message_was_given_up_and_nothing_is_left_open(play: Play) -> None:
    assert list(play.ledger.dead_letters()) == []
    assert {each.value.state for each in play.ledger.open_actions()} == {State.SUCCEEDED}
    assert len(play.ledger.caps().value.sent) == len(EVERY)


def test_both_hosts_worked(play: Play) -> None:
    for name in ("first", "second"):
        assert "Executed 'Functions." in play.log(name)
