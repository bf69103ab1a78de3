"""What a rule can ask about an incident, its alerts, its evidence, its devices and the time.

Every mapping means all of its keys, and every list any of its items. A condition is true, false, or not known; what is
not known is told in `responders/_policy.py`, where conditions are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from shared.models.policy import words
from shared.models.policy.fields import Flag, Name, OneOf, Sha1s, Sha256s, Strict, Techniques, Texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.models.policy.problems import Path

Severity = Annotated[str, OneOf("severity", words.SEVERITY[1:], many=False)]
Severities = Annotated[tuple[str, ...], OneOf("severity", words.SEVERITY)]
Classifications = Annotated[tuple[str, ...], OneOf("classification", words.CLASSIFICATION)]
Determinations = Annotated[tuple[str, ...], OneOf("determination", words.DETERMINATION)]
Score = Annotated[int, Field(ge=0, le=100)]


class _Asked(Strict):
    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"asks for nothing; known are {', '.join(_spelt(type(self)))}")
        return self


def _spelt(model: type[Strict]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


class EvidenceIs(_Asked):
    """One entity that an alert names, of which all of this is true."""

    kind: Annotated[tuple[str, ...], OneOf("kind of evidence", words.EVIDENCE_KIND)] | None = Field(
        None, description="What it is: its type without namespace and suffix."
    )
    verdict: Annotated[tuple[str, ...], OneOf("verdict", words.VERDICT)] | None = Field(
        None, description="What Defender holds it for."
    )
    remediation: Annotated[tuple[str, ...], OneOf("remediation state", words.REMEDIATION)] | None = Field(
        None, description="What became of it."
    )
    detection: Annotated[tuple[str, ...], OneOf("detection state", words.DETECTION)] | None = Field(
        None, description="Of a file or process: whether it was only detected, or stopped at once."
    )
    role: Annotated[tuple[str, ...], OneOf("role", words.EVIDENCE_ROLE)] | None = Field(
        None, description="The part that it plays in the alert."
    )
    file_name: Texts | None = Field(None, description="Name of the file, or of a process's image. Patterns.")
    file_path: Texts | None = Field(None, description="Its folder. Patterns.")
    sha1: Sha1s | None = Field(None, description="SHA-1 of the file or image.")
    sha256: Sha256s | None = Field(None, description="SHA-256 of the file or image.")
    signer: Texts | None = Field(None, description="Who signed the file or image. Patterns.")
    publisher: Texts | None = Field(None, description="Who published the file or image. Patterns.")
    account: Texts | None = Field(
        None, description="The account: `alice`, `CONTOSO\\alice`, `alice@contoso.com` or the SID. Patterns."
    )


class AlertIs(_Asked):
    """One alert of which all of this is true."""

    title: Texts | None = Field(None, description="Its title. Patterns.")
    description: Texts | None = Field(None, description="Its description. Patterns.")
    category: Texts | None = Field(None, description="A category, such as `Ransomware`. Patterns.")
    technique: Techniques | None = Field(
        None, description="A MITRE ATT&CK technique; `T1059` also stands for `T1059.001`, not the other way round."
    )
    severity: Severities | None = Field(None, description="Its own severity.")
    severity_at_least: Severity | None = Field(None, description="Its own severity or a higher one.")
    status: Annotated[tuple[str, ...], OneOf("status of an alert", words.ALERT_STATUS)] | None = Field(
        None, description="Its status."
    )
    classification: Classifications | None = Field(
        None,
        description="What a person classified it as. Asked for this, alerts classified as benign count too; without it,"
        " they do not.",
    )
    determination: Determinations | None = Field(None, description="What a person determined it to be.")
    service_source: Annotated[tuple[str, ...], OneOf("service source", words.SERVICE_SOURCE)] | None = Field(
        None, description="The product that raised it."
    )
    detection_source: Annotated[tuple[str, ...], OneOf("detection source", words.DETECTION_SOURCE)] | None = Field(
        None, description="The part of the product that detected it."
    )
    system_tag: Texts | None = Field(None, description="A system tag of the alert. Patterns.")
    evidence: EvidenceIs | None = Field(None, description="It names evidence of which all of this is true.")


class DeviceIs(_Asked):
    """A device that the incident concerns, of which all of this is true."""

    id: Texts | None = Field(None, description="Its Defender id.")
    name: Texts | None = Field(None, description="Its full DNS name or first label. Patterns.")
    tag: Texts | None = Field(None, description="A tag that it has in Defender. Patterns. From its details.")
    group: Texts | None = Field(None, description="Its device group. Patterns. From its details.")
    os: Annotated[tuple[str, ...], OneOf("kind of operating system", words.OS)] | None = Field(
        None, description="`windows` is a client, `windowsServer` a server, `linux` any distribution, `mobile` a phone."
    )
    os_platform: Texts | None = Field(None, description="Defender's own word, such as `WindowsServer2022`. Patterns.")
    health: Annotated[tuple[str, ...], OneOf("health", words.HEALTH)] | None = Field(
        None, description="Whether its sensor reports. From its details."
    )
    onboarding: Annotated[tuple[str, ...], OneOf("onboarding state", words.ONBOARDING)] | None = Field(
        None, description="Whether Defender can act on it. What its details call not onboarded is left alone anyway."
    )
    risk: Annotated[tuple[str, ...], OneOf("risk", words.RISK)] | None = Field(
        None, description="Defender's risk score. From its details."
    )
    value: Annotated[tuple[str, ...], OneOf("value", words.VALUE)] | None = Field(
        None, description="The value that somebody gave the device in Defender. From its details."
    )
    role: Annotated[tuple[str, ...], OneOf("role", words.ROLE)] | None = Field(
        None, description="What it looks like by its tags, its roles and its name. From its details."
    )
    user: Texts | None = Field(None, description="An account logged on to it, as under `account`. Patterns.")
    evidence: EvidenceIs | None = Field(None, description="It bears evidence of which all of this is true.")
    dealt_with: Flag | None = Field(
        None,
        description="Whether everything malicious or suspicious on it is known to be remediated, prevented or blocked.",
    )


class TimeIs(_Asked):
    """When the incident is judged."""

    during: Name | None = Field(None, description="Within the hours of this name.")
    outside: Name | None = Field(None, description="Outside the hours of this name.")

    def names(self) -> Iterator[tuple[str, str]]:
        """The hours that are named, each behind its key."""
        if self.during is not None:
            yield "during", self.during
        if self.outside is not None:
            yield "outside", self.outside


class Condition(_Asked):
    """All of this is true."""

    all: Annotated[tuple[Condition, ...], Field(min_length=1)] | None = Field(None, description="All of these hold.")
    any: Annotated[tuple[Condition, ...], Field(min_length=1)] | None = Field(None, description="One of these holds.")
    not_: Condition | None = Field(None, alias="not", description="This does not hold.")
    always: Flag | None = Field(None, description="`true` holds for every incident.")
    title: Texts | None = Field(None, description="The incident's title. Patterns.")
    description: Texts | None = Field(None, description="The incident's description. Patterns.")
    severity: Severities | None = Field(
        None,
        description="The highest severity of the incident and of its alerts that nobody classified as benign;"
        " `unknown` where that cannot be told.",
    )
    severity_at_least: Severity | None = Field(None, description="That severity or a higher one.")
    status: Annotated[tuple[str, ...], OneOf("status of an incident", words.INCIDENT_STATUS)] | None = Field(
        None, description="The incident's status."
    )
    classification: Classifications | None = Field(None, description="What a person classified the incident as.")
    determination: Determinations | None = Field(None, description="What a person determined the incident to be.")
    tag: Texts | None = Field(None, description="A custom tag of the incident. Patterns.")
    system_tag: Texts | None = Field(None, description="A system tag of the incident. Patterns.")
    priority_at_least: Score | None = Field(None, description="Its priority score (0 to 100) or a higher one.")
    priority_at_most: Score | None = Field(None, description="Its priority score (0 to 100) or a lower one.")
    merged: Flag | None = Field(None, description="Whether it was merged into another incident, which is judged.")
    classified_benign: Flag | None = Field(
        None, description="Whether a person classified it as a false positive or as expected activity."
    )
    all_alerts_benign: Flag | None = Field(None, description="Whether a person classified every alert so.")
    informational_only: Flag | None = Field(
        None, description="Whether it and every alert not classified as benign are known to be informational."
    )
    all_dealt_with: Flag | None = Field(
        None,
        description="Whether no alert is open, and everything malicious or suspicious (at least one item) is known to"
        " be remediated, prevented or blocked.",
    )
    disrupted: Flag | None = Field(None, description="Whether Microsoft's attack disruption acts on it.")
    alert: AlertIs | None = Field(None, description="One of its alerts is so.")
    every_alert: AlertIs | None = Field(None, description="It has alerts, and every one of them is so.")
    evidence: EvidenceIs | None = Field(None, description="Some evidence of its alerts is so.")
    every_evidence: EvidenceIs | None = Field(None, description="There is evidence, and all of it is so.")
    device: DeviceIs | None = Field(None, description="The device that is acted on is so (see below).")
    time: TimeIs | None = Field(None, description="The time is so.")

    def inner(self, path: Path) -> Iterator[tuple[Path, Condition]]:
        """The conditions directly inside, each with its path, given this one's."""
        for key, several in (("all", self.all), ("any", self.any)):
            yield from (((*path, key, place), each) for place, each in enumerate(several or ()))
        if self.not_ is not None:
            yield (*path, "not"), self.not_

    def whole(self, path: Path) -> Iterator[tuple[Path, Condition]]:
        """This condition and all inside it, each with its path."""
        yield path, self
        for place, each in self.inner(path):
            yield from each.whole(place)
