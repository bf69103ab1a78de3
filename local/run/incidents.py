"""What is raised in the tenant: built-in incidents, or a folder of incidents as Graph returns them, made present."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from local.tenant import samples
from shared.models.incident import Incident
from shared.models.lenient import instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]
FLEET = 60
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class ReplayError(Exception):
    """A folder of incidents that cannot be replayed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the tenant holds: its machines, and the incidents that are raised, each with what it shows."""

    machines: list[Json]
    incidents: list[Json]


def built_in() -> Scene:
    """One harmful incident, one harmless, one on a protected device, and one on a Linux server. Synthetic."""
    machines = samples.fleet(FLEET)
    protected = next(each for each in machines if each["id"] == samples.fleet_id(5))
    protected["machineTags"] = [*protected.get("machineTags", []), "Payroll"]
    server = next(each for each in machines if each["id"] == samples.fleet_id(1))
    server["device"] = {"memory_mib": 20}
    incidents = [
        samples.harmful_incident("1001", device_id=samples.fleet_id(2), domain_controller_id=samples.fleet_id(0)),
        samples.harmless_incident("1002", device_id=samples.fleet_id(3)),
        samples.protected_incident("1003", device_id=samples.fleet_id(5), tag="Payroll"),
        samples.harmful_incident("1004", device_id=samples.fleet_id(1), domain_controller_id=samples.fleet_id(0)),
    ]
    return Scene(machines, [unstamped(raw) for raw in incidents])


def replayed(folder: Path) -> Scene:
    """The incidents of a folder's JSON files, each moved in time so that its newest alert is now, and a machine for
    every device that they name.

    Raises:
        ReplayError: no file, or one that is not JSON of incidents.
    """
    if not folder.is_dir():
        raise ReplayError(f"INCIDENTS={folder}: there is no such folder")
    now = datetime.now(UTC)
    incidents = [_present(raw, now) for path in sorted(folder.glob("*.json")) for raw in _read(path)]
    if not incidents:
        raise ReplayError(f"INCIDENTS={folder}: no *.json with incidents; export them from Graph with $expand=alerts")
    machines = {machine["id"]: machine for raw in incidents for machine in _machines(raw)}
    others = [each for each in samples.fleet(FLEET) if each["id"] not in machines]
    return Scene([*machines.values(), *others], incidents)


def _read(path: Path) -> Iterator[Json]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ReplayError(f"{path}: not JSON ({error})") from None
    found = content.get("value", [content]) if isinstance(content, dict) else content
    if not isinstance(found, list) or not all(isinstance(raw, dict) for raw in found):
        raise ReplayError(f"{path}: neither an incident, nor a list of incidents, nor a Graph answer with 'value'")
    yield from found


def _present(raw: Json, now: datetime) -> Json:
    newest = Incident.model_validate(raw).newest_alert
    return unstamped(_moved(raw, now - newest) if newest else raw)


def unstamped(raw: Json) -> Json:
    """The incident without its time of change: that is when the tenant shows it."""
    return {name: value for name, value in raw.items() if name != "lastUpdateDateTime"}


def _moved(value: Any, by: timedelta) -> Any:  # noqa: ANN401 - JSON
    """A JSON value with every instant in it moved."""
    if isinstance(value, dict):
        return {key: _moved(member, by) for key, member in value.items()}
    if isinstance(value, list):
        return [_moved(member, by) for member in value]
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        moment = instant(value)
        return (moment + by).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else value
    return value


def _dicts(value: object) -> list[Json]:
    """The objects of a list, where it is one: what was exported may hold nulls."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _machines(raw: Json) -> Iterator[Json]:
    """The machines that an incident names, as its evidence describes them."""
    known: set[str] = set()
    evidence = [item for alert in _dicts(raw.get("alerts")) for item in _dicts(alert.get("evidence"))]
    for item in sorted(evidence, key=lambda each: "deviceEvidence" not in str(each.get("@odata.type"))):
        device = item.get("mdeDeviceId")
        if not isinstance(device, str) or not device or device in known:
            continue
        known.add(device)
        name, tags = item.get("deviceDnsName"), item.get("tags")
        named = name if isinstance(name, str) and name else f"device-{device[:8]}"
        machine: Json = {"id": device, "computerDnsName": named, "machineTags": tags if isinstance(tags, list) else []}
        machine |= {
            member: item[source]
            for member, source in (("osPlatform", "osPlatform"), ("version", "version"), ("osBuild", "osBuild"))
            if item.get(source)
        }
        yield machine
