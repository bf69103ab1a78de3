"""How an incident, its versions and their snapshots are called, and how soon a version may come back. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.models.lenient import text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.models.progress import IncidentState

AT_ONCE = 4
"""How often content may come back to an incident at once."""

WAIT, LONGEST = timedelta(minutes=1), timedelta(hours=1)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def merge_target(raw: Mapping[str, Any], incident: str) -> str:
    """The incident that this one was merged into; empty where there is none, or none whose id can be used."""
    target = text(raw.get("redirectIncidentId"))
    return target if is_key(target) and target != incident else ""


def numbered(content: str, state: IncidentState | None) -> str:
    """The version of an incident: its content, and how often people had it assessed anew, or it came back, by then."""
    number = len(state.reassessed) + state.returned if state else 0
    return f"{content}-{number}" if number else content


def older(updated: datetime | None, state: IncidentState) -> bool:
    """Whether a page tells of a state that a newer page has overtaken."""
    return bool(updated and state.updated and updated < state.updated)


def is_key(incident: str) -> bool:
    """Whether an incident's id is one that can stand in a row key or name."""
    return bool(_ID.fullmatch(incident))


def incident_key(raw: Mapping[str, Any], version: str) -> str:
    """The incident's id where it is one that can stand in a row key or name; else a name made from it."""
    named = text(raw.get("id"))
    if is_key(named):
        return named
    return f"x-{hashlib.sha256(named.encode()).hexdigest()[:16] if named else version[:16]}"


def snapshot_name(incident: str, version: str) -> str:
    """Where the snapshot of a version lies."""
    return f"{incident}/{version}/incident.json"


def alerts_name(incident: str, version: str) -> str:
    """Where those alerts of a version lie that its snapshot came without."""
    return f"{incident}/{version}/alerts.json"


def canonical(raw: Mapping[str, Any]) -> bytes:
    """A snapshot's bytes."""
    return json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()


def patience(state: IncidentState) -> timedelta:
    """How long what is known of an incident stands before content that it had before comes back. Replicas of Graph that
    disagree for long, and each comment of ours is an update, would have people told of it every few seconds.
    """
    more = state.returned - AT_ONCE
    return min(LONGEST, WAIT * 2 ** min(more, 6)) if more >= 0 else timedelta()
