"""The tenant's machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.tenant import shapes
from local.tenant.actions import Presence
from local.tenant.listing import ListRules, cut, read_query
from local.tenant.odata import Field, ODataError
from local.tenant.settings import ACTION_KINDS, FINAL_STATUSES
from local.tenant.wire import ApiError, Json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from local.tenant.clock import Clock

_TEXT = Field("text")
_RULES = ListRules(
    fields={
        "computerDnsName": _TEXT,
        "id": _TEXT,
        "version": _TEXT,
        "deviceValue": _TEXT,
        "aadDeviceId": _TEXT,
        "machineTags": Field("list"),
        "lastSeen": Field("time"),
        "exposureLevel": _TEXT,
        "onboardingStatus": _TEXT,
        "lastIpAddress": _TEXT,
        "healthStatus": _TEXT,
        "osPlatform": _TEXT,
        "riskScore": _TEXT,
        "rbacGroupId": Field("number"),
    },
    max_top=10_000,
    page=10_000,
    options=frozenset({"$filter", "$top", "$skip"}),
)
_CONTEXT = "https://api.security.microsoft.com/api/$metadata#Machines"


@dataclass(slots=True)
class Machine:
    """A machine as the API shows it, and what the simulation knows besides."""

    shown: Json
    presence: Presence = field(default_factory=Presence)
    session_until: datetime | None = None
    outcomes: dict[str, Json] = field(default_factory=dict)
    package_file: str | None = None
    device: Json = field(default_factory=dict)


class Fleet:
    """Machines by id."""

    def __init__(self, now: Clock) -> None:
        """Start without any."""
        self._now = now
        self._machines: dict[str, Machine] = {}

    def put(self, given: Json) -> Machine:
        """Add a machine, or change the members given of a known one.

        Beside the API's members it takes `online`, `package_file`, `device` (see `sandbox.py`) and `outcomes`:
        {action type: {"status", "error", "troubleshoot", "times"}}.
        """
        members = dict(given)
        outcomes = _outcomes(members.pop("outcomes", None))
        package_file, online = members.pop("package_file", None), members.pop("online", None)
        device = members.pop("device", None) or {}
        known = self._machines.get(str(members.get("id", "")))
        shown = shapes.machine({**(known.shown if known else {}), **members}, self._now())
        machine = self._machines.setdefault(shown["id"], Machine(shown))
        machine.shown = shown
        machine.outcomes.update(outcomes)
        machine.package_file = package_file or machine.package_file
        machine.device.update(device)
        if online is not None and online != machine.presence.online(self._now()):
            machine.presence.set(self._now(), online=online)
        return machine

    def one(self, machine_id: str) -> Machine:
        """Return a machine by its id; ApiError 404."""
        if machine_id not in self._machines:
            raise ApiError(404, "ResourceNotFound", f"Machine {machine_id} was not found.")
        return self._machines[machine_id]

    def everything(self) -> list[Machine]:
        """Return all machines."""
        return list(self._machines.values())

    def get(self, name_or_id: str) -> Json:
        """Answer GET /api/machines/{id}; of several machines with one name, the one seen last."""
        named = [
            machine.shown
            for machine in self._machines.values()
            if machine.shown["computerDnsName"].lower() == name_or_id.lower()
        ]
        if name_or_id not in self._machines and named:
            shown = max(named, key=lambda one: str(one["lastSeen"]))
        else:
            shown = self.one(name_or_id).shown
        return {"@odata.context": f"{_CONTEXT}/$entity", **shown}

    def listing(self, options: Mapping[str, str]) -> Json:
        """Answer GET /api/machines; ApiError 404 when none matches."""
        try:
            page = cut((machine.shown for machine in self._machines.values()), read_query(options, _RULES))
        except ODataError as error:
            raise ApiError(400, "ODataError", str(error)) from error
        if page.total == 0:
            raise ApiError(404, "ResourceNotFound", "No recent machines were found.")
        return {"@odata.context": _CONTEXT, "value": [dict(one) for one in page.items]}


def _outcomes(value: object) -> dict[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiError(400, "BadRequest", "outcomes must be an object.")
    for kind, one in value.items():
        good = isinstance(one, dict) and one.get("status", "Failed") in FINAL_STATUSES
        if kind not in ACTION_KINDS or not good or set(one) - {"status", "error", "troubleshoot", "times"}:
            raise ApiError(400, "BadRequest", f"outcomes: '{kind}' is not an action type with a final status.")
    return {kind: dict(one) for kind, one in value.items()}
