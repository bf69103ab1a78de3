"""Give a device its network back.

Only where nothing of the kind is under way: a release that overtakes an isolation would be undone by it. What we have
under way ourselves is called off beforehand by the machinery; what others have is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._interface import Lane
from responders._taking import ISOLATION, giving_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction


class Release:
    """The release of one device from isolation, whoever isolated it."""

    name = "release"
    lane = Lane.CONTAIN
    api = "isolate"
    kinds: tuple[str, ...] = (ISOLATION.gives_back, ISOLATION.takes)
    permissions = ("Machine.Isolate", "Machine.Read.All")
    contains = False
    gathers = False

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """See `Responder.standing`."""
        return giving_back(ISOLATION, action, listed, own, ours)

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`."""
        return devices.release(action.device, comment)

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """Nothing to gather."""
        del action, desk
        raise AssertionError("a release leaves nothing to gather")


RESPONDER = Release()
