"""What received bytes hold: gzip is known by its bytes, whatever anybody calls it, and looked into while it streams.

Nothing that was decompressed is kept: what was received stays as it was received.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GZIP = b"\x1f\x8b"
_WINDOW = 31
_STEP = 1024 * 1024
_FIRST, _MOST = 256, 64 * 1024
"""Bytes that a member is given at once, at its beginning and at most: what follows it in these is copied when it ends,
and a member may have 20 bytes.
"""

LARGEST = 64 * 1024**3
"""Bytes to which a thing may decompress before it is no longer looked into."""


@dataclass(slots=True)
class Contents:
    """Hashes what the bytes that it is given decompress to, one gzip member after another. Of anything else it only
    tells that it is no gzip: its content is what was received, and hashed already.
    """

    size: int = 0
    gzip: bool = False
    mark: str = ""
    _start: bytes = b""
    _begun: bool = False
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _member: Any = None
    _largest: int = LARGEST

    def add(self, data: bytes) -> None:
        """Take the next bytes in."""
        if not self._begun:
            data = self._start + data
            if len(data) < len(GZIP):
                self._start = data
                return
            self._begun, self.gzip, self._start = True, data.startswith(GZIP), b""
        if self.gzip and not self.mark:
            self._inflate(data)

    def _count(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)

    def _inflate(self, data: bytes) -> None:
        rest, room = memoryview(data), _FIRST
        try:
            while rest and not self.mark:
                if self._member is None:
                    self._member, room = zlib.decompressobj(_WINDOW), _FIRST
                given = rest[:room]
                self._count(self._member.decompress(given, _STEP))
                left = len(self._member.unconsumed_tail) + len(self._member.unused_data)
                rest, room = rest[len(given) - left :], min(2 * room, _MOST)
                if self._member.eof:
                    self._member = None
                if self.size > self._largest:
                    self.mark = f"decompresses to more than {self._largest} bytes: not looked into further"
        except zlib.error:
            self.mark = "is gzip that is damaged"

    def end(self) -> None:
        """Say that nothing follows."""
        if self._member is not None and not self.mark:
            self.mark = "is gzip that breaks off"

    @property
    def sha256(self) -> str:
        """The hash of the content in hex; empty where there is none of its own, or it could not be had whole."""
        return self._digest.hexdigest() if self.gzip and not self.mark else ""


@dataclass(slots=True)
class Seen:
    """A stream as it passes: how much it was, its hash, and what it holds."""

    size: int = 0
    contents: Contents = field(default_factory=Contents)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def passing(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, once they were looked at."""
        for chunk in chunks:
            self.size += len(chunk)
            self._digest.update(chunk)
            self.contents.add(chunk)
            yield chunk
        self.contents.end()

    @property
    def sha256(self) -> str:
        """The hash of the stream in hex."""
        return self._digest.hexdigest()

    @property
    def content(self) -> tuple[int, str]:
        """Size and hash of what it decompresses to; of the stream itself where it is no gzip."""
        return (self.contents.size, self.contents.sha256) if self.contents.gzip else (self.size, self.sha256)
