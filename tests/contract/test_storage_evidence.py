"""What `Evidence` promises, over the fake and over Azure Blobs (Azurite).

Azurite knows no write-once storage: that a container under a policy refuses later edits is not shown here. What is
shown is that we never try one.
"""

import hashlib
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.errors import NotFound
from shared.storage.connections import Connection
from shared.storage.evidence import BlobEvidence, blocks
from shared.storage.interface import Evidence, Stored
from tests.contract.conftest import CONTAINER, Faulty

MEBI = 1024 * 1024
TEXT = "text/plain"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def small_blocks(connection: Connection, *, in_flight: int = 2) -> BlobEvidence:
    """The archive in blocks of four bytes, so that little data makes many."""
    return BlobEvidence(connection.blobs.get_container_client(CONTAINER), block_size=4, in_flight=in_flight)


def test_an_object_comes_back_as_it_was_written(evidence: Evidence, name: str) -> None:
    """Its description at the commit, its description later, and its bytes."""
    written = evidence.write_once(name, [b"one ", b"", b"two"], media_type=TEXT, metadata={"case": "INC 1"})
    assert written == Stored(name, 7, sha256(b"one two"), {"case": "INC 1"}, created=True)
    assert evidence.head(name) == Stored(name, 7, sha256(b"one two"), {"case": "INC 1"}, created=False)
    assert b"".join(evidence.read(name)) == b"one two"


@pytest.mark.parametrize("chunks", [[], [b""]], ids=["no chunks", "an empty chunk"])
def test_an_object_may_be_empty(evidence: Evidence, name: str, chunks: list[bytes]) -> None:
    written = evidence.write_once(name, chunks, media_type=TEXT, metadata={})
    assert written == Stored(name, 0, sha256(b""), {}, created=True)
    assert b"".join(evidence.read(name)) == b""


def test_what_is_not_there(evidence: Evidence, name: str) -> None:
    """It has no description, and reading it fails at once."""
    assert evidence.head(name) is None
    with pytest.raises(NotFound, match=name):
        evidence.read(name)


def test_a_taken_name_keeps_what_it_has(evidence: Evidence, name: str) -> None:
    """The writer is told what stands there, and its chunks are not even read."""
    evidence.write_once(name, [b"first"], media_type=TEXT, metadata={"writer": "1"})
    chunks = iter([b"second"])
    second = evidence.write_once(name, chunks, media_type=TEXT, metadata={"writer": "2"})
    assert list(chunks) == [b"second"]
    assert second == Stored(name, 5, sha256(b"first"), {"writer": "1"}, created=False)
    assert b"".join(evidence.read(name)) == b"first"


def test_a_name_taken_while_we_were_reading_keeps_what_it_has(evidence: Evidence, name: str) -> None:
    """Another's commit between our first chunk and our last one."""

    def interrupted() -> Iterator[bytes]:
        yield b"ours"
        evidence.write_once(name, [b"theirs"], media_type=TEXT, metadata={"writer": "them"})
        yield b" and more"

    ours = evidence.write_once(name, interrupted(), media_type=TEXT, metadata={"writer": "us"})
    assert ours == Stored(name, 6, sha256(b"theirs"), {"writer": "them"}, created=False)
    assert b"".join(evidence.read(name)) == b"theirs"


def test_of_two_who_write_the_same_name_one_does(evidence: Evidence, name: str) -> None:
    """Both read to the end before either commits; each is told which of the two stands there."""
    together = threading.Barrier(2, timeout=30)

    def write(data: bytes) -> Stored:
        def chunks() -> Iterator[bytes]:
            yield data
            together.wait()

        return evidence.write_once(name, chunks(), media_type=TEXT, metadata={})

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(write, [b"left", b"right"]))
    stands = b"".join(evidence.read(name))
    assert [outcome.created for outcome in outcomes] == [stands == b"left", stands == b"right"]
    assert {outcome.sha256 for outcome in outcomes} == {sha256(stands)}


def test_chunks_that_break_off_commit_nothing(evidence: Evidence, name: str) -> None:
    """The error rises as it is, and the next try starts afresh."""

    def broken() -> Iterator[bytes]:
        yield b"some"
        raise ConnectionResetError("in the middle")

    with pytest.raises(ConnectionResetError, match="in the middle"):
        evidence.write_once(name, broken(), media_type=TEXT, metadata={})
    assert evidence.head(name) is None
    assert evidence.write_once(name, [b"whole"], media_type=TEXT, metadata={}).created
    assert b"".join(evidence.read(name)) == b"whole"


def test_names_may_have_any_letter(evidence: Evidence, name: str) -> None:
    awkward = f"{name}/INC 1/C: 100% #1 ?&+='\N{HIRAGANA LETTER A}\N{FIRE}~.json"
    written = evidence.write_once(awkward, [b"x"], media_type=TEXT, metadata={})
    assert written.name == awkward
    assert evidence.head(awkward) == Stored(awkward, 1, sha256(b"x"), {}, created=False)
    assert b"".join(evidence.read(awkward)) == b"x"


BAD_NAMES = ["", "/a", "a/", "a//b", "../a", "a/..", "a/./b", "a.", "a\\b", "a\n", "x" * 1025, "\ud83d"]


@pytest.mark.parametrize("bad", BAD_NAMES)
def test_names_that_would_become_another_are_refused(evidence: Evidence, bad: str) -> None:
    for call in (
        lambda: evidence.write_once(bad, [b""], media_type=TEXT, metadata={}),
        lambda: evidence.head(bad),
        lambda: evidence.read(bad),
    ):
        with pytest.raises(ValueError, match=r"name|surrogates"):
            call()


def test_metadata_is_kept_to_the_letter(evidence: Evidence, name: str) -> None:
    """Every printable character, and a thousand of them."""
    metadata = {"a": "x" * 1000, "word_2": "".join(map(chr, range(33, 127))), "spaced": "a  b"}
    assert evidence.write_once(name, [b"x"], media_type=TEXT, metadata=metadata).metadata == metadata
    standing = evidence.head(name)
    assert standing is not None
    assert standing.metadata == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        *({key: "x"} for key in ("", "A", "1a", "a-b", "a b", "é", "sha256", "write_id")),
        *({"a": value} for value in ("", " x", "x ", "é", "a\nb", "x" * 1001)),
        {f"k{number}": "x" * 1000 for number in range(8)},
    ],
    ids=lambda metadata: repr(metadata)[:30],
)
def test_metadata_that_would_not_survive_is_refused(evidence: Evidence, name: str, metadata: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="metadata"):
        evidence.write_once(name, [b"x"], media_type=TEXT, metadata=metadata)
    assert evidence.head(name) is None


def test_many_blocks_are_put_together_in_order(connection: Connection, name: str) -> None:
    """Whatever the size of the chunks, and however many blocks are under way at once."""
    data = bytes(range(103))
    for in_flight in (1, 3):
        evidence = small_blocks(connection, in_flight=in_flight)
        stored = evidence.write_once(
            f"{name}/{in_flight}", [data[:1], data[1:50], data[50:]], media_type=TEXT, metadata={}
        )
        assert (stored.size, stored.sha256) == (103, sha256(data))
        assert b"".join(evidence.read(f"{name}/{in_flight}")) == data


def test_two_writers_never_mix_their_blocks(connection: Connection, name: str) -> None:
    """Another stages as many blocks under the same name, while we stage ours, and then breaks off."""
    evidence = small_blocks(connection, in_flight=1)

    def theirs() -> Iterator[bytes]:
        yield b"THEIRS THEIRS"
        raise ConnectionResetError

    def ours() -> Iterator[bytes]:
        yield b"ours ours"
        with pytest.raises(ConnectionResetError):
            evidence.write_once(name, theirs(), media_type=TEXT, metadata={})
        yield b" ours"

    stored = evidence.write_once(name, ours(), media_type=TEXT, metadata={})
    assert stored.sha256 == sha256(b"ours ours ours")
    assert b"".join(evidence.read(name)) == b"ours ours ours"


def test_a_block_that_cannot_be_sent_commits_nothing(faulty: Faulty, name: str) -> None:
    """Save where the next try of the same block goes through."""
    evidence = small_blocks(faulty.connection)
    faulty.transport.lose_request(lambda request: "comp=block&" in f"{request.url}&")
    assert evidence.write_once(name, [b"0123456789"], media_type=TEXT, metadata={}).created
    assert b"".join(evidence.read(name)) == b"0123456789"


def test_the_media_type_goes_with_the_commit(connection: Connection, name: str) -> None:
    """Immutable blobs refuse to be told later."""
    connection.evidence(CONTAINER).write_once(name, [b"{}"], media_type="application/json", metadata={})
    blob = connection.blobs.get_blob_client(CONTAINER, name)
    assert blob.get_blob_properties().content_settings.content_type == "application/json"


def test_memory_does_not_grow_with_the_object(connection: Connection, name: str) -> None:
    """64 MiB go through, and at most five blocks of 8 MiB are held at any time; likewise on the way back."""
    evidence = connection.evidence(CONTAINER)
    piece = bytes(MEBI)
    tracemalloc.start()
    try:
        stored = evidence.write_once(name, (piece for _ in range(64)), media_type=TEXT, metadata={})
        _, written_peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        read = sum(map(len, evidence.read(name)))
        _, read_peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stored.size == read == 64 * MEBI
    assert written_peak < 5 * 8 * MEBI
    assert read_peak < 5 * 8 * MEBI


def test_one_huge_chunk_is_cut_without_being_copied_whole() -> None:
    huge = bytes(32 * MEBI)
    tracemalloc.start()
    try:
        sizes = [len(block) for block in blocks([b"x", huge], MEBI)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sizes == [MEBI] * 32 + [1]
    assert peak < 4 * MEBI


def test_a_missing_container_is_not_an_empty_one(connection: Connection) -> None:
    """It is a fault of the deployment: every call names the container."""
    evidence = connection.evidence("nosuchcontainer")
    for call in (
        lambda: evidence.head("a"),
        lambda: evidence.read("a"),
        lambda: evidence.write_once("a", [b"x"], media_type=TEXT, metadata={}),
    ):
        with pytest.raises(NotFound, match="nosuchcontainer"):
            call()
