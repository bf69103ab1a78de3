"""What host.json says, for the parts that this host honours; everything else in it is for Azure.

Defaults and limits: Microsoft Learn, "host.json reference" and "Azure Queue storage trigger, host.json settings".
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from local.host.errors import StartRefusedError
from local.host.timespan import parse_timespan

_MOST_IN_A_BATCH: Final = 32
_SHORTEST_TIMEOUT: Final = timedelta(seconds=1)
_SHORTEST_POLL: Final = timedelta(milliseconds=100)
_DEFAULT_TIMEOUT: Final = timedelta(minutes=30)
_QUEUES: Final = "extensions.queues"


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """The `extensions.queues` section. Times in seconds; `encoded` means base64."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_polling_interval: float = 60.0
    retry_delay: float = 0.0
    max_dequeue_count: int = 5
    encoded: bool = True


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the host needs of host.json; `timeout` in seconds, None when unbounded."""

    timeout: float | None = _DEFAULT_TIMEOUT.total_seconds()
    queues: QueueOptions = QueueOptions()


def read_host_json(path: Path) -> HostOptions:
    """Read the file; StartRefusedError lists everything that is wrong with it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StartRefusedError([f"{path} does not exist: the root of a function app has a host.json"]) from None
    except ValueError as error:
        raise StartRefusedError([f"{path} is not JSON: {error}"]) from None
    return parse_host_json(document)


def parse_host_json(document: object) -> HostOptions:
    """Turn the parsed file into options; StartRefusedError lists everything that is wrong."""
    reader = _Reader()
    if not isinstance(document, dict) or document.get("version") != "2.0":
        raise StartRefusedError(['host.json: "version" must be "2.0"'])
    section = reader.section(reader.section(document, "extensions", "extensions"), "queues", _QUEUES)
    batch_size = reader.number(section, "batchSize", 16, low=1, high=_MOST_IN_A_BATCH)
    queues = QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=reader.number(section, "newBatchThreshold", batch_size // 2, low=0),
        max_polling_interval=reader.span(section, "maxPollingInterval", timedelta(minutes=1), _SHORTEST_POLL),
        retry_delay=reader.span(section, "visibilityTimeout", timedelta(0), timedelta(0)),
        max_dequeue_count=reader.number(section, "maxDequeueCount", 5, low=1),
        encoded=reader.encoding(section),
    )
    timeout = reader.timeout(document)
    if reader.problems:
        raise StartRefusedError(reader.problems)
    return HostOptions(timeout, queues)


class _Reader:
    """Reads members and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def section(self, parent: dict[str, Any], name: str, path: str) -> dict[str, Any]:
        value = parent.get(name, {})
        if isinstance(value, dict):
            return value
        self.problems.append(f"host.json: {path} must be an object")
        return {}

    def number(self, section: dict[str, Any], name: str, default: int, *, low: int, high: int | None = None) -> int:
        value = section.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value and (high is None or value <= high):
            return value
        bounds = f"{low} or more" if high is None else f"{low} to {high}"
        self.problems.append(f"host.json: {_QUEUES}.{name} must be a whole number, {bounds}")
        return default

    def span(self, section: dict[str, Any], name: str, default: timedelta, shortest: timedelta) -> float:
        value = section.get(name)
        if value is None:
            return default.total_seconds()
        try:
            span = parse_timespan(str(value))
        except ValueError as error:
            self.problems.append(f"host.json: {_QUEUES}.{name}: {error}")
            return default.total_seconds()
        if span < shortest:
            self.problems.append(f"host.json: {_QUEUES}.{name} must be {shortest} or more")
        return span.total_seconds()

    def encoding(self, section: dict[str, Any]) -> bool:
        value = str(section.get("messageEncoding", "base64")).lower()
        if value not in {"base64", "none"}:
            self.problems.append(f'host.json: {_QUEUES}.messageEncoding must be "base64" or "none"')
        return value != "none"

    def timeout(self, document: dict[str, Any]) -> float | None:
        value = document.get("functionTimeout")
        if value is None:
            return _DEFAULT_TIMEOUT.total_seconds()
        if str(value) == "-1":
            return None
        try:
            span = parse_timespan(str(value))
        except ValueError as error:
            self.problems.append(f"host.json: functionTimeout: {error}")
            return None
        if span < _SHORTEST_TIMEOUT:
            self.problems.append('host.json: functionTimeout must be one second or more, or "-1" for no bound')
        return span.total_seconds()
