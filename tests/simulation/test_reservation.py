"""What histories meet too seldom: two workers that reserve at the same moment, for different devices."""

from __future__ import annotations

import pytest

from responders._containment import Candidate, Reservation
from shared.models.action import Action, State
from shared.storage.interface import Conflict
from tests.simulation.clockwork import START
from tests.simulation.world import Dangers, World


def test_of_two_reservations_on_one_reading_of_the_caps_only_one_is_written() -> None:
    """Else both could take the last place under a cap."""
    world = World(1, Dangers(people=False))
    ports = world.platform.instances[0].ports
    for device in ("a1", "b2"):
        ports.ledger.add(
            Action(
                incident="7",
                version="v",
                device=device,
                device_name=device,
                responder="isolate",
                round=1,
                state=State.PLANNED,
                created=START,
                since=START,
                due=START,
                approved=True,
            )
        )
    first, second = (Reservation(ports, START) for _ in range(2))
    one, other = ports.ledger.open_actions()
    first.take(Candidate(one))
    second.take(Candidate(other))
    assert [entry.value.device for entry in first.write()] == ["a1"]
    with pytest.raises(Conflict):
        second.write()
    assert [action.state for action in ports.ledger.actions("7")] == [State.SENDING, State.PLANNED]
