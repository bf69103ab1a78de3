"""Faults on demand: answers that are refused, broken, late or untrue.

A fault is chosen before the call is carried out. The kinds that end in `_after_effect` let the call have its effect
first: the caller learns nothing, the tenant has changed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from local.tenant.wire import SURPLUS, ApiError, Json, Mishap, MishapKind, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.tenant.draws import Draws
    from local.tenant.wire import Request

BEFORE = frozenset({"status", "reset", "timeout", "redirect"})
AFTER = frozenset(
    {
        "status_after_effect",
        "reset_after_effect",
        "timeout_after_effect",
        "delay",
        "truncate",
        "lengthen",
        "wrong_content_type",
        "invalid_json",
        "partial",
    }
)
_MISHAPS: dict[str, MishapKind] = {
    "reset": "reset",
    "timeout": "hang",
    "reset_after_effect": "reset",
    "timeout_after_effect": "hang",
    "delay": "late",
    "truncate": "cut",
}


@dataclass(slots=True)
class Fault:
    """One order for trouble; `path` and `query` are regular expressions, `times` None is for ever."""

    kind: str
    method: str | None = None
    path: str = ""
    query: str = ""
    after: int = 0
    times: int | None = None
    status: int = 500
    code: str = "InternalServerError"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 30.0
    probability: float = 1.0
    seen: int = 0
    struck: int = 0

    def matches(self, request: Request) -> bool:
        """Tell whether the fault is meant for a request."""
        query = "&".join(f"{name}={value}" for name, value in request.query.items())
        return (
            self.method in {None, request.method}
            and re.search(self.path, request.path) is not None
            and re.search(self.query, query) is not None
        )


class Faults:
    """The faults in force, tried in the order they were ordered."""

    def __init__(self, draws: Draws) -> None:
        """Start without any."""
        self._draws = draws
        self._faults: list[Fault] = []

    def add(self, given: object) -> None:
        """Order faults, from a JSON list; ApiError 400 when one cannot be understood."""
        faults = [_fault(one) for one in (given if isinstance(given, list) else [given])]
        self._faults += faults

    def clear(self) -> None:
        """Forget all faults."""
        self._faults = []

    def show(self) -> list[Json]:
        """Return the faults with how often they were met and struck."""
        return [{one.name: getattr(fault, one.name) for one in fields(Fault)} for fault in self._faults]

    def pick(self, request: Request) -> Fault | None:
        """Return the fault that strikes a request."""
        for fault in self._faults:
            if not fault.matches(request):
                continue
            fault.seen += 1
            spent = fault.times is not None and fault.struck >= fault.times
            if fault.seen <= fault.after or spent or self._draws.stream("fault").random() >= fault.probability:
                continue
            fault.struck += 1
            return fault
        return None


def instead(fault: Fault) -> Reply:
    """Answer in place of the call (kinds in BEFORE)."""
    if fault.kind in _MISHAPS:
        return Reply(0, mishap=Mishap(_MISHAPS[fault.kind], fault.seconds))
    if fault.kind == "redirect":
        headers = {"Location": "/_elsewhere", **fault.headers}
        return Reply(fault.status if 300 <= fault.status < 400 else 302, b"", headers)  # noqa: PLR2004 - 3xx
    return _status(fault)


def spoilt(fault: Fault, reply: Reply) -> Reply:
    """Spoil the call's own answer (kinds in AFTER)."""
    if fault.kind in _MISHAPS:
        return replace(reply, mishap=Mishap(_MISHAPS[fault.kind], fault.seconds))
    match fault.kind:
        case "status_after_effect":
            return replace(_status(fault), effect=reply.effect)
        case "lengthen":
            return _lengthened(reply)
        case "partial":
            warning = {"Warning": '199 - "Microsoft/M365D/504/10000"'}
            return replace(reply, status=206, headers={**reply.headers, **warning})
        case "wrong_content_type":
            return replace(reply, headers={**reply.headers, "Content-Type": "text/html; charset=utf-8"})
    return replace(reply, body=b'{"value": [{"id": ', file=None, headers=_without_length(reply))


def _status(fault: Fault) -> Reply:
    body = fault.body
    if body is None:
        body = {"error": {"code": fault.code, "message": "A fault of the simulated tenant."}}
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(fault.status, content, {"Content-Type": "application/json; charset=utf-8", **fault.headers})


def _lengthened(reply: Reply) -> Reply:
    """Append bytes that do not belong; the announced length includes them."""
    if reply.file:
        return replace(reply, mishap=Mishap("long"))
    return replace(reply, body=reply.body + SURPLUS, headers=_without_length(reply))


def _without_length(reply: Reply) -> Json:
    return {name: value for name, value in reply.headers.items() if name != "Content-Length"}


def _fault(given: object) -> Fault:
    names = {one.name for one in fields(Fault)} - {"seen", "struck"}
    if not isinstance(given, dict) or given.get("kind") not in BEFORE | AFTER or set(given) - names:
        kinds = ", ".join(sorted(BEFORE | AFTER))
        raise ApiError(400, "BadRequest", f"A fault has a kind ({kinds}) and of {', '.join(sorted(names))}.")
    try:
        re.compile(given.get("path", ""))
        re.compile(given.get("query", ""))
    except re.error as error:
        raise ApiError(400, "BadRequest", f"'{given}': {error}") from error
    return Fault(**given)
