"""The host and timers: on time, one at a time, on one host at a time, and late only once."""

import signal
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from azure.core.exceptions import ResourceExistsError

from local.azurite import Azurite
from local.host.schedule import Status, status_from_json, status_to_json
from local.host.singleton import HOSTS_CONTAINER
from tests.integration.host_harness import Place, RunningHost, spans

EACH_SECOND = "* * * * * *"


def test_a_timer_fires_on_the_second_and_a_clean_stop_lets_it_finish(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, settings={"TICK": EACH_SECOND})
    with RunningHost(place) as host:
        told = place.wait_for("tick begins", 4)
        assert host.stop() == 0
    assert all(each["at"] % 1 < 0.5 for each in told), told
    assert len({int(each["at"]) for each in told}) == len(told)
    assert not any(each["past_due"] for each in told)


def test_a_timer_that_overruns_never_overlaps_itself(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, settings={"TICK": EACH_SECOND, "TICK_TAKES": "1.4"})
    with RunningHost(place) as host:
        place.wait_for("tick ends", 4)
        assert host.stop() == 0
    begins, ends = place.events("tick begins"), place.events("tick ends")
    assert len(begins) == len(ends)
    runs = spans(begins, ends)
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(runs)), runs


def test_two_hosts_run_one_timer_and_the_second_takes_over_when_the_first_stops(
    azurite: Azurite, tmp_path: Path
) -> None:
    place = Place(tmp_path, azurite.connection_string, settings={"TICK": EACH_SECOND})
    with RunningHost(place) as first, RunningHost(place) as second:
        place.wait_for("tick begins", 5)
        before = place.events("tick begins")
        assert len({each["pid"] for each in before}) == 1
        assert len({int(each["at"]) for each in before}) == len(before)
        one = before[0]["pid"]
        owner, other = (first, second) if f"{one}" in _workers(first) else (second, first)
        assert owner.stop() == 0
        seen = len(place.events("tick begins"))
        after = place.wait_for("tick begins", seen + 2)[seen:]
        assert {each["pid"] for each in after} != {one}
        assert other.stop() == 0


def test_after_a_death_another_host_has_the_timer_when_the_lease_runs_out(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, settings={"TICK": EACH_SECOND})
    with RunningHost(place, "--lease", "15") as first:
        place.wait_for("tick begins")
        first.signal(signal.SIGKILL)
        first.wait()
    died = time.time()
    before = len(place.events("tick begins"))
    with RunningHost(place):
        took_over = place.wait_for("tick begins", before + 1)[before]
    assert 5 < took_over["at"] - died < 25


def test_a_late_start_makes_one_call_that_is_past_due(azurite: Azurite, tmp_path: Path) -> None:
    """Twice an hour, last called ten hours ago: twenty occurrences were missed, and the half hours are far away."""
    now = datetime.now(UTC)
    minute = (now.minute + 15) % 30
    place = Place(tmp_path, azurite.connection_string, settings={"TICK": f"0 {minute},{minute + 30} * * * *"})
    last = (now - timedelta(hours=10)).replace(minute=minute, second=0, microsecond=0)
    stored = Status(last, last + timedelta(minutes=30), last)
    blob = place.blobs().get_blob_client(HOSTS_CONTAINER, f"timers/{place.host_id}/Host.Functions.tick/status")
    with suppress(ResourceExistsError):
        place.blobs().create_container(HOSTS_CONTAINER)
    blob.upload_blob(status_to_json(stored).encode())
    with RunningHost(place) as host:
        place.wait_for("tick ends")
        time.sleep(2)
        assert host.stop() == 0
    assert [each["past_due"] for each in place.events("tick begins")] == [True]
    status = status_from_json(blob.download_blob(encoding="utf-8").readall())
    assert status is not None
    assert status.next is not None
    assert now < status.next <= now + timedelta(minutes=30)


def test_a_timer_is_not_stopped_by_its_failures(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, settings={"TICK": EACH_SECOND, "TICK_TAKES": "not a number"})
    with RunningHost(place) as host:
        place.wait_for("tick begins", 3)
        assert "Executed 'Functions.tick' (Failed" in host.output()


def _workers(host: RunningHost) -> str:
    """Give the ids of a host's child processes."""
    return Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children").read_text(encoding="utf-8")
