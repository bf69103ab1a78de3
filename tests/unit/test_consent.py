"""What a person's word makes of an action: only what waits is approved, in time, and nothing is done by it alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._consent import (
    CLOCKS,
    Goal,
    approved,
    called,
    declined,
    expired,
    lapsed,
    latest,
    new_round,
    next_key,
    recalled,
    told,
)
from responders._interface import news_after
from shared.models.action import Action, State, action_id, goal_of
from shared.models.frozen import Params
from shared.models.order import read_order
from tests.unit.incidents import HOST1, HOST2, NOW, action, machine, state
from tests.unit.test_order_messages import message

HOUR = timedelta(hours=1)
WAITING = action(state=State.WAITING, approve_by=NOW + HOUR, due=NOW + HOUR, todo="x")
ACTIONS = st.builds(
    lambda stands, doubtful, until, approved_by: action(
        state=stands, doubtful=doubtful, approve_by=until, approved_by=approved_by
    ),
    st.sampled_from(State),
    st.booleans(),
    st.none() | st.integers(-5, 5).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    st.sampled_from(["", "Bob"]),
)


@given(ACTIONS)
def test_only_what_waits_is_approved_and_only_in_time(one: Action) -> None:
    asked = NOW - HOUR
    to = approved(one, "Ann", asked, NOW)
    in_time = one.approve_by is None or one.approve_by > NOW
    assert isinstance(to, Action) == (one.state is State.WAITING and in_time)
    if isinstance(to, Action):
        assert (to.state, to.due, to.approved, to.approved_by, to.approved_at) == (
            State.PLANNED,
            NOW,
            True,
            "Ann",
            asked,
        )
        assert to.key == one.key
    else:
        assert to


@pytest.mark.parametrize("over", [each for each in State if each.final])
def test_what_is_over_gives_no_advice_of_the_time_when_it_was_not(over: State) -> None:
    assert WAITING.to(State.PLANNED, NOW).todo == "x"
    assert not WAITING.to(over, NOW).todo
    assert WAITING.to(over, NOW, todo="y").todo == "y"


@given(ACTIONS)
def test_only_what_waits_is_refused_and_it_is_over_then(one: Action) -> None:
    to = declined(one, "Ann", "why", NOW)
    assert isinstance(to, Action) == (one.state is State.WAITING)
    if isinstance(to, Action):
        assert to.state is State.REFUSED
        assert to.due is None


@given(ACTIONS)
def test_what_lapsed_is_not_approved_and_the_other_way_round(one: Action) -> None:
    assert lapsed(one, NOW) == (one.state is State.WAITING and isinstance(approved(one, "Ann", NOW, NOW), str))


def test_what_expired_says_what_to_do_and_keeps_why_it_waited() -> None:
    over = expired(WAITING.model_copy(update={"detail": "the cap is reached"}), NOW)
    assert over.state is State.REFUSED
    assert "the cap is reached" in over.detail
    assert over.todo.endswith(f"bulkhead retry {WAITING.id}")


@given(ACTIONS)
def test_what_may_have_been_sent_is_never_said_to_be_unsent(one: Action) -> None:
    """It keeps its state until that is found out, and is not sent again."""
    to = recalled(one, "by Ann", NOW)
    unsure = one.state is State.UNKNOWN or (one.state is State.PLANNED and one.doubtful)
    if unsure:
        assert isinstance(to, Action)
        assert (to.state, to.revoked) == (one.state, "by Ann")
    elif one.state in {State.PLANNED, State.WAITING}:
        assert isinstance(to, Action)
        assert (to.state, to.cancelled) == (State.WITHDRAWN, True)
    else:
        assert isinstance(to, str)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("host1", True),
        ("HOST1", True),
        (HOST1, True),
        (HOST1.upper(), True),
        (HOST1[:8], True),
        (HOST1[:7], False),
        ("host1.contoso.com", False),
        ("host", False),
        (HOST2, False),
        ("", False),
    ],
)
def test_a_device_is_called_by_its_first_label_or_the_start_of_its_id(name: str, meant: bool) -> None:
    assert called(action(), name) == meant


# Rounds by order


def test_a_round_by_order_is_approved_and_knows_all_that_is_known() -> None:
    order = read_order(message("isolate"))
    goal = Goal(HOST1, "isolate", "7")
    made = new_round(order, next_key(goal, None), goal, state(seen="v3"), machine(), NOW)
    assert (made.key, made.version) == (f"action:7:{HOST1}:isolate:001", "v3")
    assert (made.approved, made.approved_by, made.opened_by) == (True, "Ann", order.id)
    assert made.orders == (order.id,)
    assert made.device_name == machine().name
    assert made.id == action_id(made.key)


@pytest.mark.parametrize(
    ("at", "known"),
    [
        (NOW - HOUR, NOW - HOUR + CLOCKS),
        (NOW - CLOCKS / 2, NOW),
        (NOW + HOUR, NOW),
        (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC) + CLOCKS),
        (datetime.max.replace(tzinfo=UTC), NOW),
    ],
)
def test_whoever_asked_knew_what_was_so_then_give_or_take_the_clocks(at: datetime, known: datetime) -> None:
    """A sender's clock may be slow, and where it is fast nobody knows what is still to come."""
    assert latest(read_order(message("isolate", at=at.isoformat())), NOW) == known


@given(st.integers(-100, 100))
def test_to_a_round_by_order_only_what_comes_after_it_was_asked_is_news(minutes: int) -> None:
    order = read_order(message("isolate", at=NOW.isoformat()))
    goal = Goal(HOST1, "isolate", None)
    made = new_round(order, next_key(goal, None), goal, None, None, NOW + 2 * HOUR)
    assert made.incident == "orders"
    assert made.device_alert == made.approved_at == NOW + CLOCKS
    release = NOW + timedelta(minutes=minutes)
    assert news_after(made, release) == (minutes <= 0)


def test_a_round_by_order_keeps_what_it_is_asked_for_with() -> None:
    goal = Goal(HOST1, "stop_quarantine", "7", "", goal_of("5f1e"), Params({"sha1": "5f1e"}))
    made = new_round(read_order(message("isolate")), next_key(goal, None), goal, None, None, NOW)
    assert (made.responder, made.goal, made.params) == ("stop_quarantine", goal.goal, goal.params)
    assert made.key == f"action:7:{HOST1}:stop_quarantine~{goal.goal}:001"


def test_rounds_of_a_goal_follow_one_another() -> None:
    last = action(round=3)
    assert next_key(Goal(HOST1, "isolate", "2972395"), last).endswith(":isolate:004")


@pytest.mark.parametrize(
    ("alert", "incidents", "given_at", "news"),
    [
        (NOW + HOUR, NOW, None, True),
        (NOW, NOW + HOUR, None, False),
        (None, NOW + HOUR, None, True),
        (None, None, None, False),
        (NOW, NOW, NOW + HOUR, True),
        (NOW, NOW, NOW - HOUR, False),
    ],
)
def test_news_is_an_alert_on_the_device_or_a_persons_wish(
    alert: datetime | None, incidents: datetime | None, given_at: datetime | None, news: bool
) -> None:
    one = action(device_alert=alert, newest_alert=incidents, approved_at=given_at)
    assert news_after(one, NOW) == news


@pytest.mark.parametrize("stands", State)
def test_every_state_is_told_in_words(stands: State) -> None:
    words = told(action(state=stands, detail="why", machine_action="x"))
    assert words.startswith(f"isolate on host1 ({action().id}) ")
    assert words.endswith(": why")


def test_what_was_not_needed_is_not_called_somebody_elses_doing() -> None:
    assert "was not needed: why" in told(action(state=State.ELSEWHERE, detail="why"))
