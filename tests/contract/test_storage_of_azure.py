"""What the storage of Azure can and Azurite cannot: versions, legal holds, links by user delegation.

The answers are made up (`synthetic`) of learn.microsoft.com "List Blobs", "Set Blob Legal Hold" and "Get User
Delegation Key". They show that we ask as those pages say and read what they show; that Azure does what they say, only
an account can show. What Azurite can do of a link is asked of Azurite.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

from shared.errors import Denied, NotFound
from shared.storage.connections import Connection, Location
from shared.storage.custodian import LONGEST, BlobCustodian
from shared.storage.interface import Version
from tests.contract.conftest import CONTAINER
from tests.contract.sdk_stubs import Credential, ToStub
from tests.contract.test_clients_stand import Stub
from tests.fakes.storage import FakeClock

ACCOUNT = "https://acc.blob.core.windows.net"
SEEN = datetime(2026, 11, 29, 6, tzinfo=UTC)
Answer = Callable[[BaseHTTPRequestHandler], None]

LISTED = b"""<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="https://acc.blob.core.windows.net/" ContainerName="evidence"><Blobs>
<Blob><Name>run/a</Name><VersionId>2026-11-29T06:00:00.0000001Z</VersionId><Properties>
<Last-Modified>Sun, 29 Nov 2026 06:00:00 GMT</Last-Modified><BlobType>BlockBlob</BlobType></Properties></Blob>
<Blob><Name>run/a</Name><VersionId>2026-11-29T07:00:00.0000001Z</VersionId>
<IsCurrentVersion>true</IsCurrentVersion><Properties>
<Last-Modified>Sun, 29 Nov 2026 07:00:00 GMT</Last-Modified><BlobType>BlockBlob</BlobType></Properties></Blob>
</Blobs><NextMarker /></EnumerationResults>"""

KEY = b"""<?xml version="1.0" encoding="utf-8"?><UserDelegationKey><SignedOid>oid</SignedOid><SignedTid>tid</SignedTid>
<SignedStart>2026-11-29T05:00:00Z</SignedStart><SignedExpiry>2026-11-29T14:00:00Z</SignedExpiry>
<SignedService>b</SignedService><SignedVersion>2025-07-05</SignedVersion><Value>a2V5</Value></UserDelegationKey>"""


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    def to(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/xml", **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    return to


@pytest.fixture
def account() -> Iterator[Callable[[Answer], tuple[Connection, ToStub]]]:
    """A connection by identity to an account that answers everything alike."""
    stubs: list[Stub] = []

    def opened(answers: Answer) -> tuple[Connection, ToStub]:
        stub = Stub(answers)
        stubs.append(stub)
        wire = ToStub(ACCOUNT, stub.__enter__().url)
        location = Location("contract", urls={"blob": ACCOUNT})
        return Connection(location, credential=lambda _client: Credential(), transport=wire), wire

    yield opened
    for stub in stubs:
        stub.__exit__(None, None, None)


Account = Callable[[Answer], tuple[Connection, ToStub]]


def test_every_version_is_listed_and_the_one_that_readers_get_is_known(account: Account) -> None:
    connection, wire = account(answer(200, LISTED))
    found = list(connection.evidence("evidence").versions("run/"))
    assert parse_qs(urlsplit(wire.sent[0].url).query)["include"] == ["versions"]
    assert found == [
        Version("run/a", "2026-11-29T06:00:00.0000001Z", SEEN, current=False),
        Version("run/a", "2026-11-29T07:00:00.0000001Z", SEEN + timedelta(hours=1), current=True),
    ]


def test_an_account_that_keeps_no_versions_has_one_of_each(connection: Connection, name: str) -> None:
    """So does Azurite."""
    evidence = connection.evidence(CONTAINER)
    evidence.write_once(f"{name}/a", [b"x"], metadata={})
    assert [(each.name, each.current) for each in evidence.versions(f"{name}/")] == [(f"{name}/a", True)]


@pytest.mark.parametrize("on", [True, False])
def test_a_legal_hold_is_set_on_one_object_and_let_go(account: Account, on: bool) -> None:
    connection, wire = account(answer(200, x_ms_legal_hold=str(on).lower()))
    connection.custodian("evidence").hold("run/a", on=on)
    (sent,) = wire.sent
    assert (sent.method, urlsplit(sent.url).path) == ("PUT", "/evidence/run/a")
    assert parse_qs(urlsplit(sent.url).query) == {"comp": ["legalhold"]}
    assert sent.headers["x-ms-legal-hold"].lower() == str(on).lower()


def test_a_legal_hold_is_set_on_an_older_version(account: Account) -> None:
    connection, wire = account(answer(200, x_ms_legal_hold="true"))
    connection.custodian("evidence").hold("run/a", on=True, version="2026-11-29T06:00:00.0000001Z")
    (sent,) = wire.sent
    assert parse_qs(urlsplit(sent.url).query)["versionid"] == ["2026-11-29T06:00:00.0000001Z"]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(404, "BlobNotFound", NotFound), (403, "AuthorizationPermissionMismatch", Denied)],
    ids=["gone", "no right"],
)
def test_a_hold_that_is_refused_says_why(account: Account, status: int, code: str, kind: type[Exception]) -> None:
    connection, _ = account(answer(status, x_ms_error_code=code))
    with pytest.raises(kind, match=code):
        connection.custodian("evidence").hold("run/a", on=True)


def test_a_link_by_user_delegation_reads_one_object_until_then_and_is_signed_with_one_key(account: Account) -> None:
    connection, wire = account(answer(200, KEY))
    until = datetime(2026, 11, 29, 14, tzinfo=UTC)
    custodian = BlobCustodian(connection.blobs, "evidence", FakeClock(until - timedelta(hours=8)))
    links = [custodian.link(f"run/{name}", until) for name in "ab"]
    (sent,) = wire.sent
    assert parse_qs(urlsplit(sent.url).query) == {"restype": ["service"], "comp": ["userdelegationkey"]}
    assert "<Start>2026-11-29T05:55:00Z</Start><Expiry>2026-11-29T14:00:00Z</Expiry>" in str(sent.body)
    for link, name in zip(links, "ab", strict=True):
        assert link.startswith(f"{ACCOUNT}/evidence/run/{name}?")
        said = {key: value for key, (value,) in parse_qs(urlsplit(link).query).items()}
        assert (said["sp"], said["sr"], said["se"], said["spr"]) == ("r", "b", "2026-11-29T14:00:00Z", "https")
        assert (said["skoid"], said["sktid"]) == ("oid", "tid")
        assert said["sig"]
    assert len({re.search("sig=[^&]*", link)[0] for link in links}) == 2  # type: ignore[index] # just asserted


def test_who_may_make_no_links_is_told_so(account: Account) -> None:
    connection, _ = account(answer(403, x_ms_error_code="AuthorizationPermissionMismatch"))
    with pytest.raises(Denied, match="lending"):
        connection.custodian("evidence").link("run/a", datetime(2026, 11, 29, 14, tzinfo=UTC))


@pytest.mark.parametrize("asked_for", [timedelta(hours=168), timedelta(days=30)], ids=["a week", "a month"])
def test_a_link_is_never_longer_than_azure_lets_it_be(account: Account, asked_for: timedelta) -> None:
    """A key lives for seven days at the most, by the storage's clock, whatever this machine's says."""
    connection, wire = account(answer(200, KEY))
    now = datetime(2031, 5, 1, 12, 0, 0, 600000, tzinfo=UTC)
    custodian = BlobCustodian(connection.blobs, "evidence", FakeClock(now))
    until = custodian.until(asked_for)
    assert until <= now + LONGEST
    links = [custodian.link("run/a", each) for each in (until, now + asked_for)]
    (sent,) = wire.sent
    start, end = (
        datetime.fromisoformat(re.findall(f"<{each}>(.*?)</{each}>", str(sent.body))[0]) for each in ("Start", "Expiry")
    )
    assert start <= now
    assert end - start <= LONGEST
    for link in links:
        assert datetime.fromisoformat(parse_qs(urlsplit(link).query)["se"][0]) == end


def test_links_are_counted_by_the_storages_own_clock(account: Account) -> None:
    """The key begins and ends by the `Date` of the storage's answers."""
    connection, wire = account(answer(200, KEY))
    custodian = connection.custodian("evidence")
    until = custodian.until(timedelta(hours=1))
    assert abs(until - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1), "the stub is on this machine"
    custodian.link("run/a", until)
    assert [sent.method for sent in wire.sent] == ["HEAD", "POST"]


def asked(link: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    headers = {"x-ms-blob-type": "BlockBlob"} if body is not None else {}
    try:
        with urlopen(Request(link, body, headers, method=method)) as answered:  # noqa: S310 - Azurite's own address
            return answered.status, answered.read()
    except HTTPError as error:
        with error:
            return error.code, b""


def test_a_link_reads_its_object_and_does_nothing_else(connection: Connection, name: str) -> None:
    """In Azurite, signed with the account's key: the same link but for who signed it."""
    evidence = connection.evidence(CONTAINER)
    for each in "ab":
        evidence.write_once(f"{name}/{each}", [each.encode()], metadata={})
    link = connection.custodian(CONTAINER).link(f"{name}/a", datetime.now(UTC) + timedelta(hours=1))
    assert asked(link) == (200, b"a")
    assert asked(link.replace(f"{name}/a", f"{name}/b"))[0] == 403
    assert asked(link, "PUT", b"more")[0] == 403
    assert asked(link, "DELETE")[0] == 403
    over = connection.custodian(CONTAINER).link(f"{name}/a", datetime.now(UTC) - timedelta(minutes=1))
    assert asked(over)[0] == 403
    assert b"".join(evidence.read(f"{name}/a")) == b"a"
