"""A 404 denies an isolation that goes on, for longer than it takes to be believed, and nobody can list it meanwhile."""

from __future__ import annotations

import pytest

from shared.models.action import State
from tests.fakes.clients import BROKEN, HIDDEN, Mishap, Mishaps
from tests.unit.order_stand import HOST, Stand


@pytest.mark.parametrize("running", [640.0, 900.0])
def test_what_is_forbidden_by_then_is_looked_for_all_the_same(running: float) -> None:
    """Else the device is isolated, and by the ledger it is not: nothing counts it, and nothing gives it back."""
    denied = False

    def answer(call: str) -> Mishap | None:
        return {"devices.actions": BROKEN, "devices.action": HIDDEN}.get(call) if denied else None

    stand = Stand(tenant={"durations": {"Isolate": {"pending": 10, "running": running}}}, mishaps=Mishaps(answer))
    stand.harm(HOST)
    assert stand.action().state is State.ACCEPTED
    denied = True
    for _ in range(200):
        stand.wait(5)
        if stand.action().state is State.PLANNED:
            break
    assert stand.action().ended
    denied = False
    stand.restart({"RESPONSE_MODE": "observe"})
    stand.wait(running)
    assert stand.isolated()
    assert stand.action().state is State.SUCCEEDED
    assert stand.posts("/isolate") == 1
