"""Live response sessions as something scarce: one to a device, and so many to a tenant that analysts keep some.

An open row is the lease: while one says that a session of ours is asked for or under way, no other is asked for on that
device. What people have open in the portal nobody can see; Defender says busy then, and it is tried later.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from responders._live import API
from shared.models.action import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Action

HOLDS = frozenset({State.SENDING, State.UNKNOWN, State.ACCEPTED})
"""States in which a session may exist."""


def holds(action: Action) -> bool:
    """Whether a session of an action may exist: of one in doubt it may, whatever it waits for."""
    return action.state in HOLDS or (action.doubtful and not action.state.final)


DEFAULT = 15
CLEAN_UP = "clean_up"
"""The responder that removes what another action left."""


def most(limits: Mapping[str, int | str]) -> int:
    """How many sessions of ours there may be at once, by the setting RATE_LIMITS."""
    chosen = limits.get("live_response_sessions", DEFAULT)
    return chosen if isinstance(chosen, int) else DEFAULT


class Sessions:
    """Who may have a session now. `ours` are the names of responders that need one, `most` how many there may be."""

    def __init__(self, rows: Iterable[Action], ours: Collection[str], most: int) -> None:
        """`rows` are all open actions."""
        self._ours = ours
        self._most = most
        self._held = {row.key: row.target for row in rows if row.responder in ours and holds(row)}

    @classmethod
    def of(cls, ports: Ports, due: Sequence[Entry[Action]] | None = None) -> Sessions:
        """As the open rows have it now, which are read only where one of those that are due needs a session."""
        ours = {name for name, each in ports.responders.items() if each.api == API}
        needed = due is None or any(entry.value.responder in ours for entry in due)
        rows = [entry.value for entry in ports.ledger.open_actions()] if needed else []
        return cls(rows, ours, most(ports.settings.RATE_LIMITS))

    def admitted(self, due: Sequence[Entry[Action]]) -> list[Entry[Action]]:
        """Those of the rows that are due which may be sent now, the first ones first."""
        return [entry for entry in due if self.admits(entry.value)]

    def admits(self, action: Action) -> bool:
        """Whether an action may ask for its session now; if so, it counts. What needs none always may."""
        if action.responder not in self._ours or action.key in self._held:
            return True
        if len(self._held) >= self._most or action.target in self._held.values():
            return False
        self._held[action.key] = action.target
        return True


def overdue(action: Action, api: str, now: datetime, patience: timedelta) -> bool:
    """Whether a session of ours has waited for its device for so long that it only stands in the way of others."""
    waits = action.accepted_at is not None and now - action.accepted_at > patience
    return api == API and waits and not action.foreign


def taken_back(action: Action, now: datetime, patience: timedelta, reissues: int) -> Action:
    """An action whose waiting session we cancelled: asked for again later, some times, and then given up aloud."""
    times = action.timeouts + 1
    lost = {"ended": (*action.ended, action.machine_action), "machine_action": "", "timeouts": times, "away": False}
    said = (
        f"the device did not answer for {patience}; our session there was cancelled ({times} of {reissues + 1} times)"
    )
    if times <= reissues:
        return action.to(State.PLANNED, now, **lost, due=now + patience, detail=said)
    return action.to(State.FAILED, now, **lost, detail=f"{said}{_left(action)}", todo=_advice(action))


def _left(action: Action) -> str:
    if action.responder == CLEAN_UP:
        return "; a Linux device removes what is left by itself after two days, unless it restarts before"
    return "; what it may have left there is removed by an action of its own" if action.before else ""


def _advice(action: Action) -> str:
    again = f"have the device connect; then: bulkhead retry {action.id}"
    if action.responder != CLEAN_UP:
        return again
    return f"{again}; or remove {action.params.get('folder') or 'bulkhead-' + action.params['of']} there by hand"
