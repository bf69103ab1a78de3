"""What is unusual about a zip file, told from its table of contents alone: nothing in it is opened. Pure."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TAIL = 1024 * 1024
"""Bytes at the end of a zip file in which its table of contents is looked for."""

EXPANDS = 100
"""A zip file that claims to hold so many times its size is marked; whole packages of real devices reach 35."""

SHOWN = 3
_ENTRY, _END = b"PK\x01\x02", b"PK\x05\x06"
_HEAD, _LAST = struct.Struct("<4sHHHHHHIIIHHHHHII"), struct.Struct("<4sHHHHIIH")
_OUTSIDE = re.compile(r"(^|[\\/])\.\.([\\/]|$)|^[\\/]|^[A-Za-z]:")
_LINK = 0o120000
_ZIP64 = 0xFFFFFFFF


def zip_marks(tail: bytes, size: int) -> tuple[str, ...]:
    """What to say of a zip file of `size` bytes that ends with `tail`."""
    at = tail.rfind(_END)
    if at < 0 or at + _LAST.size > len(tail):
        return ("has no table of contents of a zip file",)
    _, _, _, _, count, length, offset, _ = _LAST.unpack_from(tail, at)
    start = at - length
    if _ZIP64 in (length, offset) or start < 0:
        return ("has a table of contents too long to be looked at",)
    return tuple(_said(list(_entries(tail[start:at])), count, size))


def _entries(table: bytes) -> Iterator[tuple[str, bool, bool, int]]:
    """Name, encrypted or not, a link or not, and claimed size of each."""
    at = 0
    while at + _HEAD.size <= len(table) and table[at : at + 4] == _ENTRY:
        head = _HEAD.unpack_from(table, at)
        flags, claimed, name, extra, comment, external = head[3], head[9], head[10], head[11], head[12], head[15]
        text = table[at + _HEAD.size : at + _HEAD.size + name].decode("utf-8", "replace")
        yield text, bool(flags & 1), (external >> 16) & 0o170000 == _LINK, claimed
        at += _HEAD.size + name + extra + comment


def _said(entries: list[tuple[str, bool, bool, int]], count: int, size: int) -> Iterator[str]:
    if len(entries) != count:
        yield f"claims {count} entries and lists {len(entries)}"
    if encrypted := sum(each[1] for each in entries):
        yield f"{encrypted} of {len(entries)} entries are encrypted"
    if outside := [name for name, *_ in entries if _OUTSIDE.search(name)]:
        yield f"{len(outside)} entries name a place outside of it: {_listed(outside)}"
    if links := [name for name, _, link, _ in entries if link]:
        yield f"{len(links)} entries are links: {_listed(links)}"
    names = [name.lower() for name, *_ in entries]
    if len(set(names)) != len(names):
        yield f"{len(names) - len(set(names))} entries have a name that another one has"
    claimed = sum(each[3] for each in entries)
    if claimed > EXPANDS * max(size, 1):
        yield f"claims to hold {claimed} bytes, {claimed // max(size, 1)} times its size"


def _listed(names: list[str]) -> str:
    """A few names, in plain letters: they are somebody else's text."""
    return ", ".join(ascii(name[:80]) for name in names[:SHOWN])
