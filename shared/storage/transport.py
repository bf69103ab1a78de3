"""What the storage SDKs send through: `requests`, with an ear for the `Date` of every answer.

It sits below the SDKs' retries, so that each attempt is measured by itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from azure.core.pipeline.transport import HttpRequest, HttpResponse, HttpTransport

from shared.models.lenient import http_date

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Self

    Wire = HttpTransport[HttpRequest, HttpResponse]
    Heard = Callable[[datetime, float, float], None]

LONGEST_SLEEP = 5.0
"""Seconds: the SDK would otherwise sleep for as long as a Retry-After says, beyond any budget of ours."""


class ListeningTransport(HttpTransport[HttpRequest, HttpResponse]):
    """Sends through another transport and passes on when each answer was stamped, asked for and received."""

    def __init__(self, inner: Wire, heard: Heard, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Send through `inner`; `heard` is given the `Date`, and the monotonic seconds before and after."""
        self._inner = inner
        self._heard = heard
        self._monotonic = monotonic

    def send(self, request: HttpRequest, **kwargs: object) -> HttpResponse:
        """Send one request and give its answer."""
        sent = self._monotonic()
        response = self._inner.send(request, **kwargs)
        received = self._monotonic()
        if date := http_date(response.headers.get("Date", "")):  # a proxy's may be none
            self._heard(date, sent, received)
        return response

    def sleep(self, duration: float) -> None:
        """Wait between the SDK's attempts."""
        self._inner.sleep(min(duration, LONGEST_SLEEP))

    def open(self) -> None:
        """Open the connections."""
        self._inner.open()

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()

    def __enter__(self) -> Self:
        """Open the connections."""
        self.open()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the connections."""
        self.close()
