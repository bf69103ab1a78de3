"""A tag of the incident, beside those of people."""

import pytest

from responders._interface import Again, Clear, Finished, Lane, NotObtainable
from responders.tag import AT_WORK, Tag
from shared.models.frozen import Params
from tests.unit.desks import Desk, NoDevices, Notes
from tests.unit.incidents import action

TAG = action(responder="tag", device="", device_name="", goal="0123abcd", params=Params({"tag": "bulkhead:tool"}))


def test_it_asks_nothing_of_a_device() -> None:
    responder = Tag()
    assert responder.permissions == ("SecurityIncident.ReadWrite.All",)
    assert (responder.name, responder.lane, responder.kinds) == ("tag", Lane.COLLECT, ())
    assert not responder.contains
    assert responder.standing(TAG, [], "", "") == Clear()
    with pytest.raises(AssertionError):
        responder.send(NoDevices(), TAG, "because")


def test_it_is_put_beside_the_tags_of_people() -> None:
    notes = Notes(tags=["theirs"])
    written = Tag().gather(TAG, Desk(incidents=notes))
    assert written == Again("1", AT_WORK)
    assert notes.tags == ["theirs", "bulkhead:tool"]
    assert Tag().gather(TAG.model_copy(update={"progress": "1"}), Desk(incidents=notes)) == Finished(
        (), "bulkhead:tool"
    )


def test_one_that_somebody_overwrote_is_put_there_again_but_not_for_ever() -> None:
    notes = Notes(tags=["theirs"])
    again = Tag().gather(TAG.model_copy(update={"progress": "1"}), Desk(incidents=notes))
    assert again == Again("2", AT_WORK)
    notes = Notes(tags=["theirs"])
    assert isinstance(Tag().gather(TAG.model_copy(update={"progress": "3"}), Desk(incidents=notes)), NotObtainable)
    assert notes.writes == 0


def test_one_that_is_there_already_is_not_written() -> None:
    """However it is spelt: a second writer, or this one again, changes nothing."""
    notes = Notes(tags=["Bulkhead:Tool"])
    Tag().gather(TAG, Desk(incidents=notes))
    assert notes.tags == ["Bulkhead:Tool"]
    assert notes.writes == 0


@pytest.mark.parametrize(("progress", "kept"), [("", "0"), ("0", "0"), ("1", "1"), ("2", "2")])
def test_one_that_a_write_of_ours_may_have_put_there_is_looked_at_once_more(progress: str, kept: str) -> None:
    """Its answer was lost, the first one's or a later one's, so another writer may be between reading the tags and
    writing them. After that look the count of tries begins anew.
    """
    notes = Notes(tags=["bulkhead:tool"])
    tried = TAG.model_copy(update={"fetches": 2, "progress": progress})
    again = Tag().gather(tried, Desk(incidents=notes))
    assert again == Again(kept, AT_WORK)
    looked = tried.model_copy(update={"fetches": 1, "progress": kept})
    assert Tag().gather(looked, Desk(incidents=notes)) == Finished((), "bulkhead:tool")
    assert notes.writes == 0
