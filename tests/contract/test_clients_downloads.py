"""What `Downloads` promises, over the fake and over links of the simulated tenant."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from shared.clients.downloads import LinkDownloads
from shared.clients.web import session
from shared.errors import Cause, Forbidden, Incomplete, LinkExpired, Rejected, Throttled, Transient
from tests.contract.test_clients_stand import KINDS, Opened, Stand, Stub, say, stands

PATH = "^/download/"


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with stands(request.param) as opening:
        yield opening


@pytest.fixture
def stand(opened: Opened) -> Stand:
    return opened()


def linked(stand: Stand) -> str:
    """A fresh link to a finished package."""
    return stand.devices.package_link(stand.collected())


# what comes


def test_a_package_arrives_whole(stand: Stand) -> None:
    """In chunks, with the length that the server announced. No bearer went along: the link carries its own right."""
    download = stand.downloads.open(linked(stand))
    chunks = list(download.chunks)
    body = b"".join(chunks)
    assert download.length == len(body)
    assert all(chunks)
    assert zipfile.ZipFile(io.BytesIO(body)).testzip() is None
    assert stand.tenant.journal.violations() == []


def test_a_link_serves_more_than_once(stand: Stand) -> None:
    """The same bytes each time, until it expires."""
    link = linked(stand)
    assert b"".join(stand.downloads.open(link).chunks) == b"".join(stand.downloads.open(link).chunks)


def test_a_large_package_is_not_held_in_memory(opened: Opened, tmp_path: Path) -> None:
    """It comes in chunks of a MiB at most."""
    package = tmp_path / "package.zip"
    package.write_bytes(bytes(20 << 20))
    download = (stand := opened(package_file=str(package))).downloads.open(linked(stand))
    sizes = [len(chunk) for chunk in download.chunks]
    assert sum(sizes) == download.length == 20 << 20
    assert max(sizes) <= 1 << 20


def test_an_empty_file_is_a_download(opened: Opened, tmp_path: Path) -> None:
    """Whether it is a package is not judged here."""
    (tmp_path / "empty").touch()
    stand = opened(package_file=str(tmp_path / "empty"))
    download = stand.downloads.open(linked(stand))
    assert (download.length, b"".join(download.chunks)) == (0, b"")


# going on where one broke off


def test_a_download_goes_on_where_it_was(opened: Opened, tmp_path: Path) -> None:
    """Where the server has the same thing still; the chunks are the rest of it."""
    package = tmp_path / "package.zip"
    package.write_bytes(bytes(range(200)))
    stand = opened(package_file=str(package))
    link = linked(stand)
    first = stand.downloads.open(link)
    rest = stand.downloads.open(link, start=150, tag=first.tag)
    assert (first.start, rest.start, rest.length) == (0, 150, 50)
    assert b"".join(rest.chunks) == bytes(range(150, 200))
    assert first.tag
    assert first.date


def test_where_all_is_there_nothing_follows(opened: Opened, tmp_path: Path) -> None:
    """As far as the refusal says of what: most servers' does not, and then all of it comes again."""
    package = tmp_path / "package.zip"
    package.write_bytes(bytes(200))
    stand = opened(package_file=str(package))
    link = linked(stand)
    tag = stand.downloads.open(link).tag
    again = stand.downloads.open(link, start=200, tag=tag)
    assert (again.start, again.length, b"".join(again.chunks)) == (0, 200, bytes(200))
    stand.trouble("status", PATH, status=416, headers={"Content-Range": "bytes */200", "ETag": tag})
    rest = stand.downloads.open(link, start=200, tag=tag)
    assert (rest.start, rest.length, list(rest.chunks)) == (200, 0, [])


@pytest.mark.parametrize("named", [{"ETag": '"else"'}, {"ETag": 'W/"t"'}, {}], ids=["another", "weak", "none"])
@pytest.mark.parametrize(
    ("status", "span", "start"), [(206, "bytes 150-199/200", 150), (416, "bytes */200", 200)], ids=["rest", "end"]
)
def test_a_server_that_begins_there_whatever_it_has_is_asked_for_all(
    opened: Opened, tmp_path: Path, status: int, span: str, start: int, named: dict[str, str]
) -> None:
    """It heeds `Range` and not `If-Range`: what it sends might be the rest of another thing."""
    package = tmp_path / "package.zip"
    package.write_bytes(bytes(range(200)))
    stand = opened(package_file=str(package))
    link = linked(stand)
    stand.trouble("status", PATH, status=status, headers={"Content-Range": span, **named})
    download = stand.downloads.open(link, start=start, tag='"t"')
    assert (download.start, b"".join(download.chunks)) == (0, bytes(range(200)))


@pytest.mark.parametrize("ranges", [True, False])
def test_another_thing_begins_at_its_beginning(opened: Opened, tmp_path: Path, ranges: bool) -> None:
    """So does one of a server that cannot begin elsewhere."""
    package = tmp_path / "package.zip"
    package.write_bytes(bytes(range(200)))
    stand = opened(package_file=str(package), link_range=ranges)
    link = linked(stand)
    tag = '"else"' if ranges else stand.downloads.open(link).tag
    other = stand.downloads.open(link, start=150, tag=tag)
    assert (other.start, b"".join(other.chunks)) == (0, bytes(range(200)))


def test_without_a_tag_nothing_is_gone_on_with(stand: Stand) -> None:
    """The link might lead to another thing by now, and nobody would know."""
    assert stand.downloads.open(linked(stand), start=10).start == 0


def test_a_server_that_begins_elsewhere_is_not_believed() -> None:
    sent = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-7/8\r\nContent-Length: 3\r\n\r\nabc"

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(sent)
        to.close_connection = True

    with Stub(answer) as stub, pytest.raises(Incomplete, match="elsewhere"):
        LinkDownloads((), session(), loopback=True).open(stub.url, start=4, tag='"t"')


def test_a_server_that_begins_somewhere_without_being_asked_is_not_believed() -> None:
    """Without a tag nothing was asked for but the beginning."""
    sent = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-6/7\r\nContent-Length: 3\r\n\r\nabc"

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(sent)
        to.close_connection = True

    with Stub(answer) as stub, pytest.raises(Incomplete, match="elsewhere"):
        LinkDownloads((), session(), loopback=True).open(stub.url, start=4)


def test_a_server_that_sends_less_than_the_rest_is_not_taken_to_have_ended() -> None:
    """It may: a range is a wish. What was asked for is everything to the end, and the answer says where that is."""
    sent = b'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-6/9\r\nETag: "t"\r\nContent-Length: 3\r\n\r\nabc'

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(sent)
        to.close_connection = True

    with Stub(answer) as stub:
        download = LinkDownloads((), session(), loopback=True).open(stub.url, start=4, tag='"t"')
        assert (download.start, download.length) == (4, 5)
        with pytest.raises(Incomplete, match="3 bytes instead of 5") as cut:
            b"".join(download.chunks)
    assert cut.value.cause is Cause.CUT


# links that do not work


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_expired_link_says_so(opened: Opened, status: int) -> None:
    """Whatever the host answers then: a new link is to be asked for."""
    stand = opened(link_expired_status=status)
    link = linked(stand)
    stand.clock.advance(300)
    with pytest.raises(LinkExpired):
        stand.downloads.open(link)


def test_an_unknown_link_has_expired(stand: Stand) -> None:
    with pytest.raises(LinkExpired):
        stand.downloads.open(f"{stand.tenant.links.base_url}/download/{'0' * 64}")


def test_a_link_that_expires_while_it_is_read_is_read_to_its_end(stand: Stand) -> None:
    download = stand.downloads.open(linked(stand))
    stand.clock.advance(300)
    assert len(b"".join(download.chunks)) == download.length


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Rejected), (416, Rejected), (429, Throttled), (500, Transient), (503, Transient)],
)
def test_other_refusals_keep_their_meaning(stand: Stand, status: int, kind: type[Exception]) -> None:
    """They say nothing against the link; a wait is kept."""
    link = linked(stand)
    stand.trouble("status", PATH, status=status, headers={"Retry-After": "7.5"}, times=None)
    with pytest.raises(kind) as error:
        stand.downloads.open(link)
    assert type(error.value) is kind
    assert getattr(error.value, "retry_after", 7.5) == 7.5


# connections that break


def test_a_body_that_is_cut_is_incomplete(stand: Stand) -> None:
    """After the chunks that came; the announced length is known before."""
    link = linked(stand)
    stand.trouble("truncate", PATH)
    download = stand.downloads.open(link)
    received: list[int] = []
    with pytest.raises(Incomplete):
        received.extend(len(chunk) for chunk in download.chunks)
    assert download.length is not None
    assert sum(received) < download.length


def test_a_connection_that_breaks_at_once_is_tried_again(stand: Stand) -> None:
    """Twice, by the library; then it is Transient."""
    link = linked(stand)
    stand.trouble("reset", PATH, times=2)
    assert len(b"".join(stand.downloads.open(link).chunks)) > 100_000


def test_a_connection_that_keeps_breaking_is_transient(stand: Stand) -> None:
    link = linked(stand)
    stand.trouble("reset", PATH, times=None)
    with pytest.raises(Transient) as error:
        stand.downloads.open(link)
    assert type(error.value) is Transient


# links that are not followed


@pytest.mark.parametrize(
    "link",
    [
        "",
        "no link",
        "/download/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "https://",
        "https://evil.example/x",
        "https://evil.example\\@{own}/x",
        "https://evil.example#@{own}/x",
        "https://{own}@evil.example/x",
        "https://{own}.evil.example/x",
        "https://[bad/x",
        "http://169.254.169.254/metadata/identity/oauth2/token",
    ],
)
def test_other_hosts_are_forbidden(stand: Stand, link: str) -> None:
    """However a link is dressed up. A link comes from a service's answer, and is not to lead anywhere it likes."""
    own = stand.tenant.links.base_url.removeprefix("http://")
    with pytest.raises(Forbidden):
        stand.downloads.open(link.format(own=own))
    assert stand.tenant.journal.entries() == []


@pytest.mark.parametrize(
    "location", ["https://evil.example/x", "//evil.example/x", "http://169.254.169.254/x", "//[bad/x", "https://"]
)
def test_a_redirect_to_another_host_is_forbidden(stand: Stand, location: str) -> None:
    link = linked(stand)
    stand.trouble("redirect", PATH, headers={"Location": location})
    with pytest.raises(Forbidden):
        stand.downloads.open(link)


def test_a_redirect_on_the_host_is_followed(stand: Stand) -> None:
    """Relative and absolute ones, and still without a bearer."""
    link = linked(stand)
    stand.trouble("redirect", PATH, headers={"Location": link})
    stand.trouble("redirect", PATH, headers={"Location": link.removeprefix(stand.tenant.links.base_url)})
    assert len(b"".join(stand.downloads.open(link).chunks)) > 100_000
    assert stand.tenant.journal.violations() == []


def test_redirects_come_to_an_end(stand: Stand) -> None:
    link = linked(stand)
    stand.trouble("redirect", PATH, headers={"Location": link}, times=None)
    with pytest.raises(Forbidden):
        stand.downloads.open(link)


# the adapter alone


class Nowhere(HTTPAdapter):
    """A wire that leads nowhere and remembers which hosts were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str | None] = []

    def send(self, request: requests.PreparedRequest, *_args: object, **_kwargs: object) -> requests.Response:
        self.asked.append(request.url)
        raise requests.ConnectionError("nowhere")


@pytest.mark.parametrize(
    ("link", "allowed"),
    [
        ("https://a.windows.example/x", True),
        ("https://A.b.WINDOWS.example:443/x?sig=%2B", True),
        ("https://exact.example/x", True),
        ("https://windows.example/x", False),
        ("https://evilwindows.example/x", False),
        ("https://a.windows.example.evil.example/x", False),
        ("https://a.exact.example/x", False),
        ("http://a.windows.example/x", False),
        ("https://evil.example\\@a.windows.example/x", False),
        ("https://evil.example\\.windows.example/x", False),
        ("https://127.0.0.1/x", False),
        ("http://localhost/x", False),
    ],
)
def test_the_allow_list_holds_suffixes_and_names(link: str, allowed: bool) -> None:
    """A leading dot stands for every host below; whole names for themselves; https alone. Loopback is no exception
    unless the API itself is there.
    """
    with session() as http:
        http.mount("https://", wire := Nowhere())
        http.mount("http://", wire)
        downloads = LinkDownloads([".Windows.example", "exact.example"], http, loopback=False)
        with pytest.raises(Transient if allowed else Forbidden):
            downloads.open(link)
        assert len(wire.asked) == allowed


def fetched(stub: Stub) -> tuple[int | None, bytes]:
    with session() as http:
        download = LinkDownloads((), http, loopback=True).open(f"{stub.url}/x")
        return download.length, b"".join(download.chunks)


def test_a_server_need_not_announce_a_length() -> None:
    def chunked(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    with Stub(chunked) as stub:
        assert fetched(stub) == (None, b"abcde")


@pytest.mark.parametrize(
    "sent",
    [
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        b"Content-Length: 9\r\n\r\nabc",
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_a_body_that_does_not_end_as_announced_is_incomplete(sent: bytes) -> None:
    """By its length, by its chunks or by its encoding."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\n" + sent)
        to.close_connection = True

    with Stub(answer) as stub, pytest.raises(Incomplete):
        fetched(stub)


UNREADABLE = (b"abc", b"-1", b"+3", b"1040; q", b"\xb2", b"9" * 5000)
"""Lengths that are none; of the last two `int` raises over what `str.isdigit` takes for a number."""


@pytest.mark.parametrize("span", [b"bytes 1-2/%s" % (b"9" * 5000), b"bytes %s-2/3" % (b"9" * 5000), b"bytes */\xb2"])
@pytest.mark.parametrize("status", [206, 416])
def test_a_span_that_cannot_be_read_is_refused(status: int, span: bytes) -> None:
    """As one that is not where it was asked for: nothing but our own errors comes out of here."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        head = b'HTTP/1.1 %d X\r\nETag: "t"\r\nContent-Length: 2\r\nContent-Range: %s\r\n\r\nbc' % (status, span)
        to.wfile.write(head)
        to.close_connection = True

    with Stub(answer) as stub, session() as http, pytest.raises(Incomplete if status == 206 else Rejected):
        LinkDownloads((), http, loopback=True).open(f"{stub.url}/x", start=1, tag='"t"')


@pytest.mark.parametrize(
    ("ends", "bounded"),
    [
        (b"\r\nabc", False),
        (b"Content-Length: 3\r\n\r\nabc", True),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True),
        (b"Transfer-Encoding: x-chunked\r\n\r\nabc", False),
        *((b"Content-Length: %s\r\n\r\nabc" % each, False) for each in UNREADABLE),
    ],
)
def test_a_body_that_ends_with_its_connection_is_told_apart(ends: bytes, bounded: bool) -> None:
    """It looks whole wherever it breaks off. A length that cannot be read tells no end."""

    def answers(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 200 OK\r\n" + ends)
        to.close_connection = True

    with Stub(answers) as stub, session() as http:
        download = LinkDownloads((), http, loopback=True).open(f"{stub.url}/x")
        assert (download.bounded, b"".join(download.chunks)) == (bounded, b"abc")


def test_the_length_of_an_encoded_body_is_not_the_file_s() -> None:
    """We ask for none; a host that encodes all the same is understood."""
    with Stub(say(gzip.compress(b"abcde" * 1000), content_encoding="gzip")) as stub:
        assert fetched(stub) == (None, b"abcde" * 1000)
        assert stub.seen[0]["Accept-Encoding"] == "identity"
        assert "Authorization" not in stub.seen[0]


def test_redirects_are_checked_with_any_session() -> None:
    """Following them is ours to do, never the library's."""
    with Stub(say(b"abcde")) as other, requests.Session() as http:
        evil = other.url.replace("127.0.0.1", "127.0.0.2")
        with Stub(say(b"", 302, location=evil)) as stub, pytest.raises(Forbidden):
            LinkDownloads((), http, loopback=True).open(stub.url)
        assert other.seen == []
