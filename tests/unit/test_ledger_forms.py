"""Rows of two versions of the product: what is added is handed on, and what cannot be read is left to others."""

from datetime import UTC, datetime

import pytest

from responders._entries import planned
from responders._ledger import OPEN, Ledger
from shared.errors import Unreadable
from shared.models.action import FORM, Action, Caps, State
from shared.models.plan import Assessment, Plan, Verdict, Want
from shared.storage.interface import Insert
from tests.fakes.storage import FakeRows

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def action(device: str, **more: object) -> Action:
    return Action.model_validate(
        {
            "incident": "7",
            "version": "v",
            "device": device,
            "device_name": device,
            "responder": "isolate",
            "round": 1,
            "state": "planned",
            "created": NOW,
            "since": NOW,
            "due": NOW,
            **more,
        }
    )


def put(rows: FakeRows, value: Action, form: int = FORM) -> None:
    text = value.model_dump_json().replace(f'"v":{FORM}', f'"v":{form}', 1)
    rows.commit(OPEN, [Insert(value.key, text, value.due)])


def test_a_member_of_a_newer_version_survives_a_move() -> None:
    rows = FakeRows()
    ledger = Ledger(rows)
    put(rows, action("d1", patience="long"))
    entry = ledger.due(NOW)[0]
    ledger.move(entry, entry.value.to(State.WAITING, NOW))
    assert '"patience":"long"' in rows.stored[OPEN, entry.value.key].text


def test_a_row_of_a_newer_form_is_left_out_of_what_is_due_and_stops_nobody() -> None:
    rows = FakeRows()
    ledger = Ledger(rows)
    put(rows, action("d1"), FORM + 1)
    put(rows, action("d2"))
    assert [entry.value.device for entry in ledger.due(NOW)] == ["d2"]
    assert [entry.value.device for entry in ledger.open_actions()] == ["d2"]
    assert ledger.unreadable() == [action("d1").key]


def test_nothing_is_decided_about_an_incident_with_a_row_that_cannot_be_read() -> None:
    rows = FakeRows()
    put(rows, action("d1"), FORM + 1)
    with pytest.raises(Unreadable, match="cannot be read by this version"):
        Ledger(rows).actions("7")


@pytest.mark.parametrize("broken", ["", "{", '{"v": 1}', '{"v":1,"sent":"x"}'])
def test_a_broken_row_is_no_reason_to_act(broken: str) -> None:
    rows = FakeRows()
    rows.commit(OPEN, [Insert("caps", broken), Insert(action("d1").key, "{}", NOW)])
    ledger = Ledger(rows)
    assert ledger.due(NOW) == []
    if broken != '{"v": 1}':
        with pytest.raises(Unreadable):
            ledger.caps()
    assert action("d1").key in ledger.unreadable()


def test_an_action_is_found_by_its_id_open_or_closed() -> None:
    rows = FakeRows()
    ledger = Ledger(rows)
    one, other = action("d1", state="succeeded", finished_at=NOW), action("d2")
    put(rows, one)
    put(rows, other)
    for _ in range(2):
        assert ledger.action_by_id(one.id) == one
        assert ledger.action_by_id(other.id) == other
        assert ledger.action_by_id("0" * 16) is None
        entry = ledger.open_action(one.key)
        if entry:
            ledger.close(entry)


def test_the_actions_on_a_device_are_those_of_all_incidents_however_its_id_is_spelt() -> None:
    rows = FakeRows()
    for incident, device in (("7", "d1"), ("8", "D1"), ("7", "d2")):
        put(rows, action(device, incident=incident))
    assert sorted(entry.value.incident for entry in Ledger(rows).actions_on("D1")) == ["7", "8"]
    put(rows, action("d1", incident="9"), FORM + 1)
    with pytest.raises(Unreadable):
        Ledger(rows).actions_on("d1")
    assert len(Ledger(rows).actions_on("d2")) == 1


def test_caps_of_another_version_keep_what_they_hold() -> None:
    rows = FakeRows()
    rows.commit(OPEN, [Insert("caps", '{"v":1,"sent":[{"id":"a","at":"2026-01-05T09:00:00Z","why":"x"}],"weight":2}')])
    assert '"why":"x"' in Ledger(rows).caps().value.model_dump_json()
    assert (
        Ledger(rows).caps().value.sent[0] == Caps.model_validate({"sent": [{"id": "a", "at": NOW, "why": "x"}]}).sent[0]
    )


def test_a_plan_that_asks_for_what_this_version_does_not_know_waits_for_one_that_does() -> None:
    """It is a document, no row, and yet it is found by the older version during an update."""
    want = Want(responder="tag", rule="any")
    judged = Assessment(verdict=Verdict.HARMFUL, reasons=("why",), severity=4, wants=(want,))
    text = Plan(incident="7", version="v1", mode="respond", assessment=judged, actions=()).model_dump_json()
    assert planned(text.encode()).assessment == judged
    with pytest.raises(Unreadable) as error:
        planned(text.replace('"tag"', '"of_a_later_day"').encode())
    assert error.value.retry_after
