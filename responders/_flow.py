"""The flow: one method per trigger, each a whole step that can be repeated.

A trouble that may pass is no failure here: the ledger brings the work back, so the message is done with. What rises is
a defect, and the queue tries it again until it becomes a dead letter.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._alarms import over, trouble
from responders._archive import Archive
from responders._assess import Assess
from responders._dispatch import Dispatch
from responders._follow import Follow
from responders._housekeeping import Housekeeping
from responders._interface import Lane
from responders._notify import Notify
from responders._ports import COLLECT, INCIDENTS, NOTIFY
from responders._watch import Watch
from shared.errors import Denied, Rejected, Transient

if TYPE_CHECKING:
    from datetime import datetime

    from responders._ports import Ports

_SOON = 10.0

log = logging.getLogger(__name__)


class Flow:
    """Every step, over one set of ports."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def _stop(self) -> datetime:
        """When a call has to end by itself: well before the platform would end it."""
        return self._ports.clock.now() + self._ports.settings.TIME_BUDGET

    def watch(self) -> None:
        """Timer: incidents that changed."""
        try:
            Watch(self._ports).run(self._stop())
        except (Transient, Rejected) as error:
            lasting = timedelta(0) if isinstance(error, Denied) else self._ports.settings.WATCH_ALARM
            trouble(self._ports, "watch", f"incidents cannot be read: {error}", lasting=lasting)
        else:
            over(self._ports, "watch")

    def assess(self, incident: str) -> None:
        """Queue: assess an incident, and make the first attempt to contain right here."""
        try:
            worked = Assess(self._ports).run(incident)
        except Transient as error:
            wait = error.retry_after or _SOON
            log.warning("incident %s has to wait %.0f s: %s", incident, wait, error)
            self._ports.ledger.remind(incident, self._ports.clock.now() + timedelta(seconds=wait))
            self._ports.queues.send(INCIDENTS, incident, delay=wait)
            return
        if worked:
            self.contain()
            self._ports.queues.send(COLLECT, incident)
        self._ports.queues.send(NOTIFY, incident)

    def contain(self) -> None:
        """Queue: send the containment that is due."""
        Dispatch(self._ports, Lane.CONTAIN).run(self._stop())

    def collect(self) -> None:
        """Queue: send the collection that is due."""
        Dispatch(self._ports, Lane.COLLECT).run(self._stop())

    def follow(self) -> None:
        """Timer: settle what Defender finished, nudge what is overdue."""
        Follow(self._ports).run()

    def archive(self) -> None:
        """Queue: bring what is finished into the evidence store."""
        Archive(self._ports).run(self._stop())

    def notify(self, incident: str) -> None:
        """Queue: tell people."""
        Notify(self._ports).run(incident)

    def housekeeping(self) -> None:
        """Timer: the hourly round."""
        Housekeeping(self._ports).run(self._stop())
