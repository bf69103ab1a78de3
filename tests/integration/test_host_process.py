"""The host as a process: what it refuses, how it stops, and how it outlives its worker."""

import os
import signal
import time
from pathlib import Path

import pytest

from local.azurite import Azurite
from tests.integration.host_harness import APP, Place, RunningHost, eventually


def test_it_says_what_it_runs_before_it_listens(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, settings={"TICK": "00:01:00"})
    with RunningHost(place) as host:
        lines = host.output().splitlines()
        assert host.stop() == 0
    assert lines[:3] == [
        "  tick: every 00:01:00",
        f"  job: queue {place.queue_name} (Store)",
        "host ready: 2 functions (tick, job)",
    ]


def test_a_disabled_function_does_not_listen(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, settings={"AzureWebJobs.tick.Disabled": "true"})
    with RunningHost(place) as host:
        assert "host ready: 1 functions (job)" in host.output()


REFUSALS = {
    "five fields": (APP, {"TICK": "*/5 * * * *"}, ["tick: schedule '%TICK%'", "six are needed"]),
    "no cron at all": (APP, {"TICK": "soon"}, ["tick: schedule '%TICK%'"]),
    "two mistakes": (APP.replace("%JOBS%", "%JIBS%"), {"TICK": "soon"}, ["tick: schedule", "job: no value for %JIBS%"]),
    "no connection": (APP.replace('"Store"', '"Elsewhere"'), {}, ["job: no connection 'Elsewhere'"]),
    "two of one name": (APP + APP.partition("app = func.FunctionApp()")[2], {}, ["not have a unique function name"]),
    "two apps": (APP + "\nother = func.FunctionApp()\n", {}, ["2 FunctionApps"]),
    "no app": ("", {}, ["no FunctionApp"]),
    "an import error": (
        "import nowhere_to_be_found\n",
        {},
        ["ModuleNotFoundError: No module named 'nowhere_to_be_found'"],
    ),
    "an exit at import": ("raise SystemExit(0)\n", {}, []),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_broken_app_ends_the_host_at_once_with_the_reason(name: str, azurite: Azurite, tmp_path: Path) -> None:
    app, settings, told = REFUSALS[name]
    place = Place(tmp_path, azurite.connection_string, app=app, settings=settings, create_queue=False)
    with RunningHost(place, ready=False) as host:
        assert host.wait() == 1
        output = host.output()
    assert "host ready" not in output
    assert all(each in output for each in told), output
    assert "Traceback" not in output or name == "an import error"


def test_settings_that_the_app_refuses_end_the_host_with_its_words(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, create_queue=False)
    check = "import os\ndef check():\n    raise ValueError(f\"TICK: {os.environ['TICK']} is odd\\nMODE: missing\")\n"
    tmp_path.joinpath("the_check.py").write_text(check, encoding="utf-8")
    with RunningHost(place, "--check", "the_check:check", ready=False) as host:
        assert host.wait() == 2
        assert host.output() == "settings are wrong:\nTICK: 0 0 0 31 2 * is odd\nMODE: missing\n"


def test_settings_that_the_app_accepts_let_it_start(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string)
    tmp_path.joinpath("the_check.py").write_text("def check(): pass\n", encoding="utf-8")
    with RunningHost(place, "--check", "the_check:check"):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_running_functions_finish(number: signal.Signals, azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string)
    place.send("sleep 2")
    with RunningHost(place) as host:
        place.wait_for("job begins")
        host.signal(number)
        time.sleep(0.5)
        place.send("too late")
        assert host.wait() == 0
    assert [each["body"] for each in place.events("job ends")] == ["sleep 2"]
    assert place.messages_left() == 1


def test_a_stop_does_not_wait_longer_than_it_was_told(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string)
    place.send("sleep 60")
    with RunningHost(place, "--drain", "1") as host:
        place.wait_for("job begins")
        asked = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - asked < 6
        assert "stopped before these had finished: job" in host.output()
    assert not place.events("job ends")


def test_a_function_that_overruns_its_time_ends_the_worker_and_everything_in_it(
    azurite: Azurite, tmp_path: Path
) -> None:
    place = Place(
        tmp_path,
        azurite.connection_string,
        host={"functionTimeout": "00:00:03"},
        queues={"maxDequeueCount": 2},
    )
    with RunningHost(place) as host:
        place.send("sleep 60")
        place.wait_for("job begins")
        time.sleep(1.5)
        place.send("sleep 2.4")  # in time by itself, but it shares the worker
        eventually(lambda: len(place.poisoned()) == 1, "one poisoned message")
        place.wait_for("job ends")
        output = host.output()
        assert host.stop() == 0
    begins = place.events("job begins")
    long_ones = [each for each in begins if each["body"] == "sleep 60"]
    assert [each["count"] for each in long_ones] == [1, 2]
    assert len({each["pid"] for each in long_ones}) == 2
    assert [each["count"] for each in begins if each["body"] == "sleep 2.4"][:2] == [1, 2]
    assert "Timeout value of 3 s exceeded by function 'Functions.job'" in output
    assert "the worker ended (status 75)" in output


def test_a_worker_that_is_killed_or_ends_itself_is_replaced(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, settings={"BULKHEAD_HOST_INVISIBILITY": "60"})
    with RunningHost(place) as host:
        place.send("job 1")
        (first,) = place.wait_for("job ends")
        os.kill(first["pid"], signal.SIGKILL)
        eventually(lambda: host.output().count("host ready") == 2, "a second worker")
        place.send("die")
        eventually(lambda: host.output().count("host ready") == 3, "a third worker")
        place.send("job 3")
        last = place.wait_for("job ends", 2)[1]
        assert host.stop() == 0
    assert len({first["pid"], last["pid"], host.process.pid}) == 3
