"""What the ledger keeps beside the open actions: incidents, reminders, notices, orders, and single rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._entries import Entry, K, entry, readable
from shared.models.asked import DeadLetter
from shared.models.progress import Absorbed, IncidentState, Notice
from shared.storage.interface import Conflict, Delete, Insert, Put, Replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.models.action import Kept
    from shared.storage.interface import Rows

    Named = tuple[str, Kept, str]
    """A single row: its name, its value, and the etag that was seen of it, empty where it must be new."""

AGENDA = "agenda"
DEPLOYMENT = "deployment"
ORDERED = "orders"
RELEASED = "released"
LETTERS = "dead-letters"
REPORTS = "reports"
FILES = "files"
STATE = "incident"
_MERGES = 16


def partition_of(incident: str) -> str:
    """Where an incident keeps its own rows."""
    return f"incident:{incident}"


def _of_notice(notice: Notice) -> str:
    return f"notice:{notice.chapter:03d}:{notice.kind}:{notice.channel}"


def _change(key: str, value: Kept, etag: str, due: datetime | None = None) -> Insert | Replace:
    text = value.model_dump_json()
    return Replace(key, text, etag, due) if etag else Insert(key, text, due)


class Cases:
    """Rows as values, each written under a condition of its own."""

    def __init__(self, rows: Rows) -> None:
        """`rows` is the table that holds everything."""
        self._rows = rows

    # Incidents

    def incident(self, incident: str) -> Entry[IncidentState] | None:
        """How far an incident has come."""
        row = self._rows.get(partition_of(incident), STATE)
        return entry(IncidentState, row) if row else None

    def put_incident(self, state: IncidentState, etag: str) -> None:
        """Write how far an incident has come; an empty etag where it must be new."""
        text = state.model_dump_json()
        change = Replace(STATE, text, etag) if etag else Insert(STATE, text)
        self._rows.commit(partition_of(state.id), [change])

    # Merged incidents

    def absorb(self, incident: str, source: str, at: datetime) -> None:
        """Note that another incident was merged into this one; once noted it stays."""
        try:
            row = Insert(f"merged:{source}", Absorbed(source=source, at=at).model_dump_json())
            self._rows.commit(partition_of(incident), [row])
        except Conflict:
            return

    def absorbed(self, incident: str) -> list[str]:
        """The incidents that were merged into this one, and into those."""
        found = [incident]
        for each in found:
            rows = self._rows.query(partition_of(each), prefix="merged:")
            found += [source for row in rows if (source := row.key.removeprefix("merged:")) not in found]
        return found[1:]

    def heir(self, incident: str) -> IncidentState | None:
        """The state of the incident that goes on with this one: itself, or what it was merged into in the end. None
        where that is not known yet.
        """
        entry = self.incident(incident)
        for _ in range(_MERGES):
            if entry is None or not entry.value.merged_into:
                break
            entry = self.incident(entry.value.merged_into)
        return entry.value if entry else None

    # What is to be looked at

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
        return [entry(Notice, row) for row in self._rows.query(partition_of(incident), prefix="notice:")]

    def open_notices(self, incident: str, notices: Sequence[Notice]) -> list[Entry[Notice]]:
        """Write down together, all or none, what is to be told on several channels."""
        rows = {_of_notice(each): each for each in notices}
        etags = self._rows.commit(partition_of(incident), [Insert(k, n.model_dump_json()) for k, n in rows.items()])
        return [Entry(each, etags[key]) for key, each in rows.items()]

    def put_notice(self, incident: str, notice: Notice, etag: str) -> Entry[Notice]:
        """Write how the telling of a notice goes, of which `etag` was seen."""
        change = Replace(key := _of_notice(notice), notice.model_dump_json(), etag)
        return Entry(notice, self._rows.commit(partition_of(incident), [change])[key])

    # Single rows of the deployment

    def single(self, kind: type[K], name: str) -> Entry[K] | None:
        """A value that exists once per deployment."""
        return self.one(kind, DEPLOYMENT, name)

    def singles(self, kind: type[K], prefix: str) -> list[Entry[K]]:
        """The values of the deployment whose names begin so."""
        return self.every(kind, DEPLOYMENT, prefix)

    def put_single(self, name: str, value: K, etag: str) -> Entry[K]:
        """Write a value that exists once; an empty etag where it must be new."""
        return self.put(DEPLOYMENT, name, value, etag)

    def put_singles(self, *rows: Named) -> None:
        """The same for several in one step: all or none."""
        self._rows.commit(DEPLOYMENT, [_change(name, value, etag) for name, value, etag in rows])

    # Values of any partition

    def one(self, kind: type[K], partition: str, key: str) -> Entry[K] | None:
        """A value by its place."""
        row = self._rows.get(partition, key)
        return entry(kind, row) if row else None

    def every(self, kind: type[K], partition: str, prefix: str = "", due_by: datetime | None = None) -> list[Entry[K]]:
        """The values of a partition whose keys begin so, with `due_by` only those that are due; those that cannot be
        read are left to whoever can.
        """
        return readable(kind, self._rows.query(partition, prefix=prefix, due_by=due_by))

    def put(self, partition: str, key: str, value: K, etag: str, due: datetime | None = None) -> Entry[K]:
        """Write a value; an empty etag where it must be new."""
        return Entry(value, self._rows.commit(partition, [_change(key, value, etag, due)])[key])

    def dead_letters(self) -> list[Entry[DeadLetter]]:
        """Every message that nobody could handle."""
        return self.every(DeadLetter, LETTERS)
