"""What the log says so that machines can read it: one line, the name of the event and its members as JSON.

The Functions worker forwards a record's formatted message, its level and the logger's name, and nothing else: what is
given as `extra` is lost on the way. So the members are in the message. JSON also keeps somebody else's text, which may
be part of a detail, from looking like a line of its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.models.action import Action

ACTION_EVENT = "bulkhead.action"
ALARM_EVENT = "bulkhead.alarm"
_LONGEST = 400


def event(name: str, members: Mapping[str, object]) -> str:
    """An event as it is logged. Searches look for its name, a space, and JSON (infra/queries)."""
    return f"{name} {json.dumps(members)}"


def action_event(action: Action, *, contains: bool, gathers: bool) -> str:
    """Where an action stands: ids, its state, and how long after the incident it came there, in seconds. Pure.

    `contains` and `gathers` are its responder's. `after_shown` counts from the tenant's answer that first showed the
    incident; `after_alert` from the creation of the newest alert on the device that was known when the action was
    planned, by Defender's clock. Null: not known.
    """
    members = {
        "action": action.id,
        "incident": action.incident,
        "device": action.device,
        "responder": action.responder,
        "containing": contains,
        "gathering": gathers,
        "goal": action.goal,
        "round": action.round,
        "severity": action.severity,
        "state": str(action.state),
        "attempt": action.attempt,
        "machine_action": action.machine_action,
        "by_order": bool(action.opened_by),
        "after_shown": _seconds(action.shown_at, action.since),
        "after_alert": _seconds(action.device_alert or action.newest_alert, action.since),
        "artefacts": len(action.artefacts),
        "bytes": sum(each.size for each in action.artefacts),
        "detail": action.detail[:_LONGEST],
    }
    return event(ACTION_EVENT, members)


def _seconds(start: datetime | None, end: datetime) -> float | None:
    return None if start is None else round(max(0.0, (end - start).total_seconds()), 1)
