"""The storage's rows of the taxonomy: its adapters over HTTP to a server that refuses, and on Azurite where that does.

The answers are made up (synthetic), from the documented status and error codes of Azure Storage.
"""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport

from responders._refusal import Service
from responders._refusals import TABLE, refusal_of
from shared.errors import BulkheadError
from shared.storage.connections import Connection, Location
from shared.storage.interface import Insert
from tests.contract.conftest import TABLE as ROWS
from tests.contract.test_clients_stand import Stub, say
from tests.contract.wires import hang_up, nowhere

KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
Call = Callable[[Connection], object]
CALLS: dict[str, Call] = {
    "rows": lambda at: at.rows("t").commit("p", [Insert("k", "")]),
    "documents": lambda at: at.documents("c").create("d", b"x"),
    "queues": lambda at: at.queues().send("q", "text"),
    "evidence": lambda at: at.evidence("c").write_once("e", [b"x"], metadata={}),
}
ANSWERS = {
    ("storage-denied", 403): ("AuthorizationFailure", "AuthorizationPermissionMismatch", "AccountIsDisabled"),
    ("storage-denied", 401): ("AuthenticationFailed",),
    ("throttled-calls", 503): ("ServerBusy",),
    ("throttled-calls", 429): ("TooManyRequests",),
    ("server-error", 500): ("InternalError", "OperationTimedOut"),
    ("unknown-refusal", 400): ("InvalidInput",),
    ("unknown-refusal", 413): ("RequestBodyTooLarge",),
}
SLOW = {"throttled-calls", "server-error"}
"""What the adapters try again before they give up: all in the same way, so that one of them will do here."""

MISSING = {
    "rows": "TableNotFound",
    "documents": "ContainerNotFound",
    "queues": "QueueNotFound",
    "evidence": "ContainerNotFound",
}
HERE = {name for name, _ in ANSWERS} | {"storage-missing", "no-connection", "connection-lost", "taken", "no-token"}
ELSEWHERE = {
    "evidence-differs": "tests/integration/test_refusals_told.py: the archive's own finding",
    "passing-trouble": "tests/unit/test_refusals.py: our own words",
    "defect": "tests/unit/test_refusals.py: our own words",
}


class Hurried(RequestsTransport):  # type: ignore[misc]
    """A wire that does not wait between two tries."""

    def sleep(self, duration: float) -> None:
        """Do not wait."""


@pytest.fixture
def reach() -> Iterator[Callable[[str], Connection]]:
    """A way to an account whose services all stand at one address."""
    opened: list[Connection] = []

    def at(url: str) -> Connection:
        ends = "".join(f"{service}Endpoint={url}/acc;" for service in ("Blob", "Queue", "Table"))
        string = f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey={KEY};{ends}"
        opened.append(Connection(Location("contract", connection_string=string), transport=Hurried()))
        return opened[-1]

    yield at
    for each in opened:
        each.close()


def name_of(call: Call, connection: Connection) -> str:
    with pytest.raises(BulkheadError) as error:
        call(connection)
    return refusal_of(error.value, Service.STORAGE).name


def refusing(status: int, code: str) -> Callable[[BaseHTTPRequestHandler], None]:
    return say(b"", status, x_ms_error_code=code, date="Mon, 05 Jan 2026 09:00:00 GMT")


@pytest.mark.parametrize(
    ("call", "name", "status", "code"),
    [
        (call, name, status, code)
        for (name, status), codes in ANSWERS.items()
        for code in codes
        for call in (["rows"] if name in SLOW else CALLS)
    ],
)
def test_a_no_of_the_storage_has_its_name(
    reach: Callable[[str], Connection], call: str, name: str, status: int, code: str
) -> None:
    with Stub(refusing(status, code)) as account:
        assert name_of(CALLS[call], reach(account.url)) == name


@pytest.mark.parametrize(("call", "code"), MISSING.items())
def test_what_the_deployment_should_have_made_has_its_name(
    reach: Callable[[str], Connection], call: str, code: str
) -> None:
    with Stub(refusing(404, code)) as account:
        assert name_of(CALLS[call], reach(account.url)) == "storage-missing"


@pytest.mark.parametrize("call", ["rows", "evidence"])
def test_a_storage_that_is_not_there_has_its_name(reach: Callable[[str], Connection], call: str) -> None:
    assert name_of(CALLS[call], reach(nowhere())) == "no-connection"


@pytest.mark.parametrize("call", ["rows", "evidence"])
def test_an_answer_that_is_lost_has_its_name(reach: Callable[[str], Connection], call: str) -> None:
    with Stub(hang_up) as account:
        assert name_of(CALLS[call], reach(account.url)) == "connection-lost"


def test_a_row_that_somebody_else_wrote_has_its_name(connection: Connection, name: str) -> None:
    rows = connection.rows(ROWS)
    rows.commit(name, [Insert("k", "")])
    assert name_of(lambda _: rows.commit(name, [Insert("k", "other")]), connection) == "taken"


def test_an_identity_without_a_token_has_its_name() -> None:
    class Nobody:
        def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
            raise ClientAuthenticationError("no managed identity endpoint found")

    urls = dict.fromkeys(("blob", "queue", "table"), "https://127.0.0.1:9")
    opened = Connection(Location("contract", urls=urls), credential=lambda _: Nobody())
    for call in CALLS.values():
        assert name_of(call, opened) == "no-token"
    opened.close()


def test_every_row_of_the_storage_is_met() -> None:
    """On a wire, or where it says."""
    rows = {name for service, name in TABLE if service is Service.STORAGE}
    assert rows == HERE | set(ELSEWHERE)
