"""A stored row as a value, and what becomes of one that this version of the product cannot read."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from shared.errors import Unreadable
from shared.models.action import Kept
from shared.models.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.models.progress import IncidentState
    from shared.storage.interface import Documents, Row

K = TypeVar("K", bound=Kept)

log = logging.getLogger(__name__)


class Entry(NamedTuple, Generic[K]):
    """A value as the ledger keeps it, with what a conditional write needs."""

    value: K
    etag: str


def entry(kind: type[K], row: Row) -> Entry[K]:
    """A row as a value. Raises Unreadable."""
    try:
        return Entry(_parsed(kind, row.text), row.etag)
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise Unreadable(f"the row {row.key} cannot be read by this version: {why}", 60.0) from None


def planned(data: bytes) -> Plan:
    """A plan as it was kept. Raises Unreadable, where a newer version asks for what this one does not know."""
    try:
        return Plan.model_validate_json(data)
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise Unreadable(f"the plan of an incident cannot be read by this version: {why}", 60.0) from None


def plan_of(documents: Documents, state: IncidentState) -> Plan | None:
    """The plan of what was assessed last; None where there is none. Raises Unreadable."""
    data = documents.read(f"{state.id}/{state.assessed}/plan.json")
    return planned(data) if data else None


def renewed(before: Entry[K] | None, made: K) -> K:
    """A value that takes a row's place: with what a newer version of the product added to that row."""
    if before is None:
        return made
    return before.value.model_copy(update={name: getattr(made, name) for name in type(made).model_fields})


@lru_cache(maxsize=8192)
def _parsed(kind: type[K], text: str) -> K:
    """A frozen value: a tick reads hundreds of rows that have not changed since the last one, in a storm thousands."""
    return kind.model_validate_json(text)


def readable(kind: type[K], rows: Iterable[Row]) -> list[Entry[K]]:
    """The rows that this version can read, as values."""
    return parted(kind, rows)[0]


def parted(kind: type[K], rows: Iterable[Row]) -> tuple[list[Entry[K]], list[str]]:
    """The rows that this version can read, as values, and the keys of the others."""
    found: list[Entry[K]] = []
    others: list[str] = []
    for row in rows:
        try:
            found.append(entry(kind, row))
        except Unreadable as error:
            log.warning("left to others: %s", error)
            others.append(row.key)
    return found, others
