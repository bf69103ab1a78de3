"""Whether the work itself goes on: timers that stand still, work that piles up, calls that somebody never gets, and a
policy that cannot be used.

Every timer leaves a heartbeat; the others look at it. What is wrong is told once it has lasted, and again when over.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._alarms import over, trouble, troubles
from responders._entries import renewed
from shared.models.action import Kept, State
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from responders._ports import Ports
    from shared.models.action import Action

BEAT = timedelta(minutes=1)
"""How often a timer leaves a heartbeat at the most: each is a write."""

WATCH, FOLLOW, HOUSEKEEPING, BACKLOG = "watch", "follow", "housekeeping", "backlog"
HOURLY = timedelta(hours=3)
"""How long the hourly round may be silent."""

PILE = 20
"""How many incidents may be overdue at once before that is called a backlog."""

STARVED = timedelta(minutes=10)
"""How long a containment may wait for its turn before somebody has to know."""

STARVED_COLLECTION = timedelta(hours=2)
UNGATHERED = timedelta(minutes=15)
"""How long what an action left may lie there though somebody should have come for it."""

_TO_BE_SENT = frozenset({State.PLANNED, State.SENDING, State.UNKNOWN})

log = logging.getLogger(__name__)


class Beat(Kept):
    """When a timer last ran to its end (storage time)."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that may be wrong: what it is called, and what is wrong with it (empty: nothing)."""

    kind: str
    text: str


def beat(ports: Ports, name: str, look: Callable[[Ports], None] = lambda _: None) -> None:
    """Once a minute, `look` whether all is well, and note that a timer ran to its end: where the look fails again and
    again, the timer counts as silent.
    """
    entry = ports.ledger.single(Beat, _row(name))
    if entry and ports.clock.now() - entry.value.at < BEAT:
        return
    look(ports)
    made = Beat(name=name, at=ports.clock.now())
    try:
        ports.ledger.put_single(_row(name), renewed(entry, made), entry.etag if entry else "")
    except Conflict:
        log.info("another instance noted that %s ran", name)


def look_at_follow(ports: Ports) -> None:
    """See, from the watch, whether the tick still runs."""
    _tell(ports, [silent(FOLLOW, _beats(ports), ports.clock.now(), ports.settings.STALL_ALARM)])


def look_at_work(ports: Ports) -> None:
    """See, from the tick, whether the other timers still run and the work is done."""
    now = ports.clock.now()
    beats = _beats(ports)
    actions = [entry.value for entry in ports.ledger.open_actions()]
    contain = [action for action in actions if ports.contains(action)]
    collect = [action for action in actions if not ports.contains(action)]
    found = [
        silent(WATCH, beats, now, ports.settings.STALL_ALARM),
        silent(HOUSEKEEPING, beats, now, HOURLY),
        waiting("containment", contain, now, STARVED),
        waiting("collection", collect, now, STARVED_COLLECTION),
        ungathered(actions, now),
        piled(len(ports.ledger.overdue(now - ports.settings.NUDGE_AFTER))),
        Complaint("policy", ports.policies.in_force().problem),
    ]
    _tell(ports, found)


def _tell(ports: Ports, found: Iterable[Complaint]) -> None:
    known = troubles(ports)
    for complaint in found:
        if complaint.text:
            lasting = ports.settings.STALL_ALARM if complaint.kind == BACKLOG else timedelta(0)
            trouble(ports, complaint.kind, complaint.text, lasting=lasting)
        elif complaint.kind in known:
            over(ports, complaint.kind)


def _beats(ports: Ports) -> dict[str, datetime]:
    return {entry.value.name: entry.value.at for entry in ports.ledger.singles(Beat, _row(""))}


def silent(name: str, beats: Mapping[str, datetime], now: datetime, patience: timedelta) -> Complaint:
    """Whether a timer that ever ran has been silent for too long. Pure."""
    last = beats.get(name)
    if last is None or now - last <= patience:
        return Complaint(f"timer {name}", "")
    todo = "see in the function app whether the function is disabled or fails, and restart the app"
    return Complaint(
        f"timer {name}", f"the timer {name} has not run to its end since {last:%Y-%m-%d %H:%M} UTC; {todo}"
    )


def waiting(what: str, actions: Iterable[Action], now: datetime, patience: timedelta) -> Complaint:
    """Whether actions wait to be sent for too long: somebody else uses up the budget, or Defender refuses. Pure."""
    late = [each for each in actions if each.state in _TO_BE_SENT and now - _asked(each) > patience]
    # people hear anyway of those that are tried again, and of what the tenant refuses as a whole
    late = [each for each in late if not (each.doubts or each.tries or each.timeouts or each.todo)]
    kind = f"governor {what}"
    if not late:
        return Complaint(kind, "")
    oldest = min(late, key=_asked)
    age = int((now - _asked(oldest)).total_seconds() / 60)
    why = f" ({oldest.detail[:120]})" if oldest.detail else ""
    todo = "see which other tools use the API"
    return Complaint(kind, f"{len(late)} actions of {what} wait to be sent, the oldest for {age} min{why}; {todo}")


def ungathered(actions: Iterable[Action], now: datetime) -> Complaint:
    """Whether what finished actions left is gathered by nobody: longer than any worker keeps it to itself. Pure."""
    late = [each for each in actions if each.state is State.FETCHING and each.due and now - each.due > UNGATHERED]
    text = f"what {len(late)} actions left on Defender is not archived; see whether the function archive runs"
    return Complaint("archive", text if late else "")


def _asked(action: Action) -> datetime:
    """From when on an action was to be sent; what a person approved was asked for then."""
    return action.since if action.approved else action.created


def piled(overdue: int) -> Complaint:
    """Whether incidents pile up. Pure."""
    text = f"{overdue} incidents are overdue; see whether the queue functions run" if overdue > PILE else ""
    return Complaint(BACKLOG, text)


def _row(name: str) -> str:
    return f"beat:{name}"
