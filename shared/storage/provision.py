"""Makes what is missing in an account, for local runs and tests.

In Azure the tables, queues and containers are declared with the deployment, and the app may not create any.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from shared.storage.failures import translated
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.storage.connections import Connection


def provision(
    connection: Connection,
    *,
    tables: Iterable[str] = (),
    queues: Iterable[str] = (),
    containers: Iterable[str] = (),
) -> None:
    """Create those that do not exist; may be repeated."""
    for table in tables:
        with suppress(Conflict), translated(f"creating table {table}"):
            connection.table(table).create_table()
    for queue in queues:
        with suppress(Conflict), translated(f"creating queue {queue}"):
            connection.queue_service.create_queue(queue)
    for container in containers:
        with suppress(Conflict), translated(f"creating container {container}"):
            connection.blobs.create_container(container)
