"""One rule of a policy, compiled, and how it is asked of an incident and of each of its devices. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from responders._conditions import compiled
from responders._truth import NO, Check
from responders._wants import Demand, Goal, about_incident, demand, of_incident

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders._case import Case, Scene
    from responders._hours import Clock
    from shared.models.plan import Want
    from shared.models.policy.rules import Rule

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule, ready to be asked. It `forgives` where its verdict is harmless."""

    place: int
    rule: Rule
    check: Check[Case]
    about_device: bool
    about_details: bool
    forgives: bool
    demands: tuple[Demand, ...]
    about_incident: tuple[tuple[Goal, Want], ...]

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.rule.name

    def truths(self, scene: Scene) -> tuple[int, ...]:
        """Of each device concerned, and then, where there are some that nothing can be done to, of a device of which
        nothing is known. Of the incident alone where the rule asks about no device.
        """
        found = scene.found.get(self.place)
        if found is None:
            test = self.check.test
            if not self.about_device:
                found = (test(scene.nobody),)
            else:
                nobody = (scene.nobody,) if scene.concerned[1] else ()
                found = tuple([test(case) for case in (*scene.cases, *nobody)])
            scene.found[self.place] = found
        return found

    def truth(self, scene: Scene) -> int:
        """Of the incident as a whole. A rule about devices applies to an incident where one of its devices is so; one
        that forgives only where every device is. It says nothing where no device is concerned.
        """
        found = self.truths(scene)
        if len(found) == 1:
            return found[0]
        return (min(found) if self.forgives else max(found)) if found else NO

    def truth_for(self, scene: Scene, number: int) -> int:
        """Of one of the devices concerned, by its place."""
        return self.truths(scene)[number if self.about_device else 0]

    def why(self, scene: Scene) -> str:
        """What made it so, in words."""
        if not self.about_device:
            return self.check.say(scene.nobody)
        if not any(scene.concerned):
            return "no device is concerned"
        truth = self.truth(scene)
        told = [
            f"{case.device.label}: {self.check.say(case)}"
            for case, found in zip(scene.cases, self.truths(scene), strict=False)
            if case.device and found == truth
        ]
        told = told or [self.check.say(scene.nobody)]
        more = f"; and {len(told) - _SHOWN} more devices" if len(told) > _SHOWN else ""
        return "; ".join(told[:_SHOWN]) + more

    def doubt(self, scene: Scene) -> str:
        """Why a person has to decide, where nobody can tell whether the rule applies."""
        return self._unsaid(self.why(scene))

    def doubt_for(self, case: Case) -> str:
        """The same of one device."""
        return self._unsaid(self.check.say(case))

    def _unsaid(self, why: str) -> str:
        return f"whether rule '{self.name}' applies is not known: {why}"


def compile_rule(place: int, rule: Rule, hours: Mapping[str, Clock]) -> CompiledRule:
    """A rule that stands at a place of its policy, ready to be asked."""
    check = compiled(rule.when, hours)
    whole = [ask for ask in rule.actions if about_incident(ask)]
    return CompiledRule(
        place,
        rule,
        check,
        about_device="device" in check.looks,
        about_details="details" in check.looks,
        forgives=rule.verdict == "harmless",
        demands=tuple(demand(ask, rule.name) for ask in rule.actions if ask not in whole),
        about_incident=tuple(of_incident(ask, rule.name) for ask in whole),
    )
