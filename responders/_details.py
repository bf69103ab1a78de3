"""The details of a device when it is its turn, and what a rule asks for once they are known: in a storm they are read
no earlier.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._guardrails import Go, blind, rule
from responders._interface import Lane
from responders._nudges import wake
from responders._outcomes import RETRY
from responders._planning import reread
from responders._unsent import snapshot_of
from shared.errors import NotFound, Rejected, Throttled, Transient
from shared.models.incident import Incident

if TYPE_CHECKING:
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Action

FACTS_FRESH = timedelta(minutes=10)

log = logging.getLogger(__name__)


def stale(ports: Ports, action: Action, now: datetime) -> bool:
    """Whether the details of an action's device have to be read before it is sent."""
    fresh = action.facts_at and now - action.facts_at < FACTS_FRESH
    return ports.contains(action) and not fresh and ports.settings.respond


class Details:
    """The details of devices, fresh enough for the rails, as far as a drain has calls for them."""

    def __init__(self, ports: Ports) -> None:
        """Nothing is read yet."""
        self._ports = ports
        self._again: datetime | None = None

    def lacking(self, action: Action) -> bool:
        """Whether an action needs them read, and there are no calls for that now: nobody has to take it in hand to find
        that out once more. It stays due, and before what is less severe.
        """
        now = self._ports.clock.now()
        waits = self._again is not None and now < self._again
        return waits and stale(self._ports, action, now) and not self._overdue(action, now)

    def refreshed(self, entry: Entry[Action]) -> Entry[Action] | None:
        """The row with details that are fresh enough; None if it must wait for them."""
        action = entry.value
        now = self._ports.clock.now()
        if not stale(self._ports, action, now):
            return entry
        if self._again and self.lacking(action):
            self._put_off(entry, self._again, action.detail)
            return None
        try:
            machine = self._ports.devices.machine(action.device)
        except NotFound:
            machine = None
        except Rejected as error:
            log.warning("device %s cannot be read: %s", action.device, error)
            machine = None
        except Transient as error:
            if not self._overdue(action, now):
                self._unread(entry, error, now)
                return None
            log.warning("device %s could not be read in time: %s", action.device, error)
            machine = None
        approved = action.approved and not (machine and blind(action, machine))
        known = {"facts": machine, "facts_at": now, "approved": approved}
        return self._ports.ledger.move(entry, action.model_copy(update=known))

    def _overdue(self, action: Action, now: datetime) -> bool:
        """Whether a person has to decide, whatever the details would say: they were waited for too long."""
        settings = self._ports.tightened
        ruling = rule(
            action, respond=True, protected=settings.PROTECTED, now=now, max_age=settings.MAX_AGE_TO_CONTAIN, later=True
        )
        return not isinstance(ruling, Go)

    def _unread(self, entry: Entry[Action], error: Transient, now: datetime) -> None:
        """They cannot be had now: the row is looked at again when they may; all are, where calls are lacking."""
        again = now + (timedelta(seconds=error.retry_after) if error.retry_after else RETRY)
        if isinstance(error, Throttled):
            self._again = again
            wake(self._ports, Lane.CONTAIN, "machines", again)  # before a write that may raise: nobody here asks again
            self._put_off(entry, again, str(error)[:300])
            return
        told = {"due": again, "detail": str(error)[:300], "in_line": False}
        self._ports.ledger.move(entry, entry.value.model_copy(update=told))
        delay = (again - now).total_seconds()
        self._ports.queues.send(str(Lane.CONTAIN), entry.value.id, delay=delay)

    def _put_off(self, entry: Entry[Action], again: datetime, detail: str) -> None:
        self._ports.ledger.move(entry, entry.value.model_copy(update={"due": again, "detail": detail}))


class Judged:
    """Incidents as they were judged. The last one is kept: its devices follow one another, a thousand perhaps, and to
    read all of it anew for each of them takes longer than to isolate it.
    """

    def __init__(self, ports: Ports) -> None:
        """Nothing is read yet."""
        self._ports = ports
        self._last: tuple[tuple[str, str], Incident | None] = (("", ""), None)

    def as_asked(self, action: Action) -> Action | None:
        """An action as the policy asks for it now; None where it does not ask for it. Where nobody can tell, a person
        has to decide.
        """
        incident = self._incident(action.incident, action.version)
        if incident is None:
            return action.model_copy(update={"unread": False, "doubt": "the incident as it was judged cannot be read"})
        policy = self._ports.policies.in_force().policy
        details = {action.target: action.facts}
        assessment = policy.assess(incident, details, self._ports.clock.now(), only=action.target)
        return reread(action, assessment, contains=self._ports.contains(action))

    def _incident(self, incident: str, version: str) -> Incident | None:
        if self._last[0] != (incident, version):
            data = snapshot_of(self._ports.documents, incident, version)
            self._last = ((incident, version), Incident.model_validate(json.loads(data)) if data else None)
        return self._last[1]
