"""What `Incidents` promises, over the fake and over Graph as the simulated tenant speaks it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest

from local.tenant import samples
from local.tenant.clock import stamp
from shared.clients.graph import GraphIncidents
from shared.clients.hearing import LARGEST
from shared.clients.interface import IncidentPage
from shared.clients.web import Api, session
from shared.errors import Cause, NotFound, Rejected, Transient
from shared.models.incident import MORE_ALERTS, Incident, lacks_alerts, version_of
from tests.contract.test_clients_stand import KINDS, Opened, Stand, Stub, http_stand, say, stands

PATH = "/v1.0/security/incidents"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DATE = "Mon, 05 Jan 2026 09:00:00 GMT"


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with stands(request.param) as opening:
        yield opening


@pytest.fixture
def stand(opened: Opened) -> Stand:
    return opened()


def put(stand: Stand, incident: str, updated: str = "") -> None:
    """Put a synthetic incident into the tenant, made now and last updated then."""
    sample = samples.harmful_incident(incident, created=stand.clock.now())
    stand.tenant.incidents.put(sample | ({"lastUpdateDateTime": updated} if updated else {}))


def ids(page: IncidentPage) -> list[str]:
    return sorted(str(incident["id"]) for incident in page.incidents)


# the list


def test_pages_hold_fifty_and_lead_on(stand: Stand) -> None:
    """`next` leads from page to page until it is empty; nothing comes twice and nothing is left out."""
    for number in range(120):
        put(stand, f"{number:03}")
    pages = [stand.incidents.changed(LONG_AGO)]
    while pages[-1].next:
        pages.append(stand.incidents.changed(LONG_AGO, following=pages[-1].next))
    assert [len(page.incidents) for page in pages] == [50, 50, 20]
    assert sorted(one for page in pages for one in ids(page)) == [f"{number:03}" for number in range(120)]


def test_the_next_page_keeps_to_what_was_asked(stand: Stand) -> None:
    """Bounds, expanded alerts and unknown members hold for every page."""
    for number in range(60):
        put(stand, f"{number:03}")
    put(stand, "old", "2025-01-01T00:00:00Z")
    first = stand.incidents.changed(stand.clock.now(), stand.clock.now() + timedelta(1))
    second = stand.incidents.changed(LONG_AGO, following=first.next)
    assert len(second.incidents) == 10
    assert "old" not in ids(second)
    alerts = [Incident.model_validate(one).alerts[0] for one in second.incidents]
    assert {alert.evidence[1].remediation for alert in alerts} == {"active"}


def test_an_empty_list_is_a_page(stand: Stand) -> None:
    assert stand.incidents.changed(LONG_AGO) == IncidentPage([], stand.clock.now(), "")


def test_the_page_tells_the_service_s_clock(stand: Stand) -> None:
    """In whole seconds, as an HTTP `Date` is."""
    stand.clock.advance(12.75)
    assert stand.incidents.changed(LONG_AGO).date == stand.clock.now().replace(microsecond=0)
    assert stand.incidents.changed(LONG_AGO).date.utcoffset() == timedelta(0)


def test_from_since_on_and_before_until(stand: Stand) -> None:
    """To the microsecond; the seventh digit that Graph sends counts for the service."""
    put(stand, "before", "2026-01-05T08:00:00.1234559Z")
    put(stand, "first", "2026-01-05T08:00:00.1234560Z")
    put(stand, "last", "2026-01-05T08:00:01.9999999Z")
    put(stand, "after", "2026-01-05T08:00:02.0000000Z")
    since = datetime(2026, 1, 5, 8, 0, 0, 123_456, UTC)
    assert ids(stand.incidents.changed(since, datetime(2026, 1, 5, 8, 0, 2, tzinfo=UTC))) == ["first", "last"]
    assert ids(stand.incidents.changed(since)) == ["after", "first", "last"]


def test_instants_may_come_in_any_zone(stand: Stand) -> None:
    put(stand, "1", "2026-01-05T08:00:00.0000000Z")
    tokyo = datetime(2026, 1, 5, 17, tzinfo=timezone(timedelta(hours=9)))
    assert ids(stand.incidents.changed(tokyo)) == ["1"]
    assert ids(stand.incidents.changed(tokyo + timedelta(microseconds=1))) == []


def test_what_is_not_visible_yet_is_not_there(stand: Stand) -> None:
    """An incident may become visible later than it was made, with the older time on it."""
    sample = samples.harmful_incident("1", created=stand.clock.now())
    stand.tenant.incidents.put(sample, visible_in=30)
    assert ids(stand.incidents.changed(LONG_AGO)) == []
    with pytest.raises(NotFound):
        stand.incidents.get("1")
    stand.clock.advance(30)
    assert ids(stand.incidents.changed(LONG_AGO)) == ["1"]


def test_the_raw_answer_is_kept(stand: Stand) -> None:
    """Seven digits arrive as sent, and the models read them; alerts are expanded with their evidence."""
    put(stand, "1", "2026-01-05T08:00:00.1234567Z")
    [raw] = stand.incidents.changed(LONG_AGO).incidents
    assert raw["lastUpdateDateTime"] == "2026-01-05T08:00:00.1234567Z"
    incident = Incident.model_validate(raw)
    assert incident.updated == datetime(2026, 1, 5, 8, 0, 0, 123_456, UTC)
    assert [evidence.kind for evidence in incident.alerts[0].evidence] == ["device", "process", "file", "user"]


def test_members_that_graph_hides_arrive(stand: Stand) -> None:
    """`active`, `awaitingAction` and the like read `unknownFutureValue` without the Prefer header."""
    put(stand, "1")
    stand.tenant.incidents.change("1", {"status": "awaitingAction"})
    [raw] = stand.incidents.changed(LONG_AGO).incidents
    incident = Incident.model_validate(raw)
    assert incident.status == "awaitingaction"
    assert incident.alerts[0].evidence[1].remediation == "active"
    assert stand.incidents.get("1")["status"] == "awaitingAction"


# one incident


def test_get_has_alerts_where_they_are_asked_for(stand: Stand) -> None:
    """The same content as in the list, so that it makes the same version."""
    put(stand, "1")
    stand.incidents.comment("1", "a comment")
    found = stand.incidents.get("1", alerts=True)
    assert version_of(found) == version_of(stand.incidents.changed(LONG_AGO).incidents[0])
    assert Incident.model_validate(found).alerts
    assert len(found["comments"]) == 1  # type: ignore[arg-type]


def test_get_has_comments_and_no_alerts(stand: Stand) -> None:
    put(stand, "1")
    stand.incidents.comment("1", "seen")
    found = stand.incidents.get("1")
    assert [one["comment"] for one in found["comments"]] == ["seen"]  # type: ignore[attr-defined]
    assert "alerts" not in found


@pytest.mark.parametrize(
    "call",
    [
        lambda incidents: incidents.get("9"),
        lambda incidents: incidents.set_tags("9", []),
        lambda incidents: incidents.comment("9", "x"),
    ],
    ids=["get", "set_tags", "comment"],
)
def test_an_unknown_incident_is_not_found(stand: Stand, call: Callable[[object], None]) -> None:
    with pytest.raises(NotFound) as error:
        call(stand.incidents)
    assert (error.value.status, error.value.code) == (404, "ResourceNotFound")
    assert error.value.target  # the correlation id, from where Graph puts it


def test_set_tags_replaces_all_of_them(stand: Stand) -> None:
    put(stand, "1")
    stand.incidents.set_tags("1", ["a", "b"])
    stand.incidents.set_tags("1", ["b", "bulkhead: observed"])
    assert stand.incidents.get("1")["customTags"] == ["b", "bulkhead: observed"]


def test_comments_are_added_as_they_are_written(stand: Stand) -> None:
    """Also twice the same: there is no key against doubles."""
    put(stand, "1")
    texts = ["隔離しました: host1 “ok”\n<b>", "twice", "twice"]
    for text in texts:
        stand.incidents.comment("1", text)
    assert [one["comment"] for one in stand.incidents.get("1")["comments"]] == texts  # type: ignore[attr-defined]


def test_our_own_writes_count_as_changes(stand: Stand) -> None:
    """A comment or a tag of ours brings the incident back with the next list."""
    put(stand, "1")
    stand.clock.advance(60)
    stand.incidents.comment("1", "seen")
    assert ids(stand.incidents.changed(stand.clock.now())) == ["1"]


# trouble (statuses: test_clients_refusals.py)


@pytest.mark.parametrize("kind", ["truncate", "invalid_json", "lengthen"])
def test_an_answer_that_is_not_whole_is_transient(stand: Stand, kind: str) -> None:
    stand.trouble(kind, PATH)
    with pytest.raises(Transient):
        stand.incidents.changed(LONG_AGO)


def test_a_read_is_repeated_when_the_connection_breaks(stand: Stand) -> None:
    """Twice, by the library."""
    stand.trouble("reset", PATH, times=2)
    assert stand.incidents.changed(LONG_AGO).incidents == []
    assert stand.calls("GET") == 3


def test_a_read_is_not_repeated_for_ever(stand: Stand) -> None:
    stand.trouble("reset", PATH, times=None)
    with pytest.raises(Transient):
        stand.incidents.get("1")
    assert stand.calls("GET") == 3


@pytest.mark.parametrize("kind", ["reset", "reset_after_effect", "truncate", "status_after_effect"])
def test_a_write_is_made_once(stand: Stand, kind: str) -> None:
    """A comment has no key against doubles: whoever repeats it reads the comments first."""
    put(stand, "1")
    stand.trouble(kind, "/comments")
    with pytest.raises(Transient):
        stand.incidents.comment("1", "x")
    assert stand.calls("POST") == 1
    assert len(stand.incidents.get("1")["comments"]) == (kind != "reset")  # type: ignore[arg-type]


# alerts that an answer had no place for


def test_alerts_for_which_there_was_no_place_are_read_page_by_page(opened: Opened) -> None:
    """The list says where they are, and so does an answer about one incident."""
    stand = opened(expanded_alerts=2)
    sample = samples.harmful_incident("1", created=stand.clock.now())
    alerts = [{**sample["alerts"][0], "id": f"a{number}"} for number in range(5)]
    stand.tenant.incidents.put({**sample, "alerts": alerts})
    for raw in (*stand.incidents.changed(LONG_AGO).incidents, stand.incidents.get("1", alerts=True)):
        assert lacks_alerts(raw)
        found, following = [alert["id"] for alert in raw["alerts"]], str(raw[MORE_ALERTS])  # type: ignore[attr-defined]
        pages = 0
        while following:
            more, following = stand.incidents.more_alerts(following)
            found += [alert["id"] for alert in more]
            pages += 1
        assert (found, pages) == (["a0", "a1", "a2", "a3", "a4"], 2)


@pytest.mark.parametrize(("how", "sent"), [("missing", {}), ("null", {"alerts": None}), ("empty", {"alerts": []})])
def test_alerts_may_be_left_out_for_want_of_a_role(opened: Opened, how: str, sent: dict[str, object]) -> None:
    """Nobody says whether Graph does that; what it does then is not to be taken for an incident without alerts."""
    stand = opened(roles=["SecurityIncident.ReadWrite.All"], alerts_without_role=how)
    put(stand, "1")
    for raw in (*stand.incidents.changed(LONG_AGO).incidents, stand.incidents.get("1", alerts=True)):
        assert {name: member for name, member in raw.items() if name.startswith("alerts")} == sent
        assert lacks_alerts(raw)


def test_the_address_of_the_next_page_may_forget_what_was_asked_for(opened: Opened) -> None:
    stand = opened(next_link_expands=False)
    for number in range(51):
        put(stand, f"{number:03}")
    first = stand.incidents.changed(LONG_AGO)
    second = stand.incidents.changed(LONG_AGO, following=first.next)
    assert [sum(map(lacks_alerts, page.incidents)) for page in (first, second)] == [0, 1]


# the adapter alone


def answered(answer: bytes, date: str = DATE) -> IncidentPage:
    with Stub(say(answer, date=date)) as graph, session() as http:
        return GraphIncidents(Api(graph.url, lambda: "t", http)).changed(LONG_AGO)


@pytest.mark.parametrize(
    "link",
    ["https://evil.example/v1.0/x", "//evil.example/x", "{own}@evil.example/x", "{own}0/x", "http://[", 7],
)
def test_a_next_page_on_another_host_is_not_followed(link: object) -> None:
    """The bearer would go with it. Look-alikes of our host are other hosts."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        named = link.format(own=f"http://{to.headers['Host']}") if isinstance(link, str) else link
        say(json.dumps({"value": [], "@odata.nextLink": named}).encode(), date=DATE)(to)

    with Stub(answer) as graph, session() as http:
        incidents = GraphIncidents(Api(graph.url, lambda: "t", http))
        with pytest.raises(Transient, match="another host"):
            incidents.changed(LONG_AGO)
        assert len(graph.seen) == 1


def test_after_a_page_that_is_too_long_the_next_ones_are_shorter() -> None:
    """Else a few incidents of thousands of alerts each would stand in the way of all others for ever."""
    asked: list[str] = []

    def answer(to: BaseHTTPRequestHandler) -> None:
        size = int(parse_qs(urlsplit(to.path).query)["$top"][0])
        asked.append(str(size))
        rows = b",".join([b'{"id": "7", "x": "%s"}' % (b"x" * (LARGEST // 8))] * min(size, 9))
        say(b'{"value": [%s]}' % rows, date=DATE)(to)

    with Stub(answer) as graph, session() as http:
        incidents = GraphIncidents(Api(graph.url, lambda: "t", http))
        for _ in range(2):
            with pytest.raises(Transient) as error:
                incidents.changed(LONG_AGO)
            assert error.value.cause is Cause.LONG
        assert len(incidents.changed(LONG_AGO).incidents) == 1
    assert asked == ["50", "10", "1"]


@pytest.mark.parametrize("link", ["/v1.0/security/incidents?$skip=50", "?$skip=50", "incidents?$skip=50"])
def test_a_next_page_may_be_named_from_where_we_are(link: str) -> None:
    page = answered(json.dumps({"value": [], "@odata.nextLink": link}).encode())
    assert page.next.endswith("/v1.0/security/incidents?$skip=50")


@pytest.mark.parametrize("following", ["{other}/v1.0/x", "@{host}/v1.0/x"])
def test_an_address_of_another_host_gets_no_bearer(following: str) -> None:
    """Wherever it was kept in the meantime."""
    with http_stand() as stand, Stub(say(b"{}")) as other:
        with pytest.raises(Transient, match="another host"):
            stand.incidents.changed(
                LONG_AGO, following=following.format(other=other.url, host=other.url.removeprefix("http://"))
            )
        assert other.seen == []


def test_more_alerts_are_asked_for_on_our_host_only() -> None:
    """An answer names the address, and the bearer goes with the call. It may be named from where we are."""
    page = {"value": [{"id": "a"}, None, "x"], "@odata.nextLink": "7/alerts?$skiptoken=2"}
    with Stub(say(json.dumps(page).encode())) as graph, Stub(say(b"{}")) as other, session() as http:
        incidents = GraphIncidents(Api(graph.url, lambda: "t", http))
        with pytest.raises(Transient, match="another host"):
            incidents.more_alerts(f"{other.url}/v1.0/security/incidents/7/alerts")
        found = incidents.more_alerts("incidents/7/alerts?$skiptoken=1")
        assert found == ([{"id": "a"}], f"{graph.url}/v1.0/security/7/alerts?$skiptoken=2")
        assert len(graph.seen) == 1
        assert other.seen == []


@pytest.mark.parametrize("answer", [b"{}", b'{"value": null}', b"[]", b""])
def test_more_alerts_without_a_list_are_no_answer(answer: bytes) -> None:
    with Stub(say(answer)) as graph, session() as http, pytest.raises(Transient):
        GraphIncidents(Api(graph.url, lambda: "t", http)).more_alerts(f"{graph.url}/v1.0/x")


def test_a_redirect_is_not_followed() -> None:
    """Neither on the host nor to another one: the bearer would go with it."""
    with http_stand() as stand, Stub(say(b"{}")) as other:
        stand.trouble("redirect", PATH, headers={"Location": other.url})
        with pytest.raises(Rejected) as error:
            stand.incidents.changed(LONG_AGO)
        assert error.value.status == 302
        assert other.seen == []


@pytest.mark.parametrize(
    ("answer", "date"),
    [
        (b'{"value": null}', DATE),
        (b"{}", DATE),
        (b"[]", DATE),
        (b"<html>", DATE),
        (b"", DATE),
        (b'{"value": []}', ""),
        (b'{"value": []}', "yesterday"),
    ],
)
def test_an_answer_of_another_shape_is_transient(answer: bytes, date: str) -> None:
    """A list without its value must not read as an empty one, and a page without a date tells no progress."""
    with pytest.raises(Transient):
        answered(answer, date=date)


def test_what_is_no_object_is_left_out_of_a_list() -> None:
    """And header names come in any case."""
    page = answered(b'{"value": [null, 1, "x", {"id": "1"}]}')
    assert page == IncidentPage([{"id": "1"}], datetime(2026, 1, 5, 9, tzinfo=UTC), "")


def test_seven_digits_are_microseconds_for_us() -> None:
    """What `stamp` writes is what the models read: the made-up seventh digit is cut."""
    moment = datetime(2026, 1, 5, 9, 0, 0, 123_456, UTC)
    assert Incident.model_validate({"lastUpdateDateTime": stamp(moment)}).updated == moment
