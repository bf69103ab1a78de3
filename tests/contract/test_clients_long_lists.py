"""Lists of incidents that Graph does not give as a whole: too much of it, no way to the next page, or a part only."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from local.tenant import samples
from shared.clients.asking import REMEMBERED, Rungs
from shared.clients.graph import GraphIncidents
from shared.clients.hearing import LARGEST
from shared.clients.interface import IncidentPage
from shared.clients.web import Api, session
from shared.errors import Cause, Rejected, Transient
from tests.contract.test_clients_stand import Stand, Stub, http_stand, say

PATH = "/v1.0/security/incidents$"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DATE = "Mon, 05 Jan 2026 09:00:00 GMT"
WHOLE, LIGHT, BARE = ("50", True), ("1", False), ("50", False)


def put(stand: Stand, incident: str, alerts: int = 1) -> None:
    """Put a synthetic incident with so many alerts into the tenant."""
    sample = samples.harmful_incident(incident, created=stand.clock.now())
    one = sample["alerts"][0]
    stand.tenant.incidents.put({**sample, "alerts": [{**one, "id": f"{incident}-{n}"} for n in range(alerts)]})


def asked(stand: Stand) -> list[tuple[str, bool]]:
    """How many incidents each list was asked for, and whether with their alerts."""
    found = [entry["query"] for entry in stand.tenant.journal.entries() if entry["path"].endswith("/incidents")]
    return [(query["$top"], "$expand" in query) for query in found]


def tried(stand: Stand) -> IncidentPage | None:
    try:
        return stand.incidents.changed(LONG_AGO)
    except Transient:
        return None


def whole(stand: Stand) -> list[IncidentPage]:
    pages = [stand.incidents.changed(LONG_AGO)]
    while pages[-1].next:
        pages.append(stand.incidents.changed(LONG_AGO, following=pages[-1].next))
    return pages


@pytest.fixture
def stand() -> Iterator[Stand]:
    with http_stand(incidents_most_alerts=2) as opened:
        yield opened


# too much of it


def test_a_list_that_is_too_much_for_graph_comes_in_smaller_parts_and_at_last_without_alerts(stand: Stand) -> None:
    """A tenant was seen to answer 500 for ever to any list with the alerts of a certain incident."""
    put(stand, "small")
    stand.clock.advance(1)
    put(stand, "large", 3)
    answers = [tried(stand) for _ in range(5)]
    assert answers[:4] == [None] * 4
    assert answers[4]
    assert answers[4].incidents == ()
    assert sorted(str(raw["id"]) for raw in answers[4].bare) == ["large", "small"]
    assert not any("alerts" in raw for raw in answers[4].bare)
    assert asked(stand) == [WHOLE, LIGHT, WHOLE, LIGHT, ("10", True), LIGHT, ("1", True), LIGHT, BARE]
    assert [tried(stand) is None for _ in range(3)] == [False] * 3
    assert asked(stand)[9:] == [BARE] * 3


def test_where_smaller_parts_are_enough_they_come_with_their_alerts(stand: Stand) -> None:
    for number in range(12):
        put(stand, f"{number:02}", 3 if number == 0 else 1)
        stand.clock.advance(1)
    while not (page := tried(stand)):
        pass
    assert [raw["id"] for raw in page.incidents] == [f"{number:02}" for number in range(11, 1, -1)]
    assert page.next


def test_a_single_error_changes_nothing(stand: Stand) -> None:
    """But that the service is asked for something light first, once."""
    put(stand, "small")
    stand.trouble("status", PATH, status=500)
    assert [bool(tried(stand)) for _ in range(3)] == [False, True, True]
    assert asked(stand) == [WHOLE, LIGHT, WHOLE, WHOLE]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("calls", range(1, 7))
def test_a_service_that_answers_nothing_at_all_is_not_asked_for_less_afterwards(
    stand: Stand, status: int, calls: int
) -> None:
    """A backlog is what comes next, and short pages would cost the budget."""
    put(stand, "small")
    stand.trouble("status", PATH, status=status, times=calls)
    assert [bool(tried(stand)) for _ in range(calls + 1)] == [False] * calls + [True]
    assert asked(stand)[-1] == WHOLE


class Impatient(HTTPAdapter):
    """Waits for an answer for a tenth of a second."""

    def send(self, request: PreparedRequest, *args: object, **kwargs: object) -> Response:
        """See `HTTPAdapter.send`."""
        return super().send(request, *args, **{**kwargs, "timeout": 0.1})  # type: ignore[arg-type]


def test_a_list_with_alerts_that_never_comes_is_asked_for_without_them() -> None:
    def answer(to: BaseHTTPRequestHandler) -> None:
        if "expand" in to.path:
            time.sleep(0.4)
        say(b'{"value": [{"id": "7"}]}', date=DATE)(to)

    with Stub(answer) as graph, session() as http:
        http.mount("http://", Impatient())
        incidents = GraphIncidents(Api(graph.url, lambda: "t", http))
        for _ in range(4):
            with pytest.raises(Transient) as error:
                incidents.changed(LONG_AGO)
            assert error.value.cause is Cause.LATE
        assert incidents.changed(LONG_AGO).bare == [{"id": "7"}]


def test_one_that_is_too_long_by_itself_is_shown_without_its_alerts_with_the_others() -> None:
    """No page is short enough for it, and without it the reading would never come to those behind it."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        asked = parse_qs(urlsplit(to.path).query)
        size, number = int(asked["$top"][0]), int(asked.get("$skip", ["0"])[0])
        longest = LARGEST if "$expand" in asked else 0
        rows = [b'{"id": "%d", "x": "%s"}' % (at, b"x" * (longest if at == 1 else 1)) for at in range(1, 4)]
        say(b'{"value": [%s]}' % b",".join(rows[number : number + size]), date=DATE)(to)

    with Stub(answer) as graph, session() as http:
        incidents = GraphIncidents(Api(graph.url, lambda: "t", http))
        for _ in range(3):
            with pytest.raises(Transient) as error:
                incidents.changed(LONG_AGO)
            assert error.value.cause is Cause.LONG
        page = incidents.changed(LONG_AGO)
    assert [raw["id"] for raw in page.bare] == ["1", "2", "3"]
    assert len(graph.seen) == 4


class Steps:
    """Rungs on a clock that is moved, and what a service answers to them."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.rungs = Rungs(3, lambda: self.seconds)

    def fail(self, *, surely: bool = True) -> int:
        """Have a list fail; the rung that is next."""
        self.rungs.failed(self.rungs.first(), surely=surely)
        return self.rungs.first()


def test_what_was_too_much_is_asked_for_again_after_a_while_and_one_failure_leads_back() -> None:
    steps = Steps()
    assert [steps.fail(), steps.fail()] == [1, 2]
    steps.seconds += REMEMBERED
    assert steps.rungs.first() == 0
    assert steps.fail(surely=False) == 2
    steps.seconds += 2 * REMEMBERED
    steps.rungs.done(0)
    assert steps.rungs.first() == 0
    assert steps.fail(surely=False) == 0
    assert steps.rungs.doubted()


def test_what_is_too_much_each_time_is_asked_for_ever_more_rarely() -> None:
    """It may take a minute and a half to find out."""
    steps = Steps()
    steps.fail()
    waits = []
    for _ in range(7):
        before = steps.seconds
        while steps.rungs.first():
            steps.seconds += 60
        waits.append((steps.seconds - before) / 60)
        steps.fail(surely=False)
    assert waits == [15, 30, 60, 120, 240, 240, 240]


def test_below_the_last_rung_is_the_first_one() -> None:
    steps = Steps()
    assert [steps.fail() for _ in range(4)] == [1, 2, 3, 0]


def test_a_list_of_before_says_nothing_of_how_much_is_asked_for_now() -> None:
    steps = Steps()
    steps.fail()
    steps.rungs.failed(0, surely=True)
    steps.rungs.done(0)
    assert steps.rungs.first() == 1


# no way to the next page


def test_a_full_page_without_a_link_is_not_the_last_one() -> None:
    """A list of Graph's was seen to end so, with more behind."""
    with http_stand(incidents_paging="none") as stand:
        for number in range(120):
            put(stand, f"{number:03}")
        pages = whole(stand)
        assert [len(page.incidents) for page in pages] == [50, 50, 20]
        assert len({raw["id"] for page in pages for raw in page.incidents}) == 120
        assert asked(stand) == [WHOLE] * 3


def test_a_list_that_ends_with_a_full_page_costs_one_call_more() -> None:
    with http_stand(incidents_paging="none") as stand:
        for number in range(50):
            put(stand, f"{number:03}")
        assert [len(page.incidents) for page in whole(stand)] == [50, 0]


def test_a_page_that_graph_refuses_is_rejected_without_another_filter() -> None:
    """It is about how many there are: so a narrower question helps, and a wider one does not."""
    for paging in ("skip", "none"):
        with http_stand(incidents_paging=paging, incidents_most_skipped=50) as stand:
            for number in range(120):
                put(stand, f"{number:03}")
            first = stand.incidents.changed(LONG_AGO)
            second = stand.incidents.changed(LONG_AGO, following=first.next)
            with pytest.raises(Rejected) as error:
                stand.incidents.changed(LONG_AGO, following=second.next)
            assert error.value.status == 400
            assert len(asked(stand)) == 3


# a part only


def test_what_graph_calls_a_part_is_no_whole_list_and_its_incidents_are_not_whole_either() -> None:
    with http_stand() as stand:
        put(stand, "1")
        stand.trouble("partial", PATH)
        page = stand.incidents.changed(LONG_AGO)
        assert (page.partial, page.incidents, [raw["id"] for raw in page.bare]) == (True, (), ["1"])
        assert stand.incidents.changed(LONG_AGO).partial is False


def test_a_part_of_an_incident_is_none() -> None:
    """Else it would be judged without the alerts that are missing."""
    with http_stand() as stand:
        put(stand, "1")
        stand.trouble("partial", "/incidents/1$")
        with pytest.raises(Transient) as error:
            stand.incidents.get("1", alerts=True)
        assert error.value.cause is Cause.CONTENT
        assert stand.incidents.get("1", alerts=True)["id"] == "1"
