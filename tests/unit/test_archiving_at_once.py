"""Calls of one process that archive at the same time: only some of them hold blocks in memory."""

import math
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from responders._archive import Archive
from responders._calls import FETCHES, SLOW_FOR
from responders._capture import Leg, Progress
from responders._flow import Flow
from responders._governed import GovernedDevices
from responders._interface import Desk, Finished, Gathered
from responders._ports import ARCHIVE, OVERDUE
from responders._wiring import once
from responders.collect_package import CollectPackage
from responders.tag import Tag
from shared.clients.interface import Download
from shared.errors import Cause, Incomplete
from shared.models.action import Action, State
from shared.storage.allocation import give_back_large
from tests.fakes.storage import FakeClock
from tests.unit.incidents import action
from tests.unit.live_answers import Answering, leg
from tests.unit.order_stand import HOST, INCIDENT, OTHER, THIRD, Stand


class Meeting(CollectPackage):
    """While it gathers, another message arrives at the same process."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = meanwhile
        self.gathering = 0
        self.most = 0

    def gather(self, action: Action, desk: Desk) -> Gathered:
        self.gathering += 1
        self.most = max(self.most, self.gathering)
        if self.most == 1 and self.gathering == 1:
            self.meanwhile()
        found = super().gather(action, desk)
        self.gathering -= 1
        return found


def collection(stand: Stand) -> Action:
    return next(each for each in stand.ports.ledger.history(INCIDENT) if each.responder == "collect_package")


def met(text: str) -> tuple[Stand, Meeting, list[list[str]]]:
    """A stand on which a message with this text came while a package was archived, and what it left in the queue."""
    stand, left = Stand(), list[list[str]]()

    def meanwhile() -> None:
        before = stand.ports.queues.waiting(ARCHIVE)  # type: ignore[attr-defined] # a fake's
        row = collection(stand)
        stand.flow.archive(text)
        assert collection(stand) == row  # neither claimed nor counted
        left.append(stand.ports.queues.waiting(ARCHIVE)[len(before) :])  # type: ignore[attr-defined] # likewise

    meeting = Meeting(meanwhile)
    stand.ports = replace(stand.ports, responders={**stand.ports.responders, "collect_package": meeting})
    stand.flow = Flow(stand.ports, places=1)
    stand.harm(HOST)
    stand.wait(300)
    return stand, meeting, left


def test_a_message_that_comes_meanwhile_comes_again_and_nothing_is_counted() -> None:
    stand, meeting, left = met("one")
    assert left[0] == ["one"]
    assert meeting.most == 1
    assert collection(stand).state is State.SUCCEEDED
    stand.wait(30)
    assert stand.ports.queues.waiting(ARCHIVE) == []  # type: ignore[attr-defined] # a fake's


def test_a_reminder_is_not_sent_again_since_follow_sends_another() -> None:
    """Else they would add up while something large comes."""
    stand, meeting, left = met(OVERDUE)
    assert left[0] == []
    assert meeting.most == 1
    assert collection(stand).state is State.SUCCEEDED


def test_a_call_that_ends_with_a_defect_leaves_the_place_free() -> None:
    stand = Stand()
    once = [KeyError("defect")]

    def meanwhile() -> None:
        if once:
            raise once.pop()

    meeting = Meeting(meanwhile)
    stand.ports = replace(stand.ports, responders={**stand.ports.responders, "collect_package": meeting})
    stand.flow = Flow(stand.ports, places=1)
    stand.harm(HOST)
    with pytest.raises(KeyError):
        stand.wait(300)
    stand.wait(1500)
    assert collection(stand).state is State.SUCCEEDED


def test_the_calls_of_a_cold_start_share_one_flow() -> None:
    """Each with its own would be each with a place of its own."""
    many = 8
    together = threading.Barrier(many)

    @once
    def made() -> object:
        threading.Event().wait(0.05)
        return object()

    def call(_number: int) -> object:
        together.wait()
        return made()

    with ThreadPoolExecutor(many) as pool:
        assert len(set(pool.map(call, range(many)))) == 1


def test_what_cannot_be_built_is_tried_again() -> None:
    errors = [KeyError("a setting")]

    @once
    def made() -> object:
        if errors:
            raise errors.pop()
        return object()

    with pytest.raises(KeyError):
        made()
    assert made() is made()


class Tagging(Tag):
    """A tag that counts as set, whatever Graph says."""

    def gather(self, action: Action, desk: Desk) -> Gathered:
        del action, desk
        return Finished(())


def fetching(stand: Stand, responder: str, **members: Any) -> Action:  # noqa: ANN401 - whatever an action has
    """A row that waits to be archived."""
    now = stand.clock.now()
    made = action(responder=responder, state=State.FETCHING, created=now, since=now, due=now, attempt=1, **members)
    assert stand.ports.ledger.add(made)
    return made


def stands(stand: Stand, row: Action) -> Action:
    found = stand.ports.ledger.action(row.incident, row.key)
    assert found
    return found


def test_what_fetches_nothing_from_a_device_waits_for_no_download() -> None:
    """It holds no blocks. The message comes again all the same: what it is about may be another download."""
    stand, seen = Stand(), list[list[State]]()

    def meanwhile() -> None:
        if seen:
            return
        rows = [fetching(stand, "tag", incident="8"), fetching(stand, "collect_package", incident="9")]
        stand.flow.archive("one")
        seen.append([stands(stand, row).state for row in rows])

    meeting = Meeting(meanwhile)
    changed = {**stand.ports.responders, "collect_package": meeting, "tag": Tagging()}
    stand.ports = replace(stand.ports, responders=changed)
    stand.flow = Flow(stand.ports, places=1)
    stand.harm(HOST)
    stand.wait(60)
    assert seen == [[State.SUCCEEDED, State.FETCHING]]


class Slow(CollectPackage):
    """Downloads that are never over in one call, but for those of one device; `seen` are the devices, by turn."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.seen: list[str] = []

    def gather(self, action: Action, desk: Desk) -> Gathered:
        self.seen.append(action.device)
        if action.device == OTHER:
            return Finished(())
        self.clock.advance(math.ceil(desk.left()) + 1)
        raise Incomplete("the time of one call ran out", cause=Cause.TIME)


@pytest.mark.parametrize("place", range(3))
def test_downloads_of_many_calls_let_another_incident_come_between(place: int) -> None:
    """However many there are, and however much graver: each has one call before what is over in a moment. Which of
    them is begun with is left to the clock.
    """
    stand = Stand()
    stand.clock.advance(place / 1_000_000)
    slow = Slow(stand.clock)
    stand.ports = replace(stand.ports, responders={**stand.ports.responders, "collect_package": slow})
    flow = Flow(stand.ports)
    for device in (HOST, THIRD):
        fetching(stand, "collect_package", device=device, severity=4)
    quick = fetching(stand, "collect_package", device=OTHER, incident="8", severity=3)
    for _ in range(3):
        flow.archive()
    assert OTHER in slow.seen[:3]
    assert stands(stand, quick).state is State.SUCCEEDED


class Trickle:
    """Downloads of which a second brings ten bytes; nobody lives to see their end. Every so many bring nothing in all
    the time of a call.
    """

    def __init__(self, clock: FakeClock, barren: int = 0) -> None:
        self.clock = clock
        self.barren = barren
        self.opened = 0

    def open(self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "") -> Download:
        del link, seconds
        self.opened += 1
        nothing = self.barren and not self.opened % self.barren
        return Download(self._chunks(1000 if nothing else 1), None, start, tag or "one")

    def _chunks(self, seconds: float) -> Iterator[bytes]:
        while True:
            self.clock.advance(seconds)
            yield bytes(10)


@pytest.mark.parametrize("barren", [0, 2])
def test_what_trickles_in_is_given_up_after_some_days(barren: int) -> None:
    """Calls bring something, and for days that is reason enough to go on, however many of them bring nothing."""
    stand = Stand()
    trickle = Trickle(stand.clock, barren)
    stand.ports = replace(stand.ports, downloads=trickle)
    stand.flow = Flow(stand.ports)
    began = stand.clock.now()
    stand.harm(HOST)
    stand.wait(60)
    while not (row := collection(stand)).state.final:
        stand.flow.archive()
        stand.clock.advance(60)
        assert stand.clock.now() - began < 2 * SLOW_FOR
    assert row.state is State.FAILED
    assert "longer than one call may take" in row.detail
    assert stand.clock.now() - began > SLOW_FOR
    assert trickle.opened > 100


@pytest.mark.parametrize("start", [True, False])
def test_a_result_of_live_response_that_trickles_is_given_up_too(start: bool) -> None:
    """Whether its server goes on from a byte or begins anew each time; and others come between."""

    class Anew(Trickle):
        def open(self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "") -> Download:
            return replace(super().open(link, seconds, start=start, tag=tag), start=0)

    stand = Stand()
    downloads = (Trickle if start else Anew)(stand.clock)
    devices = GovernedDevices(Answering(b"x"), stand.ports.governor)
    stand.ports = replace(stand.ports, downloads=downloads, devices=devices)
    now, known = stand.clock.now(), Progress(leg=Leg.FETCH, path="/root/x.tar.gz", folder="/root", packed=False)
    row = leg("collect_logs", known.model_dump_json())
    row = row.model_copy(update={"device": HOST, "version": "", "since": now, "created": now, "due": now})
    assert stand.ports.ledger.add(row)
    calls = 0
    while not stands(stand, row).state.final:
        Archive(stand.ports).run(stand.clock.now() + stand.ports.settings.TIME_BUDGET)
        stand.clock.advance(700)
        calls += 1
        assert calls < 2 * SLOW_FOR / stand.ports.settings.TIME_BUDGET
    assert stands(stand, row).state is State.FAILED
    assert (calls > FETCHES + 1) == start  # the first one brought something in any case
    assert "longer than one call may take" in stands(stand, row).detail


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library of Linux")
def test_large_blocks_go_back_to_the_system() -> None:
    assert give_back_large()
