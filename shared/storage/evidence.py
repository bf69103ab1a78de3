"""`Evidence` in one container of Azure Blob storage.

An object is staged as blocks of 8 MiB, hashed on the way, and comes into being with the one commit of its block list,
together with its digest and metadata, under `If-None-Match: *`: a container that keeps what it is given (WORM) refuses
every later edit. Block ids carry the id of the attempt, so that two writers of one name cannot mix their blocks: each
commits its own or nothing. Blocks that nobody commits go by themselves within a week.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, ContentSettings

from shared.errors import Rejected, Transient
from shared.storage import limits, writing
from shared.storage.blobs import ANSWER_SECONDS, CONNECT_SECONDS, is_written_by, metadata_of, properties
from shared.storage.failures import translated
from shared.storage.interface import Conflict, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from azure.storage.blob import BlobClient, BlobProperties, ContainerClient

BLOCK_SIZE = 8 * 1024 * 1024
"""Bytes; 50,000 of them are 390 GiB. At most `in_flight` + 2 are held in memory."""

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

    def add(self, block: bytes) -> str:
        """Count and hash a block; gives its id. All ids of a blob must be of one length."""
        self.size += len(block)
        self.digest.update(block)
        self.block_ids.append(f"{self.write_id}{len(self.block_ids):06d}")
        return self.block_ids[-1]


class BlobEvidence:
    """`Evidence` in the container of `client`."""

    def __init__(
        self,
        client: ContainerClient,
        *,
        block_size: int = BLOCK_SIZE,
        in_flight: int = 2,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Use the container of `client`; up to `in_flight` blocks are sent while the next is read."""
        self._client = client
        self._block_size = block_size
        self._in_flight = in_flight
        self._pause = pause

    def write_once(self, name: str, chunks: Iterable[bytes], *, media_type: str, metadata: Mapping[str, str]) -> Stored:
        limits.check_object(name)
        limits.check_media_type(media_type)
        limits.check_metadata(metadata)
        if (standing := self.head(name)) is not None:
            return standing
        try:
            staged = self._stage(self._client.get_blob_client(name), chunks)
        except _TakenError as error:
            return self._standing(name, error)
        return self._commit(name, staged, ContentSettings(content_type=media_type), metadata)

    def _stage(self, blob: BlobClient, chunks: Iterable[bytes]) -> _Staged:
        staged = _Staged(writing.new_write_id())
        sending: deque[Future[None]] = deque()
        with ThreadPoolExecutor(self._in_flight, thread_name_prefix="stage") as pool:
            for block in blocks(chunks, self._block_size):
                if len(sending) == self._in_flight:
                    sending.popleft().result()
                sending.append(pool.submit(self._send, blob, staged.add(block), block))
            for sent in sending:
                sent.result()
        return staged

    def _send(self, blob: BlobClient, block_id: str, block: bytes) -> None:
        # The SDK may repeat this one: the same block under the same id is the same block.
        with _taken_on_conflict(), translated(f"staging {self._client.container_name}/{blob.blob_name}"):
            blob.stage_block(block_id, block, connection_timeout=CONNECT_SECONDS, read_timeout=ANSWER_SECONDS)

    def _commit(self, name: str, staged: _Staged, content: ContentSettings, metadata: Mapping[str, str]) -> Stored:
        digest = staged.digest.hexdigest()
        ours = {limits.SHA256_KEY: digest, limits.WRITE_ID_KEY: staged.write_id}

        def attempt() -> Stored:
            with translated(f"committing {self._client.container_name}/{name}"):
                self._client.get_blob_client(name).commit_block_list(
                    [BlobBlock(block_id) for block_id in staged.block_ids],
                    content_settings=content,
                    metadata={**metadata, **ours},
                    match_condition=MatchConditions.IfMissing,
                    retry_total=0,
                    connection_timeout=CONNECT_SECONDS,
                    read_timeout=ANSWER_SECONDS,
                )
            return Stored(name, staged.size, digest, dict(metadata), created=True)

        def found() -> Stored | None:
            standing = properties(self._client, name)
            if standing is None:
                return None
            return replace(_described(standing), created=is_written_by(standing, staged.write_id))

        try:
            return writing.write(attempt, found, self._pause)
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

    def read(self, name: str) -> Iterator[bytes]:
        limits.check_object(name)
        doing = f"reading {self._client.container_name}/{name}"
        with translated(doing):
            pieces = self._client.download_blob(name).chunks()
        return _translated_each(pieces, doing)


def blocks(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Give the same bytes in pieces of `size`, the last one shorter; holds one piece, however large a chunk is."""
    block = bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            taken = min(size - len(block), len(rest))
            block += rest[:taken]
            rest = rest[taken:]
            if len(block) == size:
                yield bytes(block)
                block.clear()
    if block:
        yield bytes(block)


def _described(standing: BlobProperties) -> Stored:
    metadata = metadata_of(standing)
    given = {key: value for key, value in metadata.items() if key not in limits.RESERVED_KEYS}
    return Stored(str(standing.name), standing.size, metadata.get(limits.SHA256_KEY, ""), given, created=False)


def _translated_each(pieces: Iterator[bytes], doing: str) -> Iterator[bytes]:
    with translated(doing):
        yield from pieces


@contextmanager
def _taken_on_conflict() -> Iterator[None]:
    """Tell our own conflict from one that the caller's chunks may raise."""
    try:
        yield
    except Conflict as error:
        raise _TakenError(str(error)) from error
