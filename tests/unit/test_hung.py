"""What somebody else's machine action, which hangs in Defender for ever, does to a device that is attacked."""

from __future__ import annotations

import pytest

from responders._settling import STUCK
from shared.models.action import State
from shared.models.asked import Stage
from tests.unit.order_stand import HOST, INCIDENT, Stand


def hanging(stand: Stand, kind: str) -> str:
    """Have a person's machine action hang for as long as it takes; its id."""
    made = str(stand.tenant.person_orders(kind, HOST)["id"])
    stand.tenant.desk.force(made, "Pending")
    for _ in range(96):
        stand.clock.advance(STUCK.total_seconds() / 96)
        stand.flow.watch()
    assert f"{kind.capitalize()} Pending" in stand.made()
    return made


@pytest.mark.parametrize("kind", ["isolate", "unisolate"])
def test_it_waits_for_a_person_and_is_isolated_once_that_person_has_cleared_the_way(kind: str) -> None:
    stand = Stand()
    theirs = hanging(stand, kind)
    stand.harm(HOST)
    stand.wait(60)
    action = stand.action()
    assert (action.state, stand.posts("/isolate")) == (State.WAITING, 0)
    assert action.todo == f"cancel that in the Defender portal; then: bulkhead approve {action.id}"
    assert "has hung in Defender since" in stand.told()
    stand.tenant.person_cancels(theirs)
    done = stand.later(stand.order("approve", incident=INCIDENT))
    assert done.state is Stage.DONE
    assert stand.isolated()


def test_an_approval_alone_sends_nothing() -> None:
    stand = Stand()
    hanging(stand, "unisolate")
    stand.harm(HOST)
    stand.wait(60)
    stand.order("approve", incident=INCIDENT)
    stand.wait(60)
    assert (stand.action().state, stand.posts("/isolate")) == (State.WAITING, 0)


def test_a_release_waits_for_a_person_too() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(90)
    theirs = hanging(stand, "isolate")
    stand.order("release", device=HOST, why="enough")
    stand.wait(60)
    action = stand.action("release")
    assert (action.state, stand.posts("/unisolate")) == (State.WAITING, 0)
    assert action.detail.startswith("an isolation by")
    stand.tenant.person_cancels(theirs)
    done = stand.later(stand.order("approve", action=action.id))
    assert done.state is Stage.DONE
    assert not stand.isolated()
