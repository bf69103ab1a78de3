"""What lies among the items of an open run and its chain does not tell of: what a call committed that ended with that,
and whatever somebody else put there, of which there may be any number.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.errors import Cause, Incomplete
from shared.models.archive.names import check_payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from responders._ours import Ours
    from responders._ports import Ports
    from shared.storage.interface import Stored

GRACE = timedelta(minutes=1)
"""How much longer the last call may look: its time is often over when it gives up, and the platform leaves two more
minutes.
"""

log = logging.getLogger(__name__)


def untold(ports: Ports, folder: str, told: set[str], ours: Ours, stop: datetime) -> Iterator[tuple[str, Stored]]:
    """What is ours and not yet `told`, by its name in the run; each is told once it was given. What no call of ours
    would have called so is a stranger's, whatever it says. Raises Incomplete (`Cause.TIME`) where there is more to look
    at by `stop`.
    """
    for place in ports.evidence.names(f"{folder}/data/"):
        name = place.removeprefix(f"{folder}/")
        if name in told:
            continue
        if ports.clock.now() >= stop:
            said = f"in {folder} lies more that is not told of than there is time to look at"
            raise Incomplete(said, cause=Cause.TIME)
        stored = ports.evidence.head(place) if _can_be(name, told) else None
        if stored and ours.committed(stored):
            yield name, stored
            told.add(name)


def _can_be(name: str, others: Iterable[str]) -> bool:
    try:
        check_payload(name, others)
    except ValueError as error:
        log.warning("it is not taken for an item: %s", error)
        return False
    return True
