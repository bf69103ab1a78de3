"""A download as one stream, which is asked for again from where it broke off, and given up where it is too slow.

What goes straight into the archive is hashed as one stream in one call, so it goes on only within that call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import Cause, Incomplete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from shared.clients.interface import Download

STRAIGHT = 4 * 1024 * 1024 * 1024
"""Bytes of the largest thing that is fetched without staging: the most that a worker's end may cost."""

TIMES = 8
"""How often one download is asked for again."""

BROKEN = frozenset({Cause.CUT, Cause.LOST, Cause.LATE, Cause.CONNECTION})
"""How a connection ends too early: what came until then is the beginning of the thing."""


class Refused(Incomplete):
    """What came is whole, as far as its server says, and is not what it should be."""


class TooSlow(Exception):
    """At its pace a download does not end within the call."""


def unbroken(
    download: Download, opening: Callable[[int, str], Download], note: Callable[[int, str], object]
) -> Iterator[bytes]:
    """The chunks of a download and, where it breaks off, of the rest of the same thing. `note` is told at which byte,
    and why. Raises Incomplete where the server does not go on from there with a thing of the same length, and what
    `opening` raises.
    """
    there, times, total = 0, 0, download.total
    while True:
        begun = there
        try:
            for chunk in download.chunks:
                there += len(chunk)
                yield chunk
        except Incomplete as error:
            times += 1
            if error.cause not in BROKEN or not download.tag or there == begun or times > TIMES:
                raise
            note(there, str(error))
        else:
            return
        tag = download.tag
        download = opening(there, tag)
        if download.start != there:
            raise Incomplete(f"the server did not go on from byte {there}, where the download broke off")
        if download.total != total:
            raise Incomplete(f"the server no longer says that it has {total} bytes", cause=Cause.CONTENT)


def paced(
    chunks: Iterable[bytes], length: int, least: int, now: Callable[[], datetime], left: Callable[[], float]
) -> Iterator[bytes]:
    """The chunks of something of `length` bytes, as long as it can be expected to end within `left` seconds, which is
    judged from `least` bytes on. Raises TooSlow.
    """
    began, there = now(), 0
    for chunk in chunks:
        there += len(chunk)
        yield chunk
        if there >= least and (now() - began).total_seconds() * (length - there) > left() * there:
            raise TooSlow


def judged(check: Callable[[Iterable[bytes]], Iterator[bytes]], chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks through a check. Raises Refused where it was the check that raised Incomplete, and not the chunks."""
    broken = False

    def passing() -> Iterator[bytes]:
        nonlocal broken
        try:
            yield from chunks
        except Incomplete:
            broken = True  # and not the error itself: the blocks that its frames hold would stay with it
            raise

    try:
        yield from check(passing())
    except Incomplete as error:
        if broken:
            raise
        raise Refused(str(error), cause=error.cause) from error
