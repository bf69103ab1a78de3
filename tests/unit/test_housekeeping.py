"""The hourly round: what cannot be done now stops nothing else."""

from datetime import timedelta

from responders._health import HOUSEKEEPING, Beat
from tests.unit.order_stand import HOST, INCIDENT, Stand


def test_actions_that_cannot_be_closed_now_stop_no_other_part() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(300)
    stand.clock.advance(timedelta(hours=2).total_seconds())
    stand.trouble.plan("rows.commit", 1, after=False)
    stand.flow.housekeeping()
    assert stand.trouble.over()
    assert stand.ports.ledger.open_actions(INCIDENT)
    assert stand.ports.ledger.single(Beat, f"beat:{HOUSEKEEPING}")
    stand.flow.housekeeping()
    assert not stand.ports.ledger.open_actions(INCIDENT)
