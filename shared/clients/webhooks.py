"""Chat webhooks: Slack's incoming webhooks and Teams' Workflows. The URL is the secret; it is never logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from shared.clients.web import REDIRECTS, raise_for
from shared.errors import Rejected, Throttled, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 15.0


class WebhookChat:
    """`Chat` over HTTP."""

    def __init__(self, url: str, http: requests.Session) -> None:
        """`url` is the webhook's complete address."""
        self._url = url
        self._http = http

    def post(self, payload: Mapping[str, object]) -> None:
        """See `Chat.post`. An old Teams connector answers 200 with a 429 in its body."""
        try:
            response = self._http.post(self._url, json=payload, timeout=_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            raise Transient(f"webhook: {type(error).__name__}") from None
        if response.status_code >= REDIRECTS:
            self._refused(response)
        if "HTTP error 429" in response.text[:500]:
            raise Throttled("webhook: 429 in the body of a 200")

    @staticmethod
    def _refused(response: requests.Response) -> None:
        try:
            raise_for(response)
        except Rejected as error:
            said = response.text.strip()[:80]
            raise Rejected(f"webhook: {response.status_code} {said}", status=error.status, code=said) from None
