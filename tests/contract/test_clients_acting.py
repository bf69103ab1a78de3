"""What becomes of a call that acts on a device when its answer is lost, late or not an answer.

It is made once, whatever happens, and within its deadline somebody knows: it was made, it was refused, it was never
sent, or nobody knows (`OutcomeUnknown`), which a listing settles by the comment.
"""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
import requests
from requests.adapters import HTTPAdapter

from shared.clients.defender import DefenderDevices
from shared.clients.interface import ActionQuery
from shared.clients.web import Api, session
from shared.errors import Cause, Denied, OutcomeUnknown, Rejected, Transient
from tests.contract.test_clients_stand import HOST, KINDS, Opened, Stand, Stub, say, stands

VERBS = {
    "isolate": "isolate",
    "release": "unisolate",
    "restrict": "restrictCodeExecution",
    "unrestrict": "unrestrictCodeExecution",
    "scan": "runAntiVirusScan",
    "stop_quarantine": "StopAndQuarantineFile",
    "collect_package": "collectInvestigationPackage",
}
MORE = {"stop_quarantine": ("5f1e8acedc065031aad553b710838eb366cfee9a",)}
AFTER = [
    "status_after_effect",
    "reset_after_effect",
    "timeout_after_effect",
    "truncate",
    "invalid_json",
    "lengthen",
    "delay",
]
BEFORE = ["status", "reset", "timeout"]
DEADLINE = 0.4
AT_LAST = DEADLINE + 1.5
"""Seconds: what a call may take, and by when it has ended on a busy machine too."""


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with stands(request.param) as opening:
        yield opening


@pytest.fixture
def stand(opened: Opened) -> Stand:
    return opened()


@pytest.mark.parametrize("kind", [*BEFORE, *AFTER])
def test_an_answer_that_is_lost_leaves_the_outcome_unknown(opened: Opened, kind: str) -> None:
    """The call is made once and ends within its deadline; the listing tells whether it had its effect."""
    stand = opened(deadline=DEADLINE)
    stand.trouble(kind, "/isolate$", seconds=60, times=None)
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        stand.devices.isolate(HOST, "marker")
    assert time.monotonic() - began < AT_LAST
    assert stand.calls("POST") == 1
    stand.clock.advance(5)
    found = [one.comment for one in stand.devices.actions(ActionQuery((HOST,))).actions]
    assert found == (["marker"] if kind in AFTER else [])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", ["reset", "reset_after_effect", "truncate", "status"])
def test_this_holds_for_every_acting_call(stand: Stand, verb: str, kind: str) -> None:
    stand.trouble(kind, f"/{VERBS[verb]}$", times=None)
    with pytest.raises(OutcomeUnknown):
        getattr(stand.devices, verb)(HOST, "marker", *MORE.get(verb, ()))
    assert stand.calls("POST") == 1


@pytest.mark.parametrize("kind", ["reset", "reset_after_effect", "truncate", "status"])
def test_a_cancellation_may_be_repeated(stand: Stand, kind: str) -> None:
    """It acts, so nobody knows; but it names one action, and the second time that is over or is cancelled now."""
    made = stand.devices.isolate(HOST, "marker")
    stand.clock.advance(5)
    stand.trouble(kind, "/cancel$")
    with pytest.raises(OutcomeUnknown):
        stand.devices.cancel(made.id, "x")
    assert stand.calls("POST") == 2
    with contextlib.suppress(Rejected):
        stand.devices.cancel(made.id, "x")
    assert stand.devices.action(made.id).status == "cancelled"


def test_a_late_answer_within_the_deadline_is_an_answer(stand: Stand) -> None:
    stand.trouble("delay", "/isolate$", seconds=0.1)
    assert stand.devices.isolate(HOST, "marker").comment == "marker"


def test_a_wrong_content_type_is_forgiven(stand: Stand) -> None:
    """The body is what counts."""
    stand.trouble("wrong_content_type", "/isolate$")
    assert stand.devices.isolate(HOST, "marker").comment == "marker"


# the adapter alone


def devices_at(url: str, http: requests.Session, deadline: float = DEADLINE) -> DefenderDevices:
    return DefenderDevices(Api(url, lambda: "t", http), deadline)


def outcome(devices: DefenderDevices) -> type[Exception]:
    """How an isolate ends."""
    with pytest.raises(Exception, match=r"isolate") as error:
        devices.isolate(HOST, "marker")
    return error.type


def test_a_refused_connection_is_transient() -> None:
    """It was never sent, so it cannot have had an effect."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with session() as http:
        assert outcome(devices_at(url, http, 5)) is Transient


def test_a_name_that_does_not_resolve_is_transient() -> None:
    """Likewise; `.invalid` never resolves (RFC 6761)."""
    with session() as http:
        assert outcome(devices_at("http://defender.invalid", http, 5)) is Transient


@pytest.mark.parametrize("headers_too", [False, True])
def test_an_answer_that_trickles_does_not_hold_the_caller(headers_too: bool) -> None:
    """Each read succeeds, none is late, and yet there is no answer: the deadline is for the whole."""

    def trickle(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n" + (b"" if headers_too else b"\r\n"))
        for number in range(100):
            time.sleep(DEADLINE / 8)
            to.wfile.write(f"X-More-{number}: x\r\n".encode())
            to.wfile.flush()

    with Stub(trickle) as api, session() as http:
        began = time.monotonic()
        assert outcome(devices_at(api.url, http)) is OutcomeUnknown
        assert DEADLINE * 0.9 < time.monotonic() - began < AT_LAST
        assert len(api.seen) == 1


@pytest.mark.parametrize("answer", [b"", b"null", b"[]", b'"ok"', b"{}", b'{"id": null}', b'{"id": ""}', b"<html>"])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_acceptance_without_an_action_is_unknown(answer: bytes, status: int) -> None:
    """Something took the call and did not say what became of it."""
    with Stub(say(answer, status)) as api, session() as http:
        assert outcome(devices_at(api.url, http)) is OutcomeUnknown


def test_an_answer_without_content_is_unknown() -> None:
    def accept(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    with Stub(accept) as api, session() as http:
        assert outcome(devices_at(api.url, http)) is OutcomeUnknown


def test_what_is_no_http_is_unknown() -> None:
    def gibberish(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(b"\x15\x03\x01 gibberish\r\n\r\n")
        to.close_connection = True

    with Stub(gibberish) as api, session() as http:
        assert outcome(devices_at(api.url, http)) is OutcomeUnknown


def test_a_redirect_is_not_followed() -> None:
    """A POST and its bearer go where they were sent and nowhere else, whatever the session would do."""
    with Stub(say(b"{}")) as other, Stub(say(b"", 307, location=other.url)) as api, requests.Session() as http:
        with pytest.raises(Rejected) as error:
            devices_at(api.url, http).isolate(HOST, "marker")
        assert error.value.status == 307
        assert other.seen == []


class SlowToConnect(HTTPAdapter):
    """A wire that needs longer to look up a name and to connect than the caller waits."""

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        time.sleep(DEADLINE * 1.5)
        return super().send(request, *args, **kwargs)  # type: ignore[arg-type]


def test_a_call_that_was_given_up_is_not_sent_any_more() -> None:
    """The name's look-up has no time-out of its own. A call that went out after its deadline might isolate a device
    when the listing has already said that nothing happened. Its head may still go out, the body it announces does not.
    """
    with stands("http") as opening, session() as http:
        stand = opening()
        http.mount("http://", SlowToConnect())
        token = stand.tenant.identity.issue("https://api.securitycenter.microsoft.com")["access_token"]
        api = Api(stand.tenant.links.base_url, lambda: token, http)
        with pytest.raises(OutcomeUnknown):
            DefenderDevices(api, DEADLINE).isolate(HOST, "marker")
        time.sleep(DEADLINE)
        assert stand.tenant.state()["actions"] == []


def test_a_token_that_comes_too_late_sends_nothing() -> None:
    """The deadline counts from the call on: a POST after it might isolate a device when the row says that nobody sends
    any more. Nothing went out, and who asked knows that in time.
    """

    def slow() -> str:
        time.sleep(DEADLINE * 2)
        return "t"

    with Stub(say(b'{"id": "1"}', 201)) as api, session() as http:
        began = time.monotonic()
        with pytest.raises(Transient) as error:
            DefenderDevices(Api(api.url, slow, http), DEADLINE).isolate(HOST, "marker")
        assert DEADLINE * 0.9 < time.monotonic() - began < DEADLINE * 1.8
        assert error.value.cause is Cause.TOKEN
        time.sleep(DEADLINE * 2)
        assert api.seen == []


def test_the_time_that_a_token_takes_is_part_of_the_deadline() -> None:
    """An answer that would come in time if the call began with the POST."""

    def slow() -> str:
        time.sleep(DEADLINE * 0.6)
        return "t"

    def late(to: BaseHTTPRequestHandler) -> None:
        time.sleep(DEADLINE * 0.8)
        say(b'{"id": "1"}', 201)(to)

    with Stub(late) as api, session() as http, pytest.raises(OutcomeUnknown):
        DefenderDevices(Api(api.url, slow, http), DEADLINE).isolate(HOST, "marker")


@pytest.mark.parametrize("trouble", [Transient("no token", 30.0, cause=Cause.TOKEN), Denied("no", status=403)])
def test_what_becomes_of_a_token_is_told_as_it_is(trouble: Transient | Denied) -> None:
    def broken() -> str:
        raise trouble

    with Stub(say(b"{}")) as api, session() as http:
        with pytest.raises(type(trouble)) as error:
            DefenderDevices(Api(api.url, broken, http), 5).isolate(HOST, "marker")
        assert error.value is trouble
        assert api.seen == []


def test_the_body_is_the_api_s_own() -> None:
    """Members are case-sensitive there; the length is announced and the body sent as JSON."""
    with Stub(say(b'{"id": "1"}', 201)) as api, session() as http:
        assert devices_at(api.url, http).isolate(HOST, "隔離").id == "1"
        [sent] = api.seen
    assert sent["Content-Type"] == "application/json"
    assert int(sent["Content-Length"]) == len(json.dumps({"Comment": "隔離", "IsolationType": "Full"}))


@pytest.mark.parametrize("device", ["", "..", "a/b", "a?b", "a'b", "a b", "a\n", "host1.contoso.com", "x" * 129])
def test_what_is_no_device_id_is_refused_before_it_is_sent(device: str) -> None:
    """In a path it would be another call; in a filter, another list. Nor are devices named by their host names, which
    several may share.
    """
    with Stub(say(b"{}")) as api, session() as http:
        devices = devices_at(api.url, http)
        for call in (
            lambda: devices.machine(device),
            lambda: devices.isolate(device, "x"),
            lambda: devices.actions(ActionQuery((HOST, device))),
        ):
            with pytest.raises(Rejected):
                call()
        assert api.seen == []
