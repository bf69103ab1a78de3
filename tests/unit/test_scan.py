"""An antivirus scan, and when somebody else's will do."""

import pytest

from responders._interface import Clear, Lane, Others, Ours, Standing
from responders.scan import Scan
from shared.models.action import Action
from shared.models.device import MachineAction
from shared.models.frozen import Params
from tests.unit.desks import Desk, NoDevices
from tests.unit.incidents import HOST1, MARKER, action, machine_action

QUICK = action(responder="scan", params=Params({"type": "quick"}))
FULL = action(responder="scan", params=Params({"type": "full"}))
OWN = f"{MARKER}{QUICK.id}/"


class Devices(NoDevices):
    """Writes down that it is asked to scan; everything else is a mistake."""

    def scan(self, device: str, comment: str, *, full: bool = False) -> MachineAction:
        self.done.append((device, comment, "full" if full else "quick"))
        return machine_action("RunAntiVirusScan", requestorComment=comment)


def standing(*listed: MachineAction, of: Action = QUICK) -> Standing:
    return Scan().standing(of, listed, OWN, MARKER)


def running(scope: str, status: str = "InProgress") -> MachineAction:
    return machine_action("RunAntiVirusScan", status, scope=scope)


def test_it_takes_nothing_and_goes_after_containment() -> None:
    responder = Scan()
    assert responder.permissions == ("Machine.Scan", "Machine.Read.All")
    assert (responder.name, responder.lane, responder.api) == ("scan", Lane.COLLECT, "actions")
    assert not responder.contains
    assert not responder.gathers


def test_it_is_as_deep_as_the_rule_says() -> None:
    devices = Devices()
    for one in (QUICK, FULL, action(responder="scan")):
        Scan().send(devices, one, "because")
    assert devices.done == [(HOST1, "because", depth) for depth in ("quick", "full", "quick")]


def test_there_is_nothing_to_gather() -> None:
    with pytest.raises(AssertionError):
        Scan().gather(QUICK, Desk())


def test_ours_is_adopted() -> None:
    mine = machine_action("RunAntiVirusScan", "Succeeded", requestorComment=f"{OWN}1]")
    assert standing(mine) == Ours(mine)


def test_ours_that_succeeded_is_not_asked_for_again_though_a_404_once_denied_it() -> None:
    done = machine_action("RunAntiVirusScan", "Succeeded", requestorComment=f"{OWN}1]")
    failed = done.model_copy(update={"id": "failed", "status": "failed"})
    assert standing(done, of=QUICK.model_copy(update={"ended": (done.id,)})) == Ours(done)
    assert standing(failed, of=QUICK.model_copy(update={"ended": (failed.id,)})) == Clear()


def test_somebody_elses_scan_is_followed_where_it_is_deep_enough() -> None:
    assert standing(running("Quick")) == Others(running("Quick"))
    assert standing(running("Full")) == Others(running("Full"))
    assert standing(running("Full"), of=FULL) == Others(running("Full"))
    assert standing(running("Quick"), of=FULL) == Clear()


def test_an_earlier_scan_says_nothing_of_now() -> None:
    assert standing(running("Full", "Succeeded")) == Clear()
