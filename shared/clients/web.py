"""HTTP as all adapters use it: one place where answers become errors with a fate.

Safe calls are repeated by the library on connection trouble; acting ones never. A bearer travels only with calls of
`Api`, which do not follow redirects.
"""

from __future__ import annotations

import contextlib
import io
import json
import queue
import re
import threading
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.util.retry import Retry

from shared.errors import Busy, Denied, NotFound, OutcomeUnknown, Rejected, Throttled, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
REDIRECTS = 300
"""The first status that is no success."""
_QUOTE = 300
_SECONDS = re.compile(r"\d{1,9}(\.\d*)?")

_BAD_REQUEST, _UNAUTHORISED, _FORBIDDEN, _MISSING = 400, 401, 403, 404
_TIMED_OUT, _CONFLICT, _TOO_EARLY, _TOO_MANY, _BROKEN = 408, 409, 425, 429, 500


class _Session(requests.Session):
    """Looks at no redirect: the library would work out the next request, and raise where that makes no sense."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, wherever it leads."""


def session() -> requests.Session:
    """A session that repeats safe calls twice when the connection fails, and nothing else. It follows no redirect."""
    made = _Session()
    retry = Retry(
        total=2,
        status=0,
        redirect=0,
        other=0,
        backoff_factor=0.3,
        allowed_methods={"GET"},
        respect_retry_after_header=False,  # else a GET that is refused with Retry-After raises, its answer unread
    )
    made.mount("https://", HTTPAdapter(max_retries=retry))
    made.mount("http://", HTTPAdapter(max_retries=retry))
    made.trust_env = False
    return made


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait that was asked for, in seconds: a number, perhaps fractional, or an HTTP date against `Date`."""
    written = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(written):
        return float(written)
    with contextlib.suppress(ValueError, TypeError):
        then = parsedate_to_datetime(written)
        return max(0.0, (then - date_of(headers)).total_seconds())
    return None


def date_of(headers: Mapping[str, str]) -> datetime:
    """The server's clock. Raises ValueError where it did not say."""
    return parsedate_to_datetime(headers["Date"]) if "Date" in headers else _no_date()


def _no_date() -> datetime:
    raise ValueError("the answer has no Date header")


def raise_for(response: requests.Response) -> None:
    """Turn a refusal into the error with the right fate; do nothing on success."""
    if response.status_code < REDIRECTS:
        return
    try:
        body = response.json()
    except (ValueError, requests.RequestException):
        body = None
    raise refusal(response.status_code, response.headers, body, response.reason or "")


def refusal(status: int, headers: Mapping[str, str], body: object, reason: str = "") -> Transient | Rejected:
    """The error with the right fate for a status from 300 on. `body` is the answer's JSON, None where it is none."""
    code, message, target = _said(body) or ("", reason[:_QUOTE], "")
    what = f"{status} {code}: {message}".strip(": ")
    if status == _TOO_MANY:
        return Throttled(what, retry_after(headers))
    if status >= _BROKEN or status in {_TIMED_OUT, _TOO_EARLY}:
        return Transient(what, retry_after(headers))
    kind = _REFUSALS.get(status, Rejected)
    if code == "ActiveRequestAlreadyExists" or (status == _CONFLICT and not code):
        kind = Busy
    return kind(what, status=status, code=code, target=target)


_REFUSALS: dict[int, type[Rejected]] = {_UNAUTHORISED: Denied, _FORBIDDEN: Denied, _MISSING: NotFound}


def _said(body: object) -> tuple[str, str, str] | None:
    """Code, message and correlation id of an error body; Graph and Defender share the shape."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    inner = error.get("innerError") or error.get("innererror")
    target = error.get("target") or (inner.get("request-id") if isinstance(inner, dict) else "")
    return str(error.get("code") or ""), str(error.get("message") or "")[:_QUOTE], str(target or "")


class Api:
    """A JSON API behind a bearer. `token` gives a current one for the API's audience."""

    def __init__(self, base: str, token: Callable[[], str], http: requests.Session) -> None:
        """`base` is the URL before the path, without a trailing slash."""
        self.base = base
        self._token = token
        self._http = http

    def read(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """GET, repeatable. `path` begins with a slash, or is a whole URL under `base`."""
        url = path if path.startswith(self.base + "/") else self.base + path
        try:
            response = self._http.get(
                url, params=params, headers={**self._bearer(), **(headers or {})}, **self._limits(READ_SECONDS)
            )
        except requests.RequestException as error:
            raise Transient(f"GET {path.partition('?')[0]}: {type(error).__name__}") from error
        raise_for(response)
        return Answer(_body(response), response.headers)

    def write(self, method: str, path: str, body: Mapping[str, object]) -> None:
        """A call that changes something without acting on a device. Any 2xx is success, whatever its body."""
        try:
            response = self._http.request(
                method, self.base + path, json=body, headers=self._bearer(), **self._limits(READ_SECONDS)
            )
        except requests.RequestException as error:
            raise Transient(f"{method} {path}: {type(error).__name__}") from error
        raise_for(response)

    def act(self, path: str, body: Mapping[str, object], deadline: float) -> Mapping[str, Any]:
        """POST that acts on a device: once, and within `deadline` seconds in all."""
        headers = {**self._bearer(), "Content-Type": "application/json"}
        sent = _Revocable(json.dumps(body).encode())

        def post() -> requests.Response:
            return self._http.post(self.base + path, data=sent, headers=headers, **self._limits(deadline))

        try:
            response = _within(deadline, post, sent)
        except requests.RequestException as error:
            if _never_sent(error):
                raise Transient(f"POST {path}: no connection") from error
            raise OutcomeUnknown(f"POST {path}: {type(error).__name__}") from error
        try:
            raise_for(response)
            return _body(response)
        except Throttled:
            raise
        except Transient as error:
            raise OutcomeUnknown(f"POST {path}: {error}") from error

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}

    @staticmethod
    def _limits(seconds: float) -> dict[str, Any]:
        return {"timeout": (min(CONNECT_SECONDS, seconds / 2), seconds), "allow_redirects": False}


class Answer:
    """A JSON answer with its headers, in whatever case they are asked for."""

    def __init__(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Keep both."""
        self.body = body
        self.headers = headers


def _body(response: requests.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except (ValueError, requests.RequestException) as error:
        raise Transient(f"{response.status_code} with a body that is not JSON") from error
    if not isinstance(body, dict):
        raise Transient(f"{response.status_code} with a body that is not an object")
    return body


def _never_sent(error: requests.RequestException) -> bool:
    """Whether the connection was never made, so that the call cannot have had an effect."""
    reason = error.args[0] if error.args else None
    return isinstance(error, requests.ConnectTimeout) or (
        isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError)
    )


class _Revocable(io.BytesIO):
    """A body that is not sent once it was revoked. Without it the call has no effect, as its length was announced."""

    revoked = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.revoked:
            raise requests.Timeout("the caller has given up")
        return super().read(size)


def _within(seconds: float, call: Callable[[], requests.Response], sent: _Revocable) -> requests.Response:
    """The call's result, or a time-out: a server that trickles its answer cannot hold the caller longer.

    The thread ends by itself; whatever it still learns is found by the listing that follows every unknown outcome. A
    thread that is still looking up the name or connecting by then must not send any more: no listing would wait for it.
    """
    results: queue.SimpleQueue[requests.Response | requests.RequestException] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(call())
        except requests.RequestException as error:
            results.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = results.get(timeout=seconds)
    except queue.Empty:
        sent.revoked = True
        raise requests.Timeout(f"no whole answer within {seconds:g} s") from None
    if isinstance(result, requests.RequestException):
        raise result
    return result
