"""The words that Microsoft's answers use, as a policy may ask for them.

Members are those of the Graph schema (namespace `microsoft.graph.security`, August 2026) and of the Defender for
Endpoint machine. A policy writes them as they are here; capitals do not matter, neither here nor in the answers.
"""

from __future__ import annotations


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SEVERITY = _split("unknown informational low medium high")
INCIDENT_STATUS = _split("active inProgress awaitingAction resolved redirected")
ALERT_STATUS = _split("unknown new inProgress resolved")
CLASSIFICATION = _split("unknown falsePositive truePositive informationalExpectedActivity")
DETERMINATION = _split(
    """unknown apt malware securityPersonnel securityTesting unwantedSoftware other multiStagedAttack
    compromisedAccount phishing maliciousUserActivity notMalicious notEnoughDataToValidate confirmedActivity
    lineOfBusinessApplication"""
)
SERVICE_SOURCE = _split(
    """unknown microsoftDefenderForEndpoint microsoftDefenderForIdentity microsoftDefenderForCloudApps
    microsoftDefenderForOffice365 microsoft365Defender azureAdIdentityProtection microsoftAppGovernance
    dataLossPrevention microsoftDefenderForCloud microsoftSentinel microsoftInsiderRiskManagement
    microsoftThreatIntelligence microsoftSecurityForAI"""
)
DETECTION_SOURCE = _split(
    """unknown microsoftDefenderForEndpoint antivirus smartScreen customTi microsoftDefenderForOffice365
    automatedInvestigation microsoftThreatExperts customDetection microsoftDefenderForIdentity cloudAppSecurity
    microsoft365Defender azureAdIdentityProtection manual microsoftDataLossPrevention appGovernancePolicy
    appGovernanceDetection microsoftDefenderForCloud microsoftDefenderForIoT microsoftDefenderForServers
    microsoftDefenderForStorage microsoftDefenderForDNS microsoftDefenderForDatabases microsoftDefenderForContainers
    microsoftDefenderForNetwork microsoftDefenderForAppService microsoftDefenderForKeyVault
    microsoftDefenderForResourceManager microsoftDefenderForApiManagement nrtAlerts scheduledAlerts
    microsoftDefenderThreatIntelligenceAnalytics builtInMl microsoftInsiderRiskManagement
    microsoftThreatIntelligence microsoftDefenderForAIServices securityCopilot microsoftSentinel"""
)
EVIDENCE_KIND = _split(
    """activeDirectoryDomain aiAgent amazonResource analyzedMessage azureResource blobContainer blob cloudApplication
    cloudLogonRequest cloudLogonSession container containerImage containerRegistry device dns file fileHash
    gitHubOrganization gitHubRepo gitHubUser googleCloudResource hostLogonSession ioTDevice ip kubernetesCluster
    kubernetesController kubernetesNamespace kubernetesPod kubernetesSecret kubernetesServiceAccount kubernetesService
    mailboxConfiguration mailbox mailCluster malware networkConnection nic oauthApplication process registryKey
    registryValue sasToken securityGroup servicePrincipal submissionMail teamsMessage url user"""
)
VERDICT = _split("unknown suspicious malicious noThreatsFound")
REMEDIATION = _split(
    """none remediated prevented blocked notFound active pendingApproval declined unremediated running
    partiallyRemediated"""
)
DETECTION = _split("detected blocked prevented")
EVIDENCE_ROLE = _split(
    """unknown contextual scanned source destination created added compromised edited attacked attacker
    commandAndControl loaded suspicious policyViolator"""
)
HEALTH = _split("active inactive impairedCommunication noSensorData noSensorDataImpairedCommunication unknown")
ONBOARDING = _split("onboarded canBeOnboarded unsupported insufficientInfo")
RISK = _split("none informational low medium high")
VALUE = _split("low normal high")

# Ours: Defender has many names for a platform, and says only in tags and names what a machine is for.
OS = _split("windows windowsServer linux macos mobile")
ROLE = _split("domainController hyperVHost")

DAY = _split("mon tue wed thu fri sat sun")

UNREAD_MEMBERS = frozenset(
    _split(
        """summary resolvingComment assignedTo comments lastModifiedBy providerAlertId incidentId detectorId
        productName alertPolicyId recommendedActions alertWebUrl actorDisplayName threatDisplayName
        threatFamilyName investigationState resolvedDateTime firstActivityDateTime lastActivityDateTime
        additionalData customDetails tenantId remediationStatusDetails azureAdDeviceId ntDomain dnsDomain
        osBuild version firstSeenDateTime defenderAvStatus rbacGroupId ipInterfaces lastIpAddress
        lastExternalIpAddress vmMetadata resourceAccessEvents processId processCreationDateTime
        parentProcessId parentProcessCreationDateTime parentProcessImageFile fileSize md5 sha256Ac issuer
        displayName azureAdUserId firstSeen lastSeen osProcessor osArchitecture exposureLevel isAadJoined
        aadDeviceId ipAddresses"""
    )
)
"""Members that Microsoft's schema has of incidents, alerts, evidence and machines, beside those that we read."""
