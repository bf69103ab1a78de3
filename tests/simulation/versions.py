"""Two versions of the product at work on one ledger: an update in the middle of a history.

The newer version writes a member more into every row, and gives some of its rows a newer form; so its rows are dressed
on their way into storage and undressed on their way out. The older one gets them as they are: it must hand on what it
does not know, and leave alone what it cannot read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from responders._ledger import OPEN
from shared.models.action import FORM
from shared.storage.interface import Delete, Replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from shared.storage.interface import Change, Row
    from tests.fakes.storage import FakeRows

ADDED = '"from_the_newer":1'
_OLD, _NEW = f'{{"v":{FORM},', f'{{"v":{FORM + 1},'


class Versions:
    """What both versions share: the rows, and what of the newer version's was lost on the way."""

    def __init__(self, rows: FakeRows) -> None:
        """Nothing was written yet."""
        self.rows = rows
        self.lost: list[str] = []
        self.dressed = 0
        self.reformed = 0
        self.handed_on = 0

    def check(self, partition: str, change: Change) -> None:
        """See that a row which replaces another keeps what the newer version added to it."""
        before = self.rows.stored.get((partition, change.key))
        if not isinstance(change, Replace) or before is None or before.etag != change.etag:
            return
        if ADDED in before.text and ADDED not in change.text:
            self.lost.append(f"{partition} {change.key}")
        self.handed_on += ADDED in before.text


class OlderRows:
    """`Rows` as the older version sees them: as they are stored."""

    def __init__(self, versions: Versions) -> None:
        """`versions` knows the rows."""
        self._versions = versions

    def get(self, partition: str, key: str) -> Row | None:
        """See `Rows.get`."""
        return self._versions.rows.get(partition, key)

    def query(self, partition: str, *, prefix: str = "", due_by: datetime | None = None) -> Iterator[Row]:
        """See `Rows.query`."""
        return self._versions.rows.query(partition, prefix=prefix, due_by=due_by)

    def commit(self, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        """See `Rows.commit`."""
        for change in changes:
            self._versions.check(partition, change)
        return self._versions.rows.commit(partition, changes)


class NewerRows(OlderRows):
    """`Rows` as the newer version sees them. With `reform`, its actions are of a form that the older cannot read."""

    def __init__(self, versions: Versions, *, reform: bool) -> None:
        """`versions` knows the rows."""
        super().__init__(versions)
        self._reform = reform

    def get(self, partition: str, key: str) -> Row | None:
        """See `Rows.get`."""
        row = super().get(partition, key)
        return _undressed(row) if row else None

    def query(self, partition: str, *, prefix: str = "", due_by: datetime | None = None) -> Iterator[Row]:
        """See `Rows.query`."""
        return map(_undressed, super().query(partition, prefix=prefix, due_by=due_by))

    def commit(self, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        """See `Rows.commit`."""
        return super().commit(partition, [self._dressed(partition, change) for change in changes])

    def _dressed(self, partition: str, change: Change) -> Change:
        if isinstance(change, Delete) or not change.text.startswith(_OLD):
            return change
        text = change.text
        if ADDED not in text:
            text = f"{text[:-1]},{ADDED}}}"
            self._versions.dressed += 1
        if self._reform and partition == OPEN and change.key.startswith("action:"):
            text = _NEW + text.removeprefix(_OLD)
            self._versions.reformed += 1
        return replace(change, text=text)


def _undressed(row: Row) -> Row:
    return replace(row, text=undressed(row.text)) if row.text.startswith(_NEW) else row


def undressed(text: str) -> str:
    """A row's text in the form that this product writes."""
    return _OLD + text.removeprefix(_NEW) if text.startswith(_NEW) else text
