"""Bringing a download into staging in pieces, each committed and hashed, so that what breaks off goes on later.

A piece is the unit of work: the state of a hash cannot be carried from one call of a function to the next. Nothing that
a server says is taken for granted: where it cannot go on from a byte, or has another thing by now, what it sends from
the beginning is compared with the pieces that lie there; where these differ, all of it is fetched anew, and it is said.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from responders._unbroken import BROKEN
from shared.errors import Altered, Cause, Incomplete, NotFound, Transient
from shared.storage.interface import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shared.clients.interface import Download
    from shared.models.archive.contents import Seen
    from shared.storage.interface import Staging

PIECE = 64 * 1024 * 1024
"""Bytes of a piece of what comes through staging, and the most of it that is fetched twice where a worker ends.
A file needs that where it is too large to go straight into the archive (`STRAIGHT`), or too slow; a part always does.
The last one of a call, or of a connection that breaks, is as long as it came to be: else what brings less would never
go on.
"""

_STRAIGHT, _ALTERED = "straight", "altered"


@dataclass(frozen=True, slots=True)
class Received:
    """A whole download in staging. `date` is the clock of the server that sent it, as it wrote it. Where it is not
    `bounded`, it is whole as far as anybody can tell.
    """

    pieces: tuple[Piece, ...]
    date: str
    bounded: bool = True

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(piece.size for piece in self.pieces)


class Damaged(Transient):
    """What lies in staging is not what was left there."""

    cause = Cause.CONTENT


class Stream:
    """Chunks that are taken off in lengths."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """Take off `chunks`, each of any size."""
        self._chunks = iter(chunks)
        self._rest = b""
        self._broken: Incomplete | None = None

    @property
    def more(self) -> bool:
        """Whether anything is left. May raise what the chunks raise."""
        if self._broken:
            raise self._broken
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._rest = chunk
        return True

    def take_what_comes(self, size: int) -> Iterator[bytes]:
        """Up to so many bytes, of which at least one is there. Where the call's time is over or the connection breaks
        before all of them came, those that did; `more` raises then.
        """
        try:
            yield from self.take(size)
        except Incomplete as error:
            if error.cause not in {Cause.TIME, *BROKEN}:
                raise
            self._broken = error

    def take(self, size: int) -> Iterator[bytes]:
        """Up to so many bytes."""
        while size and self.more:
            taken, self._rest = self._rest[:size], self._rest[size:]
            size -= len(taken)
            yield taken


class Transfer:
    """One call's work on downloads. `moved` counts the pieces that it brought; `again` is how often one of those that
    it was about has been begun anew, the most of them.
    """

    def __init__(
        self,
        staging: Staging,
        metadata: Mapping[str, str],
        timed: Callable[[Iterable[bytes]], Iterator[bytes]],
        note: Callable[[str, str], object],
        *,
        piece: int = PIECE,
    ) -> None:
        """`timed` passes chunks on and raises Incomplete once the call's time is over; `note` is told, once for each
        subject, what a reader of the custody should know.
        """
        self._staging = staging
        self._metadata = metadata
        self._timed = timed
        self._note = note
        self._piece = piece
        self.moved = 0
        self.again = 0

    def begun(self, folder: str) -> bool:
        """Whether anything of this download lies in staging."""
        return any(True for _ in self._staging.names(f"{folder}/"))

    def attempt(self, folder: str) -> None:
        """Note that it is about to be fetched without staging, so that whoever finds that not ended goes by pieces."""
        self._staging.write_once(f"{folder}/{_STRAIGHT}", [b"begun"], metadata=self._metadata)

    def receive(self, folder: str, opening: Callable[[int, str], Download], seen: Seen | None = None) -> Received:
        """The whole download, going on from what lies in `folder`. Raises Incomplete and what `opening` raises. Where
        all of it comes in this one call, `seen` has seen as many bytes as it has. What is damaged there is fetched
        anew, if it can be had: else it stays as it is.
        """
        place = self.place(folder)
        try:
            whole = self._unaltered(place)
        except Damaged as error:
            download = opening(0, "")
            self.anew(folder, f"begun anew: {error}")
            return self.go_on(folder, (), download, seen)
        if whole is not None:
            return whole
        pieces, tag, total = self._pieces(place)
        if not pieces and not self.generation(folder) and self._staging.head(f"{folder}/{_STRAIGHT}"):
            self._note(f"{folder}#pieces", "begun anew, in pieces: it did not come to its end in one go")
        download = opening(sum(piece.size for piece in pieces), tag)
        if download.start and download.total is not None and total not in {"", str(download.total)}:
            # Noted before it is asked for: where links are scarce, the next call needs one link only.
            self.anew(folder, f"begun anew: it has {download.total} bytes by now, and had {total} under the same tag")
            pieces, download = (), opening(0, "")
        return self.go_on(folder, pieces, download, seen)

    def go_on(self, folder: str, pieces: Sequence[Piece], download: Download, seen: Seen | None = None) -> Received:
        """The whole download, of which `pieces` are there and the rest follows."""
        chunks = seen.passing(download.chunks) if seen else download.chunks
        place, stream = self.place(folder), Stream(self._timed(chunks))
        there = sum(piece.size for piece in pieces)
        if download.start != there:
            self._note(f"{folder}#{there}", f"begun anew after {there} bytes: the server did not go on from there")
            for piece in pieces:
                self._compare(folder, piece, stream)
        found = list(pieces)
        tags = {"tag": download.tag} if download.tag else {}
        tags |= {"total": str(download.total)} if download.total is not None else {}
        # What began anew came no farther than before, and a piece of it would be the same again for ever.
        take = stream.take_what_comes if download.start == there else stream.take
        while stream.more:
            name = f"{place}/{len(found):06d}"
            stored = self._staging.write_once(name, take(self._piece), metadata={**self._metadata, **tags})
            if not stored.created:
                raise Transient(f"{name} was staged by another worker")
            self.moved += 1
            found.append(Piece(name, stored.size, stored.sha256))
        received = Received(tuple(found), download.date, download.bounded)
        told = {"pieces": len(found), "size": received.size, "date": received.date, "bounded": received.bounded}
        self._staging.write_once(f"{place}/whole", [json.dumps(told).encode()], metadata=self._metadata)
        return received

    def anew(self, folder: str, why: str) -> None:
        """Leave what lies there, and fetch all of it again. What was fetched before stays until staging is cleared."""
        number = self.generation(folder) + 1
        self._note(f"{folder}#again-{number}", why)
        self._staging.write_once(f"{folder}/again-{number:03d}", [why.encode()], metadata=self._metadata)

    def generation(self, folder: str) -> int:
        """How often it was begun anew."""
        number = sum(1 for _ in self._staging.names(f"{folder}/again-"))
        self.again = max(self.again, number)
        return number

    def place(self, folder: str) -> str:
        """Where the pieces lie that are in use."""
        return f"{folder}/{self.generation(folder):03d}"

    def standing(self, folder: str) -> tuple[Piece, ...]:
        """The pieces of a download that is whole. Raises Damaged where it is not."""
        whole = self._whole(self.place(folder))
        if whole is None:
            raise Damaged(f"{folder} is not whole")
        return whole.pieces

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """Where pieces are read: one that is not what it was is noted beside it, for who can fetch all of it anew."""
        try:
            yield
        except Altered as error:
            place, _, _ = error.name.rpartition("/")
            self._staging.write_once(f"{place}/{_ALTERED}", [str(error).encode()], metadata=self._metadata)
            raise

    def noted(self, name: str) -> bytes | None:
        """What a note in staging says; None where there is none."""
        try:
            return b"".join(self._staging.read(name))
        except NotFound as error:
            if error.code == "ContainerNotFound":
                raise
            return None

    def _compare(self, folder: str, piece: Piece, stream: Stream) -> None:
        digest, size = hashlib.sha256(), 0
        for chunk in stream.take(piece.size):
            digest.update(chunk)
            size += len(chunk)
        if (size, digest.hexdigest()) != (piece.size, piece.sha256):
            said = f"two downloads of it differ (SHA-256 {piece.sha256} and {digest.hexdigest()} from one byte on)"
            self.anew(folder, said)
            raise Incomplete(said, cause=Cause.CONTENT)

    def _pieces(self, place: str) -> tuple[tuple[Piece, ...], str, str]:
        """The pieces that lie there without a gap, and the tag and the length of the thing that they are of."""
        found: list[Piece] = []
        tag = total = ""
        while (stored := self._staging.head(f"{place}/{len(found):06d}")) is not None:
            found.append(Piece(stored.name, stored.size, stored.sha256))
            tag, total = stored.metadata.get("tag", ""), stored.metadata.get("total", "")
        return tuple(found), tag, total

    def _unaltered(self, place: str) -> Received | None:
        """The same as `_whole`. Raises Damaged too where a reading has shown that a piece is not what it was."""
        whole = self._whole(place)
        if whole is not None and (said := self.noted(f"{place}/{_ALTERED}")) is not None:
            raise Damaged(said.decode("utf-8", "replace"))
        return whole

    def _whole(self, place: str) -> Received | None:
        """What was noted as whole; None where nothing was. Raises Damaged where that does not lie there."""
        if (noted := self.noted(f"{place}/whole")) is None:
            return None
        pieces, _, _ = self._pieces(place)
        try:
            told = json.loads(noted)
            received = Received(pieces, str(told["date"]), bool(told.get("bounded", True)))
            stands = (len(pieces), received.size) == (told["pieces"], told["size"])
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise Damaged(f"{place}/whole is not as it was left") from error
        if not stands:
            raise Damaged(f"{place} lacks pieces that it had: staging was cleared too early")
        return received
