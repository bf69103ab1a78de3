"""The storage's time is told as nearly as its answers allow, and never goes back."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.pipeline.transport import HttpRequest, RequestsTransport
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Denied, Transient
from shared.storage.clock import BUCKET, RESOLUTION, TOLERANCE, WINDOW, OffsetEstimate, StorageClock
from shared.storage.transport import ListeningTransport

# The storage's time is the host's monotonic time and this; the estimate is to find it out.
OFFSET = 1_767_600_000.25

Heard = tuple[float, float, float]


def answer(sent: float, *, there: float = 0.01, back: float = 0.01, offset: float = OFFSET) -> Heard:
    """What is heard of an answer asked for at `sent`: the whole second on the way, and the times of the host."""
    return float(int(sent + there + offset)), sent, sent + there + back


def estimate(*answers: Heard) -> OffsetEstimate:
    known = OffsetEstimate()
    for each in answers:
        known = known.heard(*each)
    return known


def error(known: OffsetEstimate, at: float) -> float:
    offset = known.offset(at)
    assert offset is not None
    return abs(offset - OFFSET)


def test_nothing_heard_is_nothing_known() -> None:
    assert OffsetEstimate().offset(0.0) is None


def test_one_answer_tells_the_time_to_half_a_second() -> None:
    """And half of how long it took."""
    assert error(estimate(answer(100.0)), 100.1) <= RESOLUTION / 2 + 0.01


def test_answers_at_different_parts_of_a_second_tell_it_better() -> None:
    """A tick of the storage's second seen from both sides is as exact as the way is short."""
    known = estimate(*(answer(100.0 + 0.07 * number) for number in range(20)))
    assert error(known, 102.0) < 0.06


def test_a_slow_answer_takes_nothing_away() -> None:
    known = estimate(*(answer(100.0 + 0.07 * number) for number in range(20)))
    assert known.heard(*answer(102.0, there=3.0, back=4.0)).offset(110.0) == known.offset(110.0)


def test_what_was_learnt_is_forgotten_in_time() -> None:
    """So that drift cannot accumulate."""
    known = estimate(answer(100.0))
    assert known.offset(100.0 + WINDOW) is not None
    assert known.offset(100.0 + WINDOW + 1) is None


def test_a_drifting_host_is_followed() -> None:
    """By 100 parts in a million, for a day: the error stays far below a second."""
    known = OffsetEstimate()
    worst = 0.0
    for number in range(2_000):
        sent = number * 43.21
        drifted = OFFSET + sent * 1e-4
        known = known.heard(*answer(sent, offset=drifted))
        offset = known.offset(sent + 1)
        assert offset is not None
        if number > 100:
            worst = max(worst, abs(offset - drifted))
    assert worst < 0.2


def test_what_is_kept_does_not_grow_with_the_traffic() -> None:
    known = OffsetEstimate()
    for number in range(20_000):
        known = known.heard(*answer(number * 0.1))
    assert len(known.bounds) <= WINDOW / BUCKET + 1


def test_a_host_that_was_suspended_starts_afresh() -> None:
    """Its monotonic clock stood still for an hour: what it knew before is contradicted, and dropped."""
    known = estimate(*(answer(100.0 + 0.07 * number) for number in range(20)))
    offset = known.heard(*answer(103.0, offset=OFFSET + 3_600)).offset(103.1)
    assert offset is not None
    assert abs(offset - OFFSET - 3_600) < 0.6


def test_front_ends_that_differ_a_little_are_averaged() -> None:
    """Less than the tolerance is no reason to forget."""
    known = estimate(*(answer(100.0 + 0.07 * number) for number in range(20)))
    known = estimate_more(known, offset=OFFSET + TOLERANCE / 2)
    assert error(known, 105.0) < TOLERANCE


def estimate_more(known: OffsetEstimate, *, offset: float) -> OffsetEstimate:
    for number in range(20):
        known = known.heard(*answer(102.0 + 0.07 * number, offset=offset))
    return known


ways = st.floats(0, 5)


@given(st.lists(st.tuples(st.floats(0.001, 400), ways, ways), min_size=1, max_size=60), st.floats(0, 1e9))
def test_the_truth_lies_within_half_a_second_and_half_the_shortest_way(
    pauses: list[tuple[float, float, float]], offset: float
) -> None:
    """Whatever the traffic: never farther than the latest answer by itself would allow."""
    known = OffsetEstimate()
    sent = 0.0
    for pause, there, back in pauses:
        sent += pause
        known = known.heard(*answer(sent, there=there, back=back, offset=offset))
        found = known.offset(sent + there + back)
        assert found is not None
        assert abs(found - offset) <= (RESOLUTION + there + back) / 2 + 1e-6
        sent += there + back


class Host:
    """A host with a monotonic clock that is moved by hand, and a storage that it can ask."""

    def __init__(self) -> None:
        self.monotonic = 1_000.0
        self.asked = 0
        self.offset = OFFSET
        self.clock = StorageClock(self.ask, lambda: self.monotonic)

    def hear(self) -> None:
        date, sent, received = answer(self.monotonic, offset=self.offset)
        self.monotonic = received
        self.clock.heard(datetime.fromtimestamp(date, UTC), sent, received)

    def ask(self) -> None:
        self.asked += 1
        self.hear()

    def truth(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic + self.offset, UTC)


def test_the_clock_asks_once_and_then_lives_on_what_it_hears() -> None:
    host = Host()
    for _ in range(100):
        assert abs(host.clock.now() - host.truth()) < timedelta(seconds=0.6)
        host.monotonic += 30
        host.hear()
    assert host.asked == 1


def test_the_clock_asks_again_when_it_heard_nothing_for_long() -> None:
    host = Host()
    host.clock.now()
    host.monotonic += WINDOW + 1
    assert abs(host.clock.now() - host.truth()) < timedelta(seconds=0.6)
    assert host.asked == 2


def test_the_clock_runs_between_answers() -> None:
    host = Host()
    first = host.clock.now()
    host.monotonic += 12.5
    assert host.clock.now() - first == timedelta(seconds=12.5)


def test_the_clock_never_goes_back() -> None:
    """Though an answer shows that it was fast: it stands until the time has come."""
    host = Host()
    first = host.clock.now()
    host.offset -= 10
    host.hear()
    assert host.clock.now() == first
    host.monotonic += 11
    assert host.clock.now() > first


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(-2, 2)), max_size=30))
def test_the_clock_never_goes_back_whatever_it_hears(steps: list[tuple[float, float]]) -> None:
    host = Host()
    told = [host.clock.now()]
    for pause, leap in steps:
        host.monotonic += pause
        host.offset += leap
        host.hear()
        told.append(host.clock.now())
    assert all(earlier <= later for earlier, later in itertools.pairwise(told))


@pytest.mark.parametrize("date", ["soon", "Mon, 99 Foo 2026 25:61:61 GMT", f"Mon, 1 Jan {'9' * 5000} 00:00:00 GMT", ""])
def test_a_date_that_is_none_is_not_heard(date: str) -> None:
    """A proxy may write it: the answer is an answer all the same."""

    class Wire(RequestsTransport):  # type: ignore[misc] # the SDK's is untyped
        def send(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - the SDK's own
            return SimpleNamespace(headers={"Date": dates.pop(0)})

    dates, heard = [date, "Fri, 02 Jan 2026 03:04:05 GMT"], list[datetime]()
    wire = ListeningTransport(Wire(), lambda at, *_: heard.append(at))
    for _ in range(2):
        wire.send(HttpRequest("GET", "https://storage.example"))
    assert heard == [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)]


def test_a_refusal_tells_the_time_as_well() -> None:
    host = Host()

    def ask() -> None:
        date, sent, received = answer(host.monotonic)
        clock.heard(datetime.fromtimestamp(date, UTC), sent, received)
        raise Denied("no role", status=403)

    clock = StorageClock(ask, lambda: host.monotonic)
    assert abs(clock.now() - host.truth()) < timedelta(seconds=0.6)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(Transient("unreachable"), Transient), (Denied("no token", status=401), Denied), (None, Transient)],
    ids=["unreachable", "no token", "an answer without a Date"],
)
def test_a_clock_that_cannot_know_says_so(failure: Exception | None, expected: type[Exception]) -> None:
    """Rather than tell the host's time."""

    def ask() -> None:
        if failure is not None:
            raise failure

    monotonic: Callable[[], float] = lambda: 0.0  # noqa: E731 -- a clock that stands
    with pytest.raises(expected):
        StorageClock(ask, monotonic).now()
