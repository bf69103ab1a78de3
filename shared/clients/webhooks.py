"""Chat webhooks: Slack's incoming webhooks and Teams' Workflows. The URL is the secret; it is never logged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import requests

from shared.clients.answers import REDIRECTS, cause_of, error_in, refusal
from shared.clients.hearing import hear
from shared.errors import Cause, Rejected, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS, _WHOLE_SECONDS = 15.0, 30.0
_LARGEST = 1 << 20
_HIDDEN = re.compile(rb"HTTP error (\d{3})")
_SAID = 80


class WebhookChat:
    """`Chat` over HTTP."""

    def __init__(self, url: str, http: requests.Session) -> None:
        """`url` is the webhook's complete address."""
        self._url = url
        self._http = http

    def post(self, payload: Mapping[str, object]) -> None:
        """See `Chat.post`."""

        def post() -> requests.Response:
            return self._http.post(self._url, json=payload, timeout=_SECONDS, allow_redirects=False, stream=True)

        try:
            heard = hear(post, _WHOLE_SECONDS, largest=_LARGEST)
        except requests.RequestException as error:
            raise Transient(f"webhook: {type(error).__name__}", cause=cause_of(error)) from None
        expect_told(heard.status, heard.headers, heard.body)


def expect_told(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Return where a webhook's answer means that the message was taken.

    Slack says why not as a plain text, Power Automate in a JSON error; either is the error's code. An old Teams
    connector answers 200 and hides the refusal in the body. A page, whatever its status, is somebody else's: neither
    service answers with one.

    Raises:
        Transient: it may be taken later; Throttled for a 429.
        Rejected: it will not be.
    """
    begins = body.lstrip()[:500]
    if status < REDIRECTS:
        hidden = _HIDDEN.search(begins)
        if hidden:
            status = int(hidden[1])
        elif begins.startswith(b"<"):
            raise Transient("webhook: a page instead of an answer", cause=Cause.CONTENT)
    if status < REDIRECTS:
        return
    error = refusal(status, headers, body)
    if not isinstance(error, Rejected):
        raise error
    named = error_in(body)
    text = "" if begins.startswith(b"<") else " ".join(begins.decode(errors="replace").split())
    code = (named[0] if named else text)[:_SAID]
    raise Rejected(f"webhook: {status} {code}".rstrip(), status=status, code=code) from None
