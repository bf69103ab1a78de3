"""host.json and the settings file: defaults, limits, and every mistake told at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.host.arguments import invisibility
from local.host.errors import StartRefusedError
from local.host.options import HostOptions, QueueOptions, parse_host_json, read_host_json
from local.host.settings import is_on, read_settings


def queues(**members: object) -> dict[str, Any]:
    return {"version": "2.0", "extensions": {"queues": members}}


def problems(document: object) -> tuple[str, ...]:
    with pytest.raises(StartRefusedError) as refused:
        parse_host_json(document)
    return refused.value.problems


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert parse_host_json({"version": "2.0"}) == HostOptions(
        timeout=1800.0,
        queues=QueueOptions(16, 8, 60.0, 0.0, 5, encoded=True),
    )


def test_everything_that_is_honoured_is_read() -> None:
    document = queues(
        batchSize=4,
        newBatchThreshold=1,
        maxPollingInterval="00:00:02",
        visibilityTimeout="00:00:30",
        maxDequeueCount=3,
        messageEncoding="none",
    )
    options = parse_host_json(document | {"functionTimeout": "00:08:00"})
    assert options == HostOptions(480.0, QueueOptions(4, 1, 2.0, 30.0, 3, encoded=False))


def test_the_threshold_follows_the_batch() -> None:
    assert parse_host_json(queues(batchSize=5)).queues.new_batch_threshold == 2
    assert parse_host_json(queues(batchSize=1, newBatchThreshold=0)).queues.new_batch_threshold == 0


@pytest.mark.parametrize("value", ["-1", -1])
def test_no_bound(value: object) -> None:
    assert parse_host_json({"version": "2.0", "functionTimeout": value}).timeout is None


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (None, "version"),
        ({}, "version"),
        ({"version": "1.0"}, "version"),
        ({"version": "2.0", "extensions": []}, "extensions must be an object"),
        (queues(batchSize=33), "batchSize"),
        (queues(batchSize=0), "batchSize"),
        (queues(batchSize=True), "batchSize"),
        (queues(newBatchThreshold=-1), "newBatchThreshold"),
        (queues(maxPollingInterval="00:00:00.05"), "maxPollingInterval"),
        (queues(maxPollingInterval="2s"), "maxPollingInterval"),
        (queues(visibilityTimeout="-00:00:01"), "visibilityTimeout"),
        (queues(maxDequeueCount=0), "maxDequeueCount"),
        (queues(messageEncoding="utf8"), "messageEncoding"),
        ({"version": "2.0", "functionTimeout": "soon"}, "functionTimeout"),
        ({"version": "2.0", "functionTimeout": "00:00:00"}, "functionTimeout"),
    ],
)
def test_a_mistake_is_told(document: object, told: str) -> None:
    (problem,) = problems(document)
    assert told in problem


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems(queues(batchSize=99, maxDequeueCount="x") | {"functionTimeout": "?"})) == 3


def test_a_missing_or_broken_host_json_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartRefusedError, match="does not exist"):
        read_host_json(tmp_path / "host.json")
    (tmp_path / "host.json").write_text("{", encoding="utf-8")
    with pytest.raises(StartRefusedError, match="is not JSON"):
        read_host_json(tmp_path / "host.json")


def settings_file(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_values_are_text(tmp_path: Path) -> None:
    path = settings_file(tmp_path, {"IsEncrypted": False, "Values": {"A": "x", "B": 5, "C": True}})
    assert read_settings(path) == {"A": "x", "B": "5", "C": "true"}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "no object"),
        ({"Values": []}, "no object"),
        ({"IsEncrypted": True, "Values": {}}, "encrypted"),
        ({"Values": {"A": {"json": 1}}}, "Values.A must be text"),
        ({"Values": {"A": None}}, "Values.A must be text"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_refused(tmp_path: Path, document: object, told: str) -> None:
    with pytest.raises(StartRefusedError, match=told):
        read_settings(settings_file(tmp_path, document))


def test_invisibility_comes_from_the_option_or_the_variable_or_is_ten_minutes() -> None:
    assert invisibility(None, {}) == 600
    assert invisibility(None, {"BULKHEAD_HOST_INVISIBILITY": "7"}) == 7
    assert invisibility(3, {"BULKHEAD_HOST_INVISIBILITY": "7"}) == 3
    for wrong in ("0", "-1", "soon", "9999999"):
        with pytest.raises(StartRefusedError):
            invisibility(None, {"BULKHEAD_HOST_INVISIBILITY": wrong})


def test_switches() -> None:
    assert [is_on(value) for value in ("1", "true", " True ", "0", "", None)] == [True, True, True, False, False, False]
