"""What the watch makes of lists that Graph does not give as a whole, over HTTP from the simulated tenant.

No list holds up what is on another one, no incident holds up others, and what the watermark has passed is known.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from console.fetching import FILE, fetched
from local.tenant import samples
from responders._watch import WATERMARK, Watch
from shared.clients.interface import IncidentPage, Incidents
from shared.models.progress import Watermark
from tests.contract.test_clients_stand import HOST, OTHER, Stand, http_stand, stands
from tests.integration.ticking import TICK, Clients, Ticking, ticking

LIST, ONE = "/v1.0/security/incidents$", "/v1.0/security/incidents/{}$"


@dataclass(frozen=True)
class Bench:
    """The product, and the tenant that it watches."""

    stand: Stand
    product: Ticking
    told: list[str]

    def put(self, name: str, *, device: str = HOST, alerts: int = 2, grave: bool = True) -> None:
        """An incident of now."""
        made = samples.harmful_incident(name, device_id=device, created=self.stand.clock.now())
        one = made["alerts"][0]
        made["alerts"] = [{**one, "id": f"{name}-{number}"} for number in range(alerts)]
        self.stand.tenant.incidents.put(made if grave else {**made, "severity": "informational", "alerts": []})

    def watch(self, ticks: int) -> None:
        """The watch alone."""
        for _ in range(ticks):
            self.product.flow.watch()
            self.stand.clock.advance(TICK)

    def sweep(self) -> None:
        Watch(self.product.ports).sweep(self.stand.clock.now() + timedelta(minutes=8))

    def knows(self, name: object) -> bool:
        return self.product.ports.ledger.incident(str(name)) is not None

    def isolated(self, device: str) -> bool:
        return self.stand.tenant.desk.isolated(device)

    def behind(self) -> timedelta:
        """How far the watermark is behind now."""
        entry = self.product.ports.ledger.single(Watermark, WATERMARK)
        assert entry
        return self.stand.clock.now() - entry.value.until

    def heard(self, *words: str) -> bool:
        return any(all(word in text for word in words) for text in self.told)

    def read_alone(self, name: str) -> int:
        """How often an incident was read by itself, with its alerts."""
        asked = [each for each in self.stand.tenant.journal.entries() if each["path"].endswith(f"/incidents/{name}")]
        return sum("$expand" in each["query"] for each in asked)


class Slate:
    def __init__(self) -> None:
        self.told: list[str] = []

    def post(self, payload: object) -> None:
        self.told.append(str(payload))


Wrapped = Callable[[Stand], Incidents]


@contextmanager
def bench(
    wrapped: Wrapped = lambda stand: stand.incidents, *, rates: str = "{}", **settings: object
) -> Iterator[Bench]:
    with stands("http") as opening:
        stand, slate = opening(**settings), Slate()
        clients = Clients(wrapped(stand), stand.devices, stand.downloads, {"slack": slate})
        product = ticking(stand.clock, clients, RATE_LIMITS=rates)
        product.flow.watch()
        yield Bench(stand, product, slate.told)


CLOSE = timedelta(minutes=3)


def test_an_incident_that_no_list_shows_with_its_alerts_is_answered_and_holds_up_none() -> None:
    with bench(incidents_most_alerts=100) as at:
        at.put("small", device=HOST)
        at.stand.clock.advance(30)
        at.put("large", device=OTHER, alerts=101)
        at.product.tick(12)
        assert at.isolated(HOST)
        assert at.isolated(OTHER)
        assert at.behind() < CLOSE
        assert not at.heard("cannot be read")
        assert at.product.rose == []


def test_a_comment_of_ours_is_no_reason_to_read_an_incident_by_itself_all_the_time() -> None:
    with bench(incidents_most_alerts=1) as at:
        at.put("large")
        at.product.tick(30)
        before = at.read_alone("large")
        at.stand.incidents.comment("large", "one more")
        at.product.tick(10)
        assert at.read_alone("large") == before + 1


def test_one_that_cannot_be_read_by_itself_either_is_told_of_and_read_once_it_can_be() -> None:
    """However long ago the watermark has passed it."""
    with bench(incidents_most_alerts=100, incident_most_alerts=100) as at:
        at.put("small", device=HOST)
        at.stand.clock.advance(30)
        at.put("large", device=OTHER, alerts=101)
        at.product.tick(60)
        assert at.isolated(HOST)
        assert not at.knows("large")
        assert at.heard("incident large cannot be read with its alerts", "500")
        assert at.behind() < CLOSE
        at.stand.clock.advance(3 * 3600)
        at.product.tick(6)
        assert not at.knows("large")
        at.stand.tenant.incidents.change("large", {"lastUpdateDateTime": "2020-01-01T00:00:00Z"})
        at.stand.tenant.incidents.raw("large")["alerts"].pop()
        at.product.tick(400)
        assert at.knows("large")
        assert at.heard("over: incident large cannot be read")
        assert at.product.rose == []


def test_one_that_cannot_be_read_now_costs_few_calls() -> None:
    with bench(incidents_most_alerts=1) as at:
        at.put("large")
        at.stand.trouble("status", ONE.format("large"), status=500, times=None)
        at.product.tick(360)
        [fault] = at.stand.tenant.faults.show()
        assert fault["struck"] < 20


def test_one_that_was_merged_into_one_that_cannot_be_read_is_assessed_meanwhile() -> None:
    """What goes on with its alerts is read once it can be."""
    with bench() as at:
        at.put("into")
        at.stand.tenant.incidents.change("into", {"lastUpdateDateTime": "2020-01-01T00:00:00Z"})
        at.put("merged", device=OTHER)
        at.stand.tenant.incidents.merge("merged", "into")
        at.stand.tenant.incidents.change("into", {"lastUpdateDateTime": "2020-01-01T00:00:00Z"})
        at.stand.trouble("status", ONE.format("into"), status=500, times=None)
        at.product.tick(6)
        entry = at.product.ports.ledger.incident("merged")
        assert entry
        assert entry.value.assessed == entry.value.seen
        assert not at.knows("into")
        at.stand.tenant.faults.clear()
        at.product.tick(12)
        assert at.knows("into")


def test_one_that_is_gone_is_given_up_after_a_day() -> None:
    with bench(incidents_most_alerts=1) as at:
        at.put("large")
        at.stand.trouble("status", ONE.format("large"), status=404, code="ResourceNotFound", times=None)
        at.product.tick(60)
        assert at.product.ports.ledger.overdue(at.stand.clock.now() + timedelta(days=1))
        for _ in range(30):
            at.stand.clock.advance(3600)
            at.product.tick(2)
        assert at.product.ports.ledger.overdue(at.stand.clock.now() + timedelta(days=1)) == []


def test_what_was_known_of_an_incident_stands_until_what_is_new_can_be_read() -> None:
    with bench(incidents_most_alerts=2) as at:
        at.put("7")
        at.product.tick(3)
        first = at.product.ports.ledger.incident("7")
        assert first
        at.stand.trouble("status", ONE.format("7"), status=500, times=12)
        at.stand.tenant.incidents.change("7", {"alerts": [{"title": "one more"}]})
        at.product.tick(15)
        entry = at.product.ports.ledger.incident("7")
        assert entry
        assert entry.value.seen == first.value.seen
        at.stand.tenant.faults.clear()
        at.product.tick(60)
        entry = at.product.ports.ledger.incident("7")
        assert entry
        assert entry.value.assessed == entry.value.seen != first.value.seen


# no way to the next page


def noise(at: Bench, count: int, seconds: float = 1.0, grave: int = 0) -> None:
    """So many incidents, one after the other; one of them is grave."""
    for number in range(count):
        at.stand.clock.advance(seconds)
        at.put(f"{number}", grave=number == grave)


def test_what_is_behind_a_full_page_without_a_link_is_not_passed_over() -> None:
    with bench(incidents_paging="none") as at:
        noise(at, 60)
        at.product.tick(20)
        assert at.isolated(HOST)
        assert all(at.knows(number) for number in range(60))
        assert at.behind() < CLOSE


def test_a_tenant_that_never_shows_more_than_a_page_is_read_in_narrower_slices() -> None:
    """Neither by a link nor by asking on."""
    with bench(incidents_paging="none", incidents_most_skipped=1) as at:
        noise(at, 130, 60.0)
        at.watch(60)
        assert all(at.knows(number) for number in range(130))
        assert at.behind() < CLOSE


@pytest.mark.parametrize("paging", ["skip", "none"])
def test_a_page_that_graph_refuses_makes_slices_narrower(paging: str) -> None:
    with bench(incidents_paging=paging, incidents_most_skipped=50, rates='{"incidents": "9000/min"}') as at:
        noise(at, 130)
        at.watch(60)
        assert all(at.knows(number) for number in range(130))
        assert at.behind() < CLOSE


def test_a_page_that_graph_refuses_makes_the_slices_of_a_sweep_narrower_too() -> None:
    with bench(incidents_paging="skip", incidents_most_skipped=50, rates='{"incidents": "9000/min"}') as at:
        at.stand.clock.advance(3600)
        at.watch(3)
        updated = at.stand.clock.now() - timedelta(minutes=40)
        for number in range(130):
            made = samples.harmful_incident(f"{number}", created=updated)
            instant = updated + timedelta(seconds=8 * number)
            at.stand.tenant.incidents.put(
                {**made, "severity": "low", "alerts": [], "lastUpdateDateTime": instant.isoformat()}
            )
        at.watch(1)
        assert not at.knows(0)
        at.sweep()
        assert all(at.knows(number) for number in range(130))


# incidents that move


class Shifting:
    """Incidents of which the newest of a page is updated while the next one is asked for, `times` times."""

    def __init__(self, stand: Stand, times: int = 1) -> None:
        self._stand, self.left = stand, times

    def __getattr__(self, name: str) -> object:
        return getattr(self._stand.incidents, name)

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        """See `Incidents.changed`."""
        page = self._stand.incidents.changed(since, until, following=following)
        if page.next and until and self.left:
            self.left -= 1
            self._stand.tenant.incidents.change(str(page.incidents[0]["id"]), {"customTags": ["seen"]})
        return page


@pytest.mark.parametrize("times", [1, 2, 9])
def test_an_update_between_two_pages_of_a_backlog_loses_none(times: int) -> None:
    """Of an outage that no sweep reaches back to: what moves up by one between two pages is shown on neither."""
    with bench(lambda stand: Shifting(stand, times), rates='{"incidents": "9000/min"}') as at:  # type: ignore[arg-type, return-value]
        noise(at, 60, 10.0, grave=9)
        at.stand.clock.advance(48 * 3600)
        at.watch(60)
        assert all(at.knows(number) for number in range(60))
        assert at.behind() < CLOSE


# the sweep


def late(at: Bench, name: str, ago: timedelta) -> None:
    """An incident that becomes visible long after it was updated."""
    updated = at.stand.clock.now() - ago
    made = samples.harmful_incident(name, created=updated)
    at.stand.tenant.incidents.put({**made, "lastUpdateDateTime": updated.isoformat()})


def test_a_sweep_that_the_budget_ends_has_read_the_newest_hours_and_leaves_calls_to_the_watch() -> None:
    with bench(rates='{"incidents": "20/min"}') as at:
        at.stand.clock.advance(26 * 3600)
        at.watch(30)
        late(at, "new", timedelta(minutes=30))
        late(at, "old", timedelta(hours=23))
        at.sweep()
        assert at.knows("new")
        assert not at.knows("old")
        at.put("newest")
        at.watch(1)
        assert at.knows("newest")


def test_a_sweep_with_calls_enough_reads_the_whole_day() -> None:
    with bench() as at:
        at.stand.clock.advance(26 * 3600)
        at.watch(30)
        late(at, "old", timedelta(hours=23))
        at.sweep()
        assert at.knows("old")


# a part only


def test_a_part_of_a_list_moves_no_watermark_and_its_incidents_are_read_by_themselves() -> None:
    with bench() as at:
        at.stand.trouble("partial", LIST, times=None)
        at.put("7")
        before = at.behind()
        at.product.tick(60)
        assert at.isolated(HOST)
        assert at.behind() > before + timedelta(minutes=9)
        assert at.heard("incidents cannot be read", "a part of the incidents only")
        at.put("8", device=OTHER)
        at.product.tick(6)
        assert at.isolated(OTHER)
        at.stand.tenant.faults.clear()
        at.product.tick(30)
        assert at.behind() < CLOSE
        assert at.heard("over: incidents cannot be read")


def test_what_is_new_is_seen_while_a_backlog_cannot_be_read() -> None:
    """The watermark stands, and waits for what is old; containment does not."""
    with bench(incidents_paging="skip", incidents_most_skipped=1, rates='{"incidents": "9000/min"}') as at:
        for number in range(120):  # all at once, so that no slice is narrow enough
            at.put(f"{number}", grave=False)
        at.stand.clock.advance(2 * 3600)
        at.watch(20)
        assert at.behind() > timedelta(hours=1)
        at.put("newest")
        at.product.tick(2)
        assert at.isolated(HOST)


def test_the_list_of_the_past_is_begun_anew_for_less(tmp_path: Path) -> None:
    """`bulkhead backtest --tenant` reads the same lists."""
    with http_stand(incidents_most_alerts=2) as stand:
        for number, alerts in enumerate([1, 3, 1]):
            made = samples.harmful_incident(f"{number}", created=stand.clock.now())
            one = made["alerts"][0]
            stand.tenant.incidents.put({**made, "alerts": [{**one, "id": f"{n}"} for n in range(alerts)]})
        since = stand.clock.now() - timedelta(days=1)
        folder = fetched(stand.incidents, tmp_path, since, print, lambda _seconds: None)
        found = [json.loads(line) for line in (folder / FILE).read_text(encoding="utf-8").splitlines()]
        assert {raw["id"]: len(raw["alerts"]) for raw in found} == {"0": 1, "1": 3, "2": 1}
