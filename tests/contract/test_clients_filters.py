"""Where a service refuses a filter: everything is read and filtered here, page by page, and nothing is lost between.

Defender answers `ODataError`; that Graph may refuse a filter was seen. A query is then asked in the next wider way.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest

from local.tenant import samples
from responders._refusal import Asked, Service
from responders._refusals import refusal_of
from shared.clients.asking import REMEMBERED, Ways
from shared.clients.graph import GraphIncidents
from shared.clients.interface import ACTIONS_PAGE, ONBOARDED_PAGE, ActionQuery
from shared.clients.web import Api, session
from shared.errors import Denied, Rejected, Transient
from tests.contract.test_clients_stand import HOST, OTHER, Stand, Stub, say, stands

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
THIRD = samples.fleet_id(4)


@pytest.fixture
def stand() -> Iterator[Stand]:
    with stands("http") as opening:
        yield opening()


def refuse_filters(
    stand: Stand, query: str = r"\$filter=", status: int = 400, code: str = "ODataError", times: int | None = None
) -> None:
    stand.trouble("status", query=query, status=status, code=code, times=times)


# machine actions


def acted(stand: Stand) -> datetime:
    """An isolation each of three devices, ten seconds apart; gives when the second was made."""
    moments = []
    for device in (HOST, OTHER, THIRD):
        moments.append(stand.clock.now())
        stand.devices.isolate(device, device)
        stand.clock.advance(10)
    return moments[1]


def test_the_actions_of_a_device_are_found_without_a_filter(stand: Stand) -> None:
    acted(stand)
    refuse_filters(stand)
    found = stand.devices.actions(ActionQuery((OTHER.upper(),)))
    assert [one.machine_id for one in found.actions] == [OTHER]
    assert found.next == ""


def test_the_actions_since_a_moment_are_found_without_a_filter(stand: Stand) -> None:
    second = acted(stand)
    refuse_filters(stand)
    found = stand.devices.actions(ActionQuery(since=second)).actions
    assert [one.machine_id for one in found] == [THIRD, OTHER]
    assert stand.devices.actions(ActionQuery((HOST,), second)).actions == []


def test_several_devices_are_left_to_be_asked_one_by_one(stand: Stand) -> None:
    """Unless it is known that no filter works: then one listing serves all of them."""
    acted(stand)
    refuse_filters(stand)
    with pytest.raises(Rejected) as error:
        stand.devices.actions(ActionQuery((HOST, OTHER)))
    assert refusal_of(error.value, Service.DEFENDER, Asked.LIST).name == "filter-refused"
    stand.devices.actions(ActionQuery((HOST,)))
    found = stand.devices.actions(ActionQuery((HOST, OTHER))).actions
    assert {one.machine_id for one in found} == {HOST, OTHER}


def test_a_refused_filter_is_not_tried_for_a_while(stand: Stand) -> None:
    """Each try costs a call of the budget."""
    refuse_filters(stand)
    for _ in range(3):
        stand.devices.actions(ActionQuery((HOST,)))
    assert stand.calls("GET") == 1 + 3


def test_pages_without_a_filter_lead_to_the_end(stand: Stand) -> None:
    """A page may hold little or nothing of what was asked for, and is not the last one for that."""
    stand.devices.isolate(OTHER, "first")
    stand.clock.advance(60)
    for _ in range(ACTIONS_PAGE):
        stand.tenant.person_orders("isolate", HOST)
        [action] = [one for one in stand.tenant.desk.of(HOST) if not stand.tenant.desk.progress(one).final]
        stand.tenant.person_cancels(action.id)
    stand.clock.advance(5)
    refuse_filters(stand)
    first = stand.devices.actions(ActionQuery((OTHER,)))
    assert (list(first.actions), bool(first.next)) == ([], True)
    second = stand.devices.actions(ActionQuery((OTHER,)), first.next)
    assert [one.comment for one in second.actions] == ["first"]
    assert second.next == ""


def test_a_list_that_began_with_a_filter_does_not_go_on_without_one(stand: Stand) -> None:
    """Its second thousand would be another one's: actions would be missed, and a device isolated twice."""
    for _ in range(ACTIONS_PAGE + 1):
        stand.tenant.person_orders("isolate", HOST)
        [action] = [one for one in stand.tenant.desk.of(HOST) if not stand.tenant.desk.progress(one).final]
        stand.tenant.person_cancels(action.id)
    stand.clock.advance(5)
    first = stand.devices.actions(ActionQuery((HOST,)))
    refuse_filters(stand)
    with pytest.raises(Transient) as error:
        stand.devices.actions(ActionQuery((HOST,)), first.next)
    assert refusal_of(error.value, Service.DEFENDER, Asked.LIST).name == "filter-refused"


def test_a_list_that_began_without_a_filter_does_not_go_on_with_one(stand: Stand) -> None:
    for _ in range(ACTIONS_PAGE + 1):
        stand.tenant.person_orders("isolate", HOST)
        [action] = [one for one in stand.tenant.desk.of(HOST) if not stand.tenant.desk.progress(one).final]
        stand.tenant.person_cancels(action.id)
    stand.clock.advance(5)
    refuse_filters(stand, times=1)
    first = stand.devices.actions(ActionQuery((HOST,)))
    assert len(first.actions) == ACTIONS_PAGE
    assert len(stand.devices.actions(ActionQuery((HOST,)), first.next).actions) == 1


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (500, Transient)])
def test_only_a_bad_request_is_about_the_filter(stand: Stand, status: int, kind: type[Exception]) -> None:
    """A role that is missing is no reason to ask again."""
    acted(stand)
    refuse_filters(stand, status=status, code="")
    with pytest.raises(kind):
        stand.devices.actions(ActionQuery((HOST,)))


@pytest.mark.parametrize("code", ["NotFound", "ResourceNotFound", "resourcenotfound"])
def test_where_nothing_matches_the_service_says_that_it_found_nothing(stand: Stand, code: str) -> None:
    acted(stand)
    refuse_filters(stand, status=404, code=code)
    assert stand.devices.actions(ActionQuery((HOST,))).actions == []


@pytest.mark.parametrize("code", ["", "ApplicationNotFound", "TenantMoved"])
def test_a_404_for_another_reason_is_no_empty_list(stand: Stand, code: str) -> None:
    """On an empty list an isolation that is in doubt would be sent again."""
    acted(stand)
    refuse_filters(stand, status=404, code=code)
    for ask in (lambda: stand.devices.actions(ActionQuery((HOST,))), lambda: stand.devices.named("host1.contoso.com")):
        with pytest.raises(Transient) as error:
            ask()
        assert refusal_of(error.value, Service.DEFENDER, Asked.LIST).name == "wrong-content"


def test_a_list_that_is_refused_in_every_way_is_rejected(stand: Stand) -> None:
    refuse_filters(stand, query="")
    with pytest.raises(Rejected):
        stand.devices.actions(ActionQuery((HOST,)))
    assert stand.calls("GET") == 2


# devices


def test_onboarded_devices_are_counted_to_the_end_without_a_filter(stand: Stand) -> None:
    """Not only those of the first page: a share of them may be held."""
    for number in range(ONBOARDED_PAGE):
        stand.tenant.fleet.put({"id": f"{number:040}", "computerDnsName": f"more{number}"})
    stand.tenant.fleet.put({"id": OTHER, "onboardingStatus": "CanBeOnboarded"})
    refuse_filters(stand)
    first = stand.devices.onboarded()
    second = stand.devices.onboarded(first.next)
    assert first.count + second.count == ONBOARDED_PAGE + 4
    assert second.next == ""


# incidents


def put(stand: Stand, incident: str, updated: str) -> None:
    sample = samples.harmful_incident(incident, created=stand.clock.now())
    stand.tenant.incidents.put(sample | {"lastUpdateDateTime": updated})


@pytest.mark.parametrize(("query", "calls"), [(" lt ", 2), (r"\$filter=", 3)])
def test_incidents_are_found_without_a_filter_or_with_a_simpler_one(stand: Stand, query: str, calls: int) -> None:
    """From the bound on and before the other, as Graph would."""
    put(stand, "before", "2026-01-05T07:59:59.9999999Z")
    put(stand, "first", "2026-01-05T08:00:00.0000000Z")
    put(stand, "last", "2026-01-05T08:00:01.9999999Z")
    put(stand, "after", "2026-01-05T08:00:02.0000000Z")
    refuse_filters(stand, query)
    since, until = datetime(2026, 1, 5, 8, tzinfo=UTC), datetime(2026, 1, 5, 8, 0, 2, tzinfo=UTC)
    page = stand.incidents.changed(since, until)
    assert sorted(str(one["id"]) for one in page.incidents) == ["first", "last"]
    assert stand.calls("GET") == calls
    stand.incidents.changed(since, until)
    assert stand.calls("GET") == calls + 1


def test_a_single_bound_has_no_simpler_filter(stand: Stand) -> None:
    refuse_filters(stand)
    stand.incidents.changed(LONG_AGO)
    assert stand.calls("GET") == 2


def test_the_next_page_of_incidents_keeps_to_what_was_asked(stand: Stand) -> None:
    """The page's address says nothing of the bounds then: they go along with it."""
    for number in range(70):
        put(stand, f"{number:03}", "2026-01-05T08:00:00.0000000Z" if number % 2 else "2025-01-05T08:00:00.0000000Z")
    refuse_filters(stand)
    page = stand.incidents.changed(datetime(2026, 1, 5, 8, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    found = [str(one["id"]) for one in page.incidents]
    while page.next:
        page = stand.incidents.changed(LONG_AGO, following=page.next)
        found += [str(one["id"]) for one in page.incidents]
    assert sorted(found) == [f"{number:03}" for number in range(1, 70, 2)]


def test_an_incident_that_does_not_say_when_it_changed_may_be_new() -> None:
    body = b'{"value": [{"id": "1"}, {"id": "2", "lastUpdateDateTime": "2020-01-01T00:00:00Z"}]}'

    def answer(to: BaseHTTPRequestHandler) -> None:
        refused = "filter" in to.path
        say(b"{}" if refused else body, 400 if refused else 200, date="Mon, 05 Jan 2026 09:00:00 GMT")(to)

    with Stub(answer) as graph, session() as http:
        page = GraphIncidents(Api(graph.url, lambda: "t", http)).changed(datetime(2026, 1, 1, tzinfo=UTC))
    assert [one["id"] for one in page.incidents] == ["1"]


def test_incidents_that_are_refused_in_every_way_are_rejected(stand: Stand) -> None:
    refuse_filters(stand, query="")
    with pytest.raises(Rejected) as error:
        stand.incidents.changed(LONG_AGO, stand.clock.now())
    assert error.value.status == 400
    assert stand.calls("GET") == 3


# what is remembered


def test_a_way_that_was_refused_is_wished_for_again_after_a_while() -> None:
    moment = [0.0]
    ways = Ways(lambda: moment[0])
    assert ways.first() == 0
    ways.refused(0)
    moment[0] += REMEMBERED - 1
    assert ways.first() == 1
    ways.refused(1)
    moment[0] += REMEMBERED - 1
    assert ways.first() == 2
    moment[0] += 1
    assert ways.first() == 0
