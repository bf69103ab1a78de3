"""What begins where in a zip file, told while it streams: entries have a name there, beside that in the table. Pure."""

from __future__ import annotations

import hashlib

HEAD = b"PK\x03\x04"
MOST = 32_768
"""Heads that are remembered: more than a table of contents that is looked at can have entries."""

_FIXED, _NAME_AT = 30, 26
_LONGEST = 128
_STEP = 1024 * 1024


def short(name: bytes) -> bytes:
    """A name in few bytes, by which two can be compared."""
    return name if len(name) <= _LONGEST else name[:96] + hashlib.sha256(name).digest()


class Heads:
    """The names with which entries begin, by the byte at which they do. What an entry holds may look like one. `full`
    says that there were more.
    """

    def __init__(self) -> None:
        """Nothing has passed."""
        self.full = False
        self._names: dict[int, bytes] = {}
        self._rest = b""
        self._there = 0

    def name_at(self, offset: int) -> bytes | None:
        """The name, as `short` tells it, of what begins at this byte; None where nothing does."""
        return self._names.get(offset)

    def add(self, chunk: bytes) -> None:
        """Take the next bytes in."""
        for at in range(0, len(chunk), _STEP):
            if self.full:
                return
            data = self._rest + chunk[at : at + _STEP]
            done = self._scan(data, last=False)
            self._rest, self._there = data[done:], self._there + done

    def end(self) -> None:
        """Say that nothing follows."""
        self._scan(self._rest, last=True)

    def _scan(self, data: bytes, *, last: bool) -> int:
        """Remember what begins in there; gives how many bytes are done with."""
        at = data.find(HEAD)
        while at >= 0:
            name = at + _FIXED
            stop = name + int.from_bytes(data[at + _NAME_AT : at + _NAME_AT + 2], "little")
            if stop <= len(data):
                if len(self._names) == MOST:
                    self.full = True
                    return len(data)
                self._names[self._there + at] = short(data[name:stop])
            elif not last:
                return at
            at = data.find(HEAD, at + len(HEAD))
        return max(0, len(data) - len(HEAD) + 1)
