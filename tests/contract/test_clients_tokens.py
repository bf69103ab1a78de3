"""What becomes of a token that was refused: it is not used again, and nothing that acts is sent again for it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from azure.core.credentials import AccessToken

from local.tenant import samples
from local.tenant.model import Tenant
from shared.clients.defender import DefenderDevices
from shared.clients.graph import GraphIncidents
from shared.clients.tokens import RENEW_AFTER, Tokens, claims_of
from shared.clients.web import Api, session
from shared.errors import Denied, Rejected
from tests.contract.test_clients_stand import DEFENDER, GRAPH, HOST, served, tenant_of
from tests.fakes.storage import FakeClock


class Credential:
    """A credential as azure-identity's are: it keeps its token. A new one asks the tenant anew."""

    made = 0

    def __init__(self, tenant: Tenant) -> None:
        type(self).made += 1
        self._tenant = tenant
        self._kept: dict[str, str] = {}

    def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        audience = scopes[0].removesuffix("/.default")
        kept = self._kept.setdefault(audience, str(self._tenant.identity.issue(audience)["access_token"]))
        return AccessToken(kept, 0)


class Bench:
    """A tenant over HTTP, and the adapters with tokens of such credentials."""

    def __init__(self, tenant: Tenant, clock: FakeClock, api: dict[str, Api], seconds: list[float]) -> None:
        self.tenant, self.clock, self.seconds = tenant, clock, seconds
        self.devices, self.incidents = DefenderDevices(api[DEFENDER], 5), GraphIncidents(api[GRAPH])

    def calls(self) -> list[tuple[str, int]]:
        return [(entry["method"], entry["status"]) for entry in self.tenant.journal.entries()]


@pytest.fixture
def bench() -> Iterator[Bench]:
    clock, seconds = FakeClock(), [0.0]
    tenant = tenant_of(clock)
    Credential.made = 0
    with session() as http, served(tenant) as server:
        first, api = Credential(tenant), {}
        for audience in (DEFENDER, GRAPH):
            tokens = Tokens(audience, first, lambda: Credential(tenant), lambda: seconds[0])
            api[audience] = Api(server.url, tokens.current, http, tokens.renew)
        yield Bench(tenant, clock, api, seconds)


def outlive(bench: Bench) -> None:
    """Let the kept tokens expire in the tenant's eyes, though not in the credential's."""
    bench.devices.machine(HOST)
    bench.clock.advance(timedelta(hours=2).total_seconds())


def test_a_read_is_made_again_with_another_token(bench: Bench) -> None:
    outlive(bench)
    assert bench.devices.machine(HOST).id == HOST
    assert bench.calls() == [("GET", 200), ("GET", 401), ("GET", 200)]
    bench.devices.machine(HOST)
    assert bench.calls()[3:] == [("GET", 200)]


def test_a_write_is_made_again_with_another_token(bench: Bench) -> None:
    """A 401 had no effect; there is one comment."""
    bench.tenant.incidents.put(samples.harmful_incident("7", created=bench.clock.now()))
    bench.incidents.get("7")
    bench.clock.advance(timedelta(hours=2).total_seconds())
    bench.incidents.comment("7", "x")
    comments = bench.incidents.get("7")["comments"]
    assert [one["comment"] for one in comments] == ["x"]  # type: ignore[attr-defined]


def test_a_call_that_acts_is_not_made_again(bench: Bench) -> None:
    """But the next one has another token."""
    outlive(bench)
    with pytest.raises(Denied):
        bench.devices.isolate(HOST, "x")
    assert bench.calls()[1:] == [("POST", 401)]
    assert bench.devices.isolate(HOST, "x").id
    assert bench.calls()[1:] == [("POST", 401), ("POST", 201)]


def test_a_token_that_stays_refused_is_denied_and_not_asked_for_all_the_time(bench: Bench) -> None:
    """The trouble may be another than the token; and each new credential asks the identity endpoint."""
    bench.tenant.faults.add({"kind": "status", "status": 401, "code": "Unauthorized"})
    for _ in range(3):
        with pytest.raises(Denied):
            bench.devices.machine(HOST)
    assert Credential.made == 2
    assert len(bench.calls()) == 2 + 1 + 1
    bench.seconds[0] += RENEW_AFTER
    with pytest.raises(Denied):
        bench.devices.machine(HOST)
    assert Credential.made == 3
    assert len(bench.calls()) == 4 + 2


def test_the_other_api_keeps_its_token(bench: Bench) -> None:
    bench.tenant.incidents.put(samples.harmful_incident("7", created=bench.clock.now()))
    bench.incidents.get("7")
    bench.tenant.faults.add({"kind": "status", "status": 401, "path": "/api/", "times": 1})
    bench.devices.machine(HOST)
    assert Credential.made == 2
    bench.incidents.get("7")
    assert Credential.made == 2


def test_who_hears_late_of_a_refusal_takes_the_new_token() -> None:
    """Another thread has replaced it already: no further credential is made, and nobody is kept from asking again."""
    clock = FakeClock()
    tenant = tenant_of(clock)
    Credential.made = 0
    tokens = Tokens(DEFENDER, Credential(tenant), lambda: Credential(tenant), lambda: 0.0)
    old = tokens.current()
    clock.advance(60)
    assert tokens.renew(old)
    assert tokens.current() != old
    assert tokens.renew(old)
    assert Credential.made == 2
    assert not tokens.renew(tokens.current())


def test_a_token_says_whom_it_is_for_and_what_it_allows() -> None:
    clock = FakeClock()
    tenant = tenant_of(clock)
    found = Tokens(DEFENDER, Credential(tenant), lambda: Credential(tenant)).granted()
    assert (found.audience, "Machine.Isolate" in found.roles) == (DEFENDER, True)
    assert found.ends == clock.now().replace(microsecond=0) + timedelta(seconds=3599)


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.W10.c", "a.bnVsbA.c"])
def test_a_token_that_cannot_be_read_is_rejected(token: str) -> None:
    with pytest.raises(Rejected):
        claims_of(token)
