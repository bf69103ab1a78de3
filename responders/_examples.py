"""A rule's own examples, tried on its condition. Pure.

An example may leave out whatever it is not about: what Graph always sends is filled in, empty. So a member is missing
only where an incident's own JSON would miss it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel

from responders._case import Scene
from responders._truth import NO, UNKNOWN, YES
from shared.models.device import Machine
from shared.models.incident import Account, Alert, Evidence, FileDetails, Incident
from shared.models.lenient import instant
from shared.models.policy import words
from shared.models.policy.fields import meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responders._policy import CompiledPolicy
    from responders._rule import CompiledRule
    from shared.models.policy.problems import Path
    from shared.models.policy.rules import Example

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""When an example is judged that does not say: a Monday, at noon."""

DEVICE = "0123456789abcdef0123456789abcdef01234567"
"""The id of an example's device, where it has none."""

_WORDS = {"match": YES, "no_match": NO, "unknown": UNKNOWN}
_TOLD = {YES: "the rule applies", NO: "the rule does not apply", UNKNOWN: "nobody can tell whether the rule applies"}
_TYPE = "#microsoft.graph.security."
_ALIKE = 0.8
_DETAILS: Mapping[str, type[BaseModel]] = {"fileDetails": FileDetails, "imageFile": FileDetails, "userAccount": Account}


def tried(policy: CompiledPolicy) -> Iterator[tuple[Path, str]]:
    """What is wrong with the examples of a policy's rules."""
    for place, rule in enumerate(policy.rules):
        yield from _of_rule(rule, ("rules", place, "examples"))


def _of_rule(rule: CompiledRule, path: Path) -> Iterator[tuple[Path, str]]:
    examples = rule.rule.examples
    always = rule.rule.when.model_fields_set == {"always"}
    if not examples.match:
        yield path, "the rule needs an example that it applies to ('match')"
    if not examples.no_match and not always:
        yield path, "the rule needs an example that it does not apply to ('no_match')"
    for kind, expected in _WORDS.items():
        for number, example in enumerate(getattr(examples, kind)):
            place = (*path, kind, number)
            yield from _members(example, place)
            if "time" in rule.check.looks and example.at is None:
                yield place, "the rule looks at the time: the example has to say when ('at')"
                continue
            scene = scene_of(example)
            truth = rule.truth(scene)
            if truth != expected:
                yield place, f"{_TOLD[truth]}: {rule.why(scene)}"


def scene_of(example: Example) -> Scene:
    """An example as an incident at a time."""
    raw = dict(example.incident)
    alerts = [_filled(each, Alert) for each in _objects(raw.get("alerts"))]
    device = {**example.device} if example.device is not None else {} if example.unreadable else None
    machines: dict[str, Machine | None] = {}
    if device is not None:
        id_ = str(device.get("id") or DEVICE)
        machine = Machine.model_validate({**_empty(Machine), **device, "id": id_})
        machines[id_] = None if example.unreadable else machine
        alerts = alerts or [_filled({}, Alert)]
        alerts[0] = {**alerts[0], "evidence": [_evidence(id_, machine), *_objects(alerts[0].get("evidence"))]}
    for alert in alerts:
        alert["evidence"] = [_filled(each, Evidence) for each in _objects(alert.get("evidence"))]
    incident = Incident.model_validate({**_filled(raw, Incident), "alerts": alerts})
    return Scene(incident, machines, instant(example.at) or NOON)


def _evidence(id_: str, machine: Machine) -> dict[str, object]:
    """The device as an alert names it."""
    return {
        "@odata.type": f"{_TYPE}deviceEvidence",
        "mdeDeviceId": id_,
        "deviceDnsName": machine.name,
        "roles": ["compromised"],
        "onboardingStatus": "onboarded",
        "osPlatform": machine.os_platform,
    }


def _members(example: Example, path: Path) -> Iterator[tuple[Path, str]]:
    """Members that are misspelt, and would be left out in silence. New ones of Microsoft's are fine."""
    yield from _misspelt(example.incident, Incident, (*path, "incident"))
    for place, alert in enumerate(_objects(example.incident.get("alerts"))):
        inner: Path = (*path, "incident", "alerts", place)
        yield from _misspelt(alert, Alert, inner)
        for number, item in enumerate(_objects(alert.get("evidence"))):
            one: Path = (*inner, "evidence", number)
            yield from _misspelt(item, Evidence, one)
            for key, model in _DETAILS.items():
                value = item.get(key)
                if isinstance(value, dict):
                    yield from _misspelt(value, model, (*one, key))
    if example.device is not None:
        yield from _misspelt(example.device, Machine, (*path, "device"))


def _misspelt(raw: Mapping[str, object], model: type[BaseModel], path: Path) -> Iterator[tuple[Path, str]]:
    known = set(_empty(model))
    for key in raw:
        close = meant(key, known - set(raw), cutoff=_ALIKE)
        if key not in known and key not in words.UNREAD_MEMBERS and close:
            yield (*path, key), f"the member '{key}' is not known{close}"


def _objects(value: object) -> list[dict[str, object]]:
    return [dict(each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _filled(raw: Mapping[str, object], model: type[BaseModel]) -> dict[str, object]:
    return {**_empty(model), **raw}


def _empty(model: type[BaseModel]) -> dict[str, object]:
    """Every member that we read of a kind, as null."""
    return {field.alias or name: None for name, field in model.model_fields.items() if name != "hints"}
