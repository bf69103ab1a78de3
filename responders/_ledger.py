"""The ledger: the one truth about what was decided, sent and finished.

Open actions live in one partition together with the containment slots and the caps, so that reserving a cap, taking a
device's slot and moving an action on are one batch. An action that was final for an hour moves to its incident's
partition: copied, then deleted. Who inserts looks there first, and no worker lives for an hour, so nothing can be
inserted twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._cases import Cases, partition_of
from responders._entries import Entry, entry, parted, readable
from shared.models.action import Action, Caps, Slot, action_id, incident_of, target_in, target_of
from shared.storage.interface import Conflict, Delete, Insert, Put, Replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.storage.interface import Change, Row

OPEN = "open"
IDS = "ids"
"""Where the row keys of closed actions are found by their ids."""

ISOLATION = "isolate"


def slot_key(device: str, what: str = ISOLATION) -> str:
    """The row of a device's slot for a containment (a type of machine action)."""
    return f"{_slots(what)}{device}"


def caps_key(what: str = ISOLATION) -> str:
    """The row of what counts against the caps for a containment. Isolation came first, and has the plain names."""
    return "caps" if what == ISOLATION else f"caps~{what}"


def _slots(what: str) -> str:
    return "slot:" if what == ISOLATION else f"slot~{what}:"


class Ledger(Cases):
    """Rows as values. Every write is conditional and raises Conflict where somebody was faster."""

    # Actions

    def due(self, by: datetime) -> list[Entry[Action]]:
        """The open actions that somebody should look at; those that cannot be read are left to whoever can."""
        return readable(Action, self._rows.query(OPEN, prefix="action:", due_by=by))

    def open_actions(self, incident: str = "") -> list[Entry[Action]]:
        """Every action in the open partition, final ones that have not moved yet included. Of all incidents: those that
        can be read. Of one: raises Unreadable, since nothing is to be decided without knowing what was done.
        """
        if not incident:
            return readable(Action, self._rows.query(OPEN, prefix="action:"))
        return [entry(Action, row) for row in self._rows.query(OPEN, prefix=f"action:{incident}:")]

    def everything_open(self) -> tuple[list[Entry[Action]], list[str]]:
        """The open actions of all incidents that can be read, and the keys of those that cannot."""
        return parted(Action, self._rows.query(OPEN, prefix="action:"))

    def actions(self, incident: str) -> list[Action]:
        """Every action of an incident, open or closed. The open place is read first: an action that moves meanwhile is
        then found twice, never missed.
        """
        found = [entry.value for entry in self.open_actions(incident)]
        closed = self._rows.query(partition_of(incident), prefix="action:")
        found += [entry(Action, row).value for row in closed]
        unique = {action.key: action for action in reversed(found)}
        return sorted(unique.values(), key=lambda action: (action.created, action.key))

    def action(self, incident: str, key: str) -> Action | None:
        """One action, wherever it is."""
        row = self._rows.get(OPEN, key) or self._rows.get(partition_of(incident), key)
        return entry(Action, row).value if row else None

    def open_action(self, key: str) -> Entry[Action] | None:
        """One action, if it is open."""
        row = self._rows.get(OPEN, key)
        return entry(Action, row) if row else None

    def action_by_id(self, short: str) -> Action | None:
        """The action with this id, wherever it is."""
        for row in self._rows.query(OPEN, prefix="action:"):
            if action_id(row.key) == short:
                return entry(Action, row).value
        closed = self._rows.get(IDS, short)
        return self.action(incident_of(closed.text), closed.text) if closed else None

    def actions_on(self, device: str) -> list[Entry[Action]]:
        """The open actions on a device, of all incidents. Raises Unreadable rather than leave one out."""
        rows = self._rows.query(OPEN, prefix="action:")
        return [entry(Action, row) for row in rows if target_in(row.key) == target_of(device)]

    def etag(self, key: str) -> str:
        """The present etag of an open action, empty where it is not open."""
        row = self._rows.get(OPEN, key)
        return row.etag if row else ""

    def add(self, action: Action) -> bool:
        """Insert a planned action; False where it is known already, open or closed."""
        if self._rows.get(partition_of(action.incident), action.key):
            return False
        try:
            self._rows.commit(OPEN, [Insert(action.key, action.model_dump_json(), action.due)])
        except Conflict:
            return False
        return True

    def move(self, entry: Entry[Action], to: Action, *more: Change) -> Entry[Action]:
        """Move an action on, with whatever else must happen in the same batch."""
        change = Replace(to.key, to.model_dump_json(), entry.etag, to.due)
        etags = self._rows.commit(OPEN, [change, *more])
        return Entry(to, etags[to.key])

    def move_all(self, changes: Sequence[tuple[Entry[Action], Action]], *more: Change) -> list[Entry[Action]]:
        """Move several actions on in one batch; all or none."""
        batch = [Replace(to.key, to.model_dump_json(), entry.etag, to.due) for entry, to in changes]
        etags = self._rows.commit(OPEN, [*batch, *more])
        return [Entry(to, etags[to.key]) for _, to in changes]

    def close(self, entry: Entry[Action]) -> None:
        """Take a final action out of the open partition: copy, then delete, as often as need be."""
        action = entry.value
        self._rows.commit(partition_of(action.incident), [Put(action.key, action.model_dump_json())])
        self._rows.commit(IDS, [Put(action.id, action.key)])
        self._rows.commit(OPEN, [Delete(action.key, entry.etag)])

    def unreadable(self) -> list[str]:
        """The keys of open rows that this version cannot read."""
        return [row.key for row in self._rows.query(OPEN) if not readable(_kind_of(row), [row])]

    def history(self, incident: str) -> list[Action]:
        """Every action of an incident and of those that were merged into it."""
        return [action for each in (incident, *self.absorbed(incident)) for action in self.actions(each)]

    # Slots and caps, of isolation unless another containment is named

    def slot(self, device: str, what: str = ISOLATION) -> Entry[Slot] | None:
        """The containment slot of a device, if anybody holds it."""
        row = self._rows.get(OPEN, slot_key(device, what))
        return entry(Slot, row) if row else None

    def slots(self, what: str = ISOLATION) -> dict[str, Entry[Slot]]:
        """Every slot of a containment, by device."""
        found = (entry(Slot, row) for row in self._rows.query(OPEN, prefix=_slots(what)))
        return {entry.value.device: entry for entry in found}

    def caps(self, what: str = ISOLATION) -> Entry[Caps]:
        """What counts against the caps; an empty etag where nothing was ever sent."""
        row = self._rows.get(OPEN, caps_key(what))
        return entry(Caps, row) if row else Entry(Caps(), "")

    def put_slot(self, entry: Entry[Slot], to: Slot, what: str = ISOLATION) -> None:
        """Change a slot that is still as it was seen."""
        self._rows.commit(OPEN, [Replace(slot_key(to.device, what), to.model_dump_json(), entry.etag)])

    def drop_slot(self, device: str, etag: str, what: str = ISOLATION) -> None:
        """Let go of a device that somebody else released."""
        self._rows.commit(OPEN, [Delete(slot_key(device, what), etag)])


def _kind_of(row: Row) -> type[Action | Slot | Caps]:
    if row.key.startswith("caps"):
        return Caps
    return Slot if row.key.startswith("slot") else Action
