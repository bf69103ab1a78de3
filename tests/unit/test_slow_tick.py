"""A tick that takes minutes tells no time at which what it saw was not so yet."""

from __future__ import annotations

import pytest

from shared.models.action import State
from tests.unit.order_stand import HOST, INCIDENT, Stand

SLOW = 60.0
OTHER_INCIDENT = "8"


class Slow:
    """A stand in which two incidents have one device isolated, and where Defender takes a minute for each look at its
    machine actions from then on.
    """

    def __init__(self) -> None:
        self.slow = False
        self.stand = Stand(before=self._before)
        self.stand.harm(HOST)
        self.stand.harm(HOST, incident=OTHER_INCIDENT)
        self.slow = True

    def _before(self, call: str) -> None:
        if self.slow and call in {"devices.actions", "devices.action"}:
            self.stand.clock.advance(SLOW)


@pytest.mark.parametrize("incident", [INCIDENT, OTHER_INCIDENT])
def test_nothing_is_done_before_defender_did_it(incident: str) -> None:
    """Neither for the incident that asked Defender, nor for the one that shares its success."""
    stand = Slow().stand
    stand.clock.advance(15)
    began = stand.clock.now()
    stand.flow.follow()
    action, desk = stand.action(incident=incident), stand.tenant.desk
    done = [desk.progress(each).finished for each in desk.of(HOST) if each.kind == "Isolate"]
    assert action.state is State.SUCCEEDED
    assert action.finished_at
    assert [began < each <= action.finished_at for each in done if each] == [True]
