"""What VirusTotal's engines said of a file, by its hash (API v3, `GET /api/v3/files/{hash}`). No file is ever sent.

A 404 means that nobody has shown VirusTotal such a file; 429 that the key's quota is used up (four calls a minute and
500 a day for a free one). Source: docs.virustotal.com, "Get a file report" and "Errors".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import requests

from shared.clients.answers import cause_of, object_of
from shared.clients.hearing import hear
from shared.clients.interface import FileVerdict
from shared.errors import Cause, NotFound, Rejected, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLIC = "https://www.virustotal.com"
_SECONDS, _WHOLE_SECONDS = 10.0, 20.0
_HASH = re.compile(r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})")
_ANSWERED = ("malicious", "suspicious", "undetected", "harmless")
"""The engines that looked: others had no time, failed, or do not know the type."""


class VirusTotal:
    """`Reputation` over HTTP."""

    def __init__(self, key: str, http: requests.Session, base: str = PUBLIC) -> None:
        """`key` is the API key, a secret that is never logged."""
        self._key = key
        self._http = http
        self._base = base

    def file(self, digest: str) -> FileVerdict | None:
        """See `Reputation.file`."""
        if not _HASH.fullmatch(digest):
            raise Rejected("not a hash of a file", status=0)

        def ask() -> requests.Response:
            url, headers = f"{self._base}/api/v3/files/{digest.lower()}", {"x-apikey": self._key}
            return self._http.get(url, headers=headers, timeout=_SECONDS, allow_redirects=False, stream=True)

        try:
            heard = hear(ask, _WHOLE_SECONDS)
        except requests.RequestException as error:
            raise Transient(f"VirusTotal: {type(error).__name__}", cause=cause_of(error)) from None
        try:
            heard.raise_for()
        except NotFound:
            return None
        return verdict_in(object_of(heard.headers, heard.body))


def verdict_in(body: Mapping[str, object]) -> FileVerdict:
    """The verdict in a file report. Raises Transient where there is none."""
    data = body.get("data")
    attributes = data.get("attributes") if isinstance(data, dict) else None
    stats = attributes.get("last_analysis_stats") if isinstance(attributes, dict) else None
    if not isinstance(stats, dict):
        raise Transient("VirusTotal answered without last_analysis_stats", cause=Cause.CONTENT)
    counts = {name: stats.get(name) for name in _ANSWERED}
    told = {name: count for name, count in counts.items() if isinstance(count, int) and not isinstance(count, bool)}
    return FileVerdict(told.get("malicious", 0), sum(max(0, count) for count in told.values()))
