"""A text that is made once for a deployment, by the first who needs it, and kept in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.storage.interface import Conflict, Insert

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.storage.interface import Rows


def made_once(rows: Rows, partition: str, key: str, make: Callable[[], str]) -> str:
    """The row's text; what `make` makes where there is none yet, unless another worker is faster. Raises Transient."""
    if row := rows.get(partition, key):
        return row.text
    made = make()
    try:
        rows.commit(partition, [Insert(key, made)])
    except Conflict:
        row = rows.get(partition, key)
        if row is None:
            raise
        return row.text
    return made
