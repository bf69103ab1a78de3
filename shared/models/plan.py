"""A judgement of an incident and what follows from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.models.action import Action
from shared.models.frozen import Params

ResponderName = Literal[
    "isolate",
    "release",
    "restrict",
    "unrestrict",
    "scan",
    "stop_quarantine",
    "collect_package",
    "collect_volatile",
    "collect_logs",
    "capture_memory",
    "run_script",
    "get_files",
    "hunt",
    "tag",
    "comment",
]
"""Everything that can be wanted, by the name of the responder that does it."""


class Verdict(StrEnum):
    """What an incident is held for."""

    HARMLESS = "very likely harmless"
    HARMFUL = "may do harm"


class Want(BaseModel):
    """One thing that a rule of the policy asks for.

    `rule` is the rule that says how, `params` what it is asked for with; `goal` tells it from what else the responder
    is to do to the same device (`shared.models.action.goal_of`). With `approval` a person has to approve it, and it
    lapses if nobody has done so for that long. `doubt` is why a person has to decide, in words; `unread` says that it
    is no more than a device's details that nobody has asked for yet. `collect_first` is the head start of the
    collection before an isolation. With `auto_release` it is undone once an analyst classifies the incident as a false
    positive (`Assessment.cleared`).
    """

    model_config = ConfigDict(frozen=True)

    responder: ResponderName
    rule: str
    goal: str = ""
    params: Params = Params()
    approval: timedelta | None = None
    doubt: str = ""
    unread: bool = False
    collect_first: timedelta | None = None
    auto_release: bool = False


class Affected(BaseModel):
    """A device that an incident concerns, with the reasons in words, the hints its evidence gives of its role, when the
    newest alert that holds something against it was created, and what is wanted of it. `onboarding` is as the evidence
    has it, and so as of the alert.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    onboarding: str
    why: tuple[str, ...]
    hints: tuple[str, ...] = ()
    newest_alert: datetime | None = None
    wants: tuple[Want, ...] = ()


class Assessment(BaseModel):
    """The judgement: verdict with reasons, severity as a rank (`SEVERITIES`; 0 unknown), the devices that it concerns,
    and in words those that nothing can be done to. `doubt` is what a person has to weigh before anything is contained.
    `rules` are the rules that apply, the one that gave the verdict first (`decided_by`, empty where none did); `wants`
    are what is asked for about the incident itself, `notify` whom to tell beside those who are always told. `cleared`
    says that an analyst classified the incident as a false positive, `dismissed` that it is harmless and was classified
    as that or as expected activity; neither is said of one that was merged away.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    reasons: tuple[str, ...]
    severity: int
    doubt: str = ""
    newest_alert: datetime | None = None
    devices: tuple[Affected, ...] = ()
    not_actionable: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    decided_by: str = ""
    wants: tuple[Want, ...] = ()
    notify: tuple[str, ...] = ()
    cleared: bool = False
    dismissed: bool = False

    def alike(self, device: Affected) -> bool:
        """Whether another of its devices has the same first label, so that nobody can tell them apart by that."""
        first = [each.name.partition(".")[0].lower() for each in self.devices if each.id != device.id]
        return device.name.partition(".")[0].lower() in first


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
    merged_into: str = ""
    policy: str = ""
    assessment: Assessment
    actions: tuple[Action, ...]
