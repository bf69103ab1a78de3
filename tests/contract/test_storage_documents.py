"""What `Documents` promises, over the fake and over Azure Blobs (Azurite)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.errors import NotFound
from shared.storage.connections import Connection
from shared.storage.interface import Documents


@pytest.mark.parametrize("data", [b"", b"{}", bytes(range(256)) * 5_000], ids=["empty", "small", "over a megabyte"])
def test_a_document_comes_back_as_it_was_created(documents: Documents, name: str, data: bytes) -> None:
    assert documents.create(name, data) is True
    assert documents.read(name) == data


def test_what_is_not_there_is_none(documents: Documents, name: str) -> None:
    assert documents.read(name) is None


def test_a_document_is_created_once(documents: Documents, name: str) -> None:
    """Whoever comes second is told, and changes nothing, with the same bytes or with others."""
    documents.create(name, b"first")
    assert documents.create(name, b"second") is False
    assert documents.create(name, b"first") is False
    assert documents.read(name) == b"first"


def test_of_many_who_create_the_same_document_one_does(documents: Documents, name: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda number: documents.create(name, b"%d" % number), range(8)))
    assert created.count(True) == 1
    assert documents.read(name) == b"%d" % created.index(True)


def test_names_may_have_folders_spaces_and_dots(documents: Documents, name: str) -> None:
    """And they are told apart by every letter."""
    awkward = ["a/b-c_d.e.json", "a/b c.json", "A/b c.json", "a/b c.json /x", "...a/b", "a"]
    for number, each in enumerate(awkward):
        assert documents.create(f"{name}/{each}", b"%d" % number)
    assert [documents.read(f"{name}/{each}") for each in awkward] == [b"%d" % number for number in range(len(awkward))]


@pytest.mark.parametrize("bad", ["", "a\\b", "a?b", "a#b", "a%b", "é", "a\n", "x" * 1025])
def test_names_of_other_characters_are_refused(documents: Documents, bad: str) -> None:
    with pytest.raises(ValueError, match="name"):
        documents.create(bad, b"")
    with pytest.raises(ValueError, match="name"):
        documents.read(bad)


@pytest.mark.parametrize("bad", ["/a", "a/", "a//b", "..", "../a", "a/../b", "a/./b", "a.", "a./b"])
def test_names_that_a_url_would_turn_into_another_are_refused(documents: Documents, bad: str) -> None:
    with pytest.raises(ValueError, match="name"):
        documents.create(bad, b"")
    with pytest.raises(ValueError, match="name"):
        documents.read(bad)


def test_a_missing_container_is_not_an_empty_one(connection: Connection) -> None:
    """It is a fault of the deployment: every call names the container."""
    documents = connection.documents("nosuchcontainer")
    with pytest.raises(NotFound, match="nosuchcontainer"):
        documents.read("a")
    with pytest.raises(NotFound, match="nosuchcontainer"):
        documents.create("a", b"")
