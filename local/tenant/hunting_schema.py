"""The event tables of advanced hunting with their documented columns and KQL types.

From Microsoft's pages (defender-xdr/advanced-hunting-*-table.md, as of 2024); a real tenant may be ahead of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HEAD = "Timestamp:datetime DeviceId DeviceName ActionType"
_TAIL = "ReportId:long AppGuardContainerId"
_MORE = f"{_TAIL} AdditionalFields"
_VERSION = "CompanyName ProductName ProductVersion InternalFileName OriginalFileName FileDescription"
_PROCESS_VERSION = " ".join(f"ProcessVersionInfo{name}" for name in _VERSION.split())
_RANK = "InitiatingProcessIntegrityLevel InitiatingProcessTokenElevation"
_INITIATING = f"""
    InitiatingProcessAccountDomain InitiatingProcessAccountName InitiatingProcessAccountSid
    InitiatingProcessAccountUpn InitiatingProcessAccountObjectId
    InitiatingProcessSHA1 InitiatingProcessSHA256 InitiatingProcessMD5 InitiatingProcessFileName
    InitiatingProcessFileSize:long {" ".join(f"InitiatingProcessVersionInfo{name}" for name in _VERSION.split())}
    InitiatingProcessId:long InitiatingProcessCommandLine InitiatingProcessCreationTime:datetime
    InitiatingProcessFolderPath InitiatingProcessParentId:long InitiatingProcessParentFileName
    InitiatingProcessParentCreationTime:datetime
"""
_SESSION = """
    InitiatingProcessSessionId:long IsInitiatingProcessRemoteSession:bool
    InitiatingProcessRemoteSessionDeviceName InitiatingProcessRemoteSessionIP
"""
_FILE = "FileName FolderPath SHA1 SHA256 MD5 FileSize:long"
_ACCOUNT = "AccountDomain AccountName AccountSid"

_WRITTEN: Mapping[str, str] = {
    "DeviceProcessEvents": f"""{_HEAD} {_FILE} {_PROCESS_VERSION} ProcessId:long ProcessCommandLine
        ProcessIntegrityLevel ProcessTokenElevation ProcessCreationTime:datetime {_ACCOUNT} AccountUpn AccountObjectId
        LogonId:long InitiatingProcessLogonId:long InitiatingProcessSignerType InitiatingProcessSignatureStatus
        {_RANK} {_INITIATING} {_MORE}""",
    "DeviceNetworkEvents": f"""{_HEAD} RemoteIP RemotePort:int RemoteUrl LocalIP LocalPort:int Protocol LocalIPType
        RemoteIPType {_RANK} {_INITIATING} {_SESSION} {_MORE}""",
    "DeviceFileEvents": f"""{_HEAD} {_FILE} FileOriginUrl FileOriginReferrerUrl FileOriginIP PreviousFolderPath
        PreviousFileName RequestProtocol RequestSourceIP RequestSourcePort:int RequestAccountName RequestAccountDomain
        RequestAccountSid ShareName SensitivityLabel SensitivitySubLabel IsAzureInfoProtectionApplied:bool
        {_RANK} {_INITIATING} {_SESSION} {_MORE}""",
    "DeviceLogonEvents": f"""{_HEAD} LogonType {_ACCOUNT} Protocol FailureReason IsLocalAdmin:bool LogonId:long
        RemoteDeviceName RemoteIP RemoteIPType RemotePort:int {_RANK} {_INITIATING} {_SESSION} {_MORE}""",
    "DeviceRegistryEvents": f"""{_HEAD} RegistryKey RegistryValueType RegistryValueName RegistryValueData
        PreviousRegistryKey PreviousRegistryValueName PreviousRegistryValueData {_RANK} {_INITIATING} {_SESSION}
        {_TAIL}""",
    "DeviceImageLoadEvents": f"{_HEAD} {_FILE} {_RANK} {_INITIATING} {_TAIL}",
    "DeviceEvents": f"""{_HEAD} {_FILE} {_ACCOUNT} RemoteUrl RemoteDeviceName RemoteIP RemotePort:int LocalIP
        LocalPort:int ProcessId:long ProcessCommandLine ProcessCreationTime:datetime ProcessTokenElevation LogonId:long
        RegistryKey RegistryValueName RegistryValueData FileOriginUrl FileOriginIP InitiatingProcessLogonId:long
        CreatedProcessSessionId:long IsProcessRemoteSession:bool ProcessRemoteSessionDeviceName
        ProcessRemoteSessionIP {_INITIATING} {_SESSION} {_MORE}""",
    "DeviceInfo": """Timestamp:datetime DeviceId DeviceName ClientVersion PublicIP OSArchitecture OSPlatform
        OSBuild:long IsAzureADJoined:bool JoinType AadDeviceId LoggedOnUsers RegistryDeviceTag OSVersion MachineGroup
        ReportId:long OnboardingStatus AdditionalFields DeviceCategory DeviceType DeviceSubtype Model Vendor
        OSDistribution OSVersionInfo MergedDeviceIds MergedToDeviceId IsInternetFacing:bool SensorHealthState
        IsExcluded:bool ExclusionReason ExposureLevel AssetValue DeviceManualTags DeviceDynamicTags ConnectivityType
        HostDeviceId AzureResourceId AwsResourceName GcpFullResourceName""",
    "AlertInfo": """Timestamp:datetime AlertId Title Category Severity ServiceSource DetectionSource
        AttackTechniques""",
    "AlertEvidence": f"""Timestamp:datetime AlertId Title Categories AttackTechniques ServiceSource DetectionSource
        EntityType EvidenceRole EvidenceDirection FileName FolderPath SHA1 SHA256 FileSize:long ThreatFamily RemoteIP
        RemoteUrl {_ACCOUNT} AccountObjectId AccountUpn DeviceId DeviceName LocalIP NetworkMessageId EmailSubject
        Application ApplicationId:int OAuthApplicationId ProcessCommandLine RegistryKey RegistryValueName
        RegistryValueData AdditionalFields Severity CloudResource CloudPlatform ResourceType ResourceID
        SubscriptionId""",
    "DeviceFileCertificateInfo": """Timestamp:datetime DeviceId DeviceName SHA1 IsSigned:bool SignatureType Signer
        SignerHash Issuer IssuerHash CertificateSerialNumber CrlDistributionPointUrls CertificateCreationTime:datetime
        CertificateExpirationTime:datetime CertificateCountersignatureTime:datetime IsTrusted:bool
        IsRootSignerMicrosoft:bool ReportId:long""",
}
"""Columns are strings where nothing else is said."""


def _columns(written: str) -> Iterator[tuple[str, str]]:
    for word in written.split():
        name, _, kind = word.partition(":")
        yield name, kind or "string"


TABLES: Mapping[str, Mapping[str, str]] = {name: dict(_columns(written)) for name, written in _WRITTEN.items()}
"""Every table's columns with their KQL types, in the documented order."""
