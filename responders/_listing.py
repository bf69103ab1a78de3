"""What Defender lists of devices: the machine actions of some of them, by device."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.clients.interface import ActionQuery
from shared.errors import Rejected, Transient
from shared.models.action import target_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from responders._ports import Ports
    from shared.models.device import MachineAction

ONE_BY_ONE = 5
_PAGES = 20

log = logging.getLogger(__name__)


def listing(ports: Ports, named: Iterable[str], deadline: timedelta) -> dict[str, list[MachineAction]]:
    """The machine actions of these devices. Few are asked for one by one, which every API understands; more in one
    listing, or one by one where the API refuses that. Raises Transient where it takes longer than `deadline`.
    """
    devices = tuple(dict.fromkeys(named))
    if len(devices) > ONE_BY_ONE:
        try:
            return _listed(ports, devices)
        except Rejected as error:
            log.warning("a listing of several devices was refused (%s); asked one by one", error)
    found: dict[str, list[MachineAction]] = {}
    began = ports.clock.now()
    for device in devices:
        if ports.clock.now() - began > deadline:
            raise Transient("Defender takes too long to list the actions of so many devices")
        found |= _listed(ports, (device,))
    return found


def _listed(ports: Ports, asked: tuple[str, ...]) -> dict[str, list[MachineAction]]:
    found: dict[str, list[MachineAction]] = {target_of(device): [] for device in asked}
    following = ""
    for _ in range(_PAGES):
        page = ports.devices.actions(ActionQuery(machines=asked), following)
        for row in page.actions:
            if target_of(row.machine_id) in found:
                found[target_of(row.machine_id)].append(row)
        following = page.next
        if not following:
            return found
    raise Transient(f"the machine actions of {len(asked)} devices are more than {_PAGES} pages")
