"""Let nothing run on a device but what Microsoft signed; its network stays.

Windows only (10 from 1709 on, 11, Server 2019 and later), with Defender's antivirus. Collectors and other security
products that others signed do not run any more either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._interface import Lane
from responders._taking import RESTRICTION, taking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction


class Restrict:
    """The restriction of code execution on one device."""

    name = "restrict"
    lane = Lane.CONTAIN
    api = "actions"
    kinds: tuple[str, ...] = RESTRICTION.kinds
    permissions = ("Machine.RestrictExecution", "Machine.Read.All")
    contains = True
    gathers = False

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """See `Responder.standing`."""
        return taking(RESTRICTION, action, listed, own, ours)

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`."""
        return devices.restrict(action.device, comment)

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """Nothing to gather."""
        del action, desk
        raise AssertionError("a restriction leaves nothing to gather")


RESPONDER = Restrict()
