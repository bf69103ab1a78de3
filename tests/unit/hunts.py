"""Answers of hunts to test with, as they are kept: synthetic rows with the columns of Defender's tables."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.unit.reports import AT, NAMES, WS, at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHARES = {"processes": 0.2, "network": 0.25, "files": 0.2, "registry": 0.1, "image-loads": 0.15, "device-events": 0.1}
"""How a workstation's events come apart."""

_PROGRAMS = ("svchost.exe", "chrome.exe", "Teams.exe", "powershell.exe", "OUTLOOK.EXE", "MsMpEng.exe", "請求書.exe")
_ACTIONS = {
    "processes": "ProcessCreated",
    "network": "ConnectionSuccess",
    "files": "FileCreated",
    "registry": "RegistryValueSet",
    "image-loads": "ImageLoaded",
    "device-events": "AmsiScriptContent",
}


def _moment(seconds: float) -> str:
    return f"{at(seconds):%Y-%m-%dT%H:%M:%S.%f}7Z"


def _initiator(chance: random.Random) -> Mapping[str, object]:
    """One of some hundred processes that do nearly everything."""
    number = chance.randrange(300)
    name = _PROGRAMS[number % len(_PROGRAMS)]
    return {
        "InitiatingProcessId": 1000 + number,
        "InitiatingProcessCreationTime": _moment(number - 4000),
        "InitiatingProcessFileName": name,
        "InitiatingProcessFolderPath": f"C:\\Windows\\System32\\{name}",
        "InitiatingProcessCommandLine": f'"C:\\Windows\\System32\\{name}" -k netsvcs -p --type={number:x}',
        "InitiatingProcessSHA1": f"{number:040x}",
        "InitiatingProcessAccountDomain": "CORP",
        "InitiatingProcessAccountName": "anna",
        "InitiatingProcessParentId": 600 + number % 7,
        "InitiatingProcessParentFileName": "services.exe",
        "InitiatingProcessParentCreationTime": _moment(number % 7 - 9000),
    }


def _row(query: str, number: int, when: float, chance: random.Random) -> dict[str, object]:
    told: dict[str, object] = {"Timestamp": _moment(when), "DeviceId": WS, "DeviceName": NAMES[WS], "ReportId": number}
    told |= {"ActionType": _ACTIONS[query], **_initiator(chance), "AdditionalFields": '{"Tag": "x"}'}
    name = f"tool{chance.randrange(2000)}.exe"
    if query == "processes":
        told |= {"ProcessId": 5000 + number, "ProcessCreationTime": _moment(when), "FileName": name}
        told |= {"ProcessCommandLine": f"{name} --session {number:x} /quiet", "ProcessIntegrityLevel": "Medium"}
    if query == "network":
        remote = f"203.0.113.{chance.randrange(200)}"
        told |= {"RemoteIP": remote, "RemotePort": chance.choice([443, 80, 8443]), "RemoteIPType": "Public"}
        told |= {"RemoteUrl": f"host{chance.randrange(40)}.example", "Protocol": "Tcp", "LocalIP": "10.0.0.7"}
    elif query == "registry":
        told |= {"RegistryKey": f"HKEY_LOCAL_MACHINE\\SOFTWARE\\Key{chance.randrange(90)}", "RegistryValueName": "v"}
    else:
        told |= {"FolderPath": f"C:\\Users\\anna\\AppData\\Local\\{name}", "SHA1": f"{chance.randrange(2000):040x}"}
    return told


def kept(count: int, seed: int = 1) -> Iterator[tuple[str, list[bytes]]]:
    """A hunt's answers of `count` rows together: the names of queries, and the lines as they were kept."""
    chance = random.Random(seed)  # noqa: S311 - rows to test with
    for query, share in SHARES.items():
        many = int(count * share)
        head = {"hunting": query, "query": query, "rows": many, "since": AT.isoformat(), "truncated": ""}
        moments = sorted(chance.uniform(0, timedelta(hours=24).total_seconds()) for _ in range(many))
        rows = (_row(query, number, when, chance) for number, when in enumerate(moments))
        yield query, [json.dumps(each, ensure_ascii=False).encode() for each in (head, *rows)]
