"""What an HTTP answer, or the lack of one, means: the one place where statuses and bodies become errors with a fate.

Values in, values out; the calls themselves are made elsewhere (`web.py`, `downloads.py`, `webhooks.py`). Codes decide
and never prose, but for two things that services say nowhere else: that a 429 is about computing instead of calls, and
that a 400 whose code says nothing means that the action is already in progress.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from shared.clients.interface import LONGEST_WAIT
from shared.errors import Busy, Cause, Denied, NotFound, Rejected, Throttled, Transient
from shared.models.lenient import http_date, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

REDIRECTS = 300
"""The first status that is no success."""
UNAUTHORISED = 401

_BAD_REQUEST, _FORBIDDEN, _MISSING = 400, 403, 404
_TIMED_OUT, _CONFLICT, _TOO_EARLY, _TOO_MANY, _BROKEN = 408, 409, 425, 429, 500
_KINDS: dict[int, type[Rejected]] = {UNAUTHORISED: Denied, _FORBIDDEN: Denied, _MISSING: NotFound}
_QUOTE = 300
_DEEPEST = 64
_NESTS = (dict, list)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]*)?")
_COMPUTING = re.compile(r"processing resources|\bcpu\b", re.IGNORECASE)
_IN_PROGRESS = re.compile(r"already in progress", re.IGNORECASE)
_VAGUE = frozenset({"", "badrequest", "conflict", "invalidinput", "invalidrequest"})
_ACTIVE = "activerequestalreadyexists"
_NOTHING = frozenset({"notfound", "resourcenotfound"})


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait that was asked for, in seconds and `LONGEST_WAIT` at the most: a number, perhaps fractional, or an HTTP
    date against `Date`.
    """
    written = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(written):
        return min(LONGEST_WAIT, float(written))
    with contextlib.suppress(ValueError):
        wait = _moment(written) - date_of(headers)
        return min(LONGEST_WAIT, max(0.0, wait.total_seconds()))
    return None


def date_of(headers: Mapping[str, str]) -> datetime:
    """The server's clock. Raises ValueError where it did not say."""
    return _moment(headers.get("Date", ""))


def _moment(written: str) -> datetime:
    """An HTTP date. Raises ValueError."""
    found = http_date(written)
    if found is None:
        raise ValueError(f"not an HTTP date: {written[:60]!r}")
    return found


def refusal(status: int, headers: Mapping[str, str], body: bytes, reason: str = "") -> Transient | Rejected:
    """The error with the right fate for a status from 300 on. `body` is the answer's, in whatever form."""
    code, message, target = error_in(body) or ("", _plain(headers, body) or reason[:_QUOTE], "")
    what = f"{status} {code}: {message}".strip(": ")
    wait = retry_after(headers)
    if status == _TOO_MANY:
        cause = Cause.CPU if _COMPUTING.search(message) else None
        return Throttled(what, wait, cause=cause, status=status, code=code)
    if status >= _BROKEN or status in {_TIMED_OUT, _TOO_EARLY}:
        return Transient(what, wait, status=status, code=code)
    kind = Busy if _is_busy(status, code, message) else _KINDS.get(status, Rejected)
    return kind(what, status=status, code=code, target=target)


def _is_busy(status: int, code: str, message: str) -> bool:
    """Whether something already runs on the device. Documented as a text only, seen as a code; a 409 means the same."""
    if code.lower() == _ACTIVE or status == _CONFLICT:
        return True
    return status == _BAD_REQUEST and code.lower() in _VAGUE and bool(_IN_PROGRESS.search(message))


def missing(error: NotFound) -> NotFound | Transient:
    """What a 404 for one thing of Defender's means: that Defender does not know it, where the answer has a code of
    Defender's. Else something in between gave it, such as a proxy, which knows nothing of the thing.
    """
    return error if error.code else _not_theirs(error)


def expect_nothing(error: NotFound) -> None:
    """Take a 404 for an empty list of Defender's, and raise Transient where it has none of the codes documented for
    that: a list that is empty by mistake has the same action sent twice.
    """
    if error.code.lower() not in _NOTHING:
        raise _not_theirs(error) from error


def _not_theirs(error: NotFound) -> Transient:
    return Transient(f"a 404 that does not say what is missing: {error}", cause=Cause.CONTENT, status=error.status)


def error_in(body: bytes) -> tuple[str, str, str] | None:
    """Code, message and correlation id of an error body; Graph and Defender share the shape, if not the case of its
    members. None: it has another.
    """
    try:
        found = _loaded(body)
    except ValueError:
        return None
    error = _lowered(_lowered(found).get("error"))
    if not error:
        return None
    inner = error.get("innererror")
    target = error.get("target") or (inner.get("request-id") if isinstance(inner, dict) else "")
    return text(error.get("code"))[:_QUOTE], text(error.get("message"))[:_QUOTE], text(target)[:_QUOTE]


def _lowered(value: object) -> dict[str, Any]:
    """An object with its members' names in lower case; without any where it is no object."""
    return {name.lower(): member for name, member in value.items()} if isinstance(value, dict) else {}


def _plain(headers: Mapping[str, str], body: bytes) -> str:
    """A plain text, on one line. A page of some proxy is not worth quoting."""
    if not headers.get("Content-Type", "").lower().startswith("text/plain"):
        return ""
    return " ".join(body[: _QUOTE * 4].decode(errors="replace").split())[:_QUOTE]


def object_of(headers: Mapping[str, str], body: bytes, *, any_type: bool = False) -> Mapping[str, Any]:
    """The JSON object of a successful answer. A page of a proxy says 200 too, so the type counts, unless `any_type`.

    Raises:
        Transient: it is something else, or not whole.
    """
    if not any_type:
        expect_json(headers)
    try:
        found = _loaded(body)
    except ValueError as error:
        raise Transient("a success whose body is not JSON, or not whole", cause=_damage(body)) from error
    if not isinstance(found, dict) or _too_deep(found):
        raise Transient("a success with JSON that is not an object", cause=Cause.CONTENT)
    return found


def _loaded(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """JSON as a value. Raises ValueError."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _too_deep(value: dict[str, Any]) -> bool:
    """Whether JSON is nested deeper than whoever walks through it later could follow."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        members = (each.values() if isinstance(each, dict) else each for each in level)
        level = [inner for inners in members for inner in inners if isinstance(inner, _NESTS)]
        if not level:
            return False
    return True


def expect_json(headers: Mapping[str, str]) -> None:
    """Raise Transient where an answer says that it is no JSON. One that does not say may be."""
    kind = headers.get("Content-Type", "").lower()
    if kind and "json" not in kind:
        raise Transient(f"a success of type {kind[:60]!r} instead of JSON", cause=Cause.CONTENT)


def _damage(body: bytes) -> Cause:
    """What is wrong with a body that is not JSON: never was, has something behind its end, or breaks off."""
    written = body.removeprefix(BOM_UTF8).decode(errors="replace").strip()
    if not written.startswith(("{", "[")):
        return Cause.CONTENT
    try:
        json.JSONDecoder().raw_decode(written)
    except ValueError:
        return Cause.CUT
    except RecursionError:
        return Cause.CONTENT
    return Cause.LONG


class TooMuch(requests.RequestException):
    """An answer that is longer than any that we ask for."""


def cause_of(error: requests.RequestException) -> Cause:
    """Why there was no whole answer."""
    reason = _reason(error)
    if isinstance(error, TooMuch | requests.exceptions.SSLError):
        return Cause.LONG if isinstance(error, TooMuch) else Cause.TLS
    if isinstance(reason, NameResolutionError):
        return Cause.NAME
    if isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError | ConnectTimeoutError):
        return Cause.CONNECTION
    if isinstance(error, requests.Timeout) or isinstance(reason, ReadTimeoutError):
        return Cause.LATE
    broken = requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError
    if isinstance(error, broken) or isinstance(reason, IncompleteRead):
        return Cause.CUT
    return Cause.LOST


def never_sent(error: requests.RequestException) -> bool:
    """Whether the call cannot have had an effect: no connection, or a certificate that we do not trust. Any other
    trouble with TLS may have come after the call.
    """
    if cause_of(error) is Cause.TLS:
        reason = _reason(error)
        return isinstance(reason.args[0] if reason and reason.args else None, ssl.SSLCertVerificationError)
    return cause_of(error) in {Cause.NAME, Cause.CONNECTION}


def _reason(error: requests.RequestException) -> Exception | None:
    """What the library wrapped: its own retries hide the first cause."""
    reason = error.args[0] if error.args else None
    if isinstance(reason, MaxRetryError):
        return reason.reason
    return reason if isinstance(reason, HTTPError) else None
