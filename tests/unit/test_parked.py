"""Somebody isolates a device in the portal at the moment in which we do. Defender takes both, and parks ours."""

from __future__ import annotations

from shared.models.action import State
from tests.fakes.clients import RACE, Mishaps
from tests.unit.order_stand import HOST, Stand


def raced() -> Stand:
    """A person isolates the device between our last look and our POST."""

    def before(call: str) -> None:
        if call == "devices.isolate":
            stand.tenant.person_orders("isolate", HOST)

    stand = Stand(mishaps=Mishaps(lambda call: RACE if call == "devices.isolate" else None), before=before)
    stand.harm(HOST)
    return stand


def test_ours_is_taken_back_and_the_device_counts_as_isolated_by_them() -> None:
    stand = raced()
    stand.wait(300)
    assert stand.made()[:2] == ["Isolate Succeeded", "Isolate Cancelled"]
    action = stand.action()
    assert (action.state, action.foreign) == (State.ELSEWHERE, True)
    assert "ours waited behind that" in action.detail
    assert stand.isolated()
    assert stand.ports.ledger.slot(HOST) is None


def test_so_their_release_frees_the_device_for_good() -> None:
    """Parked, ours would land behind their release, and cut off again what they have just let go."""
    stand = raced()
    stand.wait(300)
    stand.tenant.person_orders("unisolate", HOST)
    stand.wait(600)
    assert not stand.isolated()


def test_where_only_ours_is_on_its_way_it_is_left_alone() -> None:
    stand = Stand()
    stand.tenant.fleet.one(HOST).presence.set(stand.clock.now(), online=False)
    stand.harm(HOST)
    stand.wait(900)
    assert stand.made()[0] == "Isolate Pending"
    assert stand.action().state is State.ACCEPTED
