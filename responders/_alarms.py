"""Troubles of the deployment itself: told when they have lasted, and told again when they are over."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._notices import ALARM, Line, Message
from responders._rendering import RENDERERS
from shared.errors import Rejected, Transient
from shared.models.action import Kept
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from responders._ports import Ports

log = logging.getLogger(__name__)


class Alarm(Kept):
    """A trouble: since when, whether it lasts, and whether people were told of its beginning."""

    text: str
    since: datetime
    active: bool = True
    told: bool = False


def trouble(ports: Ports, kind: str, text: str, *, lasting: timedelta = timedelta(0)) -> None:
    """Note a trouble; people are told once it has lasted for `lasting`."""
    now = ports.clock.now()
    entry = ports.ledger.single(Alarm, f"alarm:{kind}")
    alarm = entry.value if entry and entry.value.active else Alarm(text=text, since=now)
    log.warning("%s: %s (since %s)", kind, text, alarm.since.isoformat())
    told = alarm.told or (
        now - alarm.since >= lasting and _tell(ports, kind, f"{text} (since {alarm.since:%H:%M:%S} UTC)")
    )
    changed = alarm.model_copy(update={"text": text, "told": told})
    if entry is None or changed != entry.value:
        _write(ports, kind, changed, entry.etag if entry else "")


def over(ports: Ports, kind: str) -> None:
    """Note that a trouble is over, and say so where people were told of it."""
    entry = ports.ledger.single(Alarm, f"alarm:{kind}")
    if entry is None or not entry.value.active:
        return
    if entry.value.told and not _tell(ports, kind, f"over: {entry.value.text}"):
        return
    _write(ports, kind, entry.value.model_copy(update={"active": False}), entry.etag)


def _write(ports: Ports, kind: str, alarm: Alarm, etag: str) -> None:
    try:
        ports.ledger.put_single(f"alarm:{kind}", alarm, etag)
    except Conflict:
        log.info("another instance noted the trouble %s", kind)


def _tell(ports: Ports, kind: str, text: str) -> bool:
    """Post to every channel; whether every one that works at all has it."""
    message = Message(ALARM, "none", f"Bulkhead itself: {kind}", 0, observed=False, lines=(Line("What", text),))
    reached = True
    for name, chat in ports.chats.items():
        try:
            chat.post(RENDERERS[name](message))
        except Transient as error:
            log.warning("the trouble %s cannot be told on %s now: %s", kind, name, error)
            reached = False
        except Rejected as error:
            log.warning("the trouble %s cannot be told on %s: %s", kind, name, error)
    return reached
