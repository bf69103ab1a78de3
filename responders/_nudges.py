"""Messages that follow a written transition: they hurry what the ledger would bring about anyway."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from responders._interface import Lane
from responders._ports import ARCHIVE, COLLECT, NOTIFY
from shared.models.action import State

if TYPE_CHECKING:
    from responders._ports import Ports
    from shared.models.action import Action

log = logging.getLogger(__name__)


def tell(ports: Ports, to: Action) -> None:
    """Log a transition and wake whoever goes on from it, no earlier than it is due."""
    log.info("action %s (%s on %s): %s %s", to.id, to.responder, to.device, to.state, to.detail)
    responder = ports.responders[to.responder]
    delay = max(0.0, (to.due - ports.clock.now()).total_seconds()) if to.due else 0.0
    if to.state in {State.PLANNED, State.UNKNOWN}:
        ports.queues.send(str(responder.lane), to.id, delay=delay)
    elif to.state is State.FETCHING:
        ports.queues.send(ARCHIVE, to.id, delay=delay)
    if to.state.settled:
        ports.queues.send(NOTIFY, to.incident)
        if responder.lane is Lane.CONTAIN:
            ports.queues.send(COLLECT, to.id)
