"""Whether the work goes on: silence, waiting and backlog are told once they have lasted, and told again when over."""

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from responders._alarms import tell_alarms
from responders._archive import CLAIM
from responders._health import (
    FOLLOW,
    HOUSEKEEPING,
    PILE,
    STARVED,
    UNGATHERED,
    WATCH,
    beat,
    look_at_follow,
    look_at_work,
    piled,
    silent,
    ungathered,
    waiting,
)
from responders._ledger import Ledger
from responders._policies import SHIPPED, Policies
from responders._ports import Ports
from responders._wiring import responders
from shared.config import load
from shared.errors import Transient
from shared.models.action import State
from tests.fakes.storage import FakeClock, FakeDocuments, FakeRows
from tests.unit.incidents import NOW, action

PATIENCE = timedelta(minutes=10)


class Slate:
    """A chat that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def post(self, payload: dict[str, object]) -> None:
        self.told.append(str(payload))


class Stand:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.slate = Slate()
        settings = load(dict.fromkeys(("AzureWebJobsStorage", "EVIDENCE_STORAGE"), "UseDevelopmentStorage=true"))
        known = responders()
        ledger = Ledger(FakeRows())
        self.policy = SHIPPED.read_text(encoding="utf-8")
        parts = {
            "settings": settings,
            "clock": self.clock,
            "ledger": ledger,
            "policies": Policies(lambda: self.policy, ledger, FakeDocuments(), self.clock),
            "chats": {"slack": self.slate},
            "contains": lambda each: known[each.responder].contains,
        }
        self.ports = cast("Ports", SimpleNamespace(**parts))

    def told(self) -> str:
        """What was told since the last look."""
        said, self.slate.told = " ".join(self.slate.told), []
        return said


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_a_timer_that_stands_still_is_told_by_the_other_and_told_again_when_it_runs(stand: Stand) -> None:
    beat(stand.ports, WATCH)
    beat(stand.ports, FOLLOW)
    stand.clock.advance(599)
    look_at_work(stand.ports)
    assert stand.told() == ""
    stand.clock.advance(2)
    look_at_work(stand.ports)
    assert "timer watch" in stand.told()
    look_at_work(stand.ports)
    assert stand.told() == ""
    look_at_follow(stand.ports)
    assert "timer follow" in stand.told()
    beat(stand.ports, WATCH)
    look_at_work(stand.ports)
    assert "over: the timer watch" in stand.told()


def test_a_heartbeat_is_written_once_a_minute(stand: Stand) -> None:
    looks: list[object] = []
    for _ in range(2):
        beat(stand.ports, FOLLOW, looks.append)
    assert len(looks) == 1
    stand.clock.advance(60)
    beat(stand.ports, FOLLOW, looks.append)
    assert len(looks) == 2


def test_a_timer_whose_look_always_fails_is_silent(stand: Stand) -> None:
    """Nobody else would hear that nothing is looked at any more."""

    def fail(_: object) -> None:
        raise Transient("rows.query: storage cannot be reached")

    beat(stand.ports, FOLLOW)
    for _ in range(11):
        stand.clock.advance(60)
        with pytest.raises(Transient):
            beat(stand.ports, FOLLOW, fail)
    look_at_follow(stand.ports)
    assert "timer follow" in stand.told()


def test_a_timer_that_never_ran_is_no_trouble_yet(stand: Stand) -> None:
    look_at_work(stand.ports)
    look_at_follow(stand.ports)
    assert stand.told() == ""


def test_the_hourly_round_may_be_silent_for_longer() -> None:
    beats = {HOUSEKEEPING: NOW}
    assert not silent(HOUSEKEEPING, beats, NOW + PATIENCE, PATIENCE).text
    assert silent(HOUSEKEEPING, beats, NOW + PATIENCE * 2, PATIENCE).text


def test_a_containment_that_never_gets_its_turn_is_told_with_its_reason(stand: Stand) -> None:
    now = stand.clock.now()
    stand.ports.ledger.add(action(state=State.PLANNED, created=now, since=now, detail="Defender asked to wait"))
    stand.clock.advance(STARVED.total_seconds() + 1)
    look_at_work(stand.ports)
    said = stand.told()
    assert "1 actions of containment" in said
    assert "Defender asked to wait" in said


@pytest.mark.parametrize(
    "members",
    [
        {"state": State.WAITING},
        {"state": State.ACCEPTED},
        {"state": State.SUCCEEDED},
        {"doubts": 1, "state": State.UNKNOWN},
        {"tries": 1},
        {"timeouts": 1},
        {"approved": True, "since": NOW + STARVED},
    ],
)
def test_what_waits_for_another_reason_does_not_starve(members: dict[str, object]) -> None:
    late = NOW + STARVED * 1.5
    assert waiting("containment", [action(created=NOW, since=NOW)], late, STARVED).text
    assert not waiting("containment", [action(**{"created": NOW, "since": NOW} | members)], late, STARVED).text


@pytest.mark.parametrize(("stands", "told"), [(State.FETCHING, True), (State.ACCEPTED, False), (State.PLANNED, False)])
def test_what_nobody_archives_is_told(stands: State, told: bool) -> None:
    """A worker keeps it to itself for twelve minutes at the most, and every other moves its time on."""
    left = action(responder="collect_package", state=stands, due=NOW)
    assert not ungathered([left], NOW + UNGATHERED).text
    assert bool(ungathered([left], NOW + UNGATHERED * 2).text) is told
    assert UNGATHERED > CLAIM


def test_a_backlog_is_told_once_it_lasts(stand: Stand) -> None:
    for number in range(PILE + 1):
        stand.ports.ledger.remind(f"i{number}", stand.clock.now())
    stand.clock.advance(61)
    look_at_work(stand.ports)
    assert stand.told() == ""
    stand.clock.advance(600)
    look_at_work(stand.ports)
    tell_alarms(stand.ports)
    assert f"{PILE + 1} incidents are overdue" in stand.told()
    assert not piled(PILE).text


def test_a_policy_that_cannot_be_used_is_told_and_told_again_when_it_can(stand: Stand) -> None:
    look_at_work(stand.ports)
    good, stand.policy = stand.policy, "rules: nothing"
    stand.clock.advance(61)
    look_at_work(stand.ports)
    assert "the policy cannot be used" in stand.told()
    stand.policy = good
    stand.clock.advance(61)
    look_at_work(stand.ports)
    assert "over: the policy cannot be used" in stand.told()
