"""Where the client suites run: over the fakes, and over the adapters against the simulated tenant on real HTTP.

Both stands have the same tenant on a clock that stands until it is moved, so that nobody waits. The tests here are
about what the adapters stand on: tokens through azure-identity, and sessions.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import pytest
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from local.tenant import samples
from local.tenant.identity import CLOUDS
from local.tenant.model import Tenant
from local.tenant.server import TenantServer
from local.tenant.settings import ACTION_KINDS, TenantSettings
from local.tenant.wire import Json
from shared.clients.defender import DefenderDevices
from shared.clients.downloads import LinkDownloads
from shared.clients.graph import GraphIncidents
from shared.clients.hunting import GraphHunting
from shared.clients.interface import Chat, Devices, Downloads, Hunting, Incidents, Reputation
from shared.clients.tokens import Tokens
from shared.clients.virustotal import VirusTotal
from shared.clients.web import Api, session
from shared.clients.webhooks import WebhookChat
from shared.errors import Denied, Transient
from tests.fakes.clients import FakeChat, FakeDevices, FakeDownloads, FakeHunting, FakeIncidents, FakeReputation
from tests.fakes.storage import FakeClock

KINDS = ("fake", "http")
HOST = samples.fleet_id(2)
OTHER = samples.fleet_id(3)
FAST: Json = {
    "visibility_seconds": 5,
    "durations": {kind: {"pending": 10, "running": 10} for kind in ACTION_KINDS},
    "rates": {"package_uri": "none"},
}
GRAPH, DEFENDER = CLOUDS["commercial"]["graph"], CLOUDS["commercial"]["mde"]


@dataclass(frozen=True)
class Stand:
    """A tenant of five machines (the domain controller, a Linux server, three workstations) and our ports to it."""

    tenant: Tenant
    clock: FakeClock
    incidents: Incidents
    devices: Devices
    downloads: Downloads
    slack: Chat
    teams: Chat
    hunting: Hunting
    reputation: Reputation

    def trouble(self, kind: str, path: str = "", **members: object) -> None:
        """Order a fault of the tenant (see local/tenant/README.md), for one call where `times` does not say else."""
        self.tenant.faults.add({"kind": kind, "path": path, "times": 1, **members})

    def calls(self, method: str) -> int:
        """How many calls with this method the tenant has had."""
        return sum(entry["method"] == method for entry in self.tenant.journal.entries())

    def collected(self) -> str:
        """The id of a finished package."""
        action = self.devices.collect_package(HOST, "collect").id
        self.clock.advance(60)
        return action


Opened = Callable[..., Stand]


def tenant_of(clock: FakeClock, **settings: object) -> Tenant:
    """A tenant whose people are fast and whose package links are not limited."""
    made = Tenant(TenantSettings.from_json({**FAST, **settings}), clock.now)
    for machine in samples.fleet(5, seen=clock.now()):
        made.fleet.put(machine)
    return made


@contextlib.contextmanager
def fake_stand(**settings: object) -> Iterator[Stand]:
    """The fakes. A `deadline` means nothing to them: they wait for nobody."""
    settings.pop("deadline", None)
    clock = FakeClock()
    tenant = tenant_of(clock, **settings)
    slack, teams = (FakeChat(tenant, path=f"/{kind}/one", strict=True) for kind in ("slack", "teams"))
    devices, downloads = FakeDevices(tenant, strict=True), FakeDownloads(tenant, strict=True)
    hunting = FakeHunting(tenant, strict=True)
    incidents, reputation = FakeIncidents(tenant, strict=True), FakeReputation(tenant, strict=True)
    yield Stand(tenant, clock, incidents, devices, downloads, slack, teams, hunting, reputation)


@contextlib.contextmanager
def served(tenant: Tenant) -> Iterator[TenantServer]:
    """A server that stops by itself afterwards: hundreds of tests need not wait for its polling."""
    server = TenantServer(tenant).start()
    try:
        yield server
    finally:
        server.ask_to_stop()
        threading.Thread(target=server.stop).start()


@contextlib.contextmanager
def http_stand(*, deadline: float = 10.0, **settings: object) -> Iterator[Stand]:
    """The adapters, over real sockets."""
    clock = FakeClock()
    tenant = tenant_of(clock, **settings)
    with session() as http, served(tenant) as server:
        graph, defender = (
            Api(server.url, lambda audience=audience: tenant.identity.issue(audience)["access_token"], http)  # type: ignore[misc]
            for audience in (GRAPH, DEFENDER)
        )
        slack, teams = (WebhookChat(f"{server.url}/{kind}/one", http) for kind in ("slack", "teams"))
        devices, downloads = DefenderDevices(defender, deadline), LinkDownloads((), http, loopback=True)
        hunting = GraphHunting(graph)
        reputation = VirusTotal(tenant.settings.virustotal_key, http, server.url)
        yield Stand(tenant, clock, GraphIncidents(graph), devices, downloads, slack, teams, hunting, reputation)


@contextlib.contextmanager
def stands(kind: str) -> Iterator[Opened]:
    """A way to open stands of one kind; they are closed together."""
    with contextlib.ExitStack() as stack:
        open_one = fake_stand if kind == "fake" else http_stand
        yield lambda **settings: stack.enter_context(open_one(**settings))


class Stub:
    """A server that answers every request with `answer`, which writes what it likes; `seen` are the headers it got."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        """Listen on loopback."""
        seen: list[Mapping[str, str]] = []

        class Connection(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                seen.append(dict(self.headers))
                with contextlib.suppress(ConnectionError):
                    answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - names of http.server

            def log_message(self, *_args: object) -> None:
                """Stay silent."""

        self.seen = seen
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def say(body: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer for a stub: these headers (`_` for `-`) and its length, in lower case as some proxies write."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response_only(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(body)

    return answer


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The tenant's identity endpoint in the environment, as App Service puts it; gives the tenant's address."""
    tenant = tenant_of(FakeClock(datetime.now(UTC)))
    with TenantServer(tenant) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", tenant.settings.identity_header)
        yield server.url


@pytest.mark.parametrize("credential", [DefaultAzureCredential, ManagedIdentityCredential])
def test_tokens_come_from_the_managed_identity(
    identity: str, credential: type[DefaultAzureCredential | ManagedIdentityCredential]
) -> None:
    """One for each API: Graph takes only Graph's, Defender only its own, whose audience is not the host called."""
    with credential() as one, session() as http:
        graph, defender = (
            Api(identity, Tokens(audience, one, credential).current, http) for audience in (GRAPH, DEFENDER)
        )
        assert GraphIncidents(graph).changed(datetime(2026, 1, 1, tzinfo=UTC)).incidents == []
        assert DefenderDevices(defender, 5).isolate(HOST, "marker").machine_id == HOST
        for api in (GraphIncidents(defender).get, DefenderDevices(graph, 5).machine):
            with pytest.raises(Denied) as refused:
                api("1")
            assert refused.value.status == 401


@pytest.mark.usefixtures("identity")
def test_without_a_token_nothing_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """An identity endpoint that refuses is a matter of time: Transient with a wait, for acting calls too."""
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with ManagedIdentityCredential() as credential, Stub(say(b"{}")) as api, session() as http:
        tokens = Tokens(DEFENDER, credential, ManagedIdentityCredential)
        devices = DefenderDevices(Api(api.url, tokens.current, http), 5)
        for call in (lambda: devices.machine(HOST), lambda: devices.isolate(HOST, "marker")):
            with pytest.raises(Transient) as failed:
                call()
            assert failed.value.retry_after == 30.0
        assert api.seen == []


def test_a_session_takes_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy or a netrc on the machine changes neither where a bearer goes nor which one."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Stub(say(b"{}")) as api, session() as http:
        assert Api(api.url, lambda: "t", http).read("/x").body == {}
        assert api.seen[0]["Authorization"] == "Bearer t"
