"""The kinds of values in a policy, each with what it accepts, what it says of a mistake, and how an editor knows it.

YAML leaves open whether `on` is a word or a truth and whether 18:00 is a time or a number. Here the field decides: the
reader hands over plain text, and what a text means is said by the field that it stands in.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

LONGEST_TEXT = 1000
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DURATION = re.compile(r"P(?=\d|T)(?:(\d{1,4})D)?(?:T(?=\d)(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?", re.IGNORECASE)


class Strict(BaseModel):
    """A mapping in a policy: frozen, and a key that is not known is a problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def meant(written: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`; did you mean 'x'?` where a known word is close to what was written, else nothing."""
    by_lower = {word.lower(): word for word in known}
    close = difflib.get_close_matches(written.lower(), by_lower, n=1, cutoff=cutoff)
    return f"; did you mean '{by_lower[close[0]]}'?" if close else ""


def listed(value: object) -> object:
    """One item as a list of one, so that nobody has to write brackets around a single word."""
    return (value,) if isinstance(value, str | int | float) else value


def _one_or_more(item: JsonSchemaValue) -> JsonSchemaValue:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of Microsoft's or our own words, or with `many` one or several; kept as `members` spell them."""

    what: str
    members: tuple[str, ...]
    many: bool = True

    def __call__(self, value: str) -> str:
        """The word as it is spelt in `members`. Raises ValueError."""
        found = next((member for member in self.members if member.lower() == value.strip().lower()), None)
        if found is None:
            known = f" (known: {', '.join(self.members)})"
            raise ValueError(f"'{value}' is not a {self.what}{meant(value, self.members) or known}")
        return found

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Called by pydantic."""
        del source, handler
        one = core_schema.no_info_after_validator_function(self, core_schema.str_schema())
        if not self.many:
            return one
        several = core_schema.tuple_variable_schema(one, min_length=1)
        return core_schema.no_info_before_validator_function(listed, several)

    def __get_pydantic_json_schema__(self, schema: object, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Called by pydantic."""
        del schema, handler
        item = {"type": "string", "enum": list(self.members)}
        return _one_or_more(item) if self.many else item


def _text(value: object) -> object:
    """Numbers are texts too, where a text is asked for."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


def _flag(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise ValueError(f"'{value}' is neither true nor false")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"'{value[:80]}' is not a name: lower-case letters and digits, words joined by hyphens")
    return value


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    parts = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        raise ValueError(f"'{value}' is not an ISO 8601 duration, for example PT10M, PT4H or P1D")
    days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def iso(duration: timedelta) -> str:
    """`PT4H` for four hours."""
    hours, rest = divmod(duration.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    clock = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number)
    day = f"{duration.days}D" if duration.days else ""
    return f"P{day}{f'T{clock}' if clock else ''}" if day or clock else "PT0S"


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError(f"'{value[:80]}' is not a time of day between 00:00 and 24:00, for example 08:30")
    return value


def _zone(value: str) -> str:
    if not _ZONE.fullmatch(value):
        raise ValueError(f"'{value[:80]}' is not an IANA zone, for example Asia/Tokyo or Europe/Berlin")
    return value


def _technique(value: str) -> str:
    if not _TECHNIQUE.fullmatch(value.strip()):
        raise ValueError(f"'{value[:80]}' is not a MITRE ATT&CK technique, for example T1059 or T1059.001")
    return value.strip().upper()


def _hex(digits: int, value: str) -> str:
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", value.strip()):
        raise ValueError(f"'{value[:80]}' is not {digits} hexadecimal digits")
    return value.strip().lower()


def _sha1(value: str) -> str:
    return _hex(40, value)


def _sha256(value: str) -> str:
    return _hex(64, value)


def _day(value: object) -> object:
    """A day as YYYY-MM-DD and nothing else: pydantic would also take a number of seconds."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"'{value}' is not a day, for example 2026-12-31") from None


_TEXT_SCHEMA: JsonSchemaValue = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
_SHORT = Field(max_length=LONGEST_TEXT)

Text = Annotated[str, BeforeValidator(_text), AfterValidator(_said), _SHORT]
"""Something to be read by people, or handed on as it is."""

Texts = Annotated[
    tuple[Text, ...], BeforeValidator(listed), Field(min_length=1), WithJsonSchema(_one_or_more(_TEXT_SCHEMA))
]
"""One text or several. In a condition each is a pattern: `*` stands for anything, `?` for one character."""

Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
"""true or false."""

_NAME_SCHEMA: JsonSchemaValue = {"type": "string", "pattern": f"^{_NAME.pattern}$"}

Name = Annotated[Text, AfterValidator(_name), WithJsonSchema(_NAME_SCHEMA)]
"""A name in lower case, words joined by hyphens."""

Names = Annotated[
    tuple[Name, ...], BeforeValidator(listed), Field(min_length=1), WithJsonSchema(_one_or_more(_NAME_SCHEMA))
]
"""One name or several."""

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "format": "duration", "examples": ["PT4H"]}),
]
"""An ISO 8601 duration of days, hours, minutes and seconds."""

Clock = Annotated[Text, AfterValidator(_clock), WithJsonSchema({"type": "string", "pattern": f"^({_CLOCK.pattern})$"})]
"""A time of day, HH:MM; 24:00 is the end of the day."""

Zone = Annotated[Text, AfterValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]})]
"""A zone of the IANA data base."""

Techniques = Annotated[
    tuple[Annotated[Text, AfterValidator(_technique)], ...],
    BeforeValidator(listed),
    Field(min_length=1),
    WithJsonSchema(_one_or_more({"type": "string", "pattern": r"^[Tt]\d{4}(\.\d{3})?$"})),
]
"""MITRE ATT&CK ids; a technique stands for its sub-techniques too."""

Sha1s = Annotated[
    tuple[Annotated[Text, AfterValidator(_sha1)], ...],
    BeforeValidator(listed),
    Field(min_length=1),
    WithJsonSchema(_one_or_more({"type": "string", "pattern": "^[0-9A-Fa-f]{40}$"})),
]
"""SHA-1 in hexadecimal digits."""

Sha256s = Annotated[
    tuple[Annotated[Text, AfterValidator(_sha256)], ...],
    BeforeValidator(listed),
    Field(min_length=1),
    WithJsonSchema(_one_or_more({"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"})),
]
"""SHA-256 in hexadecimal digits."""

Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
"""A day of the calendar."""
