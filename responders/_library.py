"""The live response library as code: our scripts are what stands beside this module, and nothing unpinned runs.

The library is the tenant's, and whoever may manage it can replace what runs on devices. So its listing is compared by
hash before every session: our scripts are put back where they differ, and a file of the operator's is used only while
it is the one that the setting TOOLS names.
"""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from responders._governed import GovernedDevices
from responders._governor import passing
from shared.errors import Transient, Unobtainable
from shared.models.command import GetFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from responders._governor import Governor
    from shared.clients.interface import Devices
    from shared.config import Settings
    from shared.models.command import Command
    from shared.models.device import MachineAction

FOLDER = Path(__file__).with_name("live_response")
DESCRIPTION = "Bulkhead's; it is put back whenever it differs"
_WINDOWS = ".ps1"

log = logging.getLogger(__name__)


@cache
def scripts() -> Mapping[str, bytes]:
    """Our scripts by their names in the library."""
    return {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in {".sh", ".ps1"}}


def sha256(content: bytes) -> str:
    """The hash of a file as the library tells it."""
    return hashlib.sha256(content).hexdigest()


def sync(devices: Devices, wanted: Iterable[str]) -> list[str]:
    """Have the library hold these scripts of ours as they are here; gives the names of those that were put there.
    Raises Transient and Rejected.
    """
    return _put(devices, set(wanted), {each.name: each.sha256 for each in devices.library()})


def _put(devices: Devices, wanted: Iterable[str], listed: Mapping[str, str]) -> list[str]:
    differing = [name for name in sorted(wanted) if listed.get(name) != sha256(scripts()[name])]
    for name in differing:
        log.warning("the library's %s is not ours (%s); it is put there", name, listed.get(name, "missing"))
        devices.upload(name, scripts()[name], DESCRIPTION)
    return differing


class PinnedDevices(GovernedDevices):
    """`Devices` within their budgets, whose live response sessions use nothing but what is pinned."""

    def __init__(self, inner: Devices, governor: Governor, settings: Settings, held: Callable[[], str]) -> None:
        """`inner` makes the calls; `held` says who holds everything, empty where nobody does."""
        super().__init__(inner, governor)
        self._settings = settings
        self._held = held

    def live_response(self, device: str, commands: Sequence[Command], comment: str) -> MachineAction:
        """See `Devices.live_response`. Raises also Unobtainable, where a file of the operator's is not the pinned one,
        or Windows is off. After an upload it raises Transient, for the POST to be made by somebody with time for it;
        likewise where somebody began to hold everything while the library was read.
        """
        names = {command.name for command in commands if not isinstance(command, GetFile)}
        windows = any(name.endswith(_WINDOWS) for name in names & scripts().keys())
        if windows and self._settings.WINDOWS_LIVE_RESPONSE == "off":
            said = "live response on Windows is experimental and switched off (WINDOWS_LIVE_RESPONSE)"
            raise Unobtainable(said, "read docs/live-response.md before you switch it on")
        listed = {each.name: each.sha256 for each in self.library()} if names else {}
        for name in sorted(names - scripts().keys()):
            self._check(name, listed.get(name, ""))
        put = _put(self, names & scripts().keys(), listed)
        if put:
            raise Transient(f"the library did not hold our {', '.join(put)}; now it does")
        self._look()
        return super().live_response(device, commands, comment)

    def _look(self) -> None:
        """Raise Transient where everything is held by now."""
        with passing("whether everything is held cannot be read now"):
            hold = self._held()
        if hold:
            raise Transient(f"everything is held {hold}")

    def _check(self, name: str, found: str) -> None:
        pinned = self._settings.TOOLS.get(name)
        if pinned is None:
            said = f"{name} is not pinned, and nothing unpinned runs on a device"
            raise Unobtainable(said, f"add {name} with its SHA-256 to the setting TOOLS")
        if not found:
            raise Unobtainable(f"the live response library holds no {name}", f"upload {name} to the library")
        if found.lower() != pinned.sha256.lower():
            said = f"the live response library's {name} is not the pinned one: its SHA-256 is {found[:16]}..."
            raise Unobtainable(said, f"find out who replaced {name}; then upload the right one, or correct TOOLS")
