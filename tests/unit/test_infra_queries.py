"""Alarms and the workbook search the log for words. Here the code is made to log, and the words have to be found."""

import json
import logging
import re
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import duckdb_kql
import pytest

from responders._flow import Flow
from responders._follow import Follow
from responders._governor import Governor
from responders._keeping import Keeping
from responders._lacks import remember
from responders._ledger import Ledger
from responders._nudges import note
from responders._ports import CONTAIN, QUEUES, Ports
from responders._refusal import Service
from responders._refusals import TABLE
from responders._telemetry import ACTION_EVENT, action_event
from responders._told import Told
from responders._wiring import responders
from shared.config import load
from shared.errors import Rejected, Throttled, Transient
from shared.models.action import Artefact, State
from shared.storage.interface import Stored
from tests.fakes.signing import FakeMac
from tests.fakes.storage import FakeClock, FakeDocuments, FakeEvidence, FakeQueues, FakeRows
from tests.unit.incidents import NOW, action
from tests.unit.templates import QUERIES, text

NAMES = [path.name for path in QUERIES]
USED = re.findall(r"queries/([\w-]+\.kql)", text("modules/alarms.bicep") + text("modules/workbook.bicep"))
KINDS = {"watch-stalled": "watch", "policy-broken": "policy", "custody-mismatch": "custody"}


def patterns(name: str) -> list[str]:
    """The regular expressions of a query, which Kusto (RE2) and Python read alike."""
    return [each.replace('""', '"') for each in re.findall(r'@"((?:[^"]|"")*)"', text(f"queries/{name}"))]


def found(name: str, message: str) -> bool:
    return any(re.search(each, message) for each in patterns(name))


@pytest.fixture
def ports() -> Ports:
    """Storage and no clients: enough for what is made to fail here."""
    settings = load({**dict.fromkeys(("AzureWebJobsStorage", "EVIDENCE_STORAGE"), "UseDevelopmentStorage=true")})
    clock = FakeClock()
    rows, queues = FakeRows(), FakeQueues(clock.now)
    for queue in QUEUES:
        queues.provide(queue)
        queues.provide(f"{queue}-poison")
    own = {"settings": settings, "clock": clock, "ledger": Ledger(rows), "queues": queues, "chats": {}}
    more = {
        "evidence": FakeEvidence(),
        "mac": FakeMac(),
        "documents": FakeDocuments(),
        "governor": Governor(rows, clock, settings),
        "responders": responders(),
    }
    return cast("Ports", SimpleNamespace(**own, **more))


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_every_query_is_used_and_every_one_that_is_used_is_there() -> None:
    assert sorted(USED) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_query_that_reads_actions_reads_their_event(name: str) -> None:
    if ACTION_EVENT in text(f"queries/{name}"):
        assert f'startswith "{ACTION_EVENT} "' in text(f"queries/{name}")
        assert f"substring(Message, {len(ACTION_EVENT) + 1})" in text(f"queries/{name}")


def test_only_events_of_a_chain_of_accesses_may_be_written_without_an_alarm() -> None:
    """By a custodian: the app's own writes are known by its identity."""
    run = "https://acc.blob.core.windows.net:443/evidence/2026/11/inc-7/dev-a-1/access/run-20261129T060000Z-collect-package-01"
    assert found("alarm-evidence-touched.kql", f"{run}/000001.json")
    assert 'split(Uri, "?")[0]) matches' in text("queries/alarm-evidence-touched.kql"), "anybody may write behind a ?"
    for other in ("", "/x.json", "/000001.json/x", "/1.json", "/000001.json.bak", "/000001.json?x"):
        assert not found("alarm-evidence-touched.kql", run + other)


@pytest.mark.parametrize("name", NAMES)
def test_a_query_asks_for_members_that_an_event_has(name: str) -> None:
    known = json.loads(action_event(action(), contains=True, gathers=False).partition(" ")[2])
    assert set(re.findall(r"Event\.(\w+)", text(f"queries/{name}"))) <= set(known)


@pytest.mark.parametrize("name", NAMES)
def test_a_query_asks_for_states_that_there_are(name: str) -> None:
    asked = re.findall(r'(?:State|state\)) (?:== "(\w+)"|in \((.*?)\))', text(f"queries/{name}"))
    words = {word for pair in asked for each in pair for word in re.findall(r"\w+", each)}
    assert words <= {str(state) for state in State}


# Run over what the code logs


class Workspace:
    """The workspace's table of traces, with the lines that the code logs, a second apart."""

    def __init__(self) -> None:
        self._database = duckdb.connect()
        self._database.execute("create table AppTraces(TimeGenerated timestamp, Message varchar, ItemCount int)")
        self._second = 0

    def log(self, *lines: str) -> None:
        for line in lines:
            self._second += 1
            moment = datetime(2026, 1, 5, 9) + timedelta(seconds=self._second)  # noqa: DTZ001 - what the table holds
            self._database.execute("insert into AppTraces values (?, ?, 1)", [moment, line])

    def ask(self, name: str) -> list[dict[str, Any]]:
        found = duckdb_kql.kql(self._database, text(f"queries/{name}"))
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def workspace(ports: Ports, caplog: pytest.LogCaptureFixture) -> Workspace:
    """An isolation that went well, one that failed, one that waits, and a package that was archived."""
    began = NOW - timedelta(seconds=2)
    made = Workspace()

    def logs(state: State, seconds: float, **members: object) -> None:
        stands = action(**{"shown_at": began, "detail": 'said "so"\naction 1'} | members)
        caplog.clear()
        with caplog.at_level(logging.INFO):
            note(ports, stands.to(state, began + timedelta(seconds=seconds)))
        made.log(*logged(caplog))

    logs(State.PLANNED, 1)
    logs(State.ACCEPTED, 3)
    logs(State.SUCCEEDED, 9)
    logs(State.ACCEPTED, 3, device="b" * 40)
    logs(State.FAILED, 8, device="b" * 40)
    logs(State.WAITING, 2, device="c" * 40)
    package = {"responder": "collect_package", "artefacts": (Artefact(name="x", size=700, sha256="0" * 64),)}
    logs(State.ACCEPTED, 12, **package)
    logs(State.FETCHING, 70, **package)
    logs(State.SUCCEEDED, 75, **package)
    return made


def test_how_long_containment_takes_is_found(workspace: Workspace) -> None:
    (day,) = workspace.ask("time-to-contain.kql")
    assert (day["Devices"], day["Median"], day["Longest"]) == (1, 9.0, 9.0)


def test_how_long_evidence_takes_is_found(workspace: Workspace) -> None:
    (day,) = workspace.ask("time-to-evidence.kql")
    assert (day["Runs"], day["Median"], day["Bytes"]) == (1, 75.0, 700)


def test_every_step_is_found(workspace: Workspace) -> None:
    steps = {
        (each["Responder"], each["Step"]): (each["Actions"], each["Longest"]) for each in workspace.ask("steps.kql")
    }
    assert steps == {
        ("isolate", "1 accepted"): (2, 3.0),
        ("isolate", "2 final"): (1, 9.0),
        ("collect_package", "1 accepted"): (1, 12.0),
        ("collect_package", "2 final"): (1, 70.0),
        ("collect_package", "3 archived"): (1, 75.0),
    }


def test_how_actions_ended_is_found(workspace: Workspace) -> None:
    found = {(each["Responder"], each["State"]): each["Actions"] for each in workspace.ask("outcomes.kql")}
    assert found == {
        ("isolate", "succeeded"): 1,
        ("isolate", "failed"): 1,
        ("isolate", "waiting"): 1,
        ("collect_package", "succeeded"): 1,
    }


@pytest.mark.parametrize("name", ["waiting.kql", "alarm-awaiting-approval.kql"])
def test_what_waits_is_found_and_what_waited_is_not(workspace: Workspace, name: str) -> None:
    (waits,) = workspace.ask(name)
    assert (waits["Device"], waits["Why"]) == ("c" * 40, 'said "so"\naction 1')


def test_an_isolation_that_failed_rings(workspace: Workspace) -> None:
    (failed,) = workspace.ask("alarm-isolation-failed.kql")
    assert (failed["Device"], failed["Responder"]) == ("b" * 40, "isolate")


def test_what_cannot_be_contained_here_rings_too(ports: Ports, caplog: pytest.LogCaptureFixture) -> None:
    """No remediation level, a platform that is not supported: the device is as free as after a failure."""
    with caplog.at_level(logging.INFO):
        note(ports, action(device="d" * 40).to(State.UNAVAILABLE, NOW, detail="not for this device"))
        note(ports, action(responder="collect_package", device="e" * 40).to(State.UNAVAILABLE, NOW))
    made = Workspace()
    made.log(*logged(caplog))
    (found_,) = made.ask("alarm-isolation-failed.kql")
    assert (found_["Device"], found_["Why"]) == ("d" * 40, "not for this device")


@pytest.mark.parametrize(("responder", "rings"), [("isolate", True), ("collect_package", False)])
def test_that_nothing_can_be_contained_rings(
    ports: Ports, caplog: pytest.LogCaptureFixture, responder: str, *, rings: bool
) -> None:
    remember(ports, responder, TABLE[Service.DEFENDER, "feature-off"])
    made = Workspace()
    made.log(*logged(caplog))
    rung = made.ask("alarm-isolation-failed.kql")
    assert [f"{responder}: the feature is turned off" in each["Why"] for each in rung] == [True] * rings


def test_an_event_is_one_line_whatever_somebody_else_wrote_into_it() -> None:
    assert "\n" not in action_event(action(detail="two\nlines"), contains=True, gathers=False)


def test_incidents_that_cannot_be_read_ring(ports: Ports, caplog: pytest.LogCaptureFixture) -> None:
    class Down:
        def changed(self, *_args: object, **_more: object) -> None:
            raise Transient("503")

    Flow(cast("Ports", SimpleNamespace(**vars(ports), incidents=Down()))).watch()
    assert found("alarm-watch-stalled.kql", logged(caplog)[-1])
    assert found("troubles.kql", logged(caplog)[-1])


def test_a_dead_letter_rings(ports: Ports, caplog: pytest.LogCaptureFixture) -> None:
    ports.queues.send(f"{CONTAIN}-poison", "rubbish")
    Follow(ports)._drain_poison()
    assert found("alarm-dead-letters.kql", logged(caplog)[-1])
    assert found("troubles.kql", logged(caplog)[-1])


def test_a_budget_that_is_used_up_is_counted_by_api(ports: Ports) -> None:
    ports.governor.lease("package_uri", 2)
    with pytest.raises(Throttled) as refused:
        ports.governor.spend("package_uri")
    for name in ("alarm-governor-starved.kql", "budgets.kql"):
        assert re.findall(patterns(name)[0], f"housekeeping: {refused.value}") == ["package_uri"]


def test_evidence_with_another_hash_rings(ports: Ports) -> None:
    wrong = Stored("name", 1, "a" * 64, {}, created=True)
    ports.evidence.write_once("name", [b"x"], metadata={})
    keeping = Keeping(ports, action(), ports.clock.now() + timedelta(1))
    with pytest.raises(Rejected) as refused:
        keeping.kept("name", wrong, Told("package", "text/plain"))
    words = re.findall(r'has "([^"]+)"', text("queries/alarm-custody-mismatch.kql"))
    assert words
    assert all(each in str(refused.value) for each in words)


@pytest.mark.parametrize(("alarm", "kind"), KINDS.items())
def test_alarms_also_know_the_event_that_the_code_is_to_log(alarm: str, kind: str) -> None:
    event = f'bulkhead.alarm {{"kind": "{kind}", "text": "why"}}'
    others = {f"alarm-{each}.kql" for each in KINDS if each != alarm}
    assert found(f"alarm-{alarm}.kql", event)
    assert not any(found(each, event) for each in others)


def test_the_alarm_of_a_run_is_known_by_how_it_begins() -> None:
    assert found(
        "alarm-custody-mismatch.kql", 'bulkhead.alarm {"kind": "custody 2026 08 inc-7 dev-a run-1", "text": "x"}'
    )
    assert not found("alarm-custody-mismatch.kql", 'bulkhead.alarm {"kind": "custodyless", "text": "x"}')


APP, ANN = "app-id", "ann-id"
BLOB = "https://acc.blob.core.windows.net/evidence/2026/11/inc-7/dev-a-b"


@pytest.mark.parametrize(
    ("who", "category", "uri", "rings"),
    [
        (APP, "StorageWrite", f"{BLOB}/run-1/data/a.json", False),
        (ANN, "StorageWrite", f"{BLOB}/run-1/data/a.json", True),
        (ANN, "StorageWrite", f"{BLOB}/access/run-1/000001.json", False),
        (ANN, "StorageWrite", f"{BLOB}/run-1/data/a.json?comp=blocklist&x=/access/run-1", True),
        (ANN, "StorageRead", f"{BLOB}/run-1/data/a.json", False),
        (APP, "StorageDelete", f"{BLOB}/run-1/data/a.json", True),
        ("", "StorageDelete", f"{BLOB}/run-1/data/a.json", False),
    ],
)
def test_a_change_of_evidence_rings_whatever_else_its_address_says(
    who: str, category: str, uri: str, rings: bool
) -> None:
    """Who notes to whom a run was given writes beside it. The log's addresses hold the query, which is anybody's."""
    columns = ("AccountName", "RequesterObjectId", "Category", "OperationName", "Uri", "StatusText", "CallerIpAddress")
    database = duckdb.connect()
    database.execute(
        f"create table StorageBlobLogs(TimeGenerated timestamp, {', '.join(f'{c} varchar' for c in columns)})"
    )
    row = [NOW.replace(tzinfo=None), "acc", who, category, "PutBlob", uri, "Success", ""]
    database.execute("insert into StorageBlobLogs values (?, ?, ?, ?, ?, ?, ?, ?)", row)
    query = text("queries/alarm-evidence-touched.kql").replace("{account}", "acc").replace("{app}", APP)
    assert bool(duckdb_kql.kql(database, query).fetchall()) is rings


@pytest.mark.parametrize("name", NAMES)
def test_a_query_begins_at_a_table_that_exists(name: str) -> None:
    tables = set(re.findall(r"^(?:let \w+ = )?([A-Z]\w+)$", text(f"queries/{name}"), re.MULTILINE))
    assert tables
    assert tables <= {"AppTraces", "AppRequests", "StorageBlobLogs"}
