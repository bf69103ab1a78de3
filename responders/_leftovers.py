"""What live response left on devices when its action ended half-way, and having it removed.

An action that comes to its own end cleans up first. One that a person cancels, whose device stays away for too long, or
that a rail stops between two sessions cannot: whatever it left is an action of its own, which is planned once, goes
through every rail, and ends aloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._capture import Leg, Progress
from responders._nudges import forewarn, tell
from responders._sessions import CLEAN_UP
from shared.models.action import Action, State
from shared.models.frozen import Params

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._entries import Entry
    from responders._ports import Ports

_BUNDLES = frozenset({"collect_logs", "collect_volatile"})
_BY_ITSELF = frozenset({State.SUCCEEDED, State.ELSEWHERE, State.UNAVAILABLE})


def leftovers(action: Action) -> Action | None:
    """The action that removes what another one left on its device; None where that may have left nothing. Pure."""
    if not action.state.final or not action.finished_at:
        return None
    left = _left(action)
    if left is None:
        return None
    now = action.finished_at
    return Action(
        incident=action.incident,
        version=action.version,
        device=action.device,
        device_name=action.device_name,
        responder=CLEAN_UP,
        round=1,
        goal=action.id,
        params=Params({"of": action.id, **left}),
        state=State.PLANNED,
        created=now,
        since=now,
        due=now,
        severity=action.severity,
        newest_alert=action.newest_alert,
        device_alert=action.device_alert,
        shown_at=action.shown_at,
        reason=f"{action.responder} {action.id} ended before it could clean up: {action.detail}"[:300],
        rule=action.rule,
        attempt=action.attempt,
        before=action.attempt,
        facts=action.facts,
        facts_at=action.facts_at,
    )


def _left(action: Action) -> dict[str, str] | None:
    """What is known of it: the folder, and the script that made it."""
    if not action.attempt:
        return None
    if not action.progress:
        return {} if action.responder in _BUNDLES else None
    if action.responder not in {*_BUNDLES, "capture_memory"}:
        return None
    progress = Progress.model_validate_json(action.progress)
    looked_at = progress.leg is Leg.CLEAN and action.machine_action and action.state in _BY_ITSELF
    if looked_at or progress.leg is Leg.PREFLIGHT:
        return None
    return {"script": progress.script, **({"folder": progress.folder} if progress.folder else {})}


def tidy(ports: Ports, open_rows: Sequence[Entry[Action]]) -> None:
    """Plan the removal of what is left, once for each action that left something."""
    if CLEAN_UP not in ports.responders:
        return
    there = {entry.value.key for entry in open_rows}
    for entry in open_rows:
        planned = leftovers(entry.value)
        if planned and planned.key not in there:
            forewarn(ports, planned.incident)
            if ports.ledger.add(planned):
                tell(ports, planned)
