"""Stop a file on a device wherever it runs there, and quarantine it, by its SHA-1.

Windows only (10 from 1703 on). Defender refuses files that Microsoft or another trusted publisher signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._interface import Clear, Lane, Others, Ours, adopted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction


class StopQuarantine:
    """The end of one file on one device. The goal is the file's hash, so that each file has rounds of its own."""

    name = "stop_quarantine"
    lane = Lane.CONTAIN
    api = "actions"
    kinds = ("stopandquarantinefile",)
    permissions = ("Machine.StopAndQuarantine", "Machine.Read.All")
    contains = True
    gathers = False

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """See `Responder.standing`. That it was quarantined before does not matter: it is said to be there again."""
        del ours
        mine = adopted(action, listed, own, self.kinds[0])
        if mine:
            return Ours(mine)
        running = [each for each in listed if each.kind in self.kinds and not each.final]
        same = [each for each in running if each.file == action.params["sha1"]]
        return Others(same[0]) if same else Clear()

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`."""
        return devices.stop_quarantine(action.device, comment, action.params["sha1"])

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """Nothing to gather."""
        del action, desk
        raise AssertionError("it leaves nothing to gather")


RESPONDER = StopQuarantine()
