"""Field types that take whatever a service sends and never refuse it.

Microsoft adds members and enum values without notice, and an incident that cannot be parsed would be an incident that
nobody answers. So a missing, null or odd value becomes the empty one of its type, and unknown words are kept as sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator
from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

_HALF_PAIR = re.compile(r"[\ud800-\udfff]")
_MADE = re.compile(r"[0-9A-Fa-f]{40}")
_NO_CAPITALS = r"^[^A-Z]*$"
_DIGITS = re.compile(r"[0-9]{1,18}")
_BEYOND = 1 << 63


def instant(value: object) -> datetime | None:
    """An ISO 8601 instant in UTC. Takes 7-digit fractions (Graph sends them); anything else odd is None."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return _parsed(value) if isinstance(value, str) else None


@lru_cache(maxsize=8192)
def _parsed(written: str) -> datetime | None:
    """An instant as it is written. Thousands of rows name the same one: when their process began."""
    try:
        parsed = datetime.fromisoformat(written.strip())
        if parsed.tzinfo is UTC:
            return parsed
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def text(value: object) -> str:
    """A string; numbers as written; anything else is empty.

    Half a surrogate pair (JSON allows it, and so does a Windows file name) is replaced: it could not be stored.
    """
    if isinstance(value, str):
        # asking is cheap, and nearly every text is plain
        return value if value.isascii() else _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def token(value: object) -> str:
    """An enum member, lower-cased so that PascalCase, camelCase and case slips compare equal."""
    return text(value).strip().lower()


def device_id(value: object) -> str:
    """A device's id. One that Defender made (40 hexadecimal digits) in small letters, as it has them itself: its
    filters compare letter by letter, and so do hunting queries.
    """
    written = text(value)
    return written.lower() if _MADE.fullmatch(written) else written


def whole(value: object) -> int | None:
    """A whole number of 64 bits; anything else is None, such as one that no float and no database could hold."""
    return value if isinstance(value, int) and not isinstance(value, bool) and -_BEYOND <= value < _BEYOND else None


def count(written: str) -> int | None:
    """A whole number in plain digits, as a header has one; anything else is None: a sign, a digit that is none to
    `int`, and a number longer than any size or time, which `int` may refuse to read.
    """
    return int(written) if _DIGITS.fullmatch(written) else None


def http_date(written: str) -> datetime | None:
    """An HTTP date; one without a zone is in UTC, as all of them are. Anything else is None."""
    try:
        found = parsedate_to_datetime(written)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def truth(value: object) -> bool | None:
    """True or false; anything else is None."""
    return value if isinstance(value, bool) else None


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def texts(value: object) -> tuple[str, ...]:
    """The strings of a list, without empty ones; a single string is a list of one."""
    if not value:
        return ()
    found = [value] if isinstance(value, str) else _items(value)
    return tuple(item for item in map(text, found) if item)


def tokens(value: object) -> tuple[str, ...]:
    """The enum members of a list, lower-cased."""
    return tuple(item.strip().lower() for item in texts(value))


def records(value: object) -> list[object]:
    """The objects of a list; whatever is not an object is left out."""
    return [item for item in _items(value) if not isinstance(item, str | int | float | list | type(None))]


def record(value: object) -> object:
    """An object, or an empty one."""
    return {} if isinstance(value, str | int | float | list | type(None)) else value


@dataclass(frozen=True, slots=True)
class _Plainly:
    """Reads a clean string without a call into Python, which most of what is sent is; whatever else is `read`.

    A bound of the length makes pydantic look at the characters at all: half a surrogate pair is not clean.
    """

    read: Callable[[object], str]
    word: bool = False
    pattern: str | None = None

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Called by pydantic."""
        del source, handler
        clean = core_schema.str_schema(
            strict=True,
            min_length=0,
            pattern=self.pattern,
            strip_whitespace=self.word or None,
            to_lower=self.word or None,
        )
        odd = core_schema.no_info_plain_validator_function(self.read)
        return core_schema.union_schema([clean, odd], mode="left_to_right", serialization=_AS_STR)


@dataclass(frozen=True, slots=True)
class Sifted:
    """Takes what is sent as it is where that fits, which is nearly always; else what `sift` leaves of it."""

    sift: Callable[[object], object]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Called by pydantic."""
        fitting = handler(source)
        odd = core_schema.no_info_before_validator_function(self.sift, fitting)
        return core_schema.union_schema([fitting, odd], mode="left_to_right")


_AS_STR = core_schema.simple_ser_schema("str")

Text = Annotated[str, _Plainly(text)]
Token = Annotated[str, _Plainly(token, word=True)]
DeviceId = Annotated[str, _Plainly(device_id, pattern=_NO_CAPITALS)]
Texts = Annotated[tuple[str, ...], BeforeValidator(texts)]
Tokens = Annotated[tuple[str, ...], BeforeValidator(tokens)]
Whole = Annotated[int | None, BeforeValidator(whole)]
Truth = Annotated[bool | None, BeforeValidator(truth)]
Instant = Annotated[datetime | None, BeforeValidator(instant)]
