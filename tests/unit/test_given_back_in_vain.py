"""What is given back of itself, where Defender's list refuses that: it is told once, and our own comment is no news."""

from __future__ import annotations

from shared.models.action import State
from tests.unit.order_stand import HOST, INCIDENT, Stand
from tests.unit.test_given_back_merged import assessed, called, isolated

PERSON = "analyst@contoso.com"


def topped() -> Stand:
    """A person isolates on top of ours, then calls the incident a false positive."""
    stand = isolated(Stand())
    stand.tenant.person_orders("isolate", HOST, PERSON)
    stand.wait(120)
    called(stand)
    stand.flow.watch()
    stand.wait(60)
    return stand


def test_it_is_tried_once_whatever_changes_of_the_incident() -> None:
    stand = topped()
    for number in range(3):
        stand.tenant.incidents.change(INCIDENT, {"assignedTo": f"analyst{number}@contoso.com"})
        stand.flow.watch()
        stand.wait(60)
    releases = [each for each in stand.ports.ledger.actions(INCIDENT) if each.responder == "release"]
    assert [each.state for each in releases] == [State.REFUSED]
    assert stand.isolated()


def test_a_person_who_stops_it_has_the_last_word() -> None:
    stand = isolated(Stand())
    called(stand)
    stand.flow.watch()
    assessed(stand)
    stand.order("cancel", action=stand.action("release").id)
    for number in range(3):
        stand.tenant.incidents.change(INCIDENT, {"assignedTo": f"analyst{number}@contoso.com"})
        stand.flow.watch()
        stand.wait(60)
    assert stand.isolated()
    assert stand.action("release").state is State.WITHDRAWN
    assert stand.posts("/unisolate") == 0
