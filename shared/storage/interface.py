"""The ports to what we keep, in our own words.

Every port promises the same thing about races: a conditional write either happens whole or raises `Conflict` and
changes nothing. Whatever else goes wrong rises as `shared.errors.Transient`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from shared.errors import Altered, BulkheadError, Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

MAX_BATCH, MAX_VALUE, MAX_TEXT_UNITS = 100, 1000, 500_000
"""Changes in one commit at the most (Azure Tables: one transaction, one partition), characters in one metadata value,
UTF-16 units (an emoji counts as two) in the text of one row: 1,000,000 of an entity's 1,048,576 bytes.
"""


class Conflict(BulkheadError):
    """A conditional write met a row that is not as the writer saw it, or a name that is taken."""

    cause = Cause.TAKEN


class Clock(Protocol):
    """The storage's clock, which every instance shares; never the host's."""

    def now(self) -> datetime:
        """The present in UTC, timezone-aware, as near to the storage's `Date` as can be told, never going back."""


@dataclass(frozen=True, slots=True)
class Row:
    """One stored row: `text` is whatever the writer kept, `due` the column by which a sweep finds it (None: never)."""

    partition: str
    key: str
    text: str
    due: datetime | None
    etag: str


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a row that must not exist yet."""

    key: str
    text: str
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replace:
    """Write over a row that must still be as it was when `etag` was read."""

    key: str
    text: str
    etag: str
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Write a row whatever was there."""

    key: str
    text: str
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row: only as it was when `etag` was read, or in any case where `etag` is None (then absence is fine)."""

    key: str
    etag: str | None = None


Change = Insert | Replace | Put | Delete


class Rows(Protocol):
    """Rows in partitions, with conditional writes and batches.

    Partition and key are 1 to 512 characters of `A-Za-z0-9 .:_~-`; anything else raises ValueError before any call.
    A text may be up to 500,000 UTF-16 units (an emoji counts as two), all texts of one commit together up to 4,000,000
    bytes of JSON; more raises ValueError.
    """

    def get(self, partition: str, key: str) -> Row | None:
        """The row, or None."""

    def query(self, partition: str, *, prefix: str = "", due_by: datetime | None = None) -> Iterator[Row]:
        """The partition's rows in order of key: those whose key starts with `prefix`, and, with `due_by`, only those
        that have a due time not after it.
        """

    def commit(self, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        """Make 1 to 100 changes of different keys, all or none; gives each written key's new etag.

        Raises:
            Conflict: a condition did not hold; nothing was written.
        """


class Documents(Protocol):
    """Small whole texts by name (snapshots, plans), read and written in one piece. Names use `A-Za-z0-9 ._/-`."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a document that must not exist yet; False, and nothing written, where it does."""

    def read(self, name: str) -> bytes | None:
        """The whole document, or None."""


class Pages(Protocol):
    """Whole pages by name that are written over as things go on; the last writer wins. Names use `A-Za-z0-9 ._/-`."""

    def put(self, name: str, data: bytes, *, media_type: str) -> None:
        """Write a page, whatever was there. Browsers show what is `text/html`, and save everything else as a file."""

    def read(self, name: str) -> bytes | None:
        """The whole page, or None."""


@dataclass(frozen=True, slots=True)
class Message:
    """A queue message as received: `text` is decoded, `receipt` is needed to delete it."""

    id: str
    text: str
    receipt: str
    dequeue_count: int


class Queues(Protocol):
    """Messages that nudge. They never expire, and they are never the only record of anything."""

    def send(self, queue: str, text: str, *, delay: float = 0.0) -> None:
        """Put a message, invisible for `delay` seconds (0 to 7 days)."""

    def receive(self, queue: str, *, limit: int = 16, hidden_for: float = 60.0) -> Sequence[Message]:
        """Up to `limit` (1 to 32) messages, hidden from others for `hidden_for` seconds; none where the queue is
        missing. A message that is not valid base64 comes with its raw text.
        """

    def delete(self, queue: str, message: Message) -> None:
        """Remove a received message; one that is gone already, or was received by another since, is left alone."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the evidence store: `sha256` (hex), `metadata` and `mac` are as given with its one commit. It was
    `created` by this call, or stood there already: whether it is the same, and ours, is for the caller to check.
    """

    name: str
    size: int
    sha256: str
    metadata: Mapping[str, str]
    created: bool
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One of several things that stand, or stood, under one name: `written` when; `current` what readers get."""

    name: str
    id: str
    written: datetime | None
    current: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """An object in staging that is to become part of another, with what its bytes have to hash to (SHA-256, hex)."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Loan:
    """Where another account can fetch an object for a while: a URL, and a bearer where that alone is not enough."""

    url: str = field(repr=False)
    authorization: str = field(default="", repr=False)


class Evidence(Protocol):
    """The archive: every object is committed once and never changed or removed. No browser is to open what lies here:
    everything is kept as a file to be downloaded, whatever it is.
    """

    def write_once(
        self, name: str, chunks: Iterable[bytes], *, metadata: Mapping[str, str], tags: Mapping[str, str] | None = None
    ) -> Stored:
        """Stream `chunks` (each of any size) into a new object, hashing in flight, and commit it whole with its
        `metadata` plus `sha256`, if none of that name exists. Memory used does not depend on the size. Where `chunks`
        raises, nothing is committed and the error rises. Where the name is taken, before or at the commit, the object
        that stands there is described and `created` is False; `chunks` may then not have been read.

        Metadata keys are lower-case ASCII words, values printable ASCII up to 1,000 characters; at most ten `tags`, by
        which objects are found, have values of up to 256 letters, digits and ` +-./:=_`; else ValueError.
        """

    def join_once(
        self,
        name: str,
        pieces: Sequence[Piece],
        staging: Staging,
        *,
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
        metadata: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> Stored:
        """Like `write_once`, of the bytes of all `pieces` in order. They are read, compared with their hashes and
        passed through `check`, which may refuse them; the storage copies by itself where it can (empty chunks wait).
        `metadata` and `tags` are committed as they are once `check` is done: it may say there what it saw.
        Raises Altered where a piece is not what it was.
        """

    def head(self, name: str) -> Stored | None:
        """What stands under the name (`created` False), or None."""

    def read(self, name: str, *, start: int = 0) -> Iterator[bytes]:
        """The object's bytes from `start` on, in pieces. Raises NotFound; Rejected where it is not that long."""

    def names(self, prefix: str) -> Iterator[str]:
        """The names of all objects that begin so, in order."""

    def held(self, prefix: str) -> Iterator[str]:
        """The names of all objects under legal hold that begin so, in order."""

    def versions(self, prefix: str) -> Iterator[Version]:
        """Every version of all objects that begin so, by name and then by age, as far as the store keeps them: what was
        written over, and what was deleted.
        """


class Custodian(Protocol):
    """What people may do with the archive that the app may not. Nothing here deletes either."""

    def hold(self, name: str, *, on: bool, version: str = "") -> None:
        """Set a legal hold on an object, or let it go: on the version of this id, or on the one that readers get.
        Raises NotFound, Denied.
        """

    def until(self, lent: timedelta) -> datetime:
        """When a link ends that is to work for so long from now on: no later than the storage lets one work."""

    def link(self, name: str, until: datetime) -> str:
        """A link by which anybody who has it may read an object until then, or for as long as the storage lets a link
        work if that is sooner, and do nothing else. Raises Denied.
        """


class Staging(Evidence, Protocol):
    """Where parts lie until they are joined. The account's life-cycle rules clear it; we delete nothing here either."""

    def loan(self, name: str) -> Loan:
        """Let the storage of the archive fetch an object by itself."""


def verified(pieces: Sequence[Piece], staging: Staging) -> Iterator[bytes]:
    """Give the bytes of all pieces in order. Raises Altered at the end of one that is not what it was."""
    for piece in pieces:
        digest, size = hashlib.sha256(), 0
        for chunk in staging.read(piece.name):
            digest.update(chunk)
            size += len(chunk)
            yield chunk
        if (size, digest.hexdigest()) != (piece.size, piece.sha256):
            raise Altered(piece.name)


@dataclass(frozen=True, slots=True)
class Protection:
    """What keeps an object from being changed or deleted: `until` when (None: nothing does), whether that is `locked`
    for good, and whether it is under a legal `hold`.
    """

    until: datetime | None = None
    locked: bool = False
    hold: bool = False


class Protections(Protocol):
    """How the archive's objects are protected, as the store itself says."""

    def of(self, name: str) -> Protection | None:
        """The protection of an object; None where there is no such object."""
