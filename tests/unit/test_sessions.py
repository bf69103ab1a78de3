"""Live response sessions are scarce: one to a device, some left to analysts, and none that waits for ever."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._fallback import instead
from responders._sessions import HOLDS, Sessions, most, overdue, taken_back
from shared.models.action import Action, State
from shared.models.command import GetFile
from tests.unit.incidents import HOST1, HOST2, HOST3, NOW, action
from tests.unit.order_stand import HOST, Stand

OURS = {"run_script", "capture_memory"}
HOUR = timedelta(hours=1)


def row(device: str, state: State, responder: str = "run_script", incident: str = "1") -> Action:
    return action(device=device, state=state, responder=responder, incident=incident)


@pytest.mark.parametrize("state", [state for state in State if not state.final])
def test_a_device_has_one_session(state: State) -> None:
    sessions = Sessions([row(HOST1, state, incident="1")], OURS, 15)
    admitted = sessions.admits(row(HOST1.upper(), State.PLANNED, incident="2"))
    assert admitted == (state not in HOLDS)


def test_a_row_that_may_have_a_session_is_always_asked_about() -> None:
    unknown = row(HOST1, State.UNKNOWN)
    assert Sessions([unknown], OURS, 1).admits(unknown)


@pytest.mark.parametrize(("state", "free"), [(State.PLANNED, False), (State.FAILED, True)])
def test_what_may_have_been_sent_after_all_keeps_its_device_until_it_is_over(state: State, *, free: bool) -> None:
    doubtful = row(HOST1, state).model_copy(update={"doubtful": True})
    assert Sessions([doubtful], OURS, 15).admits(row(HOST1, State.PLANNED, incident="2")) == free


def test_what_needs_no_session_waits_for_none() -> None:
    sessions = Sessions([row(HOST1, State.ACCEPTED)], OURS, 1)
    assert sessions.admits(row(HOST1, State.PLANNED, "collect_package"))


@given(st.lists(st.sampled_from([HOST1, HOST2, HOST3, "a", "b", "c"])), st.integers(1, 4))
def test_there_are_never_more_than_may_be_nor_two_on_a_device(devices: list[str], cap: int) -> None:
    sessions = Sessions([], OURS, cap)
    rows = [row(device, State.PLANNED, incident=str(number)) for number, device in enumerate(devices)]
    had = [each.target for each in rows if sessions.admits(each)]
    assert len(had) <= cap
    assert len(set(had)) == len(had)
    assert len(had) == min(cap, len(set(devices)))


def test_fifteen_of_twenty_five_are_ours_unless_somebody_says_otherwise() -> None:
    assert most({}) == 15
    assert most({"live_response_sessions": 3}) == 3


@pytest.mark.parametrize("over", [False, True])
def test_a_session_that_is_over_is_not_taken_for_the_one_that_followed_it(*, over: bool) -> None:
    """A listing that lags behind still shows it under way: its files would be archived as the next ones."""
    stand = Stand()
    now = stand.clock.now()
    of = action(responder="get_files", device=HOST, state=State.UNKNOWN, attempt=2, created=now, since=now)
    listed = stand.ports.devices.live_response(HOST, [GetFile("/f1")], f"x {stand.ports.marker(of.id, 1)}")
    of = of.model_copy(update={"ended": (listed.id,) if over else (), "due": now + HOUR})
    assert stand.ports.ledger.add(of)
    stand.clock.advance(6)
    assert not stand.ports.devices.action(listed.id).final
    stand.flow.follow()
    found = stand.ports.ledger.action(of.incident, of.key)
    assert found
    assert (found.state, found.machine_action) == ((State.UNKNOWN, "") if over else (State.ACCEPTED, listed.id))


# The reaper


def waiting(**changes: object) -> Action:
    fixed = {"machine_action": "m", "accepted_at": NOW, "responder": "run_script", "state": State.ACCEPTED}
    return action(**(fixed | changes))


def test_a_session_is_overdue_after_the_patience_and_not_before() -> None:
    assert overdue(waiting(), "live_response", NOW + 2 * HOUR, HOUR)
    assert not overdue(waiting(), "live_response", NOW + HOUR, HOUR)


@pytest.mark.parametrize(("changes", "api"), [({"foreign": True}, "live_response"), ({}, "collect"), ({}, "isolate")])
def test_what_is_no_session_of_ours_is_left_alone(changes: dict[str, object], api: str) -> None:
    assert not overdue(waiting(**changes), api, NOW + 99 * HOUR, HOUR)


def test_a_session_that_was_taken_back_is_asked_for_again_later_and_then_given_up_aloud() -> None:
    again = taken_back(waiting(), NOW, HOUR, 1)
    assert (again.state, again.due, again.ended, again.machine_action) == (State.PLANNED, NOW + HOUR, ("m",), "")
    over = taken_back(again.model_copy(update={"machine_action": "n"}), NOW, HOUR, 1)
    assert (over.state, over.ended) == (State.FAILED, ("m", "n"))
    assert "bulkhead retry" in over.todo


def test_what_may_still_lie_on_a_device_that_is_never_seen_again_is_said() -> None:
    assert "removed by an action of its own" in taken_back(waiting(before=2), NOW, HOUR, 0).detail
    assert "removed" not in taken_back(waiting(), NOW, HOUR, 0).detail


# Instead of a package


def failed(**changes: object) -> Action:
    fixed = {"responder": "collect_package", "state": State.FAILED, "ended": ("m",), "finished_at": NOW}
    return action(**(fixed | {"detail": "the collection failed", "tries": 3, "attempt": 3} | changes))


def test_a_package_that_failed_on_the_device_is_stood_in_for() -> None:
    found = instead(failed())
    assert found
    assert (found.responder, found.state, found.due) == ("collect_volatile", State.PLANNED, NOW)
    assert (found.attempt, found.tries, found.ended, found.finished_at) == (0, 0, (), None)
    assert "the collection failed" in found.reason
    assert found.key != failed().key


@pytest.mark.parametrize(
    "changes",
    [
        {"state": State.SUCCEEDED},
        {"state": State.UNAVAILABLE},
        {"cancelled": True},
        {"foreign": True},
        {"ended": ()},
        {"responder": "collect_logs"},
    ],
)
def test_nothing_else_is(changes: dict[str, object]) -> None:
    assert instead(failed(**changes)) is None
