"""Synthetic machines and incidents to try rules with.

Everything here is made up. The members and their types are those of Microsoft's schema and samples (the Graph incident
with expanded alerts, the Defender for Endpoint machine); names, hashes and command lines are inventions, the addresses
are from the ranges reserved for documentation.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from local.tenant.clock import stamp, system_clock
from local.tenant.evidence import device_evidence, file_evidence, fleet_name, process_evidence, user_evidence
from local.tenant.shapes import machine_id
from local.tenant.wire import Json

_PLATFORMS = (("Windows11", "23H2", 22631), ("Windows10", "22H2", 19045), ("WindowsServer2022", "21H2", 20348))


def fleet(count: int, *, seen: datetime | None = None) -> list[Json]:
    """Return `count` synthetic machines: dc1 first, then a Linux server, then workstations host1, host2, ..."""
    now = seen or system_clock()
    return [_machine(number, now) for number in range(count)]


def fleet_id(number: int) -> str:
    """Return the id of the machine at a place of `fleet`: 0 the domain controller, 1 Linux, from 2 workstations."""
    return machine_id(fleet_name(number))


def harmful_incident(
    incident_id: str | None = None,
    *,
    device_id: str | None = None,
    domain_controller_id: str | None = None,
    severity: str = "high",
    created: datetime | None = None,
) -> Json:
    """Return a synthetic incident that wants action.

    A compromised workstation on which a malicious process and its file are still active; a domain controller that was
    merely scanned stands beside it and must be left alone.
    """
    time = created or system_clock()
    victim = device_id or fleet_id(2)
    alert = _alert(
        "Suspicious PowerShell download and execution",
        severity,
        time,
        [
            device_evidence(victim, time, roles=["compromised"], detailed=["Main device"]),
            process_evidence(victim, time, verdict="malicious", remediation="active"),
            file_evidence(victim, time, verdict="malicious", remediation="active"),
            user_evidence(time),
        ],
    )
    scanned = _alert(
        "Network scanning of a server",
        "medium",
        time,
        [
            device_evidence(victim, time, roles=["source"]),
            device_evidence(domain_controller_id or fleet_id(0), time, roles=["scanned"], tags=["Domain Controller"]),
        ],
    )
    title = "Multi-stage incident involving Execution & Discovery on multiple endpoints"
    return _incident(incident_id, title, severity, time, [alert, scanned], priority=91)


def harmless_incident(
    incident_id: str | None = None,
    *,
    device_id: str | None = None,
    severity: str = "high",
    created: datetime | None = None,
) -> Json:
    """Return a synthetic incident that is over: every alert resolved, every evidence remediated."""
    time = created or system_clock()
    device = device_id or fleet_id(3)
    alert = _alert(
        "Malware was prevented",
        severity,
        time,
        [
            device_evidence(device, time, roles=["attacked"]),
            process_evidence(device, time, verdict="malicious", remediation="remediated"),
            file_evidence(device, time, verdict="malicious", remediation="remediated"),
        ],
    )
    alert |= {
        "status": "resolved",
        "resolvedDateTime": stamp(time),
        "detectionSource": "antivirus",
        "investigationState": "successfullyRemediated",
    }
    return _incident(incident_id, "Malware was prevented on one endpoint", severity, time, [alert], priority=10)


def protected_incident(
    incident_id: str | None = None,
    *,
    device_id: str | None = None,
    tag: str = "Domain Controller",
    severity: str = "high",
    created: datetime | None = None,
) -> Json:
    """Return a synthetic incident that is harmful on a device which must not be isolated."""
    time = created or system_clock()
    device = device_id or fleet_id(0)
    alert = _alert(
        "Suspicious access to LSASS",
        severity,
        time,
        [
            device_evidence(device, time, roles=["compromised"], tags=[tag]),
            process_evidence(device, time, verdict="malicious", remediation="active"),
        ],
    )
    return _incident(incident_id, "Credential access on one endpoint", severity, time, [alert], priority=88)


def low_severity_incident(
    incident_id: str | None = None, *, device_id: str | None = None, created: datetime | None = None
) -> Json:
    """Return a synthetic incident of low severity with suspicious, not malicious, evidence."""
    time = created or system_clock()
    device = device_id or fleet_id(4)
    alert = _alert(
        "Unusual number of failed sign-ins",
        "low",
        time,
        [
            device_evidence(device, time, roles=["contextual"]),
            process_evidence(device, time, verdict="suspicious", remediation="none"),
        ],
    )
    return _incident(incident_id, "Unusual number of failed sign-ins on one endpoint", "low", time, [alert], priority=5)


def _machine(number: int, now: datetime) -> Json:
    name = fleet_name(number)
    platform, version, build = _PLATFORMS[number % len(_PLATFORMS)]
    shown: Json = {
        "id": machine_id(name),
        "computerDnsName": name,
        "lastSeen": stamp(now - timedelta(minutes=number % 50)),
        "osPlatform": platform,
        "version": version,
        "osBuild": build,
        "lastIpAddress": f"192.0.2.{number % 250 + 1}",
    }
    if number == 0:
        server = {"osPlatform": "WindowsServer2022", "version": "21H2", "osBuild": 20348}
        shown |= {**server, "deviceValue": "High", "machineTags": ["Domain Controller"], "rbacGroupName": "Servers"}
    elif number == 1:
        shown |= {"osPlatform": "Ubuntu", "version": "24.04", "osBuild": None, "rbacGroupName": "Servers"}
    return shown


def _incident(  # the facts of an incident
    incident_id: str | None, title: str, severity: str, time: datetime, alerts: list[Json], *, priority: int
) -> Json:
    incident: Json = {
        "displayName": title,
        "description": "Synthetic: made up to try rules with.",
        "severity": severity,
        "priorityScore": priority,
        "createdDateTime": stamp(time),
        "lastUpdateDateTime": stamp(time),
        "alerts": alerts,
    }
    return {"id": incident_id, **incident} if incident_id else incident


def _alert(title: str, severity: str, time: datetime, evidence: list[Json]) -> Json:
    return {
        "title": title,
        "description": "Synthetic.",
        "severity": severity,
        "category": "Execution",
        "categories": ["Execution"],
        "mitreTechniques": ["T1059.001"],
        "createdDateTime": stamp(time),
        "lastUpdateDateTime": stamp(time),
        "firstActivityDateTime": stamp(time - timedelta(minutes=4)),
        "lastActivityDateTime": stamp(time - timedelta(minutes=1)),
        "evidence": evidence,
    }
