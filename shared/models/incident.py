"""An incident with its alerts and evidence, as Graph v1.0 returns it (namespace `microsoft.graph.security`)."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.models.lenient import (
    DeviceId,
    Instant,
    Sifted,
    Text,
    Texts,
    Token,
    Tokens,
    Whole,
    instant,
    record,
    records,
    text,
    token,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SEVERITIES = {"informational": 1, "low": 2, "medium": 3, "high": 4}
"""Rank of a severity; 0 stands for unknown and for every member not known yet."""

OWN_TAG = "bulkhead"
"""Custom tags that start with this word are ours."""

_AHEAD = timedelta(days=1)
_AT_REST = {"", "none", "remediated", "prevented", "blocked", "notfound"}
_UNIMPORTANT = {"lastUpdateDateTime", "lastModifiedBy", "comments"}
_OF_THE_ANSWER = "@odata."
_TYPE = "@odata.type"
_IN_NO_ORDER = frozenset({"alerts", "evidence"})
MORE_ALERTS = "alerts@odata.nextLink"
"""The member that leads to alerts for which an answer had no place."""

_written = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str).encode


class _Sent(BaseModel):
    """Part of an answer: frozen, unknown members ignored (the snapshot keeps them raw), null as the empty value."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")


class FileDetails(_Sent):
    """A file as evidence names it; every member may be missing."""

    name: Text = Field("", alias="fileName")
    path: Text = Field("", alias="filePath")
    sha1: Text = ""
    sha256: Text = ""
    signer: Text = ""
    publisher: Text = Field("", alias="filePublisher")


class Account(_Sent):
    """An account as evidence names it; every member may be missing."""

    name: Text = Field("", alias="accountName")
    domain: Text = Field("", alias="domainName")
    principal: Text = Field("", alias="userPrincipalName")
    sid: Text = Field("", alias="userSid")

    @property
    def names(self) -> tuple[str, ...]:
        """Every form in which somebody may write it: with and without its domain, as an address, as a SID."""
        qualified = f"{self.domain}\\{self.name}" if self.domain and self.name else ""
        return tuple(name for name in (self.name, qualified, self.principal, self.sid) if name)


class Evidence(_Sent):
    """One entity that an alert names. `kind` is the type without namespace and suffix: device, process, file, ...

    What it says of a device (`os_platform`, `health`, `group`, ...) is as the device was when the alert was made.
    """

    type_name: Text = Field("", alias="@odata.type")
    verdict: Token = ""
    remediation: Token = Field("", alias="remediationStatus")
    detection: Token = Field("", alias="detectionStatus")
    roles: Tokens = ()
    detailed_roles: Texts = Field((), alias="detailedRoles")
    tags: Texts = ()
    device_id: DeviceId = Field("", alias="mdeDeviceId")
    host_name: Text = Field("", alias="hostName")
    dns_name: Text = Field("", alias="deviceDnsName")
    onboarding: Token = Field("", alias="onboardingStatus")
    os_platform: Text = Field("", alias="osPlatform")
    health: Token = Field("", alias="healthStatus")
    risk: Token = Field("", alias="riskScore")
    group: Text = Field("", alias="rbacGroupName")
    logged_on: Annotated[tuple[Account, ...], Sifted(records)] = Field((), alias="loggedOnUsers")
    algorithm: Token = ""
    hash: Text = Field("", alias="value")
    account: Annotated[Account, Sifted(record)] = Field(Account(), alias="userAccount")
    command_line: Text = Field("", alias="processCommandLine")
    file: Annotated[FileDetails, Sifted(record)] = Field(FileDetails(), alias="fileDetails")
    image: Annotated[FileDetails, Sifted(record)] = Field(FileDetails(), alias="imageFile")
    process_id: Whole = Field(None, alias="processId")
    process_created: Instant = Field(None, alias="processCreationDateTime")
    parent_id: Whole = Field(None, alias="parentProcessId")
    parent_created: Instant = Field(None, alias="parentProcessCreationDateTime")
    parent_image: Annotated[FileDetails, Sifted(record)] = Field(FileDetails(), alias="parentProcessImageFile")
    address: Text = Field("", alias="ipAddress")
    url: Text = ""

    @property
    def kind(self) -> str:
        """`device` for `#microsoft.graph.security.deviceEvidence`."""
        return _kind(self.type_name)

    @property
    def bad(self) -> bool:
        """Whether Defender holds it for malicious or suspicious."""
        return self.verdict in {"malicious", "suspicious"}

    @property
    def handled(self) -> bool:
        """Whether Defender says that it is remediated, prevented or blocked. `none` says only that nothing was
        remediated, which is fine where the detection was already prevented or blocked; unknown states are not.
        """
        if self.remediation in {"remediated", "prevented", "blocked"}:
            return True
        return self.remediation in {"", "none"} and self.detection in {"prevented", "blocked"}

    @property
    def unclear(self) -> bool:
        """Whether nobody can tell that it is harmless: a verdict that we do not know, or none while it is being dealt
        with. Most devices and users have no verdict and no remediation either, which says nothing against them.
        """
        if self.bad or self.verdict == "nothreatsfound":
            return False
        return self.verdict not in {"", "unknown"} or self.remediation not in _AT_REST


class Alert(_Sent):
    """One alert. `status`, `severity` and the other enum members are lower-cased."""

    id: Text = ""
    title: Text = ""
    description: Text = ""
    status: Token = ""
    severity: Token = ""
    classification: Token = ""
    determination: Token = ""
    service_source: Token = Field("", alias="serviceSource")
    detection_source: Token = Field("", alias="detectionSource")
    category: Text = ""
    categories: Texts = ()
    techniques: Texts = Field((), alias="mitreTechniques")
    system_tags: Texts = Field((), alias="systemTags")
    created: Instant = Field(None, alias="createdDateTime")
    first: Instant = Field(None, alias="firstActivityDateTime")
    last: Instant = Field(None, alias="lastActivityDateTime")
    resolved: Instant = Field(None, alias="resolvedDateTime")
    evidence: Annotated[tuple[Evidence, ...], Sifted(records)] = ()

    @property
    def benign(self) -> bool:
        """Whether a person classified it as a false positive or as expected activity."""
        return self.classification in {"falsepositive", "informationalexpectedactivity"}

    @property
    def open(self) -> bool:
        """Whether it still asks for work: anything but resolved, unknown states included."""
        return self.status != "resolved" and not self.benign


class Incident(_Sent):
    """One incident with its alerts (`$expand=alerts`)."""

    id: Text = ""
    title: Text = Field("", alias="displayName")
    description: Text = ""
    status: Token = ""
    severity: Token = ""
    classification: Token = ""
    determination: Token = ""
    merged_into: Text = Field("", alias="redirectIncidentId")
    url: Text = Field("", alias="incidentWebUrl")
    created: Instant = Field(None, alias="createdDateTime")
    updated: Instant = Field(None, alias="lastUpdateDateTime")
    tags: Texts = Field((), alias="customTags")
    system_tags: Texts = Field((), alias="systemTags")
    priority: Whole = Field(None, alias="priorityScore")
    alerts: Annotated[tuple[Alert, ...], Sifted(records)] = ()
    more_alerts: Text = Field("", alias=MORE_ALERTS)

    @property
    def merged(self) -> bool:
        """Whether it was merged away, and its alerts with it."""
        return bool(self.merged_into) or self.status == "redirected"

    @property
    def whole(self) -> bool:
        """Whether all its alerts were sent: an incident has some, so none means that nobody sent them."""
        return bool(self.alerts) and not self.more_alerts

    @property
    def newest_alert(self) -> datetime | None:
        """When the newest alert was created; the incident's own creation where no alert says."""
        times = [alert.created for alert in self.alerts if alert.created]
        return max(times, default=self.created)

    @property
    def disrupted(self) -> bool:
        """Whether Microsoft's attack disruption acts on it (it marks the title)."""
        return self.title.rstrip().lower().endswith("(attack disruption)")


@lru_cache(maxsize=512)
def _kind(type_name: str) -> str:
    return type_name.rpartition(".")[2].removesuffix("Evidence")


def updated_of(raw: Mapping[str, object], date: datetime) -> datetime | None:
    """When an incident was changed last, as an answer of this date says. None where it does not, or is more than a day
    ahead of itself: whatever comes after such a one would pass for older.
    """
    updated = instant(raw.get("lastUpdateDateTime"))
    return None if updated and updated - date > _AHEAD else updated


def lacks_alerts(raw: Mapping[str, object]) -> bool:
    """Whether an incident came without alerts that it should have: without any, though it was not merged away, or with
    some of more.
    """
    if text(raw.get("redirectIncidentId")) or token(raw.get("status")) == "redirected":
        return False
    alerts = raw.get("alerts")
    return bool(raw.get(MORE_ALERTS)) or not (isinstance(alerts, list) and any(isinstance(one, dict) for one in alerts))


def version_of(raw: Mapping[str, object]) -> str:
    """A name for what the incident says: 24 hex digits over its content.

    Left out is what changes without saying anything new: comments, update times, who touched it, our own tags, what an
    answer says of itself, and in which order alerts and their evidence stand. Where alerts are lacking, its time of
    update is all that tells whether there is something new.
    """
    told = _important(raw)
    if lacks_alerts(raw):
        told["lastUpdateDateTime"] = raw.get("lastUpdateDateTime")
    return _digest(told)


def _digest(value: object) -> str:
    return hashlib.sha256(_written(value).encode()).hexdigest()[:24]


def _important(value: Mapping[str, object]) -> dict[str, object]:
    told: dict[str, object] = {}
    for key, member in value.items():
        if key in _UNIMPORTANT or (_OF_THE_ANSWER in key and key != _TYPE):
            continue
        if key == "customTags":
            tags = _own_tags_out(member)
            if tags:  # having none may be written as null, as an empty list or not at all
                told[key] = tags
        elif isinstance(member, dict):
            told[key] = _important(member)
        elif isinstance(member, list):
            parts = [_part(each) for each in member]
            told[key] = sorted(map(_digest, parts)) if key in _IN_NO_ORDER else parts
        else:
            told[key] = member
    return told


def _part(value: object) -> object:
    if isinstance(value, dict):
        return _important(value)
    return [_part(each) for each in value] if isinstance(value, list) else value


def _own_tags_out(tags: object) -> object:
    return [tag for tag in tags if not str(tag).lower().startswith(OWN_TAG)] if isinstance(tags, list) else tags
