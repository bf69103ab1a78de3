"""What Defender, the network and people do to an isolation under way, and that it comes right all the same.

Every scene has a device of its own on one stage; a second isolation would be a race that the tenant plays out.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.tenant import samples
from shared.models.action import State
from tests.integration.stage_harness import Json, Play, eventually, moment, played

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

THROTTLED, BROKEN, RESET, SLOW, BROKEN_BEFORE = "4001", "4002", "4003", "4004", "4005"
RESET_BEFORE, FAILS_ONCE, FAILS, CANCELLED, OFFLINE, UNREADABLE = "4006", "4007", "4008", "4009", "4010", "4011"
DEVICE = {incident: samples.fleet_id(int(incident) - 3990) for incident in map(str, range(4001, 4012))}
LOST_ANSWERS = [BROKEN, RESET, SLOW, BROKEN_BEFORE, RESET_BEFORE]
KINDS = ["started", "contained", "ended"]
WAIT = 2.5


def isolate_of(incident: str, kind: str, **more: object) -> Json:
    path = f"^/api/machines/{DEVICE[incident]}/isolate$"
    return {"kind": kind, "method": "POST", "path": path, "times": 1, **more}


FAULTS: list[Json] = [
    isolate_of(THROTTLED, "status", status=429, code="TooManyRequests", headers={"Retry-After": str(WAIT)}),
    isolate_of(BROKEN, "status_after_effect", status=500),
    isolate_of(RESET, "reset_after_effect"),
    isolate_of(SLOW, "timeout_after_effect", seconds=8),
    isolate_of(BROKEN_BEFORE, "status", status=503),
    isolate_of(RESET_BEFORE, "reset"),
    {"kind": "status", "method": "GET", "path": f"^/api/machines/{DEVICE[UNREADABLE]}$", "times": 2, "status": 500},
]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """All scenes at once; then a person cancels, a device comes back, and the tries that failed are hurried."""
    with played(tmp_path_factory.mktemp("faults"), tenant={"duplicate_isolate": "race"}) as stage:
        stage.control(
            "POST",
            "machines",
            [
                {"id": DEVICE[FAILS_ONCE], "outcomes": {"Isolate": {"status": "Failed", "times": 1}}},
                {"id": DEVICE[FAILS], "outcomes": {"Isolate": {"status": "Failed"}}},
                {"id": DEVICE[CANCELLED], "online": False},
                {"id": DEVICE[OFFLINE], "online": False},
            ],
        )
        stage.fault(*FAULTS)
        stage.raise_incidents(*(samples.harmful_incident(each, device_id=device) for each, device in DEVICE.items()))
        eventually(lambda: bool(stage.ours(DEVICE[CANCELLED], "Isolate")), "the isolation that is to be cancelled")
        [pending] = stage.ours(DEVICE[CANCELLED], "Isolate")
        stage.control("POST", "people/cancel", {"actionId": pending["id"]})
        stage.await_told("started", OFFLINE)
        tried(stage, FAILS, 2)
        tried(stage, FAILS_ONCE, 2)
        tried(stage, FAILS, 3)
        stage.notes["while offline"] = stage.kinds_told(OFFLINE)
        for incident in (OFFLINE, CANCELLED):
            stage.control("POST", f"machines/{DEVICE[incident]}/online")
        stage.await_over(*DEVICE)
        yield stage


def tried(stage: Play, incident: str, times: int) -> None:
    """Wait until so many isolations were sent, without waiting out the minutes between them."""

    def enough() -> bool:
        stage.hurry(incident)
        return len(stage.ours(DEVICE[incident], "Isolate")) >= times

    eventually(enough, f"{times} isolations for incident {incident}")


@pytest.mark.parametrize("incident", [*LOST_ANSWERS, THROTTLED, OFFLINE, UNREADABLE])
def test_the_device_is_isolated_exactly_once(play: Play, incident: str) -> None:
    [action] = play.actions(DEVICE[incident], "Isolate")
    assert action["status"] == "Succeeded"
    assert play.isolated(DEVICE[incident])
    assert play.action(incident, "isolate").state is State.SUCCEEDED


@pytest.mark.parametrize("incident", [*LOST_ANSWERS, THROTTLED, OFFLINE, UNREADABLE])
def test_the_package_is_archived_and_people_are_told_in_order(play: Play, incident: str) -> None:
    assert len(play.archived(incident)) == 3
    assert [kind for kind in play.kinds_told(incident) if kind != "unsure"] == KINDS


@pytest.mark.parametrize("incident", [BROKEN, RESET, SLOW])
def test_an_answer_lost_after_the_effect_is_never_followed_by_a_second_post(play: Play, incident: str) -> None:
    assert len(play.requests("POST", f"/{DEVICE[incident]}/isolate")) == 1
    [made] = play.actions(DEVICE[incident], "Isolate")
    assert play.action(incident, "isolate").machine_action == made["id"]


@pytest.mark.parametrize("incident", [BROKEN_BEFORE, RESET_BEFORE])
def test_an_answer_lost_before_the_effect_is_sent_again_only_after_another_listing(play: Play, incident: str) -> None:
    first, second = play.requests("POST", f"/{DEVICE[incident]}/isolate")
    assert (moment(second["time"]) - moment(first["time"])).total_seconds() >= 9
    between = [each for each in play.requests("GET", "/api/machineactions") if first["n"] < each["n"] < second["n"]]
    assert any(DEVICE[incident] in each["query"].get("$filter", "") for each in between)


def test_a_429_is_answered_with_the_wait_that_was_asked_for(play: Play) -> None:
    first, second = play.requests("POST", f"/{DEVICE[THROTTLED]}/isolate")
    assert first["status"] == 429
    assert (moment(second["time"]) - moment(first["time"])).total_seconds() >= WAIT


def test_no_isolation_of_any_device_is_sent_while_a_429_asks_to_wait(play: Play) -> None:
    posts = [each for each in play.requests("POST", "/isolate") if each["path"].startswith("/api/machines/")]
    refused = next(each for each in posts if each["status"] == 429)
    began = moment(refused["time"])
    after = [(moment(each["time"]) - began).total_seconds() for each in posts if each["n"] > refused["n"]]
    # what was leased before the refusal may be in flight
    assert [seconds for seconds in after if 1 < seconds < WAIT] == []


def test_a_failed_isolation_is_tried_again(play: Play) -> None:
    statuses = [each["status"] for each in play.ours(DEVICE[FAILS_ONCE], "Isolate")]
    assert statuses == ["Failed", "Succeeded"]
    assert play.action(FAILS_ONCE, "isolate").state is State.SUCCEEDED
    assert "contained" in play.kinds_told(FAILS_ONCE)


def test_an_isolation_that_fails_three_times_has_failed_and_says_what_to_do(play: Play) -> None:
    assert [each["status"] for each in play.ours(DEVICE[FAILS], "Isolate")] == ["Failed"] * 3
    failed = play.action(FAILS, "isolate")
    assert (failed.state, failed.tries) == (State.FAILED, 3)
    assert "contained" not in play.kinds_told(FAILS)
    ended = play.told(FAILS)[-1]
    assert ended.kind == "ended"
    assert "failed on the device (error 0x80004005)" in ended.text
    assert "*What you should do*: look whether the device is on" in ended.text
    assert len(play.archived(FAILS)) == 3


def test_what_a_person_cancelled_is_not_tried_again(play: Play) -> None:
    [action] = play.actions(DEVICE[CANCELLED], "Isolate")
    assert action["status"] == "Cancelled"
    assert not play.isolated(DEVICE[CANCELLED])
    ended = play.action(CANCELLED, "isolate")
    assert (ended.state, ended.cancelled) == (State.FAILED, True)
    assert "cancelled by analyst(at)contoso[.]com" in play.told(CANCELLED)[-1].text
    assert "contained" not in play.kinds_told(CANCELLED)


def test_a_device_that_is_offline_is_told_as_contained_only_once_it_is(play: Play) -> None:
    assert play.notes["while offline"] == ["started"]
    [action] = play.actions(DEVICE[OFFLINE], "Isolate")
    contained = next(each for each in play.told(OFFLINE) if each.kind == "contained")
    assert contained.at > moment(action["lastUpdateDateTimeUtc"])
