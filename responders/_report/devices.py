"""The devices of a report, by the ids that its parts name them with. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.models.action import target_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responders._report.value import Report

_SHORT = 60


def devices(report: Report) -> dict[str, str]:
    """Name by id, the concerned devices first. An id counts once, however it is spelt."""
    found: dict[str, str] = {}
    for device, name in _named(report):
        if device:
            found[target_of(device)] = found.get(target_of(device)) or name[:_SHORT]
    return {device: name or device[:_SHORT] for device, name in found.items()}


def _named(report: Report) -> Iterator[tuple[str, str]]:
    yield from ((each.id, each.name) for each in (report.assessment.devices if report.assessment else ()))
    yield from ((action.device, action.device_name) for action in report.actions)
    for alert in report.incident.alerts:
        yield from ((each.device_id, each.dns_name or each.host_name) for each in alert.evidence)
    found = report.findings
    yield from ((device, "") for device in {each.key.device for each in found.processes})
    for rows in (found.events, found.endpoints, found.persistence, found.accounts, found.sources, found.missing):
        yield from ((device, "") for device in sorted({each.device for each in rows}))
