"""Cutting what comes into blocks, in memory that is used again.

A block that is thrown away has the system clear the next one anew, and that took a third of a transfer's own processor
time. The buffers are mapped, so that they cost nothing until they are filled, and go back to the system with the last
block of an object.
"""

from __future__ import annotations

from mmap import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Cutter:
    """Cuts chunks into blocks of `size` bytes. `buffers` counts those that had to be made."""

    def __init__(self, size: int) -> None:
        """Nothing is cut yet."""
        self._size = size
        self._spare: list[mmap] = []
        self.buffers = 0

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[memoryview]:
        """The same bytes in blocks, the last one shorter. Each holds until it is handed to `free`."""
        room = memoryview(b"")
        begun: memoryview | None = None
        for chunk in chunks:
            rest = memoryview(chunk)
            if len(rest) == self._size and begun is None:
                yield rest  # as it is: what is read from storage comes in blocks
                continue
            while rest:
                if begun is None:
                    begun = room = self._buffer()
                taken, rest = rest[: len(room)], rest[len(room) :]
                room[: len(taken)] = taken
                room = room[len(taken) :]
                if not room:
                    yield begun
                    begun = None
        if begun is not None:
            yield begun[: self._size - len(room)]

    def free(self, block: memoryview) -> None:
        """Say that nobody needs a block any more: its memory is for the next one."""
        if isinstance(block.obj, mmap):
            self._spare.append(block.obj)

    def _buffer(self) -> memoryview:
        if self._spare:
            return memoryview(self._spare.pop())
        self.buffers += 1
        return memoryview(mmap(-1, self._size))
