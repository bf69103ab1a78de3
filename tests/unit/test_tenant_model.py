"""The tenant on a clock of its own: life cycles, conflicts, rates and faults without a socket."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from local.tenant import samples
from local.tenant.door import FrontDoor
from local.tenant.fleet import Machine
from local.tenant.liveresponse import CommandOutcome, Files, Runner, nobody
from local.tenant.model import Tenant
from local.tenant.settings import TenantSettings
from local.tenant.wire import ApiError, Json, Reply, Request

ISOLATE = {"Comment": "[bulkhead t/a/1]", "IsolationType": "Full"}
COMMENT = {"Comment": "why"}
SCRIPT = {
    "Comment": "why",
    "Commands": [{"type": "RunScript", "params": [{"key": "ScriptName", "value": "collect.ps1"}]}],
}
HOST = samples.fleet_id(2)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tenant_of(clock: Clock, runner: Runner = nobody, seed: int = 0, **settings: object) -> Tenant:
    tenant = Tenant(TenantSettings.from_json(settings), clock, seed, runner)
    for machine in samples.fleet(5, seen=clock()):
        tenant.fleet.put(machine)
    return tenant


def exact(pending: float = 5, running: float = 10) -> Json:
    kinds = ("Isolate", "Unisolate", "CollectInvestigationPackage", "LiveResponse")
    return {kind: {"pending": pending, "running": running} for kind in kinds}


def code_of(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(ApiError) as refused:
        call(*arguments)
    return f"{refused.value.status} {refused.value.code}"


# the life of an action


def test_action_becomes_visible_then_works_then_succeeds(clock: Clock) -> None:
    tenant = tenant_of(clock, visibility_seconds=4, durations=exact())
    action = tenant.isolate(HOST, ISOLATE, "Bulkhead")
    assert (action["status"], action["requestorComment"]) == ("Pending", ISOLATE["Comment"])
    assert code_of(tenant.get_action, action["id"]) == "404 ResourceNotFound"
    assert tenant.list_actions({})["value"] == []
    clock.pass_by(4)
    assert tenant.get_action(action["id"])["status"] == "Pending"
    clock.pass_by(1)
    assert tenant.get_action(action["id"])["status"] == "InProgress"
    assert not tenant.isolated(HOST)
    clock.pass_by(10)
    assert tenant.list_actions({"$filter": "status eq 'Succeeded'"})["value"][0]["id"] == action["id"]
    assert tenant.isolated(HOST)


def test_reads_in_between_do_not_change_the_end(clock: Clock) -> None:
    ends = []
    for step in (1, 7, 60):
        own = Clock()
        tenant = tenant_of(own, seed=7)
        action = tenant.isolate(HOST, ISOLATE, "x")
        for _ in range(0, 60, step):
            tenant.state()
            own.pass_by(step)
        own.pass_by(60)
        ends.append(tenant.get_action(action["id"])["lastUpdateDateTimeUtc"])
    assert len(set(ends)) == 1
    assert clock.time.hour == 9


def test_an_offline_device_is_waited_for(clock: Clock) -> None:
    tenant = tenant_of(clock, durations=exact(), visibility_seconds=0)
    tenant.fleet.one(HOST).presence.set(clock(), online=False)
    action = tenant.isolate(HOST, ISOLATE, "x")
    clock.pass_by(48 * 3600)
    assert tenant.get_action(action["id"])["status"] == "Pending"
    tenant.fleet.one(HOST).presence.set(clock(), online=True)
    clock.pass_by(10)
    assert tenant.get_action(action["id"])["status"] == "Succeeded"


def test_an_offline_device_is_given_up_after_three_days(clock: Clock) -> None:
    tenant = tenant_of(clock, durations=exact())
    tenant.fleet.one(HOST).presence.set(clock(), online=False)
    action = tenant.isolate(HOST, ISOLATE, "x")
    clock.pass_by(72 * 3600)
    assert tenant.get_action(action["id"])["status"] == "TimeOut"
    tenant.fleet.one(HOST).presence.set(clock(), online=True)
    clock.pass_by(3600)
    assert tenant.get_action(action["id"])["status"] == "TimeOut"
    assert not tenant.isolated(HOST)


def test_a_cancelled_action_stays_cancelled_and_says_who(clock: Clock) -> None:
    tenant = tenant_of(clock, visibility_seconds=0)
    action = tenant.isolate(HOST, ISOLATE, "x")
    shown = tenant.person_cancels(action["id"], "eve@contoso.com")
    assert (shown["status"], shown["cancellationRequestor"]) == ("Cancelled", "eve@contoso.com")
    clock.pass_by(3600)
    assert tenant.get_action(action["id"])["status"] == "Cancelled"
    assert not tenant.isolated(HOST)
    assert code_of(tenant.cancel, action["id"], COMMENT, "x") == "400 InvalidInput"


def test_a_device_can_be_told_to_fail(clock: Clock) -> None:
    tenant = tenant_of(clock, durations=exact(), visibility_seconds=0)
    ending = {"status": "Failed", "error": -2147024891, "times": 1}
    tenant.fleet.put({"id": HOST, "outcomes": {"CollectInvestigationPackage": ending}})
    action = tenant.collect(HOST, COMMENT, "x")
    clock.pass_by(15)
    failed = tenant.get_action(action["id"])
    assert (failed["status"], failed["errorHResult"]) == ("Failed", -2147024891)
    assert code_of(tenant.package_uri, action["id"]) == "404 ResourceNotFound"
    again = tenant.collect(HOST, COMMENT, "x")
    clock.pass_by(15)
    assert tenant.get_action(again["id"])["status"] == "Succeeded"


def test_a_forced_status_wins_over_the_end(clock: Clock) -> None:
    tenant = tenant_of(clock, durations=exact(), visibility_seconds=0)
    action = tenant.isolate(HOST, ISOLATE, "x")
    clock.pass_by(60)
    assert tenant.isolated(HOST)
    assert tenant.desk.force(action["id"], "Failed", 5)["errorHResult"] == 5
    assert not tenant.isolated(HOST)


# the same asked twice


def test_second_isolate_is_an_error(clock: Clock) -> None:
    tenant = tenant_of(clock)
    tenant.isolate(HOST, ISOLATE, "x")
    assert code_of(tenant.isolate, HOST, ISOLATE, "x") == "400 ActiveRequestAlreadyExists"
    assert [one["kind"] for one in tenant.journal.violations()] == ["double_isolate"]


def test_second_isolate_is_answered_with_the_pending_one(clock: Clock) -> None:
    tenant = tenant_of(clock, duplicate_isolate="silent")
    first = tenant.isolate(HOST, ISOLATE, "x")
    second = tenant.isolate(HOST, {**ISOLATE, "Comment": "another"}, "y")
    assert (second["id"], second["requestorComment"]) == (first["id"], ISOLATE["Comment"])
    assert len(tenant.desk.everything()) == 1


def test_second_isolate_races_the_releases(clock: Clock) -> None:
    """Isolate, isolate, release, release ends with the device isolated, as users reported."""
    tenant = tenant_of(clock, duplicate_isolate="race", durations=exact(), visibility_seconds=0)
    tenant.isolate(HOST, ISOLATE, "x")
    stuck = tenant.isolate(HOST, ISOLATE, "x")
    clock.pass_by(3600)
    assert tenant.get_action(stuck["id"])["status"] == "Pending"
    tenant.unisolate(HOST, COMMENT, "x")
    clock.pass_by(1)
    tenant.unisolate(HOST, COMMENT, "x")
    clock.pass_by(16)
    assert not tenant.isolated(HOST)
    clock.pass_by(60)
    assert tenant.get_action(stuck["id"])["status"] == "Succeeded"
    assert tenant.isolated(HOST)


def test_release_frees_the_device(clock: Clock) -> None:
    tenant = tenant_of(clock, durations=exact())
    tenant.isolate(HOST, ISOLATE, "x")
    clock.pass_by(15)
    tenant.unisolate(HOST, COMMENT, "x")
    assert tenant.isolated(HOST)
    clock.pass_by(15)
    assert not tenant.isolated(HOST)


def test_one_collection_at_a_time(clock: Clock) -> None:
    tenant = tenant_of(clock, durations=exact())
    tenant.collect(HOST, COMMENT, "x")
    assert code_of(tenant.collect, HOST, COMMENT, "x") == "400 ActiveRequestAlreadyExists"
    tenant.isolate(HOST, ISOLATE, "x")
    clock.pass_by(15)
    tenant.collect(HOST, COMMENT, "x")


# live response


def test_a_session_in_the_portal_is_invisible_and_in_the_way(clock: Clock) -> None:
    tenant = tenant_of(clock)
    tenant.person_connects(HOST, 60)
    assert code_of(tenant.run_live_response, HOST, SCRIPT, "x") == "400 ActiveRequestAlreadyExists"
    assert tenant.list_actions({})["value"] == []
    clock.pass_by(60)
    tenant.run_live_response(HOST, SCRIPT, "x")


def test_sessions_are_counted_over_the_tenant(clock: Clock) -> None:
    tenant = tenant_of(clock, live_response_sessions=2)
    tenant.person_connects(samples.fleet_id(3), 60)
    tenant.run_live_response(HOST, SCRIPT, "x")
    assert code_of(tenant.run_live_response, samples.fleet_id(4), SCRIPT, "x") == "429 TooManyRequests"


def test_without_a_runner_a_session_fails(clock: Clock) -> None:
    tenant = tenant_of(clock, durations=exact(), visibility_seconds=0)
    action = tenant.run_live_response(HOST, SCRIPT, "x")
    assert action["commands"][0]["commandStatus"] == "Created"
    clock.pass_by(60)
    shown = tenant.get_action(action["id"])
    assert (shown["status"], shown["commands"][0]["commandStatus"]) == ("Failed", "Failed")
    assert code_of(tenant.live_response_link, action["id"], 0) == "404 ResourceNotFound"


def test_a_runner_gives_results(clock: Clock) -> None:
    def runner(_: Machine, commands: Sequence[Json], __: Files) -> list[CommandOutcome]:
        return [CommandOutcome(3, result=b"done") for _ in commands]

    tenant = tenant_of(clock, runner, durations=exact(), visibility_seconds=0)
    action = tenant.run_live_response(HOST, SCRIPT, "x")
    clock.pass_by(6)
    assert tenant.get_action(action["id"])["status"] == "InProgress"
    assert code_of(tenant.live_response_link, action["id"], 0) == "404 ResourceNotFound"
    clock.pass_by(3)
    link = tenant.live_response_link(action["id"], 0)["value"]
    assert tenant.links.open(link.rpartition("/")[2], {}).body == b"done"


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("isolate", {"comment": "x", "IsolationType": "Full"}, "400 InvalidRequestBody"),
        ("isolate", {"IsolationType": "Full"}, "400 MissingRequiredParameter"),
        ("isolate", {"Comment": "x"}, "400 MissingRequiredParameter"),
        ("isolate", {"Comment": "x", "IsolationType": "full"}, "400 InvalidInput"),
        ("isolate", [], "400 InvalidRequestBody"),
        ("runAntiVirusScan", {"Comment": "x"}, "400 MissingRequiredParameter"),
        ("StopAndQuarantineFile", {"Comment": "x", "Sha1": "12"}, "400 InvalidHashValue"),
        ("runliveresponse", {"Comment": "x", "Commands": []}, "400 InvalidRequestBody"),
        ("runliveresponse", {"Comment": "x", "Commands": [{"type": "Delete"}]}, "400 InvalidRequestBody"),
        (
            "runliveresponse",
            {
                "Comment": "x",
                "Commands": [
                    {"type": "GetFile", "params": [{"key": "Path", "value": "C:\\a"}]},
                    {"type": "PutFile", "params": [{"key": "FileName", "value": "a"}]},
                ],
            },
            "400 InvalidInput",
        ),
    ],
)
def test_bodies_are_case_sensitive_and_complete(clock: Clock, name: str, body: object, expected: str) -> None:
    tenant = tenant_of(clock)
    assert code_of(tenant.order, name, HOST, body, "x") == expected
    assert tenant.desk.everything() == []


def test_linux_cannot_restrict_execution(clock: Clock) -> None:
    tenant = tenant_of(clock)
    linux = samples.fleet_id(1)
    assert code_of(tenant.order, "restrictCodeExecution", linux, COMMENT, "x") == "400 OsPlatformNotSupported"


# packages


def test_the_package_is_a_zip_and_always_the_same(clock: Clock) -> None:
    tenant = tenant_of(clock, durations=exact(), link_seconds=60, visibility_seconds=0)
    action = tenant.collect(HOST, COMMENT, "x")
    assert code_of(tenant.package_uri, action["id"]) == "404 ResourceNotFound"
    clock.pass_by(15)
    quoted = tenant.package_uri(action["id"])["value"]
    assert quoted[0] == quoted[-1] == '"'
    token = quoted.strip('"').rpartition("/")[2]
    first = tenant.links.open(token, {})
    names = zipfile.ZipFile(io.BytesIO(first.body)).namelist()
    assert {"Processes/Processes.csv", "Forensics Collection Summary.csv"} <= set(names)
    assert 100_000 < len(first.body) < 1_000_000
    other = tenant.package_uri(action["id"])["value"].strip('"').rpartition("/")[2]
    assert tenant.links.open(other, {}).body == first.body
    clock.pass_by(60)
    assert code_of(tenant.links.open, token, {}) == "403 LinkExpired"


# through the front door


def ask(door: FrontDoor, method: str, path: str, **query: str) -> Reply:
    surface = "https://graph.microsoft.com" if path.startswith("/v1.0") else "https://api.securitycenter.microsoft.com"
    token = door.tenant.identity.issue(surface)["access_token"]
    return door.handle(Request(method, path, query, {"authorization": f"Bearer {token}"}, b'{"Comment": "x"}'))


def test_package_links_may_be_asked_for_twice_a_minute(clock: Clock) -> None:
    door = FrontDoor(tenant_of(clock))
    path = "/api/machineactions/none/getPackageUri"
    assert [ask(door, "GET", path).status for _ in range(3)] == [404, 404, 429]
    clock.pass_by(20)
    refused = ask(door, "GET", path)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "40")
    clock.pass_by(20)
    assert ask(door, "GET", path).status == 429
    clock.pass_by(20)
    assert ask(door, "GET", path).status == 404, "a refusal by Defender for Endpoint does not count"
    assert {one["kind"] for one in door.tenant.journal.violations()} == {"rate_exceeded"}


def test_the_hour_has_a_limit_too(clock: Clock) -> None:
    door = FrontDoor(tenant_of(clock))
    path = "/api/machineactions/none/getPackageUri"
    for _ in range(120):
        assert ask(door, "GET", path).status == 404
        clock.pass_by(30)
    assert ask(door, "GET", path).status == 404
    door.tenant.rates.change({"package_uri": "3/h"})
    for _ in range(3):
        assert ask(door, "GET", path).status == 404
    assert ask(door, "GET", path).headers["Retry-After"] == "3600"


def test_graph_may_ask_to_wait_a_fraction(clock: Clock) -> None:
    door = FrontDoor(tenant_of(clock, rates={"incidents": "1/2min"}))
    clock.pass_by(0.5)
    ask(door, "GET", "/v1.0/security/incidents")
    waits = [ask(door, "GET", "/v1.0/security/incidents").headers["Retry-After"] for _ in range(12)]
    assert any("." in wait for wait in waits)
    assert any("." not in wait for wait in waits)


def test_a_refusal_by_graph_counts(clock: Clock) -> None:
    door = FrontDoor(tenant_of(clock, rates={"incidents": "1/10s"}))
    statuses = []
    for _ in range(4):
        statuses.append(ask(door, "GET", "/v1.0/security/incidents").status)
        clock.pass_by(9)
    clock.pass_by(1)
    assert statuses == [200, 429, 429, 429]
    assert ask(door, "GET", "/v1.0/security/incidents").status == 200


def test_faults_strike_when_and_as_often_as_ordered(clock: Clock) -> None:
    door = FrontDoor(tenant_of(clock))
    door.tenant.faults.add([{"kind": "status", "path": "^/api/machines$", "after": 1, "times": 2, "status": 503}])
    assert [ask(door, "GET", "/api/machines").status for _ in range(4)] == [200, 503, 503, 200]
    assert ask(door, "GET", "/api/machineactions").status == 200
    assert code_of(door.tenant.faults.add, [{"kind": "gremlin"}]) == "400 BadRequest"
    assert code_of(door.tenant.faults.add, [{"kind": "reset", "path": "("}]) == "400 BadRequest"


@pytest.mark.parametrize(
    ("kind", "effects", "mishap"),
    [
        ("reset", 0, "reset"),
        ("timeout", 0, "hang"),
        ("status", 0, None),
        ("redirect", 0, None),
        ("status_after_effect", 1, None),
        ("reset_after_effect", 1, "reset"),
        ("timeout_after_effect", 1, "hang"),
        ("delay", 1, "late"),
        ("truncate", 1, "cut"),
        ("invalid_json", 1, None),
        ("wrong_content_type", 1, None),
        ("lengthen", 1, None),
    ],
)
def test_only_some_faults_let_the_call_have_its_effect(
    clock: Clock, kind: str, effects: int, mishap: str | None
) -> None:
    door = FrontDoor(tenant_of(clock))
    door.tenant.faults.add([{"method": "POST", "kind": kind}])
    reply = ask(door, "POST", f"/api/machines/{HOST}/collectInvestigationPackage")
    assert len(door.tenant.desk.everything()) == effects
    assert (reply.mishap.kind if reply.mishap else None) == mishap
    entry = door.tenant.journal.entries()[-1]
    assert (entry["fault"], bool(entry["effect"])) == (kind, bool(effects))


# incidents


def test_hidden_members_are_shown_to_who_asks(clock: Clock) -> None:
    tenant = tenant_of(clock)
    tenant.incidents.put(samples.harmful_incident("1", created=clock()))
    masked = tenant.list_incidents({"$expand": "alerts"})["value"][0]["alerts"][0]["evidence"]
    shown = tenant.list_incidents({"$expand": "alerts"}, all_members=True)["value"][0]["alerts"][0]["evidence"]
    assert {one["remediationStatus"] for one in masked} == {"none", "unknownFutureValue"}
    assert {one["remediationStatus"] for one in shown} == {"none", "active"}


def test_lists_are_paged_newest_first(clock: Clock) -> None:
    tenant = tenant_of(clock)
    for number in range(60):
        tenant.incidents.put({"id": str(number)})
        clock.pass_by(1)
    page = tenant.list_incidents({"$count": "true"})
    assert (page["@odata.count"], len(page["value"]), page["value"][0]["id"]) == (60, 50, "59")
    assert "alerts" not in page["value"][0]
    assert "$skiptoken=" in page["@odata.nextLink"]
    assert code_of(tenant.list_incidents, {"$top": "51"}) == "400 BadRequest"
    assert code_of(tenant.list_incidents, {"$top": "9" * 5000}) == "400 BadRequest"
    assert tenant.list_incidents({"$orderby": "createdDateTime asc", "$top": "1"})["value"][0]["id"] == "0"


def test_an_incident_may_become_visible_late(clock: Clock) -> None:
    tenant = tenant_of(clock)
    tenant.incidents.put({"id": "1"}, visible_in=30)
    assert code_of(tenant.get_incident, "1") == "404 ResourceNotFound"
    clock.pass_by(30)
    assert tenant.get_incident("1")["lastUpdateDateTime"] == "2026-11-22T09:00:00.0000000Z"


def test_only_documented_members_can_be_changed(clock: Clock) -> None:
    tenant = tenant_of(clock)
    tenant.incidents.put({"id": "1"})
    clock.pass_by(5)
    before = tenant.get_incident("1")["lastUpdateDateTime"]
    changed = tenant.patch_incident("1", {"customTags": ["seen"], "status": "inProgress"}, "Bulkhead")
    assert (changed["customTags"], changed["lastModifiedBy"]) == (["seen"], "Bulkhead")
    assert changed["lastUpdateDateTime"] > before
    for body in ({"severity": "low"}, {"status": "Active"}, {"status": "redirected"}, {"customTags": "x"}, {}):
        assert code_of(tenant.patch_incident, "1", body, "x") == "400 BadRequest"


def test_a_merge_moves_alerts_and_tags_but_not_comments(clock: Clock) -> None:
    tenant = tenant_of(clock)
    tenant.incidents.put({**samples.harmful_incident("1"), "customTags": ["mine"]})
    tenant.incidents.put(samples.low_severity_incident("2"))
    tenant.comment("1", {"comment": "stays"}, "x")
    tenant.incidents.merge("1", "2")
    source, target = tenant.get_incident("1"), tenant.get_incident("2", {"$expand": "alerts"})
    assert (source["status"], source["redirectIncidentId"]) == ("redirected", "2")
    assert {alert["incidentId"] for alert in target["alerts"]} == {"2"}
    assert len(target["alerts"]) == 3
    assert (target["customTags"], target["comments"]) == (["mine"], [])


def test_what_was_merged_away_takes_no_part_in_a_merge_whatever_its_status_is_since(clock: Clock) -> None:
    tenant = tenant_of(clock)
    for name in ("1", "2", "3"):
        tenant.incidents.put(samples.low_severity_incident(name))
    tenant.incidents.merge("1", "2")
    tenant.incidents.change("1", {"status": "resolved"})
    for source, into in (("2", "1"), ("1", "3")):
        assert code_of(tenant.incidents.merge, source, into) == "400 BadRequest"


def test_settings_report_every_mistake_at_once() -> None:
    with pytest.raises(ValueError, match=r"unknown setting 'colour'.*'pace'.*duplicate_isolate.*rates: isolate"):
        TenantSettings.from_json(
            {"colour": 1, "pace": "x", "duplicate_isolate": "maybe", "rates": {"isolate": "often"}}
        )


def test_the_same_seed_gives_the_same_tenant() -> None:
    ids = []
    for seed in (1, 1, 2):
        tenant = tenant_of(Clock(), seed=seed)
        ids.append(tenant.isolate(HOST, ISOLATE, "x")["id"])
    assert ids[0] == ids[1] != ids[2]
