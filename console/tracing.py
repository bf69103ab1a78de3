"""What a policy asks for of one incident of the past, by the same functions that plan. Pure.

What the caps say is left out here: they count over all incidents, and `console.replay` asks them in the order of time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from responders._actionable import doubtful
from responders._case import told_machines
from responders._guardrails import Counts, weighed
from responders._news import Facts, Stock
from responders._planning import draft
from shared.config import Caps
from shared.models.action import State
from shared.models.progress import IncidentState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from console.moments import Moment
    from responders._interface import Responder
    from responders._policy import CompiledPolicy
    from shared.config import Settings
    from shared.models.action import Action
    from shared.models.device import Machine
    from shared.models.incident import Incident
    from shared.models.plan import Assessment, Want

GO, WAIT, NEVER = "at once", "waits", "never"


class Claim(NamedTuple):
    """A containment that is asked for at a time, as the rails of the device leave it: GO, WAIT or NEVER, and why.
    `known` says that its details are; `alert` is the device's newest alert, `severity` the incident's rank, `weighed`
    what a person would weigh beside a cap.
    """

    at: datetime
    incident: str
    device: str
    name: str
    responder: str
    goal: str
    charge: str
    severity: int
    alert: datetime | None
    rule: str
    ruled: str
    why: str
    known: bool
    approval: timedelta | None
    weighed: str = ""

    @property
    def target(self) -> str:
        """The device, however its id is spelt."""
        return self.device.lower()


class Trace(NamedTuple):
    """What became of one incident: its claims in time, and what was called for that takes nothing from anybody, as
    responder and GO or WAIT, each counted.
    """

    incident: str
    title: str
    severity: int
    verdict: str
    classification: str
    claims: tuple[Claim, ...]
    besides: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Tracer:
    """A policy with the settings that count, and the responders that there are."""

    policy: CompiledPolicy
    settings: Settings
    responders: Sequence[Responder]
    _roomy: Mapping[str, Stock] = field(init=False)
    _able: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Caps are nobody's business here, so there is room for everything."""
        stocks = {each.name: Stock(_NONE_YET) for each in self.responders if each.contains}
        object.__setattr__(self, "_roomy", stocks)
        object.__setattr__(self, "_able", frozenset(each.name for each in self.responders))
        object.__setattr__(self, "settings", self.settings.model_copy(update={"ISOLATION_CAPS": _NO_CAPS}))

    def trace(self, now_is: Incident, moments: Iterable[Moment]) -> Trace:
        """What the policy asks for while an incident grows. `now_is` is how it stands today."""
        claims: list[Claim] = []
        besides: dict[tuple[str, str, str], str] = {}
        verdict, severity = "", 0
        for moment in moments:
            assessment = self.policy.assess(moment.incident, machines := told_machines(moment.incident), moment.at)
            verdict, severity = str(assessment.verdict), max(severity, assessment.severity)
            for want in assessment.wants:
                besides["", want.responder, want.goal] = _left_to(want)
            takes = False
            # of the past, only the evidence says what was onboarded
            for device in (each for each in assessment.devices if not doubtful(each)):
                for want in device.wants:
                    if want.responder in self._roomy:
                        takes = True
                    elif want.responder in self._able:
                        besides[device.id, want.responder, want.goal] = _left_to(want)
            if takes:
                claims += self._claims(now_is.id, assessment, machines, moment.at)
        counted = Counter((responder, ruled) for (_, responder, _), ruled in besides.items())
        return Trace(
            now_is.id,
            now_is.title[:200],
            severity,
            verdict,
            now_is.classification,
            tuple(claims),
            tuple((*what, times) for what, times in counted.items()),
        )

    def _claims(
        self, incident: str, assessment: Assessment, machines: Mapping[str, Machine | None], now: datetime
    ) -> Iterator[Claim]:
        """What would take something, as it would be planned were there neither caps nor earlier rounds."""
        state = IncidentState(id=incident, seen="", shown_at=now, seen_at=now)
        facts = Facts(now, machines, {}, frozenset(), (), self._roomy)
        taking = [each for each in self.responders if each.contains]
        for action in draft(state, assessment, facts, taking, self.settings).actions:
            yield _claim(action, now, known=action.device in machines)


_MANY = 10**9
_NONE_YET = Counts(incident=0, sent=(), held=0, fleet=_MANY)
_NO_CAPS = Caps(per_incident=_MANY, per_hour=_MANY, per_day=_MANY, fleet_share=1)


def _left_to(want: Want) -> str:
    """What takes nothing goes ahead, unless a person has to approve it."""
    return WAIT if want.doubt or want.approval else GO


def _ruled(action: Action) -> str:
    if action.state is State.PLANNED:
        return GO
    return WAIT if action.state is State.WAITING else NEVER


def _claim(action: Action, at: datetime, *, known: bool) -> Claim:
    return Claim(
        at=at,
        incident=action.incident,
        device=action.device,
        name=action.device_name,
        responder=action.responder,
        goal=action.goal,
        charge=action.charge,
        severity=action.severity,
        alert=action.device_alert,
        rule=action.rule,
        ruled=_ruled(action),
        why=action.detail,
        known=known,
        approval=action.approval,
        weighed=weighed(action),
    )
