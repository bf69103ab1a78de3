"""The whole policy, and the JSON Schema by which an editor completes it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from shared.models.policy import words
from shared.models.policy.fields import Clock, Day, Name, OneOf, Strict, Text, Texts, Zone
from shared.models.policy.rules import Rule


def _form(value: object) -> object:
    return 1 if value == "1" else value


class Hours(Strict):
    """Hours of the week in a zone. They may run past midnight, and then belong to the day on which they begin."""

    zone: Zone = Field(description="An IANA zone, such as `Europe/Berlin`.")
    days: Annotated[tuple[str, ...], OneOf("day", words.DAY)] = Field(words.DAY[:5], description="Days of the week.")
    from_: Clock = Field(alias="from", description="When they begin, for example 08:00.")
    to: Clock = Field(description="When they end, for example 18:00; 24:00 is the end of the day.")
    holidays: tuple[Day, ...] = Field((), description="Days without such hours.")

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.from_ in {self.to, "24:00"}:
            raise ValueError("'from' and 'to' leave no time between them; a whole day is from 00:00 to 24:00")
        return self


class RailCaps(Strict):
    """Caps on isolation. Of each, the lower of the policy's and the setting's counts."""

    per_incident: Annotated[int, Field(ge=0)] | None = Field(None, description="Devices isolated for one incident.")
    per_hour: Annotated[int, Field(ge=0)] | None = Field(None, description="Isolations within an hour.")
    per_day: Annotated[int, Field(ge=0)] | None = Field(None, description="Isolations within a day.")
    fleet_share: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Share of the onboarded devices held isolated at once."
    )


class RailProtected(Strict):
    """Devices that are never contained, beside those that the setting names."""

    ids: Texts | None = Field(None, description="By Defender id, or by the id in Entra.")
    names: Texts | None = Field(None, description="By full DNS name or first label. No patterns.")
    tags: Texts | None = Field(None, description="By tag. No patterns.")
    groups: Texts | None = Field(None, description="By device group. No patterns.")


class Rails(Strict):
    """Guard rails. They can only be tighter than the settings ISOLATION_CAPS and PROTECTED."""

    caps: RailCaps = Field(RailCaps(), description="How much at most.")
    protected: RailProtected = Field(RailProtected(), description="What never.")


class Policy(Strict):
    """A policy."""

    version: Annotated[Literal[1], BeforeValidator(_form)] = Field(description="The form of this file: 1.")
    name: Name = Field(description="What the policy is called in reports.")
    why: Text = Field(description="What it is for.")
    hours: dict[Name, Hours] = Field(default_factory=dict, description="Hours that conditions may name.")
    rails: Rails = Field(Rails(), description="Guard rails that are tighter than the settings.")
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=500)] = Field(
        description="The rules, in order: the first verdict decides, and actions add up."
    )
