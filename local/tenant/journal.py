"""What the tenant saw: every request, and every thing a careful client would not have done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from local.tenant.clock import stamp

if TYPE_CHECKING:
    from local.tenant.clock import Clock
    from local.tenant.wire import Json, Reply, Request

_LINK = re.compile(r"^/download/.*")


class Journal:
    """Numbered requests and violations; tokens are never written down."""

    def __init__(self, now: Clock) -> None:
        """Start empty."""
        self._now = now
        self._entries: list[Json] = []
        self._violations: list[Json] = []

    @property
    def next_number(self) -> int:
        """Return the number the request at hand will get."""
        return len(self._entries) + 1

    def write(self, request: Request, reply: Reply, requestor: str | None, fault: str | None) -> None:
        """Note a request and its answer."""
        self._entries.append(
            {
                "n": self.next_number,
                "time": stamp(self._now()),
                "method": request.method,
                "path": _LINK.sub("/download/(link)", request.path),
                "query": {name: value for name, value in request.query.items() if name != "token"},
                "status": reply.status,
                "requestor": requestor,
                "effect": reply.effect,
                "fault": fault,
            }
        )

    def violation(self, kind: str, detail: str) -> None:
        """Note a violation by the request at hand."""
        self._violations.append({"n": self.next_number, "time": stamp(self._now()), "kind": kind, "detail": detail})

    def entries(self, after: int = 0) -> list[Json]:
        """Return the requests numbered higher than `after`."""
        return self._entries[after:]

    def violations(self) -> list[Json]:
        """Return all violations."""
        return list(self._violations)
