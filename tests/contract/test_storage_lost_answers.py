"""Answers get lost. A write that took effect is never taken for a conflict, and a conflict never for a write.

The wire applies a request and then breaks, or breaks before; Azurite is behind it. Only the adapters are asked: a fake
has no wire.
"""

import pytest
from azure.core.pipeline.transport import HttpRequest

from shared.errors import Transient
from shared.storage.connections import Connection
from shared.storage.evidence import BlobEvidence
from shared.storage.failures import Unsent
from shared.storage.interface import Change, Conflict, Delete, Insert, Put, Replace, Rows, Stored
from shared.storage.tables import TableRows
from tests.contract.conftest import CONTAINER, TABLE, Faulty
from tests.contract.test_storage_failures import response

FAULTS = ("lose_answer", "lose_request", "refuse_connection")


def is_write(request: HttpRequest) -> bool:
    return request.method != "GET"


def is_read(request: HttpRequest) -> bool:
    return request.method in {"GET", "HEAD"}


def is_commit(request: HttpRequest) -> bool:
    """Of blocks, or of what is small enough to be put whole."""
    return request.method == "PUT" and "comp=block&" not in f"{request.url}&"


def archive(connection: Connection, *, in_blocks: bool) -> BlobEvidence:
    """Of which four bytes are a block, or much less than one."""
    client = connection.blobs.get_container_client(CONTAINER)
    return BlobEvidence(client, block_size=4) if in_blocks else BlobEvidence(client)


@pytest.fixture
def rows(faulty: Faulty) -> Rows:
    return faulty.connection.rows(TABLE)


@pytest.fixture
def elsewhere(connection: Connection) -> Rows:
    """The same rows over a sound wire: what another instance does."""
    return connection.rows(TABLE)


def prepared(rows: Rows, partition: str) -> list[Change]:
    """A change of each kind, over rows that were written for it."""
    seen = rows.commit(partition, [Put(key, "old") for key in ("replaced", "put", "deleted", "dropped")])
    return [
        Insert("inserted", "new"),
        Replace("replaced", "new", seen["replaced"]),
        Put("put", "new"),
        Delete("deleted", seen["deleted"]),
        Delete("dropped"),
    ]


@pytest.mark.parametrize("kind", [*FAULTS, "delay_request"])
@pytest.mark.parametrize("which", [slice(0, 1), slice(1, 2), slice(0, 5), slice(2, 3), slice(4, 5)])
def test_a_commit_gets_through_a_broken_wire(faulty: Faulty, rows: Rows, name: str, which: slice, kind: str) -> None:
    """Insert, replace, put, all kinds together and an unconditional delete: made once, with the right etags."""
    changes = prepared(rows, name)[which]
    getattr(faulty.transport, kind)(is_write)
    etags = rows.commit(name, changes)
    found = {row.key: row for row in rows.query(name)}
    for change in changes:
        if isinstance(change, Delete):
            assert change.key not in found
        else:
            assert (found[change.key].text, found[change.key].etag) == ("new", etags[change.key])


def test_a_write_that_took_effect_is_not_sent_again(faulty: Faulty, rows: Rows, name: str) -> None:
    """Not even a put, which would wipe out what another wrote in between."""
    faulty.transport.lose_answer(is_write)
    rows.commit(name, [Put("k", "once")])
    assert [request.method for request in faulty.transport.sent] == ["PUT", "GET"]


def test_a_conditional_delete_with_a_lost_answer_is_no_conflict(faulty: Faulty, rows: Rows, name: str) -> None:
    """It leaves no trace by which to know it, so the caller is told to look again."""
    etag = rows.commit(name, [Insert("k", "")])["k"]
    faulty.transport.lose_answer(is_write)
    with pytest.raises(Transient, match="may have been"):
        rows.commit(name, [Delete("k", etag)])
    assert rows.get(name, "k") is None


@pytest.mark.parametrize("change", [Insert("k", "theirs"), Put("k", "theirs")], ids=["insert", "put"])
def test_a_conflict_with_another_stays_one_though_a_request_was_lost(
    faulty: Faulty, rows: Rows, elsewhere: Rows, name: str, change: Change
) -> None:
    """Nobody can say any more who wrote first, so it is not called a conflict; and their row stands."""
    faulty.transport.lose_request(is_write, meanwhile=lambda: elsewhere.commit(name, [change]))
    with pytest.raises(Transient, match="may have been"):
        rows.commit(name, [Insert("k", "ours")])
    row = rows.get(name, "k")
    assert row is not None
    assert row.text == "theirs"


def test_a_row_of_ours_that_another_overwrote_gives_no_etag_of_theirs(
    faulty: Faulty, rows: Rows, elsewhere: Rows, name: str
) -> None:
    """Or we would write over a row that we never saw."""
    faulty.transport.lose_answer(is_write, meanwhile=lambda: elsewhere.commit(name, [Put("a", "theirs")]))
    etags = rows.commit(name, [Insert("a", "ours"), Insert("b", "ours")])
    with pytest.raises(Conflict):
        rows.commit(name, [Replace("a", "again", etags["a"])])
    rows.commit(name, [Replace("b", "again", etags["b"])])


def test_a_conflict_on_a_sound_wire_is_a_conflict(faulty: Faulty, rows: Rows, name: str) -> None:
    rows.commit(name, [Insert("k", "")])
    faulty.transport.refuse_connection(is_write)
    with pytest.raises(Conflict):
        rows.commit(name, [Insert("k", "")])


@pytest.mark.parametrize("kind", FAULTS)
def test_a_read_is_repeated(faulty: Faulty, rows: Rows, name: str, kind: str) -> None:
    rows.commit(name, [Insert("k", "v")])
    getattr(faulty.transport, kind)(is_read)
    row = rows.get(name, "k")
    assert row is not None
    assert row.text == "v"


@pytest.mark.parametrize("kind", [*FAULTS, "delay_request"])
def test_a_document_is_created_through_a_broken_wire(faulty: Faulty, name: str, kind: str) -> None:
    """And whoever created it is told so."""
    documents = faulty.connection.documents(CONTAINER)
    getattr(faulty.transport, kind)(is_write)
    assert documents.create(name, b"ours") is True
    assert documents.create(name, b"again") is False
    assert documents.read(name) == b"ours"


def test_a_document_of_another_is_never_taken_for_ours(faulty: Faulty, name: str) -> None:
    """Not even with the same bytes."""
    documents = faulty.connection.documents(CONTAINER)
    faulty.transport.lose_request(is_write, meanwhile=lambda: documents.create(name, b"same"))
    assert documents.create(name, b"same") is False


@pytest.mark.parametrize("in_blocks", [True, False])
@pytest.mark.parametrize("kind", [*FAULTS, "delay_request"])
def test_an_object_is_committed_through_a_broken_wire(faulty: Faulty, name: str, kind: str, in_blocks: bool) -> None:
    """And whoever committed it is told so."""
    evidence = archive(faulty.connection, in_blocks=in_blocks)
    getattr(faulty.transport, kind)(is_commit)
    written = evidence.write_once(name, [b"ours"], metadata={"a": "b"})
    assert (written.created, written.size, written.metadata) == (True, 4, {"a": "b"})
    assert b"".join(evidence.read(name)) == b"ours"


@pytest.mark.parametrize("in_blocks", [True, False])
def test_an_object_of_another_is_never_taken_for_ours(faulty: Faulty, name: str, in_blocks: bool) -> None:
    """Not even with the same bytes."""
    evidence = archive(faulty.connection, in_blocks=in_blocks)

    def write() -> Stored:
        return evidence.write_once(name, [b"same"], metadata={})

    faulty.transport.lose_request(is_commit, meanwhile=write)
    assert write().created is False


def test_blocks_thrown_away_by_the_commit_of_another_mean_a_taken_name(faulty: Faulty, name: str) -> None:
    """The documented answer (synthetic: Azurite looks at the condition first)."""
    evidence = archive(faulty.connection, in_blocks=True)

    def write(data: bytes) -> Stored:
        return evidence.write_once(name, [data], metadata={})

    gone = response(400, "InvalidBlockList")
    faulty.transport.answer(is_commit, gone, meanwhile=lambda: write(b"theirs"))
    assert write(b"ours").created is False
    assert b"".join(evidence.read(name)) == b"theirs"


def test_a_body_that_breaks_off_is_fetched_again(faulty: Faulty, name: str) -> None:
    evidence = faulty.connection.evidence(CONTAINER)
    evidence.write_once(name, [b"0123456789"], metadata={})
    faulty.transport.lose_answer(is_read)
    assert b"".join(evidence.read(name)) == b"0123456789"


def test_a_message_is_sent_through_a_broken_wire(faulty: Faulty, name: str) -> None:
    """At least once: twice where only the answer was lost."""
    queue = f"lost-{name}"
    faulty.connection.queue_service.create_queue(queue)
    queues = faulty.connection.queues()
    faulty.transport.lose_answer(is_write)
    queues.send(queue, "a")
    assert [message.text for message in queues.receive(queue)] == ["a", "a"]


def test_storage_that_cannot_be_reached_is_transient(faulty: Faulty, name: str) -> None:
    """After three attempts; nothing was sent, and the error says so."""
    pauses: list[float] = []
    rows = TableRows(faulty.connection.table(TABLE), pause=pauses.append)
    faulty.transport.refuse_connection(is_write, times=3)
    with pytest.raises(Unsent, match=name):
        rows.commit(name, [Insert("k", "")])
    assert rows.get(name, "k") is None
    assert len(pauses) == 3


def test_reads_are_repeated_twice_and_no_more(faulty: Faulty, rows: Rows, name: str) -> None:
    faulty.transport.refuse_connection(is_read, times=3)
    with pytest.raises(Transient, match=name):
        rows.get(name, "k")
