"""Downloads from links that carry their own right.

A link comes from a service's answer, so it is checked before it is followed: only hosts on the allow-list, only https
(plain http on loopback, where the API itself is on loopback), every redirect checked again, and never a bearer.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests

from shared.clients.answers import REDIRECTS, cause_of, refusal
from shared.clients.hearing import OutOfTime, begun, hang_up
from shared.clients.interface import Download
from shared.clients.web import CONNECT_SECONDS, READ_SECONDS
from shared.config import LOOPBACK
from shared.errors import Cause, Forbidden, Incomplete, LinkExpired, Transient
from shared.models.lenient import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHUNK = 1 << 20
_REDIRECTS = 3
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")
_UNSATISFIED = re.compile(r"bytes \*/([0-9]{1,18})")
_EXPIRED = frozenset({401, 403, 404, 410})
_SPANNED = frozenset({HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})


class LinkDownloads:
    """`Downloads` over HTTP. `hosts` are suffixes that begin with a dot, or whole names."""

    def __init__(self, hosts: Sequence[str], http: requests.Session, *, loopback: bool) -> None:
        """With `loopback`, links to this machine are allowed too, and over plain http."""
        self._hosts = tuple(host.lower() for host in hosts)
        self._http = http
        self._loopback = loopback

    def open(self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "") -> Download:
        """See `Downloads.open`."""
        stop = None if seconds is None else time.monotonic() + seconds
        wanted = {"Range": f"bytes={start}-", "If-Range": tag} if start and tag else {}
        response = self._get(link, wanted, stop)
        status, headers = response.status_code, response.headers
        etag, plain = headers.get("ETag", ""), "Content-Encoding" not in headers
        strong = etag if plain and etag.startswith('"') else ""
        if wanted and status in _SPANNED and strong != tag:
            response.close()  # whoever heeds Range and not If-Range may have another thing by now: all of it, then
            return self.open(link, _left(stop))
        size = _UNSATISFIED.fullmatch(headers.get("Content-Range", ""))
        if wanted and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and size and int(size[1]) == start:
            response.close()  # everything is there already
            return Download(iter(()), 0, start, tag, headers.get("Date", ""))
        if status >= REDIRECTS:
            response.close()
            if status in _EXPIRED:
                raise LinkExpired(f"the download link no longer works ({status})", status=status)
            raise refusal(status, headers, b"", response.reason or "")
        length = count(headers.get("Content-Length", ""))  # one that cannot be read tells no length
        known = length if plain else None
        part = _RANGE.fullmatch(headers.get("Content-Range", ""))
        partial, begins = status == HTTPStatus.PARTIAL_CONTENT, 0
        if partial and (not part or int(part[1]) != (start if wanted else 0)):
            response.close()
            raise Incomplete("the download begins elsewhere than was asked for", cause=Cause.CONTENT)
        if partial and part:
            begins = int(part[1])
            known = known if part[2] == "*" else int(part[2]) - begins  # to the end, whatever this answer brings
        bounded = length is not None or known is not None or _chunked(headers)
        return Download(_whole(response, known, stop), known, begins, strong, headers.get("Date", ""), bounded)

    def _get(self, link: str, wanted: Mapping[str, str], stop: float | None) -> requests.Response:
        url = ""
        for _ in range(_REDIRECTS + 1):
            url = self._checked(url, link)
            ask = partial(
                self._http.get,
                url,
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                headers={"Accept-Encoding": "identity", **wanted},
            )
            try:
                left = _left(stop)
                response = ask() if left is None else begun(ask, left)
            except OutOfTime as error:
                raise Incomplete("the time of one call ran out before the download began", cause=Cause.TIME) from error
            except requests.RequestException as error:
                raise Transient(f"download: {type(error).__name__}", cause=cause_of(error)) from error
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


def _chunked(headers: Mapping[str, str]) -> bool:
    """Whether the body tells its end by itself."""
    return "chunked" in (each.strip() for each in headers.get("Transfer-Encoding", "").lower().split(","))


def _left(stop: float | None) -> float | None:
    return None if stop is None else max(0.0, stop - time.monotonic())


@contextmanager
def _ended(response: requests.Response, seconds: float | None, late: threading.Event) -> Iterator[None]:
    """Have a download end after `seconds` however slowly it comes; `late` is set if it had to. Reading waits for a
    whole chunk, so that who sends a byte now and then could hold the caller for ever.
    """

    def end() -> None:
        late.set()
        hang_up(response)

    timer = threading.Timer(seconds or 0.0, end)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _whole(response: requests.Response, length: int | None, stop: float | None) -> Iterator[bytes]:
    received = 0
    late = threading.Event()
    try:
        with response, _ended(response, _left(stop), late):
            for chunk in response.iter_content(CHUNK):
                received += len(chunk)
                yield chunk
    except requests.RequestException as error:
        cause = Cause.TIME if late.is_set() else Cause.LATE if cause_of(error) is Cause.LATE else Cause.CUT
        raise Incomplete(f"the download ended after {received} bytes ({type(error).__name__})", cause=cause) from error
    if late.is_set() and received != length:
        raise Incomplete(f"the time of one call ran out after {received} bytes of the download", cause=Cause.TIME)
    if length is not None and received != length:
        cause = Cause.LONG if received > length else Cause.CUT
        raise Incomplete(f"the download has {received} bytes instead of {length}", cause=cause)
