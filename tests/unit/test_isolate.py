"""Isolation, and every reason for which it is not sent."""

import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._interface import BY_ORDER, Clear, Done, Lane, Later, Others, Ours, Refuse, Standing
from responders._settling import STUCK
from responders.isolate import Isolate
from shared.models.action import Action
from shared.models.device import MachineAction
from shared.models.frozen import Params
from tests.unit.desks import Desk, NoDevices
from tests.unit.incidents import HOST1, MARKER, NEW_WORD, NOW, action, graph_time, machine_action

HOUR = timedelta(hours=1)
OWN = f"{MARKER}{action().id}/"
"""The start of every marker of the action."""


def standing(*listed: MachineAction, of: Action | None = None) -> Standing:
    return Isolate().standing(of or action(), listed, OWN, MARKER)


def at(moment: datetime) -> dict[str, object]:
    return {"creationDateTimeUtc": graph_time(moment), "lastUpdateDateTimeUtc": graph_time(moment)}


class Devices(NoDevices):
    """Writes down what it is asked to do; everything else is a mistake."""

    def isolate(self, device: str, comment: str, *, selective: bool = False) -> MachineAction:
        self.done.append(("isolate", device, comment, *(["selective"] if selective else [])))
        return machine_action(requestorComment=comment)


# What it is


def test_it_says_what_it_needs_and_where_it_travels() -> None:
    """Isolating needs `Machine.Isolate`; looking first, and reading the device for the rails, `Machine.Read.All`."""
    responder = Isolate()
    assert responder.permissions == ("Machine.Isolate", "Machine.Read.All")
    assert (responder.name, responder.lane, responder.api) == ("isolate", Lane.CONTAIN, "isolate")
    assert responder.contains
    assert not responder.gathers


def test_it_sends_one_call() -> None:
    devices = Devices()
    Isolate().send(devices, action(), "because")
    assert devices.done == [("isolate", HOST1, "because")]


def test_a_rule_may_ask_for_selective_isolation() -> None:
    devices = Devices()
    Isolate().send(devices, action(params=Params({"type": "selective"})), "because")
    assert devices.done == [("isolate", HOST1, "because", "selective")]


def test_there_is_nothing_to_gather() -> None:
    with pytest.raises(AssertionError):
        Isolate().gather(action(), Desk())


# What is going on already


def test_nothing_stands_against_a_device_to_which_nothing_was_done() -> None:
    assert standing() == Clear()


@pytest.mark.parametrize("kind", ["RunAntiVirusScan", "LiveResponse", "CollectInvestigationPackage", NEW_WORD, ""])
@pytest.mark.parametrize("status", ["Pending", "InProgress", "Succeeded"])
def test_other_kinds_of_action_do_not_matter(kind: str, status: str) -> None:
    assert standing(machine_action(kind, status)) == Clear()


@pytest.mark.parametrize("status", ["Failed", "TimeOut", "Cancelled"])
@pytest.mark.parametrize("kind", ["Isolate", "Unisolate"])
def test_what_came_to_nothing_does_not_matter(kind: str, status: str) -> None:
    assert standing(machine_action(kind, status)) == Clear()


@pytest.mark.parametrize("status", ["Pending", "InProgress", NEW_WORD, ""])
def test_somebody_elses_isolation_under_way_is_followed(status: str) -> None:
    """A state that we do not know may still go on; a second isolation is never sent meanwhile."""
    theirs = machine_action("Isolate", status)
    assert standing(theirs) == Others(theirs)


@pytest.mark.parametrize("status", ["Pending", "InProgress", NEW_WORD])
def test_a_release_under_way_is_waited_for(status: str) -> None:
    """Even where an isolation is under way as well: that is Defender's race, and we do not add to it."""
    assert isinstance(standing(machine_action("Unisolate", status)), Later)
    assert isinstance(standing(machine_action("Isolate", "Pending"), machine_action("Unisolate", status)), Later)


def test_a_device_that_is_isolated_already_is_left_so_and_people_hear_by_whom() -> None:
    done = standing(machine_action("Isolate", "Succeeded"))
    assert isinstance(done, Done)
    assert "analyst@contoso.com" in done.detail


def test_a_device_that_was_isolated_again_after_its_release_is_isolated() -> None:
    release = machine_action("Unisolate", "Succeeded", **at(NOW - HOUR))
    assert isinstance(standing(release, machine_action("Isolate", "Succeeded", **at(NOW))), Done)


def test_what_was_completed_last_counts_not_what_was_begun_last() -> None:
    """An isolation of an offline device may be carried out long after the release that was asked for later."""
    release = machine_action("Unisolate", "Succeeded", **at(NOW - HOUR))
    isolation = machine_action(
        "Isolate",
        "Succeeded",
        creationDateTimeUtc=graph_time(NOW - 2 * HOUR),
        lastUpdateDateTimeUtc=graph_time(NOW),
    )
    assert isinstance(standing(release, isolation), Done)


# What hangs


@pytest.mark.parametrize("kind", ["Isolate", "Unisolate"])
def test_what_goes_on_for_four_days_is_not_waited_for_and_nothing_is_sent_beside_it(kind: str) -> None:
    before = machine_action(kind, "Pending", creationDateTimeUtc=graph_time(NOW - STUCK + HOUR))
    assert isinstance(standing(before), Others if kind == "Isolate" else Later)
    found = standing(machine_action(kind, "Pending", creationDateTimeUtc=graph_time(NOW - STUCK)))
    assert isinstance(found, Refuse)
    assert found.hung
    assert "by analyst@contoso.com has hung in Defender since" in found.detail


def test_what_hangs_stands_against_nothing_that_is_not_sent_anyway() -> None:
    hung = machine_action("Unisolate", "Pending", creationDateTimeUtc=graph_time(NOW - STUCK))
    assert isinstance(standing(hung, machine_action("Isolate", "Succeeded")), Done)
    theirs = machine_action("Isolate", "Pending")
    assert standing(hung, theirs) == Others(theirs)
    refused = standing(hung, machine_action("Unisolate", "Succeeded", **at(NOW)))
    assert refused == Refuse("released by analyst@contoso.com, and no alert was created since")


# A person's release


@pytest.mark.parametrize("alert", [NOW, NOW - HOUR, None])
def test_a_persons_release_stands_where_no_alert_was_created_since(alert: datetime | None) -> None:
    release = machine_action("Unisolate", "Succeeded", **at(NOW))
    refused = standing(release, of=action(newest_alert=alert, device_alert=alert))
    assert isinstance(refused, Refuse)
    assert "analyst@contoso.com" in refused.detail


def test_an_alert_on_the_device_after_it_ends_it() -> None:
    release = machine_action("Unisolate", "Succeeded", **at(NOW - HOUR))
    assert standing(release, of=action(device_alert=NOW)) == Clear()


def test_an_alert_on_another_device_of_the_incident_does_not() -> None:
    release = machine_action("Unisolate", "Succeeded", **at(NOW))
    assert isinstance(standing(release, of=action(device_alert=NOW - HOUR, newest_alert=NOW + HOUR)), Refuse)


def test_a_release_of_unknown_time_stands() -> None:
    release = machine_action("Unisolate", "Succeeded", creationDateTimeUtc=None)
    assert isinstance(standing(release), Refuse)


def test_a_release_by_order_is_a_persons_though_its_marker_is_ours() -> None:
    release = machine_action("Unisolate", "Succeeded", requestorComment=f"{MARKER}abc/1] {BY_ORDER}")
    old = action(newest_alert=NOW - HOUR, device_alert=NOW - HOUR)
    assert isinstance(standing(release, of=old), Refuse)
    assert standing(release, of=old.model_copy(update={"device_alert": NOW + HOUR})) == Clear()


@pytest.mark.parametrize("comment", ["by hand", f"{MARKER}abc/1] {BY_ORDER}"])
def test_a_person_who_wants_it_isolated_after_the_release_ends_it(comment: str) -> None:
    release = machine_action("Unisolate", "Succeeded", requestorComment=comment, **at(NOW))
    old = action(newest_alert=NOW - HOUR, device_alert=NOW - HOUR, approved=True)
    assert standing(release, of=old.model_copy(update={"approved_at": NOW + HOUR})) == Clear()
    assert isinstance(standing(release, of=old.model_copy(update={"approved_at": NOW - HOUR})), Refuse)


def test_our_own_release_stands_against_nothing() -> None:
    release = machine_action("Unisolate", "Succeeded", requestorComment=f"released. {MARKER}abc/1]")
    assert standing(release, of=action(newest_alert=NOW - HOUR, device_alert=NOW - HOUR)) == Clear()


# Our own


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Succeeded", "Failed", "Cancelled", NEW_WORD])
@pytest.mark.parametrize("attempt", [1, 2, 12])
def test_our_own_isolation_of_any_attempt_is_adopted_in_any_state(attempt: int, status: str) -> None:
    mine = machine_action("Isolate", status, requestorComment=f"Bulkhead. {OWN}{attempt}]")
    assert standing(machine_action("Isolate", "Pending", id="theirs"), mine) == Ours(mine)


def test_our_own_isolation_that_ended_badly_and_was_counted_is_not_adopted_again() -> None:
    ended = machine_action("Isolate", "Failed", id="first", requestorComment=f"{OWN}1]")
    assert standing(ended, of=action(ended=("first",))) == Clear()
    second = machine_action("Isolate", "Pending", id="second", requestorComment=f"{OWN}2]")
    assert standing(ended, second, of=action(ended=("first",))) == Ours(second)


@pytest.mark.parametrize(
    "comment", ["[bulkhead other/{id}/1]", "[bulkhead test/{id}0/1]", "[bulkhead test/0/1]", "{id}"]
)
def test_a_marker_of_another_deployment_or_action_is_not_ours(comment: str) -> None:
    theirs = machine_action("Isolate", "Pending", requestorComment=comment.format(id=action().id))
    assert standing(theirs) == Others(theirs)


def test_our_own_isolation_that_a_person_undid_was_done_all_the_same() -> None:
    """Where there is a newer reason it is sent again instead."""
    mine = machine_action("Isolate", "Succeeded", requestorComment=f"{OWN}1]", **at(NOW - 2 * HOUR))
    release = machine_action("Unisolate", "Succeeded", **at(NOW))
    since = "released by analyst@contoso.com since"
    assert standing(mine, release, of=action(device_alert=NOW - HOUR)) == Ours(mine, since)
    assert standing(mine, release, of=action(device_alert=NOW + HOUR)) == Clear()
    counted = action(device_alert=NOW - HOUR, ended=(mine.id,))
    assert standing(mine, release, of=counted) == Ours(mine, since)
    assert isinstance(standing(mine.model_copy(update={"status": "failed"}), release, of=counted), Refuse)


def test_our_own_isolation_that_succeeded_is_ours_though_a_404_once_denied_it() -> None:
    """As somebody else's it would never be given back."""
    mine = machine_action("Isolate", "Succeeded", requestorComment=f"{OWN}1]")
    assert standing(mine, of=action(ended=(mine.id,))) == Ours(mine)


# Whatever was done to the device

LISTED = st.lists(
    st.builds(
        lambda kind, status, hour, marker, number: machine_action(
            kind, status, id=str(number), requestorComment=marker, **at(NOW + timedelta(hours=hour))
        ),
        st.sampled_from(["Isolate", "Unisolate", "CollectInvestigationPackage"]),
        st.sampled_from(["Pending", "InProgress", "Succeeded", "Failed", "Cancelled", NEW_WORD]),
        st.integers(-3, 3),
        st.sampled_from(["by hand", f"{OWN}1]", f"{MARKER}0123456789abcdef/1]"]),
        st.integers(0, 1000),
    ),
    max_size=5,
)


@given(LISTED)
def test_an_isolation_is_sent_only_where_none_is_pending_or_effective_and_none_is_ours(
    listed: list[MachineAction],
) -> None:
    if standing(*listed) != Clear():
        return
    mine = [each for each in listed if each.kind != "collectinvestigationpackage"]
    released = [each for each in mine if each.kind == "unisolate" and each.status == "succeeded"]
    own = [each for each in listed if OWN in each.comment and each.kind == "isolate"]
    assert not own or released  # our own success counts no longer where somebody released the device after it
    assert all(each.final for each in mine)
    succeeded = sorted((each for each in mine if each.status == "succeeded"), key=lambda each: each.updated or NOW)
    newest = [each for each in succeeded if each.updated == succeeded[-1].updated]
    assert not newest or any(each.kind == "unisolate" for each in newest)


@given(LISTED.filter(lambda listed: len({each.created for each in listed}) == len(listed)))
def test_the_order_of_the_listing_says_nothing(listed: list[MachineAction]) -> None:
    kinds = {type(standing(*order)) for order in itertools.permutations(listed[:4])}
    assert len(kinds) == 1
