"""What an action left on a device when it ended half-way is removed by an action of its own, once, or said."""

import json

import pytest

from responders._capture import Leg, Progress
from responders._interface import Finished, NotObtainable, Onward
from responders._leftovers import leftovers
from responders._sessions import taken_back
from responders.clean_up import CleanUp
from shared.errors import Unobtainable
from shared.models.action import Action, State
from shared.models.command import RunScript
from tests.unit.incidents import NOW, action
from tests.unit.live_answers import Answering, desk, leg, printed

FOLDER = "/root/bulkhead-0123456789abcdef"


def ended(state: State = State.FAILED, at: Leg = Leg.CUT, **changes: object) -> Action:
    fixed = {"responder": "capture_memory", "attempt": 3, "before": 2, "machine_action": "m", "finished_at": NOW}
    progress = Progress(leg=at, folder=FOLDER).model_dump_json()
    return action(**(fixed | {"state": state, "progress": progress, "detail": "it was cancelled"} | changes))


@pytest.mark.parametrize("state", [State.FAILED, State.WITHDRAWN, State.REFUSED, State.UNAVAILABLE])
@pytest.mark.parametrize("at", [Leg.START, Leg.STATUS, Leg.CUT, Leg.JOIN, Leg.TRIAGE, Leg.FETCH])
def test_what_ended_half_way_is_cleaned_up_after(state: State, at: Leg) -> None:
    found = leftovers(ended(state, at))
    assert found
    assert (found.responder, found.state, found.due) == ("clean_up", State.PLANNED, NOW)
    assert dict(found.params) == {"of": ended().id, "folder": FOLDER, "script": "bulkhead-linux.sh"}
    assert found.before == found.attempt
    assert "it was cancelled" in found.reason


def test_it_is_the_same_action_whoever_plans_it() -> None:
    one, other = leftovers(ended()), leftovers(ended(detail="seen later"))
    assert one
    assert other
    assert one.key == other.key
    assert leftovers(one.to(State.FAILED, NOW)) is None


def test_a_removal_that_was_cancelled_itself_is_tried_by_another() -> None:
    assert leftovers(ended(State.FAILED, Leg.CLEAN))
    assert leftovers(ended(State.UNAVAILABLE, Leg.CLEAN, machine_action=""))


@pytest.mark.parametrize("responder", ["collect_logs", "collect_volatile"])
def test_a_bundle_that_was_begun_is_found_by_the_id_in_its_name(responder: str) -> None:
    begun = ended(responder=responder, progress="", attempt=1, before=0)
    found = leftovers(begun)
    assert found
    assert dict(found.params) == {"of": begun.id}
    devices = Answering()
    CleanUp().send(devices, found.model_copy(update={"params": {**found.params, "script": "s"}}), "x")
    assert list(devices.sent[0]) == [RunScript("s", f"clean id={begun.id}")]


@pytest.mark.parametrize(
    "changes",
    [
        {"at": Leg.CLEAN, "state": State.SUCCEEDED},
        {"at": Leg.CLEAN, "state": State.UNAVAILABLE},
        {"at": Leg.PREFLIGHT},
        {"progress": ""},
        {"attempt": 0},
        {"state": State.ACCEPTED, "finished_at": None},
        {"state": State.WAITING, "finished_at": None},
        {"responder": "run_script", "progress": json.dumps({"paths": []})},
        {"responder": "isolate", "progress": ""},
    ],
)
def test_what_left_nothing_or_cleaned_up_needs_nobody(changes: dict[str, object]) -> None:
    assert leftovers(ended(**changes)) is None  # type: ignore[arg-type]


# The responder


def removal(progress: str = "") -> Action:
    return leg("clean_up", progress, of="0123456789abcdef", folder=FOLDER, script="bulkhead-linux.sh")


def test_without_an_action_to_clean_up_after_nothing_is_sent() -> None:
    devices = Answering()
    with pytest.raises(Unobtainable):
        CleanUp().send(devices, action(responder="clean_up"), "x")
    assert devices.sent == []


def test_the_device_is_asked_to_remove_it_and_to_look() -> None:
    devices = Answering()
    CleanUp().send(devices, removal(), "x")
    assert list(devices.sent[0]) == [RunScript("bulkhead-linux.sh", f"clean dir={FOLDER}")]
    done = CleanUp().gather(removal(), desk(printed('{"bulkhead":1,"step":"clean","clean":true,"left":""}')))
    assert isinstance(done, Finished)


def test_what_cannot_be_removed_is_tried_again_and_then_said() -> None:
    at = desk(printed('{"bulkhead":1,"step":"clean","clean":false,"left":"processes 7"}'))
    row, tries = removal(), 1
    while isinstance(done := CleanUp().gather(row, at), Onward):
        row, tries = removal(done.progress), tries + 1
    assert tries == 4
    assert isinstance(done, NotObtainable)
    assert done.detail == f"what is in {FOLDER} on the device could not be removed: processes 7"
    assert done.todo == f"remove {FOLDER} on the device by hand"


def test_a_device_that_is_never_seen_again_is_said_with_what_lies_there() -> None:
    waits = removal().model_copy(update={"state": State.ACCEPTED, "accepted_at": NOW})
    over = taken_back(waits, NOW, NOW - NOW, 0)
    assert over.state is State.FAILED
    assert "removes what is left by itself after two days" in over.detail
    assert f"bulkhead retry {waits.id}; or remove {FOLDER} there by hand" in over.todo
