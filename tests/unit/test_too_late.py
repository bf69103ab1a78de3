"""What is read right before a POST may be slow: a POST whose lease is over by then is left to the next attempt."""

import pytest

from local.tenant import samples
from responders._governor import LEASE
from responders._library import scripts
from shared.models.action import State
from tests.contract.test_clients_stand import fake_stand
from tests.fakes.clients import FakeDevices
from tests.integration.ticking import Clients, ticking
from tests.unit.incidents import action

SCRIPT = "bulkhead-windows.ps1"


@pytest.mark.parametrize("slow", ["devices.machine", "devices.library"])
def test_a_session_is_not_asked_for_on_a_lease_that_ended_while_its_responder_read(slow: str) -> None:
    """Else the API is called after somebody else was refused, and more often than its budget says."""
    waits = [LEASE + 1]
    with fake_stand() as stand:

        def wait(call: str) -> None:
            if call == slow and waits:
                stand.clock.advance(waits.pop())

        clients = Clients(stand.incidents, FakeDevices(stand.tenant, after=wait), stand.downloads, {})
        product, now = ticking(stand.clock, clients, WINDOWS_LIVE_RESPONSE="experimental"), stand.clock.now()
        stand.tenant.library.put(SCRIPT, scripts()[SCRIPT], "us")
        row = action(
            responder="collect_volatile",
            incident="1",
            device=samples.fleet_id(2),
            severity=4,
            created=now,
            since=now,
            due=now,
            facts_at=now,
        )
        assert product.ports.ledger.add(row)
        product.flow.collect()
        assert not waits
        assert not stand.tenant.desk.everything()
        left = product.ports.ledger.action("1", row.key)
        assert left
        assert left.state is State.PLANNED
        assert "took too long" in left.detail
        stand.clock.advance(11)
        product.flow.collect()
        assert len(stand.tenant.desk.everything()) == 1
