"""Hunting queries and the values that they are asked with: a query is a file, and a value can only be a literal. Pure.

A query's own text is never changed. What it is asked with stands in front of it, as one `let` for each parameter, and
nothing else of a value gets into the query: no value, whoever chose it, changes what the query is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | datetime | tuple[str, ...]
Span = Literal["window", "month"]

MONTH = timedelta(days=30)
"""How far back the service goes."""

KINDS = ("string", "datetime", "strings")
SPANS: tuple[Span, ...] = ("window", "month")
_HEAD = re.compile(r"\s*//[ \t]*(.*)")
_PARAMETER = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,39}) (\w+)")
_TAKE = re.compile(r"\|\s*take\s+(\d{1,6})\s*;?\s*\Z")
_QUOTED = {'"': '\\"', "\\": "\\\\"}
_TWO_BYTES = 0x10000


class NotAQuery(ValueError):
    """A query file that cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Query:
    """A hunting query. `parameters` are names with their kinds; `span` says over which time it goes: the window round
    the incident, or the last 30 days; `most` is the number of rows at which it cuts its answer itself (None: it does
    not say, so nobody can tell).
    """

    name: str
    title: str
    parameters: tuple[tuple[str, str], ...]
    span: Span
    text: str
    most: int | None

    @property
    def sliced(self) -> bool:
        """Whether it can be asked in slices of time: it takes since and until, and nothing from outside of them."""
        return self.span == "window" and {"since", "until"} <= {name for name, _ in self.parameters}


def read_query(name: str, text: str) -> Query:
    """The query in a file, whose comments at the head say its title, its `parameters:` and its `span:`.

    Raises:
        NotAQuery: something there is not understood.
    """
    title, span = "", "window"
    parameters: tuple[tuple[str, str], ...] = ()
    for line in text.splitlines():
        found = _HEAD.fullmatch(line)
        if found is None:
            break
        key, colon, rest = found[1].partition(":")
        if colon and key == "parameters":
            parameters = _parameters(name, rest)
        elif colon and key == "span":
            span = rest.strip()
        else:
            title = title or found[1].strip()
    if span not in SPANS:
        raise NotAQuery(f"{name}: 'span: {span[:40]}' is none of {', '.join(SPANS)}")
    take = _TAKE.search(text)
    return Query(name, title, parameters, span, text, int(take[1]) if take else None)


def _parameters(name: str, written: str) -> tuple[tuple[str, str], ...]:
    found = [(part.strip(), _PARAMETER.fullmatch(part.strip())) for part in written.split(",") if part.strip()]
    wrong = [part for part, match in found if not match or match[2] not in KINDS]
    if wrong:
        raise NotAQuery(f"{name}: '{wrong[0][:60]}' is no parameter; write a name and one of {', '.join(KINDS)}")
    return tuple((match[1], match[2]) for _, match in found if match)


def rendered(query: Query, values: Mapping[str, Value]) -> str:
    """The query with its values in front of it. Raises NotAQuery where it wants one that there is not."""
    return (
        "".join(f"let {name} = {_given(query, name, kind, values)};\n" for name, kind in query.parameters) + query.text
    )


def _given(query: Query, name: str, kind: str, values: Mapping[str, Value]) -> str:
    value = values.get(name)
    if value is None or _kind(value) != kind:
        raise NotAQuery(f"{query.name}: there is no '{name}' ({kind}); known are {', '.join(sorted(values))}")
    return literal(value)


def _kind(value: Value) -> str:
    if isinstance(value, str):
        return "string"
    return "datetime" if isinstance(value, datetime) else "strings"


def literal(value: Value) -> str:
    """A value as a literal of KQL: whatever is in it, the literal ends where it should."""
    if isinstance(value, str):
        return f'"{"".join(map(_letter, value))}"'
    if isinstance(value, datetime):
        return f"datetime({value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z)"
    return f"dynamic([{', '.join(literal(each) for each in value)}])"


def _letter(letter: str) -> str:
    """A character inside of a literal. Whatever does not show by itself, or shows as something else, is written as its
    number: line ends, controls, marks of direction, halves of pairs.
    """
    if letter in _QUOTED:
        return _QUOTED[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    if code < _TWO_BYTES:
        return f"\\u{code:04x}"
    code -= _TWO_BYTES
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
