"""Assess an incident: judge its newest snapshot, plan, and write down what is to be done.

The plan is one document per version; who finds one carries it out instead of deciding again. The rows follow, the
incident's state comes last: only then does the version count as assessed.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._carrying import carry_out
from responders._containment import settle
from responders._entries import planned
from responders._intake import Intake
from responders._lacks import not_to_be_planned
from responders._news import Facts
from responders._nudges import note
from responders._planning import decide, lost_reason
from responders._ports import NOTIFY
from responders._reconciling import reconcile
from responders._tenant import fleet_size, stocks_of
from responders._unsent import note_unsent, read_whole
from responders._versions import merge_target
from shared.errors import Denied, NotFound, Rejected, Throttled, Transient
from shared.models.action import State, target_of
from shared.models.incident import Incident
from shared.models.plan import Verdict
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.config import Settings
    from shared.models.action import Slot
    from shared.models.device import Machine
    from shared.models.plan import Assessment, Plan
    from shared.models.progress import IncidentState

OBSERVES_WITHOUT = timedelta(minutes=30)
"""After which an incident is observed without what nobody had a call for: of more devices than may be read in a minute,
the details would be asked for again and again."""

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
            now = self._ports.clock.now()
            entry = self._ports.ledger.incident(incident)
            if entry is None or entry.value.assessed == entry.value.seen:
                return worked
            plan = self._plan(entry.value)
            if carry_out(self._ports, plan, now):
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
        return planned(stands)

    def _decide(self, state: IncidentState) -> Plan:
        judged_by = self._ports.policies.in_force()
        raw = read_whole(self._ports, state, judged_by.policy)
        incident = Incident.model_validate(raw)
        settings = judged_by.tightened(self._ports.settings)
        assessment = judged_by.policy.assess(incident, {}, self._ports.clock.now())
        note_unsent(self._ports, incident, assessment.verdict)
        existing = self._ports.ledger.history(state.id)
        fleet = self._fleet(state) if self._contains(assessment) and assessment.devices else None
        sure = fleet is None or not settings.respond or self._reconciled(state)
        stocks = stocks_of(self._ports, existing, fleet)
        lacking = not_to_be_planned(self._ports)
        machines: dict[str, Machine | None] = {}
        unknown: dict[str, str] = {}
        later: set[str] = set()
        began = self._ports.clock.now()
        while True:
            now = self._ports.clock.now()
            facts = Facts(now, machines, unknown, frozenset(later), existing, stocks, lacking, sure)
            draft = decide(state, assessment, facts, tuple(self._ports.responders.values()), settings)
            if not draft.unread or len(machines) + len(unknown) >= _READS:
                told = {"title": incident.title[:300], "url": incident.url[:500], "policy": judged_by.digest}
                return draft.plan.model_copy(update={**told, "merged_into": merge_target(raw, state.id)})
            for device in draft.unread:
                try:
                    in_time = self._in_time(began, settings)
                    machines[device] = self._machine(device, state) if in_time else None
                except NotFound:
                    unknown[device] = self._successor(device, assessment)
                except Throttled:
                    # In a storm, or where Defender is slow, they are read when it is the device's turn. While observing
                    # there is none: they are waited for, though not for ever.
                    if not settings.respond and now - state.seen_at < OBSERVES_WITHOUT:
                        raise
                    later.update(set(draft.unread) - set(machines) - set(unknown))
                    break
            assessment = judged_by.policy.assess(incident, machines, now)

    def _reconciled(self, state: IncidentState) -> bool:
        """Whether it is known which of what we hold for the incident is still contained."""
        try:
            return reconcile(self._ports, self._ports.clock.now() + PATIENCE, state.id)
        except (Transient, Rejected) as error:
            log.warning("whether devices of incident %s are still held cannot be seen now: %s", state.id, error)
            return False

    def _in_time(self, began: datetime, settings: Settings) -> bool:
        """Whether there is time to read another device's details. Raises Throttled where they may be read later."""
        late = self._ports.clock.now() - began > PATIENCE
        if late and settings.respond:
            raise Throttled("Defender takes too long to tell of so many devices", 10.0)
        return not late

    def _successor(self, device: str, assessment: Assessment) -> str:
        """Under which id a device that left the tenant is known now, in words; empty where nobody can say. Whether that
        is the same computer is for a person to judge.
        """
        name = next(each.name for each in assessment.devices if each.id == device)
        try:
            found = [each for each in self._ports.devices.named(name) if target_of(each.id) != target_of(device)]
        except (Transient, Rejected) as error:
            log.info("nobody can say whether device %s came back: %s", device, error)
            return ""
        newest = max(found, key=lambda each: each.seen.timestamp() if each.seen else 0.0, default=None)
        if newest is None:
            return ""
        when = f", last seen {newest.seen:%Y-%m-%d %H:%M} UTC" if newest.seen else ""
        return f"; one of the same name is {newest.id[:64]}{when}: if it is the same, act on that"

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
        wanted = {want.responder for device in assessment.devices for want in device.wants}
        return any(each.contains and each.name in wanted for each in self._ports.responders.values())

    def _record(self, entry: Entry[IncidentState], plan: Plan) -> bool:
        """Count the version as assessed, unless a newer one has come; then withdraw what lost its reason."""
        assessment = plan.assessment
        if plan.merged_into:
            self._bequeath(plan)
        self._leave(plan)
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
                "cleared": assessment.cleared,
                "dismissed": assessment.dismissed,
                "not_actionable": assessment.not_actionable,
                "rules": assessment.rules,
                "notify": assessment.notify,
                "title": plan.title,
                "url": plan.url,
                "merged_into": plan.merged_into,
                **self._observed(entry.value, plan),
            }
        )
        try:
            self._ports.ledger.put_incident(state, entry.etag)
        except Conflict:
            return False
        log.info("incident %s: %s (%s)", state.id, state.verdict, plan.mode)
        self._withdraw(state.id)
        return True

    def _bequeath(self, plan: Plan) -> None:
        """Leave what an incident did to the one that it was merged into: its rounds count there, and its hold on
        devices goes over. Before the version counts as assessed, so that a crash leaves nothing out.
        """
        ledger = self._ports.ledger
        ledger.absorb(plan.merged_into, plan.incident, self._ports.clock.now())
        if ledger.incident(plan.merged_into) is None:
            Intake(self._ports).fetch(plan.merged_into)
        for what in self._ports.containments:
            for entry in ledger.slots(what).values():
                holders = entry.value.holders
                if plan.incident in holders:
                    now_held = dict.fromkeys(plan.merged_into if each == plan.incident else each for each in holders)
                    self._held_by(entry, tuple(now_held), what)

    def _leave(self, plan: Plan) -> None:
        """Hold no longer what would have been given back, had not others held it too: the last of them gives it back.
        Only once nobody observes: then nothing was planned in earnest.
        """
        if plan.mode != "respond" or not self._ports.settings.respond:
            return
        for action in plan.actions:
            what = self._ports.containment(action)
            if not self._ports.gives_back(action) or action.state is not State.REFUSED:
                continue
            entry = self._ports.ledger.slot(action.target, what)
            others = tuple(each for each in entry.value.holders if each != plan.incident) if entry else ()
            if entry and others and others != entry.value.holders:
                self._held_by(entry, others, what)

    def _held_by(self, entry: Entry[Slot], holders: tuple[str, ...], what: str) -> None:
        try:
            self._ports.ledger.put_slot(entry, entry.value.model_copy(update={"holders": holders}), what)
        except Conflict:
            raise Transient("a device's slot changed while its holders did", 5.0) from None

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

    def _withdraw(self, incident: str) -> None:
        """Take back what is not sent yet and no longer called for, of the incident and of those merged into it. What is
        in doubt may have been sent: that is found out first.
        """
        state = self._ports.ledger.heir(incident)
        if state is None:
            return
        for each in (state.id, *self._ports.ledger.absorbed(state.id)):
            if each == incident:  # whoever has it assessed tells what becomes of it
                self._withdraw_of(each, state)
            elif self._ports.ledger.open_actions(each):  # its own summary changes too
                self._ports.ledger.remind(each, self._ports.clock.now() + self._ports.settings.NUDGE_AFTER)
                self._withdraw_of(each, state)
                self._ports.queues.send(NOTIFY, each)

    def _withdraw_of(self, incident: str, state: IncidentState) -> None:
        for entry in self._ports.ledger.open_actions(incident):
            action = entry.value
            responder = self._ports.responders.get(action.responder)
            if action.state not in {State.PLANNED, State.WAITING} or action.doubtful or responder is None:
                continue
            reason = lost_reason(action, state, responder)
            if reason:  # between two tries it has its device's slot still, and gives it back
                withdrawn = action.to(State.WITHDRAWN, self._ports.clock.now(), detail=reason)
                if settle(self._ports, entry, withdrawn):
                    note(self._ports, withdrawn)
