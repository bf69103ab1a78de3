"""What the caps count: the devices of the tenant, and how many we hold."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._entries import renewed
from responders._guardrails import Counts
from responders._interface import containment
from responders._news import Stock
from shared.errors import Rejected, Throttled, Transient
from shared.models.action import Kept, State
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Action, Caps, Slot

FRESH = timedelta(hours=24)
_PAGES = 200

log = logging.getLogger(__name__)


class Fleet(Kept):
    """How many devices are onboarded, and when they were counted (0: never yet). Of a count that is under way,
    `counting` are those that were counted, and it goes on at `following`.
    """

    count: int
    at: datetime
    counting: int = 0
    following: str = ""


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
        count = _count(ports, entry)
    except (Transient, Rejected) as error:
        log.warning("the onboarded devices could not be counted: %s", error)
        if entry and entry.value.count:
            return entry.value.count
        if isinstance(error, Rejected):
            return None
        raise
    _keep(ports, entry, Fleet(count=count, at=now))
    return count or None


def _keep(ports: Ports, entry: Entry[Fleet] | None, fleet: Fleet) -> None:
    try:
        ports.ledger.put_single("fleet", renewed(entry, fleet), entry.etag if entry else "")
    except Conflict:
        log.info("another instance counted the devices")


def known_fleet(ports: Ports) -> int | None:
    """As `fleet_size`; None too where it was never counted and cannot be counted now: then a person has to decide."""
    try:
        return fleet_size(ports)
    except Transient:
        return None


def _count(ports: Ports, entry: Entry[Fleet] | None) -> int:
    """Count on from where an earlier count came to its end for want of calls: of a large tenant there are more pages
    than calls in a minute.
    """
    known = entry.value if entry else Fleet(count=0, at=ports.clock.now())
    for _ in range(_PAGES):
        try:
            page = ports.devices.onboarded(known.following)
        except Throttled:
            _keep(ports, entry, known)
            raise
        known = known.model_copy(update={"counting": known.counting + page.count, "following": page.next})
        if not page.next:
            return known.counting
    _keep(ports, entry, known)
    raise Throttled(f"the list of onboarded devices has more than {_PAGES} pages")


def counts_for(
    actions: Sequence[Action],
    slots: Mapping[str, Slot],
    caps: Caps,
    fleet: int | None,
    responder: str = "isolate",
    beside: str = "",
) -> Counts:
    """What counts against the caps for an incident whose `actions` are given, `beside` whatever counts as that charge:
    what one responder does, each on its own.

    A device counts for the incident whose action was sent, from the first attempt on and between attempts too, until
    that came to nothing.
    """
    own = {
        action.device
        for action in actions
        if action.responder == responder
        and action.attempt
        and action.charge != beside
        and (not action.state.settled or action.state is State.SUCCEEDED or _keeps_its_place(action))
        and not (action.foreign or action.joined)
    }
    return Counts(incident=len(own), sent=caps.sent, held=len(slots), fleet=fleet)


def _keeps_its_place(action: Action) -> bool:
    """Whether an action waits for a person, and goes on without another look at the caps: what counts for several goals
    is not given back.
    """
    return bool(action.goal) and action.state is State.WAITING


def stocks_of(ports: Ports, actions: Sequence[Action], fleet: int | None) -> dict[str, Stock]:
    """What is known of every responder that contains, for an incident whose `actions` are given."""
    found: dict[str, Stock] = {}
    for responder in ports.responders.values():
        if responder.contains:
            what = containment(responder)
            kept = ports.ledger.slots(what).items() if what else ()
            slots = {device: entry.value for device, entry in kept}
            caps = ports.ledger.caps(what or responder.kinds[0]).value
            found[responder.name] = Stock(counts_for(actions, slots, caps, fleet, responder.name), slots)
    return found
