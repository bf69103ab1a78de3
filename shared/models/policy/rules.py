"""What a rule says: when it applies, why it is there, what it makes of the incident, what it asks for, and examples."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from shared.models.lenient import instant
from shared.models.policy.conditions import Condition
from shared.models.policy.fields import Duration, Flag, Name, Names, OneOf, Sha1s, Strict, Text, Texts, iso

LONGEST_APPROVAL = timedelta(days=7)
LONGEST_HEAD_START = timedelta(hours=1)


def _approval(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= LONGEST_APPROVAL:
        raise ValueError(f"{iso(value)} is not between one second and {iso(LONGEST_APPROVAL)}")
    return value


def _head_start(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= LONGEST_HEAD_START:
        raise ValueError(
            f"{iso(value)} is not between one second and {iso(LONGEST_HEAD_START)}: an attacker is waiting"
        )
    return value


Approval = Annotated[Duration, AfterValidator(_approval)]
HeadStart = Annotated[Duration, AfterValidator(_head_start)]
Script = Annotated[Text, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Asks(Strict):
    approval: Approval | None = Field(
        None, description="A person has to approve it, and it lapses if nobody has done so for this long."
    )


class Isolate(_Asks):
    """Take the device off the network, but for its line to Defender."""

    do: Literal["isolate"]
    type: Annotated[str, OneOf("type of isolation", ("full", "selective"), many=False)] = Field(
        "full",
        description="`selective` leaves what the tenant's isolation exclusions allow (Windows and macOS only); behind a"
        " static proxy a device may not come back from `full`.",
    )
    collect_first: HeadStart | None = Field(
        None,
        description="Let the collection from the device go first, for so long at most; then it is isolated, whether the"
        " collection is done or not. Without it, isolation goes first.",
    )
    auto_release: Flag = Field(
        default=False, description="Release the device when an analyst classifies the incident as a false positive."
    )


class Restrict(_Asks):
    """Restrict code execution on the device to what Microsoft signed. Collectors of others do not run any more."""

    do: Literal["restrict"]
    auto_release: Flag = Field(
        default=False, description="Lift it when an analyst classifies the incident as a false positive."
    )


class Scan(_Asks):
    """Run an antivirus scan."""

    do: Literal["scan"]
    type: Annotated[str, OneOf("type of scan", ("quick", "full"), many=False)] = Field("quick", description="How deep.")


class StopQuarantine(_Asks):
    """Stop and quarantine files on the device, by SHA-1. Never what Microsoft signed or published."""

    do: Literal["stop_quarantine"]
    verdict: Annotated[tuple[str, ...], OneOf("verdict", ("malicious", "suspicious"))] = Field(
        ("malicious",), description="The files on the device with this verdict that are not dealt with yet."
    )
    sha1: Sha1s | None = Field(None, description="Only these of them.")


class CollectPackage(_Asks):
    """Collect Defender's investigation package."""

    do: Literal["collect_package"]


class CollectVolatile(_Asks):
    """Collect what is gone after a restart, by live response: connections, processes, what runs from memory."""

    do: Literal["collect_volatile"]


class CollectLogs(_Asks):
    """Collect event logs by live response: the package has only Windows' Security log, and none of Linux'."""

    do: Literal["collect_logs"]


class CaptureMemory(_Asks):
    """Capture the device's memory. It holds personal data: the rule has to name device groups."""

    do: Literal["capture_memory"]
    purpose: Text = Field(description="What for. It is written into the record of the evidence.")


class RunScript(_Asks):
    """Run a script of the live response library."""

    do: Literal["run_script"]
    script: Script = Field(description="Its name in the library.")
    args: Text | None = Field(None, description="Its arguments, as they are.")


class GetFiles(_Asks):
    """Get files from the device. They may hold personal data: the rule has to name device groups."""

    do: Literal["get_files"]
    paths: Texts = Field(description="Their full paths.")
    purpose: Text = Field(description="What for. It is written into the record of the evidence.")


ELSEWHERE = "elsewhere"


class Hunt(_Asks):
    """Run hunting queries: about the device, or once about the incident."""

    do: Literal["hunt"]
    query: Name = Field(
        description="`standard` for what happened on the device, `elsewhere` for the same behaviour on other devices"
        " (once for the incident), or the name of a query that is shipped or added."
    )
    back: Duration | None = Field(None, description="How far back; without it, as far as the query says.")


class Tag(_Asks):
    """Tag the incident. The tag is written behind `bulkhead:`, which keeps ours apart from those of people."""

    do: Literal["tag"]
    tag: Annotated[Text, Field(max_length=100)] = Field(description="The tag.")


class Comment(_Asks):
    """Comment on the incident."""

    do: Literal["comment"]
    text: Text = Field(description="The comment.")


Ask = Annotated[
    Isolate
    | Restrict
    | Scan
    | StopQuarantine
    | CollectPackage
    | CollectVolatile
    | CollectLogs
    | CaptureMemory
    | RunScript
    | GetFiles
    | Hunt
    | Tag
    | Comment,
    Field(discriminator="do"),
]
"""One thing that a rule asks for."""

_MEMBERS: dict[str, object] = {"type": "object"}


def _moment(value: str) -> str:
    if instant(value) is None:
        raise ValueError(f"'{value[:80]}' is not an instant, for example 2026-08-13T09:00:00Z")
    return value


class Example(Strict):
    """An incident, and a device that it concerns, to try the rule on. Members as Graph and Defender send them."""

    note: Text | None = Field(None, description="What it shows.")
    incident: Annotated[dict[str, object], WithJsonSchema(_MEMBERS)] = Field(
        default_factory=dict, description="An incident as Graph returns it; what is left out is empty."
    )
    device: Annotated[dict[str, object], WithJsonSchema(_MEMBERS)] | None = Field(
        None, description="A device as Defender returns it; the incident holds it for compromised."
    )
    unreadable: Flag = Field(default=False, description="The device's details cannot be read.")
    at: Annotated[Text, AfterValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})] | None = (
        Field(None, description="When it is judged.")
    )


class Examples(Strict):
    """Incidents that show what the rule means. They are tried whenever the policy is checked."""

    match: tuple[Example, ...] = Field((), description="The rule applies to these.")
    no_match: tuple[Example, ...] = Field((), description="The rule does not apply to these.")
    unknown: tuple[Example, ...] = Field((), description="Of these nobody can tell.")


class Rule(Strict):
    """One rule."""

    name: Name = Field(description="What it is called in reports; every rule has its own.")
    why: Text = Field(description="Why the rule is there, for whoever reads a report or changes the policy.")
    when: Condition = Field(description="When it applies.")
    verdict: Annotated[str, OneOf("verdict", ("harmless", "harmful"), many=False)] | None = Field(
        None, description="What the incident is held for. The first rule that applies and has a verdict decides."
    )
    doubt: Text | None = Field(
        None, description="What a person has to weigh: where the rule applies, nothing is contained without one."
    )
    actions: tuple[Ask, ...] = Field(
        (), description="What is asked for. The first rule that asks for the same thing says how."
    )
    notify: Names | None = Field(None, description="Whom to tell, beside those who are always told.")
    examples: Examples = Field(Examples(), description="Incidents that show what it means.")

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.verdict or self.doubt or self.actions or self.notify):
            raise ValueError("the rule does nothing: give it a verdict, a doubt, actions or somebody to notify")
        return self
