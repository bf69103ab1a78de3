"""What `Mac` promises: over the fake, and a secret in a table; and that a commit carries its code, in Azurite too."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from responders._ours import Mac
from shared.errors import Transient
from shared.models.archive.codes import commit
from shared.storage.connections import Connection
from shared.storage.evidence import BLOCK_SIZE, BlobEvidence
from shared.storage.interface import Evidence, Insert, Rows
from shared.storage.mac import KEY, PARTITION, StoredMac
from tests.contract.conftest import CONTAINER
from tests.fakes.signing import FakeMac
from tests.fakes.storage import FakeClock, FakeEvidence, FakeRows

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
TOLD = {"name": "a", "size": 3, "metadata": {"incident": "71"}}


@pytest.fixture(params=["fake", "stored"])
def mac(request: pytest.FixtureRequest) -> Mac:
    return FakeMac() if request.param == "fake" else StoredMac(FakeRows(), FakeClock(NOW))


def test_the_same_has_the_same_code_and_nothing_else_has(mac: Mac) -> None:
    assert mac.of(TOLD) == mac.of(dict(reversed(TOLD.items())))
    others = [{**TOLD, "name": "b"}, {**TOLD, "size": 4}, {**TOLD, "metadata": {"incident": "72"}}, {}]
    assert len({mac.of(each) for each in [TOLD, *others]}) == 5
    assert len(mac.of(TOLD)) == 64


def test_every_worker_has_the_same_secret_and_two_apps_have_not(rows: Rows) -> None:
    clock = FakeClock(NOW)
    first = StoredMac(rows, clock)
    made, since = first.of(TOLD), first.since
    clock.advance(3600)
    again = StoredMac(rows, clock)
    assert (again.of(TOLD), again.since) == (made, since)
    assert StoredMac(FakeRows(), clock).of(TOLD) != made


def test_of_two_who_need_one_at_the_same_time_one_makes_it() -> None:
    rows, clock = FakeRows(), FakeClock(NOW)
    faster = StoredMac(rows, clock)

    def hook(call: str) -> None:
        if call == "rows.commit":
            rows.before = lambda _: None
            faster.of(TOLD)

    rows.before = hook
    assert StoredMac(rows, clock).of(TOLD) == faster.of(TOLD)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"secret": "xyz", "since": "2026-01-05T09:00:00+00:00"}'])
def test_a_row_that_holds_no_secret_is_no_reason_to_make_another(text: str) -> None:
    """What was written with the one that stood there would count as a stranger's."""
    rows = FakeRows()
    rows.commit(PARTITION, [Insert(KEY, text)])
    with pytest.raises(Transient, match="holds no secret"):
        StoredMac(rows, FakeClock(NOW)).of(TOLD)


@pytest.fixture(params=["fake", "azurite", "azurite in blocks"])
def coded(request: pytest.FixtureRequest) -> Iterator[Evidence]:
    mac = FakeMac().of
    if request.param == "fake":
        yield FakeEvidence(mac=mac)
    else:
        connection: Connection = request.getfixturevalue("write_once")
        block_size = 4 if request.param == "azurite in blocks" else BLOCK_SIZE
        yield BlobEvidence(connection.blobs.get_container_client(CONTAINER), mac=mac, block_size=block_size)


def test_a_commit_carries_the_code_of_all_that_is_said_of_it(coded: Evidence, name: str) -> None:
    said = {"source": "https://a.example/b?c=d e; f  g", "kind": "note"}
    written = coded.write_once(name, [b"twelve ", b"bytes"], metadata=said)
    standing = coded.head(name)
    assert standing
    assert written.mac == standing.mac == FakeMac().of(commit(name, 12, written.sha256, said))
    assert standing.metadata == said
