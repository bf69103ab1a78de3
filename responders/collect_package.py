"""Have Defender collect an investigation package from a device, and archive it.

A collection that somebody else started is followed and its package archived all the same: the device can run only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._interface import Clear, Harvest, Lane, Others, Ours, adopted
from shared.models.plan import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction
    from shared.models.plan import Assessment


class CollectPackage:
    """The investigation package of one device."""

    name = "collect_package"
    lane = Lane.COLLECT
    api = "collect"
    kinds = ("collectinvestigationpackage",)
    permissions = ("Machine.CollectForensics", "Machine.Read.All")
    contains = False
    fetches = Harvest("data/package/investigation-package.zip", "application/zip")

    def wants(self, assessment: Assessment) -> str:
        """Everything that may do harm, whatever its severity."""
        return assessment.reasons[0] if assessment.verdict is Verdict.HARMFUL else ""

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """See `Responder.standing`."""
        del ours
        mine = adopted(action, listed, own, self.kinds[0])
        if mine:
            return Ours(mine)
        running = [each for each in listed if each.kind in self.kinds and not each.final]
        return Others(running[0]) if running else Clear()

    def send(self, devices: Devices, device: str, comment: str) -> MachineAction:
        """See `Responder.send`."""
        return devices.collect_package(device, comment)

    def link(self, devices: Devices, machine_action: str) -> str:
        """See `Responder.link`."""
        return devices.package_link(machine_action)


RESPONDER = CollectPackage()
