"""A whole answer, within a time and up to a size: who drips bytes or never ends holds nobody, and fills no memory."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest
import requests

from shared.clients.answers import cause_of
from shared.clients.downloads import LinkDownloads
from shared.clients.hearing import Heard, begun, hear
from shared.clients.web import session
from shared.errors import Cause, Incomplete
from tests.contract.test_clients_stand import Stub

SHORT = 0.5
"""Seconds that these tests give."""

DRIPS = 60
"""Bytes that are dripped at the most: six seconds of them."""

Answer = Callable[[BaseHTTPRequestHandler], None]


def dripping(status: int = 200, length: int | None = 1_000_000) -> Answer:
    """A byte now and then, each in good time for a socket's own time-out."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.close_connection = True
        to.send_response(status)
        if length is not None:
            to.send_header("Content-Length", str(length))
        to.end_headers()
        try:
            for _ in range(DRIPS):
                to.wfile.write(b" ")
                to.wfile.flush()
                time.sleep(0.1)
        except OSError:
            return

    return answer


def saying(body: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            to.send_header(name, value)
        to.end_headers()
        to.wfile.write(body)

    return answer


def heard(answer: Answer, **limits: int) -> Heard:
    with Stub(answer) as server, session() as http:
        return hear(lambda: http.get(server.url, stream=True, timeout=5), SHORT, **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [1_000_000, None])
def test_an_answer_that_drips_is_late(length: int | None) -> None:
    began = time.monotonic()
    with pytest.raises(requests.Timeout) as error:
        heard(dripping(length=length))
    assert cause_of(error.value) is Cause.LATE
    assert time.monotonic() - began < DRIPS * 0.1 / 2


def test_an_answer_longer_than_any_that_we_ask_for_is_not_read_to_its_end() -> None:
    with pytest.raises(requests.RequestException) as error:
        heard(saying(b"x" * 1_000_000), largest=100_000)
    assert cause_of(error.value) is Cause.LONG
    assert len(heard(saying(b"x" * 100_000), largest=100_000).body) == 100_000


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_refusal_whose_body_cannot_be_had_counts_all_the_same(status: int) -> None:
    """How long to wait stands in its head."""
    found = heard(saying(b"no gzip", status, **{"Content-Encoding": "gzip", "Retry-After": "7"}))
    assert (found.status, found.headers["Retry-After"]) == (status, "7")


@pytest.mark.parametrize("status", [200, 400, 404])
def test_what_its_body_has_to_explain_is_heard_again(status: int) -> None:
    with pytest.raises(requests.RequestException) as error:
        heard(saying(b"no gzip", status, **{"Content-Encoding": "gzip"}))
    assert cause_of(error.value) is Cause.CUT


@pytest.mark.parametrize("length", [1_000_000, None])
def test_a_download_that_drips_ends_with_the_time_of_its_call(length: int | None) -> None:
    began = time.monotonic()
    with Stub(dripping(length=length)) as server, session() as http:
        download = LinkDownloads((), http, loopback=True).open(f"{server.url}/x", SHORT)
        with pytest.raises(Incomplete) as error:
            list(download.chunks)
    assert error.value.cause is Cause.TIME
    assert time.monotonic() - began < DRIPS * 0.1 / 2


def ended() -> None:
    """Wait for what still listens: it tells of its defects, and closes what it got, in its own time."""
    for thread in threading.enumerate():
        if thread.name == "head":
            thread.join(10)


def test_a_download_whose_head_drips_ends_with_the_time_of_its_call() -> None:
    def answer(to: BaseHTTPRequestHandler) -> None:
        to.close_connection = True
        to.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        try:
            for _ in range(DRIPS):
                to.wfile.write(b"x")
                to.wfile.flush()
                time.sleep(0.1)
        except OSError:
            return

    began = time.monotonic()
    with Stub(answer) as server, session() as http:
        with pytest.raises(Incomplete, match="before the download began") as error:
            LinkDownloads((), http, loopback=True).open(f"{server.url}/x", SHORT)
        assert time.monotonic() - began < DRIPS * 0.1 / 2
    assert error.value.cause is Cause.TIME
    ended()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_on_the_way_to_a_head_holds_nobody() -> None:
    def defect() -> requests.Response:
        raise KeyError

    with pytest.raises(requests.ConnectionError):
        begun(defect, 60)
    ended()


def test_a_download_that_comes_in_time_is_whole() -> None:
    with Stub(saying(b"x" * 3_000_000)) as server, session() as http:
        download = LinkDownloads((), http, loopback=True).open(f"{server.url}/x", 30.0)
        assert sum(map(len, download.chunks)) == 3_000_000
