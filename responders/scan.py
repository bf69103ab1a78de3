"""Run an antivirus scan on a device, quick or full. It takes nothing from its user, but may change what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._interface import Clear, Lane, Others, Ours, adopted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction

FULL = "full"


class Scan:
    """An antivirus scan of one device. It goes after containment, as collection does."""

    name = "scan"
    lane = Lane.COLLECT
    api = "actions"
    kinds = ("runantivirusscan",)
    permissions = ("Machine.Scan", "Machine.Read.All")
    contains = False
    gathers = False

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """See `Responder.standing`. Somebody else's scan under way will do, unless it is less deep than ours."""
        del ours
        mine = adopted(action, listed, own, self.kinds[0])
        if mine:
            return Ours(mine)
        deep = action.params.get("type") == FULL
        running = [each for each in listed if each.kind in self.kinds and not each.final]
        enough = [each for each in running if each.scope == FULL or not deep]
        return Others(enough[0]) if enough else Clear()

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`. A device that scans already answers that it is busy, and is asked again."""
        return devices.scan(action.device, comment, full=action.params.get("type") == FULL)

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """Nothing to gather."""
        del action, desk
        raise AssertionError("a scan leaves nothing to gather")


RESPONDER = Scan()
