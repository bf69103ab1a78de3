"""Calls of one process that archive at the same time: only one of them holds blocks in memory."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from responders._flow import Flow
from responders._interface import Desk, Gathered
from responders._ports import ARCHIVE, OVERDUE
from responders._wiring import once
from responders.collect_package import CollectPackage
from shared.models.action import Action, State
from shared.storage.allocation import give_back_large
from tests.unit.order_stand import HOST, INCIDENT, Stand


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
    stand.flow = Flow(stand.ports)
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
    stand.flow = Flow(stand.ports)
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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library of Linux")
def test_large_blocks_go_back_to_the_system() -> None:
    assert give_back_large()
