"""HTTP as all adapters use it. What an answer means stands in `answers.py`.

Safe calls are repeated by the library on connection trouble; acting ones never. A bearer travels only with calls of
`Api`, which do not follow redirects.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from shared.clients.answers import UNAUTHORISED, cause_of, expect_json, never_sent, object_of
from shared.clients.hearing import Heard, Revocable, hear
from shared.errors import Cause, OutcomeUnknown, Throttled, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PARTIAL = 206
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Seconds without a byte."""

WHOLE_SECONDS = 90.0
"""Seconds for a whole answer, repeats and all: less than lies between `TIME_BUDGET` and the platform's own limit."""


class _Session(requests.Session):
    """Looks at no redirect: the library would work out the next request, and raise where that makes no sense."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, wherever it leads."""


def session() -> requests.Session:
    """A session that repeats safe calls twice when the connection fails, and nothing else. It follows no redirect.

    The library warns of every repetition with the whole address, which is a secret where it is a webhook's or a
    download link's: from the first session on it keeps that to itself. What comes of the call is ours to say.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)
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


class Api:
    """A JSON API behind a bearer. `token` gives a current one for the API's audience; `renew` is told of one that was
    refused (401), and says whether another may be had for it.
    """

    def __init__(
        self,
        base: str,
        token: Callable[[], str],
        http: requests.Session,
        renew: Callable[[str], bool] = lambda _refused: False,
    ) -> None:
        """`base` is the URL before the path, without a trailing slash."""
        self.base = base
        self._token = token
        self._http = http
        self._renew = renew

    def read(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """GET, repeatable. `path` begins with a slash, or is a whole URL under `base`."""
        url = path if path.startswith(self.base + "/") else self.base + path
        heard = self._sent("GET", url, params=params, headers=headers or {})
        heard.raise_for()
        return Answer(object_of(heard.headers, heard.body), heard.headers, heard.status)

    def ask(self, path: str, body: Mapping[str, object], seconds: float) -> Answer:
        """A POST that only reads: it is repeated as a GET is when the connection fails, but not when nothing was heard
        for `seconds`.
        """
        headers = {"Content-Type": "application/json; charset=utf-8"}
        sent = json.dumps(body, ensure_ascii=False).encode()
        heard = self._repeated(
            lambda: self._sent("POST", self.base + path, data=sent, headers=headers, seconds=seconds)
        )
        heard.raise_for()
        return Answer(object_of(heard.headers, heard.body), heard.headers)

    @staticmethod
    def _repeated(call: Callable[[], Heard], more: int = 2) -> Heard:
        try:
            return call()
        except Transient as error:
            if not more or error.cause is Cause.LATE:
                raise
        return Api._repeated(call, more - 1)

    def write(self, method: str, path: str, body: Mapping[str, object]) -> None:
        """A call that changes something without acting on a device. Any 2xx is success, unless it is some page."""
        heard = self._sent(method, self.base + path, json=body)
        heard.raise_for()
        if heard.body:
            expect_json(heard.headers)

    def upload(self, path: str, name: str, content: bytes, fields: Mapping[str, str]) -> None:
        """POST one file in a form, in place of one of that name, so that it may be repeated. Any 2xx is success."""
        parts = {"file": (name, content, "application/octet-stream")}
        self._sent("POST", self.base + path, data=dict(fields), files=parts).raise_for()

    def _sent(self, method: str, url: str, **what: Any) -> Heard:  # noqa: ANN401 - what requests takes
        """One call; a second one where the first one's token was refused, so that it had no effect, and there is
        another.
        """
        token = self._token()
        heard = self._once(method, url, token, **what)
        if heard.status == UNAUTHORISED and self._renew(token):
            return self._once(method, url, self._token(), **what)
        return heard

    def _once(self, method: str, url: str, token: str, **what: Any) -> Heard:  # noqa: ANN401 - likewise
        headers = {"Authorization": f"Bearer {token}", **what.pop("headers", {})}
        seconds = what.pop("seconds", READ_SECONDS)

        def ask() -> requests.Response:
            return self._http.request(method, url, headers=headers, **what, **self._limits(seconds))

        try:
            return hear(ask, max(seconds, WHOLE_SECONDS))
        except requests.RequestException as error:
            said = f"{method} {url.removeprefix(self.base).partition('?')[0]}: {type(error).__name__}"
            raise Transient(said, cause=cause_of(error)) from error

    def act(self, path: str, body: Mapping[str, object], deadline: float) -> Mapping[str, Any]:
        """POST that acts on a device: once, and within `deadline` seconds in all, the token's way here among them. A
        token that was refused is dropped; to send again with another one is up to whoever lists first.
        """
        sent = Revocable(json.dumps(body).encode())
        tokens: list[str] = []

        def post() -> requests.Response:
            tokens.append(self._token())
            if sent.revoked:
                raise requests.Timeout("the caller has given up")
            headers = {"Authorization": f"Bearer {tokens[0]}", "Content-Type": "application/json"}
            return self._http.post(self.base + path, data=sent, headers=headers, **self._limits(deadline))

        try:
            heard = hear(post, deadline, sent)
        except requests.RequestException as error:
            cause = cause_of(error)
            if not tokens:  # whoever gets one after this sees that nobody waits any more
                raise Transient(f"POST {path}: no token within {deadline:g} s", cause=Cause.TOKEN) from error
            if never_sent(error):
                raise Transient(f"POST {path}: no connection", cause=cause) from error
            raise OutcomeUnknown(f"POST {path}: {type(error).__name__}", cause=cause) from error
        if heard.status == UNAUTHORISED:
            self._renew(tokens[0])
        try:
            heard.raise_for()
            return object_of(heard.headers, heard.body, any_type=True)
        except Throttled:
            raise
        except Transient as error:
            raise OutcomeUnknown(f"POST {path}: {error}", cause=error.cause, status=error.status) from error

    @staticmethod
    def _limits(seconds: float) -> dict[str, Any]:
        return {"timeout": (min(CONNECT_SECONDS, seconds / 2), seconds), "allow_redirects": False, "stream": True}


class Answer:
    """A JSON answer with its headers, in whatever case they are asked for."""

    def __init__(self, body: Mapping[str, Any], headers: Mapping[str, str], status: int = 200) -> None:
        """Keep them; `status` is that of a success."""
        self.body = body
        self.headers = headers
        self.status = status

    @property
    def partial(self) -> bool:
        """Whether the service says itself that this is not all: a part of what it is made of was not to be had."""
        return self.status == _PARTIAL
