"""Remove what an action of live response left on a device, where it could not do so itself.

Planned by the app (`_leftovers`) once such an action was cancelled, given up or forbidden half-way. The device says
whether anything is left; a device that does not answer is given up aloud, as with every session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._bundles import After, InLegs
from responders._capture import Leg, Progress
from responders._legs import clean
from responders._live import asked_on
from shared.errors import Unobtainable

if TYPE_CHECKING:
    from shared.clients.interface import Devices
    from shared.models.action import Action


class CleanUp(InLegs):
    """What one action left on one device: `folder` names it where that is known, else `of`, the action's id, does."""

    name = "clean_up"

    def first(self, action: Action, devices: Devices) -> Progress:
        """See `InLegs`."""
        if not action.params.get("of"):
            raise Unobtainable("no action is named that left something", "nothing: this is planned by itself")
        script = action.params.get("script") or asked_on(devices, action.device)
        return Progress(leg=Leg.CLEAN, script=script, folder=action.params.get("folder", ""), of=action.params["of"])

    def after(self) -> After:
        """See `InLegs`."""
        return {Leg.CLEAN: clean}


RESPONDER = CleanUp()
