"""What the caps count: the devices of the tenant, and how many we hold."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._guardrails import Counts
from shared.clients.interface import ONBOARDED_PAGE
from shared.errors import Rejected, Transient
from shared.models.action import Kept, State
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responders._ports import Ports
    from shared.models.action import Action, Caps, Slot

FRESH = timedelta(hours=24)
_PAGES = 200

log = logging.getLogger(__name__)


class Fleet(Kept):
    """How many devices are onboarded, and when they were counted."""

    count: int
    at: datetime


def fleet_size(ports: Ports) -> int | None:
    """The number of onboarded devices, counted at most a day ago or as last counted; None where Defender will not say.

    Raises:
        Transient: it was never counted, and cannot be counted now.
    """
    entry = ports.ledger.single(Fleet, "fleet")
    now = ports.clock.now()
    if entry and now - entry.value.at < FRESH and entry.value.count:
        return entry.value.count
    try:
        count = _count(ports)
    except (Transient, Rejected) as error:
        log.warning("the onboarded devices could not be counted: %s", error)
        if entry and entry.value.count:
            return entry.value.count
        if isinstance(error, Rejected):
            return None
        raise
    try:
        ports.ledger.put_single("fleet", Fleet(count=count, at=now), entry.etag if entry else "")
    except Conflict:
        log.info("another instance counted the devices")
    return count or None


def _count(ports: Ports) -> int:
    total = 0
    for page in range(_PAGES):
        found = ports.devices.onboarded(page * ONBOARDED_PAGE)
        total += found
        if found < ONBOARDED_PAGE:
            break
    return total


def counts_for(
    ports: Ports,
    actions: Sequence[Action],
    slots: Mapping[str, Slot],
    caps: Caps,
    fleet: int | None,
    beside: str = "",
) -> Counts:
    """What counts against the caps for an incident whose `actions` are given, `beside` the one with that key.

    A device counts for the incident whose action was sent, from the first attempt on and between attempts too, until
    that came to nothing.
    """
    own = {
        action.device
        for action in actions
        if action.attempt
        and action.key != beside
        and (not action.state.settled or action.state is State.SUCCEEDED)
        and not (action.foreign or action.joined)
        and ports.responders[action.responder].contains
    }
    return Counts(incident=len(own), sent=caps.sent, held=len(slots), fleet=fleet)
