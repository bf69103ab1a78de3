"""What `Pages` promises, over the fake and over Azure Blobs (Azurite)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.errors import NotFound
from shared.storage.connections import Connection
from shared.storage.interface import Pages
from tests.contract.conftest import CONTAINER

HTML = "text/html; charset=utf-8"


@pytest.mark.parametrize("data", [b"", b"<!doctype html>", bytes(range(256)) * 40_000], ids=["empty", "small", "10 MB"])
def test_a_page_comes_back_as_it_was_put(pages: Pages, name: str, data: bytes) -> None:
    pages.put(name, data, media_type=HTML)
    assert pages.read(name) == data


def test_what_is_not_there_is_none(pages: Pages, name: str) -> None:
    assert pages.read(name) is None


def test_a_page_is_written_over(pages: Pages, name: str) -> None:
    pages.put(name, b"first, and longer", media_type=HTML)
    pages.put(name, b"second", media_type=HTML)
    assert pages.read(name) == b"second"


def test_of_many_who_put_the_same_page_one_is_the_last_and_its_page_is_whole(pages: Pages, name: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: pages.put(name, b"%d" % number * 1000, media_type=HTML), range(8)))
    assert pages.read(name) in {b"%d" % number * 1000 for number in range(8)}


@pytest.mark.parametrize("bad", ["", "a\\b", "a?b", "a#b", "é", "a\n", "x" * 1025, "/a", "a//b", "../a", "a."])
def test_names_that_a_url_would_turn_into_another_are_refused(pages: Pages, bad: str) -> None:
    with pytest.raises(ValueError, match="name"):
        pages.put(bad, b"", media_type=HTML)
    with pytest.raises(ValueError, match="name"):
        pages.read(bad)


def test_a_media_type_is_one(pages: Pages, name: str) -> None:
    with pytest.raises(ValueError, match="media type"):
        pages.put(name, b"", media_type="text/html\r\nx: y")


def test_a_missing_container_is_not_an_empty_one(connection: Connection) -> None:
    """It is a fault of the deployment: every call names the container."""
    pages = connection.pages("nosuchcontainer")
    with pytest.raises(NotFound, match="nosuchcontainer"):
        pages.read("a")
    with pytest.raises(NotFound, match="nosuchcontainer"):
        pages.put("a", b"", media_type=HTML)


@pytest.mark.parametrize(
    ("media_type", "how"),
    [(HTML, "inline"), ("application/json", "attachment"), ("text/html-x", "attachment"), ("text/csv", "attachment")],
)
def test_a_browser_shows_pages_and_saves_everything_else(
    connection: Connection, name: str, media_type: str, how: str
) -> None:
    """What lies beside a report holds an attacker's bytes: it must not run where somebody opens it from storage."""
    connection.pages(CONTAINER).put(name, b"x", media_type=media_type)
    found = connection.blobs.get_blob_client(CONTAINER, name).get_blob_properties().content_settings
    assert (found.content_type, found.content_disposition) == (media_type, how)
    assert found.cache_control == "no-cache"
