"""What becomes of the machine actions that end well in most histories: they fail, stall, and time out."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from local.tenant.settings import Durations

if TYPE_CHECKING:
    from local.tenant.settings import TenantSettings

_REPLACED = (
    *("Unisolate", "RestrictCodeExecution", "UnrestrictCodeExecution"),
    *("RunAntiVirusScan", "StopAndQuarantineFile"),
)
"""Kinds whose ends and durations are nothing but what is drawn here."""

_WORSE: dict[str, dict[str, float]] = {
    "Isolate": {"TimeOut": 0.1},
    "CollectInvestigationPackage": {"TimeOut": 0.15},
    "LiveResponse": {"Failed": 0.1, "TimeOut": 0.1},
}
"""Kinds that keep what they have in every history, and what comes on top of it."""

KINDS = (*_REPLACED, *_WORSE)
STALLS = 420.0
"""Seconds for which one that stalls may wait, or work, at the most."""

_STALLING = 0.5
"""How often those stall that otherwise keep their durations."""

STALLED_SESSION = (300.0, STALLS)
"""What a session takes more that the device has taken up: one that waits for as long is taken back."""


def with_other_ends(settings: TenantSettings, seed: int) -> TenantSettings:
    """Settings under which some of these kinds fail, time out, or take up to `STALLS`."""
    random = Random(seed ^ 0xE2D5)  # noqa: S311 - histories, not secrets
    durations, outcomes = dict(settings.durations), dict(settings.outcomes)
    for kind in _REPLACED:
        durations[kind] = random.choice(
            [Durations((1, 20), (2, 90)), Durations((1, 20), (2, STALLS)), Durations((1, STALLS), (2, 30))]
        )
        outcomes[kind] = random.choice([{}, {"Failed": 0.3}, {"TimeOut": 0.3}, {"Failed": 0.2, "TimeOut": 0.2}])
    for kind, worse in _WORSE.items():
        outcomes[kind] = {**outcomes[kind], **worse}
        if random.random() < _STALLING and kind != "LiveResponse":
            durations[kind] = replace(durations[kind], pending=(1, STALLS))
    return replace(settings, durations=durations, outcomes=outcomes)
