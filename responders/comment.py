"""Comment on the incident in Defender, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._interface import Clear, Finished, Lane
from shared.models.lenient import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction


class Comment:
    """One comment on one incident. It asks nothing of a device."""

    name = "comment"
    lane = Lane.COLLECT
    api = "incidents"
    kinds: tuple[str, ...] = ()
    permissions = ("SecurityIncident.ReadWrite.All",)
    contains = False
    gathers = False

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """Nothing of any device stands against it."""
        del action, listed, own, ours
        return Clear()

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """Nothing to send to a device."""
        del devices, action, comment
        raise AssertionError("a comment is not sent to a device")

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """See `Responder.gather`. It carries the action's id, by which one is found whose answer was lost."""
        marker = f"[bulkhead {action.id}]"
        found = records(desk.incidents.get(action.incident).get("comments"))
        if not any(marker in str(each.get("comment")) for each in found if isinstance(each, dict)):
            desk.incidents.comment(action.incident, f"{action.params['text']} {marker}")
        return Finished(())


RESPONDER = Comment()
