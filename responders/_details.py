"""What a rule asks for once a device's details are known: in a storm they are read when it is the device's turn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from responders._planning import reread
from responders._watch import snapshot_name
from shared.models.incident import Incident

if TYPE_CHECKING:
    from responders._ports import Ports
    from shared.models.action import Action


class Judged:
    """Incidents as they were judged. The last one is kept: its devices follow one another, a thousand perhaps, and to
    read all of it anew for each of them takes longer than to isolate it.
    """

    def __init__(self, ports: Ports) -> None:
        """Nothing is read yet."""
        self._ports = ports
        self._last: tuple[str, Incident | None] = ("", None)

    def as_asked(self, action: Action) -> Action | None:
        """An action as the policy asks for it now; None where it does not ask for it. Where nobody can tell, a person
        has to decide.
        """
        incident = self._incident(snapshot_name(action.incident, action.version))
        if incident is None:
            return action.model_copy(update={"unread": False, "doubt": "the incident as it was judged cannot be read"})
        policy = self._ports.policies.in_force().policy
        details = {action.target: action.facts}
        assessment = policy.assess(incident, details, self._ports.clock.now(), only=action.target)
        return reread(action, assessment, contains=self._ports.contains(action))

    def _incident(self, name: str) -> Incident | None:
        if self._last[0] != name:
            data = self._ports.documents.read(name)
            self._last = (name, Incident.model_validate(json.loads(data)) if data else None)
        return self._last[1]
