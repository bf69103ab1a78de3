"""Reading a blob in order, while its next ranges are under way.

Of one blob as it was at the first answer: every later range is asked for under its etag, so that bytes of two versions
are never mixed.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from azure.core import MatchConditions

from shared.errors import Transient
from shared.storage.failures import translated
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.storage.blob import BlobClient

AT_ONCE = 8 * 1024 * 1024
"""Bytes in one answer: as many as a block has, since storage is slower at ranges that begin within one."""

AHEAD = 1
"""Answers that are under way while one is used. Each costs twice its size while it comes."""


def ranges(blob: BlobClient, start: int) -> Iterator[bytes]:
    """The bytes from `start` on. The first answer is asked for at once: raises NotFound, Rejected and Transient."""
    doing = f"reading {blob.container_name}/{blob.blob_name}"
    with translated(doing):
        download = blob.download_blob(offset=start or None)
        first = next(download.chunks(), b"")
    rest = range(start + len(first), start + download.size, AT_ONCE)
    return (
        _following(blob, doing, first, rest, str(download.properties.etag)) if rest else iter([first] if first else [])
    )


def _following(blob: BlobClient, doing: str, first: bytes, rest: range, etag: str) -> Iterator[bytes]:
    def read(at: int) -> bytes:
        length = min(AT_ONCE, rest.stop - at)
        try:
            with translated(doing):
                found = b"".join(  # of one answer: its bytes themselves, where `readall` would copy them twice
                    blob.download_blob(
                        offset=at, length=length, etag=etag, match_condition=MatchConditions.IfNotModified
                    ).chunks()
                )
        except Conflict as error:
            raise Transient(f"{doing}: it was changed meanwhile") from error
        if len(found) != length:
            raise Transient(f"{doing}: {len(found)} bytes came instead of {length}")
        return found

    under_way: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="read") as pool:
        for at in rest:
            under_way.append(pool.submit(read, at))
            if len(under_way) > AHEAD:
                yield first
                first = under_way.popleft().result()
        while under_way:
            yield first
            first = under_way.popleft().result()
        yield first
