"""What `Protections` promises, over the fake, over Azurite, and over answers as Azure documents them.

Azurite keeps no immutability and says so by silence; that a blob is protected is shown with made-up answers (synthetic,
from the headers of Get Blob Properties).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.storage.connections import Connection, locate
from shared.storage.interface import Evidence, Protection
from tests.contract.conftest import CONTAINER
from tests.fakes.storage import FakeEvidence, FakeProtections

UNTIL = datetime(2027, 1, 5, 9, tzinfo=UTC)
POLICY = {"x-ms-immutability-policy-until-date": "Tue, 05 Jan 2027 09:00:00 GMT"}


def test_without_a_policy_an_object_is_not_protected_and_one_that_is_not_there_is_none(
    connection: Connection, name: str
) -> None:
    fake, azurite = FakeEvidence(), connection.evidence(CONTAINER)
    pairs: list[tuple[Evidence, object]] = [
        (fake, FakeProtections(fake)),
        (azurite, connection.protections(CONTAINER)),
    ]
    for evidence, protections in pairs:
        assert protections.of(name) is None  # type: ignore[attr-defined]
        evidence.write_once(name, [b"x"], metadata={})
        assert protections.of(name) == Protection()  # type: ignore[attr-defined]


@contextmanager
def answering(headers: dict[str, str]) -> Iterator[Connection]:
    """A blob service that gives every blob these headers."""

    class Blob(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            for key, value in {**headers, "Content-Length": "1", "x-ms-blob-type": "BlockBlob"}.items():
                self.send_header(key, value)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Blob)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/synthetic"
    written = f"AccountName=synthetic;AccountKey=c3ludGhldGlj;BlobEndpoint={url};"
    try:
        yield Connection(locate("EVIDENCE_STORAGE", {"EVIDENCE_STORAGE": written}))
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("headers", "protection"),
    [
        ({}, Protection()),
        ({**POLICY, "x-ms-immutability-policy-mode": "unlocked"}, Protection(UNTIL)),
        ({**POLICY, "x-ms-immutability-policy-mode": "Locked"}, Protection(UNTIL, locked=True)),
        ({"x-ms-legal-hold": "true"}, Protection(hold=True)),
    ],
    ids=["nothing", "unlocked", "locked", "hold"],
)
def test_what_azure_says_of_a_blob_is_understood(headers: dict[str, str], protection: Protection) -> None:
    with answering(headers) as connection:
        found = connection.protections("evidence").of("a/b")
        connection.close()
    assert found == protection
