"""How the SDK's clients are led to a stub on this machine, with a token that anybody has."""

import base64
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport


class ToStub(RequestsTransport):  # type: ignore[misc] # the SDK's is untyped
    """Sends to `url` what was `meant` for an address of Azure's, and keeps what was sent. As a stub reads no body, it
    gets that in the header `X-Sent`.
    """

    def __init__(self, meant: str, url: str) -> None:
        super().__init__()
        self._meant = meant
        self._to = url
        self.sent: list[Any] = []

    def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - the SDK's own
        self.sent.append(request)
        meant, request.url = request.url, request.url.replace(self._meant, self._to)
        request.headers["X-Sent"] = base64.b64encode(str(request.content or "").encode()).decode()
        try:
            return super().send(request, **options)
        finally:
            request.url = meant

    def sleep(self, duration: float) -> None:
        """Do not wait."""


class Credential:
    """Anybody's token."""

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 - the SDK's own
        return AccessToken("token", 1 << 33)
