"""What a caller asks of a machine, checked as strictly as the API does: bodies are case-sensitive."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.tenant.wire import ApiError, Json

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class OrderKind:
    """One call under /api/machines/{id}/: its action type, body, role and rate."""

    type: str
    role: str
    rate: str
    members: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    windows_only: bool = False


_COMMENT: dict[str, tuple[str, ...] | None] = {"Comment": None}

ORDERS: dict[str, OrderKind] = {
    "isolate": OrderKind(
        "Isolate",
        "Machine.Isolate",
        "isolate",
        {**_COMMENT, "IsolationType": ("Full", "Selective", "UnManagedDevice")},
    ),
    "unisolate": OrderKind("Unisolate", "Machine.Isolate", "unisolate", _COMMENT),
    "collectInvestigationPackage": OrderKind(
        "CollectInvestigationPackage", "Machine.CollectForensics", "collect", _COMMENT
    ),
    "runAntiVirusScan": OrderKind(
        "RunAntiVirusScan", "Machine.Scan", "actions", {**_COMMENT, "ScanType": ("Quick", "Full")}
    ),
    "restrictCodeExecution": OrderKind(
        "RestrictCodeExecution", "Machine.RestrictExecution", "actions", _COMMENT, windows_only=True
    ),
    "unrestrictCodeExecution": OrderKind(
        "UnrestrictCodeExecution", "Machine.RestrictExecution", "actions", _COMMENT, windows_only=True
    ),
    "StopAndQuarantineFile": OrderKind(
        "StopAndQuarantineFile", "Machine.StopAndQuarantine", "actions", {**_COMMENT, "Sha1": None}, windows_only=True
    ),
    "runliveresponse": OrderKind(
        "LiveResponse", "Machine.LiveResponse", "live_response", {**_COMMENT, "Commands": None}
    ),
}
ROLE_OF_TYPE = {kind.type: kind.role for kind in ORDERS.values()}

_COMMAND_KEYS: dict[str, tuple[str, ...]] = {
    "PutFile": ("FileName",),
    "RunScript": ("ScriptName", "Args"),
    "GetFile": ("Path",),
}
_OPTIONAL_KEYS = frozenset({"Args"})
_TURN = ("PutFile", "RunScript", "GetFile")


@dataclass(frozen=True, slots=True)
class Order:
    """A body that passed."""

    comment: str
    scope: str | None = None
    sha1: str | None = None
    commands: tuple[Json, ...] = ()


def read_order(kind: OrderKind, body: object) -> Order:
    """Check a body; ApiError 400 with the documented code."""
    members = body_of(body, kind.members)
    for name, allowed in kind.members.items():
        if allowed is not None and members[name] not in allowed:
            raise ApiError(400, "InvalidInput", f"{name} must be one of {', '.join(allowed)}.")
    sha1 = members.get("Sha1")
    if sha1 is not None and not re.fullmatch(r"[0-9a-fA-F]{40}", sha1):
        raise ApiError(400, "InvalidHashValue", f"'{sha1}' is not a SHA-1.")
    commands = _commands(members["Commands"]) if "Commands" in kind.members else ()
    scope = members.get("IsolationType") or members.get("ScanType")
    return Order(members["Comment"], scope, sha1, commands)


def body_of(body: object, wanted: Mapping[str, tuple[str, ...] | None]) -> Json:
    """Check that a body is an object with exactly the wanted members, all text but Commands."""
    if not isinstance(body, dict):
        raise ApiError(400, "InvalidRequestBody", "Request body is incorrect.")
    for name in body:
        if name not in wanted:
            raise ApiError(400, "InvalidRequestBody", f"Request body is incorrect: unknown member '{name}'.")
    for name in wanted:
        if body.get(name) is None or body[name] == "":
            raise ApiError(400, "MissingRequiredParameter", f"Parameter {name} is missing.")
        if name != "Commands" and not isinstance(body[name], str):
            raise ApiError(400, "InvalidRequestBody", f"Request body is incorrect: '{name}' must be text.")
    return body


def _commands(value: object) -> tuple[Json, ...]:
    if not isinstance(value, list) or not value:
        raise ApiError(400, "InvalidRequestBody", "Commands must be a list that is not empty.")
    turns = []
    for command in value:
        if not isinstance(command, dict) or set(command) - {"type", "params"} or command.get("type") not in _TURN:
            raise ApiError(400, "InvalidRequestBody", "A command is {type: PutFile|RunScript|GetFile, params}.")
        _check_params(command["type"], command.get("params"))
        turns.append(_TURN.index(command["type"]))
    if turns != sorted(turns):
        raise ApiError(400, "InvalidInput", "Commands must be in the order PutFile, RunScript, GetFile.")
    return tuple(value)


def _check_params(kind: str, params: object) -> None:
    keys = set()
    for one in params if isinstance(params, list) else ():
        if not isinstance(one, dict) or set(one) != {"key", "value"} or not isinstance(one["value"], str):
            raise ApiError(400, "InvalidRequestBody", "A parameter is {key, value} with text values.")
        keys.add(one["key"])
    allowed = set(_COMMAND_KEYS[kind])
    if keys - allowed:
        raise ApiError(400, "InvalidInput", f"{kind} does not take {', '.join(sorted(keys - allowed))}.")
    if allowed - keys - _OPTIONAL_KEYS:
        raise ApiError(400, "MissingRequiredParameter", f"{kind} needs {', '.join(sorted(allowed - keys))}.")
