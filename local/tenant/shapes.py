"""The members that incidents, alerts and machines have, filled in where a person left them out.

Names and types are those of Microsoft's schema; every value filled in here is synthetic.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from local.tenant.clock import seven_digits, stamp

if TYPE_CHECKING:
    from datetime import datetime

    from local.tenant.wire import Json

PORTAL = "https://security.microsoft.com"


def machine_id(name: str) -> str:
    """Return the id a machine of this name gets: 40 hexadecimal digits."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


def machine(given: Json, now: datetime) -> Json:
    """Complete a machine."""
    name = given.get("computerDnsName") or f"host-{str(given.get('id', '1'))[:8]}.contoso.com"
    filled: Json = {
        "id": machine_id(name),
        "computerDnsName": name,
        "firstSeen": "2025-09-12T07:28:32.4321753Z",
        "lastSeen": stamp(now),
        "osPlatform": "Windows11",
        "version": "23H2",
        "osProcessor": "x64",
        "osArchitecture": "64-bit",
        "osBuild": 22631,
        "lastIpAddress": "10.0.0.5",
        "lastExternalIpAddress": "203.0.113.7",
        "healthStatus": "Active",
        "onboardingStatus": "Onboarded",
        "deviceValue": "Normal",
        "rbacGroupId": 140,
        "rbacGroupName": "Workstations",
        "riskScore": "None",
        "exposureLevel": "Medium",
        "isAadJoined": True,
        "aadDeviceId": None,
        "machineTags": [],
        "ipAddresses": [{"ipAddress": "10.0.0.5", "macAddress": "8CEC4B897E73", "operationalStatus": "Up"}],
    }
    return _even({**filled, **given}, ("firstSeen", "lastSeen"))


def incident(given: Json, incident_id: str, tenant_id: str, now: datetime) -> Json:
    """Complete an incident; its alerts are completed too."""
    time = stamp(now)
    created = given.get("createdDateTime") or time
    filled: Json = {
        "id": incident_id,
        "tenantId": tenant_id,
        "status": "active",
        "incidentWebUrl": f"{PORTAL}/incidents/{incident_id}?tid={tenant_id}",
        "redirectIncidentId": None,
        "displayName": f"Synthetic incident {incident_id}",
        "createdDateTime": created,
        "lastUpdateDateTime": time,
        "assignedTo": None,
        "classification": "unknown",
        "determination": "unknown",
        "severity": "medium",
        "customTags": [],
        "systemTags": [],
        "description": "",
        "summary": None,
        "resolvingComment": None,
        "priorityScore": None,
        "lastModifiedBy": "Microsoft 365 Defender-AlertCorrelation",
        "comments": [],
        "alerts": [],
    }
    whole = {**filled, **{name: value for name, value in given.items() if value is not None or name in filled}}
    whole["alerts"] = [alert(one, whole, place, now) for place, one in enumerate(whole["alerts"])]
    return _even(whole, _TIMES)


def alert(given: Json, owner: Json, place: int, now: datetime) -> Json:
    """Complete an alert of an incident."""
    time = stamp(now)
    alert_id = given.get("id") or f"da{owner['id']}{place:06d}_{place + 1}"
    tenant_id = owner["tenantId"]
    filled: Json = {
        "id": alert_id,
        "providerAlertId": alert_id,
        "incidentId": owner["id"],
        "tenantId": tenant_id,
        "status": "new",
        "severity": owner["severity"],
        "classification": "unknown",
        "determination": "unknown",
        "serviceSource": "microsoftDefenderForEndpoint",
        "detectionSource": "microsoftDefenderForEndpoint",
        "productName": "Microsoft Defender for Endpoint",
        "detectorId": "e0da400f-affd-43ef-b1d5-afc2eb6f2756",
        "alertPolicyId": None,
        "title": "Synthetic alert",
        "description": "",
        "recommendedActions": "",
        "category": "Malware",
        "categories": ["Malware"],
        "assignedTo": None,
        "alertWebUrl": f"{PORTAL}/alerts/{alert_id}?tid={tenant_id}",
        "incidentWebUrl": f"{PORTAL}/incidents/{owner['id']}?tid={tenant_id}",
        "actorDisplayName": None,
        "threatDisplayName": None,
        "threatFamilyName": None,
        "mitreTechniques": [],
        "investigationState": "unsupportedAlertType",
        "createdDateTime": time,
        "lastUpdateDateTime": time,
        "resolvedDateTime": None,
        "firstActivityDateTime": time,
        "lastActivityDateTime": time,
        "comments": [],
        "systemTags": [],
        "additionalData": None,
        "customDetails": None,
        "evidence": [],
    }
    whole = {**filled, **given, "incidentId": owner["id"]}
    whole["evidence"] = [evidence(one, now) for one in whole["evidence"]]
    return _even(whole, _TIMES)


def evidence(given: Json, now: datetime) -> Json:
    """Complete one evidence with the members that every kind has."""
    filled: Json = {
        "@odata.type": "#microsoft.graph.security.deviceEvidence",
        "createdDateTime": stamp(now),
        "verdict": "unknown",
        "remediationStatus": "none",
        "remediationStatusDetails": None,
        "roles": [],
        "detailedRoles": [],
        "tags": [],
    }
    return _even({**filled, **given}, ("createdDateTime",))


def deep_set(target: Json, members: Json) -> None:
    """Set members; objects within objects are merged, everything else is replaced."""
    for name, value in members.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            deep_set(target[name], value)
        else:
            target[name] = value


_TIMES = (
    "createdDateTime",
    "lastUpdateDateTime",
    "resolvedDateTime",
    "firstActivityDateTime",
    "lastActivityDateTime",
)


def _even(whole: Json, names: tuple[str, ...]) -> Json:
    """Give timestamps seven digits, as the service does."""
    changed: dict[str, Any] = {name: seven_digits(whole[name]) for name in names if whole.get(name)}
    return {**whole, **changed}
