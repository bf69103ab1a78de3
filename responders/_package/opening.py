"""Open a package where it lies: read through, never unpacked to disk, and never trusted.

Whoever had the device may have had the package. So every bound is absolute: bytes, members, time. A member that is
encrypted, doubled, a link, or that names a place outside is not read, and is named.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, cast

from responders._package.decoding import decoded
from responders._package.eventlog import of_event_log
from responders._package.members import Way, by_shape, way_of
from responders._package.prefetch import of_prefetch
from responders._package.value import Member, Opened, Outcome, Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_MEMBERS = 5_000
MOST_OF_ONE = 48 << 20
MOST_OF_ALL = 512 << 20
MOST_LINES = 200_000
"""Of all texts together: each line becomes a row, and a row takes a hundred times the room of an empty line."""

MOST_TEXT = 8_000_000
"""Characters of one text."""

_PIECE = 1 << 20
_AT_ONCE = 2 << 20
"""A table of contents is read at one go, and takes ten times its room once it is parsed; members are read by pieces."""

_SOON = 8 << 20
"""Bytes that are passed over rather than asked for anew: as many as an answer of the storage has."""

_ENCRYPTED = 0x1
_READ = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Ways of packing whose unpacking can be bounded; the library unpacks whole pieces of the others, however large."""

_OUTSIDE = ("/", "~")
_END_OF_LINE = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError, IndexError)
"""What the library raises for archives that are not as they should be."""

_ODD = (ArithmeticError, LookupError, TypeError, ValueError)
"""What a text raises in a parser that did not think of it."""


class Remote(io.RawIOBase):
    """An object of a store as a file that can be read from any place. `read_from` streams it from a byte on."""

    def __init__(self, size: int, read_from: Callable[[int], Iterator[bytes]]) -> None:
        """`size` in bytes."""
        self._size = size
        self._read_from = read_from
        self._at = 0
        self._stream: Iterator[bytes] = iter(())
        self._piece, self._start = b"", size + 1

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.RawIOBase`."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """See `io.RawIOBase`. What was fetched last, and what follows it soon, costs no new request: members have gaps
        between them.
        """
        wanted = max(0, self._size - self._at)
        wanted = wanted if size is None or size < 0 else min(size, wanted)
        if not wanted:
            return b""
        if wanted > _AT_ONCE:
            raise OSError("more at once than any table of contents should have")
        if not self._start <= self._at <= self._start + len(self._piece) + _SOON:
            self._stream, self._piece, self._start = self._read_from(self._at), b"", self._at
        parts, end = list[bytes](), self._at + wanted
        while self._at < end:
            begin = self._at - self._start
            if part := self._piece[begin : begin + end - self._at]:
                parts.append(part)
                self._at += len(part)
                continue
            self._start += len(self._piece)
            self._piece = next(self._stream, b"")
            if not self._piece:
                break
        return b"".join(parts)


def opened(file: io.RawIOBase, device: str, source: str, left: Callable[[], float]) -> Opened:
    """Everything about a package. `left` gives the seconds until it has to be over; what was not reached is named."""
    try:
        with zipfile.ZipFile(cast("IO[bytes]", file)) as archive:
            return _read_all(archive, device, source, left)
    except _BROKEN as error:
        return Opened((), (f"it cannot be opened as a zip file: {type(error).__name__}",))


@dataclass(slots=True)
class _Room:
    """What is left of a package's bounds."""

    size: int = MOST_OF_ALL
    lines: int = MOST_LINES

    def cut(self, text: str) -> tuple[str, str]:
        """A text as far as there is room for it, and what to say of that."""
        whole, text = len(text), text[:MOST_TEXT]
        for end in _END_OF_LINE.finditer(text):
            if not self.lines:
                text = text[: end.start()]
                break
            self.lines -= 1
        return text, "" if len(text) == whole else f"only its first {len(text)} of {whole} characters are read"


def _read_all(archive: zipfile.ZipFile, device: str, source: str, left: Callable[[], float]) -> Opened:
    entries = archive.infolist()
    problems = [f"it has {len(entries)} members; {MOST_MEMBERS} are read"] if len(entries) > MOST_MEMBERS else []
    members, seen, room = dict[int, Member](), set[str](), _Room()
    as_they_lie: list[tuple[int, int]] = []
    for number, entry in enumerate(entries[:MOST_MEMBERS]):
        if entry.is_dir():
            continue
        path = _path(entry)
        if stands_against := _against(entry, path, seen):
            members[number] = Member(path, entry.file_size, Outcome.SKIPPED, detail=stands_against)
        else:
            as_they_lie.append((entry.header_offset, number))
        seen.add(path.lower())
    for _, number in sorted(as_they_lie):
        entry = entries[number]
        path = _path(entry)
        if left() > 0:
            members[number] = _one(archive, entry, path, room, (device, f"{source}/{path}", left))
        else:
            detail = "no time was left to read it"
            members[number] = Member(path, entry.file_size, Outcome.SKIPPED, detail=detail)
    return Opened(tuple(members[number] for number in sorted(members)), tuple(problems))


def _path(entry: zipfile.ZipInfo) -> str:
    return entry.filename.replace("\\", "/")


def _against(entry: zipfile.ZipInfo, path: str, seen: set[str]) -> str:
    """Why a member is not even looked into; empty where nothing stands against it."""
    parts = path.split("/")
    if entry.flag_bits & _ENCRYPTED:
        return "encrypted"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a symbolic link"
    if path.startswith(_OUTSIDE) or ".." in parts or ":" in parts[0] or "\x00" in path:
        return "its path leads outside of the package"
    if entry.compress_type not in _READ:
        return f"packed in a way that is not read here ({entry.compress_type})"
    return "another member has the same path" if path.lower() in seen else ""


def _one(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    path: str,
    room: _Room,
    about: tuple[str, str, Callable[[], float]],
) -> Member:
    """A member as far as it can be read."""
    device, source, left = about
    data, why = _bytes(archive, entry, min(MOST_OF_ONE, room.size), left)
    room.size -= len(data)
    plain = Member(path, entry.file_size, Outcome.SKIPPED, sha256="" if why else hashlib.sha256(data).hexdigest())
    way = way_of(path)
    if why and not data:
        return replace(plain, detail=why)
    if way.event_log:
        return _logged(plain, data, why, about)
    if way.prefetch:
        return _ran(plain, data, why, about)
    text, encoding = ("", "") if way.parser is None and way.name else decoded(data)
    way = way if way.parser or way.name else (by_shape(text) or way)
    if way.parser is None:
        outcome = Outcome.UNSUPPORTED if way.name == "archive" else Outcome.METADATA
        return replace(plain, outcome=outcome, detail=why or way.why, encoding=encoding)
    plain = replace(plain, encoding=encoding)
    text, cut = room.cut(text)
    try:
        return _told(plain, way, way.parser(text, device, source), why or cut)
    except _ODD as error:
        detail = f"something in it cannot be read ({type(error).__name__}); open it by hand"
        return replace(plain, outcome=Outcome.UNSUPPORTED, parser=way.name, detail=detail)


def _logged(plain: Member, data: bytes, why: str, about: tuple[str, str, Callable[[], float]]) -> Member:
    try:
        return _told(plain, Way("event log"), of_event_log(data, *about), why)
    except (*_BROKEN, *_ODD) as error:
        return replace(plain, outcome=Outcome.UNSUPPORTED, parser="event log", detail=f"no event log: {error}"[:200])


def _ran(plain: Member, data: bytes, why: str, about: tuple[str, str, Callable[[], float]]) -> Member:
    try:
        return _told(plain, Way("prefetch"), of_prefetch(data, *about[:2]), why)
    except (*_BROKEN, *_ODD) as error:
        return replace(plain, outcome=Outcome.UNSUPPORTED, parser="prefetch", detail=f"no prefetch file: {error}"[:200])


def _told(plain: Member, way: Way, read: Read, why: str) -> Member:
    """A member with what its parser says. Whatever was not understood makes it less than whole."""
    lost = read.rows - read.understood
    said = [
        why,
        f"{lost} of {read.rows} rows were not understood" if lost else "",
        read.said,
        "" if read.rows else "no rows were found in it",
        f"the encoding is a guess: {plain.encoding}" if plain.encoding.endswith("?") else "",
    ]
    whole = not why and not lost and not read.cut
    outcome = (Outcome.PARSED if whole else Outcome.PARTIAL) if read.rows else Outcome.METADATA
    told = {"parser": way.name, "rows": read.rows, "understood": read.understood, "findings": read.findings}
    return replace(plain, **told, outcome=outcome, detail="; ".join(filter(None, said)), zone=read.zone)  # type: ignore[arg-type]


def _bytes(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, bound: int, left: Callable[[], float]
) -> tuple[bytes, str]:
    """What a member holds, up to a bound that no head can widen, and what is wrong with it."""
    if bound <= 0:
        return b"", f"the package is larger than {MOST_OF_ALL >> 20} MB unpacked"
    parts: list[bytes] = []
    have = 0
    try:
        with archive.open(entry) as stream:
            while piece := stream.read(min(_PIECE, bound + 1 - have)):
                parts.append(piece)
                have += len(piece)
                if have > bound:
                    return b"".join(parts)[:bound], f"it is larger than the {bound} bytes that are read"
                if left() <= 0:
                    return b"".join(parts), "no time was left to read all of it"
    except _BROKEN as error:
        return b"".join(parts), f"it is damaged: {type(error).__name__}"
    return b"".join(parts), ""
