"""Get files from a device as evidence: kept as they were received, with what they hold hashed, and never opened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from responders._incident_files import incident_files
from responders._live import LiveResponse
from responders._several import MOST, asked_for, take
from shared.errors import Unobtainable
from shared.models.command import GetFile

if TYPE_CHECKING:
    from responders._interface import Desk, Gathered
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction


class GetFiles(LiveResponse):
    """Some files of one device."""

    name = "get_files"
    permissions = ("Machine.LiveResponse", "Machine.Read.All")

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`."""
        progress = _progress(action)
        if not progress["paths"]:
            raise Unobtainable("no file is named", "name the files by their full paths")
        commands = [GetFile(path) for path in progress["paths"][progress["next"] :][:MOST]]
        return devices.live_response(action.device, commands, comment)

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """See `Responder.gather`."""
        artefacts = action.artefacts or tuple(incident_files(desk))
        return take(action, desk, _progress(action), artefacts)


def _progress(action: Action) -> dict[str, Any]:
    if action.progress:
        found: dict[str, Any] = json.loads(action.progress)
        return found
    return {"paths": asked_for(action), "next": 0, "got": [], "purpose": action.params.get("purpose", "")}


RESPONDER = GetFiles()
