"""The mode is switched to observe between a decision and what it would have written into an incident: that is left."""

import pytest

from local.tenant import samples
from responders._notify import DEFENDER
from responders._repeats import LEFT
from shared.errors import Transient
from shared.models.action import State
from shared.models.frozen import Params
from tests.unit.incidents import action
from tests.unit.order_stand import HOST, INCIDENT, Stand

OBSERVE = {"RESPONSE_MODE": "observe"}


def written(stand: Stand) -> tuple[list[str], int]:
    """The tags of the incident in Defender, and how many comments it has."""
    raw = stand.tenant.incidents.raw(INCIDENT)
    return list(raw["customTags"]), len(raw["comments"])


def test_what_was_to_be_told_in_the_incident_is_told_in_the_chat_only() -> None:
    stand = Stand()
    stand.tenant.incidents.put(samples.harmful_incident(INCIDENT, device_id=HOST, created=stand.clock.now()))
    stand.flow.watch()
    stand.flow.assess(INCIDENT)
    stand.trouble.plan("rows.commit", 1, after=True)
    with pytest.raises(Transient):
        stand.flow.notify(INCIDENT)
    assert stand.trouble.over()
    stand.restart(OBSERVE)
    stand.wait(400)
    assert written(stand) == ([], 0)
    notices = [each.value for each in stand.ports.ledger.notices(INCIDENT)]
    assert {each.state for each in notices if each.channel == DEFENDER} == {LEFT}
    assert "incident 7" in stand.told()


@pytest.mark.parametrize(("responder", "params"), [("tag", {"tag": "bulkhead:x"}), ("comment", {"text": "Call Ann."})])
def test_what_a_rule_has_written_into_the_incident_waits_for_a_person(responder: str, params: dict[str, str]) -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(400)
    before = written(stand)
    now = stand.clock.now()
    row = {"incident": INCIDENT, "responder": responder, "device": "", "device_name": "", "params": Params(params)}
    stand.ports.ledger.add(action(**row, state=State.FETCHING, created=now, since=now, due=now))
    stand.restart(OBSERVE)
    stand.wait(60)
    waits = stand.action(responder, "")
    assert waits.state is State.WAITING
    assert "RESPONSE_MODE" in waits.detail
    assert f"bulkhead approve {INCIDENT} incident --responder {responder}" in waits.todo
    assert written(stand) == before

    stand.restart({})
    stand.order("approve", action=waits.id)
    stand.wait(400)
    assert stand.action(responder, "").state is State.SUCCEEDED
    assert written(stand) != before
