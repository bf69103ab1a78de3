"""How fast a download comes into the archive, side by side in one run with `rclone copyurl` and a plain `upload_blob`.

All read the same link on this machine and write into the same Azurite, in turns that change their order. Azurite is the
ceiling, and everything shares the machine: what counts is the ratio, and the processor time of each side. rclone reads
nothing again, so ours is told twice: to the commit, with SHA-256 in flight, and with the reading at rest; and rclone
likewise, with a `rclone cat` that is hashed. `TRANSFER_MIB=1024,4096` takes other sizes, `TRANSFER_ROUNDS=1` one round.
"""

import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from local.azurite import Azurite
from local.azurite.launcher import KEY
from responders._desk import Desk
from shared.clients.downloads import LinkDownloads
from shared.clients.web import session
from shared.storage.connections import Connection, Location
from shared.storage.evidence import BlobEvidence
from shared.storage.provision import provision
from tests.unit.archived import Archived

MEBI = 1024 * 1024
ROUNDS = int(os.environ.get("TRANSFER_ROUNDS", "3"))
SIZES = [int(size) for size in os.environ.get("TRANSFER_MIB", "1,48,256").split(",")]
LIMIT = 150
"""MiB that a process may take, whatever the size."""

ROOT = Path(__file__).parents[2]

SERVER = """
import http.server, os, re, sys
class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_HEAD(self): self.answer(body=False)
    def do_GET(self): self.answer(body=True)
    def answer(self, body):
        size = os.path.getsize(sys.argv[1])
        match = re.match(r"bytes=(\\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        self.send_response(206 if match else 200)
        self.send_header("Content-Length", str(size - start))
        self.send_header("ETag", '"one"')
        if match: self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        if body:
            with open(sys.argv[1], "rb") as file:
                self.wfile.flush()
                self.connection.sendfile(file, start)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
print(server.server_address[1], flush=True)
server.serve_forever()
"""

_ALONE = """
import sys
from tests.bench.test_transfer import ours_alone
ours_alone(*sys.argv[1:])
"""


@dataclass(frozen=True)
class Place:
    """Azurite, and a link to a file of `size` MiB."""

    azurite: Azurite
    connection: Connection
    link: str
    size: int


@pytest.fixture(params=SIZES, ids=lambda size: f"{size} MiB")
def place(request: pytest.FixtureRequest, azurite: Azurite, tmp_path: Path) -> Iterator[Place]:
    size: int = request.param
    path = tmp_path / "file"
    random = os.urandom(MEBI - 8)
    with path.open("wb") as file:
        for number in range(size):
            file.write(random + number.to_bytes(8, "big"))
    connection = Connection(Location("bench", connection_string=azurite.connection_string))
    provision(connection, containers=["evidence", "staging", "others"])
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(path)], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    yield Place(azurite, connection, f"http://127.0.0.1:{server.stdout.readline().strip()}/file", size)
    server.terminate()
    server.wait()
    server.stdout.close()
    connection.close()
    path.unlink()


class Watched(BlobEvidence):
    """The archive, which notes when something large is first read: it was committed just before."""

    committed = 0.0

    def read(self, name: str, *, start: int = 0) -> Iterator[bytes]:
        if "/data/" in name:
            self.committed = time.perf_counter()
        return super().read(name, start=start)


def archived(connection: Connection, link: str, size: int, number: int) -> Watched:
    """Through the desk, as a responder does."""
    run = Archived()
    run.action = run.action.model_copy(update={"incident": f"{size}{number}"})
    run.ports.evidence = watched = Watched(connection.blobs.get_container_client("evidence"))
    run.ports.staging = connection.evidence("staging")
    run.ports.downloads = LinkDownloads([], session(), loopback=True)
    desk = Desk(run.ports, run.action, run.clock.now() + timedelta(hours=1))
    kept = desk.fetch("data/file", lambda: link, kind="bench", media_type="x/y", check=iter)
    assert kept.size == size * MEBI
    return watched


def ours_alone(connection_string: str, link: str, size: str) -> None:
    """In a process of its own: prints the largest size that it had (`VmHWM`, MiB), before and at the end."""
    connection = Connection(Location("bench", connection_string=connection_string))
    before = resident()
    archived(connection, link, int(size), 999)
    print(before, resident())


def resident() -> int:
    """The largest size that this process had so far: MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) // 1024


@dataclass
class Took:
    """What each round of one way took: wall seconds, and processor seconds of the client and of Azurite."""

    walls: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)
    azurite: list[float] = field(default_factory=list)


class Ways:
    """What is compared. Each gives the wall seconds of its parts by name."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def source(self, _number: int) -> Mapping[str, float]:
        begun = time.perf_counter()
        with requests.get(self.place.link, stream=True, timeout=60) as response:
            for _ in response.iter_content(MEBI):
                pass
        return {"the link alone": time.perf_counter() - begun}

    def ours(self, number: int) -> Mapping[str, float]:
        begun = time.perf_counter()
        watched = archived(self.place.connection, self.place.link, self.place.size, number)
        ended = time.perf_counter()
        return {"ours, to the commit": watched.committed - begun, "ours, read at rest": ended - begun}

    def rclone(self, number: int) -> Mapping[str, float]:
        target = f"az:others/rclone-{self.place.size}-{number}"
        begun = time.perf_counter()
        with self._rclone("copyurl", "--retries", "1", self.place.link, target) as copying:
            assert copying.wait() == 0
        copied = time.perf_counter()
        digest, size = hashlib.sha256(), 0
        with self._rclone("cat", target) as reading:
            assert reading.stdout
            while piece := reading.stdout.read(MEBI):
                digest.update(piece)
                size += len(piece)
        assert size == self.place.size * MEBI
        return {"rclone copyurl": copied - begun, "rclone, read again": time.perf_counter() - begun}

    def _rclone(self, *arguments: str) -> subprocess.Popen[bytes]:
        signature = generate_container_sas(
            "devstoreaccount1",
            "others",
            account_key=KEY,
            permission=ContainerSasPermissions(read=True, write=True, list=True, create=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        config = {
            "RCLONE_CONFIG_AZ_TYPE": "azureblob",
            "RCLONE_CONFIG_AZ_SAS_URL": f"{self.place.azurite.blob_url}/others?{signature}",
        }
        command = [shutil.which("rclone") or "", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **config})

    def plain(self, number: int) -> Mapping[str, float]:
        blob = self.place.connection.blobs.get_blob_client("others", f"plain-{self.place.size}-{number}")
        begun = time.perf_counter()
        with requests.get(self.place.link, stream=True, timeout=60) as response:
            blob.upload_blob(response.iter_content(MEBI), length=self.place.size * MEBI)
        return {"upload_blob": time.perf_counter() - begun}


def _processor(place: Place) -> tuple[float, float]:
    """Processor seconds of this process with its children, and of Azurite."""
    own = time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    return own, _of_azurite(place.azurite.location)


def _of_azurite(location: Path) -> float:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if command.startswith((b"node", b"/")) and str(location).encode() in command and b"azurite" in command:
                fields = (process / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
                return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            continue
    return 0.0


@pytest.mark.timeout(3600)
def test_a_transfer_beside_rclone_and_a_plain_upload(place: Place) -> None:
    ways = Ways(place)
    turns = [ways.source, ways.ours, ways.plain, *([ways.rclone] if shutil.which("rclone") else [])]
    took: dict[str, Took] = {}
    loads = []
    for number in range(ROUNDS):
        for way in turns if number % 2 else reversed(turns):
            own, azurites = _processor(place)
            parts = way(number)
            after = _processor(place)
            loads.append(os.getloadavg()[0])
            for name, seconds in parts.items():
                found = took.setdefault(name, Took())
                found.walls.append(seconds)
                found.client.append(after[0] - own)
                found.azurite.append(after[1] - azurites)
    command = [sys.executable, "-c", _ALONE, place.azurite.connection_string, place.link, str(place.size)]
    alone = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    before, peak = map(int, alone.stdout.split())
    print(f"\n{place.size} MiB; load {min(loads):.1f} to {max(loads):.1f}")
    print(f"  a process of ours: {before} MiB before, {peak} MiB at the most")
    print(f"  {'MiB/s':22}{'best':>8}{'median':>8}{'worst':>8}   processor ms/MiB, client and Azurite (least)")
    for name, each in sorted(took.items(), key=lambda item: min(item[1].walls)):
        speeds = [place.size / wall for wall in (min(each.walls), statistics.median(each.walls), max(each.walls))]
        spent = [1000 * min(of) / place.size for of in (each.client, each.azurite)]
        print(f"  {name:22}{speeds[0]:8.0f}{speeds[1]:8.0f}{speeds[2]:8.0f}{spent[0]:10.2f}{spent[1]:8.2f}")
    assert peak <= LIMIT
