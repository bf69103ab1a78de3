"""The alerts of an incident that did not come with it: read apart, once for a version, and kept beside its snapshot.

Graph leaves them out where the app may read incidents and not alerts, where a page's address forgot what was asked for,
or where there are too many for one answer. An incident whose devices nobody knows is one that nobody contains, so that
people hear of it where its alerts cannot be had apart either. Where a policy calls it harmless for certain without
them, nothing is read and nobody told: what is not known never forgives.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from responders._alarms import lasting_since, over, trouble
from responders._findings import ALERTS_ROLE
from responders._versions import alerts_name, canonical, merge_target, snapshot_name
from shared.errors import BulkheadError, Rejected, Transient
from shared.models.incident import MORE_ALERTS, Incident, lacks_alerts
from shared.models.plan import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders._policy import CompiledPolicy
    from responders._ports import Ports
    from shared.models.progress import IncidentState
    from shared.storage.interface import Documents

UNSENT = "alerts of incidents"
"""The trouble that incidents come without alerts."""

FORGOTTEN = timedelta(days=1)
"""How long that trouble lasts at the most, for a single one may have had none indeed: where it is more than that, the
next such incident begins it anew, and people hear of it again.
"""

PATIENCE = timedelta(minutes=5)
"""How long alerts are waited for before an incident is judged without them."""

MOST_PAGES = 40
MOST_BYTES = 24 << 20
"""Of what is read apart; an instance has 512 MB for everything that it does."""

_AGAIN = 10.0

log = logging.getLogger(__name__)


def snapshot_of(documents: Documents, incident: str, version: str) -> bytes | None:
    """A version's snapshot as it was judged, with the alerts that were read apart; None where there is none."""
    data = documents.read(snapshot_name(incident, version))
    if data is None or not lacks_alerts(raw := json.loads(data)):
        return data
    apart = documents.read(alerts_name(incident, version))
    return canonical({**raw, **json.loads(apart)}) if apart else data


def read_whole(ports: Ports, state: IncidentState, policy: CompiledPolicy) -> Mapping[str, Any]:
    """The newest snapshot of an incident, with all of its alerts where they are to be had and matter.

    Raises:
        Transient: they cannot be read now; so for `PATIENCE`.
    """
    data = snapshot_of(ports.documents, state.id, state.seen)
    if data is None:
        raise BulkheadError(f"the snapshot {snapshot_name(state.id, state.seen)} is missing")
    raw: Mapping[str, Any] = json.loads(data)
    if not lacks_alerts(raw) or ports.documents.read(alerts_name(state.id, state.seen)) is not None:
        return raw
    if policy.assess(Incident.model_validate(raw), {}, ports.clock.now()).verdict is Verdict.HARMLESS:
        return raw
    try:
        apart = _apart(ports, state)
    except Rejected as error:
        log.warning("the alerts of incident %s cannot be read: %s", state.id, error)
        return raw
    except Transient as error:
        if ports.clock.now() - state.seen_at < PATIENCE:
            raise
        log.warning("the alerts of incident %s could not be read in time: %s", state.id, error)
        return raw
    ports.documents.create(alerts_name(state.id, state.seen), canonical(apart))
    kept = ports.documents.read(alerts_name(state.id, state.seen))
    return {**raw, **json.loads(kept)} if kept else raw


def _apart(ports: Ports, state: IncidentState) -> Mapping[str, Any]:
    """The members of an incident that tell its alerts, read by itself and page by page. What is left at the end, since
    there is too much of it or a page is refused, the address that stays in `MORE_ALERTS` tells.
    """
    found = ports.incidents.get(state.id, alerts=True)
    if merge_target(found, state.id):
        raise Transient(f"incident {state.id} was merged away meanwhile", _AGAIN)
    alerts = found.get("alerts")
    read = list(alerts) if isinstance(alerts, list) else []
    following, pages, size = found.get(MORE_ALERTS), 0, len(canonical(found))
    while following and isinstance(following, str) and pages < MOST_PAGES and size < MOST_BYTES:
        try:
            more, after = ports.incidents.more_alerts(following)
        except Rejected as error:
            log.warning("a page of the alerts of incident %s is refused: %s", state.id, error)
            break
        read += more
        following, pages = after, pages + 1
        size += len(canonical({"alerts": more}))
    return {"alerts": read, MORE_ALERTS: following or None}


def note_unsent(ports: Ports, incident: Incident, verdict: Verdict) -> None:
    """Tell people, once, where an incident that may do harm has no alerts that anybody could read; and that it is over
    where the next one has.
    """
    if incident.alerts:
        over(ports, UNSENT)
    elif verdict is Verdict.HARMFUL and not incident.merged:
        text = (
            f"incident {incident.id[:64]} came without its alerts, and none could be read apart, so that none of its"
            f" devices is known and nothing is contained. Most likely the app's identity may not read alerts: grant it"
            f" {ALERTS_ROLE} (Microsoft Graph), then restart the app; until then, look at incidents in the portal"
        )
        trouble(ports, UNSENT, text, lasting=ports.settings.WATCH_ALARM)


def forget_unsent(ports: Ports) -> None:
    """End the trouble where it is old."""
    since = lasting_since(ports, UNSENT)
    if since and ports.clock.now() - since > FORGOTTEN:
        over(ports, UNSENT)
