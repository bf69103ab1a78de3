"""The end of a restriction, and every reason for which it waits or is not needed."""

import pytest

from responders._interface import GIVING_BACK, Clear, Done, Lane, Later, Others, Ours, Refuse, Standing, containment
from responders.restrict import Restrict
from responders.unrestrict import Unrestrict
from shared.models.action import Action
from shared.models.device import MachineAction
from tests.unit.desks import Desk, NoDevices
from tests.unit.incidents import HOST1, MARKER, action, machine_action

UNRESTRICT = action(responder="unrestrict")
OWN = f"{MARKER}{UNRESTRICT.id}/"


class Devices(NoDevices):
    """Writes down that it is asked to lift a restriction; everything else is a mistake."""

    def unrestrict(self, device: str, comment: str) -> MachineAction:
        self.done.append((device, comment))
        return machine_action("UnrestrictCodeExecution", requestorComment=comment)


def standing(*listed: MachineAction, of: Action = UNRESTRICT) -> Standing:
    return Unrestrict().standing(of, listed, OWN, MARKER)


def test_it_gives_back_what_restrict_takes() -> None:
    responder = Unrestrict()
    assert (responder.name, responder.lane, responder.api) == ("unrestrict", Lane.CONTAIN, "actions")
    assert responder.permissions == ("Machine.RestrictExecution", "Machine.Read.All")
    assert not responder.contains
    assert responder.kinds[0] in GIVING_BACK
    assert containment(responder) == containment(Restrict())


def test_it_sends_one_call() -> None:
    devices = Devices()
    Unrestrict().send(devices, UNRESTRICT, "because")
    assert devices.done == [(HOST1, "because")]


def test_there_is_nothing_to_gather() -> None:
    with pytest.raises(AssertionError):
        Unrestrict().gather(UNRESTRICT, Desk())


def test_what_is_not_restricted_needs_nothing() -> None:
    assert standing() == Done("the device is not restricted")
    assert standing(machine_action("Isolate", "Succeeded")) == Done("the device is not restricted")


def test_whoever_restricted_it_it_may_be_lifted() -> None:
    ours = machine_action("RestrictCodeExecution", "Succeeded", requestorComment=f"{MARKER}x/1]")
    assert standing(ours) == Clear()
    theirs = machine_action("RestrictCodeExecution", "Succeeded")
    approved = action(responder="unrestrict", approved=True)
    assert standing(theirs, of=approved) == Clear("it had been restricted by analyst@contoso.com, not by us")
    assert isinstance(standing(theirs), Refuse)


def test_a_restriction_under_way_is_waited_for() -> None:
    assert standing(machine_action("RestrictCodeExecution", "Pending")) == Later(
        "a restriction by analyst@contoso.com is under way on the device; it is set free again when that is over"
    )


def test_one_under_way_is_followed_and_ours_adopted() -> None:
    theirs = machine_action("UnrestrictCodeExecution", "Pending")
    mine = machine_action("UnrestrictCodeExecution", "Pending", requestorComment=f"{OWN}1]")
    assert standing(theirs) == Others(theirs)
    assert standing(mine) == Ours(mine)
