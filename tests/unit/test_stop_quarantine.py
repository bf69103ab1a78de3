"""The end of a file, told from the end of others by its hash."""

import pytest

from responders._interface import Clear, Lane, Others, Ours, Standing, containment
from responders.stop_quarantine import StopQuarantine
from shared.models.device import MachineAction
from shared.models.frozen import Params
from tests.unit.desks import Desk, NoDevices
from tests.unit.incidents import HOST1, MARKER, action, machine_action

SHA1 = "5f1e8acedc065031aad553b710838eb366cfee9a"
STOP = action(responder="stop_quarantine", goal="0123abcd", params=Params({"sha1": SHA1, "name": "evil.exe"}))
OWN = f"{MARKER}{STOP.id}/"


class Devices(NoDevices):
    """Writes down that it is asked to stop a file; everything else is a mistake."""

    def stop_quarantine(self, device: str, comment: str, sha1: str) -> MachineAction:
        self.done.append((device, comment, sha1))
        return machine_action("StopAndQuarantineFile", requestorComment=comment)


def standing(*listed: MachineAction) -> Standing:
    return StopQuarantine().standing(STOP, listed, OWN, MARKER)


def about(sha1: str, status: str = "Pending") -> MachineAction:
    info = {"fileIdentifier": sha1, "fileIdentifierType": "Sha1"}
    return machine_action("StopAndQuarantineFile", status, relatedFileInfo=info)


def test_it_takes_something_and_keeps_no_slot() -> None:
    responder = StopQuarantine()
    assert responder.permissions == ("Machine.StopAndQuarantine", "Machine.Read.All")
    assert (responder.name, responder.lane, responder.api) == ("stop_quarantine", Lane.CONTAIN, "actions")
    assert responder.contains
    assert containment(responder) == ""


def test_it_sends_the_hash() -> None:
    devices = Devices()
    StopQuarantine().send(devices, STOP, "because")
    assert devices.done == [(HOST1, "because", SHA1)]


def test_there_is_nothing_to_gather() -> None:
    with pytest.raises(AssertionError):
        StopQuarantine().gather(STOP, Desk())


def test_two_files_on_one_device_count_once_against_the_caps() -> None:
    other = STOP.model_copy(update={"goal": "4567abcd"})
    assert other.key != STOP.key
    assert other.charge == STOP.charge
    assert STOP.model_copy(update={"device": "b" * 40}).charge != STOP.charge


def test_somebody_elses_for_the_same_file_is_followed_and_for_another_is_not() -> None:
    assert standing(about(SHA1)) == Others(about(SHA1))
    assert standing(about(SHA1.upper())) == Others(about(SHA1.upper()))
    assert standing(about("f" * 40)) == Clear()


def test_that_it_was_done_before_does_not_matter() -> None:
    """The evidence says that the file is there, and not dealt with."""
    assert standing(about(SHA1, "Succeeded")) == Clear()


def test_ours_is_adopted() -> None:
    mine = about(SHA1).model_copy(update={"comment": f"{OWN}1]"})
    assert standing(mine) == Ours(mine)
