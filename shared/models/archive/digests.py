"""The hash of a stream and of each of its blocks, in one pass.

The state of a hash cannot be kept from one call of a function to the next, so a pass is made whole or begun anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

BLOCK = 8 * 1024 * 1024
"""Bytes of a block: where an object differs is told to so many bytes."""


@dataclass(slots=True)
class Tally:
    """Counts and hashes what it is given, in pieces of any size."""

    size: int = 0
    blocks: list[str] = field(default_factory=list)
    _whole: hashlib._Hash = field(default_factory=hashlib.sha256)
    _block: hashlib._Hash = field(default_factory=hashlib.sha256)
    _room: int = BLOCK

    def add(self, data: bytes) -> None:
        """Take the next bytes in."""
        self._whole.update(data)
        self.size += len(data)
        rest = memoryview(data)
        while rest:
            taken = rest[: self._room]
            self._block.update(taken)
            self._room -= len(taken)
            rest = rest[len(taken) :]
            if not self._room:
                self._end_block()

    def _end_block(self) -> None:
        self.blocks.append(self._block.hexdigest())
        self._block = hashlib.sha256()
        self._room = BLOCK

    @property
    def sha256(self) -> str:
        """The hash of everything so far, in hex."""
        return self._whole.hexdigest()

    @property
    def block_hashes(self) -> tuple[str, ...]:
        """The hash of every block, the last one as far as it came."""
        unfinished = (self._block.hexdigest(),) if self._room < BLOCK else ()
        return (*self.blocks, *unfinished)
