"""The host and real queues: delivered once, retried, poisoned, hidden, and delivered again after a death."""

import base64
import signal
import time
from itertools import pairwise
from pathlib import Path

from local.azurite import Azurite
from tests.integration.host_harness import APP, ASYNC_APP, Place, RunningHost, eventually, is_alive


def test_each_message_is_delivered_once_and_deleted(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string)
    place.send(*(f"job {number}" for number in range(40)))
    with RunningHost(place) as host:
        place.wait_for("job ends", 40)
        eventually(lambda: place.messages_left() == 0, "an empty queue")
        assert host.stop() == 0
    told = place.events("job begins")
    assert sorted(each["body"] for each in told) == sorted(f"job {number}" for number in range(40))
    assert {each["count"] for each in told} == {1}
    assert len({each["invocation"] for each in told}) == 40


def test_a_failing_message_is_retried_and_then_poisoned_with_its_original_body(
    azurite: Azurite, tmp_path: Path
) -> None:
    place = Place(tmp_path, azurite.connection_string, queues={"maxDequeueCount": 3, "visibilityTimeout": "00:00:01"})
    place.send("fail 1")
    with RunningHost(place) as host:
        told = place.wait_for("job begins", 3)
        eventually(lambda: place.messages_left() == 0, "an empty queue")
        poisoned = place.poisoned()
        output = host.output()
    assert [each["count"] for each in told] == [1, 2, 3]
    gaps = [later["at"] - earlier["at"] for earlier, later in pairwise(told)]
    assert all(gap >= 0.9 for gap in gaps), gaps
    assert [base64.b64decode(each) for each in poisoned] == [b"fail 1"]
    assert f"Executed 'Functions.job' (Failed, Id={told[0]['invocation']}" in output
    assert "ValueError: as the message says" in output


def test_a_returned_value_and_an_exit_are_failures_of_that_invocation_alone(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, queues={"maxDequeueCount": 1})
    place.send("return", "exit", *("fail" for _ in range(10)))  # together, so that they race for the poison queue
    with RunningHost(place) as host:
        eventually(lambda: len(place.poisoned()) == 12, "twelve poisoned messages")
        place.send("job")
        place.wait_for("job ends")
        output = host.output()
    assert "without a $return binding returned a non-None value" in output
    assert "the worker ended" not in output


def test_what_is_not_base64_goes_to_poison_as_it_is_and_the_function_never_sees_it(
    azurite: Azurite, tmp_path: Path
) -> None:
    place = Place(tmp_path, azurite.connection_string)
    place.queue().send_message('{"plain": "<json>"}')
    with RunningHost(place):
        eventually(lambda: place.messages_left() == 0, "an empty queue")
        assert place.poisoned() == ['{"plain": "<json>"}']
    assert not place.events("job begins")


def test_without_encoding_the_text_is_the_body(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, queues={"messageEncoding": "none"})
    place.queue().send_message("plain <text>")
    with RunningHost(place):
        assert place.wait_for("job ends")[0]["body"] == "plain <text>"


def test_no_more_run_at_once_than_a_batch_and_the_threshold(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, queues={"batchSize": 2, "newBatchThreshold": 1})
    place.send("sleep 3", *("sleep 0.3" for _ in range(8)))  # of unlike lengths, or they would march in step
    with RunningHost(place):
        place.wait_for("job ends", 9)
    moments = [(each["at"], 1) for each in place.events("job begins")]
    moments += [(each["at"], -1) for each in place.events("job ends")]
    running, most = 0, 0
    for _, change in sorted(moments):
        running += change
        most = max(most, running)
    assert most == 3, sorted(moments)


def test_a_message_stays_hidden_for_as_long_as_its_function_runs(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string)
    place.send("sleep 5")
    with RunningHost(place, "--invisibility", "2"):
        place.wait_for("job ends")
        eventually(lambda: place.messages_left() == 0, "an empty queue")
    assert len(place.events("job begins")) == 1


def test_after_a_death_the_message_comes_again_when_its_invisibility_is_over(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, settings={"BULKHEAD_HOST_INVISIBILITY": "4"})
    place.send("sleep 2")
    with RunningHost(place) as host:
        (first,) = place.wait_for("job begins")
        host.signal(signal.SIGKILL)
        host.wait()
        eventually(lambda: not is_alive(first["pid"]), "the worker's death")
    assert not place.events("job ends")
    with RunningHost(place):
        (ended,) = place.wait_for("job ends")
    again = place.events("job begins")[1]
    assert (again["body"], again["count"], ended["count"]) == ("sleep 2", 2, 2)
    assert again["at"] - first["at"] >= 3.5


def test_a_missing_queue_is_not_created_and_is_found_once_it_is_there(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, create_queue=False)
    with RunningHost(place) as host:
        eventually(lambda: "does not exist" in host.output(), "a warning")
        time.sleep(1)
        assert host.output().count("does not exist") == 1
        place.queue().create_queue()  # fails if the host had created it
        place.send("job")
        place.wait_for("job ends")


def test_async_functions_run_too(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string, app=APP + ASYNC_APP, settings={"JOBS": "nothing-here"})
    place.settings["LATER"] = place.queue_name
    place.send("one", "two")
    with RunningHost(place):
        told = place.wait_for("later ends", 2)
        eventually(lambda: place.messages_left() == 0, "an empty queue")
    assert sorted(each["body"] for each in told) == ["one", "two"]


def test_storage_that_is_out_of_reach_is_told_and_does_not_end_the_host(azurite: Azurite, tmp_path: Path) -> None:
    place = Place(tmp_path, azurite.connection_string)
    nowhere = azurite.connection_string.replace(azurite.queue_url, "http://127.0.0.1:9/devstoreaccount1")
    place.settings["Store"] = nowhere
    with RunningHost(place) as host:
        eventually(lambda: "cannot be read" in host.output(), "a warning")
        assert host.stop() == 0
