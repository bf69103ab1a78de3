"""The new operator's evening, from the README alone: check, doctor, observe, respond, a night with an approval and a
release, and a dead letter that is tried again. Each step is a command that stands there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.exceptions import ResourceExistsError

from local.tenant import samples
from shared.storage.connections import Connection, locate
from tests.integration.stage_harness import eventually, fresh_timers

pytestmark = pytest.mark.timeout(600)  # a dozen processes, one after the other

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DC, FIRST, SECOND = samples.fleet_id(0), samples.fleet_id(2), samples.fleet_id(3)
Json = dict[str, Any]


class Evening:
    """Three terminals: the stage, the host, and the operator's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "stage" / "local.settings.json"
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()

    @contextmanager
    def running(self, name: str, *module: str) -> Iterator[Path]:
        """A command that stays until it is interrupted; what it says is in a file."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield log
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @contextmanager
    def host(self, name: str) -> Iterator[None]:
        """`make host SETTINGS=.run/stage/local.settings.json`."""
        self.change(**fresh_timers())
        wanted = ("local.host", "--settings", str(self.settings), "--check", "local.storage:check")
        with self.running(name, *wanted) as log:
            eventually(lambda: "host ready" in log.read_text(errors="replace"), "the host is ready")
            yield

    def change(self, **values: str) -> None:
        """Write other values into the settings file, as an operator does."""
        written = json.loads(self.settings.read_text(encoding="utf-8"))
        written["Values"] |= values
        self.settings.write_text(json.dumps(written), encoding="utf-8")

    def bulkhead(self, *said: str, status: int = 0) -> Json:
        """`console/bulkhead ...`, from a folder of nobody's, as a script reads it."""
        done = self._run([str(ROOT / "console" / "bulkhead"), *said, "--json"])
        assert done.returncode == status, f"{said}: {done.stdout}\n{done.stderr}"
        found: Json = json.loads(done.stdout)
        return found

    def words(self, *said: str) -> str:
        """The same, as a person reads it."""
        return self._run([str(ROOT / "console" / "bulkhead"), *said]).stdout

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "Azure"))}
        own |= {"BULKHEAD_SETTINGS": str(self.settings)}
        return subprocess.run(
            command, cwd=self.elsewhere, env=own, capture_output=True, text=True, timeout=150, check=False
        )

    def incident(self, device: str) -> str:
        """`make incident DEVICE=...`."""
        command = [sys.executable, "-m", "local.run.standing", "--folder", str(self.folder / "stage")]
        done = subprocess.run(
            [*command, "--incident", device], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.split()[1]

    def isolated(self, device: str) -> bool:
        """What the tenant says of a device."""
        values = json.loads(self.settings.read_text(encoding="utf-8"))["Values"]
        state = requests.get(f"{values['GRAPH_API_URL']}/_tenant/state", timeout=30).json()
        return next(bool(each["isolated"]) for each in state["machines"] if each["id"] == device)

    def rubbish(self, text: str) -> None:
        """A message that somebody's script got wrong, given up by the host."""
        values = json.loads(self.settings.read_text(encoding="utf-8"))["Values"]
        storage = Connection(locate("AzureWebJobsStorage", values))
        with suppress(ResourceExistsError):
            storage.queue_service.create_queue("orders-poison")
        storage.queues().send("orders-poison", text)
        storage.close()

    def settled(self, incident: str, seconds: float = 90) -> Json:
        """An incident once nothing of it is open any more."""
        found: list[Json] = []

        def over() -> bool:
            asked = self._run([str(ROOT / "console" / "bulkhead"), "show", incident, "--json"])
            shown = json.loads(asked.stdout)
            if asked.returncode:  # raised, and not read yet
                assert "is not known here" in shown["error"], asked.stderr
                return False
            found[:] = [shown]
            states = {each["state"] for each in shown["actions"]}
            return bool(states) and not states & {"planned", "sending", "unknown", "accepted", "fetching"}

        eventually(over, f"incident {incident} is settled", seconds, pause=1.0)
        return found[0]


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    made = Evening(tmp_path_factory.mktemp("evening"))
    with made.running("stage", "local.run.standing", "--folder", str(made.folder / "stage")):
        eventually(made.settings.is_file, "the stage stands")
        yield made


def test_every_step_stands_in_the_readme() -> None:
    steps = ["make stage", "policy check", "doctor", "make host SETTINGS=.run/stage/local.settings.json", "explain"]
    steps += ["make incident DEVICE=dc1", "RESPONSE_MODE", "approve", "release", "dead-letters replay"]
    assert [step for step in steps if step not in README.partition("### An evening with it")[2]] == []


def test_an_evening_and_a_night(evening: Evening) -> None:
    """In the order of the README."""
    assert evening.bulkhead("policy", "check", str(ROOT / "policies" / "default.yaml"))["usable"]

    # Before the app runs, doctor says so, and does not fail otherwise.
    ill = evening.bulkhead("doctor", status=1)
    assert "the app" in {each["check"] for each in ill["checks"] if each["verdict"] == "bad"}

    with evening.host("observing"):
        eventually(lambda: evening.bulkhead("status")["incidents_read_at"] is not None, "incidents are read", pause=1.0)
        eventually(lambda: well(evening), "the doctor is content", 60, lambda: evening.words("doctor"), pause=2.0)
        seen = evening.incident("host1")
        eventually(lambda: "would" in evening.words("explain", seen), "it was judged", pause=1.0)
        assert {each["state"] for each in evening.bulkhead("show", seen)["actions"]} == {"observed"}
        assert not evening.isolated(FIRST)

    evening.change(RESPONSE_MODE="respond")
    with evening.host("responding"):
        eventually(lambda: "respond" in app_of(evening), "the app has examined itself anew", 60, pause=2.0)
        assert well(evening)

        contained, waits = evening.incident("host2"), evening.incident("dc1")
        done = {each["responder"]: each["state"] for each in evening.settled(contained)["actions"]}
        assert done == {"isolate": "succeeded", "collect_package": "succeeded", "hunt": "succeeded"}
        assert evening.isolated(SECOND)
        assert not evening.isolated(FIRST)  # what was judged in observe is no backlog

        eventually(lambda: waiting(evening) == [waits], "the domain controller waits", pause=1.0)
        assert not evening.isolated(DC)
        assert evening.bulkhead("approve", waits, "--why", "it is the patient")["ended"] == "done"
        evening.settled(waits)
        assert evening.isolated(DC)
        assert evening.bulkhead("release", "dc1", "--why", "cleaned")["ended"] == "done"
        assert not evening.isolated(DC)

        evening.rubbish(json.dumps({"id": "a1b2c3d4-0001", "kind": "hold"}))
        eventually(lambda: letters(evening) != [], "the letter is dead", pause=1.0)
        (key,) = letters(evening)
        assert evening.bulkhead("dead-letters", "replay", key)["ended"] == "done"
        assert letters(evening) == []


def well(evening: Evening) -> bool:
    done = evening._run([str(ROOT / "console" / "bulkhead"), "doctor", "--json"])
    return done.returncode == 0


def app_of(evening: Evening) -> str:
    """What doctor says of the app itself."""
    done = evening._run([str(ROOT / "console" / "bulkhead"), "doctor", "--json"])
    return next(str(each["text"]) for each in json.loads(done.stdout)["checks"] if each["check"] == "the app")


def waiting(evening: Evening) -> list[str]:
    return [each["incident"] for each in evening.bulkhead("status")["waiting"]]


def letters(evening: Evening) -> list[str]:
    return [each["key"] for each in evening.bulkhead("dead-letters", "list")["dead_letters"]]
