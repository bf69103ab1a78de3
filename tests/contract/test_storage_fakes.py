"""What the fakes have beyond their ports: hooks at which a simulation crashes, loses answers and lets others in."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.storage.interface import Conflict, Insert, Piece, Put, Replace
from tests.fakes.storage import FakeClock, FakeDocuments, FakeEvidence, FakePages, FakeQueues, FakeRows


class CrashError(Exception):
    """Made by a hook."""


def crash(_call: str) -> None:
    raise CrashError


def calls_of(before: Callable[[str], None], after: Callable[[str], None]) -> dict[str, Callable[[], object]]:
    """One writing call to each fake, and a look at what it left."""
    clock = FakeClock()
    rows, documents = FakeRows(before=before, after=after), FakeDocuments(before=before, after=after)
    queues = FakeQueues(clock.now, ["q"], before=before, after=after)
    evidence, pages = FakeEvidence(before=before, after=after), FakePages(before=before, after=after)
    return {
        "rows.commit": lambda: rows.commit("p", [Insert("k", "")]),
        "rows": lambda: rows.stored,
        "documents.create": lambda: documents.create("d", b""),
        "documents": lambda: documents.stored,
        "queues.send": lambda: queues.send("q", ""),
        "queues": lambda: queues.waiting("q"),
        "evidence.write_once": lambda: evidence.write_once("e", [b""], metadata={}),
        "evidence": lambda: evidence.stored,
        "pages.put": lambda: pages.put("p", b"", media_type="a/b"),
        "pages": lambda: pages.stored,
    }


WRITES = ["rows.commit", "documents.create", "queues.send", "evidence.write_once", "pages.put"]


@pytest.mark.parametrize("call", WRITES)
def test_a_crash_before_a_call_leaves_nothing_done(call: str) -> None:
    calls = calls_of(crash, lambda _: None)
    with pytest.raises(CrashError):
        calls[call]()
    assert not calls[call.partition(".")[0]]()


@pytest.mark.parametrize("call", WRITES)
def test_a_crash_after_a_call_leaves_it_done(call: str) -> None:
    calls = calls_of(lambda _: None, crash)
    with pytest.raises(CrashError):
        calls[call]()
    assert calls[call.partition(".")[0]]()


def test_hooks_are_told_each_call_by_name() -> None:
    heard: list[str] = []
    calls = calls_of(lambda call: heard.append(f"before {call}"), lambda call: heard.append(f"after {call}"))
    calls["rows.commit"]()
    calls["evidence.write_once"]()
    assert heard == [
        "before rows.commit",
        "after rows.commit",
        "before evidence.write_once",
        "before evidence.commit",
        "after evidence.commit",
        "after evidence.write_once",
    ]


def test_a_hook_may_let_another_writer_in() -> None:
    """Between our reading of an etag and our commit: the conflict is then real."""
    rows = FakeRows()
    etag = rows.commit("p", [Insert("k", "")])["k"]

    def other(_call: str) -> None:
        rows.before = lambda _: None
        rows.commit("p", [Put("k", "theirs")])

    rows.before = other
    with pytest.raises(Conflict):
        rows.commit("p", [Replace("k", "ours", etag)])
    assert rows.stored["p", "k"].text == "theirs"


def test_an_object_may_be_taken_between_reading_and_commit() -> None:
    evidence = FakeEvidence()

    def other(call: str) -> None:
        if call == "evidence.commit":
            evidence.before = lambda _: None
            evidence.write_once("e", [b"theirs"], metadata={})

    evidence.before = other
    assert evidence.write_once("e", [b"ours"], metadata={}).created is False
    assert b"".join(evidence.read("e")) == b"theirs"


def joined(evidence: FakeEvidence) -> None:
    """Two pieces of three bytes become one object."""
    staging = FakeEvidence("staging")
    stored = [staging.write_once(f"p{number}", [b"abc"], metadata={}) for number in range(2)]
    pieces = [Piece(each.name, each.size, each.sha256) for each in stored]
    evidence.join_once("e", pieces, staging, check=iter, metadata={})


@pytest.mark.parametrize(
    ("pulls", "inside"), [(True, ["pull_block"] * 2), (False, ["stage_block"] * 3)], ids=["fetched", "sent"]
)
def test_each_block_of_a_large_object_is_a_call(*, pulls: bool, inside: list[str]) -> None:
    heard: list[str] = []
    joined(FakeEvidence(block=2, pulls=pulls, after=heard.append))
    assert heard == [f"evidence.{call}" for call in (*inside, "commit", "write_once")]


def test_what_is_smaller_than_a_block_is_one_call() -> None:
    heard: list[str] = []
    FakeEvidence(block=7, before=heard.append).write_once("e", [b"abc", b"def"], metadata={})
    assert heard == ["evidence.write_once", "evidence.commit"]


@pytest.mark.parametrize("pulls", [True, False])
def test_a_crash_in_the_middle_of_the_blocks_leaves_nothing_to_be_seen(*, pulls: bool) -> None:
    def last(call: str) -> None:
        if call.endswith("_block"):
            raise CrashError

    evidence = FakeEvidence(block=2, pulls=pulls, after=last)
    with pytest.raises(CrashError):
        joined(evidence)
    assert not evidence.stored


def test_a_virtual_clock_stands_until_it_is_moved_and_never_goes_back() -> None:
    clock = FakeClock()
    start = clock.now()
    assert clock.advance(1.5) == start + timedelta(seconds=1.5) == clock.now()
    with pytest.raises(ValueError, match="before"):
        clock.set(start)
