"""An incident of the past, as it stood while it grew. Pure.

Graph tells how an incident is now. What it was when the app would have read it is worked out: alerts that did not exist
yet are left out, and what people said later (an alert resolved, a classification) is taken back. What cannot be known,
such as what became of a file and when, is as it is now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from shared.models.incident import Alert, Incident

UNTIL_READ = timedelta(minutes=1)
"""How long after its first alert an incident is judged; what came in between is judged with it."""

MOST = 50
"""How often one incident is judged at most: the last time it is judged whole."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An incident as it stood at a time."""

    at: datetime
    incident: Incident


def moments(incident: Incident) -> Iterator[Moment]:
    """An incident each time that alerts had come."""
    created = sorted({alert.created for alert in incident.alerts if alert.created})
    if not created:
        if incident.created:
            yield Moment(incident.created + UNTIL_READ, as_of(incident, incident.created + UNTIL_READ))
        return
    times = list(_readings(created))
    for at in (*times[: MOST - 1], *times[MOST - 1 :][-1:]):
        yield Moment(at, as_of(incident, at))


def _readings(created: Sequence[datetime]) -> Iterator[datetime]:
    at: datetime | None = None
    for each in created:
        if at is None or each > at:
            at = each + UNTIL_READ
            yield at


def versions(kept: Sequence[Incident]) -> Iterator[Moment]:
    """The versions of an incident that were kept when they were read: each as it was."""
    known = [(each.updated or each.newest_alert, each) for each in kept]
    for at, each in sorted(((at, each) for at, each in known if at), key=lambda one: one[0]):
        yield Moment(at, each)


def as_of(incident: Incident, at: datetime) -> Incident:
    """The incident as far as it can be told how it stood at a time."""
    alerts = tuple(_alert(each, at) for each in incident.alerts if each.created is None or each.created <= at)
    over = bool(alerts) and len(alerts) == len(incident.alerts) and all(_resolved(each, at) for each in alerts)
    said = {} if over else {"classification": "unknown", "determination": "unknown"}
    status = {"status": "active"} if incident.status == "resolved" and not over else {}
    if alerts == incident.alerts and not said and not status:
        return incident
    return incident.model_copy(update={"alerts": alerts, **said, **status})


def _alert(alert: Alert, at: datetime) -> Alert:
    if _resolved(alert, at) or (alert.status != "resolved" and alert.classification in {"", "unknown"}):
        return alert
    later = {"status": "new"} if alert.status == "resolved" else {}
    return alert.model_copy(update={"classification": "unknown", "determination": "unknown", **later})


def _resolved(alert: Alert, at: datetime) -> bool:
    return alert.status == "resolved" and alert.resolved is not None and alert.resolved <= at
