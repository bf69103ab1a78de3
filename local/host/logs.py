"""Logging to stderr, with the invocation each line belongs to.

The invocation travels in a context variable, as in the real worker, so that a line written deep inside the app can be
traced to the message or tick that caused it.
"""

import logging
import sys
from contextvars import ContextVar
from typing import Final

current_invocation: Final[ContextVar[str]] = ContextVar("current_invocation", default="-")
_QUIET: Final = ("azure", "urllib3", "asyncio")


class _WithInvocation(logging.Filter):
    """Adds the first part of the invocation's id to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.invocation = current_invocation.get()[:8]
        return True


def configure_logging() -> None:
    """Write INFO and above to stderr; the Azure SDK (which logs each request at INFO) from WARNING."""
    output = logging.StreamHandler(sys.stderr)
    output.addFilter(_WithInvocation())
    output.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s [%(invocation)s] %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
