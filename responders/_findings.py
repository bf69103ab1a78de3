"""What an incident says, read once for everybody who judges: severity, reasons in words, and what makes it harmless.

Pure. Each function that speaks for harmlessness says what is known, in words, and nothing where it is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.models.incident import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.models.incident import Alert, Incident

BENIGN = frozenset({"falsepositive", "informationalexpectedactivity"})
ALERTS_ROLE = "SecurityAlert.Read.All"
"""The app role for want of which, as it seems, incidents come without alerts."""

_TITLES = 3


def merged(incident: Incident) -> str:
    """That it was merged away; empty where it was not."""
    if not incident.merged:
        return ""
    return f"merged into incident {incident.merged_into or '(unknown)'}, which is judged on its own"


def classified_benign(incident: Incident) -> str:
    """That a person classified it as benign."""
    return "classified as a false positive or expected activity" if incident.classification in BENIGN else ""


def all_alerts_benign(incident: Incident, alerts: Sequence[Alert]) -> str:
    """That a person classified every alert as benign. `alerts` are those that nobody did."""
    if not incident.whole or alerts:
        return ""
    return "every alert is classified as a false positive or expected activity"


def informational_only(incident: Incident, alerts: Sequence[Alert]) -> str:
    """That it and every alert that is not benign are known to be informational."""
    only = incident.severity == "informational" and all(alert.severity == "informational" for alert in alerts)
    return "informational only" if only and not incident.more_alerts else ""


def all_dealt_with(incident: Incident, alerts: Sequence[Alert]) -> str:
    """That everything bad, of which there is something, is dealt with, and that no alert is open or unclear."""
    if not incident.whole:
        return ""
    bad = [evidence for alert in alerts for evidence in alert.evidence if evidence.bad]
    if bad and all(evidence.handled for evidence in bad) and not any(map(_unsettled, alerts)):
        return f"all {len(bad)} malicious or suspicious items are remediated, prevented or blocked; no alert is open"
    return ""


def _unsettled(alert: Alert) -> bool:
    """Whether an alert is open, names nothing, or names what nobody can tell to be harmless."""
    return alert.open or not alert.evidence or any(evidence.unclear for evidence in alert.evidence)


def unread(incident: Incident) -> Iterable[str]:
    """What of its alerts was not to be had, so that devices may be missing."""
    if incident.whole or incident.merged:
        return
    if incident.alerts:
        yield f"alerts: {len(incident.alerts)} were read, and there are more; look for their devices in the portal"
    else:
        yield f"alerts: Graph sent none, so that no device is known ({ALERTS_ROLE} may be missing)"


def severity_of(incident: Incident, alerts: Sequence[Alert]) -> int:
    """The highest rank; unknown where a severity that we do not know may be more than the low ones that we do."""
    said = (incident.severity, *(alert.severity for alert in alerts))
    known = max(SEVERITIES.get(severity, 0) for severity in said)
    unknown = any(severity not in SEVERITIES and severity not in {"", "unknown"} for severity in said)
    return 0 if unknown and known < SEVERITIES["medium"] else known


def severity_name(rank: int) -> str:
    """`high` for 4, `unknown` for 0."""
    return next((name for name, number in SEVERITIES.items() if number == rank), "unknown")


def reasons(incident: Incident, alerts: Sequence[Alert], severity: int) -> Iterable[str]:
    """Why it may do harm, in words, the gravest first."""
    still_open = [alert for alert in alerts if alert.open]
    yield f"severity {severity_name(severity)}, {len(still_open)} of {len(incident.alerts)} alerts open"
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
