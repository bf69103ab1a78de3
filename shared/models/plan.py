"""A judgement of an incident and what follows from it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shared.models.action import Action


class Verdict(StrEnum):
    """What an incident is held for."""

    HARMLESS = "very likely harmless"
    HARMFUL = "may do harm"


class Affected(BaseModel):
    """A device that an incident concerns, with the reasons in words, the hints its evidence gives of its role, and when
    the newest alert that holds something against it was created.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    onboarding: str
    why: tuple[str, ...]
    hints: tuple[str, ...] = ()
    newest_alert: datetime | None = None


class Assessment(BaseModel):
    """The judgement: verdict with reasons, severity as a rank (`SEVERITIES`; 0 unknown), the devices that it concerns,
    and in words those that nothing can be done to. `doubt` is what a person has to weigh before anything is contained.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    reasons: tuple[str, ...]
    severity: int
    doubt: str = ""
    newest_alert: datetime | None = None
    devices: tuple[Affected, ...] = ()
    not_actionable: tuple[str, ...] = ()


class Plan(BaseModel):
    """What was decided for one version of an incident. Kept whole; who finds one carries it out instead of deciding
    again. In observe its actions say what would have happened, and never become rows.
    """

    model_config = ConfigDict(frozen=True)

    incident: str
    version: str
    mode: str
    title: str = ""
    url: str = ""
    assessment: Assessment
    actions: tuple[Action, ...]
