"""When a timer is due: late starts, edited schedules, overruns, clocks that step back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.schedule import (
    Every,
    Status,
    after_call,
    begin,
    is_monitored,
    parse_schedule,
    seconds_until,
    status_from_json,
    status_to_json,
)
from local.host.timespan import parse_timespan

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
FIVE_MINUTES = parse_schedule("0 */5 * * * *")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:30", timedelta(seconds=30)),
        ("01:02:03", timedelta(hours=1, minutes=2, seconds=3)),
        ("00:05", timedelta(minutes=5)),
        ("1.00:00:00", timedelta(days=1)),
        ("00:00:00.1", timedelta(milliseconds=100)),
        ("7", timedelta(days=7)),
        ("-00:00:05", timedelta(seconds=-5)),
        ("24:00:00", timedelta(days=24)),  # .NET's trap, kept
    ],
)
def test_time_spans_are_read_as_dotnet_reads_them(text: str, expected: timedelta) -> None:
    assert parse_timespan(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5m", "00:60:00", "00:00:60", "1.24:00:00", "00:00:00:00", "PT5M", "0:0:0.12345678"]
)
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time span"):
        parse_timespan(text)


@pytest.mark.parametrize("text", ["00:00:00", "-00:00:05", "*/5 * * * *", "5 minutes"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"longer than zero|fields"):
        parse_schedule(text)


def test_a_first_start_waits_for_the_next_occurrence_and_stores_it() -> None:
    start = begin(FIVE_MINUTES, None, NOON)
    assert start.changed
    assert not start.past_due
    assert start.status == Status(None, NOON + minutes(5), NOON)


def test_a_late_start_is_past_due_once_however_much_was_missed() -> None:
    stored = after_call(FIVE_MINUTES, Status(None, NOON, None), NOON, scheduled=True)
    late = NOON + timedelta(hours=9, minutes=2)
    start = begin(FIVE_MINUTES, stored, late)
    assert start.past_due
    then = after_call(FIVE_MINUTES, start.status, late, scheduled=False)
    assert then.next == NOON + timedelta(hours=9, minutes=5)
    assert not begin(FIVE_MINUTES, then, late + minutes(1)).past_due


def test_a_start_between_two_occurrences_is_not_late() -> None:
    stored = after_call(FIVE_MINUTES, Status(None, NOON, None), NOON, scheduled=True)
    start = begin(FIVE_MINUTES, stored, NOON + minutes(4))
    assert (start.past_due, start.changed, start.status) == (False, False, stored)


def test_a_schedule_that_was_edited_is_not_late() -> None:
    stored = after_call(FIVE_MINUTES, Status(None, NOON, None), NOON, scheduled=True)
    start = begin(parse_schedule("0 0 * * * *"), stored, NOON + timedelta(hours=3, minutes=10))
    assert start.changed
    assert not start.past_due
    assert start.status.next == NOON + timedelta(hours=4)


def test_a_first_occurrence_missed_before_any_call_is_late() -> None:
    stored = begin(FIVE_MINUTES, None, NOON).status
    assert begin(FIVE_MINUTES, stored, NOON + minutes(6)).past_due


def test_an_overrun_leads_to_one_immediate_call_and_not_to_one_for_each_missed_tick() -> None:
    status = after_call(FIVE_MINUTES, Status(None, NOON, None), NOON, scheduled=True)
    returned = NOON + minutes(23)
    assert seconds_until(status.next, returned) == 0
    status = after_call(FIVE_MINUTES, status, returned, scheduled=True)
    assert status.next == NOON + minutes(25)


def test_a_clock_that_steps_back_does_not_call_twice_for_one_occurrence() -> None:
    status = Status(None, NOON, None)
    assert after_call(FIVE_MINUTES, status, NOON - timedelta(seconds=1), scheduled=True).next == NOON + minutes(5)


@pytest.mark.parametrize(
    ("text", "monitored"),
    [
        ("0 * * * * *", True),
        ("0 */5 * * * *", True),
        ("*/30 * * * * *", False),
        ("* * * * * *", False),
        ("00:01:00", True),
        ("00:00:59", False),
        ("0 0 0 31 2 *", True),
    ],
)
def test_only_schedules_of_a_minute_or_more_remember_what_was_missed(text: str, *, monitored: bool) -> None:
    assert is_monitored(parse_schedule(text), NOON + timedelta(seconds=7)) is monitored


def test_an_interval_beyond_the_calendar_never_comes() -> None:
    assert Every("x", timedelta(days=99_999_999)).next_after(NOON) is None
    assert seconds_until(None, NOON) is None


moments = st.none() | st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, moments, moments)
def test_a_status_survives_its_blob(
    last: datetime | None, following: datetime | None, updated: datetime | None
) -> None:
    status = Status(last, following, updated)
    assert status_from_json(status_to_json(status)) == status


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"Last": 1, "Next": 2, "LastUpdated": 3}'])
def test_a_blob_that_is_not_a_status_counts_as_none(text: str) -> None:
    assert status_from_json(text) is None


@given(
    st.lists(st.floats(0, 3600, allow_nan=False), min_size=1, max_size=30),
    st.sampled_from(["0 */5 * * * *", "00:07:00", "*/10 * * * * *"]),
)
def test_calls_never_overlap_and_the_next_is_always_later_than_the_last(durations: list[float], text: str) -> None:
    schedule = parse_schedule(text)
    status = begin(schedule, None, NOON).status
    now = NOON
    for took in durations:
        wait = seconds_until(status.next, now)
        assert wait is not None
        began = now + timedelta(seconds=wait)
        assert began >= now
        now = began + timedelta(seconds=took)
        status = after_call(schedule, status, began, scheduled=True)
        assert status.next is not None
        assert status.next > began
