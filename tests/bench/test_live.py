"""How fast parts of a memory image come into the archive, and how much memory that takes: a part is fetched into
staging, looked into, and joined by the storage itself. On Azurite, which has its own limits; the figures are printed.
"""

from __future__ import annotations

import gzip
import hashlib
import random
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from local.azurite import Azurite
from local.tenant.model import Tenant
from local.tenant.settings import TenantSettings
from responders._desk import Desk
from shared.clients.interface import Download
from shared.models.action import State
from shared.models.part import Part
from shared.storage.connections import Connection, Location
from shared.storage.provision import provision
from tests.fakes.clients import FakeDevices, FakeDownloads, FakeIncidents
from tests.fakes.storage import FakeClock
from tests.integration.ticking import Clients, ticking
from tests.unit.incidents import action

MIB = 1 << 20
PARTS, SIZE = 4, 64
MOST_MIB = 260
"""What the process may grow by: the storage's client keeps a few blocks in flight, whatever the size of the whole."""


class Served:
    """Downloads of one gzip file, in chunks of a megabyte."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def open(self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "") -> Download:
        del link, seconds, tag
        return Download(self._chunks(start), len(self._packed) - start, start=start)

    def _chunks(self, start: int) -> Iterator[bytes]:
        for at in range(start, len(self._packed), MIB):
            yield self._packed[at : at + MIB]


@pytest.mark.timeout(600)
def test_parts_are_fetched_and_joined(azurite: Azurite) -> None:
    content = random.Random(1).randbytes(SIZE * MIB // 2) + bytes(SIZE * MIB // 2)  # noqa: S311 - made-up memory
    packed, sha256 = gzip.compress(content, 1), hashlib.sha256(content).hexdigest()
    connection = Connection(Location("bench", connection_string=azurite.connection_string))
    provision(connection, containers=["bench", "staging"])
    clock = FakeClock()
    tenant = Tenant(TenantSettings(), clock.now)
    clients = Clients(FakeIncidents(tenant), FakeDevices(tenant), FakeDownloads(tenant), {})
    ports = replace(
        ticking(clock, clients).ports,
        evidence=connection.evidence("bench"),
        staging=connection.evidence("staging"),
        downloads=Served(packed),
    )
    row = action(responder="capture_memory", state=State.FETCHING, version="", machine_action="m")
    desk = Desk(ports, row, clock.now() + timedelta(hours=1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    parts: list[Part] = [
        desk.part("data/memory/m.lime.gz", number, lambda: "x", device=sha256) for number in range(1, PARTS + 1)
    ]
    fetched = time.monotonic()
    desk.join("data/memory/m.lime.gz", parts, kind="capture_memory", media_type="application/gzip")
    joined = time.monotonic()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    received = PARTS * len(packed) / MIB
    speeds = f"fetched at {received / (fetched - begun):.0f} MiB/s, joined at {received / (joined - fetched):.0f} MiB/s"
    print(f"{PARTS} parts, {received:.0f} MiB as received: {speeds}; the process grew by {grown:.0f} MiB")
    assert [part.content_sha256 for part in parts] == [sha256] * PARTS
    assert grown < MOST_MIB
    connection.close()
