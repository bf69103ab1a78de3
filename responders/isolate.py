"""Take a device off the network, but for its line to Defender (isolation type Full, or Selective where a rule says so).

Selective isolation leaves what the tenant's isolation exclusions allow; Windows and macOS know it, Linux does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._interface import Lane
from responders._taking import ISOLATION, taking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction


class Isolate:
    """The isolation of one device."""

    name = "isolate"
    lane = Lane.CONTAIN
    api = "isolate"
    kinds: tuple[str, ...] = ISOLATION.kinds
    permissions = ("Machine.Isolate", "Machine.Read.All")
    contains = True
    gathers = False

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """See `Responder.standing`. An isolation of the other type counts as one."""
        return taking(ISOLATION, action, listed, own, ours)

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`."""
        return devices.isolate(action.device, comment, selective=action.params.get("type") == "selective")

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """Nothing to gather."""
        del action, desk
        raise AssertionError("an isolation leaves nothing to gather")


RESPONDER = Isolate()
