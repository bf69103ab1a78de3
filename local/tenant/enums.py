"""Graph's enumerations, and which of their members a caller must ask for.

Members added after `unknownFutureValue` are shown only with `Prefer: include-unknown-enum-members`; everybody else
reads `unknownFutureValue` (Microsoft's schema of August 2026).
"""

from __future__ import annotations

from local.tenant.wire import Json

UNKNOWN = "unknownFutureValue"
PREFER_ALL = "include-unknown-enum-members"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


INCIDENT_STATUS = _words("active resolved inProgress redirected unknownFutureValue awaitingAction")
WRITABLE_INCIDENT_STATUS = _words("active resolved inProgress")
SEVERITY = _words("unknown informational low medium high unknownFutureValue")
CLASSIFICATION = _words("unknown falsePositive truePositive informationalExpectedActivity unknownFutureValue")
DETERMINATION = _words(
    """unknown apt malware securityPersonnel securityTesting unwantedSoftware other multiStagedAttack
    compromisedAccount phishing maliciousUserActivity notMalicious notEnoughDataToValidate confirmedActivity
    lineOfBusinessApplication unknownFutureValue"""
)
ALERT_STATUS = _words("unknown new inProgress resolved unknownFutureValue")
SERVICE_SOURCE = _words(
    """unknown microsoftDefenderForEndpoint microsoftDefenderForIdentity microsoftDefenderForCloudApps
    microsoftDefenderForOffice365 microsoft365Defender azureAdIdentityProtection microsoftAppGovernance
    dataLossPrevention unknownFutureValue microsoftDefenderForCloud microsoftSentinel microsoftInsiderRiskManagement
    microsoftThreatIntelligence microsoftSecurityForAI"""
)
DETECTION_SOURCE = _words(
    """unknown microsoftDefenderForEndpoint antivirus smartScreen customTi microsoftDefenderForOffice365
    automatedInvestigation microsoftThreatExperts customDetection microsoftDefenderForIdentity cloudAppSecurity
    microsoft365Defender azureAdIdentityProtection manual microsoftDataLossPrevention appGovernancePolicy
    appGovernanceDetection unknownFutureValue microsoftDefenderForCloud microsoftDefenderForIoT
    microsoftDefenderForServers microsoftDefenderForStorage microsoftDefenderForDNS microsoftDefenderForDatabases
    microsoftDefenderForContainers microsoftDefenderForNetwork microsoftDefenderForAppService
    microsoftDefenderForKeyVault microsoftDefenderForResourceManager microsoftDefenderForApiManagement nrtAlerts
    scheduledAlerts microsoftDefenderThreatIntelligenceAnalytics builtInMl microsoftInsiderRiskManagement
    microsoftThreatIntelligence microsoftDefenderForAIServices securityCopilot microsoftSentinel"""
)
REMEDIATION_STATUS = _words(
    """none remediated prevented blocked notFound unknownFutureValue active pendingApproval declined unremediated
    running partiallyRemediated"""
)


def _later(members: tuple[str, ...]) -> frozenset[str]:
    return frozenset(members[members.index(UNKNOWN) + 1 :])


_HIDDEN = {
    "status": _later(INCIDENT_STATUS),
    "serviceSource": _later(SERVICE_SOURCE),
    "detectionSource": _later(DETECTION_SOURCE),
    "remediationStatus": _later(REMEDIATION_STATUS),
}
_OPEN = frozenset({"additionalData", "customDetails"})


def masked(item: Json) -> Json:
    """Return a copy in which every later member reads `unknownFutureValue`."""
    return {name: _masked_member(name, value) for name, value in item.items()}


def _masked_member(name: str, value: object) -> object:
    if isinstance(value, list):
        return [masked(one) if isinstance(one, dict) else one for one in value]
    if isinstance(value, dict):
        return value if name in _OPEN else masked(value)
    return UNKNOWN if value in _HIDDEN.get(name, ()) else value
