"""Whether what was downloaded is a whole zip file, told while it streams. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import Cause, Incomplete

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ZIP_START = b"PK\x03\x04"
_ZIP_EMPTY = b"PK\x05\x06"
_ZIP_END = b"PK\x05\x06"
_TAIL = 66_000


def whole_zip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks of a zip file, unless it turns out not to be one, or not to be whole: it has to begin as one, and its
    end-of-central-directory record has to stand at its end. Raises Incomplete, at the latest after the last chunk.
    """
    begin = tail = b""
    for chunk in chunks:
        if not chunk:
            continue
        begin += chunk[: len(_ZIP_START) - len(begin)]
        if not (_ZIP_START.startswith(begin) or _ZIP_EMPTY.startswith(begin)):
            raise Incomplete("what was downloaded is not a zip file", cause=Cause.CONTENT)
        tail = (tail + chunk)[-_TAIL:]
        yield chunk
    at = tail.rfind(_ZIP_END)
    size = int.from_bytes(tail[at + 20 : at + 22], "little") if at >= 0 else -1
    if 0 <= at < len(tail) - 22 - size:
        raise Incomplete("something stands behind the end of the zip file that was downloaded", cause=Cause.LONG)
    if at < 0 or at + 22 + size != len(tail):
        raise Incomplete("the zip file that was downloaded is cut short")
