"""The release of a device, and every reason for which it waits or is not needed."""

import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._interface import GIVING_BACK, Clear, Done, Lane, Later, Others, Ours, Refuse, Standing
from responders._settling import STUCK
from responders._taking import HELD
from responders.release import Release
from shared.models.action import Action
from shared.models.device import MachineAction
from tests.unit.desks import Desk, NoDevices
from tests.unit.incidents import HOST1, MARKER, NEW_WORD, NOW, action, graph_time, machine_action

HOUR = timedelta(hours=1)
RELEASE = action(responder="release")
OWN = f"{MARKER}{RELEASE.id}/"


def standing(*listed: MachineAction, of: Action = RELEASE) -> Standing:
    return Release().standing(of, listed, OWN, MARKER)


def at(moment: datetime) -> dict[str, object]:
    return {"creationDateTimeUtc": graph_time(moment), "lastUpdateDateTimeUtc": graph_time(moment)}


class Devices(NoDevices):
    """Writes down what it is asked to do; everything else is a mistake."""

    def release(self, device: str, comment: str) -> MachineAction:
        self.done.append(("release", device, comment))
        return machine_action("Unisolate", requestorComment=comment)


def test_it_gives_back_and_takes_nothing() -> None:
    responder = Release()
    assert responder.kinds[0] in GIVING_BACK
    assert (responder.name, responder.lane, responder.api) == ("release", Lane.CONTAIN, "isolate")
    assert (responder.contains, responder.gathers) == (False, False)
    assert responder.permissions == ("Machine.Isolate", "Machine.Read.All")


def test_it_sends_one_call_and_leaves_nothing_to_gather() -> None:
    devices = Devices()
    Release().send(devices, action(responder="release"), "because")
    assert devices.done == [("release", HOST1, "because")]
    with pytest.raises(AssertionError):
        Release().gather(action(responder="release"), Desk())


def test_a_device_that_we_isolated_is_released_without_a_word() -> None:
    assert standing(machine_action("Isolate", "Succeeded", requestorComment=f"x {MARKER}0/1]")) == Clear()


def test_one_that_somebody_else_isolated_is_released_too_and_people_hear_whose_it_was() -> None:
    found = standing(machine_action("Isolate", "Succeeded"), of=action(responder="release", approved=True))
    assert isinstance(found, Clear)
    assert found.met == "it had been isolated by analyst@contoso.com, not by us"


def test_one_that_somebody_else_isolated_is_not_released_without_a_persons_word() -> None:
    """Not even where ours came first: theirs came on top of it."""
    ours = machine_action("Isolate", "Succeeded", requestorComment=f"x {MARKER}0/1]", **at(NOW - HOUR))
    found = standing(ours, machine_action("Isolate", "Succeeded", **at(NOW)))
    assert found == Refuse("it is isolated by analyst@contoso.com since, and that stands")


def test_one_that_somebody_else_isolated_before_us_is_not_released_without_a_persons_word() -> None:
    """Ours came on top of theirs, which Defender did not show yet."""
    theirs = machine_action("Isolate", "Succeeded", **at(NOW - HOUR))
    ours = machine_action("Isolate", "Succeeded", requestorComment=f"x {MARKER}0/1]", **at(NOW))
    assert standing(theirs, ours) == Refuse("it was isolated by analyst@contoso.com before us, and that stands")
    found = standing(theirs, ours, of=action(responder="release", approved=True))
    assert found == Clear("it had been isolated by analyst@contoso.com, and then by us too")


@pytest.mark.parametrize("comment", ["by hand", f"x {MARKER}1/1]"])
def test_what_somebody_else_isolated_before_it_was_given_back_binds_nobody(comment: str) -> None:
    theirs = machine_action("Isolate", "Succeeded", **at(NOW - 2 * HOUR))
    freed = machine_action("Unisolate", "Succeeded", requestorComment=comment, **at(NOW - HOUR))
    ours = machine_action("Isolate", "Succeeded", requestorComment=f"x {MARKER}0/1]", **at(NOW))
    assert standing(theirs, freed, ours) == Clear()


@pytest.mark.parametrize("listed", [(), (machine_action("Isolate", "Failed"),), (machine_action("LiveResponse"),)])
def test_a_device_that_is_not_isolated_needs_none(listed: tuple[MachineAction, ...]) -> None:
    assert standing(*listed) == Done("the device is not isolated")


def test_one_that_we_hold_is_released_although_defender_no_longer_lists_its_isolation() -> None:
    """How long it keeps machine actions is nowhere documented."""
    held = action(responder="release", params={HELD: "true"})
    found = standing(machine_action("LiveResponse"), of=held)
    assert isinstance(found, Clear)
    assert "does not list it any more" in found.met
    last = machine_action("Unisolate", "Succeeded", **at(NOW))
    assert isinstance(standing(last, of=held), Done)


def test_one_that_was_released_already_needs_none() -> None:
    found = standing(
        machine_action("Isolate", "Succeeded", **at(NOW - HOUR)), machine_action("Unisolate", "Succeeded", **at(NOW))
    )
    assert found == Done("released already, by analyst@contoso.com")


@pytest.mark.parametrize("status", ["Pending", "InProgress", NEW_WORD])
@pytest.mark.parametrize(
    ("comment", "whose"), [("by hand", "by analyst@contoso.com"), (f"{MARKER}0/1]", "an isolation of ours")]
)
def test_an_isolation_under_way_is_waited_for(comment: str, whose: str, status: str) -> None:
    """A release that overtakes it would be undone by it."""
    pending = machine_action("Isolate", status, requestorComment=comment)
    found = standing(machine_action("Unisolate", "Pending"), pending)
    assert isinstance(found, Later)
    assert whose in found.detail


@pytest.mark.parametrize("status", ["Pending", "InProgress", NEW_WORD])
def test_somebody_elses_release_under_way_is_followed(status: str) -> None:
    theirs = machine_action("Unisolate", status)
    assert standing(machine_action("Isolate", "Succeeded"), theirs) == Others(theirs)


@pytest.mark.parametrize("status", ["Pending", "Succeeded", "Cancelled"])
def test_our_own_release_of_any_attempt_is_adopted(status: str) -> None:
    mine = machine_action("Unisolate", status, requestorComment=f"{OWN}3] [by order]")
    assert standing(machine_action("Isolate", "Pending"), mine) == Ours(mine)
    again = standing(mine, of=RELEASE.model_copy(update={"ended": (mine.id,)}))
    assert isinstance(again, Ours) == (status != "Cancelled")  # the others did not end badly, though a 404 denied them


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
def test_a_release_is_sent_only_where_nothing_is_pending_and_the_device_is_isolated(
    listed: list[MachineAction],
) -> None:
    if not isinstance(standing(*listed), Clear):
        return
    bearing = [each for each in listed if each.kind in Release.kinds]
    assert all(each.final for each in bearing)
    done = [each for each in bearing if each.status == "succeeded"]
    newest = max(each.updated or NOW for each in done)
    assert any(each.kind == "isolate" for each in done if each.updated == newest)


@given(LISTED.filter(lambda listed: len({each.created for each in listed}) == len(listed)))
def test_the_order_of_the_listing_says_nothing(listed: list[MachineAction]) -> None:
    kinds = {type(standing(*order)) for order in itertools.permutations(listed[:4])}
    assert len(kinds) == 1


@pytest.mark.parametrize("kind", ["Isolate", "Unisolate"])
def test_what_hangs_for_four_days_is_not_waited_for_and_nothing_is_sent_beside_it(kind: str) -> None:
    held = machine_action("Isolate", "Succeeded", requestorComment=f"x {MARKER}0/1]")
    found = standing(held, machine_action(kind, "Pending", creationDateTimeUtc=graph_time(NOW - STUCK)))
    assert isinstance(found, Refuse)
    assert found.hung
    noun = "an isolation" if kind == "Isolate" else "a release"
    assert found.detail.startswith(f"{noun} by analyst@contoso.com has hung in Defender since")


def test_what_hangs_does_not_matter_where_there_is_nothing_to_give_back() -> None:
    hung = machine_action("Isolate", "Pending", creationDateTimeUtc=graph_time(NOW - STUCK))
    assert standing(hung) == Done("the device is not isolated")
