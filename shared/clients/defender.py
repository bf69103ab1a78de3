"""Devices and machine actions from the Defender for Endpoint API (`/api/...`).

Kept behind one adapter in case Microsoft retires more of this API than hunting. Bodies are case-sensitive there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.clients.graph import instant
from shared.clients.interface import ACTIONS_PAGE, ONBOARDED_PAGE, ActionQuery
from shared.errors import NotFound, OutcomeUnknown, Rejected, Transient
from shared.models.device import Machine, MachineAction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.clients.web import Api

BAD_REQUEST = 400
_DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class DefenderDevices:
    """`Devices` over HTTP. `deadline` is what an acting POST may take in all, in seconds."""

    def __init__(self, api: Api, deadline: float) -> None:
        """`api` carries a token for Defender."""
        self._api = api
        self._deadline = deadline

    def machine(self, device: str) -> Machine:
        """See `Devices.machine`. The API also takes a computer's name; an answer about another id is no answer."""
        machine = Machine.model_validate(self._api.read(f"/api/machines/{_safe(device)}").body)
        if machine.id and machine.id.lower() != device.lower():
            raise NotFound("Defender answered about another device", status=404, code="ResourceNotFound")
        return machine

    def onboarded(self, skip: int = 0) -> int:
        """See `Devices.onboarded`. Where the filter finds nothing or is refused, all machines are counted instead."""
        page = {"$top": str(ONBOARDED_PAGE), "$skip": str(skip)}
        try:
            found = self._onboarded({"$filter": "onboardingStatus eq 'Onboarded'", **page})
        except Rejected as error:
            if error.status != BAD_REQUEST:
                raise
            found = 0
        return found or (self._onboarded(page) if skip == 0 else 0)

    def _onboarded(self, params: Mapping[str, str]) -> int:
        """How many of a page's machines are onboarded. The API answers 404 where no machine matches."""
        try:
            found = _list(self._api.read("/api/machines", params).body)
        except NotFound:
            return 0
        return sum(Machine.model_validate(raw).onboarding == "onboarded" for raw in found)

    def actions(self, query: ActionQuery, skip: int = 0) -> Sequence[MachineAction]:
        """See `Devices.actions`."""
        params = {"$top": str(ACTIONS_PAGE)}
        if skip:
            params["$skip"] = str(skip)
        conditions = []
        if query.machines:
            named = " or ".join(f"machineId eq '{_safe(machine)}'" for machine in query.machines)
            conditions.append(f"({named})" if query.since and len(query.machines) > 1 else named)
        if query.since:
            conditions.append(f"creationDateTimeUtc ge {instant(query.since)}")
        if conditions:
            params["$filter"] = " and ".join(conditions)
        try:
            found = _list(self._api.read("/api/machineactions", params).body)
        except NotFound:
            return ()
        return [MachineAction.model_validate(raw) for raw in found]

    def action(self, action: str) -> MachineAction:
        """See `Devices.action`."""
        return MachineAction.model_validate(self._api.read(f"/api/machineactions/{quote(action, safe='')}").body)

    def isolate(self, device: str, comment: str) -> MachineAction:
        """See `Devices.isolate`."""
        return self._act(device, "isolate", {"Comment": comment, "IsolationType": "Full"})

    def release(self, device: str, comment: str) -> MachineAction:
        """See `Devices.release`."""
        return self._act(device, "unisolate", {"Comment": comment})

    def collect_package(self, device: str, comment: str) -> MachineAction:
        """See `Devices.collect_package`."""
        return self._act(device, "collectInvestigationPackage", {"Comment": comment})

    def package_link(self, action: str) -> str:
        """See `Devices.package_link`. The value comes wrapped in quotation marks of its own."""
        body = self._api.read(f"/api/machineactions/{quote(action, safe='')}/getPackageUri").body
        link = body.get("value")
        if not isinstance(link, str) or not link.strip('"'):
            raise Transient("Defender answered a package link without a value")
        return link.strip().strip('"')

    def _act(self, device: str, verb: str, body: Mapping[str, object]) -> MachineAction:
        answer = self._api.act(f"/api/machines/{_safe(device)}/{verb}", body, self._deadline)
        made = MachineAction.model_validate(answer)
        if not made.id:
            raise OutcomeUnknown(f"{verb}: accepted without an action id")
        return made


def _safe(device: str) -> str:
    """A device id that cannot leave its place in a path or filter."""
    if not _DEVICE_ID.fullmatch(device):
        raise Rejected("not a Defender device id", status=400, code="InvalidInput")
    return device


def _list(body: Mapping[str, Any]) -> list[Any]:
    found = body.get("value")
    if not isinstance(found, list):
        raise Transient("Defender answered a list without its value")
    return [item for item in found if isinstance(item, dict)]
