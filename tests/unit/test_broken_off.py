"""Downloads by pieces whose connection breaks off again and again: what brings something goes on, for some days."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from responders._archive import RETRY, Archive
from responders._calls import FETCHES, SLOW_FOR
from responders._capture import Leg, Progress
from responders._flow import Flow
from responders._governed import GovernedDevices
from responders._run import run_folder
from shared.clients.interface import Download
from shared.errors import Cause, Incomplete, Throttled, Transient
from shared.models.action import Action, State
from shared.models.archive.custody import NOTED
from tests.fakes.storage import FakeClock
from tests.unit.live_answers import Answering, leg
from tests.unit.order_stand import HOST, INCIDENT, Stand

PACKAGE = "data/package/investigation-package.zip"
BROKEN = [Cause.CUT, Cause.LOST, Cause.LATE, Cause.CONNECTION]


def package(size: int) -> bytes:
    """A zip file of a little more than so many bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as zipped:
        zipped.writestr("a.bin", random.Random(2).randbytes(size))  # noqa: S311 - made up
    return made.getvalue()


@dataclass
class Breaking:
    """Serves `data` in chunks of ten bytes, and ends each connection after `most` of them. Its length is not told, so
    that it comes in pieces. `asked` are the bytes at which each began, and when.
    """

    clock: FakeClock
    data: bytes
    most: int
    cause: Cause = Cause.CUT
    ranges: bool = True
    anew: bool = False
    barren: int = 0
    asked: list[tuple[int, datetime]] = field(default_factory=list)

    def open(self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "") -> Download:
        del link, seconds
        begins = start if self.ranges and tag else 0
        self.asked.append((begins, self.clock.now()))
        if self.barren and not len(self.asked) % self.barren:
            raise Transient("no connection", cause=Cause.CONNECTION)
        data = self.data
        if self.anew:
            data = bytes([len(self.asked) % 256]) + data[1:]
        return Download(self._chunks(data[begins:]), None, begins, '"one"')

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), 10):
            if at >= self.most:
                raise Incomplete("it broke off", cause=self.cause)
            yield data[at : at + 10]


def stand_with(downloads: Breaking, stand: Stand) -> Stand:
    stand.ports = replace(stand.ports, downloads=downloads, piece=100)
    stand.flow = Flow(stand.ports)
    return stand


def collection(stand: Stand) -> Action:
    return next(each for each in stand.ports.ledger.history(INCIDENT) if each.responder == "collect_package")


def ended(stand: Stand, step: float = 60, most: timedelta = SLOW_FOR) -> Action:
    """The collection of a package once it is over."""
    began = stand.clock.now()
    stand.harm(HOST)
    stand.wait(60)
    while not collection(stand).state.final:
        stand.flow.archive()
        stand.clock.advance(step)
        assert stand.clock.now() - began < most
    return collection(stand)


def kept(stand: Stand) -> bytes:
    return b"".join(stand.ports.evidence.read(f"{run_folder(collection(stand))}/{PACKAGE}"))


@pytest.mark.parametrize("cause", BROKEN)
@pytest.mark.parametrize("most", [1000, 90])
def test_what_breaks_off_far_more_often_than_is_tried_in_vain_comes_whole(most: int, cause: Cause) -> None:
    """Each connection brings some of it, ten pieces or less than one; none is begun where another one was."""
    stand = Stand()
    breaking = Breaking(stand.clock, package(20 * most), most, cause)
    assert ended(stand_with(breaking, stand)).state is State.SUCCEEDED
    assert kept(stand) == breaking.data
    assert [start for start, _ in breaking.asked] == list(range(0, len(breaking.data), most))
    assert len(breaking.asked) > 2 * FETCHES
    times = [at for _, at in breaking.asked]
    assert all(later - earlier >= RETRY for earlier, later in pairwise(times))


def test_connections_that_are_not_made_between_are_forgotten_once_one_brings_something() -> None:
    stand = Stand()
    breaking = Breaking(stand.clock, package(2000), 90, barren=2)
    assert ended(stand_with(breaking, stand)).state is State.SUCCEEDED
    assert kept(stand) == breaking.data
    assert len(breaking.asked) > 4 * FETCHES


def test_a_link_that_brings_a_few_bytes_each_time_is_given_up_after_some_days() -> None:
    stand = Stand()
    breaking = Breaking(stand.clock, package(100_000), 10)
    began = stand.clock.now()
    row = ended(stand_with(breaking, stand), step=3600, most=2 * SLOW_FOR)
    assert row.state is State.FAILED
    assert row.detail == "not archived: the answer was cut short: it broke off"
    assert stand.clock.now() - began > SLOW_FOR
    assert len(breaking.asked) > SLOW_FOR / timedelta(hours=1)


def test_a_server_that_cannot_go_on_and_breaks_off_at_the_same_byte_is_given_up_as_before() -> None:
    """Nothing more comes of it than the first time, which is compared each time."""
    stand = Stand()
    breaking = Breaking(stand.clock, package(2000), 90, ranges=False)
    assert ended(stand_with(breaking, stand)).state is State.FAILED
    assert len(breaking.asked) == FETCHES + 1


def test_a_server_that_has_another_thing_each_time_is_not_asked_for_days() -> None:
    """What comes is never joined to what came before, and how often it was begun anew is not forgotten."""
    stand = Stand()
    breaking = Breaking(stand.clock, package(2000), 90, ranges=False, anew=True)
    row = ended(stand_with(breaking, stand))
    assert (row.state, len(breaking.asked)) == (State.FAILED, 2 * FETCHES)
    folder = run_folder(row)
    assert not stand.ports.evidence.head(f"{folder}/{PACKAGE}")
    events = [b"".join(stand.ports.evidence.read(each)) for each in stand.ports.evidence.names(f"{folder}/custody/")]
    assert sum(f'"{NOTED}"'.encode() in each and b"two downloads of it differ" in each for each in events) == FETCHES


def test_what_breaks_off_and_is_no_package_either_is_kept_as_it_came_the_last_time() -> None:
    """It was whole so often, and refused: that its connections broke between is no reason to ask for days."""
    stand = Stand()
    breaking = Breaking(stand.clock, random.Random(3).randbytes(250), 90)  # noqa: S311 - made up
    row = ended(stand_with(breaking, stand))
    assert row.state is State.UNAVAILABLE
    assert "not a zip file" in row.detail
    assert kept(stand) == breaking.data
    assert len(breaking.asked) == 3 * FETCHES


class Scarce(Breaking):
    """Whose link is refused every second time, for the tenant's budget is used up."""

    def open(self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "") -> Download:
        self.barren += 1
        if not self.barren % 2:
            raise Throttled("the budget is used up", 30.0)
        self.barren, before = 0, self.barren
        try:
            return super().open(link, seconds, start=start, tag=tag)
        finally:
            self.barren = before


def test_waiting_for_a_budget_between_is_no_attempt() -> None:
    stand = Stand()
    breaking = Scarce(stand.clock, package(2000), 90)
    assert ended(stand_with(breaking, stand)).state is State.SUCCEEDED
    assert kept(stand) == breaking.data


def test_so_do_results_of_live_response_whose_connections_break() -> None:
    """A bundle, and every part of an image: they have nothing but pieces."""
    stand = Stand()
    breaking = Breaking(stand.clock, random.Random(4).randbytes(2000), 90)  # noqa: S311 - made up
    devices = GovernedDevices(Answering(b"x"), stand.ports.governor)
    stand_with(breaking, stand)
    stand.ports = replace(stand.ports, devices=devices)
    now, known = stand.clock.now(), Progress(leg=Leg.FETCH, path="/root/x.tar.gz", folder="/root", packed=False)
    row = leg("collect_logs", known.model_dump_json())
    row = row.model_copy(update={"device": HOST, "version": "", "since": now, "created": now, "due": now})
    assert stand.ports.ledger.add(row)
    for _ in range(3 * FETCHES):
        Archive(stand.ports).run(stand.clock.now() + stand.ports.settings.TIME_BUDGET)
        stand.clock.advance(60)
    found = stand.ports.ledger.action(row.incident, row.key)
    assert found
    assert (found.state, Progress.model_validate_json(found.progress).leg) == (State.PLANNED, Leg.CLEAN)
    names = [each for each in stand.ports.evidence.names(run_folder(row)) if each.endswith(".tar.gz")]
    assert [b"".join(stand.ports.evidence.read(each)) for each in names] == [breaking.data]
