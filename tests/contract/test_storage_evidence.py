"""What `Evidence` promises, over the fake and over Azure Blobs (Azurite).

Azurite knows no write-once storage, so it is reached here over a wire that refuses what such storage refuses.
"""

import hashlib
import threading
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from azure.core.pipeline.transport import HttpRequest, HttpResponse

from shared.errors import Incomplete, NotFound, Transient
from shared.storage.connections import Connection, Location
from shared.storage.evidence import BlobEvidence
from shared.storage.interface import Evidence, Piece, Staging, Stored
from shared.storage.reading import AHEAD
from tests.contract.conftest import CONTAINER, STAGING, Faulty, FaultyTransport, FetchingTransport
from tests.contract.worm import WormTransport
from tests.fakes.storage import FakeEvidence

MEBI = 1024 * 1024


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def small_blocks(connection: Connection, *, in_flight: int = 2) -> BlobEvidence:
    """The archive in blocks of four bytes, so that little data makes many."""
    return BlobEvidence(connection.blobs.get_container_client(CONTAINER), block_size=4, in_flight=in_flight)


def test_an_object_comes_back_as_it_was_written(evidence: Evidence, name: str) -> None:
    """Its description at the commit, its description later, and its bytes."""
    written = evidence.write_once(name, [b"one ", b"", b"two"], metadata={"case": "INC 1"})
    assert written == Stored(name, 7, sha256(b"one two"), {"case": "INC 1"}, created=True)
    assert evidence.head(name) == Stored(name, 7, sha256(b"one two"), {"case": "INC 1"}, created=False)
    assert b"".join(evidence.read(name)) == b"one two"


@pytest.mark.parametrize("chunks", [[], [b""]], ids=["no chunks", "an empty chunk"])
def test_an_object_may_be_empty(evidence: Evidence, name: str, chunks: list[bytes]) -> None:
    written = evidence.write_once(name, chunks, metadata={})
    assert written == Stored(name, 0, sha256(b""), {}, created=True)
    assert b"".join(evidence.read(name)) == b""


def test_what_is_not_there(evidence: Evidence, name: str) -> None:
    """It has no description, and reading it fails at once."""
    assert evidence.head(name) is None
    with pytest.raises(NotFound, match=name):
        evidence.read(name)


def test_a_taken_name_keeps_what_it_has(evidence: Evidence, name: str) -> None:
    """The writer is told what stands there, and its chunks are not even read."""
    evidence.write_once(name, [b"first"], metadata={"writer": "1"})
    chunks = iter([b"second"])
    second = evidence.write_once(name, chunks, metadata={"writer": "2"})
    assert list(chunks) == [b"second"]
    assert second == Stored(name, 5, sha256(b"first"), {"writer": "1"}, created=False)
    assert b"".join(evidence.read(name)) == b"first"


def test_a_name_taken_while_we_were_reading_keeps_what_it_has(evidence: Evidence, name: str) -> None:
    """Another's commit between our first chunk and our last one."""

    def interrupted() -> Iterator[bytes]:
        yield b"ours"
        evidence.write_once(name, [b"theirs"], metadata={"writer": "them"})
        yield b" and more"

    ours = evidence.write_once(name, interrupted(), metadata={"writer": "us"})
    assert ours == Stored(name, 6, sha256(b"theirs"), {"writer": "them"}, created=False)
    assert b"".join(evidence.read(name)) == b"theirs"


def test_what_the_policy_refuses_to_write_again_stands_as_it_is(connection: Connection, name: str) -> None:
    """Storage may say of what stands there that a policy protects it, instead of that it stands there."""
    wire = WormTransport()
    with closing(Connection(connection.location, transport=wire)) as opened:
        evidence = opened.evidence(CONTAINER)

        def interrupted() -> Iterator[bytes]:
            yield b"ours"
            connection.evidence(CONTAINER).write_once(name, [b"theirs"], metadata={"writer": "them"})

        ours = evidence.write_once(name, interrupted(), metadata={"writer": "us"})
    assert (wire.taken, wire.refused) == (1, [])
    assert ours == Stored(name, 6, sha256(b"theirs"), {"writer": "them"}, created=False)


def test_of_two_who_write_the_same_name_one_does(evidence: Evidence, name: str) -> None:
    """Both read to the end before either commits; each is told which of the two stands there."""
    together = threading.Barrier(2, timeout=30)

    def write(data: bytes) -> Stored:
        def chunks() -> Iterator[bytes]:
            yield data
            together.wait()

        return evidence.write_once(name, chunks(), metadata={})

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
        evidence.write_once(name, broken(), metadata={})
    assert evidence.head(name) is None
    assert evidence.write_once(name, [b"whole"], metadata={}).created
    assert b"".join(evidence.read(name)) == b"whole"


def test_names_may_have_any_letter(evidence: Evidence, name: str) -> None:
    awkward = f"{name}/INC 1/C: 100% #1 ?&+='\N{HIRAGANA LETTER A}\N{FIRE}~.json"
    written = evidence.write_once(awkward, [b"x"], metadata={})
    assert written.name == awkward
    assert evidence.head(awkward) == Stored(awkward, 1, sha256(b"x"), {}, created=False)
    assert b"".join(evidence.read(awkward)) == b"x"


BAD_NAMES = ["", "/a", "a/", "a//b", "../a", "a/..", "a/./b", "a.", "a\\b", "a\n", "x" * 1025, "\ud83d"]


@pytest.mark.parametrize("bad", BAD_NAMES)
def test_names_that_would_become_another_are_refused(evidence: Evidence, bad: str) -> None:
    for call in (
        lambda: evidence.write_once(bad, [b""], metadata={}),
        lambda: evidence.head(bad),
        lambda: evidence.read(bad),
    ):
        with pytest.raises(ValueError, match=r"name|surrogates"):
            call()


def test_metadata_is_kept_to_the_letter(evidence: Evidence, name: str) -> None:
    """Every printable character, and a thousand of them."""
    metadata = {"a": "x" * 1000, "word_2": "".join(map(chr, range(33, 127))), "spaced": "a  b"}
    assert evidence.write_once(name, [b"x"], metadata=metadata).metadata == metadata
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
        evidence.write_once(name, [b"x"], metadata=metadata)
    assert evidence.head(name) is None


def test_many_blocks_are_put_together_in_order(connection: Connection, name: str) -> None:
    """Whatever the size of the chunks, and however many blocks are under way at once."""
    data = bytes(range(103))
    for in_flight in (1, 3):
        evidence = small_blocks(connection, in_flight=in_flight)
        stored = evidence.write_once(f"{name}/{in_flight}", [data[:1], data[1:50], data[50:]], metadata={})
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
            evidence.write_once(name, theirs(), metadata={})
        yield b" ours"

    stored = evidence.write_once(name, ours(), metadata={})
    assert stored.sha256 == sha256(b"ours ours ours")
    assert b"".join(evidence.read(name)) == b"ours ours ours"


def test_a_block_that_cannot_be_sent_commits_nothing(faulty: Faulty, name: str) -> None:
    """Save where the next try of the same block goes through."""
    evidence = small_blocks(faulty.connection)
    faulty.transport.lose_request(lambda request: "comp=block&" in f"{request.url}&")
    assert evidence.write_once(name, [b"0123456789"], metadata={}).created
    assert b"".join(evidence.read(name)) == b"0123456789"


def test_everything_is_a_file_to_be_saved(connection: Connection, name: str) -> None:
    """No browser is to show what may be an attacker's page. Immutable blobs refuse to be told later."""
    connection.evidence(CONTAINER).write_once(name, [b"<script>"], metadata={})
    found = connection.blobs.get_blob_client(CONTAINER, name).get_blob_properties().content_settings
    assert (found.content_type, found.content_disposition) == ("application/octet-stream", "attachment")


def test_tags_go_with_the_commit(connection: Connection, name: str) -> None:
    tags = {"incident": "71", "device": "a" * 40, "kind": "package", "status": "received-only"}
    connection.evidence(CONTAINER).write_once(name, [b"x"], metadata={}, tags=tags)
    assert connection.blobs.get_blob_client(CONTAINER, name).get_blob_tags() == tags


@pytest.mark.parametrize("tags", [{"A": "x"}, {"a": "é"}, {"a": "x" * 257}, {f"k{n}": "" for n in range(11)}])
def test_tags_that_cannot_be_are_refused(evidence: Evidence, name: str, tags: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="tag"):
        evidence.write_once(name, [b"x"], metadata={}, tags=tags)


@pytest.mark.parametrize("size", [0, 1, 8 * MEBI - 1, 8 * MEBI, 8 * MEBI + 1, 41 * MEBI + 5])
def test_what_comes_in_several_answers_is_put_together_in_order(connection: Connection, name: str, size: int) -> None:
    """Several are under way at once; a block less one is put in one request."""
    evidence, data = connection.evidence(CONTAINER), bytes(n % 251 for n in range(10_000))
    whole = (data * (size // len(data) + 1))[:size]
    assert evidence.write_once(name, [whole], metadata={}).sha256 == sha256(whole)
    assert sha256(b"".join(evidence.read(name))) == sha256(whole)
    if size:
        assert b"".join(evidence.read(name, start=size - 1)) == whole[-1:]


def test_who_reads_no_further_waits_for_nothing(connection: Connection, name: str) -> None:
    evidence = connection.evidence(CONTAINER)
    evidence.write_once(name, [bytes(30 * MEBI)], metadata={})
    reading = evidence.read(name)
    assert len(next(reading)) == 8 * MEBI
    del reading
    assert evidence.head(name) is not None


def test_a_blob_that_is_exchanged_while_it_is_read_is_never_mixed(connection: Connection, name: str) -> None:
    """Write-once storage does not let that happen; somebody with all rights might."""
    evidence = connection.evidence(CONTAINER)
    evidence.write_once(name, [bytes(40 * MEBI)], metadata={})
    reading = evidence.read(name)
    next(reading)
    connection.blobs.get_blob_client(CONTAINER, name).upload_blob(b"\1" * (40 * MEBI), overwrite=True)
    with pytest.raises(Transient, match="changed meanwhile"):
        sum(map(len, reading))


def test_reading_may_begin_anywhere(evidence: Evidence, name: str) -> None:
    evidence.write_once(name, [bytes(range(100))], metadata={})
    assert b"".join(evidence.read(name, start=90)) == bytes(range(90, 100))


def test_names_are_listed_in_order(evidence: Evidence, name: str) -> None:
    for each in ("b", "a/2", "a/1", "c"):
        evidence.write_once(f"{name}/{each}", [b"x"], metadata={})
    assert list(evidence.names(f"{name}/a")) == [f"{name}/a/1", f"{name}/a/2"]
    assert list(evidence.names(f"{name}/nothing")) == []


# joining


def staged(staging: Evidence, name: str, *contents: bytes) -> list[Piece]:
    """Each content as an object in staging."""
    made = [staging.write_once(f"{name}/part-{n}", [each], metadata={}) for n, each in enumerate(contents)]
    return [Piece(each.name, each.size, each.sha256) for each in made]


def unchecked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield from chunks


def test_pieces_are_joined_in_order(evidence: Evidence, staging: Staging, name: str) -> None:
    """An empty one in between is nothing."""
    pieces = staged(staging, name, b"one ", b"", b"two")
    joined = evidence.join_once(f"{name}/whole", pieces, staging, check=unchecked, metadata={"a": "b"})
    assert joined == Stored(f"{name}/whole", 7, sha256(b"one two"), {"a": "b"}, created=True)
    assert b"".join(evidence.read(f"{name}/whole")) == b"one two"
    assert not evidence.join_once(f"{name}/whole", pieces, staging, check=unchecked, metadata={}).created


def test_a_piece_that_is_not_what_it_was_joins_nothing(evidence: Evidence, staging: Staging, name: str) -> None:
    pieces = staged(staging, name, b"one ", b"two")
    wrong = [pieces[0], replace(pieces[1], sha256=sha256(b"else"))]
    with pytest.raises(Incomplete, match="no longer what was staged"):
        evidence.join_once(f"{name}/whole", wrong, staging, check=unchecked, metadata={})
    assert evidence.head(f"{name}/whole") is None


def test_what_the_check_refuses_is_not_joined(evidence: Evidence, staging: Staging, name: str) -> None:
    def refusing(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield from chunks
        raise Incomplete("not whole")

    with pytest.raises(Incomplete, match="not whole"):
        evidence.join_once(f"{name}/whole", staged(staging, name, b"x"), staging, check=refusing, metadata={})
    assert evidence.head(f"{name}/whole") is None


def test_the_check_may_say_what_it_saw(evidence: Evidence, staging: Staging, name: str) -> None:
    """What it puts into the metadata and the tags goes with the commit."""
    metadata, tags = {"a": "b"}, {"status": "unknown"}

    def seeing(chunks: Iterable[bytes]) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            yield chunk
        metadata["seen"] = tags["status"] = str(size)

    pieces = staged(staging, name, b"one ", b"two")
    evidence.join_once(f"{name}/whole", pieces, staging, check=seeing, metadata=metadata, tags=tags)
    found = evidence.head(f"{name}/whole")
    assert found is not None
    assert found.metadata == {"a": "b", "seen": "7"}
    assert tags_of(evidence, f"{name}/whole") == {"status": "7"}


def tags_of(evidence: Evidence, name: str) -> Mapping[str, str]:
    if isinstance(evidence, FakeEvidence):
        return evidence.tags[name]
    assert isinstance(evidence, BlobEvidence)
    found: dict[str, str] = evidence._client.get_blob_client(name).get_blob_tags()
    return found


def test_a_storage_that_can_fetches_the_pieces_itself(fetching: FetchingTransport, staged_at: str, name: str) -> None:
    """Azurite knows how from 3.37.0 on; for an older one the wire does it. We send none of the bytes."""
    connection = Connection(Location("contract", connection_string=staged_at), transport=fetching)
    staging, evidence = connection.evidence(STAGING), connection.evidence(CONTAINER)
    pieces = staged(staging, name, b"one ", b"two", b" three")
    sent = len(fetching.sent)
    joined = evidence.join_once(f"{name}/whole", pieces, staging, check=unchecked, metadata={})
    assert joined.sha256 == sha256(b"one two three")
    assert b"".join(evidence.read(f"{name}/whole")) == b"one two three"
    puts = [each for each in fetching.sent[sent:] if each.method == "PUT"]
    assert ["x-ms-copy-source" in each.headers for each in puts] == [True, True, True, False]


class Gated(FetchingTransport):
    """A storage that fetches the second piece only once it may."""

    def __init__(self, connection_string: str) -> None:
        super().__init__(connection_string)
        self.fetches, self.begun, self.gate = 0, threading.Event(), threading.Event()

    def send(self, request: HttpRequest, **kwargs: object) -> HttpResponse:
        if "x-ms-copy-source" in request.headers:
            self.fetches += 1
            if self.fetches == 2:
                self.begun.set()
                self.gate.wait(5)
        return super().send(request, **kwargs)


@pytest.mark.parametrize("read", ["in the middle", "to the end"])
def test_a_storage_that_fetches_slowly_holds_nobody_whose_time_is_over(staged_at: str, name: str, read: str) -> None:
    """Nor does it go on to the next piece. Of a reading that is done before, the check is told by empty chunks."""
    wire = Gated(staged_at)
    connection = Connection(Location("contract", connection_string=staged_at), transport=wire)
    staging, evidence = connection.evidence(STAGING), connection.evidence(CONTAINER)
    pieces = staged(staging, name, b"one ", b"two ", b"three ", b"four")

    def late(chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if read == "in the middle" or not chunk:
                assert wire.begun.wait(5)
                raise Incomplete("late")
            yield chunk

    began = time.monotonic()
    with pytest.raises(Incomplete, match="late"):
        evidence.join_once(f"{name}/whole", pieces, staging, check=late, metadata={})
    assert time.monotonic() - began < 4
    wire.gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("pull"):
            thread.join(5)
    assert wire.fetches == 2
    joined = evidence.join_once(f"{name}/whole", pieces, staging, check=unchecked, metadata={})
    assert joined.sha256 == sha256(b"one two three four")


def test_blocks_that_come_as_they_are_go_once_they_are_sent(connection: Connection, name: str) -> None:
    """The first one too. Two are on their way, one is read, and one is about to be."""
    client = connection.blobs.get_container_client(CONTAINER)
    evidence = BlobEvidence(client, block_size=MEBI, in_flight=2)
    tracemalloc.start()
    try:
        evidence.write_once(name, (bytes([number]) * MEBI for number in range(12)), metadata={})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3.75 * MEBI


class Dawdling(FaultyTransport):
    """A wire on which blocks overtake each other, each as it is when it leaves."""

    def send(self, request: HttpRequest, **kwargs: object) -> HttpResponse:
        if "comp=block&" in f"{request.url}&":
            time.sleep(0.03 if len(self.sent) % 2 else 0.0)
        return super().send(request, **kwargs)


@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_a_block_keeps_its_bytes_until_it_is_sent(connection: Connection, name: str, size: int) -> None:
    """Though its memory is used again, and more are read meanwhile."""
    evidence = small_blocks(Connection(connection.location, transport=Dawdling()), in_flight=3)
    data = bytes(range(98))
    stored = evidence.write_once(name, (data[at : at + size] for at in range(0, len(data), size)), metadata={})
    assert stored.sha256 == sha256(data)
    assert b"".join(evidence.read(name)) == data


def test_memory_does_not_grow_with_the_object(connection: Connection, name: str) -> None:
    """64 MiB go through; the blocks themselves lie in buffers that are mapped, and counted below."""
    evidence = connection.evidence(CONTAINER)
    piece = bytes(MEBI)
    tracemalloc.start()
    try:
        stored = evidence.write_once(name, (piece for _ in range(64)), metadata={})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stored.size == 64 * MEBI
    assert peak < 8 * MEBI


def test_what_is_read_ahead_is_bounded(connection: Connection, faulty: Faulty, name: str) -> None:
    """Counted in answers: the SDK reserves eight times the bytes of one, and touches none of that."""
    connection.evidence(CONTAINER).write_once(name, (bytes(MEBI) for _ in range(64)), metadata={})
    read = 0
    for used, piece in enumerate(faulty.connection.evidence(CONTAINER).read(name), 1):
        read += len(piece)
        assert sum(request.method == "GET" for request in faulty.transport.sent) <= used + AHEAD + 1
    assert read == 64 * MEBI


def test_a_missing_container_is_not_an_empty_one(connection: Connection) -> None:
    """It is a fault of the deployment: every call names the container."""
    evidence = connection.evidence("nosuchcontainer")
    for call in (
        lambda: evidence.head("a"),
        lambda: evidence.read("a"),
        lambda: evidence.write_once("a", [b"x"], metadata={}),
    ):
        with pytest.raises(NotFound, match="nosuchcontainer"):
            call()
