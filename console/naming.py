"""What people may write on the command line: checked before it is a place in the ledger or a note in the archive."""

from __future__ import annotations

import math
import re
from typing import Any

import click


class Named(click.ParamType[str]):
    """A word of a certain form; `means` says which, to whoever wrote another one."""

    def __init__(self, name: str, pattern: str, means: str) -> None:
        """Take what matches `pattern`."""
        self.name = name
        self._pattern = re.compile(pattern)
        self._means = means

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's own
        """See `click.ParamType.convert`."""
        if not self._pattern.fullmatch(str(value)):
            self.fail(f"needs {self._means}", param, ctx)
        return str(value)


class Hours(click.ParamType[float]):
    """For how long a link works."""

    name = "hours"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's own
        """See `click.ParamType.convert`."""
        try:
            hours = float(value)
        except ValueError:
            hours = math.nan
        if not SHORTEST <= hours <= LONGEST:  # nor is anything that is no number
            self.fail("needs a number of hours, from 0.02 (about a minute) to 168 (seven days)", param, ctx)
        return hours


SHORTEST, LONGEST = 1 / 60, 24.0 * 7
"""Hours for which a link may work: storage lets none work for longer."""

HOURS = Hours()
REMARK = Named(
    "text",
    r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,500}",
    "1 to 500 characters in one line, none of them a control character",
)
INCIDENT = Named("incident", r"[A-Za-z0-9_-]{1,64}", "the incident's number")
ORDER = Named("order", r"[A-Za-z0-9-]{8,64}", "the id that was told when the order was sent")
DEVICE = Named("device", r"[A-Za-z0-9_-]{1,128}", "a device's id, the start of it, or its name's first label")
ACTION = Named("action", r"[0-9a-f]{16}", "the 16 hex digits of an action; bulkhead show INCIDENT has them")
FINGERPRINT = Named("fingerprint", r"sha256:[0-9a-f]{64}", "sha256: and 64 hex digits, as a key's fingerprint is told")
LETTER = Named("key", r"[a-z0-9-]{1,63}:[A-Za-z0-9._~-]{1,200}", "a key of bulkhead dead-letters list")
