"""Troubles of the deployment itself: told when they have lasted, and told again when they are over.

A trouble is a row first, and told by one worker at a time. Telling it is tried at once and at every tick until every
channel that works has it, and every hour where all refuse: a webhook that was revoked is mended some day, and until
then nobody has heard of the trouble.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._entries import renewed
from responders._notices import ALARM, Line, Message
from responders._ports import PAGER
from responders._rendering import RENDERERS
from responders._telemetry import ALARM_EVENT, event
from shared.errors import Rejected, Transient
from shared.models.action import Kept
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from responders._cases import Named
    from responders._ports import Ports

_ODD = re.compile(r"[^A-Za-z0-9 .:_~-]")
_LONGEST = 500
_AGAIN = timedelta(hours=1)
_TELLING = timedelta(minutes=2)
"""For so long a trouble is left to whoever tells it: a worker that ends meanwhile leaves it to the next tick after."""

log = logging.getLogger(__name__)


class Alarm(Kept):
    """A trouble: since when, from when on people are to be told, whether they were, and whether it lasts. With `page`
    whoever is to be woken hears that it began.
    """

    kind: str
    text: str
    since: datetime
    tell_at: datetime
    told: bool = False
    active: bool = True
    page: bool = False


def trouble(
    ports: Ports, kind: str, text: str, *beside: Named, lasting: timedelta = timedelta(0), page: bool = False
) -> None:
    """Note a trouble, and in the same step the rows that go with it: who dies behind that has left both, or neither.
    People are told once it has lasted for `lasting`.
    """
    now = ports.clock.now()
    entry = ports.ledger.single(Alarm, _name(kind))
    log.warning("%s", event(ALARM_EVENT, {"kind": kind, "text": text}))
    rows = [*beside]
    if entry is None or not entry.value.active:
        alarm = Alarm(kind=kind, text=text, since=now, tell_at=now + lasting, page=page)
        rows.append((_name(kind), renewed(entry, alarm), entry.etag if entry else ""))
    _write(ports, kind, *rows)
    tell_alarms(ports)


def over(ports: Ports, kind: str) -> None:
    """Note that a trouble is over; who was told of it is told so."""
    entry = ports.ledger.single(Alarm, _name(kind))
    if entry is None or not entry.value.active:
        return
    told = entry.value.told
    ended = entry.value.model_copy(update={"active": False, "told": not told, "text": f"over: {entry.value.text}"})
    _write(ports, kind, (_name(kind), ended, entry.etag))
    tell_alarms(ports)


def troubles(ports: Ports) -> set[str]:
    """The kinds of trouble that last."""
    return {entry.value.kind for entry in ports.ledger.singles(Alarm, _name("")) if entry.value.active}


def lasting_since(ports: Ports, kind: str) -> datetime | None:
    """Since when a trouble lasts; None where it does not."""
    entry = ports.ledger.single(Alarm, _name(kind))
    return entry.value.since if entry and entry.value.active else None


def tell_alarms(ports: Ports) -> None:
    """Tell what is to be told by now and was not."""
    now = ports.clock.now()
    for entry in ports.ledger.singles(Alarm, _name("")):
        alarm = entry.value
        if alarm.told or alarm.tell_at > now:
            continue
        claim = alarm.model_copy(update={"tell_at": ports.clock.now() + _TELLING})
        try:
            claimed = ports.ledger.put_single(_name(alarm.kind), claim, entry.etag)
        except Conflict:
            log.info("another instance tells the trouble %s", alarm.kind)
            continue
        came_of_it = _tell(ports, alarm) or {"tell_at": alarm.tell_at}
        _write(ports, alarm.kind, (_name(alarm.kind), alarm.model_copy(update=came_of_it), claimed.etag))


def _name(kind: str) -> str:
    """The row of a kind, in which somebody's name of a folder may stand."""
    return f"alarm:{_ODD.sub('-', kind)[:_LONGEST]}"


def _write(ports: Ports, kind: str, *rows: Named) -> None:
    try:
        if rows:
            ports.ledger.put_singles(*rows)
    except Conflict:
        log.info("another instance noted the trouble %s", kind)


def _tell(ports: Ports, alarm: Alarm) -> dict[str, object]:
    """Post to every channel. What becomes of the trouble: it is told where every one that works at all has it, and told
    later where none took it, or one asked to wait; where one may work in a moment, nothing.
    """
    line = Line("What", f"{alarm.text} (since {alarm.since:%Y-%m-%d %H:%M:%S} UTC)")
    message = Message(ALARM, "none", f"Bulkhead itself: {alarm.kind}", 0, observed=False, lines=(line,))
    reached, heard, refused, wait = True, False, False, 0.0
    for name, chat in ports.chats.items():
        if name == PAGER and not (alarm.page and alarm.active):
            continue
        try:
            chat.post(RENDERERS[name](message))
        except Transient as error:
            log.warning("the trouble %s cannot be told on %s now: %s", alarm.kind, name, error)
            reached, wait = False, max(wait, error.retry_after or 0.0)
        except Rejected as error:
            log.warning("the trouble %s cannot be told on %s: %s", alarm.kind, name, error)
            refused = True
        else:
            heard = True
    if not reached:
        return {"tell_at": ports.clock.now() + timedelta(seconds=wait)} if wait else {}
    return {"tell_at": ports.clock.now() + _AGAIN} if refused and not heard else {"told": True}
