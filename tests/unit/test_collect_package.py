"""The investigation package, and every reason for which none is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._interface import Clear, Finished, Lane, Others, Ours, Standing
from responders.collect_package import CollectPackage
from shared.errors import Incomplete
from shared.models.action import Action
from shared.models.device import MachineAction
from tests.unit.desks import EMPTY_ZIP, Desk, NoDevices
from tests.unit.incidents import HOST1, MARKER, NEW_WORD, action, machine_action

KIND = "CollectInvestigationPackage"
OWN = f"{MARKER}{action(responder='collect_package').id}/"


def standing(*listed: MachineAction, of: Action | None = None) -> Standing:
    return CollectPackage().standing(of or action(responder="collect_package"), listed, OWN, MARKER)


class Devices(NoDevices):
    """Writes down what it is asked to do; isolating would be a mistake."""

    def collect_package(self, device: str, comment: str) -> MachineAction:
        self.done.append(("collect", device, comment))
        return machine_action(KIND, requestorComment=comment)

    def package_link(self, action: str) -> str:
        self.done.append(("link", action))
        return "https://example.test/package.zip"


def test_it_says_what_it_needs_and_where_it_travels() -> None:
    responder = CollectPackage()
    assert responder.permissions == ("Machine.CollectForensics", "Machine.Read.All")
    assert (responder.name, responder.lane, responder.api) == ("collect_package", Lane.COLLECT, "collect")
    assert not responder.contains
    assert responder.gathers


def test_it_sends_one_call_and_fetches_what_came_of_it() -> None:
    devices = Devices()
    CollectPackage().send(devices, action(responder="collect_package"), "because")
    assert devices.done == [("collect", HOST1, "because")]
    desk = Desk(devices, snapshot=b'{"id": "7", "alerts": [{"id": "a"}]}', downloads=lambda _: [EMPTY_ZIP])
    gathered = CollectPackage().gather(action(responder="collect_package", machine_action="an action"), desk)
    assert isinstance(gathered, Finished)
    assert devices.done[1:] == [("link", "an action")]
    assert desk.kept == {
        "data/package/investigation-package.zip": EMPTY_ZIP,
        "data/incident/incident.json": b'{"id": "7", "alerts": [{"id": "a"}]}',
        "data/incident/alerts.json": b'[{"id":"a"}]',
    }
    assert [each.name for each in gathered.artefacts] == list(desk.kept)[-1:] + list(desk.kept)[:-1]


def test_a_package_that_is_no_zip_is_not_kept() -> None:
    desk = Desk(Devices(), downloads=lambda _: [b"<html>"])
    with pytest.raises(Incomplete):
        CollectPackage().gather(action(responder="collect_package", machine_action="an action"), desk)
    assert desk.kept == {}


@pytest.mark.parametrize("status", ["Succeeded", "Failed", "TimeOut", "Cancelled"])
def test_a_collection_that_is_over_stands_against_nothing(status: str) -> None:
    """A package of yesterday does not show what happened today."""
    assert standing() == Clear()
    assert standing(machine_action(KIND, status)) == Clear()


@pytest.mark.parametrize("kind", ["Isolate", "Unisolate", "LiveResponse", "RunAntiVirusScan", NEW_WORD])
def test_other_kinds_of_action_do_not_matter(kind: str) -> None:
    assert standing(machine_action(kind, "Pending")) == Clear()


@pytest.mark.parametrize("status", ["Pending", "InProgress", NEW_WORD, ""])
def test_somebody_elses_collection_under_way_is_followed_and_no_second_one_sent(status: str) -> None:
    theirs = machine_action(KIND, status)
    assert standing(theirs) == Others(theirs)


@pytest.mark.parametrize("status", ["Pending", "Succeeded", "Failed", NEW_WORD])
def test_our_own_collection_is_adopted_before_anybody_elses(status: str) -> None:
    mine = machine_action(KIND, status, requestorComment=f"{OWN}2]")
    assert standing(machine_action(KIND, "Pending", id="theirs"), mine) == Ours(mine)


def test_our_own_collection_that_ended_badly_and_was_counted_is_not_adopted_again() -> None:
    ended = machine_action(KIND, "Failed", id="first", requestorComment=f"{OWN}1]")
    assert standing(ended, of=action(responder="collect_package", ended=("first",))) == Clear()


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Succeeded"])
def test_our_own_collection_that_goes_on_or_is_done_is_ours_though_a_404_once_denied_it(status: str) -> None:
    mine = machine_action(KIND, status, id="first", requestorComment=f"{OWN}1]")
    assert standing(mine, of=action(responder="collect_package", ended=("first",))) == Ours(mine)


@given(
    st.lists(
        st.builds(
            lambda kind, status, comment: machine_action(kind, status, requestorComment=comment),
            st.sampled_from([KIND, "Isolate"]),
            st.sampled_from(["Pending", "InProgress", "Succeeded", "Failed", NEW_WORD]),
            st.sampled_from(["by hand", f"{OWN}1]", f"{MARKER}0123456789abcdef/1]"]),
        ),
        max_size=4,
    )
)
def test_a_collection_is_sent_only_where_none_is_under_way_and_none_is_ours(listed: list[MachineAction]) -> None:
    if standing(*listed) == Clear():
        assert not [each for each in listed if OWN in each.comment and each.kind == KIND.lower()]
        assert all(each.final for each in listed if each.kind == KIND.lower())
