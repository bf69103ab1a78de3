"""The port `Hunting`, over the fake and over the adapter: what is asked, what an answer may look like, what a no means.

Texts of errors and limits: Microsoft, "Advanced hunting quotas and usage parameters" and "Handle advanced hunting
errors". Rows are synthetic.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.tenant import samples
from shared.clients.hunting import GraphHunting, meant, named_wait, rows_of
from shared.clients.interface import Column
from shared.clients.web import Api, session
from shared.errors import NO_TABLE, NOT_LICENSED, Cause, Denied, Rejected, Throttled, TooWide, Transient
from tests.contract.test_clients_stand import HOST, KINDS, Opened, Stand, Stub, http_stand, say, stands

PATH = "runHuntingQuery"
EVERYTHING = "DeviceProcessEvents | project Timestamp, DeviceId, FileName"


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with stands(request.param) as opening:
        yield opening


@pytest.fixture
def stand(opened: Opened) -> Stand:
    return opened()


def event(at: datetime, name: str, **members: object) -> dict[str, object]:
    return {"Timestamp": at.isoformat().replace("+00:00", "Z"), "DeviceId": HOST, "FileName": name, **members}


def load(stand: Stand, *rows: dict[str, object]) -> None:
    stand.tenant.hunting.load({"DeviceProcessEvents": rows})


def run(stand: Stand, query: str = EVERYTHING, back: timedelta = timedelta(days=30)) -> list[dict[str, object]]:
    now = stand.clock.now()
    return [dict(row) for row in stand.hunting.run(query, now - back, now).rows]


# what is answered


def test_a_query_runs_over_the_rows_of_its_span(stand: Stand) -> None:
    now = stand.clock.now()
    load(stand, event(now - timedelta(days=2), "old.exe"), event(now - timedelta(hours=1), "new.exe"))
    found = stand.hunting.run(EVERYTHING, now - timedelta(days=1), now)
    assert [row["FileName"] for row in found.rows] == ["new.exe"]
    assert found.columns == (
        Column("Timestamp", "datetime"),
        Column("DeviceId", "string"),
        Column("FileName", "string"),
    )


def test_nothing_older_than_thirty_days_is_found(stand: Stand) -> None:
    now = stand.clock.now()
    load(stand, event(now - timedelta(days=31), "ancient.exe"), event(now - timedelta(days=29), "old.exe"))
    assert [row["FileName"] for row in run(stand, back=timedelta(days=90))] == ["old.exe"]


def test_times_come_with_seven_digits_and_what_is_null_does_not_come(stand: Stand) -> None:
    load(stand, event(stand.clock.now() - timedelta(seconds=90), "a.exe", ProcessCommandLine=None))
    [row] = run(stand, "DeviceProcessEvents | project Timestamp, FileName, ProcessCommandLine")
    assert set(row) == {"Timestamp", "FileName"}
    assert len(str(row["Timestamp"]).partition(".")[2]) == len("1234567Z")


def test_letters_of_every_kind_go_both_ways(stand: Stand) -> None:
    """A query with characters beyond ASCII needs its charset named."""
    name = "請求書 “4711”\\ü.exe"
    load(stand, event(stand.clock.now() - timedelta(hours=1), name))
    written = name.replace("\\", "\\\\")
    assert [row["FileName"] for row in run(stand, f'{EVERYTHING} | where FileName == "{written}"')] == [name]


@pytest.mark.parametrize("capitals", [False, True])
@pytest.mark.parametrize("dynamic", ["text", "nested"])
def test_members_in_capitals_and_values_in_any_form_are_the_same(opened: Opened, capitals: bool, dynamic: str) -> None:
    stand = opened(hunting_capitals=capitals, hunting_dynamic=dynamic)
    load(stand, event(stand.clock.now() - timedelta(hours=1), "a.exe", AdditionalFields='{"x": [1, "b"]}'))
    query = "DeviceProcessEvents | project FileName, More = parse_json(AdditionalFields)"
    assert run(stand, query) == [{"FileName": "a.exe", "More": {"x": [1, "b"]}}]


def test_the_story_of_an_incident_is_there_without_anybody_loading_it(stand: Stand) -> None:
    """Processes with their parents, network, files, registry, logons, and the same program on another device."""
    now = stand.clock.now()
    stand.tenant.incidents.put(samples.harmful_incident("1", device_id=HOST, created=now - timedelta(hours=1)))
    rows = run(stand, f'DeviceProcessEvents | where DeviceId == "{HOST}"')
    by_pid = {(row["ProcessId"], row["ProcessCreationTime"]): row for row in rows}
    [implant] = [row for row in rows if row["FileName"] == "updater.exe"]
    parent = by_pid[implant["InitiatingProcessId"], implant["InitiatingProcessCreationTime"]]
    assert parent["ProcessId"] == 4780
    assert "203.0.113.66" in str(parent["ProcessCommandLine"])
    for table in ("Network", "File", "Registry", "Logon", "ImageLoad"):
        assert run(stand, f"Device{table}Events | take 1"), table
    seen = run(stand, 'DeviceFileEvents | where FileName == "updater.exe" | distinct DeviceId')
    assert len(seen) == 2


# limits


def test_an_answer_that_is_too_big_asks_for_a_smaller_question(opened: Opened) -> None:
    stand = opened(hunting_bytes=2_000)
    load(stand, *(event(stand.clock.now() - timedelta(hours=1), f"{each}.exe") for each in range(100)))
    with pytest.raises(TooWide):
        run(stand)
    assert len(run(stand, f"{EVERYTHING} | take 3")) == 3


def test_the_quota_of_processing_says_how_long_to_wait(opened: Opened) -> None:
    stand = opened(hunting_quota=1, rates={"hunting": "none"})
    stand.clock.advance(-stand.clock.now().timestamp() % 900 + 60)
    run(stand)
    with pytest.raises(Throttled) as error:
        run(stand)
    assert (error.value.cause, error.value.retry_after) == (Cause.CPU, 840.0)
    stand.clock.advance(841)
    run(stand)


def test_too_many_calls_are_another_refusal(opened: Opened) -> None:
    stand = opened(rates={"hunting": "1/min"})
    run(stand)
    with pytest.raises(Throttled) as error:
        run(stand)
    assert error.value.cause is not Cause.CPU


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (500, "UnknownError", ""),
        (504, "UnknownError", ""),
        (400, "BadRequest", "Query exceeded the timeout period."),
        (400, "BadRequest", 'Result size limit exceeded. Use "summarize" to aggregate results.'),
        (400, "BadRequest", "Query stopped due to excessive resource consumption."),
    ],
)
def test_a_heavy_query_asks_for_a_smaller_one(stand: Stand, status: int, code: str, message: str) -> None:
    stand.trouble("status", PATH, status=status, code=code, body={"error": {"code": code, "message": message}})
    with pytest.raises(TooWide):
        run(stand)
    assert run(stand) == []


@pytest.mark.parametrize(
    ("status", "code", "message", "means"),
    [
        (403, "Forbidden", "The tenant is not licensed for advanced hunting.", NOT_LICENSED),
        (404, "NotFound", "No active license was found.", NOT_LICENSED),
        (400, "BadRequest", "Tenant has no Microsoft Defender for Endpoint Plan 2 licence.", NOT_LICENSED),
        (400, "BadRequest", "Failed to resolve table or column expression named 'DeviceProcessEvents'", NO_TABLE),
        (400, "BadRequest", "'where' operator: Failed to resolve table named \"DeviceFileEvents\"", NO_TABLE),
        (400, "BadRequest", "Failed to resolve scalar expression named 'x' near license.exe", "BadRequest"),
        (403, "Forbidden", "Missing application roles. API required roles: ThreatHunting.Read.All", "Forbidden"),
    ],
)
def test_a_tenant_without_hunting_is_told_from_a_missing_role(
    stand: Stand, status: int, code: str, message: str, means: str
) -> None:
    """How such a tenant answers is not documented; whatever names a licence is one."""
    stand.trouble("status", PATH, status=status, code=code, body={"error": {"code": code, "message": message}})
    with pytest.raises(Rejected) as error:
        run(stand)
    assert (error.value.status, error.value.code) == (status, means)


@pytest.mark.parametrize("query", ["DeviceProcessEvents | where Nothing == 1", "DeviceProcessEvents | | take 1"])
def test_a_wrong_query_is_rejected(stand: Stand, query: str) -> None:
    with pytest.raises(Rejected) as error:
        run(stand, query)
    assert error.value.status == 400


def test_what_the_simulation_cannot_translate_is_refused_aloud(stand: Stand) -> None:
    with pytest.raises(Transient, match="cannot run this query") as error:
        run(stand, "DeviceProcessEvents | invoke FileProfile(SHA1, 1000)")
    assert error.value.status == 501


def test_it_takes_its_role(opened: Opened) -> None:
    with pytest.raises(Denied, match=r"ThreatHunting\.Read\.All"):
        run(opened(roles=["SecurityIncident.Read.All"]))


def test_it_is_repeated_when_the_connection_breaks(stand: Stand) -> None:
    """It is a read, though it is a POST."""
    stand.trouble("reset", PATH, times=2)
    assert run(stand) == []
    assert stand.calls("POST") == 3


# the adapter alone


def test_it_asks_with_its_span_and_its_charset() -> None:
    with http_stand() as stand:
        run(stand, back=timedelta(hours=2))
        assert [entry["path"] for entry in stand.tenant.journal.entries()] == ["/v1.0/security/runHuntingQuery"]
    with Stub(say(b'{"schema": [], "results": []}', content_type="application/json")) as graph, session() as http:
        GraphHunting(Api(graph.url, lambda: "t", http)).run("x", datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC))
        assert graph.seen[0]["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("body", ["{}", '{"schema": []}', '{"schema": [], "results": [1]}', '{"results": []}'])
def test_an_answer_of_another_shape_is_transient(body: str) -> None:
    with pytest.raises(Transient):
        rows_of(json.loads(body))


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("You can run queries again in 00:12:30.", 750.0),
        ("You can run queries again in 1.00:00:05.", 86_405.0),
        ("You can run queries again in 12:30.", 45_000.0),
        ("You can run queries again in 12 minutes and 5 seconds.", 725.0),
        ("You can run queries again in 1 hour.", 3600.0),
        ("You can run queries again in 00:00:07.5000000.", 7.0),
        ("You can run queries again in 999:00:00.", 604_800.0),
        (f"You can run queries again in {'999999 days ' * 4}.", 604_800.0),
        ("You can run queries again later.", None),
    ],
)
def test_a_wait_is_read_in_every_usual_form(said: str, seconds: float | None) -> None:
    assert named_wait(said) == seconds


@given(st.text(max_size=200), st.sampled_from([400, 429, 500, 501, 502, 503, 504]))
def test_whatever_a_refusal_says_it_keeps_a_fate(said: str, status: int) -> None:
    """No text turns a wrong query into one that may go on for ever, nor a passing trouble into a final one."""
    error = Rejected(said, status=status) if status == 400 else Transient(said, status=status)
    found = meant(error)
    assert isinstance(found, Transient | Rejected)
    if status == 400:
        assert isinstance(found, Rejected | TooWide | Throttled)
    else:
        assert isinstance(found, Transient)
