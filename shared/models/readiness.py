"""What the app found when it examined its own deployment, as the ledger keeps it for people to read."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shared.models.action import Kept


class Verdict(StrEnum):
    """What a finding means: `look` is to be known and may be meant, `by_hand` is what no API tells."""

    GOOD = "good"
    LOOK = "look"
    BAD = "bad"
    BY_HAND = "by hand"


class Finding(BaseModel):
    """One thing that was examined: its short and stable name, what was found, and what to do about it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    check: str
    verdict: Verdict
    text: str
    todo: str = ""


class Readiness(Kept):
    """What the app found at `at` (storage time). `examined` tells this version with these settings from every other
    one; `version` is the product's.
    """

    at: datetime
    version: str
    mode: str
    deployment: str
    examined: str
    findings: tuple[Finding, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return all(each.verdict is not Verdict.BAD for each in self.findings)
