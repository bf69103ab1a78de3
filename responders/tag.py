"""Tag the incident in Defender. Tags of people stay."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from responders._interface import Again, Clear, Finished, Lane, NotObtainable
from shared.models.lenient import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction


WRITES = 3
AT_WORK = timedelta(seconds=90)
"""How long one of us may be between reading the tags and writing them: no call takes longer."""


class Tag:
    """One tag of one incident. It asks nothing of a device."""

    name = "tag"
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
        raise AssertionError("a tag is not sent to a device")

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """See `Responder.gather`. Tags are read, added to and written back, since Graph replaces them all: whoever read
        them before that and writes after it takes ours away. So they are looked at again once such a writer is through.
        """
        tag = action.params["tag"]
        there = texts(desk.incidents.get(action.incident).get("customTags"))
        if tag.lower() in {each.lower() for each in there}:
            may_be_new = action.fetches > 1  # since the last look: a write of ours whose answer was lost
            return Again(action.progress or "0", AT_WORK) if may_be_new else Finished((), tag)
        written = int(action.progress or "0")
        if written == WRITES:
            return NotObtainable(f"{tag} was taken away again {WRITES} times: another tool replaces the tags")
        desk.incidents.set_tags(action.incident, [*there, tag])
        return Again(f"{written + 1}", AT_WORK)


RESPONDER = Tag()
