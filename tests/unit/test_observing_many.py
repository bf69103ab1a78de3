"""An incident of more devices than Defender may be asked about in a minute, while observing."""

from __future__ import annotations

from responders._assess import OBSERVES_WITHOUT
from tests.unit.order_stand import HOST, INCIDENT, OTHER, THIRD, Stand


def test_it_is_observed_though_its_devices_cannot_all_be_read_within_one_budget() -> None:
    """Each attempt to judge it begins anew, so that it would never be judged."""
    stand = Stand({"RESPONSE_MODE": "observe", "RATE_LIMITS": '{"machines": "2/min"}'})
    stand.harm(HOST, OTHER, THIRD)
    early = stand.ports.ledger.incident(INCIDENT)
    assert early
    assert early.value.assessed != early.value.seen
    stand.wait(OBSERVES_WITHOUT.total_seconds() + 120)
    later = stand.ports.ledger.incident(INCIDENT)
    assert later
    assert later.value.assessed == later.value.seen
    assert stand.states() == []
