"""The documented rates hold in every window of the service's own time, whatever the workers and their clocks do."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._governor import LEASE, PARTITION, SLACK, Governor
from shared.config import Settings
from shared.errors import Denied, Throttled, Transient
from shared.models.rates import DEFAULT_RATES, parse_rate
from tests.fakes.storage import FakeClock, FakeRows

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def governor(rows: FakeRows, clock: FakeClock, **rates: int | str) -> Governor:
    return Governor(rows, clock, Settings.model_validate({"DEPLOYMENT": "test", "RATE_LIMITS": rates}))


def alone(**rates: int | str) -> tuple[Governor, FakeClock]:
    clock = FakeClock(START)
    return governor(FakeRows(), clock, **rates), clock


# One worker


def test_what_the_budget_has_is_granted_for_the_life_of_a_lease() -> None:
    one, _ = alone(isolate="5/min")
    lease = one.lease("isolate", 3)
    assert lease.granted == 3
    assert lease.until == START + timedelta(seconds=LEASE)


def test_where_there_is_less_than_asked_for_the_rest_has_a_time() -> None:
    one, clock = alone(isolate="5/min")
    assert one.lease("isolate", 3).granted == 3
    clock.advance(5)
    partial = one.lease("isolate", 4)
    assert partial.granted == 2
    assert partial.again == START + timedelta(seconds=60 + SLACK)


def test_an_empty_budget_grants_nothing_and_says_when_it_will() -> None:
    one, clock = alone(isolate="2/min")
    one.lease("isolate", 2)
    clock.advance(1)
    empty = one.lease("isolate", 1)
    assert empty.granted == 0
    clock.set(empty.again - MILLISECOND)
    assert one.lease("isolate", 1).granted == 0
    clock.set(empty.again)
    assert one.lease("isolate", 1).granted == 1


def test_the_time_that_is_told_is_when_the_first_call_leaves_the_window() -> None:
    one, clock = alone(isolate="2/min")
    one.lease("isolate", 1)
    clock.advance(30)
    one.lease("isolate", 1)
    assert one.lease("isolate", 1).again == START + timedelta(seconds=60 + SLACK)
    assert one.lease("isolate", 2).again == START + timedelta(seconds=60 + SLACK)


def test_more_than_the_whole_budget_gets_the_whole_budget() -> None:
    one, _ = alone(isolate="5/min")
    assert one.lease("isolate", 1000).granted == 5


def test_every_limit_of_an_api_holds() -> None:
    """Two in a minute, and three in an hour."""
    one, clock = alone(package_uri="2/min,3/h")
    assert one.lease("package_uri", 5).granted == 2
    clock.advance(60 + SLACK)
    last = one.lease("package_uri", 5)
    assert last.granted == 1
    assert last.again == START + timedelta(seconds=3600 + SLACK)


def test_apis_have_budgets_of_their_own() -> None:
    one, _ = alone(isolate="1/min", collect="1/min")
    assert one.lease("isolate", 1).granted == 1
    assert one.lease("collect", 1).granted == 1
    assert one.lease("isolate", 1).granted == 0


@pytest.mark.parametrize("api", [name for name, rate in DEFAULT_RATES.items() if isinstance(rate, str)])
def test_the_documented_limits_apply_where_nobody_sets_others(api: str) -> None:
    one, _ = alone()
    assert one.lease(api, 10_000).granted == min(limit for limit, _ in parse_rate(str(DEFAULT_RATES[api])))


def test_rate_limits_override_the_documented_ones() -> None:
    """A number is calls per minute."""
    one, _ = alone(isolate=7, collect="3/s")
    assert one.lease("isolate", 100).granted == 7
    assert one.lease("collect", 100).granted == 3
    assert one.lease("machines", 1000).granted == 100


# A read spends one call


def test_spending_takes_one_call_and_then_asks_to_wait() -> None:
    one, _ = alone(machines="2/min")
    one.spend("machines")
    one.spend("machines")
    with pytest.raises(Throttled) as refused:
        one.spend("machines")
    assert refused.value.retry_after == 60 + SLACK


def test_a_call_that_was_leased_too_long_ago_is_not_made() -> None:
    """Its write took longer than the lease lives, so the call would leave when nobody counts on it."""
    clock = FakeClock(START)

    def slow(call: str) -> None:
        if call == "rows.commit":
            clock.advance(LEASE)

    with pytest.raises(Throttled):
        governor(FakeRows(after=slow), clock).spend("machines")


# A 429


def test_a_refusal_closes_the_api_for_every_worker() -> None:
    rows, clock = FakeRows(), FakeClock(START)
    one, other = governor(rows, clock), governor(rows, clock)
    until = one.refused("isolate", 2.5)
    assert START + timedelta(seconds=2.5) <= until <= START + timedelta(seconds=2.6)
    assert other.lease("isolate", 1).granted == 0
    assert abs(other.lease("isolate", 1).again - until) <= MILLISECOND
    assert other.lease("collect", 1).granted == 1
    clock.set(until)
    assert other.lease("isolate", 1).granted == 1


def test_a_refusal_without_a_time_closes_it_for_half_a_minute() -> None:
    one, clock = alone()
    one.refused("isolate", None)
    clock.advance(29.9)
    assert one.lease("isolate", 1).granted == 0
    clock.advance(0.2)
    assert one.lease("isolate", 1).granted == 1


def test_a_shorter_refusal_does_not_open_it_earlier() -> None:
    one, clock = alone()
    one.refused("isolate", 60)
    one.refused("isolate", 1)
    clock.advance(30)
    assert one.lease("isolate", 1).granted == 0


def test_a_refusal_keeps_what_was_spent() -> None:
    one, clock = alone(isolate="2/min")
    one.lease("isolate", 2)
    one.refused("isolate", 1)
    clock.advance(5)
    assert one.lease("isolate", 1).granted == 0


# Who wakes whom


def test_of_all_who_find_the_budget_empty_one_arranges_to_be_woken() -> None:
    rows, clock = FakeRows(), FakeClock(START)
    workers = [governor(rows, clock) for _ in range(5)]
    at = START + timedelta(seconds=30)
    assert [each.ask_to_wake("isolate", at) for each in workers] == [True, False, False, False, False]
    assert workers[0].ask_to_wake("isolate", at + timedelta(seconds=5)) is False
    assert workers[0].ask_to_wake("collect", at) is True


def test_once_that_time_has_come_the_next_is_arranged() -> None:
    one, clock = alone()
    assert one.ask_to_wake("isolate", START + timedelta(seconds=30))
    clock.advance(30)
    assert one.ask_to_wake("isolate", START + timedelta(seconds=60))


# Several workers


def crowded(interruptions: int, run: Callable[[], None]) -> FakeRows:
    """Rows in which so many writes find that somebody else was faster."""
    left = [interruptions]
    inside = [False]

    def interrupt(call: str) -> None:
        if call == "rows.commit" and left[0] and not inside[0]:
            left[0] -= 1
            inside[0] = True
            run()
            inside[0] = False

    return FakeRows(before=interrupt)


def test_a_worker_that_was_overtaken_counts_what_the_other_took() -> None:
    clock = FakeClock(START)
    others: list[int] = []
    rows = crowded(1, lambda: others.append(governor(rows, clock, isolate="5/min").lease("isolate", 4).granted))
    assert governor(rows, clock, isolate="5/min").lease("isolate", 4).granted == 1
    assert others == [4]


@given(st.integers(0, 8), st.integers(1, 3), st.integers(1, 3))
def test_however_often_workers_collide_the_budget_is_spent_once(collisions: int, mine: int, theirs: int) -> None:
    clock = FakeClock(START)
    granted: list[int] = []
    rows = crowded(
        collisions, lambda: granted.append(governor(rows, clock, isolate="20/min").lease("isolate", theirs).granted)
    )
    with suppress(Throttled):  # eight collisions in a row: the worker comes again later
        granted.append(governor(rows, clock, isolate="20/min").lease("isolate", mine).granted)
    assert len(granted) == collisions + (collisions < 8)
    rows.before = lambda _: None
    rest = governor(rows, clock, isolate="20/min").lease("isolate", 100).granted
    assert sum(granted) == 20 - rest


def test_a_worker_that_is_always_overtaken_is_told_to_come_again() -> None:
    clock = FakeClock(START)
    rows = crowded(100, lambda: governor(rows, clock).spend("isolate"))
    with pytest.raises(Throttled) as contended:
        governor(rows, clock).lease("isolate", 1)
    assert contended.value.retry_after


def test_a_collision_with_a_refusal_grants_nothing() -> None:
    clock = FakeClock(START)

    def close() -> None:
        governor(rows, clock).refused("isolate", 60)

    rows = crowded(1, close)
    assert governor(rows, clock).lease("isolate", 1).granted == 0


# Any window of real time


class CoarseClock:
    """A worker's idea of the shared time: off by up to half a second, or read from whole seconds only."""

    def __init__(self, real: FakeClock, ahead: float, *, whole: bool) -> None:
        self._real, self._ahead, self._whole = real, timedelta(seconds=ahead), whole

    def told(self, real: datetime) -> datetime:
        return real.replace(microsecond=0) if self._whole else real + self._ahead

    def now(self) -> datetime:
        return self.told(self._real.now())


def last_chance(clock: CoarseClock, until: datetime) -> datetime:
    """The latest real moment at which this worker still holds its lease for good."""
    moment = until + timedelta(seconds=2)
    while clock.told(moment) >= until:
        moment -= timedelta(milliseconds=50)
    return moment


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.999])
def test_a_late_call_and_an_early_one_are_a_whole_window_apart(fraction: float, whole: bool) -> None:
    """The worst that may be: one whose clock is behind calls at the end of its lease, one whose clock is ahead calls as
    soon as it may.
    """
    real, rows = FakeClock(START), FakeRows()
    real.advance(fraction)
    behind, ahead = (CoarseClock(real, each, whole=whole) for each in (-0.5, 0.5))
    settings = Settings.model_validate({"DEPLOYMENT": "test", "RATE_LIMITS": {"isolate": "2/min"}})
    late = last_chance(behind, Governor(rows, behind, settings).lease("isolate", 2).until)
    while not Governor(rows, ahead, settings).lease("isolate", 1).granted:
        real.advance(0.05)
    assert real.now() - late >= timedelta(seconds=60)


RATES = st.sampled_from(["2/min,120/h", "10/min", "5/min,12/h", "1/s,4/min", "3/s"])
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 300, 999, 1000, 5_000, 11_000, 49_000, 60_000, 61_001, 71_000, 600_000]),
        st.integers(0, 2),
        st.integers(1, 6),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@given(RATES, EVENTS, st.tuples(*[st.sampled_from([-0.5, 0.0, 0.5])] * 3), st.booleans())
def test_no_window_of_real_time_sees_more_calls_than_documented(
    rate: str, events: list[tuple[int, int, int, bool]], ahead: tuple[float, float, float], whole: bool
) -> None:
    """Three workers, each with its own idea of the time, lease when they like; each calls at once, or at the very end
    of its lease. What counts is when the calls leave.
    """
    real, rows = FakeClock(START), FakeRows()
    clocks = [CoarseClock(real, each, whole=whole) for each in ahead]
    settings = Settings.model_validate({"DEPLOYMENT": "test", "RATE_LIMITS": {"isolate": rate}})
    left: list[datetime] = []
    for gap, worker, wanted, late in events:
        real.advance(gap / 1000)
        lease = Governor(rows, clocks[worker], settings).lease("isolate", wanted)
        assert 0 <= lease.granted <= wanted
        left += [last_chance(clocks[worker], lease.until) if late else real.now()] * lease.granted
    assert left  # an idle governor would pass for a good one
    for limit, seconds in parse_rate(rate):
        for first in left:
            assert sum(first <= each < first + timedelta(seconds=seconds) for each in left) <= limit


@given(RATES, st.lists(st.integers(1, 6), min_size=1, max_size=10))
def test_whoever_comes_again_at_the_time_that_was_told_gets_something(rate: str, wanted: list[int]) -> None:
    """So nobody starves, and nobody has to ask in between."""
    one, clock = alone(isolate=rate)
    for each in wanted:
        lease = one.lease("isolate", each)
        if lease.granted < each:
            assert lease.again > clock.now()
            clock.set(lease.again)
            assert one.lease("isolate", 1).granted == 1


def test_the_book_keeps_no_more_than_the_longest_window() -> None:
    rows, clock = FakeRows(), FakeClock(START)
    one = governor(rows, clock, isolate="5/min")
    for _ in range(200):
        one.lease("isolate", 5)
        clock.advance(60 + SLACK)
    assert len(rows.stored[PARTITION, "isolate"].text) < 300


def test_some_calls_can_be_left_to_others() -> None:
    """What may wait leaves part of a window to what may not."""
    governor, _ = alone(incidents="10/min")
    patient = [governor.lease("incidents", 1, leaving=4).granted for _ in range(10)]
    urgent = [governor.lease("incidents", 1).granted for _ in range(10)]
    assert sum(patient) == 6
    assert sum(urgent) == 4


@pytest.mark.parametrize(("spent", "leaving", "granted"), [(0, 10, 0), (0, 12, 0), (3, 7, 0), (3, 6, 1), (10, 99, 0)])
def test_all_calls_can_be_left_to_others(spent: int, leaving: int, granted: int) -> None:
    governor, clock = alone(isolate="10/min")
    governor.lease("isolate", spent)
    lease = governor.lease("isolate", 1, leaving, least=0)
    assert lease.granted == granted
    assert granted or clock.now() < lease.again <= clock.now() + timedelta(seconds=60 + SLACK)


# To look at


def test_how_a_budget_stands_is_told_and_nothing_is_leased() -> None:
    one, clock = alone(isolate="5/min,9/h")
    assert one.standing("isolate").windows == ((5, 5, 60), (9, 9, 3600))
    one.lease("isolate", 3)
    for _ in range(2):
        assert one.standing("isolate").windows == ((2, 5, 60), (6, 9, 3600))
    clock.advance(60 + SLACK)
    assert one.standing("isolate").windows == ((5, 5, 60), (6, 9, 3600))
    until = one.refused("isolate", 20)
    assert one.standing("isolate").blocked == until
    clock.advance(21)
    assert one.standing("isolate").blocked is None


# Storage


@pytest.mark.parametrize("call", ["rows.get", "rows.commit"])
def test_what_storage_refuses_is_no_refusal_of_the_service(call: str) -> None:
    """Else an action would be given up, or a device pass for unreadable, since a role of ours was being renewed."""

    def refuse(made: str) -> None:
        if made == call:
            raise Denied("the storage answered 403", status=403, code="AuthorizationPermissionMismatch")

    one = governor(FakeRows(before=refuse), FakeClock(START))
    for ask in (lambda: one.spend("machines"), lambda: one.refused("machines", 5.0)):
        with pytest.raises(Transient):
            ask()
