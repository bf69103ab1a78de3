"""Field types that take whatever a service sends and never refuse it.

Microsoft adds members and enum values without notice, and an incident that cannot be parsed would be an incident that
nobody answers. So a missing, null or odd value becomes the empty one of its type, and unknown words are kept as sent.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator

_FRACTION = re.compile(r"(\.\d{6})\d+")
_HALF_PAIR = re.compile(r"[\ud800-\udfff]")


def instant(value: object) -> datetime | None:
    """An ISO 8601 instant in UTC. Takes 7-digit fractions (Graph sends them); anything else odd is None."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def text(value: object) -> str:
    """A string; numbers as written; anything else is empty.

    Half a surrogate pair (JSON allows it, and so does a Windows file name) is replaced: it could not be stored.
    """
    if isinstance(value, str):
        return _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def token(value: object) -> str:
    """An enum member, lower-cased so that PascalCase, camelCase and case slips compare equal."""
    return text(value).strip().lower()


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def texts(value: object) -> tuple[str, ...]:
    """The strings of a list, without empty ones; a single string is a list of one."""
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


Text = Annotated[str, BeforeValidator(text)]
Token = Annotated[str, BeforeValidator(token)]
Texts = Annotated[tuple[str, ...], BeforeValidator(texts)]
Tokens = Annotated[tuple[str, ...], BeforeValidator(tokens)]
Instant = Annotated[datetime | None, BeforeValidator(instant)]
