"""Which devices nothing can be done to, and what cannot be done at all: said in words, instead of failing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.models.action import target_of
from shared.models.device import NOT_ONBOARDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Responder
    from responders._news import Facts
    from shared.models.plan import Affected, Assessment


def lacking(assessment: Assessment, facts: Facts, responders: Sequence[Responder]) -> list[str]:
    """What the assessment asks for and cannot be had here: said once, not for every device."""
    wants = [*assessment.wants, *(want for device in assessment.devices for want in device.wants)]
    asked = dict.fromkeys(want.responder for want in wants)
    able = {responder.name for responder in responders}
    why: dict[str, str] = {name: "this version of Bulkhead cannot do it" for name in asked if name not in able}
    why |= facts.lacks
    return [f"{name.replace('_', ' ').capitalize()}: {why[name]}" for name in asked if name in why]


def doubtful(device: Affected) -> bool:
    """Whether Defender could not act on a device when the alert was made. It may have been onboarded since."""
    return device.onboarding in NOT_ONBOARDED


def untried(device: Affected, facts: Facts) -> bool:
    """Whether only the evidence calls a device not onboarded, and its own details were not asked for yet."""
    return doubtful(device) and device.id not in facts.asked_about and device.id not in facts.unknown


def unable(device: Affected, facts: Facts) -> str:
    """Why nothing can be done to a device, in words; empty where something can. Its own details decide, and where they
    cannot be had, what Defender said of it in the alert.
    """
    if device.id in facts.unknown:
        return f"Defender does not know this device{facts.unknown[device.id]}"
    machine = facts.machines.get(device.id)
    if machine and machine.merged_into and target_of(machine.merged_into) != target_of(device.id):
        return f"Defender merged it into the device {machine.merged_into[:64]}: look there"
    if machine and machine.onboarding in NOT_ONBOARDED and device.onboarding != "onboarded":
        return f"not onboarded to Defender ({machine.onboarding[:40]})"
    if machine is None and doubtful(device) and device.id not in facts.later:
        return (
            f"not onboarded to Defender when the alert was made ({device.onboarding[:40]}); its details were not read"
        )
    return ""
