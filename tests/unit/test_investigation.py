"""From kept answers to findings: process keys, correlation with alerts, whose activity it is, and what is missing.

Rows are synthetic: those that the simulated tenant makes for its harmful incident, and some of Windows 4688 events of a
public data set (`tests/data/README.md`), mapped to the columns of DeviceProcessEvents.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.tenant import hunting_rows, samples
from local.tenant.shapes import incident as completed
from responders._investigation.collector import is_defenders, label
from responders._investigation.correlated import with_alerts
from responders._investigation.gathering import MOST_BYTES, findings_of
from responders._investigation.hunted import found
from responders._investigation.rows import Answer, lines_of, read_answer
from shared.models.action import Action, Artefact
from shared.models.findings import Collector, Findings, Kind, ProcessKey
from tests.fakes.storage import FakeEvidence
from tests.unit.incidents import HOST1, HOST2, NOW, action

HOST = samples.fleet_id(2)
DATA = Path(__file__).parents[1] / "data"
QUERIES = {
    "processes": "DeviceProcessEvents",
    "network": "DeviceNetworkEvents",
    "files": "DeviceFileEvents",
    "logons": "DeviceLogonEvents",
    "registry": "DeviceRegistryEvents",
    "image-loads": "DeviceImageLoadEvents",
    "device-events": "DeviceEvents",
    "alert-evidence": "AlertEvidence",
    "file-certificates": "DeviceFileCertificateInfo",
}
Raw = dict[str, Any]


def kept(query: str, given: Sequence[Mapping[str, object]], **head: object) -> bytes:
    """An answer as the responder keeps it."""
    first = {"hunting": query, "title": "A title.", "query": "T", "rows": len(given), "truncated": "", **head}
    return b"".join(json.dumps(each).encode() + b"\n" for each in (first, *given))


def answer(query: str, *rows: Mapping[str, object], **head: object) -> Answer:
    return read_answer(lines_of([kept(query, rows, **head)]), source=query, name=f"x/{query}.jsonl", device=HOST)


def story() -> tuple[Raw, list[Answer]]:
    """The harmful incident of the simulated tenant, and what was hunted of its device."""
    incident = completed(samples.harmful_incident("7", device_id=HOST, created=NOW), "7", "t", NOW)
    tables = hunting_rows.of_incident(incident)
    mine = {
        name: [row for row in rows if row["DeviceId"] == HOST] for name, rows in tables.items() if name != "AlertInfo"
    }
    return incident, [answer(query, *mine.get(table, ())) for query, table in QUERIES.items()]


def told() -> Findings:
    incident, answers = story()
    return with_alerts(found(answers), json.dumps(incident).encode())


# the story


def test_the_processes_make_a_tree() -> None:
    findings = told()
    by_key = {each.key: each for each in findings.processes}
    assert len(by_key) == len(findings.processes)
    [implant] = [each for each in findings.processes if each.name == "updater.exe"]
    line = []
    at = implant.key
    while at in by_key:
        line.append(by_key[at].name.lower())
        parent = by_key[at].parent
        if parent is None:
            break
        at = parent
    assert line[:4] == ["updater.exe", "powershell.exe", "winword.exe", "explorer.exe"]
    assert implant.account == "CONTOSO\\alice"
    assert implant.integrity == "High"


def test_the_process_that_an_alert_names_is_marked_and_no_other_of_its_name() -> None:
    findings = told()
    marked = [each for each in findings.processes if each.alerts]
    assert {each.name for each in marked} == {"powershell.exe", "updater.exe"}
    [power] = [each for each in marked if each.name == "powershell.exe"]
    assert power.key == ProcessKey(HOST, 4780, NOW - timedelta(minutes=4))
    assert power.defender == "active"
    [event] = [each for each in findings.events if each.process == power.key and each.kind is Kind.PROCESS]
    assert event.techniques == ("T1059.001",)


def test_connections_of_one_process_to_one_place_are_one_line() -> None:
    findings = told()
    [beacon] = [each for each in findings.endpoints if each.port == 443]
    assert (beacon.count, beacon.process_name, beacon.public) == (12, "updater.exe", True)
    assert beacon.first
    assert beacon.last == beacon.first + timedelta(seconds=165)


def test_what_starts_by_itself_is_found() -> None:
    [run] = told().persistence
    assert (run.mechanism, run.name, run.command, run.new) == (
        "run key",
        "Updater",
        r"C:\Users\Public\updater.exe",
        True,
    )


def test_accounts_files_and_signers_are_found() -> None:
    findings = told()
    assert [(each.name, each.kind, each.administrator) for each in findings.accounts] == [
        ("alice", "Interactive", True)
    ]
    [power] = [each for each in findings.processes if each.name == "powershell.exe"]
    assert (power.signer, power.signature) == ("Microsoft Windows", "Valid")
    [implant] = [each for each in findings.processes if each.name == "updater.exe"]
    assert implant.signature == "Unsigned"


def test_the_incidents_own_alerts_are_not_told_twice_and_others_are() -> None:
    incident, _ = story()
    own = incident["alerts"][0]["id"]
    rows = [
        {"AlertId": own, "Title": "own"},
        {"AlertId": "other", "Title": "other", "AttackTechniques": '["T1003 - x"]'},
    ]
    findings = with_alerts(found([answer("alert-evidence", *rows)]), json.dumps(incident).encode())
    [event] = [each for each in findings.events if each.kind is Kind.ALERT]
    assert (event.what, event.techniques) == ("other", ("T1003",))


# whose it is


def test_defenders_collector_is_labelled_and_the_rest_is_not() -> None:
    findings = told()
    labelled = {each.name for each in findings.processes if each.collector is Collector.DEFENDER}
    assert labelled == {"MsSense.exe", "SenseIR.exe", "Robocopy.exe"}
    events = {each.what.rpartition("\\")[2] for each in findings.events if each.collector}
    assert events == {"MsSense.exe", "SenseIR.exe", "Robocopy.exe"}


@pytest.mark.parametrize(
    ("path", "theirs"),
    [
        (r"C:\Program Files\Windows Defender Advanced Threat Protection\SenseIR.exe", True),
        (r"c:\program files\windows defender advanced threat protection\mssense.exe", True),
        (r"C:\ProgramData\Microsoft\Windows Defender\Platform\4.18\MsMpEng.exe", True),
        ("/opt/microsoft/mdatp/sbin/wdavdaemon", True),
        (r"C:\Users\Public\SenseIR.exe", False),
        (r"C:\Users\x\Program Files\Windows Defender Advanced Threat Protection\SenseIR.exe", False),
        (r"C:\Program Files\Windows Defender Advanced Threat Protection\evil.exe", False),
        ("SenseIR.exe", False),
        ("", False),
    ],
)
def test_a_name_alone_makes_nothing_defenders(path: str, theirs: bool) -> None:
    """Whoever wants to hide would take it."""
    assert is_defenders(path) is theirs


def test_our_own_scripts_are_ours_only_where_defender_runs_them() -> None:
    line = r'powershell.exe -File "C:\ProgramData\x\bulkhead-windows.ps1" capture'
    sense = r"C:\Program Files\Windows Defender Advanced Threat Protection\SenseIR.exe"
    assert label("powershell.exe", line, sense) is Collector.BULKHEAD
    assert label("powershell.exe", line, r"C:\Windows\explorer.exe") is Collector.NOBODY


# keys


def test_a_number_that_is_used_again_is_another_process() -> None:
    rows = [
        {"ActionType": "ProcessCreated", "ProcessId": 7, "ProcessCreationTime": f"2026-08-13T0{hour}:00:00.1234567Z",
         "FileName": name, "DeviceId": HOST}
        for hour, name in ((1, "a.exe"), (2, "b.exe"))
    ]  # fmt: skip
    assert {each.name for each in found([answer("processes", *rows)]).processes} == {"a.exe", "b.exe"}


def test_what_a_process_says_of_itself_outweighs_what_others_say() -> None:
    own = {"ActionType": "ProcessCreated", "ProcessId": 7, "ProcessCreationTime": "2026-08-13T01:00:00Z",
           "FileName": "a.exe", "ProcessCommandLine": "a.exe -x", "AccountName": "alice",
           "InitiatingProcessId": 5}  # fmt: skip
    child = {"ActionType": "ProcessCreated", "ProcessId": 8, "InitiatingProcessId": 7, "FileName": "b.exe",
             "InitiatingProcessCreationTime": "2026-08-13T01:00:00Z", "InitiatingProcessFileName": "a.exe",
             "InitiatingProcessSHA1": "aa"}  # fmt: skip
    for rows in ([own, child], [child, own]):
        [one] = [each for each in found([answer("processes", *rows)]).processes if each.key.pid == 7]
        assert (one.command_line, one.account, one.sha1) == ("a.exe -x", "alice", "aa")
        assert one.parent == ProcessKey(HOST, 5, None)


# what is missing


def test_what_is_cut_broken_or_lost_is_said() -> None:
    lines = kept("files", [{"FileName": "a"}], truncated="cut at 10000 rows", rows=3).splitlines()
    read = read_answer([*lines, b"{not json"], source="s", name="n", device=HOST)
    assert (read.source.rows, read.source.read) == (3, 1)
    assert "cut at 10000 rows" in read.source.truncated
    assert "1 lines are no JSON objects" in read.source.truncated
    assert "1 rows are not there" in read.source.truncated
    assert read_answer([], source="s", name="n", device=HOST).source.truncated


class _Store(FakeEvidence):
    def put(self, name: str, data: bytes) -> Artefact:
        stored = self.write_once(name, [data], metadata={})
        return Artefact(name=stored.name, size=stored.size, sha256=stored.sha256)


def test_a_run_is_read_from_the_store_with_what_it_says_is_missing() -> None:
    store = _Store()
    overview = {"answered": [{"query": "logons", "missing": "refused: no table"}], "missing": ["the window's end"]}
    artefacts = (
        store.put("run/data/hunting/files.jsonl", kept("files", [{"FileName": "a", "FolderPath": "C:\\a"}])),
        store.put("run/data/hunting/overview.json", json.dumps(overview).encode()),
        store.put("run/data/incident/incident.json", b"{}"),
    )
    findings = findings_of(store, [action(responder="hunt", artefacts=artefacts)], None, lambda: 60.0)
    assert [each.what for each in findings.events] == ["C:\\a"]
    assert [each.why for each in findings.missing] == ["refused: no table", "the window's end"]
    assert findings.sources[0].sha256 == artefacts[0].sha256
    assert findings_of(store, [action(responder="isolate", artefacts=artefacts)], None, lambda: 60.0) == Findings()


def test_more_than_can_be_shown_is_named_and_not_read() -> None:
    huge = Artefact(name="run/data/hunting/files.jsonl", size=MOST_BYTES + 1, sha256="0" * 64)
    findings = findings_of(_Store(), [action(responder="hunt", artefacts=(huge,))], None, lambda: 60.0)
    assert findings.sources == ()
    assert "not shown" in findings.missing[0].why


# whatever comes

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
members = st.sampled_from(
    ["Timestamp", "DeviceId", "ActionType", "ProcessId", "ProcessCreationTime", "InitiatingProcessId", "RemoteIP",
     "RemotePort", "RegistryKey", "RegistryValueName", "AdditionalFields", "SHA1", "IsSigned", "Devices", "Count",
     "AlertId", "AttackTechniques", "InitiatingProcessCreationTime", "InitiatingProcessParentId"]
)  # fmt: skip


def test_of_many_devices_the_most_telling_is_read_of_each() -> None:
    """Libraries of the first device leave no other device without its processes."""
    half = MOST_BYTES // 2

    store = _Store()

    def hunt(device: str, **sizes: int) -> Action:
        names = {name: f"{device}/data/hunting/{name.replace('_', '-')}.jsonl" for name in sizes}
        artefacts = [store.put(names[each], b"").model_copy(update={"size": size}) for each, size in sizes.items()]
        return action(responder="hunt", device=device, artefacts=tuple(artefacts))

    first = hunt(HOST1, image_loads=half, processes=half // 2, files=half)
    second = hunt(HOST2, image_loads=10, processes=half // 2, alert_evidence=5, files=half - 5)
    found = findings_of(store, [first, second], None, lambda: 60.0)
    read = {source.name for source in found.sources}
    assert read == {
        f"{HOST1}/data/hunting/processes.jsonl",
        f"{HOST2}/data/hunting/processes.jsonl",
        f"{HOST2}/data/hunting/alert-evidence.jsonl",
        f"{HOST2}/data/hunting/files.jsonl",
    }
    assert {each.what for each in found.missing} == {"hunting: files.jsonl", "hunting: image-loads.jsonl"}
    assert all("are more than" in each.why for each in found.missing)


@given(st.lists(st.dictionaries(members, values, max_size=10), max_size=4), st.sampled_from([*QUERIES, "same-hashes"]))
def test_no_row_is_odd_enough_to_stop_a_report(rows: list[Raw], query: str) -> None:
    findings = with_alerts(found([answer(query, *rows)]), b'{"alerts": [{"evidence": [{"processId": "x"}, 7]}, null]}')
    assert findings.sources[0].read == len(rows)


@given(st.binary(max_size=300))
def test_no_file_is_odd_enough_either(data: bytes) -> None:
    read = read_answer(lines_of([data]), source="s", name="n", device=HOST)
    assert read.source.read <= read.source.rows


# real events


def test_real_process_events_make_a_tree() -> None:
    """118 events of one host, with real attack command lines (msticpy). 4688 knows no creation time of the parent."""
    with (DATA / "process_tree.csv").open(encoding="utf-8", newline="") as file:
        events = list(csv.DictReader(file))
    rows = [
        {
            "Timestamp": each["TimeGenerated"].replace(" ", "T") + "Z",
            "ActionType": "ProcessCreated",
            "ProcessId": int(each["NewProcessId"], 16),
            "ProcessCreationTime": each["TimeCreatedUtc"].replace(" ", "T") + "Z",
            "FileName": each["NewProcessName"].rpartition("\\")[2],
            "FolderPath": each["NewProcessName"],
            "ProcessCommandLine": each["CommandLine"],
            "AccountName": each["SubjectUserName"],
            "InitiatingProcessId": int(each["ProcessId"], 16),
            "InitiatingProcessFileName": each["ParentProcessName"].rpartition("\\")[2],
        }
        for each in events
        if each["NewProcessId"]
    ]
    findings = found([answer("processes", *rows)])
    assert len(findings.events) == len(rows) > 100
    named = {each.name for each in findings.processes if each.command_line}
    assert {"ftp.exe", "reg.exe", "cmd.exe"} <= named
    assert min(each.at for each in findings.events if each.at) == datetime(2019, 1, 15, 5, 15, 3, 47000, tzinfo=UTC)
