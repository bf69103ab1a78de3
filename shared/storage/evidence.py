"""`Evidence` in one container of Azure Blob storage.

An object is staged as blocks of 8 MiB, hashed on the way, and comes into being with the one commit of its block list,
together with its digest and metadata, under `If-None-Match: *`: a container that keeps what it is given (WORM) refuses
every later edit. Block ids carry the id of the attempt, so that two writers of one name cannot mix their blocks: each
commits its own or nothing. Blocks that nobody commits go by themselves within a week. What is smaller than a block is
put in one request, under the same condition.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, ContentSettings

from shared.errors import Rejected, Transient
from shared.models.archive import codes
from shared.storage import limits, writing
from shared.storage.blobs import ANSWER_SECONDS, CONNECT_SECONDS, is_written_by, metadata_of, properties
from shared.storage.cutting import Cutter
from shared.storage.failures import translated
from shared.storage.interface import Conflict, Stored, Version, verified
from shared.storage.joining import FIRST_SECONDS, lent, pull
from shared.storage.reading import ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from azure.storage.blob import BlobClient, BlobProperties, ContainerClient

    from shared.storage.interface import Loan, Piece, Staging

T = TypeVar("T")

BLOCK_SIZE = 8 * 1024 * 1024
"""Bytes; 50,000 of them are 390 GiB. At most `in_flight` + 1 are held in memory."""

AS_FILE = ContentSettings(content_type="application/octet-stream", content_disposition="attachment")
"""What a browser is told of everything: to save it, not to show it. It may be an attacker's."""

_BLOCKS_GONE = "InvalidBlockList"


class _TakenError(Exception):
    """Somebody else committed this name while we staged."""


@dataclass(slots=True)
class _Staged:
    """What was staged so far."""

    write_id: str
    size: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    block_ids: list[str] = field(default_factory=list)

    def count(self, block: bytes | memoryview) -> None:
        """Count and hash a block."""
        self.size += len(block)
        self.digest.update(block)

    def next_id(self) -> str:
        """The id of the next block. All ids of a blob must be of one length."""
        self.block_ids.append(f"{self.write_id}{len(self.block_ids):06d}")
        return self.block_ids[-1]


class BlobEvidence:
    """`Evidence` in the container of `client`."""

    def __init__(
        self,
        client: ContainerClient,
        *,
        mac: Callable[[Mapping[str, Any]], str] | None = None,
        block_size: int = BLOCK_SIZE,
        in_flight: int = 3,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use the container of `client`; up to `in_flight` blocks are sent while the next is read. `clock` gives the
        seconds by which it is known that something hangs. Every commit carries the code that `mac` makes of it.
        """
        self._client = client
        self._mac = mac
        self._block_size = block_size
        self._in_flight = in_flight
        self._pause = pause
        self._clock = clock

    def write_once(
        self, name: str, chunks: Iterable[bytes], *, metadata: Mapping[str, str], tags: Mapping[str, str] | None = None
    ) -> Stored:
        limits.check_object(name)
        limits.check_metadata(metadata)
        limits.check_tags(tags or {})
        if (standing := self.head(name)) is not None:
            return standing
        staged, cutter = _Staged(writing.new_write_id()), Cutter(self._block_size)
        cut = cutter.blocks(chunks)
        first = next(cut, memoryview(b""))
        if len(first) < self._block_size:
            staged.count(first)
            return self._commit(name, staged, metadata, tags or {}, bytes(first))
        every = chain(iter([first]), cut)
        del first  # or it would stay until the end
        try:
            self._stage(self._client.get_blob_client(name), every, cutter, staged)
        except _TakenError as error:
            return self._standing(name, error)
        return self._commit(name, staged, metadata, tags or {})

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
        limits.check_object(name)
        limits.check_metadata(metadata)
        limits.check_tags(tags or {})
        if (standing := self.head(name)) is not None:
            return standing
        staged = _Staged(writing.new_write_id())
        blocks = {staged.next_id(): piece for piece in pieces if piece.size}
        blob = self._client.get_blob_client(name)
        enough = Event()
        if not pull(blob, dict(list(blocks.items())[:1]), staging, enough, FIRST_SECONDS):
            return self.write_once(name, check(verified(pieces, staging)), metadata=metadata, tags=tags)
        pool = ThreadPoolExecutor(1, thread_name_prefix="pull")
        try:
            pulling = pool.submit(pull, blob, dict(list(blocks.items())[1:]), staging, enough)
            for chunk in check(chain(verified(pieces, staging), _waited(pulling))):
                staged.count(chunk)
            if not pulling.result():
                raise Transient(f"{self._client.container_name}/{name}: not every piece could be fetched")
        finally:
            enough.set()
            pool.shutdown(wait=False)
        return self._commit(name, staged, metadata, tags or {})

    def _stage(self, blob: BlobClient, cut: Iterable[memoryview], cutter: Cutter, staged: _Staged) -> None:
        sending: deque[tuple[Future[None], memoryview]] = deque()
        with ThreadPoolExecutor(self._in_flight, thread_name_prefix="stage") as pool:
            for block in cut:
                if len(sending) == self._in_flight:
                    sent, free = sending.popleft()
                    sent.result()
                    cutter.free(free)
                    del free
                sending.append((pool.submit(self._send, blob, staged.next_id(), block), block))
                staged.count(block)
            for sent, _ in sending:
                sent.result()

    def _send(self, blob: BlobClient, block_id: str, block: memoryview) -> None:
        def attempt() -> None:
            with _taken_on_conflict(), translated(f"staging {self._client.container_name}/{blob.blob_name}"):
                blob.stage_block(
                    block_id,
                    block,  # type: ignore[arg-type] # it takes whatever has a length and can be sent
                    connection_timeout=CONNECT_SECONDS,
                    read_timeout=ANSWER_SECONDS,
                    retry_total=0,
                )

        # It may be repeated without a look: the same block under the same id is the same block.
        writing.write(attempt, lambda: None, self._pause, self._clock)

    def _commit(
        self,
        name: str,
        staged: _Staged,
        metadata: Mapping[str, str],
        tags: Mapping[str, str],
        whole: bytes | None = None,
    ) -> Stored:
        """Commit the blocks that were staged, or else put the `whole`."""
        digest = staged.digest.hexdigest()
        mac = self._mac(codes.commit(name, staged.size, digest, metadata)) if self._mac else ""
        ours = {limits.SHA256_KEY: digest, limits.WRITE_ID_KEY: staged.write_id}
        ours |= {limits.MAC_KEY: mac} if mac else {}
        blob = self._client.get_blob_client(name)
        options: dict[str, Any] = {
            "content_settings": AS_FILE,
            "metadata": {**metadata, **ours},
            "tags": dict(tags) or None,
            "match_condition": MatchConditions.IfMissing,
            "retry_total": 0,
            "connection_timeout": CONNECT_SECONDS,
            "read_timeout": ANSWER_SECONDS,
        }

        def attempt() -> Stored:
            with translated(f"committing {self._client.container_name}/{name}"):
                if whole is None:
                    blob.commit_block_list([BlobBlock(block_id) for block_id in staged.block_ids], **options)
                else:
                    blob.upload_blob(whole, overwrite=False, **options)
            return Stored(name, staged.size, digest, dict(metadata), created=True, mac=mac)

        def found() -> Stored | None:
            standing = properties(self._client, name)
            if standing is None:
                return None
            return replace(_described(standing), created=is_written_by(standing, staged.write_id))

        try:
            return writing.write(attempt, found, self._pause, self._clock)
        except Conflict as error:
            return self._standing(name, error)
        except Rejected as error:
            # Another writer's commit throws our blocks away.
            if error.code != _BLOCKS_GONE:
                raise
            return self._standing(name, error)

    def _standing(self, name: str, taken: Exception) -> Stored:
        if (standing := self.head(name)) is None:
            raise Transient(f"{self._client.container_name}/{name} was refused as taken, yet is not there") from taken
        return standing

    def head(self, name: str) -> Stored | None:
        limits.check_object(name)
        standing = properties(self._client, name)
        return None if standing is None else _described(standing)

    def read(self, name: str, *, start: int = 0) -> Iterator[bytes]:
        limits.check_object(name)
        return ranges(self._client.get_blob_client(name), start)

    def names(self, prefix: str) -> Iterator[str]:
        return _translated_each(
            self._client.list_blob_names(name_starts_with=prefix), f"listing {self._client.container_name}/{prefix}"
        )

    def held(self, prefix: str) -> Iterator[str]:
        found = self._client.list_blobs(name_starts_with=prefix, include=["legalhold"])
        names = (str(each.name) for each in found if each.has_legal_hold)
        return _translated_each(names, f"listing {self._client.container_name}/{prefix}")

    def versions(self, prefix: str) -> Iterator[Version]:
        found = self._client.list_blobs(name_starts_with=prefix, include=["versions"])
        each = (
            Version(str(blob.name), str(blob.version_id or ""), blob.last_modified, _is_current(blob)) for blob in found
        )
        return _translated_each(each, f"listing {self._client.container_name}/{prefix}")

    def loan(self, name: str) -> Loan:
        limits.check_object(name)
        with translated(f"lending {self._client.container_name}/{name}"):
            return lent(self._client.get_blob_client(name))


def _waited(future: Future[bool]) -> Iterator[bytes]:
    """Empty chunks until it is done, so that whoever checks them can say that it takes too long."""
    while not future.done():
        wait([future], 1.0)
        yield b""


def _is_current(blob: BlobProperties) -> bool:
    """Whether it is what readers get. An account that keeps no versions does not say."""
    return bool(blob.is_current_version) or not blob.version_id


def _described(standing: BlobProperties) -> Stored:
    metadata = metadata_of(standing)
    given = {key: value for key, value in metadata.items() if key not in limits.RESERVED_KEYS}
    sha256, mac = metadata.get(limits.SHA256_KEY, ""), metadata.get(limits.MAC_KEY, "")
    return Stored(str(standing.name), standing.size, sha256, given, created=False, mac=mac)


def _translated_each(pieces: Iterator[T], doing: str) -> Iterator[T]:
    with translated(doing):
        yield from pieces


@contextmanager
def _taken_on_conflict() -> Iterator[None]:
    """Tell our own conflict from one that the caller's chunks may raise."""
    try:
        yield
    except Conflict as error:
        raise _TakenError(str(error)) from error
