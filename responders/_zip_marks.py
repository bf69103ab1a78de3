"""What is unusual about a zip file, told from its tables of contents and from what begins where: nothing in it is
opened. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from responders._zip_heads import HEAD, MOST, Heads, short
from responders._zip_tables import TAIL, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from responders._zip_tables import Entry

EXPANDS = 100
"""A zip file that claims to hold so many times its size is marked; whole packages of real devices reach 35."""

SHOWN = 3
_EMPTY = b"PK\x05\x06"
_OUTSIDE = re.compile(r"(^|[\\/])\.\.([\\/]|$)|^[\\/]|^[A-Za-z]:")


class Zipped:
    """Looks at a stream that begins as a zip file, or is `named` one; of anything else it keeps nothing."""

    def __init__(self, *, named: bool) -> None:
        """Nothing has passed."""
        self._named = named
        self._size = 0
        self._start = self._tail = b""
        self._heads = Heads()

    @property
    def _is_zip(self) -> bool:
        """Whether it is one, as far as that can be told by now."""
        return self._named or HEAD.startswith(self._start) or _EMPTY.startswith(self._start)

    def add(self, chunk: bytes) -> None:
        """Take the next bytes in."""
        self._start += chunk[: len(HEAD) - len(self._start)]
        self._size += len(chunk)
        if self._is_zip:
            self._tail = (self._tail + chunk[-TAIL:])[-TAIL:]
            self._heads.add(chunk)

    def marks(self, read: Callable[[int, int], bytes]) -> tuple[str, ...]:
        """What to say of it, once all has passed. `read` gives so many bytes (the second) from one (the first) on: what
        its end names as a table may stand anywhere.
        """
        if not self._is_zip or not (self._named or len(self._start) == len(HEAD)):
            return ()
        self._heads.end()
        found = tables(self._tail, self._size, read)
        claims = (f"claims {count} entries and lists {listed}" for count, listed in found.counts if count != listed)
        empty = ("lists no entries",) if found.counts and not found.entries else ()
        said = _said(found.entries, self._size)
        return (*found.marks, *claims, *empty, *said, *_begun(found.entries, self._heads))


def _said(entries: Sequence[Entry], size: int) -> Iterator[str]:
    if encrypted := sum(each.encrypted for each in entries):
        yield f"{encrypted} of {len(entries)} entries are encrypted"
    if outside := [each.text for each in entries if _OUTSIDE.search(each.text)]:
        yield f"{len(outside)} entries name a place outside of it: {_listed(outside)}"
    if links := [each.text for each in entries if each.link]:
        yield f"{len(links)} entries are links: {_listed(links)}"
    names = {each.text.lower() for each in entries}
    if len(names) != len(entries):
        yield f"{len(entries) - len(names)} entries have a name that another one has"
    claimed = sum(each.claimed for each in entries)
    if claimed > EXPANDS * max(size, 1):
        yield f"claims to hold {claimed} bytes, {claimed // max(size, 1)} times its size"


def _begun(entries: Sequence[Entry], heads: Heads) -> Iterator[str]:
    """What differs between the tables and what stands where they say that entries begin."""
    others: list[str] = []
    nowhere = 0
    for each in entries:
        names = [name for name in map(heads.name_at, each.begins) if name is not None]
        others += [name.decode("utf-8", "replace") for name in names if name != short(each.name)]
        nowhere += not names
    if others:
        yield f"{len(others)} entries have another name where they begin: {_listed(others)}"
    if nowhere and heads.full:
        yield f"{nowhere} entries were not looked at where they begin: more than {MOST} seem to"
    elif nowhere:
        yield f"{nowhere} entries do not begin where its table of contents says"


def _listed(names: list[str]) -> str:
    """A few names, in plain letters: they are somebody else's text."""
    return ", ".join(ascii(name[:80]) for name in names[:SHOWN])
