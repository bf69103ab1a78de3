"""A device and what is done to it, as the Defender for Endpoint API tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.models.lenient import Instant, Text, Texts, Token, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

FINAL = frozenset({"succeeded", "failed", "timeout", "cancelled"})
"""States in which a machine action stays."""

_ROLE_MEMBERS = ("role", "tag")


class Machine(BaseModel):
    """A device of the tenant (`GET /api/machines/{id}`).

    `hints` holds every string of members whose name speaks of roles or tags, documented or not: real answers carry
    more members than the page lists, and a device that says it is a domain controller should be heard.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    id: Text = ""
    name: Text = Field("", alias="computerDnsName")
    os_platform: Text = Field("", alias="osPlatform")
    health: Token = Field("", alias="healthStatus")
    onboarding: Token = Field("", alias="onboardingStatus")
    tags: Texts = Field((), alias="machineTags")
    group: Text = Field("", alias="rbacGroupName")
    hints: Texts = ()

    @model_validator(mode="before")
    @classmethod
    def _gather_hints(cls, raw: object) -> object:
        if not isinstance(raw, dict) or "hints" in raw:
            return raw
        return {**raw, "hints": _hints(raw)}


def _hints(raw: Mapping[str, object]) -> tuple[str, ...]:
    found: list[str] = []
    for key, value in raw.items():
        if any(word in key.lower() for word in _ROLE_MEMBERS):
            found.extend(texts(value))
    return tuple(found)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


class MachineAction(BaseModel):
    """An action on a device as Defender tells it: ours, a person's or another tool's.

    `kind` and `status` are lower-cased (`isolate`, `collectinvestigationpackage`; `pending`, `inprogress`, ...).
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    id: Text = ""
    kind: Token = Field("", alias="type")
    status: Token = ""
    machine_id: Text = Field("", alias="machineId")
    comment: Text = Field("", alias="requestorComment")
    requestor: Text = ""
    created: Instant = Field(None, alias="creationDateTimeUtc")
    updated: Instant = Field(None, alias="lastUpdateDateTimeUtc")
    error: Annotated[int, BeforeValidator(_number)] = 0
    cancelled_by: Text = Field("", alias="cancellationRequestor")
    cancel_comment: Text = Field("", alias="cancellationComment")

    @model_validator(mode="before")
    @classmethod
    def _lenient(cls, raw: object) -> object:
        if not isinstance(raw, dict) or "kind" in raw:
            return raw
        updated = raw.get("lastUpdateDateTimeUtc") or raw.get("lastUpdateTimeUtc")
        return {**raw, "lastUpdateDateTimeUtc": updated, "error": raw.get("errorHResult")}

    @property
    def final(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in FINAL
