"""A package that is read where it lies: as from a file, and in no more answers of the storage than that takes."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._package.opening import Remote, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20


@dataclass
class Store:
    """An object that is streamed from any byte on, in answers of a size."""

    data: bytes
    answer: int
    asked: int = 0
    fetched: int = 0

    def read_from(self, start: int) -> Iterator[bytes]:
        self.asked += 1
        return self._answers(start)

    def _answers(self, start: int) -> Iterator[bytes]:
        for at in range(start, len(self.data), self.answer):
            piece = self.data[at : at + self.answer]
            self.fetched += len(piece)
            yield piece

    @property
    def remote(self) -> Remote:
        return Remote(len(self.data), self.read_from)


@dataclass
class OneWay(io.RawIOBase):
    """What cannot go back: behind each member stands how large it was."""

    written: bytearray = field(default_factory=bytearray)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.written += memoryview(data)  # type: ignore[arg-type] # whatever has bytes
        return len(memoryview(data))  # type: ignore[arg-type] # likewise


def package(count: int, *, one_way: bool, reverse: bool = False) -> bytes:
    """Many members of 4,000 bytes that say nothing, in the table of contents as they lie or the other way round."""
    seekable, straight = io.BytesIO(), OneWay()
    with zipfile.ZipFile(straight if one_way else seekable, "w") as archive:
        for number in range(count):
            archive.writestr(zipfile.ZipInfo(f"Prefetch/{number}.bin"), number.to_bytes(4, "big") * 1000)
        if reverse:
            archive.filelist.reverse()
    return bytes(straight.written) or seekable.getvalue()


@pytest.mark.parametrize("answer", [64 << 10, 8 * MIB])
@pytest.mark.parametrize("one_way", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_many_small_members_come_in_few_answers(answer: int, one_way: bool, reverse: bool) -> None:
    """In whatever order they are listed. Eight mebibytes for each were minutes, and no time was left for the rest."""
    order = range(499, -1, -1) if reverse else range(500)
    store = Store(package(500, one_way=one_way, reverse=reverse), answer)
    found = opened(store.remote, "d", "p", lambda: 60.0)
    assert (len(found.members), found.problems) == (500, ())
    assert all(each.sha256 for each in found.members)
    assert [each.path for each in found.members] == [f"Prefetch/{number}.bin" for number in order]
    assert store.asked <= 5
    assert store.fetched <= 2 * len(store.data)


WHOLE = bytes(range(256)) * 40
READS = st.lists(st.tuples(st.integers(0, len(WHOLE) + 10), st.integers(0, 3000)), max_size=30)


@given(reads=READS, answer=st.sampled_from([1, 100, 5000, 20_000]))
def test_what_is_read_from_any_place_is_what_stands_there(reads: list[tuple[int, int]], answer: int) -> None:
    remote, file = Store(WHOLE, answer).remote, io.BytesIO(WHOLE)
    for at, size in reads:
        assert remote.seek(at) == file.seek(at)
        assert remote.read(size) == file.read(size)
        assert remote.tell() == file.tell()


def test_a_place_far_behind_is_asked_for_and_one_soon_is_passed_over_to() -> None:
    store = Store(bytes(30 * MIB), MIB)
    remote = store.remote
    for at, asked in ((0, 1), (5, 1), (7 * MIB, 1), (7 * MIB - 5, 2), (29 * MIB, 3), (29 * MIB + 1, 3), (0, 4)):
        remote.seek(at)
        assert len(remote.read(10)) == 10
        assert store.asked == asked, at
    assert store.fetched <= 14 * MIB


def test_an_object_that_ends_early_is_read_to_its_end() -> None:
    remote = Remote(2000, Store(bytes(1000), 300).read_from)
    remote.seek(900)
    assert (remote.read(500), remote.read(500)) == (bytes(100), b"")
