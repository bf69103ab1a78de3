"""Judge an incident: very likely harmless, or may do harm, and which devices it concerns. Pure.

What is not known is never taken for harmless. A device is concerned by its Defender id, never by a name, and being
merely mentioned, scanned or aimed at is not enough: that would isolate the domain controller that was the target.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.models.action import target_of
from shared.models.incident import SEVERITIES
from shared.models.plan import Affected, Assessment, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shared.models.incident import Alert, Evidence, Incident

ACTING_ROLES = frozenset({"compromised", "attacker", "source"})
BENIGN = frozenset({"falsepositive", "informationalexpectedactivity"})

_DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_BEARS_DEVICE = frozenset({"process", "file"})
_TITLES = 3


def judge(incident: Incident) -> Assessment:
    """The assessment of an incident as it stands."""
    alerts = [alert for alert in incident.alerts if not alert.benign]
    harmless = _harmless(incident, alerts)
    severity = _severity(incident, alerts)
    devices, unusable = _devices(alerts)
    if harmless:
        return Assessment(verdict=Verdict.HARMLESS, reasons=(harmless,), severity=severity)
    return Assessment(
        verdict=Verdict.HARMFUL,
        reasons=tuple(_reasons(incident, alerts, severity)),
        severity=severity,
        doubt=_doubt(incident, severity),
        newest_alert=max((alert.created for alert in alerts if alert.created), default=incident.created),
        devices=devices,
        not_actionable=unusable,
    )


def _harmless(incident: Incident, alerts: list[Alert]) -> str:
    """Why it is very likely harmless; empty where it is not."""
    if incident.merged_into or incident.status == "redirected":
        return f"merged into incident {incident.merged_into or '(unknown)'}, which is judged on its own"
    if incident.classification in BENIGN:
        return "classified as a false positive or expected activity"
    if incident.alerts and not alerts:
        return "every alert is classified as a false positive or expected activity"
    if incident.severity == "informational" and all(alert.severity == "informational" for alert in alerts):
        return "informational only"
    bad = [evidence for alert in alerts for evidence in alert.evidence if evidence.bad]
    if bad and all(evidence.handled for evidence in bad) and not any(map(_unsettled, alerts)):
        return f"all {len(bad)} malicious or suspicious items are remediated, prevented or blocked; no alert is open"
    return ""


def _unsettled(alert: Alert) -> bool:
    """Whether an alert is open, names nothing, or names what nobody can tell to be harmless."""
    return alert.open or not alert.evidence or any(evidence.unclear for evidence in alert.evidence)


def _doubt(incident: Incident, severity: int) -> str:
    if incident.status == "resolved":
        return "somebody resolved the incident, though not as harmless"
    return "" if severity else "the severity is not known"


def _severity(incident: Incident, alerts: list[Alert]) -> int:
    """The highest rank; unknown where a severity that we do not know may be more than the low ones that we do."""
    said = (incident.severity, *(alert.severity for alert in alerts))
    known = max(SEVERITIES.get(severity, 0) for severity in said)
    unknown = any(severity not in SEVERITIES and severity not in {"", "unknown"} for severity in said)
    return 0 if unknown and known < SEVERITIES["medium"] else known


def _reasons(incident: Incident, alerts: list[Alert], severity: int) -> Iterable[str]:
    named = next((name for name, rank in SEVERITIES.items() if rank == severity), "unknown")
    still_open = [alert for alert in alerts if alert.open]
    yield f"severity {named}, {len(still_open)} of {len(incident.alerts)} alerts open"
    bad = [evidence for alert in alerts for evidence in alert.evidence if evidence.bad]
    loose = [evidence for evidence in bad if not evidence.handled]
    if loose:
        states = sorted({evidence.remediation or "unknown" for evidence in loose})
        yield f"{len(loose)} of {len(bad)} malicious or suspicious items not dealt with ({', '.join(states)[:80]})"
    elif not bad:
        yield "no evidence carries a verdict that says it is harmless"
    elif not still_open:
        yield "what some evidence is, or what became of it, is not known"
    titles = list(dict.fromkeys(alert.title for alert in still_open or alerts if alert.title))
    for title in titles[:_TITLES]:
        yield f"alert: {title[:150]}"
    if len(titles) > _TITLES:
        yield f"and {len(titles) - _TITLES} more kinds of alert"
    if incident.status == "resolved":
        yield "the incident is resolved, but not as harmless"
    if incident.disrupted:
        yield "attack disruption by Microsoft is under way"


def _devices(alerts: list[Alert]) -> tuple[tuple[Affected, ...], tuple[str, ...]]:
    """The devices concerned, by id, and in words those without a usable one."""
    seen: dict[str, list[Evidence]] = {}
    times: dict[str, datetime] = {}
    unusable: dict[str, None] = {}
    spelt: dict[str, str] = {}
    for alert, evidence in ((each, item) for each in alerts for item in each.evidence):
        if evidence.kind != "device" and not (evidence.kind in _BEARS_DEVICE and evidence.bad):
            continue
        if _DEVICE_ID.fullmatch(evidence.device_id):
            device = spelt.setdefault(target_of(evidence.device_id), evidence.device_id)
            seen.setdefault(device, []).append(evidence)
            if alert.created and (evidence.kind != "device" or _concerned(evidence)):
                times[device] = max(alert.created, times.get(device, alert.created))
        elif evidence.kind == "device" and _concerned(evidence):
            unusable[f"{_name(evidence) or 'a device without a name'}: no usable Defender id"] = None
    found = []
    for device, items in seen.items():
        why = _why(items)
        if not why:
            continue
        own = [item for item in items if item.kind == "device"]
        said = {item.onboarding for item in own if item.onboarding}
        onboarding = "onboarded" if "onboarded" in said else next(iter(sorted(said)), "")
        name = next((_name(item) for item in own if _name(item)), device[:8])
        if onboarding and onboarding != "onboarded":
            unusable[f"{name}: not onboarded to Defender ({onboarding[:40]})"] = None
            continue
        hints = tuple(dict.fromkeys(hint for item in own for hint in (*item.tags, *item.detailed_roles)))
        found.append(
            Affected(id=device, name=name, onboarding=onboarding, why=why, hints=hints, newest_alert=times.get(device))
        )
    return tuple(found), tuple(unusable)


def _why(items: list[Evidence]) -> tuple[str, ...]:
    reasons: dict[str, None] = {}
    for item in items:
        if item.kind == "device":
            for role in item.roles:
                if role in ACTING_ROLES:
                    reasons[f"role {role}"] = None
            if item.bad:
                reasons[f"the device itself is {item.verdict}"] = None
        else:
            reasons[f"a {item.verdict} {item.kind} on it"] = None
    return tuple(reasons)


def _concerned(evidence: Evidence) -> bool:
    return evidence.bad or bool(ACTING_ROLES & set(evidence.roles))


def _name(evidence: Evidence) -> str:
    return (evidence.dns_name or evidence.host_name)[:120]
