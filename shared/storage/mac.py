"""The secret by which the app knows again what it wrote into the archive itself: a row of its own table.

Who may write to the account of the evidence alone cannot read it.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.errors import Transient
from shared.models.archive.codes import code
from shared.storage.once import made_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.storage.interface import Clock, Rows

PARTITION, KEY = "custody", "mac"
_BYTES = 32


class StoredMac:
    """`Mac` with its secret in `rows`; the first who needs one makes it."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        """Keep the secret in `rows`, and by `clock` since when."""
        self._rows = rows
        self._clock = clock

    @property
    def since(self) -> datetime:
        """See `Mac.since`."""
        return self._kept[1]

    def of(self, told: Mapping[str, Any]) -> str:
        """See `Mac.of`."""
        return code(self._kept[0], told)

    @cached_property
    def _kept(self) -> tuple[bytes, datetime]:
        text = made_once(self._rows, PARTITION, KEY, self._made)
        try:
            kept = json.loads(text)
            return bytes.fromhex(kept["secret"]), datetime.fromisoformat(kept["since"])
        except (KeyError, TypeError, ValueError):
            raise Transient(f"the row {PARTITION}/{KEY} in the ledger's table holds no secret") from None

    def _made(self) -> str:
        since = self._clock.now().astimezone(UTC).isoformat()
        return json.dumps({"secret": secrets.token_hex(_BYTES), "since": since})
