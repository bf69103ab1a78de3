"""What people may write on the command line: checked before it becomes a place in the ledger."""

from __future__ import annotations

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


INCIDENT = Named("incident", r"[A-Za-z0-9_-]{1,64}", "the incident's number")
ORDER = Named("order", r"[A-Za-z0-9-]{8,64}", "the id that was told when the order was sent")
DEVICE = Named("device", r"[A-Za-z0-9_-]{1,128}", "a device's id, the start of it, or its name's first label")
ACTION = Named("action", r"[0-9a-f]{16}", "the 16 hex digits of an action; bulkhead show INCIDENT has them")
LETTER = Named("key", r"[a-z0-9-]{1,63}:[A-Za-z0-9._~-]{1,200}", "a key of bulkhead dead-letters list")
