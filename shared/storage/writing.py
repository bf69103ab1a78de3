"""Conditional writes whose answer may be lost.

The SDKs retry a request that timed out. Where the first one had been applied, the second meets its own effect: an
insert finds its row there, a replace finds its etag outdated, and a write that happened is taken for a conflict. So the
SDKs retry reads only; a write is sent without their retry, carries an id of its own (a column, a metadata value), and
is repeated here: after every answer that was lost, what stands there is read, and our own write known by its id.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from shared.errors import Transient
from shared.storage.failures import Unsent
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

WAITS = (0.2, 1.0, 2.0)
"""Seconds to wait after each attempt that failed."""

LONGEST_WAIT = 5.0
"""Seconds: who is asked to wait longer lets the caller decide."""

REPEATED_FOR = 50.0
"""Seconds after which nothing is tried once more. A call has two minutes from the end of its time until the platform
ends its worker: what hangs is given up before, and was tried twice where each try takes `blobs.ANSWER_SECONDS`.
"""


def new_write_id() -> str:
    """Give an id that no other write has: 32 characters."""
    return uuid4().hex


def write(
    attempt: Callable[[], T],
    ours: Callable[[], T | None],
    pause: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Give what `attempt` gives, or, after a lost answer, what `ours` finds of its effect (None: no trace of it).

    Raises:
        Conflict: the condition did not hold and nothing was written.
        Transient: nothing is known to be written. Something may have been, where an answer was lost and what stood
            there was changed again before we looked, or where it could not be looked at.
    """
    doubtful = False
    failure: Transient | None = None
    began = clock()
    for wait in WAITS:
        try:
            return attempt()
        except Conflict as conflict:
            if not doubtful:
                raise
            if (found := ours()) is not None:
                return found
            raise Transient(f"{conflict}, after an answer that was lost: it may have been written") from conflict
        except Transient as error:
            failure = error
        doubtful = doubtful or not isinstance(failure, Unsent)
        asked = failure.retry_after or 0.0
        pause(min(max(wait, asked), LONGEST_WAIT))
        if doubtful and (found := ours()) is not None:
            return found
        if asked > LONGEST_WAIT or clock() - began > REPEATED_FOR:
            break
    raise failure or Transient("no attempt was made")
