"""What the watch makes of a tenant that leads it in circles, never ends, or lives in another year; who hears of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from responders._flow import Flow
from responders._versions import AT_ONCE
from responders._watch import WATERMARK
from shared.clients.interface import IncidentPage
from shared.errors import Cause, Transient
from shared.models.progress import Watermark
from tests.contract.test_clients_stand import fake_stand
from tests.fakes.storage import FakeClock, FakeDocuments
from tests.integration.ticking import TICK, Clients, Ticking, ticking
from tests.unit.incidents import incident


class Graph:
    """`Incidents` that answers each page as `page` says."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.pages = 0
        self.page: Callable[[str], IncidentPage] = lambda _following: self.saying()
        self.alone: Callable[[str], Mapping[str, object]] = self._unread

    def saying(self, *rows: Mapping[str, object], date: datetime | None = None, following: str = "") -> IncidentPage:
        return IncidentPage(rows, date or self.clock.now(), following)

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        del since, until
        self.pages += 1
        return self.page(following)

    def get(self, incident: str, *, alerts: bool = False) -> Mapping[str, object]:
        del alerts
        return self.alone(incident)

    def _unread(self, incident: str, *_more: object) -> Mapping[str, object]:
        del incident
        raise Transient("not now")

    set_tags = comment = _unread


class Slate:
    def __init__(self) -> None:
        self.told: list[str] = []

    def post(self, payload: object) -> None:
        self.told.append(str(payload))


@pytest.fixture
def slate() -> Slate:
    return Slate()


@pytest.fixture
def graph() -> Graph:
    return Graph(FakeClock())


@pytest.fixture
def product(graph: Graph, slate: Slate) -> Iterator[Ticking]:
    with fake_stand() as stand:
        clients = Clients(graph, stand.devices, stand.downloads, {"slack": slate})  # type: ignore[arg-type]
        yield ticking(graph.clock, clients, RATE_LIMITS='{"incidents": "9000/min"}')


def mark(product: Ticking) -> datetime:
    entry = product.ports.ledger.single(Watermark, WATERMARK)
    assert entry
    return entry.value.until


def test_a_circle_of_pages_is_a_trouble_that_people_hear_of_and_no_incident_is_lost(
    product: Ticking, graph: Graph, slate: Slate
) -> None:
    product.tick()
    before = mark(product)
    graph.page = lambda _following: graph.saying(incident(id="7"), following="again")
    product.tick(int(300 / TICK) + 2)
    assert [text for text in slate.told if "incidents cannot be read" in text and "in a circle" in text]
    assert product.ports.ledger.incident("7")
    assert mark(product) == before
    graph.page = lambda _following: graph.saying()
    product.tick(2)
    assert "over: " in slate.told[-1]
    assert mark(product) > before


def test_pages_without_an_end_are_a_trouble_too(product: Ticking, graph: Graph, slate: Slate) -> None:
    product.tick()
    before = mark(product)

    def another(_following: str) -> IncidentPage:
        graph.clock.advance(30)
        return graph.saying(incident(id="7"), following=f"page {graph.pages}")

    graph.page = another
    product.tick(3)
    assert [text for text in slate.told if "before all pages were read" in text]
    assert mark(product) == before
    assert product.ports.ledger.incident("7")


def test_a_page_that_comes_again_and_again_is_a_circle_too(product: Ticking, graph: Graph, slate: Slate) -> None:
    """Under whatever address: who asks on behind a full page may be answered with that page."""
    product.tick()
    rows = [incident(id=f"{number}") for number in range(50)]
    graph.page = lambda _following: graph.saying(*rows, following=f"page {graph.pages}")
    before = graph.pages
    product.flow.watch()
    assert graph.pages - before == 2
    product.tick(int(300 / TICK) + 2)
    assert [text for text in slate.told if "incidents cannot be read" in text and "in a circle" in text]


@pytest.mark.parametrize("year", [1999, 2099])
def test_a_clock_of_another_year_moves_no_watermark(product: Ticking, graph: Graph, year: int) -> None:
    """Else what happens until then would be passed over, or all that ever happened be read again."""
    graph.page = lambda _following: graph.saying(date=datetime(year, 1, 1, tzinfo=UTC))
    product.tick(3)
    assert abs(mark(product) - graph.clock.now()) < timedelta(hours=1)


def test_a_clock_that_is_hours_off_is_the_tenants_own(product: Ticking, graph: Graph) -> None:
    graph.page = lambda _following: graph.saying(date=graph.clock.now() + timedelta(hours=5))
    product.tick()
    assert mark(product) > graph.clock.now() + timedelta(hours=4)


def test_an_incident_that_cannot_be_assessed_is_told_until_it_is(product: Ticking, graph: Graph, slate: Slate) -> None:
    """Some part of what is needed may be out of reach for long."""
    works: list[bool] = []

    def refuse(call: str) -> None:
        if call == "documents.read" and not works:
            raise Transient("the documents cannot be read")

    ports = replace(product.ports, documents=FakeDocuments(before=refuse))
    spoilt = replace(product, ports=ports, flow=Flow(ports))
    spoilt.tick()
    graph.page = lambda _following: graph.saying(incident(id="7"))
    spoilt.tick(int(300 / TICK) + 3)
    assert [text for text in slate.told if "incident 7 cannot be assessed" in text]
    works.append(True)
    spoilt.tick(3)
    assert [text for text in slate.told if "over: incident 7 cannot be assessed" in text]
    assert spoilt.rose == []


def test_an_incident_that_is_too_long_is_told_of_and_stops_no_other(
    product: Ticking, graph: Graph, slate: Slate
) -> None:
    product.tick()
    before = mark(product)

    def too_long(_incident: str) -> Mapping[str, object]:
        raise Transient("TooMuch", cause=Cause.LONG)

    graph.alone = too_long
    graph.page = lambda _following: replace(graph.saying(incident(id="7")), bare=[{"id": "8"}])
    product.tick(3)
    assert [text for text in slate.told if "incident 8" in text and "cannot be read with its alerts" in text]
    assert product.ports.ledger.incident("7")
    assert not product.ports.ledger.incident("8")
    product.tick(15)
    assert mark(product) > before
    graph.alone = lambda name: incident(id=name)
    product.tick(15)
    assert product.ports.ledger.incident("8")
    assert [text for text in slate.told if "over: incident 8 cannot be read" in text]


def test_one_state_that_is_told_now_so_and_now_so_is_not_new_every_time(product: Ticking, graph: Graph) -> None:
    """Servers that are not of one mind, or lists in another order: what is no update comes back a few times at once,
    and then ever more rarely.
    """
    product.tick()
    told = [incident(id="7", displayName=name) for name in ("one", "other")]
    for turn in range(60):
        graph.page = lambda _following, raw=told[turn % 2]: graph.saying(raw)  # type: ignore[misc]
        product.tick()
    documents = product.ports.documents
    assert isinstance(documents, FakeDocuments)
    kept = [name for name in documents.stored if name.startswith("7/") and name.endswith("incident.json")]
    assert len(told) + AT_ONCE <= len(kept) <= len(told) * (AT_ONCE + 4)  # of sixty, within ten minutes


class Crowded(Graph):
    """A Graph that shows one incident to a page, as it does where they are large. `rows` are its incidents."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.rows: list[tuple[datetime, Mapping[str, object]]] = []

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        ends = until or self.clock.now()
        found = [raw for at, raw in self.rows if since <= at < ends]
        number = int(following or 0)
        more = str(number + 1) if number + 1 < len(found) else ""
        return self.saying(*found[number : number + 1], following=more)


def test_more_pages_than_the_budget_has_calls_are_read_in_narrower_slices(slate: Slate) -> None:
    """Else every reading would begin with the first page again, and none would ever come to the last."""
    graph = Crowded(FakeClock())
    with fake_stand() as stand:
        clients = Clients(graph, stand.devices, stand.downloads, {"slack": slate})  # type: ignore[arg-type]
        product = ticking(graph.clock, clients, RATE_LIMITS='{"incidents": "10/min"}')
        product.flow.watch()
        for number in range(30):
            graph.clock.advance(110)
            graph.rows.insert(0, (graph.clock.now(), incident(id=f"{number}")))
        for _ in range(120):
            product.flow.watch()
            graph.clock.advance(TICK)
    assert graph.clock.now() - mark(product) < timedelta(minutes=5)
    assert all(product.ports.ledger.incident(f"{number}") for number in range(30))
