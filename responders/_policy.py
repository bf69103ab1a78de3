"""A policy compiled, and what it makes of an incident. Pure: the same facts give the same assessment.

A rule is true, false or not known. What is not known never forgives: an incident is harmless only where a rule says so
for certain, and where one that may apply says otherwise, or may have said so, the assessment carries a doubt. And what
is not known is never a reason to act alone: such a want carries a doubt, which asks for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from responders import _findings
from responders._case import Scene
from responders._hours import clock, wrong_hours
from responders._rule import CompiledRule, compile_rule
from responders._truth import NO, UNKNOWN, YES
from responders._wants import Claim, Goal, all_settled
from shared import zones
from shared.models.action import target_of
from shared.models.plan import Affected, Assessment, Verdict, Want
from shared.models.policy.problems import PolicyError, Problem, spelt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from shared.models.device import Machine
    from shared.models.incident import Incident
    from shared.models.policy.document import Policy

_WORDS = {NO: "does not apply", UNKNOWN: "may apply, nobody can tell", YES: "applies"}


@dataclass(frozen=True, slots=True)
class Explained:
    """What became of one rule: `applies` is True, False or None (not known), `why` what was found, in words, and `asks`
    what it asks for. `decided` says that it gave the verdict.
    """

    rule: str
    applies: bool | None
    why: str
    asks: tuple[str, ...]
    decided: bool = False

    def __str__(self) -> str:
        """One line for a person."""
        truth = UNKNOWN if self.applies is None else YES if self.applies else NO
        decided = " and gives the verdict" if self.decided else ""
        return f"{self.rule} {_WORDS[truth]}{decided}: {self.why}"


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: Verdict
    by: CompiledRule | None
    doubt: str = ""


class CompiledPolicy:
    """A policy, ready to be asked. It keeps nothing of what it was asked."""

    def __init__(self, policy: Policy) -> None:
        """Compile once; see `compile_policy`."""
        problems = [Problem(0, spelt(path), said) for path, said in wrong_hours(policy)]
        if problems:
            raise PolicyError(problems)
        hours = {name: clock(each, zones.zone(each.zone)) for name, each in policy.hours.items()}
        self.policy = policy
        self.rules = tuple(compile_rule(place, rule, hours) for place, rule in enumerate(policy.rules))
        self._judging = tuple(rule for rule in self.rules if rule.rule.verdict)
        self._asking = tuple(rule for rule in self.rules if rule.demands)

    def assess(
        self, incident: Incident, machines: Mapping[str, Machine | None], now: datetime, only: str = ""
    ) -> Assessment:
        """What the policy makes of an incident. `machines` are the details of devices by id: None where they could not
        be read; of a device that is missing, nobody asked. With `only` (a device as it is compared) nothing is said of
        what is wanted of the others.
        """
        scene = Scene(incident, machines, now)
        judged = self._judge(scene)
        called = "" if incident.merged else incident.classification  # its alerts are called what the other one is
        cleared = called == "falsepositive"
        if judged.verdict is Verdict.HARMLESS and judged.by:
            decisive = (judged.by,)
            return Assessment(
                verdict=judged.verdict,
                reasons=(judged.by.why(scene),),
                severity=scene.severity,
                rules=(judged.by.name,),
                decided_by=judged.by.name,
                wants=_incident_wants(scene, decisive),
                notify=judged.by.rule.notify or (),
                cleared=cleared,
                dismissed=called in _findings.BENIGN,
            )
        truths = [(rule, rule.truth(scene)) for rule in self.rules]
        possible = [rule for rule, truth in truths if truth != NO and not rule.forgives]
        applying = [rule.name for rule, truth in truths if truth == YES and rule is not judged.by]
        doubts = [judged.doubt, *(_weighed(rule, scene) for rule in possible)]
        alerts = scene.alerts
        return Assessment(
            verdict=judged.verdict,
            reasons=tuple(_findings.reasons(incident, alerts, scene.severity)),
            severity=scene.severity,
            doubt="; ".join(dict.fromkeys(filter(None, doubts))),
            newest_alert=max((alert.created for alert in alerts if alert.created), default=incident.created),
            devices=tuple(self._wanted(scene, only)),
            not_actionable=(*_findings.unread(incident), *scene.concerned[1]),
            rules=(*([judged.by.name] if judged.by else []), *applying),
            decided_by=judged.by.name if judged.by else "",
            wants=_incident_wants(scene, possible),
            notify=tuple(dict.fromkeys(name for rule in possible for name in rule.rule.notify or ())),
            cleared=cleared,
        )

    def explain(
        self, incident: Incident, machines: Mapping[str, Machine | None], now: datetime
    ) -> tuple[Explained, ...]:
        """What became of every rule, in its order, in words."""
        scene = Scene(incident, machines, now)
        judged = self._judge(scene)
        found = []
        for rule in self.rules:
            truth = rule.truth(scene)
            applies = None if truth == UNKNOWN else truth == YES
            asks = tuple(ask.do for ask in rule.rule.actions)
            found.append(Explained(rule.name, applies, rule.why(scene), asks, decided=rule is judged.by))
        return tuple(found)

    def _judge(self, scene: Scene) -> _Judged:
        """The first verdict, and what it would be if a rule applied of which that is not known."""
        open_: list[CompiledRule] = []
        for rule in self._judging:
            truth = rule.truth(scene)
            if truth == UNKNOWN:
                open_.append(rule)
            if truth != YES:
                continue
            against = [each for each in open_ if each.forgives != rule.forgives]
            if rule.forgives and not against:
                return _Judged(Verdict.HARMLESS, rule)
            doubt = "; ".join(each.doubt(scene) for each in against)
            return _Judged(Verdict.HARMFUL, None if rule.forgives else rule, doubt)
        doubt = "; ".join(each.doubt(scene) for each in open_ if each.forgives)
        return _Judged(Verdict.HARMFUL, None, doubt)

    def _wanted(self, scene: Scene, only: str) -> Iterator[Affected]:
        """Each device with what is wanted of it."""
        for number, case in enumerate(scene.cases):
            device = case.device
            if device is None or (only and target_of(device.affected.id) != only):
                continue
            claims: dict[Goal, list[Claim]] = {}
            for rule in self._asking:
                truth = rule.truth_for(scene, number)
                if truth == NO:
                    continue
                unread = truth == UNKNOWN and rule.about_details and not device.asked
                for each in rule.demands:
                    for goal, want in each(device):
                        claim = Claim(want, truth, partial(rule.doubt_for, case), unread)
                        claims.setdefault(goal, []).append(claim)
            yield device.affected.model_copy(update={"wants": all_settled(claims)})


def compile_policy(policy: Policy) -> CompiledPolicy:
    """A policy, ready to be asked thousands of times.

    Raises:
        PolicyError: it names hours or a zone that do not exist.
    """
    return CompiledPolicy(policy)


def _weighed(rule: CompiledRule, scene: Scene) -> str:
    """What a rule that applies, or may apply, gives a person to weigh."""
    if not rule.rule.doubt:
        return ""
    return rule.rule.doubt if rule.truth(scene) == YES else rule.doubt(scene)


def _incident_wants(scene: Scene, rules: Sequence[CompiledRule]) -> tuple[Want, ...]:
    """What rules that apply, or may apply, ask for about the incident itself."""
    claims: dict[Goal, list[Claim]] = {}
    for rule in rules:
        if rule.about_incident:
            for goal, want in rule.about_incident:
                claims.setdefault(goal, []).append(Claim(want, rule.truth(scene), partial(rule.doubt, scene)))
    return all_settled(claims)
