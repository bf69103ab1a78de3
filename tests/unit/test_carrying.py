"""A plan becomes rows as long as it is the newest: what is left of an older one is for the newer one to write."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from responders._carrying import FRESH, carry_out
from responders._ports import Ports
from shared.models.plan import Plan
from shared.models.progress import IncidentState
from tests.unit.incidents import HOST1, HOST2, NOW, action, assessment
from tests.unit.order_stand import Stand

VERSION, NEWER = "the-plans", "a-newer-one"
PLAN = Plan(
    incident="7",
    version=VERSION,
    mode="respond",
    assessment=assessment(),
    actions=tuple(
        action(incident="7", device=device, responder=responder)
        for device in (HOST1, HOST2)
        for responder in ("isolate", "collect_package")
    ),
)


class SlowClock:
    """Each look at it takes a while, as if storage did."""

    def __init__(self, seconds: float) -> None:
        self._now = NOW
        self._step = timedelta(seconds=seconds)

    def now(self) -> datetime:
        self._now += self._step
        return self._now


def ports(newest: str, seconds: float) -> Ports:
    """Those of an instance for which every row takes `seconds`, while the incident is at its `newest` version."""
    made = replace(Stand().ports, clock=SlowClock(seconds))
    made.ledger.put_incident(IncidentState(id="7", seen=newest, seen_at=NOW, shown_at=NOW), "")
    return made


def written(made: Ports) -> list[str]:
    return sorted(each.key for each in made.ledger.actions("7"))


@pytest.mark.parametrize("seconds", [0, 6, 60])
def test_the_newest_is_carried_out_however_long_it_takes(seconds: float) -> None:
    made = ports(VERSION, seconds)
    assert carry_out(made, PLAN, NOW)
    assert written(made) == sorted(each.key for each in PLAN.actions)


@pytest.mark.parametrize(("seconds", "rows"), [(60, 0), (6, 1)])
def test_one_that_took_long_stops_where_a_newer_one_came(seconds: float, rows: int) -> None:
    """An incident that was merged away meanwhile: the other one's plan does the same."""
    made = ports(NEWER, seconds)
    assert not carry_out(made, PLAN, NOW)
    assert len(written(made)) == rows


def test_one_that_was_just_seen_to_be_the_newest_is_not_looked_at_again() -> None:
    """Storage is not asked once more for each row."""
    made = ports(NEWER, FRESH.total_seconds() / len(PLAN.actions))
    assert carry_out(made, PLAN, NOW)
    assert len(written(made)) == len(PLAN.actions)


@pytest.mark.parametrize("mode", ["observe", "respond"])
def test_while_observing_nothing_becomes_a_row(mode: str) -> None:
    made = ports(VERSION, 0)
    observing = replace(made, settings=made.settings.model_copy(update={"RESPONSE_MODE": "observe"}))
    assert carry_out(observing, PLAN.model_copy(update={"mode": mode}), NOW)
    assert carry_out(made, PLAN.model_copy(update={"mode": "observe"}), NOW)
    assert written(made) == []
