"""Assess an incident: judge its newest snapshot, plan, and write down what is to be done.

The plan is one document per version; who finds one carries it out instead of deciding again. The rows follow, the
incident's state comes last: only then does the version count as assessed.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._judgement import judge
from responders._planning import Facts, decide, lost_reason
from responders._tenant import counts_for, fleet_size
from responders._watch import snapshot_name
from shared.errors import BulkheadError, Denied, NotFound, Rejected, Throttled, Transient
from shared.models.action import State
from shared.models.incident import Incident
from shared.models.plan import Plan, Verdict
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders._ledger import Entry
    from responders._ports import Ports
    from shared.models.action import IncidentState
    from shared.models.device import Machine
    from shared.models.plan import Assessment

PATIENCE = timedelta(minutes=2)
"""How long a device's details are waited for before the plan is made without them."""

_TRIES = 8
_READS = 32

log = logging.getLogger(__name__)


class Assess:
    """The deciding side of the flow."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def run(self, incident: str) -> bool:
        """Bring an incident's assessment up to its newest version; False where there was nothing to do.

        Raises:
            Transient: something needed cannot be had now; the incident's reminder brings it back.
        """
        worked = False
        for _ in range(_TRIES):
            entry = self._ports.ledger.incident(incident)
            if entry is None or entry.value.assessed == entry.value.seen:
                return worked
            plan = self._plan(entry.value)
            self._carry_out(plan)
            worked = self._record(entry, plan) or worked
        raise Transient(f"incident {incident} keeps changing", 5.0)

    def _plan(self, state: IncidentState) -> Plan:
        """The plan of the newest version: the one that stands, or a new one."""
        name = f"{state.id}/{state.seen}/plan.json"
        stands = self._ports.documents.read(name)
        if stands is None:
            made = self._decide(state)
            self._ports.documents.create(name, made.model_dump_json(indent=1).encode())
            stands = self._ports.documents.read(name)
        if stands is None:
            raise Transient(f"the plan {name} was written and cannot be read", 5.0)
        return Plan.model_validate_json(stands)

    def _decide(self, state: IncidentState) -> Plan:
        data = self._ports.documents.read(snapshot_name(state.id, state.seen))
        if data is None:
            raise BulkheadError(f"the snapshot {snapshot_name(state.id, state.seen)} is missing")
        incident = Incident.model_validate(json.loads(data))
        assessment = judge(incident)
        existing = self._ports.ledger.actions(state.id)
        slots = {device: entry.value for device, entry in self._ports.ledger.slots().items()}
        fleet = self._fleet(state) if self._contains(assessment) and assessment.devices else None
        counts = counts_for(self._ports, existing, slots, self._ports.ledger.caps().value, fleet)
        machines: dict[str, Machine | None] = {}
        unknown: set[str] = set()
        later: set[str] = set()
        while True:
            now = self._ports.clock.now()
            facts = Facts(now, machines, frozenset(unknown), frozenset(later), existing, slots, counts)
            draft = decide(state, assessment, facts, tuple(self._ports.responders.values()), self._ports.settings)
            if not draft.unread or len(machines) + len(unknown) >= _READS:
                return draft.plan.model_copy(update={"title": incident.title[:300], "url": incident.url[:500]})
            for device in draft.unread:
                try:
                    machines[device] = self._machine(device, state)
                except NotFound:
                    unknown.add(device)
                except Throttled:
                    # In a storm the details are read when it is the device's turn, the gravest first.
                    if not self._ports.settings.respond:
                        raise
                    later.update(set(draft.unread) - set(machines) - unknown)
                    break

    def _machine(self, device: str, state: IncidentState) -> Machine | None:
        """A device's details; None where they cannot be had, and then a person has to decide."""
        try:
            return self._ports.devices.machine(device)
        except (NotFound, Throttled):
            raise
        except (Denied, Rejected) as error:
            log.warning("device %s cannot be read: %s", device, error)
            return None
        except Transient as error:
            if self._ports.clock.now() - state.seen_at < PATIENCE:
                raise
            log.warning("device %s could not be read in time: %s", device, error)
            return None

    def _fleet(self, state: IncidentState) -> int | None:
        """The number of onboarded devices; None where it cannot be had, and then a person has to decide."""
        try:
            return fleet_size(self._ports)
        except Transient:
            if self._ports.clock.now() - state.seen_at < PATIENCE:
                raise
            return None

    def _contains(self, assessment: Assessment) -> bool:
        return any(each.contains and each.wants(assessment) for each in self._ports.responders.values())

    def _carry_out(self, plan: Plan) -> None:
        """Write the plan's rows. A plan made while observing never becomes rows, nor does one found while observing."""
        if plan.mode == "respond" and self._ports.settings.respond:
            for action in plan.actions:
                self._ports.ledger.add(action)

    def _record(self, entry: Entry[IncidentState], plan: Plan) -> bool:
        """Count the version as assessed, unless a newer one has come; then withdraw what lost its reason."""
        assessment = plan.assessment
        state = entry.value.model_copy(
            update={
                "assessed": plan.version,
                "assessed_at": self._ports.clock.now(),
                "mode": plan.mode,
                "verdict": str(assessment.verdict),
                "reasons": assessment.reasons,
                "severity": assessment.severity,
                "affected": tuple(device.id for device in assessment.devices),
                "contain": self._contains(assessment),
                "not_actionable": assessment.not_actionable,
                "title": plan.title,
                "url": plan.url,
                **self._observed(entry.value, plan),
            }
        )
        try:
            self._ports.ledger.put_incident(state, entry.etag)
        except Conflict:
            return False
        log.info("incident %s: %s (%s)", state.id, state.verdict, plan.mode)
        self._withdraw(state)
        return True

    @staticmethod
    def _observed(state: IncidentState, plan: Plan) -> Mapping[str, object]:
        if plan.mode != "observe" or plan.assessment.verdict is not Verdict.HARMFUL:
            return {}
        devices = (*state.observed, *(device.id for device in plan.assessment.devices))
        return {
            "observed": tuple(dict.fromkeys(devices)),
            "observed_severity": plan.assessment.severity,
            "observed_alert": plan.assessment.newest_alert,
        }

    def _withdraw(self, state: IncidentState) -> None:
        """Take back what is not sent yet and no longer called for."""
        for entry in self._ports.ledger.open_actions(state.id):
            action = entry.value
            responder = self._ports.responders.get(action.responder)
            if action.state not in {State.PLANNED, State.WAITING} or responder is None:
                continue
            reason = lost_reason(action, state, responder)
            if reason:
                try:
                    self._ports.ledger.move(entry, action.to(State.WITHDRAWN, self._ports.clock.now(), detail=reason))
                except Conflict:
                    log.info("action %s moved meanwhile", action.id)
