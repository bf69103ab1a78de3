"""What received bytes hold, however they were packed and however they come."""

from __future__ import annotations

import gzip
import hashlib
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Incomplete
from shared.models.archive.contents import Contents
from tests.unit.archived import LATER, Archived

EMPTY = gzip.compress(b"", mtime=0)
MEMBERS = st.lists(st.one_of(st.binary(max_size=50), st.integers(0, 3_000_000).map(bytes)), min_size=1, max_size=6)


def seen(data: bytes, cut: int) -> Contents:
    contents = Contents()
    for at in range(0, len(data), cut):
        contents.add(data[at : at + cut])
    contents.end()
    return contents


@given(members=MEMBERS, cut=st.sampled_from([1, 7, 300, 65_536, 1 << 23]), level=st.sampled_from([0, 1, 9]))
def test_one_member_after_another_is_hashed_as_it_decompresses(members: list[bytes], cut: int, level: int) -> None:
    packed = b"".join(gzip.compress(each, level, mtime=0) for each in members)
    whole = b"".join(members)
    found = seen(packed, max(cut, len(packed) // 2000))
    assert (found.gzip, found.mark, found.size) == (True, "", len(whole))
    assert found.sha256 == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize(
    ("data", "mark"),
    [
        (gzip.compress(bytes(5_000_000))[:-1], "is gzip that breaks off"),
        (EMPTY * 1000 + EMPTY[:5], "is gzip that breaks off"),
        (EMPTY * 1000 + b"no member of gzip", "is gzip that is damaged"),
        (EMPTY[:-1] + b"x", "is gzip that is damaged"),
    ],
)
@pytest.mark.parametrize("cut", [1, 64, 1 << 23])
def test_what_is_no_whole_gzip_is_said(data: bytes, mark: str, cut: int) -> None:
    found = seen(data, cut)
    assert (found.gzip, found.mark, found.sha256) == (True, mark, "")


def test_a_bomb_is_not_looked_into_further_than_is_said() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(bytes(8 << 20)) + packer.flush()
    found = Contents(_largest=3 << 20)
    found.add(bomb)
    assert found.mark == f"decompresses to more than {3 << 20} bytes: not looked into further"
    assert found.size <= 4 << 20


def test_a_member_costs_what_it_is_and_not_what_follows_it() -> None:
    """A member may have 20 bytes, and 8 MiB of such come in one answer of the storage: minutes, were all that follows
    copied for each.
    """

    def took(size: int) -> float:
        data = EMPTY * (size // len(EMPTY))
        began = time.process_time()
        assert seen(data, len(data)).mark == ""
        return time.process_time() - began

    took(1 << 16)
    assert took(1 << 22) < 64 * took(1 << 18)


def test_the_clock_is_looked_at_within_a_long_answer_too() -> None:
    """Storage answers with 8 MiB at once, which may be 8 GiB of content."""
    run = Archived()
    given = run.desk().run.timed([b"", b"ab", bytes(3 << 20)])
    assert [len(next(given)) for _ in range(3)] == [0, 2, 1 << 20]
    run.clock.advance(LATER.total_seconds())
    with pytest.raises(Incomplete, match="the time of one call ran out"):
        next(given)
