"""Take a device off the network, but for its line to Defender (isolation type Full).

Defender's own double-isolate race can end with a device isolated after it was released, so nothing is sent while an
isolation or release is pending, or while an isolation is effective, whoever asked for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._interface import Clear, Done, Lane, Later, Others, Ours, Refuse, adopted, newest
from shared.models.incident import SEVERITIES
from shared.models.plan import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction
    from shared.models.plan import Assessment


class Isolate:
    """The isolation of one device."""

    name = "isolate"
    lane = Lane.CONTAIN
    api = "isolate"
    kinds = ("isolate", "unisolate")
    permissions = ("Machine.Isolate", "Machine.Read.All")
    contains = True
    fetches = None

    def wants(self, assessment: Assessment) -> str:
        """Harmful at medium or high severity; at unknown severity too, and then a person decides (a guard rail)."""
        if assessment.verdict is not Verdict.HARMFUL or 0 < assessment.severity < SEVERITIES["medium"]:
            return ""
        return assessment.reasons[0]

    def standing(  # noqa: PLR0911 - one standing after the other, the strongest first
        self, action: Action, listed: Sequence[MachineAction], own: str, ours: str
    ) -> Standing:
        """See `Responder.standing`. A person's release stands until an alert on the device created after it."""
        last = newest(listed, kinds=self.kinds, status="succeeded")
        mine = adopted(action, listed, own, self.kinds[0])
        undone = mine and mine.status == "succeeded" and last and last.kind == "unisolate"
        if mine and not undone:
            return Ours(mine)
        pending = [each for each in listed if each.kind in self.kinds and not each.final]
        if any(each.kind == "unisolate" for each in pending):
            return Later("a release of the device is under way")
        if pending:
            return Others(pending[0])
        if last is None:
            return Clear()
        if last.kind == "isolate":
            return Done(f"already isolated through {last.requestor or 'somebody else'}")
        if ours not in last.comment and not _alert_after(action, last):
            return Refuse(f"released by {last.requestor or 'a person'}, and no alert was created since")
        return Clear()

    def send(self, devices: Devices, device: str, comment: str) -> MachineAction:
        """See `Responder.send`."""
        return devices.isolate(device, comment)

    def link(self, devices: Devices, machine_action: str) -> str:
        """Nothing to fetch."""
        del devices, machine_action
        raise AssertionError("an isolation leaves nothing to fetch")


RESPONDER = Isolate()


def _alert_after(action: Action, release: MachineAction) -> bool:
    alert = action.device_alert or action.newest_alert
    return bool(release.created and alert and alert > release.created)
