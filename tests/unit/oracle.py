"""Judgement and wishes without a policy, in a few lines: what the shipped policy has to come to, for every incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders import _findings
from responders._concern import devices
from shared.models.incident import SEVERITIES
from shared.models.plan import Assessment, Verdict

if TYPE_CHECKING:
    from shared.models.incident import Alert, Incident


def judge(incident: Incident) -> Assessment:
    """The assessment of an incident as it stands."""
    alerts = [alert for alert in incident.alerts if not alert.benign]
    harmless = _harmless(incident, alerts)
    severity = _findings.severity_of(incident, alerts)
    if harmless:
        return Assessment(verdict=Verdict.HARMLESS, reasons=(harmless,), severity=severity)
    concerned, unusable = devices(alerts)
    return Assessment(
        verdict=Verdict.HARMFUL,
        reasons=tuple(_findings.reasons(incident, alerts, severity)),
        severity=severity,
        doubt=_doubt(incident, severity),
        newest_alert=max((alert.created for alert in alerts if alert.created), default=incident.created),
        devices=concerned,
        not_actionable=(*_findings.unread(incident), *unusable),
    )


def _harmless(incident: Incident, alerts: list[Alert]) -> str:
    """Why it is very likely harmless; empty where it is not."""
    return (
        _findings.merged(incident)
        or _findings.classified_benign(incident)
        or _findings.all_alerts_benign(incident, alerts)
        or _findings.informational_only(incident, alerts)
        or _findings.all_dealt_with(incident, alerts)
    )


def _doubt(incident: Incident, severity: int) -> str:
    if incident.status == "resolved":
        return "somebody resolved the incident, though not as harmless"
    return "" if severity else "the severity is not known"


def wanted(found: Assessment) -> list[str]:
    """The responders that are asked for, on every device that is concerned: isolation from medium severity on, and
    where the severity is not known; the package of everything that may do harm, and a hunt.
    """
    if found.verdict is Verdict.HARMLESS:
        return []
    grave = not found.severity or found.severity >= SEVERITIES["medium"]
    return ["isolate", "collect_package", "hunt"] if grave else ["collect_package", "hunt"]
