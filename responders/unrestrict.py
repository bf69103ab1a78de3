"""Let everything run on a device again that ran before it was restricted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._interface import Lane
from responders._taking import RESTRICTION, giving_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction


class Unrestrict:
    """The end of the restriction of code execution on one device, whoever restricted it."""

    name = "unrestrict"
    lane = Lane.CONTAIN
    api = "actions"
    kinds: tuple[str, ...] = (RESTRICTION.gives_back, RESTRICTION.takes)
    permissions = ("Machine.RestrictExecution", "Machine.Read.All")
    contains = False
    gathers = False

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """See `Responder.standing`."""
        return giving_back(RESTRICTION, action, listed, own, ours)

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`."""
        return devices.unrestrict(action.device, comment)

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """Nothing to gather."""
        del action, desk
        raise AssertionError("it leaves nothing to gather")


RESPONDER = Unrestrict()
