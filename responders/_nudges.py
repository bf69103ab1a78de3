"""Messages that follow a written transition: they hurry what the ledger would bring about anyway."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._consent import WITHOUT_INCIDENT
from responders._interface import Lane
from responders._ports import ARCHIVE, COLLECT, NOTIFY
from responders._telemetry import action_event
from shared.models.action import State
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Action

_MOMENT = timedelta(seconds=1)

log = logging.getLogger(__name__)


def note(ports: Ports, to: Action) -> None:
    """Log where an action stands. Alarms and the workbook search for this line (infra/queries)."""
    responder = ports.responders.get(to.responder)
    contains, gathers = bool(responder and responder.contains), bool(responder and responder.gathers)
    log.info("%s", action_event(to, contains=contains, gathers=gathers))


def tell_away(ports: Ports, to: Action) -> None:
    """Log that a device does not answer, and have people told."""
    note(ports, to)
    ports.queues.send(NOTIFY, to.incident)


def forewarn(ports: Ports, incident: str) -> None:
    """See to it that people hear of a change that is about to be made to an incident that was done with, though its
    worker should die: nobody else would look at it again.
    """
    if incident != WITHOUT_INCIDENT:
        ports.ledger.remind(incident, ports.clock.now() + ports.settings.NUDGE_AFTER)


def tell(ports: Ports, to: Action) -> None:
    """Log a transition and wake whoever goes on from it, no earlier than it is due."""
    note(ports, to)
    responder = ports.responders[to.responder]
    delay = max(0.0, (to.due - ports.clock.now()).total_seconds()) if to.due else 0.0
    if to.state in {State.PLANNED, State.UNKNOWN}:
        ports.queues.send(str(responder.lane), to.id, delay=delay)
    elif to.state is State.FETCHING or (to.state.final and to.due):
        ports.queues.send(ARCHIVE, to.id, delay=delay)
    if to.state.settled:
        ports.queues.send(NOTIFY, to.incident)
        if responder.lane is Lane.CONTAIN:
            ports.queues.send(COLLECT, to.id)


def due_again(ports: Ports, entry: Entry[Action]) -> None:
    """Have a row taken up again in a moment that its worker cannot move on: claimed, it would lie for a minute."""
    action = entry.value
    log.warning("action %s met other workers again and again; it is due again", action.id)
    with suppress(Conflict):
        ports.ledger.move(entry, action.model_copy(update={"due": ports.clock.now() + _MOMENT}))
        ports.queues.send(str(ports.responders[action.responder].lane), action.id, delay=_MOMENT.total_seconds())


def wake(ports: Ports, lane: Lane, api: str, again: datetime) -> None:
    """Have somebody go on when there are calls again; one message, however many find the budget empty."""
    if ports.governor.ask_to_wake(api, again):
        delay = max(0.5, (again - ports.clock.now()).total_seconds())
        ports.queues.send(str(lane), "budget", delay=delay)
