"""How fast parts of a memory image come into the archive, and how much memory that takes: a part is fetched into
staging, looked into, and joined by the storage itself. On Azurite, which has its own limits; the figures are printed.
"""

from __future__ import annotations

import gzip
import hashlib
import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from local.azurite import Azurite
from responders._desk import Desk
from shared.clients.downloads import LinkDownloads
from shared.clients.web import session
from shared.storage.allocation import give_back_large
from shared.storage.connections import Connection, Location
from shared.storage.provision import provision
from tests.bench.test_transfer import LIMIT, ROOT, SERVER, resident
from tests.unit.archived import Archived

MIB = 1 << 20
PARTS, SIZE = 4, 64
NAME = "data/memory/m.lime.gz"

_ALONE = """
import sys
from tests.bench.test_live import parts_alone
parts_alone(*sys.argv[1:])
"""


def parts_alone(connection_string: str, link: str, sha256: str) -> None:
    """In a process of its own: prints the largest size that it had (`VmHWM`, MiB), before and at the end, and the
    seconds that fetching and joining took.
    """
    assert give_back_large()  # as the app does when it starts
    connection = Connection(Location("bench", connection_string=connection_string))
    run = Archived()
    run.ports.evidence, run.ports.staging = connection.evidence("evidence"), connection.evidence("staging")
    run.ports.downloads = LinkDownloads([], session(), loopback=True)
    desk = Desk(run.ports, run.action, run.clock.now() + timedelta(hours=1))
    before, begun = resident(), time.monotonic()
    parts = [desk.part(NAME, number, lambda: link, device=sha256) for number in range(1, PARTS + 1)]
    fetched = time.monotonic()
    desk.join(NAME, parts, kind="capture_memory", media_type="application/gzip")
    assert [part.content_sha256 for part in parts] == [sha256] * PARTS
    print(before, resident(), fetched - begun, time.monotonic() - fetched)


@pytest.mark.timeout(600)
def test_parts_are_fetched_and_joined(azurite: Azurite, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(SIZE * MIB // 2) + bytes(SIZE * MIB // 2)  # noqa: S311 - made-up memory
    packed, sha256 = gzip.compress(content, 1), hashlib.sha256(content).hexdigest()
    (tmp_path / "part").write_bytes(packed)
    connection = Connection(Location("bench", connection_string=azurite.connection_string))
    provision(connection, containers=["evidence", "staging"])
    connection.close()
    serving = [sys.executable, "-c", SERVER, str(tmp_path / "part")]
    with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        link = f"http://127.0.0.1:{server.stdout.readline().strip()}/part"
        command = [sys.executable, "-c", _ALONE, azurite.connection_string, link, sha256]
        alone = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        server.terminate()
    before, peak, fetching, joining = map(float, alone.stdout.split())
    received = PARTS * len(packed) / MIB
    speeds = f"fetched at {received / fetching:.0f} MiB/s, joined at {received / joining:.0f} MiB/s"
    print(f"\n{PARTS} parts, {received:.0f} MiB as received: {speeds}")
    print(f"  a process of ours: {before:.0f} MiB before, {peak:.0f} MiB at the most")
    assert peak <= LIMIT
