"""`Rows` in one table of Azure Table storage.

An entity has the columns `text0`, `text1`... (a string property holds 64 KiB, that is 32,768 UTF-16 units), `due` as
ISO 8601 text in UTC with six decimals (so that its order is the order of time, a filter can compare it, and a person
can read it), and `write_id` (see `shared.storage.writing`).
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.data.tables import UpdateMode

from shared.errors import NotFound
from shared.storage import limits, writing
from shared.storage.failures import translated
from shared.storage.interface import Change, Conflict, Delete, Insert, Replace, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from azure.core.paging import ItemPaged
    from azure.data.tables import TableClient, TableEntity

    Operation = tuple[str, dict[str, Any], dict[str, Any]]

_UNITS = 30_000
_LAST_OF_BMP = "\uffff"
_OVERWRITTEN = "W/\"datetime'1601-01-01T00%3A00%3A00.0000000Z'\""
"""The etag of a row that we wrote and somebody else has written since: well formed, and of no row."""


class TableRows:
    """`Rows` in the table of `client`."""

    def __init__(self, client: TableClient, *, pause: Callable[[float], None] = time.sleep) -> None:
        """Use the table of `client`, which retries reads; `pause` waits between attempts to write."""
        self._client = client
        self._pause = pause

    def get(self, partition: str, key: str) -> Row | None:
        limits.check_key(partition, key)
        doing = f"reading row {partition}/{key} of table {self._client.table_name}"
        try:
            with translated(doing):
                return _row(self._client.get_entity(partition, key))
        except NotFound as error:
            if _is_table_missing(error):
                raise
            return None

    def query(self, partition: str, *, prefix: str = "", due_by: datetime | None = None) -> Iterator[Row]:
        limits.check_partition(partition, prefix)
        conditions = [f"PartitionKey eq '{partition}'"]
        if prefix:
            conditions.append(f"RowKey ge '{prefix}' and RowKey lt '{_beyond(prefix)}'")
        if due_by is not None:
            # An entity without the column fails the comparison, and so stays out.
            conditions.append(f"due le '{_iso(due_by)}'")
        return self._entities(" and ".join(conditions), f"listing rows of {partition}")

    def _entities(self, condition: str, doing: str) -> Iterator[Row]:
        with translated(f"{doing} in table {self._client.table_name}"):
            entities: ItemPaged[TableEntity] = self._client.query_entities(condition)
            yield from map(_row, entities)

    def commit(self, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        limits.check_commit(partition, changes)
        write_id = writing.new_write_id()
        return writing.write(
            lambda: self._send(partition, changes, write_id),
            lambda: self._ours(partition, changes, write_id),
            self._pause,
        )

    def _send(self, partition: str, changes: Sequence[Change], write_id: str) -> Mapping[str, str]:
        """Make the changes once.

        A transaction that removes an absent row fails as a whole, though an unconditional `Delete` allows for it: such
        changes are then left out.
        """
        doing = f"writing {len(changes)} row(s) of {partition} in table {self._client.table_name}"
        try:
            with translated(doing):
                return self._submit(partition, changes, write_id)
        except NotFound as error:
            if _is_table_missing(error):
                raise
            present = [change for change in changes if not self._is_done(partition, change)]
            if len(present) == len(changes):
                raise Conflict(f"{doing}: a row is gone") from error
        return self._send(partition, present, write_id) if present else {}

    def _is_done(self, partition: str, change: Change) -> bool:
        """Whether it removes, in any case, what is not there."""
        return isinstance(change, Delete) and change.etag is None and self.get(partition, change.key) is None

    def _submit(self, partition: str, changes: Sequence[Change], write_id: str) -> Mapping[str, str]:
        operations = [_operation(partition, change, write_id) for change in changes]
        # The single delete of the SDK takes a 404 for success, which under a condition it is not.
        if len(operations) == 1 and operations[0][0] != "delete":
            answers: Sequence[Mapping[str, Any]] = [self._single(*operations[0])]
        else:
            answers = self._client.submit_transaction(operations, retry_total=0)
        written = zip(changes, answers, strict=True)
        return {change.key: str(answer["etag"]) for change, answer in written if not isinstance(change, Delete)}

    def _single(self, kind: str, entity: dict[str, Any], options: dict[str, Any]) -> Mapping[str, Any]:
        method = {
            "create": self._client.create_entity,
            "update": self._client.update_entity,
            "upsert": self._client.upsert_entity,
        }[kind]
        answer: Mapping[str, Any] = method(entity, retry_total=0, **options)
        return answer

    def _ours(self, partition: str, changes: Sequence[Change], write_id: str) -> Mapping[str, str] | None:
        """Look for the effect of a write; a commit that only removes leaves none."""
        keys = sorted(change.key for change in changes if not isinstance(change, Delete))
        if not keys:
            return None
        condition = (
            f"PartitionKey eq '{partition}' and RowKey ge '{keys[0]}' and RowKey le '{keys[-1]}' "
            f"and write_id eq '{write_id}'"
        )
        etags = {row.key: row.etag for row in self._entities(condition, f"looking for our write to {partition}")}
        return {key: etags.get(key, _OVERWRITTEN) for key in keys} if etags else None


def _operation(partition: str, change: Change, write_id: str) -> Operation:
    entity: dict[str, Any] = {"PartitionKey": partition, "RowKey": change.key}
    if isinstance(change, Delete):
        if change.etag is None:
            return "delete", entity, {}
        return "delete", entity, {"etag": change.etag, "match_condition": MatchConditions.IfNotModified}
    entity |= _columns(change.text, change.due) | {limits.WRITE_ID_KEY: write_id}
    if isinstance(change, Insert):
        return "create", entity, {}
    if isinstance(change, Replace):
        seen = {"etag": change.etag, "match_condition": MatchConditions.IfNotModified}
        return "update", entity, {"mode": UpdateMode.REPLACE, **seen}
    return "upsert", entity, {"mode": UpdateMode.REPLACE}


def _columns(text: str, due: datetime | None) -> dict[str, str]:
    # A character beyond the basic plane takes two units; halving the piece for all is simpler than counting them.
    size = _UNITS if max(text, default="") <= _LAST_OF_BMP else _UNITS // 2
    pieces = [text[at : at + size] for at in range(0, len(text), size)] or [""]
    columns = {f"text{number}": piece for number, piece in enumerate(pieces)}
    return columns if due is None else columns | {"due": _iso(due)}


def _row(entity: Mapping[str, Any]) -> Row:
    pieces: list[str] = []
    while (piece := entity.get(f"text{len(pieces)}")) is not None:
        pieces.append(str(piece))
    due = entity.get("due")
    return Row(
        partition=str(entity["PartitionKey"]),
        key=str(entity["RowKey"]),
        text="".join(pieces),
        due=None if due is None else datetime.fromisoformat(str(due)),
        etag=str(getattr(entity, "metadata", {})["etag"]),
    )


def _beyond(prefix: str) -> str:
    """Give the least text that comes after all keys with this prefix.

    After `~` comes a control character, which keys and perhaps filters may not have; as no key has anything beyond `~`,
    any letter of Latin-1 does as well.
    """
    last = prefix[-1]
    return prefix[:-1] + (chr(ord(last) + 1) if last != "~" else "\N{LATIN SMALL LETTER A WITH GRAVE}")


def _iso(moment: datetime) -> str:
    in_utc = limits.utc(moment)
    return f"{in_utc.replace(tzinfo=None).isoformat(timespec='microseconds')}Z" if in_utc else ""


def _is_table_missing(error: NotFound) -> bool:
    return error.code == "TableNotFound"
