"""What histories meet too seldom: two workers that reserve at the same moment, for different devices."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responders._containment import Candidate, Reservation, settle
from shared.config import Caps
from shared.models.action import Action, State
from shared.storage.interface import Conflict
from tests.simulation.clockwork import START
from tests.simulation.dangers import Dangers
from tests.simulation.world import World

if TYPE_CHECKING:
    from responders._entries import Entry
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


@pytest.mark.parametrize(
    ("limit", "attempt", "state"),
    [
        (1, 0, State.SENDING),
        (0, 0, State.WAITING),
        (0, 1, State.SENDING),
    ],
    ids=["adds no device", "narrowed", "sent before"],
)
@pytest.mark.parametrize("cap", ["per_incident", "per_hour", "per_day"])
def test_a_further_file_of_a_device_goes_as_far_as_the_caps_of_now_allow(
    cap: str, limit: int, attempt: int, state: State
) -> None:
    """It adds no device to what counts already; what was sent before the caps were narrowed is tried again."""
    ports = World(1, Dangers(people=False)).platform.instances[0].ports
    file = planned("a1", "stop_quarantine").model_copy(update={"approved": False, "goal": "one"})
    ports.ledger.add(file)
    first = Reservation(ports, START)
    first.take(Candidate(ports.ledger.open_actions()[0]))
    assert len(first.write()) == 1
    now = Caps(**{"per_incident": 9, "per_hour": 9, "per_day": 9, "fleet_share": 1} | {cap: limit})
    ports = replace(ports, settings=ports.settings.model_copy(update={"ISOLATION_CAPS": now}))
    ports.ledger.add(file.model_copy(update={"goal": "other", "attempt": attempt}))
    (row,) = [entry for entry in ports.ledger.open_actions() if entry.value.goal == "other"]
    worker = Reservation(ports, START)
    worker.take(Candidate(row))
    worker.write()
    assert {action.goal: action.state for action in ports.ledger.actions("7")}["other"] is state


@pytest.mark.parametrize(
    ("responder", "goal", "goes"), [("stop_quarantine", "one", "a1"), ("isolate", "", "b2")], ids=["kept", "given back"]
)
def test_what_waits_between_two_attempts_has_its_place_or_the_next_device_has(
    responder: str, goal: str, goes: str
) -> None:
    """Everything was held after the first attempt, for instance; never do both go."""
    ports = World(1, Dangers(people=False)).platform.instances[0].ports
    ports = replace(
        ports, settings=ports.settings.model_copy(update={"ISOLATION_CAPS": Caps(per_incident=1, fleet_share=1)})
    )
    for device in ("a1", "b2"):
        ports.ledger.add(planned(device, responder).model_copy(update={"approved": False, "goal": goal}))
    sent = _reserved(ports, "a1")
    settle(ports, sent, sent.value.to(State.WAITING, START))
    other = _reserved(ports, "b2").value.state
    waits = _row(ports, "a1")
    ports.ledger.move(waits, waits.value.to(State.PLANNED, START, due=START))
    states = {"a1": _reserved(ports, "a1").value.state, "b2": other}
    assert states == {device: State.SENDING if device == goes else State.WAITING for device in states}


def _reserved(ports: Ports, device: str) -> Entry[Action]:
    worker = Reservation(ports, START)
    worker.take(Candidate(_row(ports, device)))
    worker.write()
    return _row(ports, device)


def _row(ports: Ports, device: str) -> Entry[Action]:
    (row,) = [entry for entry in ports.ledger.open_actions() if entry.value.device == device]
    return row


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
