"""A message with which workers die again and again: the platform gives it up unhandled, as one that they failed."""

from __future__ import annotations

import logging

import pytest

from responders._ports import ARCHIVE, INCIDENTS
from tests.simulation.dangers import Dangers
from tests.simulation.invariants import INVARIANTS
from tests.simulation.platform import TRIES
from tests.simulation.world import World


@pytest.mark.parametrize("queue", [INCIDENTS, ARCHIVE])
@pytest.mark.parametrize(("deaths", "given_up"), [(TRIES - 1, 0), (TRIES, 1)])
def test_a_message_with_which_workers_died_too_often_is_kept_and_told(queue: str, deaths: int, given_up: int) -> None:
    logging.disable(logging.CRITICAL)
    world = World(7, Dangers(people=False, orders=False, scenes=False, instances=1), eventful=False)
    world.queues.send(queue, "overdue")
    for message in world.queues._queues[queue].messages.values():
        message.dequeue_count = deaths
    assert world.run()
    logging.disable(logging.NOTSET)
    assert world.counters.injected["poisoned by deaths", "message"] == given_up
    assert world.platform.poisoned == [(queue, "overdue")] * given_up
    assert [(each.queue, each.text) for each in world.record.letters()] == [(queue, "overdue")] * given_up
    assert [f"{each.__name__}: {said}" for each in INVARIANTS for said in each(world) if said] == []
