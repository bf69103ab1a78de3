"""A plan becomes rows, unless a newer one came meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from responders._nudges import note

if TYPE_CHECKING:
    from datetime import datetime

    from responders._ports import Ports
    from shared.models.plan import Plan

FRESH = timedelta(seconds=10)
"""How long a plan passes for the newest without another look."""


def carry_out(ports: Ports, plan: Plan, seen: datetime) -> bool:
    """Write the plan's rows, what lets others go first behind these: another worker may send a row as soon as it is
    there. A plan made while observing never becomes rows, nor does one found while observing.

    False where the incident, `seen` to be at the plan's version then, changed while storage was slow: what is left is
    for the newer plan to write, perhaps under the incident that this one was merged into. Both would do it.
    """
    if plan.mode != "respond" or not ports.settings.respond:
        return True
    for action in sorted(plan.actions, key=lambda each: each.head_start is not None):
        now = ports.clock.now()
        if now - seen > FRESH:
            state = ports.ledger.incident(plan.incident)
            if state is None or state.value.seen != plan.version:
                return False
            seen = now
        if ports.ledger.add(action):
            note(ports, action)
    return True
