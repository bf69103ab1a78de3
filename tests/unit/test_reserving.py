"""What is claimed and cannot be moved on: it is due again at once, so that whoever comes next takes it up. Claimed, it
would lie for a minute, and its device stay on the network for as long.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from responders._dispatch import Dispatch
from responders._interface import Lane
from responders._ledger import OPEN, caps_key
from shared.models.action import Caps, State
from shared.storage.interface import Row
from tests.unit.order_stand import HOST, Stand


def met_by_others(stand: Stand) -> Callable[[str], None]:
    """Another worker charges the caps, which are one row for all, right before each write of ours."""
    writes: list[str] = []

    def before(call: str) -> None:
        if call == "rows.commit":
            writes.append(call)
            theirs = Row(OPEN, caps_key(), Caps().model_dump_json(), due=None, etag=f"theirs-{len(writes)}")
            stand.rows.stored[OPEN, caps_key()] = theirs

    return before


def never_reserved() -> Stand:
    """An isolation of which each reservation met another worker's."""
    stand = Stand()
    stand.rows.before = met_by_others(stand)
    stand.harm(HOST)
    stand.rows.before = lambda _call: None
    assert stand.posts("/isolate") == 0
    return stand


def due_in(stand: Stand) -> timedelta:
    isolate = stand.action()
    assert isolate.state is State.PLANNED
    assert isolate.due
    return isolate.due - stand.clock.now()


def test_what_meets_others_each_time_is_due_again_at_once() -> None:
    stand = never_reserved()
    assert due_in(stand) <= timedelta(seconds=1)
    stand.wait(5)
    assert stand.posts("/isolate") == 1
    assert stand.action().attempt == 1


def test_so_is_what_was_claimed_when_the_time_was_over() -> None:
    stand = never_reserved()
    stand.clock.advance(1)

    def claimed(call: str) -> None:
        if call == "rows.commit":
            stand.rows.before = lambda _call: None
            stand.clock.advance(3)

    stand.rows.before = claimed
    Dispatch(stand.ports, Lane.CONTAIN).run(stand.clock.now() + timedelta(seconds=2))
    assert stand.posts("/isolate") == 0
    assert due_in(stand) <= timedelta(0)
    stand.flow.contain()
    assert stand.posts("/isolate") == 1
