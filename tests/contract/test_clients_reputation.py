"""The port `Reputation`, over the fake and over the adapter: what is sent, what an answer means, and what a no does.

Shapes: VirusTotal's API reference, v3. Which engines say what is made up.
"""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clients.interface import FileVerdict
from shared.clients.virustotal import VirusTotal, verdict_in
from shared.clients.web import session
from shared.errors import Denied, Rejected, Throttled, Transient
from tests.contract.test_clients_stand import KINDS, Opened, Stand, Stub, http_stand, say, stands

PATH = "/api/v3/files/"
BAD, FINE, UNKNOWN = "a" * 40, "b" * 64, "c" * 32
KNOWN = {BAD: 53, FINE: 0}


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with stands(request.param) as opening:
        yield opening


@pytest.fixture
def stand(opened: Opened) -> Stand:
    return opened(virustotal_files=KNOWN)


def test_it_tells_how_many_engines_call_a_file_malicious(stand: Stand) -> None:
    """Those that had no time, or do not know its type, do not count."""
    assert stand.reputation.file(BAD) == FileVerdict(53, 70)
    assert stand.reputation.file(FINE.upper()) == FileVerdict(0, 70)


def test_a_file_that_nobody_has_shown_it_is_unknown(stand: Stand) -> None:
    assert stand.reputation.file(UNKNOWN) is None


def test_a_free_key_has_four_calls_a_minute(stand: Stand) -> None:
    for _ in range(4):
        stand.reputation.file(BAD)
    with pytest.raises(Throttled):
        stand.reputation.file(BAD)
    stand.clock.advance(61)
    assert stand.reputation.file(BAD)


def test_a_quota_of_the_day_that_is_used_up_says_no_time(stand: Stand) -> None:
    stand.trouble("status", PATH, status=429, code="QuotaExceededError")
    with pytest.raises(Throttled) as error:
        stand.reputation.file(BAD)
    assert error.value.retry_after is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_no_passing_trouble(stand: Stand, status: int) -> None:
    stand.trouble("status", PATH, status=status, code="WrongCredentialsError")
    with pytest.raises(Denied):
        stand.reputation.file(BAD)


@pytest.mark.parametrize("kind", ["truncate", "invalid_json", "status", "wrong_content_type"])
def test_trouble_on_the_way_passes(stand: Stand, kind: str) -> None:
    stand.trouble(kind, PATH)
    with pytest.raises(Transient):
        stand.reputation.file(BAD)
    assert stand.reputation.file(BAD)


# the adapter alone


def test_a_wrong_key_is_refused() -> None:
    with http_stand(virustotal_key="1" * 64) as stand, session() as http:
        base = stand.reputation._base  # type: ignore[attr-defined]
        with pytest.raises(Denied):
            VirusTotal("2" * 64, http, base).file(BAD)
        assert stand.reputation.file(BAD) is None


def test_nothing_but_the_hash_and_the_key_is_sent() -> None:
    body = b'{"data": {"attributes": {"last_analysis_stats": {"malicious": 1, "undetected": 2}}}}'
    with Stub(say(body, content_type="application/json")) as server, session() as http:
        assert VirusTotal("key", http, server.url).file(BAD) == FileVerdict(1, 3)
        [headers] = server.seen
        assert headers["x-apikey"] == "key"
        assert not {"authorization", "cookie", "content-length"} & {name.lower() for name in headers}


@pytest.mark.parametrize("digest", ["", "evil.exe", "a" * 41, "../" + "a" * 37, "C:\\Users\\ann\\tax.xlsx"])
def test_only_hashes_ever_leave(digest: str) -> None:
    with Stub(say(b"{}")) as server, session() as http:
        with pytest.raises(Rejected):
            VirusTotal("key", http, server.url).file(digest)
        assert server.seen == []


def test_it_follows_nobody_elsewhere() -> None:
    with Stub(say(b"", status=302, location="http://127.0.0.1:9/")) as server, session() as http:
        with pytest.raises(Rejected):
            VirusTotal("key", http, server.url).file(BAD)
        assert len(server.seen) == 1


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "attributes", "last_analysis_stats", "malicious", "undetected"]), inner, max_size=3
        )
    ),
)


@given(st.dictionaries(st.sampled_from(["data", "error"]), json))
def test_whatever_it_answers_is_a_verdict_or_passing_trouble(body: dict[str, object]) -> None:
    try:
        found = verdict_in(body)
    except Transient:
        return
    assert found.engines >= 0
