"""A policy's conditions on an incident, compiled once into checks. Pure."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from responders import _findings
from responders._case import Case
from responders._device_conditions import device_check
from responders._evidence_conditions import Builder, alert_check, built, called, evidence_check, unsent
from responders._hours import shown
from responders._leaves import flag, number, severity, text, word
from responders._truth import NO, YES, Check, Parts, every, exists, for_all, negated, some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from responders._hours import Clock
    from shared.models.incident import Alert, Evidence, Incident
    from shared.models.policy.conditions import AlertIs, Condition, EvidenceIs

S = TypeVar("S")


def compiled(condition: Condition, hours: Mapping[str, Clock]) -> Check[Case]:
    """A condition as one check. `hours` are the policy's, by name; each that the condition names has to be there."""
    return every([*built(condition, INCIDENT), *_composed(condition, hours)])


def _composed(asked: Condition, hours: Mapping[str, Clock]) -> Iterable[Check[Case]]:
    if asked.all is not None:
        yield every([compiled(each, hours) for each in asked.all])
    if asked.any is not None:
        yield some([compiled(each, hours) for each in asked.any])
    if asked.not_ is not None:
        yield negated(compiled(asked.not_, hours))
    if asked.time is not None:
        for key, name in asked.time.names():
            yield _time(name, hours[name], wanted=key == "during")


def _time(name: str, within: Clock, *, wanted: bool) -> Check[Case]:
    def test(case: Case) -> int:
        return YES if within(case.scene.now) == wanted else NO

    def say(case: Case) -> str:
        where = "within" if within(case.scene.now) else "outside"
        return f"{shown(case.scene.now)} is {where} the hours '{name}'"

    return Check(test, say, f"{'during' if wanted else 'outside'} '{name}'", frozenset({"time"}))


def _word(what: str, member: str) -> Builder[Case]:
    return partial(word, what, attrgetter(f"scene.incident.{member}"))


def _texts(what: str, member: str, get: Callable[[Incident], Iterable[str]]) -> Builder[Case]:
    missing = unsent(member)
    return lambda asked: text(
        what, lambda case: get(case.scene.incident), asked, lambda case: missing(case.scene.incident)
    )


def _known(get: Callable[[Case], str], asked: str, denied: str) -> Builder[Case]:
    """What is known to be so: what is not known is not the case."""
    return lambda wanted: flag(get, asked, wanted=wanted, denied=denied)


def _alerts(check: Check[Alert]) -> Parts[Case, Alert]:
    """The alerts to look among, as far as they were sent."""
    whole = "classification" in check.looks
    return Parts(
        "alert",
        attrgetter("scene.incident.alerts" if whole else "scene.alerts"),
        lambda case: case.scene.incident.whole,
        lambda alert: f"'{alert.title[:100]}'",
    )


def _some_alert(asked: AlertIs) -> Check[Case]:
    check = alert_check(asked)
    return exists(_alerts(check), check)


def _every_alert(asked: AlertIs) -> Check[Case]:
    check = alert_check(asked)
    return for_all(_alerts(check), check)


def _every_evidence(asked: EvidenceIs) -> Check[Case]:
    return for_all(_EVIDENCE, evidence_check(asked))


def _severity_word(asked: Sequence[str]) -> Check[Case]:
    return word("severity", lambda case: _findings.severity_name(case.scene.severity), asked, unknown=("unknown",))


def _disrupted(case: Case) -> str:
    return "attack disruption by Microsoft is under way" if case.scene.incident.disrupted else ""


_EVIDENCE: Parts[Case, Evidence] = Parts("evidence", attrgetter("scene.evidence"), attrgetter("scene.complete"), called)

INCIDENT: Mapping[str, Builder[Case]] = {
    "always": _known(lambda _: "it holds for every incident", "always", ""),
    "title": _texts("title", "title", lambda incident: (incident.title,)),
    "description": _texts("description", "description", lambda incident: (incident.description,)),
    "severity": _severity_word,
    "severity_at_least": partial(severity, "severity", attrgetter("scene.severity")),
    "status": _word("status", "status"),
    "classification": _word("classification", "classification"),
    "determination": _word("determination", "determination"),
    "tag": _texts("tag", "tags", attrgetter("tags")),
    "system_tag": _texts("system tag", "system_tags", attrgetter("system_tags")),
    "priority_at_least": lambda least: number("priority score", attrgetter("scene.incident.priority"), least=least),
    "priority_at_most": lambda most: number("priority score", attrgetter("scene.incident.priority"), most=most),
    "merged": _known(lambda case: _findings.merged(case.scene.incident), "merged", "not merged into another incident"),
    "classified_benign": _known(
        lambda case: _findings.classified_benign(case.scene.incident),
        "classified as benign",
        "not classified as a false positive or expected activity",
    ),
    "all_alerts_benign": _known(
        lambda case: _findings.all_alerts_benign(case.scene.incident, case.scene.alerts),
        "every alert benign",
        "not every alert is classified as a false positive or expected activity",
    ),
    "informational_only": _known(
        lambda case: _findings.informational_only(case.scene.incident, case.scene.alerts),
        "informational only",
        "not known to be informational only",
    ),
    "all_dealt_with": _known(
        lambda case: _findings.all_dealt_with(case.scene.incident, case.scene.alerts),
        "everything dealt with",
        "not known that everything malicious or suspicious is dealt with and no alert is open",
    ),
    "disrupted": _known(_disrupted, "disrupted by Microsoft", "no attack disruption by Microsoft"),
    "alert": _some_alert,
    "every_alert": _every_alert,
    "evidence": lambda asked: exists(_EVIDENCE, evidence_check(asked)),
    "every_evidence": _every_evidence,
    "device": device_check,
}
"""What can be asked of an incident, by key, beside `all`, `any`, `not` and `time`."""
