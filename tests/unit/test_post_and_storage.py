"""What storage does right behind a POST says nothing of the POST: a device that is being isolated counts as such. What
it does right before it may make the POST too late. And what storage refuses is told as the storage's refusal.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from responders._governor import LEASE
from shared.errors import Denied, Transient
from shared.models.action import State
from tests.unit.order_stand import HOST, Stand

SENT = {State.SENDING, State.ACCEPTED, State.UNKNOWN}


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("call", ["rows.get", "rows.query", "rows.commit"])
def test_storage_that_fails_behind_a_post_does_not_make_it_unsent(call: str, number: int) -> None:
    """Else a cancellation withdraws the row, its place under the caps is free, and one device too many is isolated."""

    def before(port: str) -> None:
        if port == "devices.isolate":
            stand.trouble.plan(call, number, after=False)

    stand = Stand(before=before)
    with suppress(Transient):
        stand.harm(HOST)
    stand.trouble.over()
    assert stand.made() == ["Isolate Pending"]
    assert stand.action().state in SENT
    with suppress(Transient):
        stand.later(stand.order("cancel", action=stand.action().id), 300)
    assert stand.made()[0] in {"Isolate Cancelled", "Isolate Succeeded"}
    held = [spent.id for spent in stand.ports.ledger.caps().value.sent]
    assert held == [stand.action().id]
    assert stand.posts("/isolate") == 1


def test_where_storage_is_slow_to_say_whether_all_is_held_nothing_is_sent_on_a_lease_that_is_over() -> None:
    """Else it may be sent although Defender asked to wait meanwhile, and after somebody took its sender for dead."""
    ages: list[timedelta] = []

    def before(port: str) -> None:
        if port == "devices.actions" and not stand.trouble.over() and stand.action().state is State.SENDING:
            stand.trouble.plan("rows.get", 1, after=False, instead=lambda: stand.clock.advance(LEASE + 1))
        if port == "devices.isolate":
            ages.append(stand.clock.now() - stand.action().since)

    stand = Stand(before=before)
    stand.harm(HOST)
    assert stand.trouble.over()
    stand.wait(30)
    assert stand.posts("/isolate") == 1
    assert max(ages) < timedelta(seconds=LEASE)


def test_a_reading_that_the_storage_refuses_is_not_told_as_a_refusal_of_graph() -> None:
    """Else people look for an app role that nobody took away."""
    stand = Stand()
    error = Denied("writing to queue incidents: the storage answered 403", status=403)
    error.of_storage = True
    stand.trouble.plan("queues.send", 1, after=False, error=error)
    stand.harm(HOST)
    told = stand.told()
    assert "incidents cannot be read: the storage does not let the app in: writing to queue incidents" in told
    assert "give the app's identity its data roles on this account" in told
    assert "SecurityIncident" not in told
