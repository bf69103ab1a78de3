"""The ledger: the one truth about what was decided, sent and finished.

Open actions live in one partition together with the containment slots and the caps, so that reserving a cap, taking a
device's slot and moving an action on are one batch. An action that was final for an hour moves to its incident's
partition: copied, then deleted. Who inserts looks there first, and no worker lives for an hour, so nothing can be
inserted twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from shared.models.action import Action, Caps, IncidentState, Kept, Notice, Slot
from shared.storage.interface import Conflict, Delete, Insert, Put, Replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from shared.storage.interface import Change, Row, Rows

OPEN = "open"
AGENDA = "agenda"
CAPS = "caps"
STATE = "incident"
K = TypeVar("K", bound=Kept)


@dataclass(frozen=True, slots=True)
class Entry(Generic[K]):
    """A value as the ledger keeps it, with what a conditional write needs."""

    value: K
    etag: str


def partition_of(incident: str) -> str:
    """Where an incident keeps its own rows."""
    return f"incident:{incident}"


def slot_key(device: str) -> str:
    """The row of a device's containment slot."""
    return f"slot:{device}"


class Ledger:
    """Rows as values. Every write is conditional and raises Conflict where somebody was faster."""

    def __init__(self, rows: Rows) -> None:
        """`rows` is the table that holds everything."""
        self._rows = rows

    # Actions

    def due(self, by: datetime) -> list[Entry[Action]]:
        """The open actions that somebody should look at."""
        return [_entry(Action, row) for row in self._rows.query(OPEN, prefix="action:", due_by=by)]

    def open_actions(self, incident: str = "") -> list[Entry[Action]]:
        """Every action in the open partition, final ones that have not moved yet included."""
        prefix = f"action:{incident}:" if incident else "action:"
        return [_entry(Action, row) for row in self._rows.query(OPEN, prefix=prefix)]

    def actions(self, incident: str) -> list[Action]:
        """Every action of an incident, open or closed. The open place is read first: an action that moves meanwhile is
        then found twice, never missed.
        """
        found = [entry.value for entry in self.open_actions(incident)]
        closed = self._rows.query(partition_of(incident), prefix="action:")
        found += [_entry(Action, row).value for row in closed]
        unique = {action.key: action for action in reversed(found)}
        return sorted(unique.values(), key=lambda action: (action.created, action.key))

    def action(self, incident: str, key: str) -> Action | None:
        """One action, wherever it is."""
        row = self._rows.get(OPEN, key) or self._rows.get(partition_of(incident), key)
        return Action.model_validate_json(row.text) if row else None

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
        self._rows.commit(OPEN, [Delete(action.key, entry.etag)])

    # Slots and caps

    def slot(self, device: str) -> Entry[Slot] | None:
        """The containment slot of a device, if anybody holds it."""
        row = self._rows.get(OPEN, slot_key(device))
        return _entry(Slot, row) if row else None

    def slots(self) -> dict[str, Entry[Slot]]:
        """Every containment slot, by device."""
        found = (_entry(Slot, row) for row in self._rows.query(OPEN, prefix="slot:"))
        return {entry.value.device: entry for entry in found}

    def caps(self) -> Entry[Caps]:
        """What counts against the caps; an empty etag where nothing was ever sent."""
        row = self._rows.get(OPEN, CAPS)
        return _entry(Caps, row) if row else Entry(Caps(), "")

    def drop_slot(self, device: str, etag: str) -> None:
        """Let go of a device that somebody else released."""
        self._rows.commit(OPEN, [Delete(slot_key(device), etag)])

    # Incidents

    def incident(self, incident: str) -> Entry[IncidentState] | None:
        """How far an incident has come."""
        row = self._rows.get(partition_of(incident), STATE)
        return _entry(IncidentState, row) if row else None

    def put_incident(self, state: IncidentState, etag: str) -> None:
        """Write how far an incident has come; an empty etag where it must be new."""
        text = state.model_dump_json()
        change = Replace(STATE, text, etag) if etag else Insert(STATE, text)
        self._rows.commit(partition_of(state.id), [change])

    def remind(self, incident: str, due: datetime) -> None:
        """See to it that somebody looks at an incident at `due`, whatever becomes of messages."""
        self._rows.commit(AGENDA, [Put(incident, "", due)])

    def reminder(self, incident: str) -> str:
        """The etag of an incident's reminder, empty where there is none."""
        row = self._rows.get(AGENDA, incident)
        return row.etag if row else ""

    def reminded(self, incident: str, by: datetime) -> bool:
        """Whether somebody will look at an incident by then."""
        row = self._rows.get(AGENDA, incident)
        return bool(row and row.due and row.due <= by)

    def forget(self, incident: str, etag: str) -> None:
        """Drop a reminder that is still as it was seen."""
        self._rows.commit(AGENDA, [Delete(incident, etag)])

    def overdue(self, by: datetime) -> list[str]:
        """The incidents that somebody should look at."""
        return [row.key for row in self._rows.query(AGENDA, due_by=by)]

    # Notices

    def notices(self, incident: str) -> list[Entry[Notice]]:
        """What was told about an incident."""
        return [_entry(Notice, row) for row in self._rows.query(partition_of(incident), prefix="notice:")]

    def put_notice(self, incident: str, notice: Notice, etag: str) -> Entry[Notice]:
        """Write what is told; an empty etag where it must be new."""
        key = f"notice:{notice.chapter:03d}:{notice.kind}:{notice.channel}"
        text = notice.model_dump_json()
        change = Replace(key, text, etag) if etag else Insert(key, text)
        return Entry(notice, self._rows.commit(partition_of(incident), [change])[key])

    # Single rows of the deployment

    def single(self, kind: type[K], name: str) -> Entry[K] | None:
        """A value that exists once per deployment."""
        row = self._rows.get("deployment", name)
        return _entry(kind, row) if row else None

    def singles(self, kind: type[K], prefix: str) -> list[Entry[K]]:
        """The values of the deployment whose names begin so."""
        return [_entry(kind, row) for row in self._rows.query("deployment", prefix=prefix)]

    def put_single(self, name: str, value: Kept, etag: str) -> None:
        """Write a value that exists once; an empty etag where it must be new."""
        text = value.model_dump_json()
        self._rows.commit("deployment", [Replace(name, text, etag) if etag else Insert(name, text)])

    # Dead letters

    def bury(self, queue: str, message: str, text: str) -> None:
        """Keep a message that nobody could handle; again and again the same."""
        self._rows.commit("dead-letters", [Put(f"{queue}:{message}", text)])

    def dead_letters(self) -> Iterator[tuple[str, str]]:
        """Every kept message: its key (queue and id) and its text."""
        for row in self._rows.query("dead-letters"):
            yield row.key, row.text


def _entry(kind: type[K], row: Row) -> Entry[K]:
    return Entry(kind.model_validate_json(row.text), row.etag)
