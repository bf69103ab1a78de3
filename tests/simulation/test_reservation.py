"""What histories meet too seldom: two workers that reserve at the same moment, for different devices."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responders._containment import Candidate, Reservation
from shared.config import Caps
from shared.models.action import Action, State
from shared.storage.interface import Conflict
from tests.simulation.clockwork import START
from tests.simulation.dangers import Dangers
from tests.simulation.world import World

if TYPE_CHECKING:
    from responders._ports import Ports


def planned(device: str, responder: str) -> Action:
    return Action(
        incident="7",
        version="v",
        device=device,
        device_name=device,
        responder=responder,
        round=1,
        state=State.PLANNED,
        created=START,
        since=START,
        due=START,
        approved=True,
    )


def raced(ports: Ports, *actions: Action) -> tuple[Reservation, Reservation]:
    """Two workers, each of which takes one of the actions before either has written anything."""
    for action in actions:
        ports.ledger.add(action)
    first, second = (Reservation(ports, START) for _ in range(2))
    one, other = ports.ledger.open_actions()
    first.take(Candidate(one))
    second.take(Candidate(other))
    return first, second


def test_of_two_reservations_on_one_reading_of_the_caps_only_one_is_written() -> None:
    """Else both could take the last place under a cap."""
    ports = World(1, Dangers(people=False)).platform.instances[0].ports
    first, second = raced(ports, planned("a1", "isolate"), planned("b2", "isolate"))
    assert [entry.value.device for entry in first.write()] == ["a1"]
    with pytest.raises(Conflict):
        second.write()
    assert [action.state for action in ports.ledger.actions("7")] == [State.SENDING, State.PLANNED]


@settings(max_examples=60, deadline=None)
@given(
    caps=st.fixed_dictionaries(
        {"per_incident": st.integers(0, 3), "per_hour": st.integers(0, 3), "per_day": st.integers(0, 3)}
    ),
    batches=st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True), min_size=1, max_size=6),
    raced=st.booleans(),
)
def test_no_interleaving_of_workers_sends_more_than_the_caps_allow(
    caps: dict[str, int], batches: list[list[int]], *, raced: bool
) -> None:
    """Planned when there was room, met by the rails again when it is sent: workers that read before any of them wrote,
    or one after the other, in any order, some on the same rows.
    """
    ports = World(1, Dangers(people=False)).platform.instances[0].ports
    told = ports.settings.model_copy(update={"ISOLATION_CAPS": Caps(**caps, fleet_share=1)})
    ports = replace(ports, settings=told)
    for number in range(8):
        alone = planned(f"device{number}", "isolate").model_copy(update={"approved": False})
        ports.ledger.add(alone)
    waiting: list[Reservation] = []
    for batch in batches:
        free = {each.value.device: each for each in ports.ledger.open_actions() if each.value.state is State.PLANNED}
        rows = [free[f"device{number}"] for number in batch if f"device{number}" in free]
        if not rows:
            continue
        worker = Reservation(ports, START)
        for row in rows:
            worker.take(Candidate(row))
        waiting.append(worker)
        if not raced:
            _write(waiting.pop())
    for worker in waiting:
        _write(worker)
    states = [action.state for action in ports.ledger.actions("7")]
    assert states.count(State.SENDING) <= min(caps.values())
    assert set(states) <= {State.SENDING, State.PLANNED, State.WAITING}


def _write(worker: Reservation) -> None:
    with suppress(Conflict):
        worker.write()


@pytest.mark.parametrize("devices", [("a1", "b2"), ("a1", "a1")])
def test_of_two_sessions_at_one_moment_the_second_is_counted_anew(devices: tuple[str, str]) -> None:
    """The last session that we may have is had once, and a device has one, whoever counts at the same moment."""
    ports = World(1, Dangers(people=False)).platform.instances[0].ports
    most = 1 if len(set(devices)) > 1 else 15
    one = ports.settings.model_copy(update={"RATE_LIMITS": {"live_response_sessions": most}})
    ports = replace(ports, settings=one)
    first, second = raced(ports, planned(devices[0], "collect_logs"), planned(devices[1], "collect_volatile"))
    assert len(first.write()) == 1
    with pytest.raises(Conflict):
        second.write()
    (left,) = [entry for entry in ports.ledger.open_actions() if entry.value.state is State.PLANNED]
    anew = Reservation(ports, START)
    anew.take(Candidate(left))
    assert anew.write() == []
    assert "in a live response session of ours" in ports.ledger.open_actions()[1].value.detail
