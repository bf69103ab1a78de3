"""The whole product on one machine, for tests: storage, tenant and host as in `make run`, and questions to ask of them.

Everything is asked from outside: of the ledger, of the tenant's own log and state, and of the chat that it received.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

from local.run.progress import finished
from local.run.stage import Stage, grounds, host
from local.tenant import package, samples
from responders._access import Stored, runs
from responders._ledger import Ledger
from responders._notices import digest_of
from responders._ports import EVIDENCE, TABLE
from responders._verify import Checked, check
from shared.models.action import Action, State
from shared.models.progress import Watermark
from shared.storage.connections import Connection, locate
from shared.storage.interface import Conflict

Json = dict[str, Any]
PATIENCE: Final = 180.0
SOON: Final = {"pending": [0.2, 0.5], "running": [0.3, 0.8]}
_BUDGETS: Final = ("incidents", "machines", "machine_actions", "isolate", "collect", "package_uri", "hunting")
TENANT: Final[Json] = {
    "visibility_seconds": 0.3,
    "durations": dict.fromkeys(("Isolate", "Unisolate", "CollectInvestigationPackage", "RunAntiVirusScan"), SOON),
    "rates": dict.fromkeys((*_BUDGETS, "unisolate"), "none"),
    "slack_per_second": 0,
}
"""Minutes become seconds, and no rate is in the way: what the rates do has tests of its own."""

SETTINGS: Final = {
    "DEPLOYMENT": "end-to-end",
    "WATCH_SCHEDULE": "* * * * * *",
    "FOLLOW_SCHEDULE": "* * * * * *",
    "HOUSEKEEPING_SCHEDULE": "0 7 * * * *",
    "NUDGE_AFTER": "PT5S",
    "BULKHEAD_HOST_INVISIBILITY": "4",
    "RATE_LIMITS": json.dumps(dict.fromkeys(_BUDGETS, "9000/min")),
    "ISOLATION_CAPS": json.dumps({"per_incident": 5, "per_hour": 100, "per_day": 100, "fleet_share": 1}),
}
"""The settings that let a test run faster than the clock."""

_HEADINGS: Final = {
    "Response started": "started",
    "Contained": "contained",
    "Response ended": "ended",
    "Not sure yet": "unsure",
    "Observed (nothing was touched)": "observed",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A chat message about an incident: what it announces, when the tenant took it, and all of its text."""

    kind: str
    at: datetime
    text: str


class Play:
    """A stage with its hosts, and what a test asks of it."""

    def __init__(self, stage: Stage) -> None:
        self.stage: Final = stage
        self._storage = Connection(locate("AzureWebJobsStorage", stage.settings))
        self._archive = Connection(locate("EVIDENCE_STORAGE", stage.settings))
        self.ledger: Final = Ledger(self._storage.rows(TABLE))
        self.queues: Final = self._storage.queues()
        self.evidence: Final = self._archive.evidence(EVIDENCE)
        self.notes: Final[Json] = {}
        self._changed: dict[str, str] = {}

    def close(self) -> None:
        self._storage.close()
        self._archive.close()

    # the host

    @contextmanager
    def host(self, name: str = "host", **changed: str) -> Iterator[Popen[bytes]]:
        """Run a host, with settings of its own where given, until the context ends or somebody kills it."""
        with host(self.stage.folder, {**self.stage.settings, **changed}, name) as process:
            yield process

    def await_watching(self) -> None:
        """Wait until watching has begun: what is raised earlier is older than the deployment."""
        eventually(lambda: self.ledger.single(Watermark, "watermark") is not None, "the watching begins")

    def log(self, name: str = "host") -> str:
        return (self.stage.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    # what happens in the tenant

    def control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        return self.stage.control(method, path, body)

    def raise_incidents(self, *incidents: Json) -> None:
        """Have the tenant show incidents, from now on and as updated now."""
        shown = [{name: each[name] for name in each if name != "lastUpdateDateTime"} for each in incidents]
        self.control("POST", "incidents", shown)

    def change_incident(self, incident: str, members: Json) -> None:
        """Have an incident change; `await_over` then waits for the newer version."""
        entry = self.ledger.incident(incident)
        self._changed[incident] = entry.value.seen if entry else ""
        self.control("PATCH", f"incidents/{incident}", members)

    def fault(self, *faults: Json) -> None:
        self.control("POST", "faults", list(faults))

    # waiting

    def await_over(self, *incidents: str, seconds: float = PATIENCE) -> None:
        """Wait, by the ledger, until nothing more will happen about the incidents by itself."""
        eventually(lambda: all(map(self._over, incidents)), f"over: {' '.join(incidents)}", seconds, self.story)

    def await_told(self, kind: str, *incidents: str, seconds: float = PATIENCE) -> None:
        """Wait, by the tenant alone, until the chat has heard this kind of message about every incident."""
        eventually(
            lambda: all(kind in self.kinds_told(each) for each in incidents), f"told: {kind}", seconds, self.story
        )

    def hurry(self, *incidents: str) -> None:
        """Let the seconds and minutes pass that actions wait before their next try; what a host works on stays."""
        now = datetime.now(UTC)
        for incident in incidents:
            for entry in self.ledger.open_actions(incident):
                action = entry.value
                waits = action.due and action.due < now + timedelta(minutes=5)
                tried = action.tries if action.state is State.PLANNED else action.detail
                if waits and tried and action.state in {State.PLANNED, State.FETCHING}:
                    with suppress(Conflict):  # a host was faster
                        self.ledger.move(entry, action.model_copy(update={"due": now - timedelta(minutes=1)}))

    def claims(self, *incidents: str) -> frozenset[str]:
        """What is being downloaded or told now, each by the ETag of its row."""
        actions = [each for incident in incidents for each in self.ledger.open_actions(incident)]
        notices = [each for incident in incidents for each in self.ledger.notices(incident)]
        fetching = {each.etag for each in actions if each.value.state is State.FETCHING}
        return frozenset(fetching | {each.etag for each in notices if each.value.pending})

    def outlive(self, *incidents: str, claims: Container[str] | None = None) -> None:
        """Let the minutes pass for which a dead host's downloads and notices are left alone.

        Where a host lives, `claims` says which are the dead one's: those that stood still since.
        """
        long_ago = datetime.now(UTC) - timedelta(minutes=5)
        claims = self.claims(*incidents) if claims is None else claims
        for incident in incidents:
            for entry in self.ledger.open_actions(incident):
                if entry.value.state is State.FETCHING and entry.etag in claims:
                    with suppress(Conflict):
                        self.ledger.move(entry, entry.value.model_copy(update={"due": long_ago}))
            for notice in self.ledger.notices(incident):
                if notice.value.pending and notice.etag in claims:
                    late = notice.value.model_copy(update={"since": long_ago})
                    with suppress(Conflict):
                        self.ledger.put_notice(incident, late, notice.etag)
                    self.ledger.remind(incident, long_ago)

    def unfinished(self, *incidents: str) -> bool:
        """Whether anything is left to happen by itself about some of them, by the ledger."""
        return not all(map(self._over, incidents))

    def _over(self, incident: str) -> bool:
        entry = self.ledger.incident(incident)
        if entry is None or entry.value.seen == self._changed.get(incident):
            return False
        actions = self.ledger.actions(incident)
        if not finished(self.ledger, entry.value, actions):
            return False
        notices = [each.value for each in self.ledger.notices(incident)]
        return not actions or any(each.kind == "final" and each.digest == digest_of(actions) for each in notices)

    def story(self) -> str:
        rows = [f"{each.value.key}: {each.value.state} {each.value.detail}" for each in self.ledger.open_actions()]
        return "\n".join([*rows, *self.log().splitlines()[-30:]])

    # what the tenant saw

    def requests(self, method: str, path: str) -> list[Json]:
        """The calls of the product whose path ends so."""
        every: list[Json] = self.control("GET", "log")["value"]
        return [each for each in every if each["method"] == method and each["path"].endswith(path)]

    def actions(self, device: str, kind: str) -> list[Json]:
        """A device's machine actions of a kind, whoever asked for them, oldest first."""
        every: list[Json] = self.control("GET", "state")["actions"]
        return [each for each in every if each["machineId"] == device and each["type"] == kind]

    def ours(self, device: str, kind: str) -> list[Json]:
        """Those that the product asked for."""
        return [each for each in self.actions(device, kind) if "[bulkhead " in each["requestorComment"]]

    def isolated(self, device: str) -> bool:
        machines: list[Json] = self.control("GET", "state")["machines"]
        return next(bool(each["isolated"]) for each in machines if each["id"] == device)

    def incident(self, incident: str) -> Json:
        every: list[Json] = self.control("GET", "state")["incidents"]
        return next(each for each in every if each["id"] == incident)

    def told(self, incident: str) -> list[Told]:
        """What chat heard about an incident, in order."""
        found = []
        for each in self.control("GET", "messages")["value"]:
            heading, _, rest = str(each["message"]["text"]).partition(": incident ")
            if rest.partition(",")[0] == incident:
                found.append(Told(_HEADINGS[heading], moment(each["time"]), json.dumps(each["message"])))
        return found

    def kinds_told(self, incident: str) -> list[str]:
        return [each.kind for each in self.told(incident)]

    def violations(self) -> list[Json]:
        found: list[Json] = self.control("GET", "violations")["value"]
        return found

    # what the ledger says

    def action(self, incident: str, responder: str, device: str = "") -> Action:
        """The only action of a responder for an incident (and device)."""
        found = [
            each
            for each in self.ledger.actions(incident)
            if each.responder == responder and device in {"", each.device}
        ]
        assert len(found) == 1, found
        return found[0]

    def archived(
        self, incident: str, by: str = "collect-package", among: Sequence[str] | None = None
    ) -> dict[str, bytes]:
        """What was collected for an incident by this responder and lies in the archive, by name, as it is read back.
        `among` are the names of the archive, where somebody has listed them.
        """
        listed = self.evidence.names("") if among is None else among
        names = [name for name in listed if f"/inc-{incident}/" in name and f"Z-{by}-" in name]
        return {name: b"".join(self.evidence.read(name)) for name in names if "/data/" in name}

    def checked(self, incident: str) -> dict[str, Checked]:
        """What `verify` says of each sealed run of an incident."""
        found = runs(self.evidence.names(""))
        sealed = [run for run, closed in found.items() if closed and f"/inc-{incident}/" in run]
        return {run: check(Stored(self.evidence, run)) for run in sealed}


@contextmanager
def played(
    folder: Path,
    *,
    fleet: int = 200,
    tenant: Json | None = None,
    host: bool = True,
    tolerated: Sequence[tuple[str, str]] = (),
    **changed: str,
) -> Iterator[Play]:
    """A stage with a fleet and, unless it is refused, a host that watches. At its end the tenant must have seen nothing
    that a careful client would not do, but for what is `tolerated` (kind and detail).
    """
    with ExitStack() as stack:
        stage = stack.enter_context(grounds(folder, TENANT | (tenant or {}), SETTINGS | changed))
        play = Play(stage)
        stack.callback(play.close)
        play.control("POST", "machines", samples.fleet(fleet))
        if host:
            stack.enter_context(play.host())
            play.await_watching()
        yield play
        complaints = [each for each in play.violations() if (each["kind"], each["detail"]) not in tolerated]
    assert complaints == []


def kill(process: Popen[bytes]) -> None:
    """End a host and its worker at once, as a machine that loses its power."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def fresh_timers() -> dict[str, str]:
    """The setting that spares a test the quarter of a minute for which a killed host's timers stay locked."""
    return {"AzureFunctionsWebHost__hostid": uuid.uuid4().hex}


def eventually(
    true: Callable[[], bool],
    what: str,
    seconds: float = PATIENCE,
    story: Callable[[], str] = lambda: "",
    pause: float = 0.3,
) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"never: {what}\n{story()}"
        time.sleep(pause)


def moment(text: str) -> datetime:
    """An instant as the tenant writes it, with seven digits of a second."""
    return datetime.fromisoformat(text[:26] + "+00:00")


def several(incident: str, devices: Sequence[str], **more: object) -> Json:
    """A harmful incident on several devices, each compromised in an alert of its own."""
    parts = [samples.harmful_incident(incident, device_id=device) for device in devices]
    return {**parts[0], "alerts": [part["alerts"][0] for part in parts], **more}


def own_package(folder: Path, device: str) -> tuple[Json, str]:
    """A package that no other device has: the machine that serves it, and the package's SHA-256."""
    data = package.build(device, device, datetime.now(UTC))
    path = folder / f"package-{device}.zip"
    path.write_bytes(data)
    return {"id": device, "package_file": str(path)}, hashlib.sha256(data).hexdigest()
