"""Bringing a download into staging in pieces, each committed and hashed, so that what breaks off goes on later.

A piece is the unit of work: the state of a hash cannot be carried from one call of a function to the next. Nothing that
a server says is taken for granted: where it cannot go on from a byte, or has another thing by now, what it sends from
the beginning is compared with the pieces that lie there; where these differ, all of it is fetched anew, and it is said.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import Cause, Incomplete, NotFound, Transient
from shared.storage.interface import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shared.clients.interface import Download
    from shared.models.archive.contents import Seen
    from shared.storage.interface import Staging

PIECE = 64 * 1024 * 1024
"""Bytes of a piece, and the most that is fetched twice where a connection breaks. What is smaller needs no staging."""


_STRAIGHT = "straight"


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


class Stream:
    """Chunks that are taken off in lengths."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """Take off `chunks`, each of any size."""
        self._chunks = iter(chunks)
        self._rest = b""

    @property
    def more(self) -> bool:
        """Whether anything is left. May raise what the chunks raise."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._rest = chunk
        return True

    def take(self, size: int) -> Iterator[bytes]:
        """Up to so many bytes."""
        while size and self.more:
            taken, self._rest = self._rest[:size], self._rest[size:]
            size -= len(taken)
            yield taken


class Transfer:
    """One call's work on downloads. `moved` counts the pieces that it brought."""

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

    def begun(self, folder: str) -> bool:
        """Whether anything of this download lies in staging."""
        return any(True for _ in self._staging.names(f"{folder}/"))

    def attempt(self, folder: str) -> None:
        """Note that it is about to be fetched without staging, so that whoever finds that not ended goes by pieces."""
        self._staging.write_once(f"{folder}/{_STRAIGHT}", [b"begun"], metadata=self._metadata)

    def receive(self, folder: str, opening: Callable[[int, str], Download], seen: Seen | None = None) -> Received:
        """The whole download, going on from what lies in `folder`. Raises Incomplete and what `opening` raises. Where
        all of it comes in this one call, `seen` has seen as many bytes as it has.
        """
        place = self._place(folder)
        if (whole := self._whole(place)) is not None:
            return whole
        pieces, tag = self._pieces(place)
        if not pieces and not self.generation(folder) and self._staging.head(f"{folder}/{_STRAIGHT}"):
            self._note(f"{folder}#pieces", "begun anew, in pieces: it did not come to its end in one go")
        return self.go_on(folder, pieces, opening(sum(piece.size for piece in pieces), tag), seen)

    def go_on(self, folder: str, pieces: Sequence[Piece], download: Download, seen: Seen | None = None) -> Received:
        """The whole download, of which `pieces` are there and the rest follows."""
        chunks = seen.passing(download.chunks) if seen else download.chunks
        place, stream = self._place(folder), Stream(self._timed(chunks))
        there = sum(piece.size for piece in pieces)
        if download.start != there:
            self._note(f"{folder}#{there}", f"begun anew after {there} bytes: the server did not go on from there")
            for piece in pieces:
                self._compare(folder, piece, stream)
        found = list(pieces)
        tags = {"tag": download.tag} if download.tag else {}
        while stream.more:
            name = f"{place}/{len(found):06d}"
            stored = self._staging.write_once(name, stream.take(self._piece), metadata={**self._metadata, **tags})
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
        return sum(1 for _ in self._staging.names(f"{folder}/again-"))

    def standing(self, folder: str) -> tuple[Piece, ...]:
        """The pieces of a download that is whole. Raises Transient where it is not."""
        whole = self._whole(self._place(folder))
        if whole is None:
            raise Transient(f"{folder} is not whole")
        return whole.pieces

    def _compare(self, folder: str, piece: Piece, stream: Stream) -> None:
        digest, size = hashlib.sha256(), 0
        for chunk in stream.take(piece.size):
            digest.update(chunk)
            size += len(chunk)
        if (size, digest.hexdigest()) != (piece.size, piece.sha256):
            said = f"two downloads of it differ (SHA-256 {piece.sha256} and {digest.hexdigest()} from one byte on)"
            self.anew(folder, said)
            raise Incomplete(said, cause=Cause.CONTENT)

    def _place(self, folder: str) -> str:
        return f"{folder}/{self.generation(folder):03d}"

    def _pieces(self, place: str) -> tuple[tuple[Piece, ...], str]:
        """The pieces that lie there without a gap, and the tag of the thing that they are of."""
        found: list[Piece] = []
        tag = ""
        while (stored := self._staging.head(f"{place}/{len(found):06d}")) is not None:
            found.append(Piece(stored.name, stored.size, stored.sha256))
            tag = stored.metadata.get("tag", "")
        return tuple(found), tag

    def _whole(self, place: str) -> Received | None:
        try:
            told = json.loads(b"".join(self._staging.read(f"{place}/whole")))
        except NotFound as error:
            if error.code == "ContainerNotFound":
                raise
            return None
        pieces, _ = self._pieces(place)
        received = Received(pieces, str(told["date"]), bool(told.get("bounded", True)))
        if (len(pieces), received.size) != (told["pieces"], told["size"]):
            raise Transient(f"{place} lacks pieces that it had: staging was cleared too early")
        return received
