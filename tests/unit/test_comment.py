"""A comment on the incident, written once."""

import pytest

from responders._interface import Clear, Finished, Lane
from responders.comment import Comment
from shared.models.frozen import Params
from tests.unit.desks import Desk, NoDevices, Notes
from tests.unit.incidents import action

COMMENT = action(responder="comment", device="", device_name="", goal="0123abcd", params=Params({"text": "Call Ann."}))


def test_it_asks_nothing_of_a_device() -> None:
    responder = Comment()
    assert responder.permissions == ("SecurityIncident.ReadWrite.All",)
    assert (responder.name, responder.lane, responder.kinds) == ("comment", Lane.COLLECT, ())
    assert not responder.contains
    assert responder.standing(COMMENT, [], "", "") == Clear()
    with pytest.raises(AssertionError):
        responder.send(NoDevices(), COMMENT, "because")


def test_it_is_written_with_the_actions_id() -> None:
    notes = Notes()
    assert Comment().gather(COMMENT, Desk(incidents=notes)) == Finished(())
    assert notes.comments == [f"Call Ann. [bulkhead {COMMENT.id}]"]


def test_one_whose_answer_was_lost_is_not_written_twice() -> None:
    notes = Notes()
    for _ in range(2):
        Comment().gather(COMMENT, Desk(incidents=notes))
    assert len(notes.comments) == 1


def test_another_action_writes_its_own() -> None:
    notes = Notes()
    for goal in ("0123abcd", "4567abcd"):
        Comment().gather(COMMENT.model_copy(update={"goal": goal}), Desk(incidents=notes))
    assert len(notes.comments) == 2
