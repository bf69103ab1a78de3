"""What a process takes that is told of eight downloads at once, as the host does it: `AT_ONCE_MIB=256` for other sizes.

The flow itself, over the ledger in memory, a link on this machine and Azurite; every message that finds no place comes
again. Without the rule, and with the C library's own ways, another process shows what both are good for.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread

import pytest

from responders._flow import Flow
from responders._interface import Desk, Finished, Gathered
from responders.collect_package import CollectPackage
from shared.clients.downloads import LinkDownloads
from shared.clients.web import session
from shared.models.action import Action
from shared.storage.allocation import give_back_large
from shared.storage.connections import Connection, Location
from tests.bench.test_transfer import ROOT, Place, place, resident
from tests.unit import archived
from tests.unit.order_stand import Stand

__all__ = ["place"]

AT_ONCE = 8
SIZES = [int(size) for size in os.environ.get("AT_ONCE_MIB", "6,128").split(",")]

HALF = 256
"""MiB: half of the smallest instance."""

_ALONE = """
import sys
from tests.bench.test_archive_at_once import eight
eight(*sys.argv[1:])
"""


class Linked(CollectPackage):
    """Keeps what lies behind one link."""

    def __init__(self, link: str) -> None:
        self.link = link

    def gather(self, action: Action, desk: Desk) -> Gathered:
        del action
        kept = desk.fetch("data/file", lambda: self.link, kind="bench", media_type="x/y", check=iter)
        return Finished((kept,))


def stand(connection: Connection, link: str, first: int) -> Stand:
    """One instance with eight rows that are due, of incidents from `first` on."""
    made = Stand()
    made.ports = replace(
        made.ports,
        evidence=connection.evidence("evidence"),
        staging=connection.evidence("staging"),
        downloads=LinkDownloads([], session(), loopback=True),
        responders={**made.ports.responders, "collect_package": Linked(link)},
    )
    now = made.clock.now()
    for number in range(first, first + AT_ONCE):
        row = archived.action(incident=f"{number}", created=now, since=now, due=now - timedelta(seconds=1))
        made.ports.ledger.add(row)
    return made


def eight(connection_string: str, link: str, first: str, rule: str) -> None:
    """In a process of its own: prints the largest size that it had (`VmHWM`, MiB), before and at the end."""
    connection = Connection(Location("bench", connection_string=connection_string))
    if rule == "few":
        give_back_large()
    made = stand(connection, link, int(first))
    _as_a_worker_that_was_there_before()
    before, begun = resident(), time.perf_counter()
    flow = Flow(made.ports)

    def told(number: int) -> None:
        each = flow if rule == "few" else Flow(made.ports)
        while made.ports.ledger.due(made.clock.now()):
            each.archive(f"{number}")
            time.sleep(0.05)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(told, range(AT_ONCE)))
    print(before, resident(), f"{time.perf_counter() - begun:.1f}")


def _as_a_worker_that_was_there_before() -> None:
    """Threads that have taken memory before our first call: the C library keeps some for each."""
    ready: list[Event] = [Event() for _ in range(AT_ONCE)]

    def live(mine: Event) -> Callable[[], object]:
        held = [bytes(1000) for _ in range(1000)]
        mine.set()
        Event().wait()
        return held.clear

    for each in ready:
        Thread(target=live, args=(each,), daemon=True).start()
        each.wait()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("place", SIZES, indirect=True, ids=lambda size: f"{size} MiB")
def test_eight_at_once_take_half_of_a_small_instance_at_most(place: Place) -> None:
    peaks = {}
    for rule, first in (("few", 1000), ("all", 2000)):
        given = (place.azurite.connection_string, place.link, str(first * place.size), rule)
        command = [sys.executable, "-c", _ALONE, *given]
        alone = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        before, peak, seconds = alone.stdout.split()
        peaks[rule] = int(peak)
        print(f"\n{AT_ONCE} of {place.size} MiB, {rule} at once: {before} MiB before, {peak} at the most; {seconds} s")
    assert peaks["few"] <= HALF
