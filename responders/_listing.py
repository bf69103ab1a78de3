"""What Defender lists of devices: the machine actions of some of them, by device."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from shared.clients.interface import ActionQuery
from shared.errors import Rejected, Throttled, Transient
from shared.models.action import target_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from responders._ports import Ports
    from shared.models.device import MachineAction

ONE_BY_ONE = 5
IN_VAIN = 3
"""How many devices are asked about where Defender has an answer for none."""

_PAGES = 20

log = logging.getLogger(__name__)


class Listed(NamedTuple):
    """The machine actions of devices, by device; and of those whose cannot be had, why not."""

    found: dict[str, list[MachineAction]]
    missing: dict[str, Transient | Rejected]


def listing(ports: Ports, named: Iterable[str], deadline: timedelta) -> Listed:
    """The machine actions of these devices. Few are asked for one by one, which every API understands; more in one
    listing, or one by one where that cannot be had: one device is to hold up no others. What is not had by `deadline`,
    or once the budget is used up, is missing, and so is the rest where the first few are.
    """
    devices = tuple(dict.fromkeys(named))
    began = ports.clock.now()
    if len(devices) > ONE_BY_ONE:
        try:
            return Listed(_listed(ports, devices), {})
        except Throttled as error:
            return Listed({}, _each(devices, error))
        except (Rejected, Transient) as error:
            log.warning("a listing of several devices cannot be had (%s); asked one by one", error)
    listed = Listed({}, {})
    for number, device in enumerate(devices):
        if ports.clock.now() - began > deadline:
            late = Transient("Defender takes too long to list the actions of so many devices", 1.0)
            listed.missing.update(_each(devices[number:], late))
            break
        try:
            listed.found.update(_listed(ports, (device,)))
        except (Rejected, Transient) as error:
            in_vain = not listed.found and len(listed.missing) + 1 == IN_VAIN
            over = in_vain or isinstance(error, Throttled)
            listed.missing.update(_each(devices[number:] if over else (device,), error))
            if over:
                break
    return listed


def _each(devices: Iterable[str], error: Transient | Rejected) -> dict[str, Transient | Rejected]:
    return {target_of(device): error for device in devices}


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
