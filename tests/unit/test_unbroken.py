"""A download that goes straight into the archive: on from where it broke off, or by pieces where it is too slow."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from responders._calls import FETCHES
from responders._unbroken import TIMES
from shared.clients.interface import Download
from shared.errors import Cause, Incomplete, LinkExpired
from shared.storage.interface import Stored
from tests.fakes.storage import FakeEvidence
from tests.unit.archived import Archived, Served
from tests.unit.test_transfer import DATA, NAME, Server, fetched, gathered, sha256, sweep, told

STRAIGHT = 10_000


def run_with(server: Callable[..., Download]) -> Archived:
    return Archived(downloads=Served(server), straight=STRAIGHT)


def slowed(run: Archived, server: Server, seconds: float) -> Callable[..., Download]:
    """The server, each of whose chunks takes so long."""

    def opening(where: str, start: int, tag: str) -> Download:
        opened = server(where, start, tag)

        def chunks() -> Iterator[bytes]:
            for chunk in opened.chunks:
                run.clock.advance(seconds)
                yield chunk

        return Download(chunks(), opened.length, opened.start, opened.tag, opened.date)

    return opening


def in_pieces(run: Archived) -> int:
    return sum(len(data) == 100 for _, data in run.staging.stored.values())


def test_what_is_not_large_is_written_once() -> None:
    run = run_with(Server())
    assert fetched(run) == sha256(DATA)
    assert (run.objects[NAME], in_pieces(run)) == (DATA, 0)
    assert run.checked_after_close().whole


def test_a_download_that_breaks_off_goes_on_at_that_byte_and_says_so() -> None:
    server = Server(cuts=[250, 350, None])
    run = run_with(server)
    assert fetched(run) == sha256(DATA)
    assert [start for start, _ in server.asked] == [0, 250, 600]
    assert {tag for _, tag in server.asked[1:]} == {f'"{sha256(DATA)[:8]}"'}
    assert told(run) == ["went on after: cut"] * 2
    assert run.checked_after_close().whole


def test_a_server_that_does_not_go_on_is_asked_anew_and_nothing_is_mixed() -> None:
    run = run_with(Server(cuts=[550, None], ranges=False))
    with pytest.raises(Incomplete, match="did not go on from byte 550"):
        fetched(run)
    assert NAME not in run.objects
    assert fetched(run) == sha256(DATA)
    assert told(run)[-1] == "begun anew, in pieces: it did not come to its end in one go"


def test_another_thing_under_the_same_link_is_never_its_rest() -> None:
    """The tag is of the first one, so the server begins anew."""
    first, second = Server(b"x" * 1000, cuts=[450]), Server()
    served = iter([first, second, second])

    def serve(where: str, start: int, tag: str) -> Download:
        return next(served)(where, start, tag)

    run = run_with(serve)
    with pytest.raises(Incomplete):
        fetched(run)
    assert fetched(run) == sha256(DATA)


@pytest.mark.parametrize("length", [True, False])
def test_the_rest_of_a_thing_of_another_length_is_not_its_rest(length: bool) -> None:
    """Nor of one whose length is no longer told."""
    first, second = Server(DATA[:800], etag='"t"', cuts=[450]), Server(DATA[:900], length=length, etag='"t"')
    served = iter([first, second])

    def serve(where: str, start: int, tag: str) -> Download:
        return next(served)(where, start, tag)

    with pytest.raises(Incomplete, match="no longer says that it has 800 bytes") as other:
        fetched(run_with(serve))
    assert other.value.cause is Cause.CONTENT


def test_what_would_not_end_within_the_call_comes_in_pieces() -> None:
    """That shows after the first piece, and what the call has left is used, to the last chunk of it."""
    server = Server()
    run = run_with(server)
    run.downloads.opening = slowed(run, server, 1)
    desk = run.desk(timedelta(seconds=60))
    with pytest.raises(Incomplete):
        desk.fetch(NAME, lambda: "https://x/1", kind="memory", media_type="x/y", check=iter)
    assert (in_pieces(run), desk.moved) == (4, True)
    assert fetched(run, timedelta(seconds=100)) == sha256(DATA)
    assert [start for start, _ in server.asked] == [0, 0, 490]


def test_a_server_that_breaks_off_at_every_byte_is_left_alone() -> None:
    server = Server(cuts=[10] * 1000)
    with pytest.raises(Incomplete, match="cut"):
        fetched(run_with(server))
    assert len(server.asked) == TIMES + 1


def test_a_download_that_brings_nothing_is_not_asked_for_again() -> None:
    server = Server(cuts=[0] * 10)
    with pytest.raises(Incomplete, match="cut"):
        fetched(run_with(server))
    assert len(server.asked) == 1


def test_a_link_that_expired_in_the_middle_is_asked_for_by_the_next_call() -> None:
    server = Server(cuts=[250])

    def serve(where: str, start: int, tag: str) -> Download:
        if start and not expired:
            expired.append(1)
            raise LinkExpired("gone")
        return server(where, start, tag)

    expired: list[int] = []
    run = run_with(serve)
    with pytest.raises(LinkExpired):
        fetched(run)
    assert fetched(run) == sha256(DATA)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_worker_may_die_at_any_call(side: str) -> None:
    """Whoever comes next ends it, and no download is taken for whole that was not."""
    crashes = 0
    for number, run in sweep(side, lambda: run_with(Server(DATA[:350]))):
        crashes += 1
        gathered(run)
        assert run.checked().findings == [], number
        assert run.objects[NAME] == DATA[:350], number
    assert crashes >= 80


@contextmanager
def no_collector() -> Iterator[None]:
    """What goes now goes by itself: blocks of 8 MiB do not wait for the collector of cycles."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_a_connection_that_is_too_slow_is_closed_before_another_one_is_opened() -> None:
    server = Server()
    run = run_with(server)
    opened, closed = list[int](), list[int]()

    def opening(where: str, start: int, tag: str) -> Download:
        assert len(closed) == len(opened)
        opened.append(start)
        slow = slowed(run, server, 1)(where, start, tag)

        def chunks() -> Iterator[bytes]:
            try:
                yield from slow.chunks
            finally:
                closed.append(start)

        return replace(slow, chunks=chunks())

    run.downloads.opening = opening
    with no_collector(), suppress(Incomplete):
        fetched(run, timedelta(seconds=60))
    assert (opened, in_pieces(run) > 0) == ([0, 0], True)


class Held:
    """What a check has in memory."""


def test_what_the_last_check_held_is_gone_when_it_is_kept_as_it_came() -> None:
    held: list[weakref.ref[Held]] = []

    class Joins(FakeEvidence):
        def join_once(self, *args: Any, **options: Any) -> Stored:  # noqa: ANN401 - as they are
            assert not any(each() for each in held)
            return super().join_once(*args, **options)

    def check(chunks: Iterable[bytes]) -> Iterator[bytes]:
        mine = Held()
        held.append(weakref.ref(mine))
        yield from chunks
        raise Incomplete("it is not what it should be", cause=Cause.CONTENT)

    run = Archived(downloads=Served(Server()), evidence=Joins())
    run.action = run.action.model_copy(update={"fetches": FETCHES})
    with no_collector():
        kept = run.desk().fetch(NAME, lambda: "https://x/1", kind="p", media_type="x/y", check=check)
    assert (len(held), kept.whole) == (1, False)
