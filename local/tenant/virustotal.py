"""VirusTotal's `GET /api/v3/files/{hash}`, as far as it is used: a file that it knows, one that it does not, a key.

Shapes are those of its API reference (v3). Which files it knows is for whoever sets the tenant up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from local.tenant.wire import ApiError, Json, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.tenant.wire import Request

ENGINES = 70
_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}")


class VirusTotal:
    """What is known of files. `known` are the engines that call a file malicious, by its hash."""

    def __init__(self, key: str, known: Mapping[str, int]) -> None:
        """Take calls that carry this key."""
        self._key = key
        self._known = known

    def file(self, digest: str, request: Request) -> Reply:
        """Answer a file report."""
        sent = request.headers.get("x-apikey", "")
        if not sent:
            raise ApiError(401, "AuthenticationRequiredError", "X-Apikey header is missing")
        if sent != self._key:
            raise ApiError(401, "WrongCredentialsError", "Wrong API key")
        if not _HASH.fullmatch(digest):
            raise ApiError(400, "BadRequestError", f'"{digest}" is not a valid hash')
        if digest not in self._known:
            raise ApiError(404, "NotFoundError", f'File "{digest}" not found')
        return json_reply(200, {"data": _report(digest, self._known[digest])})


def _report(digest: str, malicious: int) -> Json:
    stats = {
        "malicious": malicious,
        "suspicious": 0,
        "undetected": ENGINES - malicious,
        "harmless": 0,
        "timeout": 1,
        "confirmed-timeout": 0,
        "failure": 1,
        "type-unsupported": 4,
    }
    return {"id": digest, "type": "file", "attributes": {"last_analysis_stats": stats, "reputation": 0}}
