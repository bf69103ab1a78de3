"""A device and what is done to it, as the Defender for Endpoint API tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.models.lenient import Instant, Text, Texts, Token, Whole, records, text, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

FINAL = frozenset({"succeeded", "failed", "timeout", "cancelled"})
"""States in which a machine action stays."""

NOT_ONBOARDED = frozenset({"canbeonboarded", "unsupported", "insufficientinfo"})
"""States in which Defender cannot act on a device. Any other word but `onboarded` says nothing, until it is known."""

_ROLE_MEMBERS = ("role", "tag")
_DIGITS = re.compile(r"-?[1-9]\d{0,10}|0[xX][0-9a-fA-F]{1,8}")


class Machine(BaseModel):
    """A device of the tenant (`GET /api/machines/{id}`).

    `hints` holds every string of members whose name speaks of roles or tags, documented or not: real answers carry
    more members than the page lists, and a device that says it is a domain controller should be heard. `merged_into`
    is such a member: the id under which the device goes on. `entra_id` is its id in Entra, where it has one. `seen` is
    its last full report, up to a day ago. `untold` are the fields of those that protect it (`tags`, `group`) which the
    answer said nothing of: an empty list says that there are no tags, and the group 0, whose name is null, that it is
    in none.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    id: Text = ""
    entra_id: Text = Field("", alias="aadDeviceId")
    name: Text = Field("", alias="computerDnsName")
    os_platform: Text = Field("", alias="osPlatform")
    health: Token = Field("", alias="healthStatus")
    onboarding: Token = Field("", alias="onboardingStatus")
    tags: Texts = Field((), alias="machineTags")
    group: Text = Field("", alias="rbacGroupName")
    seen: Instant = Field(None, alias="lastSeen")
    merged_into: Text = Field("", alias="mergedIntoMachineId")
    risk: Token = Field("", alias="riskScore")
    value: Token = Field("", alias="deviceValue")
    hints: Texts = ()
    untold: Texts = ()

    @model_validator(mode="before")
    @classmethod
    def _gather_hints(cls, raw: object) -> object:
        if not isinstance(raw, dict) or "hints" in raw:
            return raw
        return {**raw, "hints": _hints(raw), "untold": _untold(raw)}


def _hints(raw: Mapping[str, object]) -> tuple[str, ...]:
    found: list[str] = []
    for key, value in raw.items():
        if any(word in key.lower() for word in _ROLE_MEMBERS):
            found.extend(texts(value))
    return tuple(found)


def _untold(raw: Mapping[str, object]) -> tuple[str, ...]:
    tags, group = raw.get("machineTags"), raw.get("rbacGroupName")
    tagged = texts(tags) or (isinstance(tags, list) and not tags)
    grouped = isinstance(group, str) or text(raw.get("rbacGroupId")) == "0"
    return (*(() if tagged else ("tags",)), *(() if grouped else ("group",)))


class CommandState(BaseModel):
    """One command of a live response session, as the session tells: `status` is created, completed or failed."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    index: Whole = None
    status: Token = Field("", alias="commandStatus")
    errors: Texts = ()


class LibraryFile(BaseModel):
    """A file of the tenant's live response library. `sha256` is in lower-case hex, empty where it is not told."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    name: Text = Field("", alias="fileName")
    sha256: Token = ""
    description: Text = ""
    updated: Instant = Field(None, alias="lastUpdatedTime")
    by: Text = Field("", alias="createdBy")


def _number(value: object) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value, 0)
    return value if isinstance(value, int) else 0


class MachineAction(BaseModel):
    """An action on a device as Defender tells it: ours, a person's or another tool's.

    `kind` and `status` are lower-cased (`isolate`, `collectinvestigationpackage`; `pending`, `inprogress`, ...).
    `commands` are those of a live response session. `error` is an HRESULT, whose failures are negative or above 2^31,
    as the service likes; `troubleshoot` is a text of its that no page describes. `scope` is how (`full`, `selective`,
    `quick`), `file` the hash of the file that it is about.
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
    troubleshoot: Text = Field("", alias="troubleshootInfo")
    scope: Token = ""
    file: Token = ""
    cancelled_by: Text = Field("", alias="cancellationRequestor")
    cancel_comment: Text = Field("", alias="cancellationComment")
    commands: Annotated[tuple[CommandState, ...], BeforeValidator(records)] = ()

    @model_validator(mode="before")
    @classmethod
    def _lenient(cls, raw: object) -> object:
        if not isinstance(raw, dict) or "kind" in raw:
            return raw
        updated = raw.get("lastUpdateDateTimeUtc") or raw.get("lastUpdateTimeUtc")
        about = raw.get("relatedFileInfo")
        file = about.get("fileIdentifier") if isinstance(about, dict) else ""
        return {**raw, "lastUpdateDateTimeUtc": updated, "error": raw.get("errorHResult"), "file": file}

    @property
    def begun(self) -> bool:
        """Whether a live response session came as far as its first command."""
        return any(command.status not in {"", "created"} for command in self.commands)

    @property
    def final(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in FINAL
