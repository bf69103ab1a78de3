"""What comes in and what goes out, as values.

The tenant answers a `Request` with a `Reply` without knowing of sockets; how a reply is broken on its way (a reset, a
silence) is a value too, which the server carries out and an in-process caller can turn into an exception.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_json

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]
# what a lengthened answer carries behind its true end
SURPLUS = b"\0" * 4096


MishapKind = Literal["reset", "hang", "cut", "late", "long"]


@dataclass(frozen=True, slots=True)
class Request:
    """One call: the path is decoded, header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> object:
        """Read the body as JSON; ValueError when it is not."""
        return json.loads(self.body.decode("utf-8"))


@dataclass(frozen=True, slots=True)
class Mishap:
    """How a reply is spoilt on its way; `seconds` is how long the caller waits first."""

    kind: MishapKind
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Bytes of a file on disk, to be streamed."""

    path: Path
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `effect` goes to the tenant's log only."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    file: FileSlice | None = None
    mishap: Mishap | None = None
    effect: Json | None = None

    def json(self) -> Any:  # noqa: ANN401 - JSON is what the caller knows it to be
        """Read the body as JSON, for callers in the same process."""
        return json.loads(self.body)


class ApiError(Exception):
    """A refusal; the surface it is met on decides the shape of its body."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Keep the HTTP status, the API's code and its message."""
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def json_reply(
    status: int, body: object, effect: Json | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """Answer with JSON."""
    content = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Reply(status, to_json(body), content, effect=effect)


def text_reply(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer with plain text."""
    return Reply(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8", **(headers or {})})
