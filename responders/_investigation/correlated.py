"""Findings joined with the incident's alerts: which processes and files they name, and what Defender did. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from responders._investigation.processes import at_most_apart
from shared.models.findings import Event, FileFact, Findings, Kind, Process, ProcessKey
from shared.models.lenient import instant, text, texts

_ROUNDING = timedelta(seconds=1)
_SILENT = frozenset({"", "none", "unknown", "unknownfuturevalue"})


@dataclass(frozen=True, slots=True)
class _Named:
    """A process or a file that an alert names."""

    alert: str
    techniques: tuple[str, ...]
    key: ProcessKey | None
    device: str
    sha1: str
    defender: str


def with_alerts(findings: Findings, snapshot: bytes | None) -> Findings:
    """The findings with the alerts of the incident: by device, number and creation of a process; by hash of a file.
    Alerts that hunting tells of are those of other incidents then.
    """
    raw = json.loads(snapshot) if snapshot else {}
    own = {text(alert.get("id")) for alert in _objects(raw.get("alerts"))}
    named = list(_named(raw))
    by_pid: dict[tuple[str, int], list[_Named]] = {}
    by_hash: dict[tuple[str, str], list[_Named]] = {}
    for each in named:
        if each.key:
            by_pid.setdefault((each.key.device.lower(), each.key.pid), []).append(each)
        elif each.sha1:
            by_hash.setdefault((each.device.lower(), each.sha1), []).append(each)

    def of_key(key: ProcessKey | None) -> list[_Named]:
        found = by_pid.get((key.device.lower(), key.pid), []) if key else []
        return [each for each in found if key and each.key and at_most_apart(key, each.key, _ROUNDING)]

    def of_hash(device: str, sha1: str) -> list[_Named]:
        return [*by_hash.get((device.lower(), sha1.lower()), []), *by_hash.get(("", sha1.lower()), [])] if sha1 else []

    facts = {fact.sha1: fact for fact in findings.files if fact.sha1}
    return replace(
        findings,
        processes=tuple(
            _process(each, [*of_key(each.key), *of_hash(each.key.device, each.sha1)], facts)
            for each in findings.processes
        ),
        events=tuple(
            _event(each, of_key(each.process) or of_hash(each.device, each.sha1))
            for each in findings.events
            if each.kind is not Kind.ALERT or not own.intersection(each.alerts)
        ),
    )


def _named(raw: Mapping[str, Any]) -> Iterator[_Named]:
    for alert in _objects(raw.get("alerts")):
        for item in _objects(alert.get("evidence")):
            kind = text(item.get("@odata.type")).rpartition(".")[2].removesuffix("Evidence")
            if kind not in {"process", "file"}:
                continue
            file = item.get("imageFile" if kind == "process" else "fileDetails")
            device, pid = text(item.get("mdeDeviceId")), item.get("processId")
            created = instant(item.get("processCreationDateTime"))
            key = ProcessKey(device, pid, created) if isinstance(pid, int) else None
            done = (text(item.get(name)).lower() for name in ("remediationStatus", "detectionStatus"))
            yield _Named(
                alert=text(alert.get("id")),
                techniques=texts(alert.get("mitreTechniques")),
                key=key if kind == "process" else None,
                device=device,
                sha1=text(file.get("sha1")).lower() if kind == "file" and isinstance(file, dict) else "",
                defender=next((word for word in done if word not in _SILENT), ""),
            )


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _process(process: Process, named: list[_Named], facts: Mapping[str, FileFact]) -> Process:
    fact = facts.get(process.sha1.lower())
    if fact and (fact.signer or fact.signed is not None) and not process.signer:
        process = replace(process, signer=fact.signer, signature=process.signature or _signature(fact))
    if not named:
        return process
    alerts = tuple(dict.fromkeys((*process.alerts, *(each.alert for each in named))))
    done = next((each.defender for each in named if each.defender), process.defender)
    return replace(process, alerts=alerts, defender=done)


def _signature(fact: FileFact) -> str:
    if fact.signed is None:
        return ""
    return ("Valid" if fact.trusted else "Not trusted") if fact.signed else "Unsigned"


def _event(event: Event, named: list[_Named]) -> Event:
    if not named:
        return event
    techniques = dict.fromkeys((*event.techniques, *(word for each in named for word in each.techniques)))
    alerts = dict.fromkeys((*event.alerts, *(each.alert for each in named)))
    return replace(event, alerts=tuple(alerts), techniques=tuple(techniques))
