"""Whatever is answered to whatever is asked: nothing but our own errors rises, each has its row, and a value is one.

The answers come from a wire without a server, so that hundreds of them can be tried; what sockets do is met elsewhere.
"""

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from responders._refusal import Asked, Service
from responders._refusals import refusal_of, told
from shared.clients.defender import DefenderDevices
from shared.clients.downloads import LinkDownloads
from shared.clients.graph import GraphIncidents
from shared.clients.interface import ActionQuery, IncidentPage
from shared.clients.web import Api, session
from shared.clients.webhooks import WebhookChat
from shared.errors import BulkheadError, Incomplete, Throttled, Transient
from shared.models.device import Machine, MachineAction
from shared.models.incident import Incident, version_of
from tests.unit.incidents import ANY_TEXT, JSON

HOST = "a" * 40
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
BASE = "https://api.example"
MEMBERS = (
    *("value", "error", "code", "message", "id", "status", "type", "machineId", "requestorComment", "@odata.nextLink"),
    *(
        "machineTags",
        "computerDnsName",
        "onboardingStatus",
        "errorHResult",
        "creationDateTimeUtc",
        "lastUpdateDateTime",
    ),
    *("target", "innerError", "severity", "alerts", "customTags"),
)
DATES = (
    *("Mon, 05 Jan 2026 09:00:00 GMT", "Mon, 05 Jan 2026 09:00:00 -0000", "Mon, 05 Jan 2026 09:00:00", "yesterday", ""),
    *("Mon, 05 Jan 9999 09:00:00 +9999", "Mon, 05 Jan 0000 09:00:00 GMT", "2026-01-05T09:00:00Z", "Fri, 31 Dec 9999"),
)
WAITS = ("1", "2.128", "-5", "0", "999999999", "9" * 40, "1e9", "soon", "", *DATES)
TYPES = ("application/json", "application/json; charset=utf-8", "text/html", "text/plain", "APPLICATION/JSON", "", "/")
ENCODINGS = ("gzip", "deflate", "br", "zstd", "identity", "nonsense")


def known(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of members that somebody looks for."""
    return st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=5)


ANY_JSON = st.recursive(JSON | st.just(HOST), lambda inner: st.lists(inner, max_size=3) | known(inner), max_leaves=8)
BODIES = (
    (known(ANY_JSON) | ANY_JSON).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=60)
    | ANY_TEXT.map(lambda text: text.encode(errors="surrogatepass"))
    | st.sampled_from([b"", b"null", b"[]", b"{}", b'"x"', b"NaN", b"[" * 50_000, b"<html>", b'{"id": ' + b"9" * 5_000])
)
SPOILT = (
    lambda body: b"\xef\xbb\xbf" + body,
    lambda body: body[: len(body) // 2],
    lambda body: body + b" }",
    gzip.compress,
    lambda body: gzip.compress(body)[:-3],
    lambda body: body.decode(errors="replace").encode("utf-16"),
    bytes,
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[int, dict[str, str], bytes]:
    """Any status, headers that somebody reads, and any body, whole or spoilt."""
    status = draw(st.sampled_from([200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 409, 429, 500, 503, 599]))
    body = draw(st.sampled_from(SPOILT))(draw(BODIES))
    told = {
        "Content-Type": draw(st.sampled_from(TYPES)),
        "Date": draw(st.sampled_from(DATES)),
        "Retry-After": draw(st.sampled_from(WAITS)),
        "Content-Encoding": draw(st.sampled_from(["", *ENCODINGS])),
        "Location": draw(st.sampled_from(["", "http://[", "//evil.example/x", "/"])),
    }
    return status, {name: value for name, value in told.items() if value}, body


class Wire(HTTPAdapter):
    """Answers everything in the same way."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__()
        self._answer = status, headers, body

    def send(self, request: requests.PreparedRequest, *_args: object, **_options: object) -> requests.Response:
        status, headers, body = self._answer
        made = HTTPResponse(
            io.BytesIO(body), HTTPHeaderDict(headers), status, preload_content=False, decode_content=False
        )
        return self.build_response(request, made)


def graph(http: requests.Session) -> GraphIncidents:
    return GraphIncidents(Api(BASE, lambda: "t", http))


def devices(http: requests.Session) -> DefenderDevices:
    return DefenderDevices(Api(BASE, lambda: "t", http), 5)


Call = Callable[[requests.Session], object]

CALLS: dict[str, tuple[Service, Asked, Call]] = {
    "incidents.changed": (Service.GRAPH, Asked.LIST, lambda http: graph(http).changed(NOW)),
    "incidents.get": (Service.GRAPH, Asked.CALL, lambda http: graph(http).get("7")),
    "incidents.more_alerts": (Service.GRAPH, Asked.LIST, lambda http: graph(http).more_alerts(f"{BASE}/v1.0/x")),
    "incidents.set_tags": (Service.GRAPH, Asked.CALL, lambda http: graph(http).set_tags("7", ["x"])),
    "incidents.comment": (Service.GRAPH, Asked.CALL, lambda http: graph(http).comment("7", "x")),
    "devices.machine": (Service.DEFENDER, Asked.DEVICE, lambda http: devices(http).machine(HOST)),
    "devices.named": (Service.DEFENDER, Asked.LIST, lambda http: devices(http).named("host1")),
    "devices.onboarded": (Service.DEFENDER, Asked.LIST, lambda http: devices(http).onboarded()),
    "devices.actions": (Service.DEFENDER, Asked.LIST, lambda http: devices(http).actions(ActionQuery((HOST,), NOW))),
    "devices.action": (Service.DEFENDER, Asked.ACTION, lambda http: devices(http).action("x")),
    "devices.package_link": (Service.DEFENDER, Asked.PACKAGE, lambda http: devices(http).package_link("x")),
    "devices.isolate": (Service.DEFENDER, Asked.DEVICE, lambda http: devices(http).isolate(HOST, "x")),
    "devices.collect_package": (Service.DEFENDER, Asked.DEVICE, lambda http: devices(http).collect_package(HOST, "x")),
    "devices.cancel": (Service.DEFENDER, Asked.ACTION, lambda http: devices(http).cancel("x", "x")),
    "downloads": (
        Service.DOWNLOADS,
        Asked.PACKAGE,
        lambda http: list(LinkDownloads(["api.example"], http, loopback=False).open(f"{BASE}/x").chunks),
    ),
    "slack": (Service.SLACK, Asked.CALL, lambda http: WebhookChat(f"{BASE}/x", http).post({"text": "x"})),
}


def heard(call: Call, answer: tuple[int, dict[str, str], bytes]) -> object:
    """What the call gave or raised; anything but our own errors rises."""
    with session() as http:
        http.mount("https://", Wire(*answer))
        try:
            return call(http)
        except BulkheadError as error:
            return error


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=40)
@given(answer=answers())
def test_whatever_is_answered_only_our_own_errors_rise(name: str, answer: tuple[int, dict[str, str], bytes]) -> None:
    """Each has its row, and words that can be kept; nobody waits longer than an hour; a value is one."""
    service, what, call = CALLS[name]
    value = heard(call, answer)
    if isinstance(value, BulkheadError):
        row = refusal_of(value, Service.DOWNLOADS if isinstance(value, Incomplete) else service, what)
        assert row.todo
        assert told(row, value).encode()
        assert isinstance(value, Throttled) or answer[0] != 429
        if isinstance(value, Transient) and value.retry_after is not None:
            assert timedelta(0) <= timedelta(seconds=value.retry_after) <= timedelta(hours=1)
    else:
        assert answer[0] < 300 or name in {"devices.actions", "devices.named", "devices.onboarded"}
    if isinstance(value, IncidentPage):
        assert value.date.tzinfo is not None
        for raw in value.incidents:
            Incident.model_validate(raw)
            version_of(raw)
    if isinstance(value, Machine):
        assert value.id
    if isinstance(value, MachineAction) and name != "devices.cancel":
        assert value.model_dump_json()
        assert value.id
