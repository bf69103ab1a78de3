"""The storage ports twice: as fakes, and as adapters on Azurite. A suite that asks for one runs over both."""

import itertools
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import HttpRequest, HttpResponse, HttpTransport, RequestsTransport
from azure.storage.blob import BlobClient

from local.azurite import Azurite
from shared.storage.connections import Connection, Location
from shared.storage.interface import Documents, Evidence, Pages, Queues, Rows, Staging
from shared.storage.provision import provision
from tests.contract.worm import WormTransport
from tests.fakes.storage import FakeClock, FakeDocuments, FakeEvidence, FakePages, FakeQueues, FakeRows

TABLE = "contract"
CONTAINER = "contract"
STAGING = "staged"

Wire = HttpTransport[HttpRequest, HttpResponse]
Wanted = Callable[[HttpRequest], bool]
Fault = Callable[[Callable[[], HttpResponse]], HttpResponse]
"""Given a way to send the request, does what happens to it."""

_numbers = itertools.count(1)


class FaultyTransport(HttpTransport[HttpRequest, HttpResponse]):
    """A wire that fails when told to, for the next request that is wanted."""

    def __init__(self) -> None:
        self._inner: Wire = RequestsTransport(connection_timeout=5, read_timeout=30)
        self._fault: Fault | None = None
        self._wanted: Wanted = lambda _: False
        self._times = 0
        self._late: list[Callable[[], HttpResponse]] = []
        self.sent: list[HttpRequest] = []

    def lose_answer(self, wanted: Wanted, *, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Let a request take effect, let `meanwhile` happen, and lose the answer."""

        def fault(send: Callable[[], HttpResponse]) -> HttpResponse:
            assert send().status_code < 400
            meanwhile()
            raise ServiceResponseError("the connection was reset")

        self._arm(wanted, fault)

    def lose_request(self, wanted: Wanted, *, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Lose a request on the way, so that nobody knows, and let `meanwhile` happen."""

        def fault(_send: Callable[[], HttpResponse]) -> HttpResponse:
            meanwhile()
            raise ServiceResponseError("the connection was reset")

        self._arm(wanted, fault)

    def delay_request(self, wanted: Wanted) -> None:
        """Lose sight of a request, which takes effect only just before the next one that is wanted."""

        def fault(send: Callable[[], HttpResponse]) -> HttpResponse:
            self._late.append(send)
            raise ServiceResponseError("the connection was reset")

        self._arm(wanted, fault)

    def answer(self, wanted: Wanted, response: HttpResponse, *, meanwhile: Callable[[], object]) -> None:
        """Give an answer that Azurite would not give, to a request that is not sent."""

        def fault(_send: Callable[[], HttpResponse]) -> HttpResponse:
            meanwhile()
            return response

        self._arm(wanted, fault)

    def refuse_connection(self, wanted: Wanted, *, times: int = 1) -> None:
        """Fail before anything is sent, so many times."""

        def fault(_send: Callable[[], HttpResponse]) -> HttpResponse:
            raise ServiceRequestError("connection refused")

        self._arm(wanted, fault, times)

    def _arm(self, wanted: Wanted, fault: Fault, times: int = 1) -> None:
        self._wanted = wanted
        self._times = times
        self._fault = fault

    def send(self, request: HttpRequest, **kwargs: object) -> HttpResponse:
        self.sent.append(request)
        wanted = self._wanted(request)
        while wanted and self._late:
            assert self._late.pop()().status_code < 400
        if self._fault is None or not self._times or not wanted:
            return self._inner.send(request, **kwargs)
        self._times -= 1
        return self._fault(lambda: self._inner.send(request, **kwargs))

    @property
    def pending(self) -> bool:
        """Whether the fault is still to come: a test in which nothing failed shows nothing."""
        return self._times > 0 or bool(self._late)

    def sleep(self, _duration: float) -> None:
        """Do not wait: the wire is well again at once."""

    def open(self) -> None:
        self._inner.open()

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


@dataclass(frozen=True)
class Faulty:
    """A connection of its own over a wire that can be told to fail."""

    connection: Connection
    transport: FaultyTransport


@pytest.fixture(scope="session")
def connection(azurite: Azurite) -> Iterator[Connection]:
    opened = Connection(Location("contract", connection_string=azurite.connection_string))
    provision(opened, tables=[TABLE], containers=[CONTAINER, STAGING])
    yield opened
    opened.close()


@pytest.fixture
def faulty(connection: Connection) -> Iterator[Faulty]:
    """Whatever `connection` reaches, over a faulty wire. A fault that was set must have come by the end."""
    transport = FaultyTransport()
    opened = Connection(connection.location, transport=transport)
    yield Faulty(opened, transport)
    opened.close()
    assert not transport.pending


@pytest.fixture
def name() -> str:
    """A name that no other test uses: for a partition, a document, a queue or an object."""
    return f"t{next(_numbers)}"


@pytest.fixture(params=["fake", "azurite"])
def rows(request: pytest.FixtureRequest) -> Rows:
    if request.param == "fake":
        return FakeRows()
    connection: Connection = request.getfixturevalue("connection")
    return connection.rows(TABLE)


@pytest.fixture(params=["fake", "azurite"])
def documents(request: pytest.FixtureRequest) -> Documents:
    if request.param == "fake":
        return FakeDocuments()
    connection: Connection = request.getfixturevalue("connection")
    return connection.documents(CONTAINER)


@pytest.fixture(params=["fake", "azurite"])
def pages(request: pytest.FixtureRequest) -> Pages:
    if request.param == "fake":
        return FakePages()
    connection: Connection = request.getfixturevalue("connection")
    return connection.pages(CONTAINER)


@pytest.fixture(params=["fake", "azurite"])
def evidence(request: pytest.FixtureRequest) -> Evidence:
    if request.param == "fake":
        return FakeEvidence()
    connection: Connection = request.getfixturevalue("write_once")
    return connection.evidence(CONTAINER)


@pytest.fixture
def write_once(connection: Connection) -> Iterator[Connection]:
    """The same account as write-once storage; nothing may have been tried that such storage refuses."""
    wire = WormTransport()
    opened = Connection(connection.location, transport=wire)
    yield opened
    opened.close()
    assert wire.refused == []


@pytest.fixture(params=["fake", "azurite"])
def staging(request: pytest.FixtureRequest) -> Staging:
    """Where parts lie: in Azure another account, here a container of its own."""
    if request.param == "fake":
        return FakeEvidence()
    connection: Connection = request.getfixturevalue("connection")
    return connection.evidence(STAGING)


class FetchingTransport(FaultyTransport):
    """A wire that does what the storage does for Put Block From URL, where Azurite cannot (before 3.37.0): it fetches
    the source, and stages it.
    """

    def __init__(self, connection_string: str) -> None:
        super().__init__()
        self._connection_string = connection_string

    def send(self, request: HttpRequest, **kwargs: object) -> HttpResponse:
        answer = super().send(request, **kwargs)
        source = request.headers.get("x-ms-copy-source")
        if source and answer.status_code == 501:
            with urlopen(source) as opened:  # noqa: S310 - Azurite's own address
                body = opened.read()
            parts = urlsplit(request.url)
            _, _, container, name = parts.path.split("/", 3)
            blob = BlobClient.from_connection_string(self._connection_string, container, unquote(name))
            blob.stage_block(b64decode(parse_qs(parts.query)["blockid"][0]).decode(), body)
            answer.status_code = 201
        return answer


@pytest.fixture
def staged_at(connection: Connection) -> str:
    """The connection string of the account."""
    return connection.location.connection_string


@pytest.fixture
def fetching(staged_at: str) -> FetchingTransport:
    return FetchingTransport(staged_at)


@dataclass(frozen=True)
class QueueStand:
    """Queues with one empty queue, a way to let time pass, and a way to send what is not base64."""

    queues: Queues
    queue: str
    wait: Callable[[float], object]
    send_raw: Callable[[str], object]


@pytest.fixture(params=["fake", "azurite"])
def stand(request: pytest.FixtureRequest, name: str) -> QueueStand:
    if request.param == "fake":
        clock = FakeClock()
        fake = FakeQueues(clock.now, [name])
        return QueueStand(fake, name, clock.advance, lambda sent: fake.send_raw(name, sent))
    connection: Connection = request.getfixturevalue("connection")
    queue = f"contract-{name}"
    provision(connection, queues=[queue])
    client = connection.queue_service.get_queue_client(queue)
    return QueueStand(connection.queues(), queue, time.sleep, client.send_message)
