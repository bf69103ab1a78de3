"""Download links: short-lived, unguessable, and not to be shown a bearer token."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from local.tenant.clock import http_date
from local.tenant.wire import ApiError, FileSlice, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from local.tenant.clock import Clock
    from local.tenant.draws import Draws
    from local.tenant.settings import TenantSettings

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})$")


@dataclass(frozen=True, slots=True)
class Link:
    """What a token opens: a file on disk, or bytes that are made when asked for."""

    name: str
    content_type: str
    made: datetime
    expires: datetime
    path: Path | None = None
    content: Callable[[], bytes] | None = None
    content_key: str = ""


class Links:
    """The links handed out so far."""

    def __init__(self, settings: TenantSettings, now: Clock, draws: Draws) -> None:
        """Start without any."""
        self._settings = settings
        self._now = now
        self._draws = draws
        self._links: dict[str, Link] = {}
        self._last: tuple[str, bytes] = ("", b"")
        self.base_url = settings.public_url

    def add(
        self,
        name: str,
        seconds: float,
        *,
        content_type: str = "application/zip",
        path: str | None = None,
        content: Callable[[], bytes] | None = None,
        content_key: str = "",
    ) -> str:
        """Hand out a link that expires after `seconds`; equal keys mean equal content."""
        token = f"{self._draws.stream('link').getrandbits(256):064x}"
        now = self._now()
        self._links[token] = Link(
            name,
            content_type,
            now,
            now + timedelta(seconds=seconds),
            Path(path) if path else None,
            content,
            content_key,
        )
        return f"{self.base_url}/download/{token}"

    def open(self, token: str, headers: Mapping[str, str]) -> Reply:
        """Answer GET /download/{token}."""
        if "authorization" in headers:
            raise ApiError(403, "AuthenticationFailed", "The link carries its own authorisation; send no other.")
        link = self._links.get(token)
        if link is None:
            raise ApiError(404, "NotFound", "The link was not found.")
        if link.expires <= self._now():
            raise ApiError(self._settings.link_expired_status, "LinkExpired", "The link has expired.")
        size, content = self._content(link)
        tag = _tag(link, size)
        span = self._span(headers, size, tag)
        start, length = span or (0, size)
        answer = {
            "Content-Type": link.content_type,
            "Content-Disposition": f'attachment; filename="{link.name}"',
            "Content-Length": str(length),
            "ETag": tag,
            "Last-Modified": http_date(link.made),
        }
        if self._settings.link_range:
            answer["Accept-Ranges"] = "bytes"
        if span:
            answer["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
        status = 206 if span else 200
        if link.path:
            return Reply(status, b"", answer, FileSlice(link.path, start, length))
        return Reply(status, content[start : start + length], answer)

    def _content(self, link: Link) -> tuple[int, bytes]:
        if link.path:
            return link.path.stat().st_size, b""
        if self._last[0] != link.content_key or not link.content_key:
            self._last = (link.content_key, link.content() if link.content else b"")
        return len(self._last[1]), self._last[1]

    def _span(self, headers: Mapping[str, str], size: int, tag: str) -> tuple[int, int] | None:
        match = _RANGE.match(headers.get("range", "").replace(" ", ""))
        if not self._settings.link_range or match is None or match.groups() == ("", ""):
            return None
        if headers.get("if-range", tag) != tag:
            return None
        first, last = match.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(size - 1, int(last)) if first and last else size - 1
        if start > end:
            raise ApiError(416, "InvalidRange", "The range is not in the file.", {"Content-Range": f"bytes */{size}"})
        return start, end - start + 1


def _tag(link: Link, size: int) -> str:
    source = f"{link.path}:{link.path.stat().st_mtime_ns}" if link.path else link.content_key or str(link.made)
    return f'"{hashlib.sha256(f"{source}:{size}".encode()).hexdigest()[:24]}"'
