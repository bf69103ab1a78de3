"""What becomes of the machine actions that end well in most histories: they fail, stall, and time out."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from local.tenant.settings import Durations

if TYPE_CHECKING:
    from local.tenant.settings import TenantSettings

KINDS = (
    *("Unisolate", "RestrictCodeExecution", "UnrestrictCodeExecution"),
    *("RunAntiVirusScan", "StopAndQuarantineFile"),
)
STALLS = 420.0
"""Seconds for which one that stalls may wait, or work, at the most."""


def with_other_ends(settings: TenantSettings, seed: int) -> TenantSettings:
    """Settings under which some of these kinds fail, time out, or take up to `STALLS`."""
    random = Random(seed ^ 0xE2D5)  # noqa: S311 - histories, not secrets
    durations, outcomes = dict(settings.durations), dict(settings.outcomes)
    for kind in KINDS:
        durations[kind] = random.choice(
            [Durations((1, 20), (2, 90)), Durations((1, 20), (2, STALLS)), Durations((1, STALLS), (2, 30))]
        )
        outcomes[kind] = random.choice([{}, {"Failed": 0.3}, {"TimeOut": 0.3}, {"Failed": 0.2, "TimeOut": 0.2}])
    outcomes["Isolate"] = {**outcomes["Isolate"], "TimeOut": 0.1}
    return replace(settings, durations=durations, outcomes=outcomes)
