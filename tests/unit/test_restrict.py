"""The restriction of code execution, and every reason for which none is sent."""

import pytest

from responders._interface import Clear, Done, Lane, Later, Others, Ours, Refuse, Standing, containment
from responders.isolate import Isolate
from responders.restrict import Restrict
from shared.models.action import Action
from shared.models.device import MachineAction
from tests.unit.desks import Desk, NoDevices
from tests.unit.incidents import HOST1, MARKER, action, machine_action

RESTRICT = action(responder="restrict")
OWN = f"{MARKER}{RESTRICT.id}/"


class Devices(NoDevices):
    """Writes down that it is asked to restrict; everything else is a mistake."""

    def restrict(self, device: str, comment: str) -> MachineAction:
        self.done.append((device, comment))
        return machine_action("RestrictCodeExecution", requestorComment=comment)


def standing(*listed: MachineAction, of: Action = RESTRICT) -> Standing:
    return Restrict().standing(of, listed, OWN, MARKER)


def test_it_says_what_it_needs_and_that_it_takes_something() -> None:
    responder = Restrict()
    assert responder.permissions == ("Machine.RestrictExecution", "Machine.Read.All")
    assert (responder.name, responder.lane, responder.api) == ("restrict", Lane.CONTAIN, "actions")
    assert responder.contains
    assert not responder.gathers


def test_its_slot_is_another_one_than_that_of_isolation() -> None:
    assert containment(Restrict()) not in {"", containment(Isolate())}


def test_it_sends_one_call() -> None:
    devices = Devices()
    Restrict().send(devices, RESTRICT, "because")
    assert devices.done == [(HOST1, "because")]


def test_there_is_nothing_to_gather() -> None:
    with pytest.raises(AssertionError):
        Restrict().gather(RESTRICT, Desk())


@pytest.mark.parametrize("kind", ["Isolate", "Unisolate", "RunAntiVirusScan"])
def test_other_kinds_of_action_do_not_matter(kind: str) -> None:
    assert standing(machine_action(kind, "Pending")) == Clear()


def test_ours_is_adopted() -> None:
    mine = machine_action("RestrictCodeExecution", requestorComment=f"{OWN}1]")
    assert standing(mine) == Ours(mine)


def test_somebody_elses_is_followed() -> None:
    theirs = machine_action("RestrictCodeExecution", "InProgress")
    assert standing(theirs) == Others(theirs)


def test_what_is_restricted_is_not_restricted_again() -> None:
    assert standing(machine_action("RestrictCodeExecution", "Succeeded")) == Done(
        "already restricted through analyst@contoso.com"
    )


def test_what_is_being_set_free_is_waited_for() -> None:
    assert isinstance(standing(machine_action("UnrestrictCodeExecution", "Pending")), Later)


def test_what_a_person_set_free_stays_free_until_a_newer_alert() -> None:
    freed = machine_action("UnrestrictCodeExecution", "Succeeded")
    assert standing(freed) == Refuse("set free again by analyst@contoso.com, and no alert was created since")
