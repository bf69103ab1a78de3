"""What was committed is read again by itself, and what is said of what no call has the time to read. Pure.

The state of a hash cannot be carried from one call to the next: a reading that does not end within one is begun anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from responders._zip_marks import Zipped
from shared.models.archive.contents import Contents
from shared.models.archive.digests import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UNREAD = "not read again after its commit, for want of time: its hash is that of the bytes in flight"
"""The mark of an item that is larger than what one call can read."""


@dataclass(frozen=True, slots=True)
class AtRest:
    """What a read of its own has shown of an object: its hash, that of what it holds, those of its blocks, and what is
    odd about it.
    """

    sha256: str
    content: str
    blocks: tuple[str, ...]
    marks: tuple[str, ...]


def read_again(
    chunks: Iterable[bytes],
    committed: tuple[int, str],
    read: Callable[[int, int], bytes],
    seen: Contents | None,
    *,
    named: bool,
) -> AtRest | None:
    """All of an object, by its `chunks`; None where that is not what was `committed` (size and hash). What it holds is
    looked into meanwhile, unless it was `seen` on the way there. It is looked at as a zip file where it is one, or is
    `named` so; `read` gives so many bytes of it (the second) from one (the first) on.
    """
    tally, contents, zipped = Tally(), seen or Contents(), Zipped(named=named)
    for chunk in chunks:
        tally.add(chunk)
        zipped.add(chunk)
        if not seen:
            contents.add(chunk)
    if not seen:
        contents.end()
    if (tally.size, tally.sha256) != committed:
        return None
    marks = (*zipped.marks(read), *filter(None, [contents.mark]))
    return AtRest(tally.sha256, contents.sha256, tally.block_hashes, marks)


def unread(seen: Contents | None) -> AtRest:
    """What is known of an object that was not read to its end."""
    if seen is None:
        return AtRest("", "", (), (UNREAD,))
    return AtRest("", seen.sha256, (), (*filter(None, [seen.mark]), UNREAD))
