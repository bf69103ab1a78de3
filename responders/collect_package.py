"""Have Defender collect an investigation package from a device, and archive it.

A collection that somebody else started is followed and its package archived all the same: the device can run only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._incident_files import incident_files
from responders._interface import Clear, Finished, Lane, NotObtainable, Others, Ours, adopted
from responders._zip import whole_zip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction

_BY_HAND = "look at what was kept; have the package collected anew, from the device's page, if that is not enough"


class CollectPackage:
    """The investigation package of one device."""

    name = "collect_package"
    lane = Lane.COLLECT
    api = "collect"
    kinds = ("collectinvestigationpackage",)
    permissions = ("Machine.CollectForensics", "Machine.Read.All")
    contains = False
    gathers = True

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """See `Responder.standing`."""
        del ours
        mine = adopted(action, listed, own, self.kinds[0])
        if mine:
            return Ours(mine)
        running = [each for each in listed if each.kind in self.kinds and not each.final]
        return Others(running[0]) if running else Clear()

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`."""
        return devices.collect_package(action.device, comment)

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """See `Responder.gather`: the package, and the incident for which it was collected."""
        beside = list(incident_files(desk))
        package = desk.fetch(
            "data/package/investigation-package.zip",
            lambda: desk.devices.package_link(action.machine_action),
            kind=self.name,
            media_type="application/zip",
            check=whole_zip,
        )
        if not package.whole:
            return NotObtainable(f"the package is not whole: {package.marks[0]}", _BY_HAND, (package, *beside))
        return Finished((package, *beside))


RESPONDER = CollectPackage()
