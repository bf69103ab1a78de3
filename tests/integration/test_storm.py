"""A storm of a hundred incidents, and a host that is killed at random moments all through it."""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local.tenant import samples
from responders._letters import HURRYING
from responders._ports import QUEUES
from shared.models.action import State
from tests.integration.stage_harness import Play, eventually, fresh_timers, kill, played

SEED = 20260821
STORM = 100
LIVES = 6
INCIDENTS = [str(20_000 + place) for place in range(STORM)]
DEVICE = {incident: samples.fleet_id(100 + place) for place, incident in enumerate(INCIDENTS)}
CAPS = '{"per_hour": 500, "per_day": 500, "fleet_share": 1}'

_BEGUN = re.compile(r"Executing 'Functions\.\w+' \(Reason='.*', Id=([\w-]+)\)")
_ENDED = re.compile(r"Executed 'Functions\.\w+' \(\w+, Id=([\w-]+), ")

pytestmark = pytest.mark.timeout(1200)  # minutes on a quiet machine, and other work may run beside it


@dataclass(frozen=True, slots=True)
class Killed:
    """A host that was killed: the functions that it had begun, those of them that had not ended, and whether anything
    was left to be done about the incidents.
    """

    begun: int
    cut: int
    unfinished: bool


def _life(stage: Play, seconds: float) -> Killed:
    """Let a host live for so long, and until it has begun a function, however busy the machine is; then kill it."""
    told = len(stage.log())
    with stage.host(**fresh_timers()) as process:
        time.sleep(seconds)
        eventually(lambda: bool(_BEGUN.search(stage.log()[told:])), "a function begins", story=stage.story)
        kill(process)
    log = stage.log()[told:]
    begun, ended = set(_BEGUN.findall(log)), set(_ENDED.findall(log))
    return Killed(len(begun), len(begun - ended), stage.unfinished(*INCIDENTS))


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Hosts that live for some seconds each while a hundred incidents are answered, and one that ends the work."""
    chance = random.Random(SEED)  # noqa: S311 - the same moments every time
    with played(tmp_path_factory.mktemp("storm"), host=False, ISOLATION_CAPS=CAPS, REPORT_EVERY="PT10M") as stage:
        stage.control("POST", "machines", [{"id": device} for device in DEVICE.values()])
        with stage.host(**fresh_timers()):
            stage.await_watching()
        stage.raise_incidents(*(samples.harmful_incident(each, device_id=DEVICE[each]) for each in INCIDENTS))
        stage.notes["killed"] = []
        for _ in range(LIVES):
            stage.notes["killed"].append(_life(stage, chance.uniform(1.0, 7.0)))
            stage.outlive(*INCIDENTS)
        with stage.host(**fresh_timers()):
            stage.await_over(*INCIDENTS, seconds=900)
        yield stage


def test_the_kills_hit_hosts_at_work(play: Play) -> None:
    """Each had begun functions; some were killed inside one, and the first while there was work left."""
    killed: list[Killed] = play.notes["killed"]
    assert all(each.begun for each in killed), killed
    assert any(each.cut for each in killed), killed
    assert killed[0].unfinished, killed


def test_every_device_is_isolated_by_one_action_of_ours(play: Play) -> None:
    assert [len(play.actions(device, "Isolate")) for device in DEVICE.values()] == [1] * STORM
    assert all(play.isolated(device) for device in DEVICE.values())


def test_every_package_is_collected_and_archived_once(play: Play) -> None:
    names = list(play.evidence.names(""))
    for incident, device in DEVICE.items():
        assert len(play.actions(device, "CollectInvestigationPackage")) == 1
        action = play.action(incident, "collect_package")
        assert action.state is State.SUCCEEDED
        files = play.archived(incident, among=names)
        kept = {each.name: each.sha256 for each in action.artefacts}
        assert kept == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def test_people_are_told_how_every_incident_ended(play: Play) -> None:
    for incident in INCIDENTS:
        assert "ended" in {each.kind for each in play.told(incident)}


def test_nothing_is_left_open(play: Play) -> None:
    assert {each.value.state for each in play.ledger.open_actions()} == {State.SUCCEEDED}
    assert [key for queue in QUEUES for key in play.queues.receive(f"{queue}-poison")] == []


def test_no_function_is_at_fault_for_a_message_that_was_given_up(play: Play) -> None:
    """That takes five failures. A storage emulator that stumbled once does no harm."""
    failed = Counter(re.findall(r"Executed 'Functions\.(\w+)' \(Failed", play.log()))
    assert all(times < 5 for times in failed.values()), failed


def test_a_message_that_met_five_killed_hosts_is_kept_and_people_read_of_it_once(play: Play) -> None:
    """The platform gives up what was taken five times, whoever is to blame. All the other tests say that nothing was
    lost by it; of what only hurried work, people read that too.
    """
    letters = [each.value for each in play.ledger.dead_letters()]
    said = [json.dumps(each["message"]) for each in play.control("GET", "messages")["value"]]
    told = [text for text in said if "dead letter" in text]
    assert len(letters) == len(told)
    for letter in letters:
        [about] = [text for text in told if f"dead letter {letter.queue} {letter.message}" in text]
        assert ("Nothing is lost" in about) == (letter.queue in HURRYING)
