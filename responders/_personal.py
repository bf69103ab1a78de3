"""What collects personal data stays off until a rule of the policy names device groups and a purpose. Pure.

A rule's own form is checked with the policy (`_policy_check`). What a person orders apart from any rule is asked for
with what the policy says of it, and where that is nothing for the device's group, not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from responders._leaves import matcher
from responders._wants import about_incident, demand
from shared.models.policy.rules import StopQuarantine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responders._case import DeviceCase
    from shared.models.device import Machine
    from shared.models.plan import Want
    from shared.models.policy.conditions import Condition
    from shared.models.policy.document import Policy

PERSONAL = frozenset({"capture_memory", "get_files"})
"""Responders that collect what may hold personal data."""


def as_the_policy_says(policy: Policy, responder: str, machine: Machine | None) -> Want | str | None:
    """How the first rule that asks a responder for something asks for it; None where none does. Of what takes personal
    data only rules count that name the device's group, and where there is none, why it stays off, in words.
    """
    found = next(_wants(policy, responder, machine), None)
    if found or responder not in PERSONAL:
        return found
    group = machine.group if machine and machine.group else "not known"
    return f"{responder} takes personal data, and no rule of the policy asks for it on devices of this group ({group})"


def _wants(policy: Policy, responder: str, machine: Machine | None) -> Iterator[Want]:
    for rule in policy.rules:
        if responder in PERSONAL and not _is_of(machine, rule.when):
            continue
        for ask in rule.actions:
            if ask.do == responder and not (isinstance(ask, StopQuarantine) or about_incident(ask)):
                nobody = cast("DeviceCase", None)  # none of these looks at the device
                yield from (want for _, want in demand(ask, rule.name)(nobody))


def _is_of(machine: Machine | None, condition: Condition) -> bool:
    """Whether a device's group is one that a condition names."""
    return bool(machine and machine.group and any(map(matcher(_groups(condition)), [machine.group])))


def _groups(condition: Condition) -> tuple[str, ...]:
    own = condition.device.group or () if condition.device else ()
    return (*own, *(group for each in (*(condition.all or ()), *(condition.any or ())) for group in _groups(each)))
