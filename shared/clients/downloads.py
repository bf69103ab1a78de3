"""Downloads from links that carry their own right.

A link comes from a service's answer, so it is checked before it is followed: only hosts on the allow-list, only https
(plain http on loopback, where the API itself is on loopback), every redirect checked again, and never a bearer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests

from shared.clients.interface import Download
from shared.clients.web import CONNECT_SECONDS, READ_SECONDS, raise_for
from shared.config import LOOPBACK
from shared.errors import Forbidden, Incomplete, LinkExpired, Rejected, Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK = 1 << 20
_REDIRECTS = 3
_EXPIRED = frozenset({401, 403, 404, 410})


class LinkDownloads:
    """`Downloads` over HTTP. `hosts` are suffixes that begin with a dot, or whole names."""

    def __init__(self, hosts: Sequence[str], http: requests.Session, *, loopback: bool) -> None:
        """With `loopback`, links to this machine are allowed too, and over plain http."""
        self._hosts = tuple(host.lower() for host in hosts)
        self._http = http
        self._loopback = loopback

    def open(self, link: str) -> Download:
        """See `Downloads.open`."""
        response = self._get(link)
        try:
            raise_for(response)
        except Rejected as error:
            response.close()
            if error.status in _EXPIRED:
                raise LinkExpired(f"the download link no longer works ({error.status})") from error
            raise
        length = response.headers.get("Content-Length", "")
        known = int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None
        return Download(_whole(response, known), known)

    def _get(self, link: str) -> requests.Response:
        url = ""
        for _ in range(_REDIRECTS + 1):
            url = self._checked(url, link)
            try:
                response = self._http.get(
                    url,
                    stream=True,
                    allow_redirects=False,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    headers={"Accept-Encoding": "identity"},
                )
            except requests.RequestException as error:
                raise Transient(f"download: {type(error).__name__}") from error
            if not response.is_redirect:
                return response
            link = response.headers["Location"]
            response.close()
        raise Forbidden("the download link redirects too often")

    def _checked(self, start: str, link: str) -> str:
        """The link, seen from `start`, as it goes out: parsers differ over backslashes, so what is checked is what is
        sent.
        """
        try:
            url = requests.Request("GET", urljoin(start, link)).prepare().url or ""
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
        except ValueError:
            raise Forbidden("the download link is not a URL") from None
        if self._loopback and host in LOOPBACK and parts.scheme in {"http", "https"}:
            return url
        known = any(host == name or (name.startswith(".") and host.endswith(name)) for name in self._hosts)
        if parts.scheme != "https" or not known:
            raise Forbidden(f"downloads from '{host}' are not allowed; see the setting DOWNLOAD_HOSTS")
        return url


def _whole(response: requests.Response, length: int | None) -> Iterator[bytes]:
    received = 0
    try:
        with response:
            for chunk in response.iter_content(CHUNK):
                received += len(chunk)
                yield chunk
    except requests.RequestException as error:
        raise Incomplete(f"the download ended after {received} bytes ({type(error).__name__})") from error
    if length is not None and received != length:
        raise Incomplete(f"the download has {received} bytes instead of {length}")
