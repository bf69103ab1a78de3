"""`python -m local.measuring`: what an idle deployment and an incident use, counted in a run of the whole product on
one machine. `bulkhead cost` calculates with the figures (console/measured.json).

The schedules are the defaults and the tenant works as slowly as documented, so that what is counted is what would be:
executions by the host, storage transactions by the emulator's access log, bytes by the ledger, log lines by the log.
What the machine's speed decides (durations) is recorded and not relied upon: nearly all executions are shorter than the
one second that is billed at the least.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from local.run.progress import finished
from local.run.stage import grounds, host
from local.tenant import samples
from responders._ledger import Ledger
from responders._ports import QUEUES, TABLE
from shared.config import Settings
from shared.models.progress import Watermark
from shared.storage.connections import Connection, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local.run.stage import Stage

FIRST = 8001
PATIENCE = 1500.0
_REQUEST = re.compile(r'"(GET|HEAD|PUT|POST|DELETE|MERGE|PATCH) (\S+) HTTP/1\.[01]" (\d{3})')
_EXECUTED = re.compile(r"Executed 'Functions\.(\w+)' \(\w+, Id=\S+, Duration=(\d+)ms\)")
_SCHEDULES = ("WATCH_SCHEDULE", "FOLLOW_SCHEDULE", "HOUSEKEEPING_SCHEDULE")


@dataclass
class Counted:
    """What was counted in a span of time. `storage` is by kind of transaction, `executions` by function."""

    seconds: float = 0.0
    storage: Counter[str] = field(default_factory=Counter)
    executions: Counter[str] = field(default_factory=Counter)
    billed_seconds: Counter[str] = field(default_factory=Counter)
    log_lines: int = 0
    log_bytes: int = 0


def kind_of(method: str, path: str) -> str:
    """The kind of a storage transaction, as the price list tells them apart; a poll is the host's look into a queue."""
    place = path.partition("?")[0].strip("/").partition("/")[2]
    name, _, rest = place.partition("/")
    if name.removesuffix("-poison") in QUEUES and (rest == "messages" or rest.startswith("messages/") or not rest):
        polls = method == "GET" and "numofmessages" in path and not name.endswith("-poison")
        return "queue poll" if polls else "queue"
    if place.startswith((TABLE, "$batch", "Tables")):
        return "table"
    if "comp=lease" in path:
        return "blob lease"
    if method in {"PUT", "POST"}:
        return "blob write"
    return "blob read"


def storage_of(text: str) -> Counter[str]:
    """The storage transactions in a piece of the emulator's access log, by kind."""
    return Counter(kind_of(method, path) for method, path, _ in _REQUEST.findall(text))


def executions_of(text: str) -> tuple[Counter[str], Counter[str]]:
    """The executions in a piece of the host's log by function, and their seconds, each at least one, in tenths."""
    counts: Counter[str] = Counter()
    billed: Counter[str] = Counter()
    for name, took in _EXECUTED.findall(text):
        counts[name] += 1
        billed[name] += max(10, -(-int(took) // 100))
    return counts, billed


class Meter:
    """Reads on in both logs."""

    def __init__(self, stage: Stage) -> None:
        """Begin where the logs end now."""
        self._files = (stage.folder / "storage" / "azurite.log", stage.folder / "host.log")
        self._read = [path.stat().st_size for path in self._files]
        self._since = time.monotonic()

    def take(self) -> Counted:
        """What was counted since the last time."""
        pieces = []
        for number, path in enumerate(self._files):
            data = path.read_bytes()
            pieces.append(data[self._read[number] :].decode(errors="replace"))
            self._read[number] = len(data)
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        counts, billed = executions_of(pieces[1])
        lines = pieces[1].splitlines()
        return Counted(seconds, storage_of(pieces[0]), counts, billed, len(lines), sum(map(len, lines)))


def per_incident(idle: Counted, busy: Counted, incidents: int) -> dict[str, object]:
    """What the incidents of a span used beyond what the same time would have used without them."""
    share = busy.seconds / idle.seconds

    def more(of: Mapping[str, int], without: Mapping[str, int]) -> dict[str, float]:
        names = sorted({*of, *without})
        return {name: round(max(0.0, of.get(name, 0) - share * without.get(name, 0)) / incidents, 1) for name in names}

    return {
        "storage": more(busy.storage, idle.storage),
        "executions": more(busy.executions, idle.executions),
        "billed_seconds": {
            name: round(tenths / 10, 1) for name, tenths in more(busy.billed_seconds, idle.billed_seconds).items()
        },
        "log_lines": round(max(0.0, busy.log_lines - share * idle.log_lines) / incidents, 1),
        "log_bytes": round(max(0.0, busy.log_bytes - share * idle.log_bytes) / incidents),
    }


def per_execution(idle: Counted) -> dict[str, object]:
    """What an idle deployment uses for each execution of its timers, polling apart, which goes by time."""
    executions = sum(idle.executions.values())
    own = {kind: count for kind, count in idle.storage.items() if kind not in {"queue poll", "blob lease"}}
    return {
        "storage_each": {kind: round(count / executions, 2) for kind, count in sorted(own.items())},
        "log_lines": round(idle.log_lines / executions, 2),
        "log_bytes": round(idle.log_bytes / executions),
    }


def measure(folder: Path, incidents: int, idle_seconds: float) -> dict[str, object]:
    """Run the product: idle for a while, then with incidents, each harmful and on a device of its own."""
    defaults = {name: str(Settings.model_fields[name].default) for name in _SCHEDULES}
    own = {"DEPLOYMENT": "measuring", "ACTION_VISIBILITY": "PT2M", "NUDGE_AFTER": "PT1M", "PROTECTED": "{}"}
    with grounds(folder, {}, defaults | own, access_log=True) as stage, host(folder, stage.settings):
        stage.control("POST", "machines", samples.fleet(400))
        ledger = Ledger(Connection(locate("AzureWebJobsStorage", stage.settings)).rows(TABLE))
        _until(lambda: ledger.single(Watermark, "watermark") is not None)
        time.sleep(90)  # the first examination of the deployment, and whatever else a start brings
        meter = Meter(stage)
        time.sleep(idle_seconds)
        idle = meter.take()
        named = [str(FIRST + number) for number in range(incidents)]
        for number, name in enumerate(named):
            raised = samples.harmful_incident(name, device_id=samples.fleet_id(2 + number))
            stage.control("POST", "incidents", [raised])
            time.sleep(15)
        _until(lambda: all(_over(ledger, name) for name in named))
        busy = meter.take()
        actions = [action for name in named for action in ledger.actions(name)]
    sizes = [sum(artefact.size for artefact in action.artefacts) for action in actions]
    return {
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "incidents": incidents,
        "idle_seconds": round(idle.seconds),
        "busy_seconds": round(busy.seconds),
        "idle": {
            "executions": dict(sorted(idle.executions.items())),
            "storage": dict(sorted(idle.storage.items())),
            **per_execution(idle),
        },
        "incident": {**per_incident(idle, busy, incidents), "actions": round(len(actions) / incidents, 1)},
        "evidence_bytes": round(sum(sizes) / incidents),
    }


def _over(ledger: Ledger, incident: str) -> bool:
    entry = ledger.incident(incident)
    return entry is not None and bool(entry.value.assessed) and finished(ledger, entry.value, ledger.actions(incident))


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the run was not over in time")
        time.sleep(1)


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the figures or write them into a file."""
    parser = argparse.ArgumentParser(prog="python -m local.measuring", description="What an incident uses.")
    parser.add_argument("--incidents", type=int, default=6)
    parser.add_argument("--idle", type=float, default=300.0, help="seconds without any incident")
    parser.add_argument("--write", type=Path, help="the file; without it, the figures are printed")
    wanted = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started ends with us
    folder = Path(".run") / f"measuring-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    text = json.dumps(measure(folder, wanted.incidents, wanted.idle), indent=1) + "\n"
    if wanted.write:
        wanted.write.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
