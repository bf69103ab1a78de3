"""Responders whose work goes in legs, each a session: what they share, and those that have a script pack a file on the
device, which is then fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from responders._capture import Leg, Progress, commands
from responders._incident_files import incident_files
from responders._legs import Look, bundle, clean, fetch
from responders._live import WINDOWS, LiveResponse, asked_on

if TYPE_CHECKING:
    from responders._interface import Desk, Gathered
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction

After = Mapping[Leg, Callable[[Look], "Gathered"]]
"""What is done after a session, by what it was for."""


class InLegs(LiveResponse):
    """A responder whose progress says what the next session is for."""

    def after(self) -> After:
        """What is done after each leg."""
        raise NotImplementedError

    def first(self, action: Action, devices: Devices) -> Progress:
        """What is known before the first session."""
        raise NotImplementedError

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`."""
        return devices.live_response(action.device, commands(self._progress(action, devices), action.id), comment)

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """See `Responder.gather`."""
        progress = self._progress(action, desk.devices)
        if not progress.artefacts:
            progress = progress.model_copy(update={"artefacts": tuple(incident_files(desk))})
        return self.after()[progress.leg](Look(action, desk, progress))

    def _progress(self, action: Action, devices: Devices) -> Progress:
        return Progress.model_validate_json(action.progress) if action.progress else self.first(action, devices)


class Bundle(InLegs):
    """A responder that collects one bundle. `leg` is the step that packs it, `holds` what it holds, in words."""

    name: str
    leg: Leg
    holds: str

    def after(self) -> After:
        """See `InLegs`."""
        return {Leg.TRIAGE: bundle, Leg.LOGS: bundle, Leg.FETCH: self._fetch, Leg.CLEAN: clean}

    def first(self, action: Action, devices: Devices) -> Progress:
        """See `InLegs`."""
        return Progress(leg=self.leg, script=asked_on(devices, action.device), decision=self.holds)

    def _fetch(self, look: Look) -> Gathered:
        folder = self.name.removeprefix("collect_")
        kind = "zip" if look.progress.script == WINDOWS else "tar.gz"
        return fetch(look, f"data/{folder}/{folder}.{kind}")
