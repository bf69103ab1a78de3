"""Hear a whole answer: within a time and up to a size, whatever the other side does.

A time-out of a socket bounds each wait for a byte, not the answer: who sends one now and then could hold the caller
until the platform ends the whole worker, with everything else that it does. And what is longer than any answer that we
ask for would take its memory.
"""

from __future__ import annotations

import contextlib
import io
import queue
import threading
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import requests
from urllib3.exceptions import HTTPError

from shared.clients.answers import REDIRECTS, TooMuch, refusal
from shared.errors import BulkheadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
Failure: TypeAlias = requests.RequestException | BulkheadError

LARGEST = 24 << 20
"""Bytes of an answer at the most, unpacked: as JSON it takes several times as many, and an instance has 512 MB."""

_BY_STATUS = frozenset({401, 429, *range(500, 600)})
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole answer; of one that says all by its status (`_BY_STATUS`), as much of the body as could be had."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reason: str

    def raise_for(self) -> None:
        """Turn a refusal into the error with the right fate; do nothing on success."""
        if self.status >= REDIRECTS:
            raise refusal(self.status, self.headers, self.body, self.reason)


class OutOfTime(requests.Timeout):
    """It was our own time that ended."""


class Revocable(io.BytesIO):
    """A body that is not sent once it was revoked. Without it the call has no effect, as its length was announced."""

    revoked = False

    def read(self, size: int | None = -1, /) -> bytes:
        """See `io.BytesIO.read`."""
        if self.revoked:
            raise requests.Timeout("the caller has given up")
        return super().read(size)


class _Listener:
    """One call, in a thread of its own, until it is over or nobody waits for it any more."""

    def __init__(self, call: Callable[[], requests.Response], largest: int) -> None:
        self.results: queue.SimpleQueue[Heard | Failure] = queue.SimpleQueue()
        self._call = call
        self._largest = largest
        self._response: requests.Response | None = None
        self._given_up = False

    def run(self) -> None:
        self.results.put(_tried(self._heard))

    def give_up(self) -> None:
        """Have the thread end, if it has come as far as an answer."""
        self._given_up = True
        if self._response is not None:
            hang_up(self._response)

    def _heard(self) -> Heard:
        with self._call() as response:
            self._response = response
            return Heard(response.status_code, response.headers, self._body(response), response.reason or "")

    def _body(self, response: requests.Response) -> bytes:
        parts: list[bytes] = []
        left = self._largest
        try:
            for chunk in response.iter_content(_CHUNK):
                left -= len(chunk)
                if left < 0 or self._given_up:
                    raise TooMuch(f"more than {self._largest} bytes")
                parts.append(chunk)
        except requests.RequestException:
            if response.status_code not in _BY_STATUS:
                raise
        return b"".join(parts)


def hear(
    call: Callable[[], requests.Response], seconds: float, sent: Revocable | None = None, largest: int = LARGEST
) -> Heard:
    """The answer to `call`, which has to leave the body to be read (`stream`). Raises requests' own errors, a time-out
    after `seconds` in all, and what `call` raises on purpose.

    The thread ends by itself; whatever it still learns is found by the listing that follows every unknown outcome. One
    that is still looking up the name or connecting by then must not send any more, so that `sent` is revoked: no
    listing would wait for it.
    """
    listener = _Listener(call, largest)
    threading.Thread(target=listener.run, daemon=True).start()
    try:
        result = listener.results.get(timeout=seconds)
    except queue.Empty:
        if sent is not None:
            sent.revoked = True
        listener.give_up()
        raise requests.Timeout(f"no whole answer within {seconds:g} s") from None
    if isinstance(result, Failure):
        raise result
    return result


def begun(call: Callable[[], requests.Response], seconds: float) -> requests.Response:
    """The answer to `call` as soon as its head is there; the body is left to be read. Raises requests' own errors, a
    time-out after `seconds` in all. The thread ends by itself, and what comes after that is closed.
    """
    given_up = threading.Event()
    results: queue.SimpleQueue[requests.Response | Failure] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(_tried(call))
        finally:  # whatever happens, nobody waits for nothing
            results.put(requests.ConnectionError("no answer, by a defect of ours"))
            if given_up.is_set():
                _close(results)

    threading.Thread(target=run, daemon=True, name="head").start()
    try:
        result = results.get(timeout=seconds)
    except queue.Empty:
        given_up.set()
        _close(results)
        raise OutOfTime(f"no answer begun within {seconds:g} s") from None
    if isinstance(result, Failure):
        raise result
    return result


def _close(results: queue.SimpleQueue[requests.Response | Failure]) -> None:
    with contextlib.suppress(queue.Empty):
        if isinstance(late := results.get_nowait(), requests.Response):
            late.close()


def _tried(call: Callable[[], T]) -> T | Failure:
    try:
        return call()
    except (requests.RequestException, BulkheadError) as error:
        return error
    except (HTTPError, HTTPException, OSError, ValueError) as error:  # what the library lets through
        return requests.ConnectionError(f"{type(error).__name__} below requests")


def hang_up(response: requests.Response) -> None:
    """Have whoever reads an answer find it at its end."""
    with contextlib.suppress(ValueError, RuntimeError, OSError):  # it is at its end already
        response.raw.shutdown()
