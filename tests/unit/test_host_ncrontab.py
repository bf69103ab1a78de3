"""Six-field NCRONTAB, against examples from its documentation and against a slow search that shares no code with it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.ncrontab import Cron, parse_cron

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)  # a Monday


def times(text: str, start: datetime, count: int) -> list[str]:
    cron = parse_cron(text)
    found = []
    moment: datetime | None = start
    for _ in range(count):
        assert moment is not None
        moment = cron.next_after(moment)
        assert moment is not None
        found.append(moment.strftime("%Y-%m-%d %H:%M:%S"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 */5 * * * *", ["2026-11-23 12:05:00", "2026-11-23 12:10:00"]),
        ("*/20 * * * * *", ["2026-11-23 12:00:20", "2026-11-23 12:00:40"]),
        ("0 0 * * * *", ["2026-11-23 13:00:00", "2026-11-23 14:00:00"]),
        ("0 0 */2 * * *", ["2026-11-23 14:00:00", "2026-11-23 16:00:00"]),
        ("0 0 9-17 * * *", ["2026-11-23 13:00:00", "2026-11-23 14:00:00"]),
        ("0 30 9 * * *", ["2026-11-24 09:30:00", "2026-11-25 09:30:00"]),
        ("0 30 9 * * 1-5", ["2026-11-24 09:30:00", "2026-11-25 09:30:00"]),
        ("0 30 9 * Jan Mon", ["2027-01-04 09:30:00", "2027-01-11 09:30:00"]),
        ("0 0 0 29 2 *", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
        ("0 0 0 13 * friday", ["2027-08-13 00:00:00", "2028-10-13 00:00:00"]),
        ("0 0 0 31 * *", ["2026-12-31 00:00:00", "2027-01-31 00:00:00"]),
        ("50/5 59 23 * * *", ["2026-11-23 23:59:50", "2026-11-23 23:59:55"]),
        ("5,1,1-2 0 0 * * *", ["2026-11-24 00:00:01", "2026-11-24 00:00:02"]),
        ("0 0 0 1 12-11 *", ["2026-12-01 00:00:00", "2027-11-01 00:00:00"]),
        ("0 0 0 * * sa,s", ["2026-11-28 00:00:00", "2026-11-29 00:00:00"]),
        ("*/0 * * * * *", ["2026-11-23 12:00:01", "2026-11-23 12:00:02"]),
        ("  0   0  13 * *  *", ["2026-11-23 13:00:00", "2026-11-24 13:00:00"]),
    ],
)
def test_occurrences(text: str, expected: list[str]) -> None:
    assert times(text, NOON, 2) == expected


def test_an_occurrence_is_strictly_later_than_the_moment_asked_about() -> None:
    cron = parse_cron("0 0 12 * * *")
    assert cron.next_after(NOON) == NOON + timedelta(days=1)
    assert cron.next_after(NOON - timedelta(microseconds=1)) == NOON


def test_a_day_that_never_comes_never_comes() -> None:
    assert parse_cron("0 0 0 31 2,4 *").next_after(NOON) is None


def test_moments_in_another_zone_are_taken_as_what_they_are_in_utc() -> None:
    tokyo = NOON.astimezone(tz=None)
    assert parse_cron("0 30 12 * * *").next_after(tokyo) == NOON + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("*/5 * * * *", "put the seconds first"),
        ("", "0 fields"),
        ("0 0 0 * * * 2026", "7 fields"),
        ("60 * * * * *", "second field"),
        ("0 0 24 * * *", "hour field"),
        ("0 0 0 0 * *", "day field"),
        ("0 0 0 * 13 *", "month field"),
        ("0 0 0 * * 7", "day of week field"),
        ("0 0 0 * Foo *", "month field"),
        ("0 0 0 L * *", "day field"),
        ("0 0 0 ? * *", "day field"),
        ("0 0 0 * * MON#1", "day of week field"),
        ("0 0,,5 * * * *", "minute field"),
        ("0 5- * * * *", "minute field"),
        ("0 -5 * * * *", "minute field"),
        ("0 /5 * * * *", "minute field"),
        ("0 5/ * * * *", "minute field"),
        ("0 */x * * * *", "minute field"),
        ("0 1-2-3 * * * *", "minute field"),
        ("0 5x * * * *", "minute field"),
        ("0 ٣ * * * *", "minute field"),
        ("0\t0 * * * * *", "second field"),
    ],
)
def test_what_ncrontab_refuses_is_refused_by_field(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_cron(text)


def subsets(low: int, high: int) -> st.SearchStrategy[set[int]]:
    return st.sets(st.integers(low, high), min_size=1, max_size=6)


@st.composite
def fields(draw: st.DrawFn) -> tuple[set[int], ...]:
    bounds = [(0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 6)]
    return tuple(draw(st.just(set(range(low, high + 1))) | subsets(low, high)) for low, high in bounds)


def written(values: tuple[set[int], ...]) -> str:
    return " ".join(",".join(map(str, sorted(each))) for each in values)


def admits(values: tuple[set[int], ...], moment: datetime) -> bool:
    parts = (moment.second, moment.minute, moment.hour, moment.day, moment.month, (moment.weekday() + 1) % 7)
    return all(part in each for part, each in zip(parts, values, strict=True))


moments = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(fields(), moments)
def test_the_next_occurrence_is_later_and_every_field_admits_it(values: tuple[set[int], ...], moment: datetime) -> None:
    found = parse_cron(written(values)).next_after(moment)
    assert found is not None
    assert found > moment
    assert found.microsecond == 0
    assert admits(values, found)


@given(fields(), moments)
def test_nothing_admitted_is_skipped(values: tuple[set[int], ...], moment: datetime) -> None:
    """Search the seconds before the answer one by one, up to an hour, and the hours before it, up to two months."""
    found = parse_cron(written(values)).next_after(moment)
    assert found is not None
    step = moment.replace(microsecond=0) + timedelta(seconds=1)
    for _ in range(3600):
        assert step == found or not admits(values, step)
        if step == found:
            return
        step += timedelta(seconds=1)
    clock = (found.hour, found.minute, found.second)
    day = moment
    for _ in range(60):
        same_clock = day.replace(hour=clock[0], minute=clock[1], second=clock[2], microsecond=0)
        assert not (moment < same_clock < found and admits(values, same_clock))
        day += timedelta(days=1)


@given(st.integers(0, 59), st.integers(0, 59), st.integers(1, 70))
def test_ranges_steps_and_turned_ranges_mean_the_same_set(one: int, other: int, step: int) -> None:
    low, high = sorted((one, other))
    expected = tuple(range(low, high + 1, step))
    assert parse_cron(f"{one}-{other}/{step} * * * * *").seconds == expected
    assert parse_cron(f"{one}/{step} * * * * *").seconds == tuple(range(one, 60, step))


@given(st.sampled_from(["January", "june", "JULY", "december"]), st.integers(1, 9))
def test_any_prefix_of_a_name_is_that_month_or_the_first_that_fits(name: str, length: int) -> None:
    cron: Cron = parse_cron(f"0 0 0 1 {name[:length]} *")
    first = {"j": 1, "ju": 6, "d": 12}
    exact = {"january": 1, "june": 6, "july": 7, "december": 12}[name.lower()]
    prefix = name[:length].lower()
    assert cron.months == (first.get(prefix, exact),)
