"""What a condition is asked about: an incident as it stands, a device that it concerns, and the time. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from responders import _findings
from responders._concern import borne, devices
from shared.models.action import target_of
from shared.models.device import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.models.incident import Alert, Evidence, Incident
    from shared.models.plan import Affected


@dataclass(frozen=True)
class Scene:
    """An incident at a time. What is read more than once is read once. `machines` are the details of devices by id:
    None where they could not be read; of a device that is missing, nobody asked. `found` are the truths of rules by
    their places, as far as somebody asked for them.
    """

    incident: Incident
    machines: Mapping[str, Machine | None]
    now: datetime
    found: dict[int, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts that nobody classified as benign."""
        return tuple(alert for alert in self.incident.alerts if not alert.benign)

    @cached_property
    def severity(self) -> int:
        """The highest rank; 0 where it is not known."""
        return _findings.severity_of(self.incident, self.alerts)

    @cached_property
    def evidence(self) -> tuple[Evidence, ...]:
        """Every evidence of those alerts."""
        return tuple(evidence for alert in self.alerts for evidence in alert.evidence)

    @cached_property
    def borne(self) -> Mapping[str, Sequence[Evidence]]:
        """The evidence that names a device or lies on it, by device."""
        return borne(self.alerts)

    @cached_property
    def complete(self) -> bool:
        """Whether all evidence was sent."""
        return self.incident.whole and all("evidence" in alert.model_fields_set for alert in self.alerts)

    @cached_property
    def concerned(self) -> tuple[tuple[Affected, ...], tuple[str, ...]]:
        """The devices concerned, and in words those that nothing can be done to."""
        return devices(self.alerts)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The scene once for every device concerned."""
        return tuple(Case(self, self._device(affected)) for affected in self.concerned[0])

    @cached_property
    def nobody(self) -> Case:
        """The scene without any device, or with one of which nothing is known."""
        return Case(self, None)

    def _device(self, affected: Affected) -> DeviceCase:
        spelt = next((id_ for id_ in (affected.id, target_of(affected.id)) if id_ in self.machines), "")
        return DeviceCase(affected, self.machines.get(spelt), bool(spelt), self)


@dataclass(frozen=True, slots=True)
class Case:
    """A scene, and one device of it."""

    scene: Scene
    device: DeviceCase | None


@dataclass(frozen=True)
class DeviceCase:
    """A device that an incident concerns. `machine` are its details, None where they could not be read, or where nobody
    has asked for them yet.
    """

    affected: Affected
    machine: Machine | None
    asked: bool
    scene: Scene

    @property
    def label(self) -> str:
        """What it is called in chat: its first label."""
        return self.affected.name.partition(".")[0][:40]

    @cached_property
    def items(self) -> tuple[Evidence, ...]:
        """The evidence that names the device or lies on it."""
        return tuple(self.scene.borne.get(target_of(self.affected.id), ()))

    @cached_property
    def own(self) -> tuple[Evidence, ...]:
        """The evidence that is the device itself."""
        return tuple(item for item in self.items if item.kind == "device")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name that it goes by. The start of its id, which stands in for a missing one, is none."""
        said = [name for item in self.own for name in (item.dns_name, item.host_name)]
        if self.machine:
            said.append(self.machine.name)
        return tuple(dict.fromkeys(name for name in said if name))

    @cached_property
    def hints(self) -> tuple[str, ...]:
        """What tags and roles say of what it is for."""
        details = (*self.machine.tags, *self.machine.hints) if self.machine else ()
        return (*self.affected.hints, *details)


def told_machines(incident: Incident) -> dict[str, Machine | None]:
    """The details of devices as the evidence has them: as they were when the alerts were made, without value and roles.

    For replaying old incidents, where nobody can be asked any more. Where it matters, ask Defender.
    """
    newest = {
        target_of(item.device_id): item
        for alert in incident.alerts
        if not alert.benign
        for item in alert.evidence
        if item.device_id and item.kind == "device"
    }
    return {device: _told(item) for device, item in newest.items()}


def _told(item: Evidence) -> Machine:
    """What evidence says of a device. It went through the same lenient fields; what is empty was not said."""
    said = {
        "name": item.dns_name or item.host_name,
        "os_platform": item.os_platform,
        "health": item.health,
        "onboarding": item.onboarding,
        "risk": item.risk,
        "group": item.group,
    }
    told = {name: value for name, value in said.items() if value}
    return _UNTOLD.model_copy(update={"id": item.device_id, "tags": item.tags, "hints": item.detailed_roles, **told})


_UNTOLD = Machine(hints=())  # with hints, no answer is being read, and nothing counts as missing from one
