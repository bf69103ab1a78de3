"""Every row of the taxonomy of Graph, Defender, download links and chat, met over real HTTP.

Each case makes the simulated tenant (or, where no tenant can, a server of a few lines) say no in that row's way, asks
through the adapters, and looks the error up. What cannot be met over HTTP is named, with where it is tested instead.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from azure.core.exceptions import ClientAuthenticationError

from responders._governed import GovernedDevices, GovernedIncidents
from responders._governor import Governor
from responders._refusal import APIS, CHATS, Asked, Refusal, Service
from responders._refusals import TABLE, ending_of, refusal_of
from responders._zip import whole_zip
from shared.clients.defender import DefenderDevices
from shared.clients.graph import GraphIncidents
from shared.clients.interface import ActionQuery
from shared.clients.tokens import Tokens
from shared.clients.web import Api, session
from shared.config import load
from shared.errors import BulkheadError
from tests.contract.test_clients_chat import CARD, TEXT
from tests.contract.test_clients_stand import HOST, Opened, Stand, stands
from tests.contract.wires import (
    SelfSigned,
    at_stub,
    cut,
    hang_up,
    nameless,
    nowhere,
    unreachable,
    unsafe,
    untrusted,
    waiting,
)
from tests.fakes.storage import FakeRows

GRAPH, DEFENDER, DOWNLOADS = Service.GRAPH, Service.DEFENDER, Service.DOWNLOADS
SLACK, TEAMS, STORAGE = Service.SLACK, Service.TEAMS, Service.STORAGE
ELSEWHERE = {
    **{(service, "passing-trouble"): "tests/unit/test_refusals.py: our own words" for service in Service},
    **{(service, "defect"): "tests/unit/test_refusals.py: our own words" for service in Service},
    (DEFENDER, "action-stuck"): "tests/unit/test_settling.py: our own clock",
    (DOWNLOADS, "staging-altered"): "tests/unit/test_transfer.py: what lies in our own staging",
    (DOWNLOADS, "out-of-time"): "tests/integration/test_refusals_told.py: the archive's own time",
    **{key: "tests/contract/test_refusals_of_storage.py" for key in TABLE if key[0] is STORAGE},
}


@dataclass(frozen=True)
class Case:
    """One way to hear no: `ask` does something at a stand (made with `settings`) that raises, or gives the row itself.

    `named` tells cases of one row apart.
    """

    service: Service
    name: str
    ask: Callable[[Stand], object]
    asked: Asked = Asked.CALL
    settings: Mapping[str, object] = field(default_factory=dict)
    named: str = ""

    def __str__(self) -> str:
        """For the test's name."""
        return "-".join(filter(None, (self.service.name.lower(), self.name, self.named)))


@pytest.fixture
def opened() -> Iterator[Opened]:
    with stands("http") as opening:
        yield opening


def heard(case: Case, stand: Stand) -> Refusal:
    try:
        found = case.ask(stand)
    except BulkheadError as error:
        return refusal_of(error, case.service, case.asked)
    assert isinstance(found, Refusal), "it went well"
    return found


# The calls that are refused


def isolate(stand: Stand) -> object:
    return stand.devices.isolate(HOST, "x")


def machine(stand: Stand) -> object:
    return stand.devices.machine(HOST)


def listing(stand: Stand) -> object:
    return stand.devices.actions(ActionQuery((HOST,)))


def incidents(stand: Stand) -> object:
    return stand.incidents.changed(stand.clock.now())


def incident(stand: Stand) -> object:
    return stand.incidents.get("7")


def package(stand: Stand) -> bytes:
    return b"".join(whole_zip(stand.downloads.open(stand.devices.package_link(stand.collected())).chunks))


def slack(stand: Stand) -> None:
    stand.slack.post(TEXT)


def pager(stand: Stand) -> None:
    """Whatever wakes a person is a webhook too, and takes what Slack takes."""
    stand.slack.post(TEXT)


def teams(stand: Stand) -> None:
    stand.teams.post(CARD)


def after(kind: str, call: Callable[[Stand], object], path: str = "", **members: object) -> Callable[[Stand], object]:
    """The call, once the tenant was ordered to spoil every one that goes there."""

    def ask(stand: Stand) -> object:
        stand.trouble(kind, path, times=None, **members)
        return call(stand)

    return ask


def answered(status: int, code: str, call: Callable[[Stand], object], message: str = "no") -> Callable[[Stand], object]:
    body = {"error": {"code": code, "message": message}}
    return after("status", call, "^/(api|v1.0)/", status=status, body=body)


def paged(call: Callable[[Stand], object], path: str = "") -> Callable[[Stand], object]:
    """The call, where a page stands in place of its answer and says that all is well."""
    page = {"status": 200, "body": "<html>Sign in</html>", "headers": {"Content-Type": "text/html"}}
    return after("status", call, path, **page)


def several(times: int, call: Callable[[Stand], object]) -> Callable[[Stand], object]:
    return lambda stand: [call(stand) for _ in range(times)]


# What one row needs


def busy(stand: Stand) -> Refusal:
    """The first isolation is listed by the time of the second."""
    stand.devices.isolate(HOST, "1")
    stand.clock.advance(5)
    return refused_again(stand)


def refused_again(stand: Stand) -> Refusal:
    """How the second isolation is refused, by what the listing before it shows."""
    listed = stand.devices.actions(ActionQuery((HOST,))).actions
    with pytest.raises(BulkheadError) as error:
        isolate(stand)
    return refusal_of(error.value, DEFENDER, seen=any(not each.final for each in listed))


def busy_unseen(stand: Stand) -> Refusal:
    """The first isolation is not shown yet."""
    stand.devices.isolate(HOST, "1")
    return refused_again(stand)


def new_action(stand: Stand) -> object:
    return stand.devices.action(stand.devices.isolate(HOST, "x").id)


def ended(status: str) -> Callable[[Stand], Refusal]:
    """An isolation that ends so, as Defender then shows it."""

    def ask(stand: Stand) -> Refusal:
        made = stand.devices.isolate(HOST, "x")
        if status == "Cancelled":
            stand.tenant.person_cancels(made.id)
        else:
            stand.tenant.desk.force(made.id, status, -2147024891)
        stand.clock.advance(60)
        return ending_of(stand.devices.action(made.id))

    return ask


def without_a_token(service: Service) -> Callable[[Stand], object]:
    """The identity endpoint refuses, so that nothing is called."""

    class Nobody:
        def get_token(self, *_scopes: str, **_options: object) -> object:
            raise ClientAuthenticationError("no identity")

    def ask(stand: Stand) -> None:
        tokens = Tokens("https://graph.microsoft.com", Nobody(), Nobody)  # type: ignore[arg-type]
        with session() as http:
            api = Api(stand.tenant.links.base_url, tokens.current, http, tokens.renew)
            (GraphIncidents(api).get if service is GRAPH else DefenderDevices(api, 5).machine)(HOST)

    return ask


def over_budget(service: Service) -> Callable[[Stand], object]:
    """Two calls, where our own budget has one."""
    limits = '{"machines": "1/min", "incidents": "1/min"}'
    settings = load({"AzureWebJobsStorage": "x", "EVIDENCE_STORAGE": "x", "RATE_LIMITS": limits})

    def ask(stand: Stand) -> None:
        governor = Governor(FakeRows(), stand.clock, settings)
        devices, graph = GovernedDevices(stand.devices, governor), GovernedIncidents(stand.incidents, governor)
        for _ in range(2):
            (lambda: graph.changed(stand.clock.now()), lambda: devices.machine(HOST))[service is DEFENDER]()

    return ask


def expired(stand: Stand) -> object:
    link = stand.devices.package_link(stand.collected())
    stand.clock.advance(3600)
    return stand.downloads.open(link)


def led_away(stand: Stand) -> object:
    return stand.downloads.open("https://evil.example/x")


def not_onboarded(stand: Stand) -> object:
    stand.tenant.fleet.put({"id": HOST, "onboardingStatus": "CanBeOnboarded"})
    return isolate(stand)


CPU = "You have exceeded processing resources allocated to this tenant. You can run queries again in 00:15:00."
PROGRESS = "Action is already in progress"
OLD = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x"


def of_both_apis() -> Iterator[Case]:
    for service, read, change in ((GRAPH, incident, incidents), (DEFENDER, machine, isolate)):
        asked = incidents if service is GRAPH else listing
        role = "SecurityAlert.Read.All" if service is GRAPH else "Machine.Read.All"
        yield Case(service, "role-missing", change, settings={"roles": [role]})
        for code in ("", "Unauthorized", "UnknownError", "AuthorizationFailed"):
            yield Case(service, "role-missing", answered(403, code, read), named=f"code {code}")
        yield Case(service, "token-refused", answered(401, "InvalidAuthenticationToken", read))
        yield Case(service, "not-licensed", answered(403, "LicenseRequired", change))
        yield Case(service, "not-licensed", answered(402, "", change), named="402")
        rate = "incidents" if service is GRAPH else "isolate"
        yield Case(service, "throttled-calls", several(2, change), settings={"rates": {rate: "1/min"}})
        yield Case(service, "throttled-cpu", answered(429, "TooManyRequests", read, CPU))
        yield Case(service, "budget-spent", over_budget(service))
        yield Case(service, "filter-refused", answered(400, "ODataError", read))
        yield Case(service, "filter-refused", answered(400, "BadRequest", asked), Asked.LIST, named="list")
        yield Case(service, "request-refused", answered(400, "InvalidRequestBody", change))
        yield Case(service, "redirected", after("redirect", change, headers={"Location": "https://evil.example/"}))
        yield Case(service, "no-token", without_a_token(service))
        yield Case(service, "unknown-refusal", answered(400, "SomethingNew", change))
        yield Case(service, "unknown-refusal", answered(418, "", read), named="status")
        yield Case(service, "server-error", answered(500, "InternalServerError", read))
        yield Case(service, "connection-lost", after("reset", read))
        yield Case(service, "cut-short", after("truncate", read))
        yield Case(service, "cut-short", after("invalid_json", asked), named="broken off")
        yield Case(service, "too-long", after("lengthen", asked))
        yield Case(service, "wrong-content", after("wrong_content_type", asked))
        yield Case(service, "wrong-content", paged(read), named="page")
        yield Case(service, "wrong-content", after("status", asked, status=200, body="hello"), named="called JSON")


def of_each() -> Iterator[Case]:
    for service in (*APIS, DOWNLOADS, *CHATS):
        yield Case(service, "no-connection", unreachable(service))
        yield Case(service, "name-not-found", nameless(service))
        yield Case(service, "tls-failed", unsafe(service))
        yield Case(service, "tls-failed", untrusted(service), named="certificate")
        yield Case(service, "timed-out", waiting(service))
        yield Case(service, "connection-lost", at_stub(service, hang_up), named="hung up")
        yield Case(service, "cut-short", at_stub(service, cut), named="body")


def of_every_chat() -> Iterator[Case]:
    gone = ((404, "no_service"), (404, "no_team"), (404, "channel_not_found"), (410, "channel_is_archived"))
    refused = ((403, "action_prohibited"), (403, "invalid_token"), (400, "user_not_found"), (404, ""), (401, ""))
    wrong = ((400, "invalid_payload"), (400, "invalid_blocks"), (400, "missing_text_or_fallback_or_attachments"))
    for service, call in ((SLACK, slack), (TEAMS, teams), (Service.PAGER, pager)):
        for status, text in (*gone, *refused):
            ask = after("status", call, status=status, body=text, headers={"Content-Type": "text/plain"})
            yield Case(service, "webhook-gone", ask, named=f"{status} {text}")
        yield Case(service, "webhook-gone", after("redirect", call), named="redirect")
        for status, text in (*wrong, (413, "Request Entity too large")):
            ask = after("status", call, status=status, body=text)
            yield Case(service, "message-refused", ask, named=text)
        yield Case(service, "unknown-refusal", after("status", call, status=418, body="teapot"))
        yield Case(service, "throttled-calls", after("status", call, status=429, headers={"Retry-After": "1"}))
        for status in (200, 202):
            ask = after("status", call, status=status, body=OLD)
            yield Case(service, "throttled-calls", ask, named=f"hidden in a {status}")
        yield Case(service, "server-error", after("status", call, status=500, body="rollup_error"))
        yield Case(service, "connection-lost", after("reset", call))
        yield Case(service, "wrong-content", paged(call))


CASES = [
    *of_both_apis(),
    *of_each(),
    *of_every_chat(),
    Case(GRAPH, "incident-unknown", incident),
    Case(GRAPH, "wrong-content", paged(lambda stand: stand.incidents.comment("7", "x")), named="comment"),
    Case(GRAPH, "wrong-content", paged(lambda stand: stand.incidents.set_tags("7", [])), named="tags"),
    Case(DEFENDER, "feature-off", answered(403, "DisabledFeature", isolate)),
    Case(DEFENDER, "no-remediation-level", answered(403, "DisallowedOperation", isolate)),
    Case(DEFENDER, "platform-not-supported", answered(400, "OsPlatformNotSupported", isolate)),
    Case(DEFENDER, "sensor-too-old", answered(400, "ClientVersionNotSupported", isolate)),
    Case(DEFENDER, "request-refused", not_onboarded, named="not onboarded"),
    Case(DEFENDER, "device-unknown", lambda stand: stand.devices.isolate("0" * 40, "x"), Asked.DEVICE),
    Case(DEFENDER, "not-visible-yet", new_action, Asked.NEW_ACTION),
    Case(DEFENDER, "action-gone", lambda stand: stand.devices.action("x"), Asked.ACTION),
    Case(
        DEFENDER,
        "package-not-ready",
        lambda stand: stand.devices.package_link(stand.devices.collect_package(HOST, "x").id),
        Asked.PACKAGE,
    ),
    Case(DEFENDER, "busy", busy),
    Case(DEFENDER, "busy-unseen", busy_unseen),
    *(
        Case(DEFENDER, "busy-unseen", answered(400, code, isolate, PROGRESS), named=f"prose {code}")
        for code in ("", "BadRequest", "InvalidInput", "InvalidRequest", "Conflict")
    ),
    *(
        Case(DEFENDER, "busy-unseen", answered(409, code, isolate, PROGRESS), named=f"409 {code}")
        for code in ("", "Conflict")
    ),
    *(
        Case(DEFENDER, "outcome-unknown", after(kind, isolate, "/isolate$"), named=kind)
        for kind in ("reset", "reset_after_effect", "status_after_effect", "truncate", "lengthen", "invalid_json")
    ),
    Case(DEFENDER, "action-failed", ended("Failed")),
    Case(DEFENDER, "action-timed-out", ended("TimeOut")),
    Case(DEFENDER, "action-cancelled", ended("Cancelled")),
    Case(DOWNLOADS, "link-expired", expired),
    *(
        Case(DOWNLOADS, "link-expired", after("status", package, "^/download/", status=status), named=str(status))
        for status in (401, 403, 404, 410)
    ),
    Case(DOWNLOADS, "host-not-allowed", led_away),
    Case(
        DOWNLOADS,
        "host-not-allowed",
        after("redirect", package, "^/download/", headers={"Location": "https://evil.example/"}),
        named="redirect",
    ),
    Case(DOWNLOADS, "unknown-refusal", after("status", package, "^/download/", status=416)),
    Case(DOWNLOADS, "throttled-calls", after("status", package, "^/download/", status=429)),
    Case(DOWNLOADS, "server-error", after("status", package, "^/download/", status=503)),
    Case(DOWNLOADS, "connection-lost", after("reset", package, "^/download/")),
    Case(DOWNLOADS, "cut-short", after("truncate", package, "^/download/")),
    Case(DOWNLOADS, "too-long", after("lengthen", package, "^/download/")),
    Case(DOWNLOADS, "wrong-content", paged(package, "^/download/")),
    Case(SLACK, "throttled-calls", several(6, slack), named="its own limit"),
    Case(SLACK, "message-refused", lambda stand: stand.slack.post({}), named="no text"),
    Case(TEAMS, "message-refused", lambda stand: stand.teams.post(TEXT), named="no card"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_no_over_http_has_its_name(opened: Opened, case: Case) -> None:
    assert heard(case, opened(**case.settings)).name == case.name


def test_every_row_is_met() -> None:
    """Over HTTP, or where it says."""
    met = {(case.service, case.name) for case in CASES}
    assert set(TABLE) - met - set(ELSEWHERE) == set()
    assert met - set(TABLE) == set()
    assert met & set(ELSEWHERE) == set()


# What acts is told apart from what was never sent


@pytest.mark.parametrize("make", [unreachable, nameless, untrusted])
def test_a_call_that_was_never_sent_is_not_in_doubt(
    make: Callable[[Service], Callable[[Stand], object]], opened: Opened
) -> None:
    """Neither without a connection nor with a certificate that is not trusted can anybody have heard it."""
    reading = heard(Case(DEFENDER, "", make(DEFENDER)), opened())
    with session() as http:
        urls = {"unreachable": nowhere(), "nameless": "https://world.invalid"}
        with contextlib.ExitStack() as stack:
            url = urls.get(make.__name__) or stack.enter_context(SelfSigned())
            with pytest.raises(BulkheadError) as error:
                DefenderDevices(Api(url, lambda: "t", http), 5).isolate(HOST, "x")
    assert refusal_of(error.value, DEFENDER).name == reading.name


def test_a_call_into_something_that_speaks_no_tls_is_in_doubt(opened: Opened) -> None:
    """Nobody knows how far such a handshake came."""
    url = opened().tenant.links.base_url.replace("http://", "https://")
    with session() as http, pytest.raises(BulkheadError) as error:
        DefenderDevices(Api(url, lambda: "t", http), 5).isolate(HOST, "x")
    assert refusal_of(error.value, DEFENDER).name == "outcome-unknown"
