"""Reports to test with: a synthetic incident, in the shape of Graph's documented example, with findings around it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from responders._report.value import Custody, Hashes, Note, Report, Revision, Step
from shared.models.action import Action, Artefact, State
from shared.models.findings import (
    Account,
    Collector,
    Elsewhere,
    Endpoint,
    Event,
    FileFact,
    Findings,
    Inventoried,
    Kind,
    NotCollected,
    Persistence,
    Process,
    ProcessKey,
    Source,
    Where,
)
from shared.models.incident import Incident
from shared.models.plan import Affected, Assessment, Verdict
from shared.models.progress import IncidentState

AT = datetime(2026, 11, 29, 2, 0, tzinfo=UTC)
WS, SRV = "73e7e2de709dff64ef64b1d0c30e67fab63279db", "8c1f5d0ab2b04c3f9d0e3f7a61e5d9c4b7a2e6f1"
NAMES = {WS: "ws-anna-14.corp.example", SRV: "files01.corp.example"}
HASH = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
RUN = "2026/11/inc-2972395/dev-ws-anna-14-73e7e2de"


def at(seconds: float) -> datetime:
    """So many seconds after the first event."""
    return AT + timedelta(seconds=seconds)


def key(pid: int, started: float, device: str = WS) -> ProcessKey:
    return ProcessKey(device, pid, at(started))


def process_evidence(pid: int, started: float, line: str, parent: tuple[int, float] | None = None) -> dict[str, Any]:
    """A process as an alert names it."""
    above = {"parentProcessId": parent[0], "parentProcessCreationDateTime": f"{at(parent[1]):%FT%T}Z"} if parent else {}
    return {
        "@odata.type": "#microsoft.graph.security.processEvidence",
        "verdict": "malicious",
        "detectionStatus": "detected",
        "mdeDeviceId": WS,
        "processId": pid,
        "processCreationDateTime": f"{at(started):%FT%T}Z",
        "processCommandLine": line,
        "imageFile": {"fileName": line.split(maxsplit=1)[0], "filePath": "C:\\Windows\\System32", "sha256": HASH},
        "userAccount": {"accountName": "anna", "domainName": "CORP"},
        **above,
    }


ENCODED = "powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAIABOAGUAdAAuAFcAZQBi"


def incident(**changes: Any) -> Incident:  # noqa: ANN401 - members of Graph's JSON
    raw: dict[str, Any] = {
        "id": "2972395",
        "displayName": "Multi-stage incident involving execution and discovery on one endpoint",
        "severity": "high",
        "status": "active",
        "createdDateTime": f"{at(130):%FT%T}Z",
        "incidentWebUrl": "https://security.microsoft.com/incidents/2972395",
        "alerts": [
            {
                "id": "da637551227677560813_-961444813",
                "title": "Suspicious PowerShell command line",
                "severity": "medium",
                "category": "Execution",
                "detectionSource": "microsoftDefenderForEndpoint",
                "mitreTechniques": ["T1059.001", "T1204.002"],
                "firstActivityDateTime": f"{at(60):%FT%T}Z",
                "lastActivityDateTime": f"{at(300):%FT%T}Z",
                "createdDateTime": f"{at(120):%FT%T}Z",
                "evidence": [
                    {
                        "@odata.type": "#microsoft.graph.security.deviceEvidence",
                        "mdeDeviceId": WS,
                        "deviceDnsName": NAMES[WS],
                        "roles": ["compromised"],
                        "loggedOnUsers": [{"accountName": "anna", "domainName": "CORP"}],
                    },
                    process_evidence(4242, 60, ENCODED, (3100, 40)),
                ],
            },
            {
                "id": "da637551227677560813_-961444999",
                "title": "Credential theft tool was blocked",
                "severity": "high",
                "category": "CredentialAccess",
                "detectionSource": "antivirus",
                "mitreTechniques": ["T1003.001"],
                "firstActivityDateTime": f"{at(90):%FT%T}Z",
                "lastActivityDateTime": f"{at(90):%FT%T}Z",
                "createdDateTime": f"{at(130):%FT%T}Z",
                "evidence": [process_evidence(5151, 90, "procdump64.exe -ma lsass.exe C:\\Temp\\l.dmp", (4242, 60))],
            },
        ],
    }
    return Incident.model_validate(raw | changes)


def action(responder: str, state: State, **changes: Any) -> Action:  # noqa: ANN401 - fields of it
    told: dict[str, Any] = {
        "incident": "2972395",
        "version": "v1",
        "device": WS,
        "device_name": NAMES[WS],
        "responder": responder,
        "round": 1,
        "state": state,
        "created": at(140),
        "since": at(180),
        "accepted_at": at(142),
        "finished_at": at(180) if state.final else None,
        "machine_action": "5382f7ea-7557-4ab7-9782-d50480024a4e",
        "attempt": 1,
        "severity": 4,
        "reason": "role compromised; rule high: severity high",
    }
    return Action.model_validate(told | changes)


def artefact(name: str, size: int, digest: str = HASH) -> Artefact:
    return Artefact(name=name, size=size, sha256=digest)


def state(**changes: Any) -> IncidentState:  # noqa: ANN401 - fields of it
    told: dict[str, Any] = {
        "id": "2972395",
        "seen": "v1",
        "assessed": "v1",
        "shown_at": at(138),
        "seen_at": at(138),
        "mode": "respond",
        "title": "Multi-stage incident involving execution and discovery on one endpoint",
        "url": "https://security.microsoft.com/incidents/2972395",
        "verdict": str(Verdict.HARMFUL),
        "reasons": ("severity high", "2 open alerts", "a malicious process on ws-anna-14"),
        "severity": 4,
        "affected": (WS,),
        "contain": True,
    }
    return IncidentState.model_validate(told | changes)


def processes() -> tuple[Process, ...]:
    """A document that starts a script, what that starts, and what collecting left behind."""
    sys32 = "C:\\Windows\\System32\\"
    user = "CORP\\anna"
    told = {"account": user, "integrity": "Medium", "where": Where("s1", 1)}
    return (
        Process(key(900, -80000), "explorer.exe", "C:\\Windows\\explorer.exe", "C:\\Windows\\Explorer.EXE", **told),  # type: ignore[arg-type]
        Process(
            key(3100, 40),
            "WINWORD.EXE",
            "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE",
            '"WINWORD.EXE" /n "C:\\Users\\anna\\Downloads\\請求書_2026-11.docm"',
            key(900, -80000),
            "explorer.exe",
            signer="Microsoft Corporation",
            signature="Valid",
            **told,  # type: ignore[arg-type]
        ),
        Process(
            key(4242, 60),
            "powershell.exe",
            sys32 + "WindowsPowerShell\\v1.0\\powershell.exe",
            ENCODED,
            key(3100, 40),
            "WINWORD.EXE",
            sha256=HASH,
            **told,  # type: ignore[arg-type]
        ),
        Process(
            key(4300, 75),
            "whoami.exe",
            sys32 + "whoami.exe",
            "whoami.exe /all",
            key(4242, 60),
            "powershell.exe",
            **told,  # type: ignore[arg-type]
        ),
        Process(
            key(5151, 90),
            "procdump64.exe",
            "C:\\Temp\\procdump64.exe",
            "procdump64.exe -ma lsass.exe C:\\Temp\\l.dmp",
            key(4242, 60),
            "powershell.exe",
            defender="blocked",
            sha256="a" * 64,
            **told,  # type: ignore[arg-type]
        ),
        Process(
            key(6000, 200),
            "SenseIR.exe",
            "C:\\Program Files\\Windows Defender Advanced Threat Protection\\SenseIR.exe",
            '"SenseIR.exe" "OnlineSenseIR"',
            key(4242, 60),
            "powershell.exe",
            account="NT AUTHORITY\\SYSTEM",
            integrity="System",
            collector=Collector.DEFENDER,
            where=Where("s1", 9),
        ),
    )


def events(count: int = 400, seed: int = 7) -> tuple[Event, ...]:
    """So many ordinary rows, in the proportions that a busy workstation has."""
    draw = random.Random(seed)  # noqa: S311 - the same rows every time
    kinds = [Kind.PROCESS, Kind.NETWORK, Kind.FILE, Kind.FILE, Kind.REGISTRY, Kind.IMAGE, Kind.IMAGE, Kind.LOGON]
    made = []
    actors = [(ProcessKey(WS, 1000 + n, at(-3600 + n)), f"app{n % 40}.exe") for n in range(300)]
    actors += [(key(4242, 60), "powershell.exe")] * 20
    for line in range(1, count + 1):
        kind = draw.choice(kinds)
        actor, name = draw.choice(actors)
        number = draw.randrange(count * 2)
        what = {
            Kind.PROCESS: f"C:\\Program Files\\Vendor {number % 70}\\tool{number % 900}.exe",
            Kind.NETWORK: f"cdn{number % 500}.example.net:443",
            Kind.FILE: f"C:\\Users\\anna\\AppData\\Local\\Temp\\~{number:x}.tmp",
            Kind.REGISTRY: f"HKEY_CURRENT_USER\\Software\\Vendor {number % 70}\\{number % 3000}",
            Kind.IMAGE: f"C:\\Windows\\System32\\lib{number % 1200}.dll",
            Kind.LOGON: "CORP\\anna",
        }[kind]
        action_name = {
            Kind.PROCESS: "ProcessCreated",
            Kind.NETWORK: "ConnectionSuccess",
            Kind.FILE: draw.choice(["FileCreated", "FileModified", "FileDeleted"]),
            Kind.REGISTRY: "RegistryValueSet",
            Kind.IMAGE: "ImageLoaded",
            Kind.LOGON: "LogonSuccess",
        }[kind]
        detail = f"tool{number % 900}.exe --session {number:x} --quiet" if kind is Kind.PROCESS else ""
        made.append(
            Event(
                at(draw.uniform(-86400, 86400)),
                WS,
                kind,
                action_name,
                what,
                detail,
                "CORP\\anna",
                actor,
                name,
                sha1=f"{number:040x}" if kind in {Kind.FILE, Kind.PROCESS, Kind.IMAGE} else "",
                where=Where("s1" if kind is Kind.PROCESS else "s2", line),
            )
        )
    return tuple(made)


def findings(count: int = 400) -> Findings:
    since, until = at(-86400), at(86400)
    told = Event(at(95), WS, Kind.PROCESS, "ProcessCreated", "C:\\Temp\\procdump64.exe", "procdump64.exe -ma lsass.exe")
    marked = replace(
        told,
        actor=key(4242, 60),
        actor_name="powershell.exe",
        process=key(5151, 90),
        alerts=("x",),
        techniques=("T1003",),
    )
    untimed = Event(None, WS, Kind.TASK, "task", "\\Updater", "C:\\Temp\\u.exe", local="29.11.2026 03:01:07")
    return Findings(
        events=(*events(count), replace(marked, where=Where("s1", 7)), replace(untimed, where=Where("s3", 4))),
        processes=processes(),
        endpoints=(
            Endpoint(
                WS,
                "203.0.113.77",
                443,
                "cdn-updates.example.net",
                "Tcp",
                key(4242, 60),
                "powershell.exe",
                "ConnectionSuccess",
                14,
                at(62),
                at(290),
                public=True,
                where=Where("s2", 3),
            ),
            Endpoint(
                WS,
                "10.0.0.12",
                445,
                "files01",
                "Tcp",
                key(4242, 60),
                "powershell.exe",
                "ConnectionFailed",
                2,
                at(80),
                at(81),
                public=False,
                where=Where("s2", 8),
            ),
            Endpoint(
                WS,
                "198.51.100.5",
                443,
                "winatp-gw.example.com",
                "Tcp",
                key(6000, 200),
                "SenseIR.exe",
                "ConnectionSuccess",
                3,
                at(200),
                at(240),
                public=True,
                collector=Collector.DEFENDER,
            ),
        ),
        persistence=(
            Persistence(
                WS,
                "run key",
                "Updater",
                "HKCU\\...\\Run",
                "powershell.exe -w hidden -f C:\\Temp\\u.ps1",
                "CORP\\anna",
                changed=at(100),
                new=True,
                where=Where("s3", 1),
            ),
            Persistence(
                WS,
                "service",
                "Spooler",
                "Services\\Spooler",
                "C:\\Windows\\System32\\spoolsv.exe",
                "LocalSystem",
                "Microsoft Windows",
                new=False,
                where=Where("s3", 2),
            ),
        ),
        accounts=(
            Account(WS, "anna", "CORP", "S-1-5-21-1-2-3-1104", "Interactive", "", 3, 0, at(-4000), at(100)),
            Account(
                WS,
                "svc-backup",
                "CORP",
                "S-1-5-21-1-2-3-1200",
                "RemoteInteractive",
                "10.0.0.99",
                2,
                5,
                at(110),
                at(115),
                administrator=True,
            ),
        ),
        files=(
            FileFact(
                sha256="a" * 64,
                name="procdump64.exe",
                signer="Microsoft Corporation",
                signed=True,
                trusted=True,
                prevalence=2,
                malicious=31,
                engines=72,
                asked=at(400),
            ),
            FileFact(
                sha256=HASH,
                name="powershell.exe",
                signer="Microsoft Windows",
                signed=True,
                trusted=True,
                prevalence=842,
                malicious=0,
                engines=70,
                asked=at(400),
            ),
        ),
        elsewhere=(
            Elsewhere("hash", "a" * 64, SRV, NAMES[SRV], 1, at(-5000), at(-5000), Where("s4", 1)),
            Elsewhere("domain", "cdn-updates.example.net", SRV, NAMES[SRV], 6, at(-900), at(200), Where("s4", 2)),
            Elsewhere("domain", "cdn-updates.example.net", "9" * 40, "ws-bert-02", 1, at(100), at(100), Where("s4", 3)),
        ),
        inventory=(
            Inventoried(WS, "system", "Betriebssystemname", "Microsoft Windows 11 Enterprise", where=Where("s3", 2)),
            Inventoried(WS, "address", "Ethernet0", "10.0.0.7", "Adresse IPv4", where=Where("s3", 8)),
            Inventoried(WS, "neighbour", "10.0.0.1", "00-1c-42-00-00-18", where=Where("s3", 9)),
            Inventoried(WS, "program", "AnyDesk", "8.0.9", "AnyDesk Software GmbH", where=Where("s3", 10)),
            Inventoried(WS, "file", "C:\\Temp\\note.txt", "17", local="29/11/2026 03:58", where=Where("s3", 11)),
            Inventoried(WS, "file", "C:\\Temp\\u.ps1", "812", local="29/11/2026 03:59", where=Where("s3", 12)),
        ),
        sources=(
            Source(
                "s1",
                "hunting",
                "DeviceProcessEvents",
                WS,
                f"{RUN}/run-1/data/hunting/DeviceProcessEvents.jsonl",
                HASH,
                "DeviceProcessEvents | where DeviceId == ...",
                since,
                until,
                at(400),
                count,
                count,
            ),
            Source(
                "s2",
                "hunting",
                "DeviceNetworkEvents, DeviceFileEvents, ...",
                WS,
                "",
                "",
                "",
                since,
                until,
                at(401),
                100000,
                100000,
                "100,000 rows is the most that Defender gives; what is older than 02:10 is missing",
            ),
            Source("s3", "package", "Autoruns.txt", WS, rows=312, read=309, zone="local"),
            Source("s4", "hunting", "other devices, 30 days", since=at(-30 * 86400), until=until, rows=3, read=3),
        ),
        missing=(
            NotCollected("Security.evtx", "the package holds none", WS, "fetch it by live response"),
            NotCollected("VirusTotal", "no key is set (VIRUSTOTAL_API_KEY)"),
        ),
    )


def report(count: int = 400, **changes: Any) -> Report:  # noqa: ANN401 - fields of it
    """The whole of it."""
    package = artefact(f"{RUN}/run-1/data/package.zip", 18_234_112)
    hunting = artefact(f"{RUN}/run-2/data/hunting/DeviceProcessEvents.jsonl", 4_211_009, "c" * 64)
    told = Report(
        incident=incident(),
        state=state(),
        made=at(900),
        assessment=Assessment(
            verdict=Verdict.HARMFUL,
            reasons=state().reasons,
            severity=4,
            devices=(Affected(id=WS, name=NAMES[WS], onboarding="onboarded", why=("role compromised",)),),
        ),
        actions=(
            action("isolate", State.SUCCEEDED),
            action("collect_package", State.SUCCEEDED, artefacts=(package,), finished_at=at(420)),
            action("hunt", State.SUCCEEDED, artefacts=(hunting,), machine_action="", finished_at=at(460)),
            action(
                "capture_memory",
                State.WAITING,
                detail="a person has to approve it",
                todo="approve it, or leave it: memory of a server may hold customers' data",
                finished_at=None,
            ),
            action("get_files", State.UNAVAILABLE, detail="live response is off for this device", todo="switch it on"),
        ),
        findings=findings(count),
        notes=(Note(at(600), "mori@example.com", "Called the owner; she opened the invoice herself."),),
        custody=(
            Custody(
                f"{RUN}/run-1",
                {package.name: Hashes("", HASH, HASH, "received-only")},
                (Step("2026-11-29T02:07:00.000Z", "kept", "data/package.zip", "func-bulkhead", "18,234,112 bytes"),),
                "2026-11-29T02:08:00.000Z",
                "d" * 64,
                "key-vault",
            ),
        ),
        revisions=(Revision(1, "contained", at(200), "2026/11/inc-2972395/reports/report-r0001.html"),),
        contains=frozenset({"isolate", "restrict"}),
        gathers=frozenset({"collect_package", "hunt", "capture_memory", "get_files", "run_script"}),
        deployment="bulkhead-lab",
    )
    return replace(told, **changes)
