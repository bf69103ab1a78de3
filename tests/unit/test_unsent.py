"""Incidents whose alerts did not come with them: read apart, and told where they are not to be had at all."""

import json
from datetime import timedelta
from typing import Any

import pytest

from local.tenant import samples
from responders import _unsent
from responders._alarms import troubles
from responders._diagnosis import of_token
from responders._readiness import examine
from responders._unsent import FORGOTTEN, PATIENCE, UNSENT, snapshot_of
from responders._versions import alerts_name
from shared.models.progress import IncidentState
from shared.models.readiness import Finding, Verdict
from tests.fakes.clients import Mishap, Mishaps
from tests.unit.order_stand import HOST, INCIDENT, OTHER, THIRD, Stand

ROLES = ["SecurityIncident.ReadWrite.All", "Machine.Read.All"]
HOW = ["missing", "null", "empty"]
TELLING = "came without its alerts"
GRAPH = "/v1.0/security/incidents"


def blind(how: str = "missing", **settings: Any) -> Stand:  # noqa: ANN401 - whatever a tenant's settings are
    """A tenant that sends no alerts to whoever may only read incidents."""
    return Stand(tenant={"roles": ROLES, "alerts_without_role": how, **settings})


def state(stand: Stand, incident: str = INCIDENT) -> IncidentState:
    entry = stand.ports.ledger.incident(incident)
    assert entry
    return entry.value


def gets(stand: Stand) -> int:
    """How often Graph was asked for one incident with its alerts."""
    return sum(entry["path"] == f"{GRAPH}/{INCIDENT}" for entry in stand.tenant.journal.entries())


def doctor(stand: Stand) -> list[Finding]:
    return [each for each in examine(stand.ports).findings if each.check == "Graph: alerts"]


# A list that forgets them


def test_where_the_address_of_the_next_page_forgets_the_alerts_they_are_read_apart() -> None:
    stand = Stand(tenant={"next_link_expands": False})
    newer = stand.clock.now() + timedelta(minutes=1)
    for number in range(50, 100):
        quiet = samples.harmless_incident(str(number), device_id=THIRD, created=newer)
        stand.tenant.incidents.put(quiet)
    stand.harm(HOST)
    stand.wait(120)
    assert stand.isolated(HOST)
    assert state(stand).affected == (HOST,)
    assert troubles(stand.ports) == set()


def test_what_was_read_apart_is_part_of_the_snapshot_for_whoever_reads_it() -> None:
    stand = Stand(tenant={"expanded_alerts": 1})
    stand.harm(HOST, OTHER, THIRD)
    stand.wait(120)
    data = snapshot_of(stand.ports.documents, INCIDENT, state(stand).assessed)
    assert data
    assert len(json.loads(data)["alerts"]) == 3
    archived = [name for name in stand.evidence.stored if name.endswith("data/incident/alerts.json")]
    assert archived
    assert all(len(json.loads(stand.evidence.stored[name][1])) == 3 for name in archived)


# More than an answer has place for


def test_the_alerts_for_which_an_answer_has_no_place_are_followed_page_by_page() -> None:
    stand = Stand(tenant={"expanded_alerts": 1})
    stand.harm(HOST, OTHER, THIRD)
    stand.wait(120)
    assert [stand.isolated(each) for each in (HOST, OTHER, THIRD)] == [True] * 3
    assert state(stand).not_actionable == ()


def test_an_incident_of_many_alerts_is_judged_once_however_often_it_is_read() -> None:
    stand = Stand({"RESPONSE_MODE": "observe"}, tenant={"expanded_alerts": 1})
    stand.harm(HOST, OTHER)
    for _ in range(10):
        stand.flow.watch()
        stand.wait(10)
    plans = [name for name in stand.ports.documents.stored if name.endswith("plan.json")]  # type: ignore[attr-defined]
    assert len(plans) == 1


def test_an_alert_more_where_there_is_no_place_for_it_is_seen() -> None:
    stand = Stand(tenant={"expanded_alerts": 1})
    stand.harm(HOST, OTHER)
    stand.wait(60)
    stand.grow(THIRD)
    stand.wait(120)
    assert stand.isolated(THIRD)


def test_pages_are_read_up_to_a_bound_and_people_hear_that_there_is_more() -> None:
    stand = Stand(tenant={"expanded_alerts": 1})
    stand.harm(*[HOST] * (_unsent.MOST_PAGES + 2), OTHER)
    stand.wait(300)
    assert (stand.isolated(HOST), stand.isolated(OTHER)) == (True, False)
    assert f"{_unsent.MOST_PAGES + 1} were read, and there are more" in state(stand).not_actionable[0]
    assert "there are more" in stand.told()


def test_a_page_that_is_refused_leaves_what_was_read() -> None:
    refused = Mishaps(lambda name: Mishap("status", 400, "BadRequest") if name == "incidents.more_alerts" else None)
    stand = Stand(tenant={"expanded_alerts": 1}, mishaps=refused)
    stand.harm(HOST, OTHER)
    stand.wait(300)
    assert (stand.isolated(HOST), stand.isolated(OTHER)) == (True, False)
    assert "1 were read, and there are more" in state(stand).not_actionable[0]


# None at all


@pytest.mark.parametrize("how", HOW)
def test_people_are_told_once_of_incidents_without_alerts_and_that_it_is_over(how: str) -> None:
    stand = blind(how)
    stand.harm(HOST)
    stand.harm(OTHER, incident="8")
    stand.wait(900)
    assert not stand.isolated(HOST)
    assert (state(stand).verdict, state(stand).assessed) == ("may do harm", state(stand).seen)
    assert stand.told().count(TELLING) == 1
    assert "SecurityAlert[.]Read[.]All" in stand.told()
    assert "Graph sent none" in state(stand).not_actionable[0]
    stand.tenant.incidents.alerts_granted = True
    stand.harm(THIRD, incident="9")
    stand.wait(60)
    assert stand.isolated(THIRD)
    assert troubles(stand.ports) == set()
    assert stand.told().count("over: incident 7") == 1


def test_one_that_is_asked_for_in_vain_is_asked_for_once() -> None:
    """Until it is updated: then there may be an alert."""
    stand = blind()
    stand.harm(HOST, severity="low")
    asked = gets(stand)
    for _ in range(5):
        stand.flow.watch()
        stand.wait(10)
    assert gets(stand) - asked <= 1  # the app's own notes are an update


def test_once_alerts_may_be_read_an_update_is_enough() -> None:
    stand = blind()
    stand.harm(HOST)
    stand.wait(120)
    stand.tenant.incidents.alerts_granted = True
    stand.tenant.incidents.change(INCIDENT, {"assignedTo": "ann@contoso.com"})
    stand.flow.watch()
    stand.wait(120)
    assert stand.isolated(HOST)


@pytest.mark.parametrize("members", [{"severity": "informational"}, {"classification": "falsePositive"}])
def test_what_is_harmless_without_its_alerts_rings_nothing(members: dict[str, str]) -> None:
    stand = blind()
    stand.harm(HOST, **members)
    stand.wait(900)
    assert state(stand).verdict == "very likely harmless"
    assert TELLING not in stand.told()
    assert stand.ports.documents.read(alerts_name(INCIDENT, state(stand).seen)) is None


def test_an_incident_that_was_merged_away_has_no_alerts_and_rings_nothing() -> None:
    stand = Stand()
    stand.harm(OTHER, incident="8")
    stand.harm(HOST)
    stand.tenant.incidents.merge("8", INCIDENT)
    stand.flow.watch()
    stand.wait(900)
    assert state(stand, "8").merged_into == INCIDENT
    assert TELLING not in stand.told()


def test_a_single_one_without_alerts_is_no_trouble_for_ever() -> None:
    """There may be such, and nothing else may happen for long."""
    stand = Stand()
    stand.harm(HOST)
    stand.tenant.incidents.put({**stand.tenant.incidents.raw(INCIDENT), "id": "8", "alerts": []})
    stand.flow.watch()
    stand.wait(600)
    assert stand.told().count(TELLING) == 1
    stand.clock.advance(FORGOTTEN.total_seconds())
    stand.flow.housekeeping()
    assert UNSENT not in troubles(stand.ports)


# While Graph has troubles of its own


def test_alerts_that_cannot_be_read_now_are_waited_for() -> None:
    down = [True]
    mishaps = Mishaps(lambda name: Mishap("status", 503) if down[0] and name == "incidents.get" else None)
    stand = Stand(tenant={"expanded_alerts": 1}, mishaps=mishaps)
    stand.harm(HOST, OTHER)
    assert not state(stand).assessed
    down[0] = False
    stand.wait(240)
    assert (stand.isolated(HOST), stand.isolated(OTHER)) == (True, True)


def test_but_not_for_ever() -> None:
    mishaps = Mishaps(lambda name: Mishap("status", 503) if name == "incidents.get" else None)
    stand = Stand(tenant={"expanded_alerts": 1}, mishaps=mishaps)
    stand.harm(HOST, OTHER)
    stand.clock.advance(PATIENCE.total_seconds())
    stand.flow.assess(INCIDENT)
    assert state(stand).assessed == state(stand).seen
    assert "1 were read, and there are more" in state(stand).not_actionable[0]


# The doctor


@pytest.mark.parametrize("how", HOW)
def test_the_doctor_sees_that_incidents_come_without_alerts(how: str) -> None:
    stand = blind(how)
    assert doctor(stand) == []
    stand.tenant.incidents.put(samples.harmful_incident("5", device_id=HOST, created=stand.clock.now()))
    stand.clock.advance(3600)
    (found,) = doctor(stand)
    assert found.verdict is Verdict.BAD
    assert "SecurityAlert.Read.All" in found.todo


def test_the_doctor_sees_that_they_come() -> None:
    stand = Stand()
    stand.harm(HOST)
    (found,) = doctor(stand)
    assert found.verdict is Verdict.GOOD


def test_the_role_that_brings_them_is_not_called_needless() -> None:
    found = of_token("graph", "a", "a", [*ROLES[:1], "SecurityAlert.Read.All"], ROLES[:1], respond=True)
    assert [each.verdict for each in found] == [Verdict.GOOD]
