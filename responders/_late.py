"""Sealing the run of an action that ended between two sessions of its collection, cancelled by a person for example.

What was gathered by then is evidence like any other. Such a row is due until its run is sealed or cannot be.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from responders._alarms import over, trouble
from shared.errors import Cause, Forbidden, Rejected, Transient

if TYPE_CHECKING:
    from datetime import datetime

    from responders._desk import Desk
    from responders._ports import Ports
    from shared.errors import BulkheadError
    from shared.models.action import Action

UNSEALED_FOR = timedelta(days=7)
"""How long it is tried to seal what was gathered."""

SEAL_AGAIN = timedelta(minutes=10)
NOT_SEALED = "; what was gathered is not sealed"
_OTHERS = frozenset({"Differs", "Sealed"})


def may_be_sealed(action: Action, error: BulkheadError, now: datetime) -> bool:
    """Whether a run may be sealed later: it was not time that lacked, nobody else's stands there, and it was not tried
    for too long. Pure.
    """
    young = now - (action.finished_at or action.accepted_at or action.created) < UNSEALED_FOR
    theirs = isinstance(error, Rejected) and error.code in _OTHERS
    return young and not theirs and error.cause is not Cause.TIME


def sealed_late(ports: Ports, desk: Desk, action: Action, *, again: bool) -> Action:
    """A final action once its run is sealed, if anything was gathered; due later where that cannot be now. Where it is
    not tried `again`, can never be, or takes longer than the last of its calls, it is said.
    """
    if not again:
        return unsealed(action)
    try:
        desk.run.close(str(action.state), missing=f"not all was gathered: {action.detail}")
    except (Transient, Rejected, Forbidden) as error:
        now = ports.clock.now()
        if error.cause is Cause.TIME and not desk.run.last:
            return action.model_copy(update={"due": now, "fetches": action.fetches - (not desk.whole)})
        if not may_be_sealed(action, error, now):
            return unsealed(action)
        trouble(ports, "seal", f"what was gathered until {action.responder} {action.id} ended is not sealed: {error}")
        return action.model_copy(update={"due": now + SEAL_AGAIN, "fetches": 0})
    if desk.run.sealed():
        over(ports, "seal")
    return action.model_copy(update={"due": None})


def unsealed(action: Action) -> Action:
    """A final action whose run stays open, which people have to know."""
    return action.model_copy(update={"due": None, "detail": f"{action.detail[:250]}{NOT_SEALED}"})
