"""A storage that takes what it is sent and never answers: how long one call is held by it. Time is counted, not waited.

A call ends by itself after eight minutes, and the platform ends its worker after ten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any, cast

import pytest
from azure.core.exceptions import ServiceResponseTimeoutError
from azure.core.pipeline.transport import HttpRequest, HttpResponse, HttpTransport

from shared.errors import Transient
from shared.storage.connections import Connection, locate
from shared.storage.evidence import BlobEvidence, _Staged
from shared.storage.interface import Loan, Piece, Staging
from shared.storage.joining import FIRST_SECONDS, pull
from shared.storage.pages import BlobPages
from shared.storage.writing import write
from tests.fakes.storage import FakeEvidence

LEFT = 110.0
"""Seconds from the end of a call's time until the platform's, save for what else has to be done."""

BLOCK = bytes(1 << 20)


@dataclass
class Hanging(HttpTransport[HttpRequest, HttpResponse]):
    """A wire without an answer: each try takes all the time that it is given."""

    spent: float = 0.0
    tries: list[str] = field(default_factory=list)

    def send(self, request: HttpRequest, *, read_timeout: float = 6.0, **_: object) -> HttpResponse:
        self.tries.append(str(request.method))
        self.spent += read_timeout
        raise ServiceResponseTimeoutError("no answer")

    def sleep(self, duration: float) -> None:
        self.spent += duration

    def open(self) -> None: ...
    def close(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


class Lending(FakeEvidence):
    """A staging account."""

    def loan(self, name: str) -> Loan:
        return Loan(f"https://staging.example/{name}")


def on(wire: Hanging) -> tuple[Any, BlobEvidence]:
    """The container, and the archive in it, whose clock is what was spent."""
    connection = Connection(locate("S", {"S": "UseDevelopmentStorage=true"}), transport=wire)
    client = connection.blobs.get_container_client("evidence")
    return client, BlobEvidence(client, pause=wire.sleep, clock=lambda: wire.spent)


def pulling(client: Any, _: BlobEvidence) -> None:  # noqa: ANN401 - the SDK's
    staging = cast("Staging", Lending())
    pull(client.get_blob_client("a/b"), {"0" * 38: Piece("p", 64 << 20, "")}, staging, Event(), FIRST_SECONDS)


def staging_a_block(client: Any, evidence: BlobEvidence) -> None:  # noqa: ANN401 - the SDK's
    evidence._send(client.get_blob_client("a/b"), "0" * 38, memoryview(BLOCK))


def committing(_: object, evidence: BlobEvidence) -> None:
    evidence._commit("a/b", _Staged("0" * 32), {}, {}, BLOCK)


def putting_a_page(client: Any, _: BlobEvidence) -> None:  # noqa: ANN401 - the SDK's
    BlobPages(client).put("a/b", b"x", media_type="text/html")


@pytest.mark.parametrize("doing", [pulling, staging_a_block, committing, putting_a_page])
def test_what_is_begun_with_the_last_of_a_call_s_time_ends_before_the_platform_ends_the_worker(
    doing: Callable[[Any, BlobEvidence], None],
) -> None:
    wire = Hanging()
    client, evidence = on(wire)
    with pytest.raises(Transient):
        doing(client, evidence)
    assert len(wire.tries) >= 2, "one connection that hangs is not all that was tried"
    assert wire.spent <= LEFT


def test_what_fails_at_once_is_tried_three_times_and_what_hung_for_long_no_more() -> None:
    for took, tries in ((0.1, 3), (40.0, 2), (60.0, 1)):
        spent, tried = [0.0], list[float]()

        def attempt(took: float = took, spent: list[float] = spent, tried: list[float] = tried) -> None:
            tried.append(took)
            spent[0] += took
            raise Transient("no answer")

        with pytest.raises(Transient):
            write(attempt, lambda: None, lambda _seconds: None, lambda spent=spent: spent[0])  # type: ignore[misc]
        assert len(tried) == tries
