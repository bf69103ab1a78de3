"""Incidents, alerts and evidence as Graph v1.0 sends them, and what the ledger makes of them.

All of it is synthetic: made up after the members and enums of the fact sheet (defender-api.md 2.3 to 2.7), with
7-digit fractions, nulls and PascalCase slips where real answers have them. No real tenant was copied.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from shared.models.action import Action, State
from shared.models.device import Machine, MachineAction
from shared.models.plan import Affected, Assessment, Verdict, Want
from shared.models.progress import IncidentState
from tests.unit.oracle import wanted

Raw = dict[str, Any]

NOW = datetime(2026, 8, 13, 9, 0, tzinfo=UTC)
HOST1 = "73e7e2de709dff64ef64b1d0c30e67fab63279db"
HOST2 = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"
HOST3 = "a9e15a8b846d93d43d6000000000000000000003"
MARKER = "[bulkhead test/"

_NAMESPACE = "#microsoft.graph.security."


def graph_time(moment: datetime) -> str:
    """An instant with seven fractional digits."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f3Z")


def evidence(kind: str, **members: object) -> Raw:
    """One entity of any kind, harmless until members say otherwise."""
    return {
        "@odata.type": f"{_NAMESPACE}{kind}Evidence",
        "createdDateTime": graph_time(NOW),
        "verdict": "unknown",
        "remediationStatus": "none",
        "remediationStatusDetails": None,
        "roles": [],
        "detailedRoles": [],
        "tags": [],
        **members,
    }


def device(mde: object = HOST1, *, name: str = "host1.contoso.com", **members: object) -> Raw:
    """Device evidence: onboarded and compromised."""
    own: Raw = {
        "mdeDeviceId": mde,
        "deviceDnsName": name,
        "hostName": name.partition(".")[0],
        "osPlatform": "Windows11",
        "onboardingStatus": "onboarded",
        "healthStatus": "active",
        "rbacGroupName": "UnassignedGroup",
        "roles": ["compromised"],
        "detailedRoles": ["Main device"],
    }
    return evidence("device", **(own | members))


def bystander(mde: object = HOST1, **members: object) -> Raw:
    """Device evidence that says nothing against the device."""
    return device(mde) | {"roles": ["contextual"]} | members


def file(mde: object = HOST1, **members: object) -> Raw:
    """File evidence: malicious and active."""
    own: Raw = {
        "mdeDeviceId": mde,
        "verdict": "malicious",
        "remediationStatus": "active",
        "detectionStatus": "detected",
        "fileDetails": {"fileName": "evil.exe", "filePath": "C:\\Temp", "fileSize": 6136392, "sha1": None},
    }
    return evidence("file", **(own | members))


def process(mde: object = HOST1, **members: object) -> Raw:
    """Process evidence: suspicious and active."""
    own: Raw = {
        "mdeDeviceId": mde,
        "verdict": "suspicious",
        "remediationStatus": "active",
        "detectionStatus": "detected",
        "processId": 4780,
        "processCommandLine": "evil.exe /run",
        "imageFile": {"fileName": "evil.exe", "filePath": "C:\\Temp"},
        "userAccount": {"accountName": "alice", "domainName": "CONTOSO"},
    }
    return evidence("process", **(own | members))


def alert(*items: Raw, created: datetime = NOW, **members: object) -> Raw:
    """A new alert of high severity about these entities."""
    return {
        "id": "da637551227677560813_-961444813",
        "incidentId": "2972395",
        "status": "new",
        "severity": "high",
        "classification": "unknown",
        "determination": "unknown",
        "serviceSource": "microsoftDefenderForEndpoint",
        "title": "Suspicious execution of hidden file",
        "description": "A hidden file has been launched.",
        "createdDateTime": graph_time(created),
        "lastUpdateDateTime": graph_time(created),
        "comments": [],
        "evidence": list(items),
        **members,
    }


def incident(*alerts: Raw, **members: object) -> Raw:
    """An active incident of high severity with these alerts."""
    return {
        "id": "2972395",
        "tenantId": "b3c1b5fc-828c-45fa-a1e1-10d74f6d6e9c",
        "status": "active",
        "severity": "high",
        "classification": "unknown",
        "determination": "unknown",
        "displayName": "Multi-stage incident on one endpoint",
        "incidentWebUrl": "https://security.microsoft.com/incidents/2972395?tid=b3c1b5fc",
        "redirectIncidentId": None,
        "createdDateTime": graph_time(NOW),
        "lastUpdateDateTime": graph_time(NOW),
        "lastModifiedBy": "Microsoft 365 Defender-AlertCorrelation",
        "customTags": [],
        "systemTags": [],
        "comments": [],
        "alerts": list(alerts),
        **members,
    }


# What the product makes of them


def assessment(*devices: Affected, **members: Any) -> Assessment:  # noqa: ANN401 - whatever an assessment has
    """Harmful at high severity, just now."""
    own: Raw = {
        "verdict": Verdict.HARMFUL,
        "reasons": ("severity high, 1 of 1 alerts open",),
        "severity": 4,
        "newest_alert": NOW,
        "devices": devices,
    }
    made = Assessment(**(own | members))
    wants = tuple(Want(responder=name, rule="test") for name in ("isolate", "collect_package") if name in wanted(made))
    return made.model_copy(update={"devices": tuple(each.model_copy(update={"wants": wants}) for each in made.devices)})


def affected(mde: str = HOST1, **members: Any) -> Affected:  # noqa: ANN401 - likewise
    """A device that an assessment concerns."""
    own: Raw = {"id": mde, "name": f"{mde[:4]}.contoso.com", "onboarding": "onboarded", "why": ("role compromised",)}
    return Affected(**(own | {"newest_alert": NOW} | members))


def machine(**members: object) -> Machine:
    """A device as `GET /api/machines/{id}` tells it: nothing special."""
    own: Raw = {
        "id": HOST1,
        "computerDnsName": "host1.contoso.com",
        "osPlatform": "Windows11",
        "healthStatus": "Active",
        "onboardingStatus": "Onboarded",
        "machineTags": [],
        "rbacGroupName": "The-A-Team",
    }
    return Machine.model_validate(own | members)


def action(**members: Any) -> Action:  # noqa: ANN401 - likewise
    """A planned isolation whose device is known and nothing special."""
    own: Raw = {
        "incident": "2972395",
        "version": "v1",
        "device": HOST1,
        "device_name": "host1.contoso.com",
        "responder": "isolate",
        "round": 1,
        "state": State.PLANNED,
        "created": NOW,
        "since": NOW,
        "due": NOW,
        "severity": 4,
        "newest_alert": NOW,
        "device_alert": NOW,
        "facts": machine(),
        "facts_at": NOW,
    }
    return Action(**(own | members))


def state(**members: Any) -> IncidentState:  # noqa: ANN401 - likewise
    """An incident that was assessed as harmful and asks for containment."""
    own: Raw = {
        "id": "2972395",
        "seen": "v1",
        "shown_at": NOW,
        "seen_at": NOW,
        "assessed": "v1",
        "assessed_at": NOW,
        "mode": "respond",
        "title": "Multi-stage incident on one endpoint",
        "url": "https://security.microsoft.com/incidents/2972395?tid=b3c1b5fc",
        "verdict": str(Verdict.HARMFUL),
        "reasons": ("severity high, 1 of 1 alerts open",),
        "severity": 4,
        "affected": (HOST1,),
        "contain": True,
    }
    return IncidentState(**(own | members))


def machine_action(kind: str = "Isolate", status: str = "Pending", **members: object) -> MachineAction:
    """A machine action as Defender lists it: an analyst's, begun now."""
    own: Raw = {
        "id": f"{kind}-{status}",
        "type": kind,
        "status": status,
        "machineId": HOST1,
        "requestor": "analyst@contoso.com",
        "requestorComment": "by hand",
        "creationDateTimeUtc": graph_time(NOW),
        "lastUpdateDateTimeUtc": graph_time(NOW),
        "errorHResult": 0,
    }
    return MachineAction.model_validate(own | members)


# Anything at all

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
"""Lone surrogates too: JSON may carry them, and a Windows file name may be made of them."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)

NEW_WORD = "somethingNew"
VERDICTS = (
    "malicious",
    "suspicious",
    "noThreatsFound",
    "unknown",
    "unknownFutureValue",
    NEW_WORD,
    "Malicious",
    "",
    None,
)
REMEDIATIONS = (
    *("none", "remediated", "prevented", "blocked", "notFound", "unknownFutureValue", "active", "pendingApproval"),
    *("declined", "unremediated", "running", "partiallyRemediated", NEW_WORD, "", None),
)
ROLES = (
    *("unknown", "contextual", "scanned", "source", "destination", "created", "added", "compromised", "edited"),
    *("attacked", "attacker", "commandAndControl", "loaded", "suspicious", "policyViolator", NEW_WORD),
)
SEVERITY_WORDS = ("unknown", "informational", "low", "medium", "high", "unknownFutureValue", NEW_WORD, None)
STATUSES = ("unknown", "new", "inProgress", "resolved", "unknownFutureValue", "Resolved", NEW_WORD, None)
CLASSIFICATIONS = ("unknown", "falsePositive", "truePositive", "informationalExpectedActivity", NEW_WORD, None)
ONBOARDINGS = ("onboarded", "Onboarded", "canBeOnboarded", "unsupported", "insufficientInfo", NEW_WORD, "", None)
DEVICE_IDS = (HOST1, HOST2, HOST3, "", None, "../../machines", "x" * 500, 17)


def _mostly(values: tuple[object, ...]) -> st.SearchStrategy[object]:
    return st.integers(0, 19).flatmap(lambda number: st.sampled_from(values) if number else JSON)


def _entities() -> st.SearchStrategy[Raw]:
    kinds = ("device", "process", "file", "user", "ip", "registryValue", "aiAgent")
    return st.fixed_dictionaries(
        {"@odata.type": st.sampled_from([f"{_NAMESPACE}{kind}Evidence" for kind in kinds])},
        optional={
            "verdict": _mostly(VERDICTS),
            "remediationStatus": _mostly(REMEDIATIONS),
            "detectionStatus": _mostly(("detected", "blocked", "prevented", NEW_WORD, None)),
            "roles": st.lists(st.sampled_from(ROLES), max_size=2) | JSON,
            "mdeDeviceId": _mostly(DEVICE_IDS),
            "onboardingStatus": _mostly(ONBOARDINGS),
            "deviceDnsName": _mostly(("host1.contoso.com", "dc01", "", None)),
            "fileDetails": JSON,
        },
    )


def _alerts() -> st.SearchStrategy[Raw]:
    return st.fixed_dictionaries(
        {"evidence": st.lists(_entities(), max_size=4)},
        optional={
            "status": _mostly(STATUSES),
            "severity": _mostly(SEVERITY_WORDS),
            "classification": _mostly(CLASSIFICATIONS),
            "title": _mostly(("Suspicious execution", "", None, "x" * 2000)),
            "createdDateTime": _mostly((graph_time(NOW), graph_time(NOW - timedelta(hours=5)), "0001-01-01T00:00:00Z")),
        },
    )


INCIDENTS: st.SearchStrategy[Raw] = st.fixed_dictionaries(
    {"alerts": st.lists(_alerts(), max_size=3)},
    optional={
        "id": _mostly(("2972395", None)),
        "displayName": _mostly(("Ransomware (attack disruption)", "", None)),
        "status": _mostly((*STATUSES, "active", "redirected", "awaitingAction")),
        "severity": _mostly(SEVERITY_WORDS),
        "classification": _mostly(CLASSIFICATIONS),
        "redirectIncidentId": _mostly((None, "", "17")),
        "createdDateTime": _mostly((graph_time(NOW), None)),
    },
)
"""Incidents of every sort: plausible members, each of which may be missing, new or nonsense."""
