"""The part of OData that the two APIs' filters use.

Comparisons joined with and, or and parentheses, over the properties an API documents as filterable; anything else is
refused, because a filter that is silently ignored would hide incidents from whoever tries their rules here.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.tenant.clock import ticks

Predicate = Callable[[Mapping[str, Any]], bool]
Value = str | int | float | bool | None


class ODataError(ValueError):
    """A filter or option that the API refuses."""


@dataclass(frozen=True, slots=True)
class Field:
    """A filterable property; `members` lists an enum's values in order."""

    kind: Literal["text", "enum", "time", "number", "flag", "list"]
    members: tuple[str, ...] = ()


Fields = Mapping[str, Field]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')"
    r"|(?P<time>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d))"
    r"|(?P<number>-?\d+(?:\.\d+)?(?![\w-]))"
    r"|(?P<word>[A-Za-z_][\w/]*)"
    r"|(?P<mark>[():]))"
)
Token = tuple[str, str]


def parse_filter(text: str, fields: Fields) -> Predicate:
    """Return the predicate a filter means; ODataError when the API would refuse it."""
    parser = _Parser(_tokens(text), fields)
    predicate = parser.either()
    parser.end()
    return predicate


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            message = f"Syntax error at position {position} in '{text}'."
            raise ODataError(message)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent: either := both (or both)*; both := one (and one)*; one := (either) | property op literal."""

    def __init__(self, tokens: list[Token], fields: Fields) -> None:
        self._tokens = tokens
        self._fields = fields
        self._at = 0

    def either(self) -> Predicate:
        parts = [self._both()]
        while self._accept("word", "or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda item: any(part(item) for part in parts)

    def end(self) -> None:
        if self._at < len(self._tokens):
            message = f"Syntax error: unexpected '{self._tokens[self._at][1]}'."
            raise ODataError(message)

    def _both(self) -> Predicate:
        parts = [self._one()]
        while self._accept("word", "and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda item: all(part(item) for part in parts)

    def _one(self) -> Predicate:
        if self._accept("mark", "("):
            inside = self.either()
            self._expect("mark", ")")
            return inside
        name = self._expect("word")
        if name.endswith("/any"):
            return self._any(name.removesuffix("/any"))
        field = self._field(name)
        if field.kind == "list":
            message = f"The property '{name}' is a collection; use {name}/any(x: x eq 'value')."
            raise ODataError(message)
        word = self._expect("word")
        if word not in _COMPARISONS:
            message = f"Unknown operator '{word}'."
            raise ODataError(message)
        return _comparison(name, field, word, _literal(name, field, self._next()))

    def _any(self, name: str) -> Predicate:
        if self._field(name).kind != "list":
            message = f"The property '{name}' is not a collection."
            raise ODataError(message)
        self._expect("mark", "(")
        variable = self._expect("word")
        self._expect("mark", ":")
        self._expect("word", variable)
        self._expect("word", "eq")
        wanted = _unquote(self._expect("text"))
        self._expect("mark", ")")
        return lambda item: wanted in (item.get(name) or ())

    def _field(self, name: str) -> Field:
        if name not in self._fields:
            message = f"Invalid filter clause: the property '{name}' does not exist or does not support filtering."
            raise ODataError(message)
        return self._fields[name]

    def _next(self) -> Token:
        if self._at >= len(self._tokens):
            message = "Syntax error: the filter ends too early."
            raise ODataError(message)
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, kind: str, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == (kind, text):
            self._at += 1
            return True
        return False

    def _expect(self, kind: str, text: str | None = None) -> str:
        found = self._next()
        if found[0] != kind or text not in {None, found[1]}:
            message = f"Syntax error: '{text or kind}' expected, '{found[1]}' found."
            raise ODataError(message)
        return found[1]


def _unquote(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _literal(name: str, field: Field, token: Token) -> Value:
    """Read a literal that fits the property."""
    kind, text = token
    if token == ("word", "null"):
        return None
    if field.kind in {"text", "enum"} and kind == "text":
        value = _unquote(text)
        if field.kind == "text" or value in field.members:
            return value
    elif field.kind == "time" and kind == "time":
        return ticks(text)
    elif field.kind == "number" and kind == "number":
        return float(text)
    elif field.kind == "flag" and token in {("word", "true"), ("word", "false")}:
        return text == "true"
    message = f"Invalid filter clause: {text} is not a value of '{name}'."
    raise ODataError(message)


def _comparison(name: str, field: Field, word: str, wanted: Value) -> Predicate:
    compare = _COMPARISONS[word]
    if wanted is None:
        if word not in {"eq", "ne"}:
            message = f"The operator '{word}' does not take null."
            raise ODataError(message)
        return lambda item: compare(item.get(name), None)
    rank = _rank(field)
    target = rank(wanted)

    def holds(item: Mapping[str, Any]) -> bool:
        value = item.get(name)
        if value is None:
            return word == "ne"
        return compare(ticks(value) if field.kind == "time" else rank(value), target)

    return holds


def _rank(field: Field) -> Callable[[Any], Any]:
    if field.kind != "enum":
        return lambda value: value
    order = {member: place for place, member in enumerate(field.members)}
    return lambda value: order.get(value, -1)
