"""The tables of contents of a zip file: every one that a reader may take for it. Pure.

A zip file is read from its end, which says how long its table is and where it begins. Some readers take what stands
before the end, others what stands where the end says; some take the end of 64 bits wherever there is one, others where
the other one refers to it. Where these differ, each reader sees another file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Read = Callable[[int, int], bytes]
    """Gives so many bytes (the second) of the file from one (the first) on."""

TAIL = 1024 * 1024
"""Bytes at the end of a zip file that are looked at, and the most of a table of contents."""

_ENTRY, _END, _LOCATOR, _WIDE_END = b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_HEAD, _LAST = struct.Struct("<4sHHHHHHIIIHHHHHII"), struct.Struct("<4sHHHHIIH")
_WHERE, _WIDE = struct.Struct("<4sIQI"), struct.Struct("<4sQHHIIQQQQ")
_LONGEST_COMMENT = 0xFFFF
_BEFORE_LENGTH = 12
_LINK = 0o120000
_IN_WIDE = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
"""What stands in an end for number, length and offset that do not fit in there."""


class Claim(NamedTuple):
    """What an end says of its table: the number of entries, its length and where it begins; and at which byte the end
    stands itself.
    """

    number: int
    length: int
    offset: int
    stop: int

    @property
    def before(self) -> int:
        """Where the table begins if it stands before its end."""
        return self.stop - self.length

    @property
    def shift(self) -> int:
        """By how much these differ: so much stands before the file, or it is another table."""
        return self.before - self.offset


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as a table has it. `claimed` is how many bytes it is to hold, `begins` at which byte it can begin: the
    table's own word, and the same shifted by what stands before the file.
    """

    name: bytes
    encrypted: bool
    link: bool
    claimed: int
    begins: tuple[int, ...]

    @property
    def text(self) -> str:
        """The name."""
        return self.name.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Tables:
    """The entries of all tables; what the ends say of their number, and how many stand before each; and what is odd
    about the tables themselves.
    """

    entries: tuple[Entry, ...] = ()
    counts: tuple[tuple[int, int], ...] = ()
    marks: tuple[str, ...] = ()


def tables(tail: bytes, size: int, read: Read) -> Tables:
    """The tables of a file of `size` bytes that ends with `tail`."""
    at = _end(tail)
    if at is None:
        return Tables(marks=("has no table of contents of a zip file",))
    *_, count, length, offset, comment = _LAST.unpack_from(tail, at)
    claims, marks = _claims(tail, size - len(tail), at, (count, length, offset))
    if at + _LAST.size + comment != len(tail):
        marks.append("something stands behind its end")
    found: dict[tuple[int, int], tuple[Entry, ...]] = {}
    for claim in claims:
        if claim.length > TAIL:
            marks.append("has a table of contents too long to be looked at")
            continue
        if claim.shift:
            marks.append("its table of contents does not stand where its end says")
        for begin in (claim.before, claim.offset):
            if not 0 <= begin <= size - claim.length:
                marks.append("names a table of contents outside of it")
            elif (begin, claim.length) not in found:
                inside = begin - (size - len(tail))
                table = tail[inside : inside + claim.length] if inside >= 0 else read(begin, claim.length)
                found[begin, claim.length] = tuple(_entries(table, claim.shift))
    counts = {(claim.number, len(found.get((claim.before, claim.length), ()))): None for claim in claims}
    return Tables(_together(found.values()), tuple(counts) if found else (), tuple(dict.fromkeys(marks)))


def _together(found: Iterable[Sequence[Entry]]) -> tuple[Entry, ...]:
    """The entries of all tables; what two of them have is there once."""
    entries: list[Entry] = []
    known: set[tuple[bytes, int, int]] = set()
    for each in found:
        new = [entry for entry in each if (entry.name, entry.claimed, entry.begins[0]) not in known]
        known.update((entry.name, entry.claimed, entry.begins[0]) for entry in new)
        entries += new
    return tuple(entries)


def _end(tail: bytes) -> int | None:
    """Where the end stands: the last whose comment reaches to the file's end, else the last."""
    first = max(0, len(tail) - _LAST.size - _LONGEST_COMMENT)
    last, at = None, tail.rfind(_END, first)
    while at >= 0:
        if at + _LAST.size <= len(tail):
            last = at if last is None else last
            if at + _LAST.size + _LAST.unpack_from(tail, at)[-1] == len(tail):
                return at
        at = tail.rfind(_END, first, at + len(_END) - 1)
    if last is None:
        at = tail.rfind(_END, 0, first + len(_END) - 1)
        last = at if at >= 0 else None
    return last


def _claims(tail: bytes, base: int, at: int, narrow: tuple[int, int, int]) -> tuple[list[Claim], list[str]]:
    """What is said of the table by the end at `at` of the tail, which begins at byte `base` of the file, and by the
    ends of 64 bits before it; and what is odd about these.
    """
    locator = at - _WHERE.size
    if locator < 0 or tail[locator : locator + 4] != _LOCATOR:
        return [Claim(*narrow, base + at)], []
    _, _, where, _ = _WHERE.unpack_from(tail, locator)
    claims: dict[Claim, None] = {}
    marks = ["its end of 64 bits does not stand where that is said"]
    for begin in (where - base, locator - _WIDE.size):
        if not 0 <= begin <= locator - _WIDE.size or tail[begin : begin + 4] != _WIDE_END:
            continue
        _, length, *_, count, size, offset = _WIDE.unpack_from(tail, begin)
        if begin == where - base and begin + _BEFORE_LENGTH + length == locator:
            marks.clear()
        wide = Claim(count, size, offset, base + begin)
        merged = [more if few == sign else few for few, more, sign in zip(narrow, wide[:3], _IN_WIDE, strict=True)]
        claims.update(dict.fromkeys((Claim._make((*merged, base + begin)), wide)))
    if len(claims) > 1:
        marks.append("has ends that differ")
    return list(claims) or [Claim(*narrow, base + at)], marks


def _entries(table: bytes, shift: int) -> Iterator[Entry]:
    at = 0
    while at + _HEAD.size <= len(table) and table[at : at + 4] == _ENTRY:
        head = _HEAD.unpack_from(table, at)
        flags, packed, claimed, name, extra, comment, external, offset = head[3], *head[8:13], *head[15:]
        begin = at + _HEAD.size
        claimed, offset = _wide(table[begin + name : begin + name + extra], claimed, packed, offset)
        begins = tuple(dict.fromkeys((offset, offset + shift)))
        link = (external >> 16) & 0o170000 == _LINK
        yield Entry(table[begin : begin + name], bool(flags & 1), link, claimed, begins)
        at = begin + name + extra + comment


def _wide(extra: bytes, claimed: int, packed: int, offset: int) -> tuple[int, int]:
    """Size and offset, of which the extra field of 64 bits has what does not fit into 32."""
    at, full = 0, _IN_WIDE[-1]
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        field, at = extra[at + 4 : at + 4 + size], at + 4 + size
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
            claimed = next(numbers, claimed) if claimed == full else claimed
            packed = next(numbers, packed) if packed == full else packed
            offset = next(numbers, offset) if offset == full else offset
    return claimed, offset
