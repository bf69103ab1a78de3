"""What Windows remembers of programs that ran: prefetch files, of which only the head is read. Pure.

Windows 10 and 11 keep them compressed (LZXPRESS Huffman, [MS-XCA] 2.2). The head says which program it was, how often
it ran and when the last times were; of a file of a hundred kilobytes that is unpacked and nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from responders._package.value import Read
from shared.models.findings import Event, Findings, Kind, Where

HEAD = 320
"""Bytes that hold everything that is told here."""

_SIGNATURE, _PACKED = b"SCCA", b"MAM\x04"
_NAME, _NAME_BYTES = 16, 60
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_YEARS = range(1990, 2200)
_METRICS = 84
_SHORTER = 296
_TABLE, _SYMBOLS, _LONGEST = 256, 512, 15


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that ran: its name, how often, and the last times, the newest first."""

    name: str
    count: int
    times: tuple[datetime, ...]


class NoPrefetch(ValueError):
    """Bytes that are no prefetch file, or of a version that is not known."""


def of_prefetch(data: bytes, device: str, source: str) -> Read:
    """The runs that a prefetch file tells of. Raises NoPrefetch."""
    ran = read(data)
    told = f"{ran.count} times in all"
    where = Where(source)
    events = tuple(Event(at, device, Kind.PROCESS, "ran", ran.name, told, where=where) for at in ran.times)
    return Read(1, 1, Findings(events=events))


def read(data: bytes) -> Ran:
    """The head of a prefetch file. Raises NoPrefetch."""
    head = _unpacked(data) if data.startswith(_PACKED) else data[:HEAD]
    if len(head) < HEAD or head[4:8] != _SIGNATURE:
        raise NoPrefetch("no prefetch file, or one that is cut short")
    version, metrics = struct.unpack_from("<I", head)[0], struct.unpack_from("<I", head, _METRICS)[0]
    if version in {26, 30, 31}:
        times, runs, many = 128, 200 if version > 26 and metrics == _SHORTER else 208, 8  # noqa: PLR2004 - as above
    elif version in {17, 23}:
        times, runs, many = (120, 144, 1) if version == 17 else (128, 152, 1)  # noqa: PLR2004 - as above
    else:
        raise NoPrefetch(f"a prefetch file of version {version}")
    name = head[_NAME : _NAME + _NAME_BYTES].decode("utf-16-le", errors="replace").partition("\x00")[0]
    moments = (_moment(each) for each in struct.unpack_from(f"<{many}Q", head, times))
    return Ran(name, struct.unpack_from("<I", head, runs)[0], tuple(each for each in moments if each))


def _moment(ticks: int) -> datetime | None:
    """An instant; unused places say 0, or the year 1601."""
    try:
        moment = _EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None
    return moment if moment.year in _YEARS else None


def _unpacked(data: bytes) -> bytes:
    """The first bytes of a packed file. Raises NoPrefetch."""
    start = 8
    try:
        return _decompressed(data[start:], HEAD)
    except (IndexError, KeyError, struct.error) as error:
        raise NoPrefetch("packed in a way that is not understood") from error


def _decompressed(data: bytes, wanted: int) -> bytes:
    """LZXPRESS Huffman: 512 code lengths of four bits, then symbols; those from 256 on copy what was written before."""
    codes = _codes(data[:_TABLE])
    bits = _Bits(data, _TABLE)
    out = bytearray()
    while len(out) < wanted:
        symbol = bits.symbol(codes)
        if symbol < _TABLE:
            out.append(symbol)
            continue
        length, distance = symbol & 15, (symbol >> 4) & 15
        if length == _LONGEST:
            length = bits.byte()
            length = length + _LONGEST if length < 255 else bits.word()  # noqa: PLR2004 - the mark of a longer one
        offset = (1 << distance) + bits.take(distance)
        for _ in range(length + 3):
            out.append(out[-offset])
    return bytes(out[:wanted])


def _codes(table: bytes) -> dict[tuple[int, int], int]:
    """Canonical codes: symbols by length and code."""
    lengths = [nibble for byte in table for nibble in (byte & 15, byte >> 4)]
    code, last = 0, 0
    found: dict[tuple[int, int], int] = {}
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - last
        found[length, code] = symbol
        code, last = code + 1, length
    return found


class _Bits:
    """Bits of 16-bit words, highest first; bytes between them are taken from behind what was loaded."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self._at = start
        self._held, self._count = 0, 0
        self._fill()
        self._fill()

    def _fill(self) -> None:
        word = int.from_bytes(self._data[self._at : self._at + 2], "little")
        self._held = (self._held << 16) | word
        self._at += 2
        self._count += 16

    def take(self, count: int) -> int:
        """So many bits."""
        if not count:
            return 0
        value = (self._held >> (self._count - count)) & ((1 << count) - 1)
        self._count -= count
        self._held &= (1 << self._count) - 1
        if self._count < 16:  # noqa: PLR2004 - a word
            self._fill()
        if self._at > len(self._data) + 4:  # more was taken than there is
            raise IndexError("the end of the data")
        return value

    def symbol(self, codes: dict[tuple[int, int], int]) -> int:
        """The next symbol. Raises KeyError."""
        for length in range(1, _LONGEST + 1):
            code = (self._held >> (self._count - length)) & ((1 << length) - 1)
            if (length, code) in codes:
                self.take(length)
                return codes[length, code]
        raise KeyError("no symbol has this code")

    def byte(self) -> int:
        """A whole byte."""
        self._at += 1
        return self._data[self._at - 1]

    def word(self) -> int:
        """A length of two bytes, which counts everything; of four where that is 0."""
        self._at += 2
        found: int = struct.unpack_from("<H", self._data, self._at - 2)[0]
        return found
