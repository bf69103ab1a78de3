"""The operator's command as people run it: another process, over the storage that the app works on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError

from local.tenant import samples
from shared.models.action import State
from tests.integration.stage_harness import Play, eventually, played

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "console" / "bulkhead"
INCIDENT, DC = "9101", samples.fleet_id(0)
POISON = "orders-poison"
JUNK = '{"kind": "release \\u001b[31m"}'


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """A domain controller waits for a person; and the host has given up a message that is no order."""
    with played(tmp_path_factory.mktemp("console")) as stage:
        with suppress(ResourceExistsError):
            stage._storage.queue_service.create_queue(POISON)
        stage.queues.send(POISON, JUNK)
        stage.raise_incidents(samples.harmful_incident(INCIDENT, device_id=DC))
        eventually(lambda: waiting(stage), "the domain controller waits", story=stage.story)
        yield stage


def waiting(play: Play) -> bool:
    return any(each.state is State.WAITING for each in play.ledger.actions(INCIDENT))


def bulkhead(play: Play, *said: str, elsewhere: Path, status: int = 0) -> str:
    """Run the command from a folder of nobody's, with the storage in its environment; what it says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["AzureWebJobsStorage"] = play.stage.settings["AzureWebJobsStorage"]
    done = subprocess.run(
        [COMMAND, *said], cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == status, f"{done.stdout}\n{done.stderr}\n{play.story()}"
    return done.stdout


def told(play: Play, *said: str, elsewhere: Path, status: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bulkhead(play, *said, "--json", elsewhere=elsewhere, status=status))
    return found


def test_a_device_that_waits_is_approved_and_released(play: Play, tmp_path: Path) -> None:
    found = told(play, "status", elsewhere=tmp_path)
    assert [(each["incident"], each["device"]) for each in found["waiting"]] == [(INCIDENT, DC)]
    assert "waits for a person" in bulkhead(play, "explain", INCIDENT, elsewhere=tmp_path)
    assert told(play, "approve", INCIDENT, "dc1", "--by", "ann", elsewhere=tmp_path)["ended"] == "done"
    eventually(lambda: play.isolated(DC), "it is isolated", story=play.story)
    eventually(lambda: any(each.value.held for each in play.ledger.slots().values()), "it is held", story=play.story)
    assert [each["device"] for each in told(play, "status", elsewhere=tmp_path)["held"]] == [DC]
    words = bulkhead(play, "release", DC, "--why", "it was a drill", "--by", "ann", elsewhere=tmp_path)
    assert words.startswith("done: release on dc1")
    assert not play.isolated(DC)
    assert told(play, "release", "nobody", "--why", "x", elsewhere=tmp_path, status=2)["error"]


def test_a_dead_letter_is_listed_tried_again_and_given_up(play: Play, tmp_path: Path) -> None:
    eventually(lambda: play.ledger.dead_letters() != [], "the letter is dead", story=play.story)
    (key,) = letters(play, tmp_path)
    assert "\x1b" not in bulkhead(play, "dead-letters", "list", elsewhere=tmp_path)
    assert told(play, "dead-letters", "replay", key, elsewhere=tmp_path)["ended"] == "done"
    assert letters(play, tmp_path) == []
    assert told(play, "dead-letters", "drop", key, "--why", "rubbish", elsewhere=tmp_path)["ended"] == "done"
    found = told(play, "dead-letters", "list", "--all", elsewhere=tmp_path)["dead_letters"]
    assert next(each["dropped"]["why"] for each in found if each["key"] == key) == "rubbish"


def letters(play: Play, elsewhere: Path) -> list[str]:
    return [each["key"] for each in told(play, "dead-letters", "list", elsewhere=elsewhere)["dead_letters"]]
