"""The flow: one method per trigger, each a whole step that can be repeated.

A trouble that may pass is no failure here: the ledger brings the work back, so the message is done with. What rises is
a defect, and the queue tries it again until it becomes a dead letter.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from threading import Semaphore
from typing import TYPE_CHECKING

from responders._alarms import over, trouble
from responders._archive import Archive
from responders._assess import Assess
from responders._dismissed import recall
from responders._dispatch import Dispatch
from responders._follow import Follow
from responders._health import FOLLOW, HOUSEKEEPING, WATCH, beat, look_at_follow, look_at_work
from responders._housekeeping import Housekeeping
from responders._intake import UNREAD, Intake
from responders._interface import Lane
from responders._notify import Notify
from responders._orders import Orders
from responders._ports import ARCHIVE, COLLECT, INCIDENTS, NOTIFY, OVERDUE, REPORT
from responders._readiness import examine_in_quiet
from responders._refusal import Asked, Service
from responders._refusals import refusal_of, told
from responders._report.missed import missed
from responders._watch import Watch
from shared.errors import Denied, Rejected, Throttled, Transient

if TYPE_CHECKING:
    from datetime import datetime

    from responders._ports import Ports

_SOON = 10.0

PLACES = 3
"""How many calls of a process may archive at once: a large transfer holds some 40 MiB, and most are small and wait for
storage, so that one alone would make a storm wait.
"""

log = logging.getLogger(__name__)


class Flow:
    """Every step, over one set of ports."""

    def __init__(self, ports: Ports, places: int = PLACES) -> None:
        """Everything outside comes with `ports`. `places` is how many calls may archive at once."""
        self._ports = ports
        self._archiving, self._beside = Semaphore(places), Semaphore()

    def _stop(self) -> datetime:
        """When a call has to end by itself: well before the platform would end it."""
        return self._ports.clock.now() + self._ports.settings.TIME_BUDGET

    def watch(self) -> None:
        """Timer: incidents that changed."""
        try:
            Watch(self._ports).run(self._stop())
        except (Transient, Rejected) as error:
            lasting = timedelta(0) if isinstance(error, Denied) else self._ports.settings.WATCH_ALARM
            service = Service.STORAGE if error.of_storage else Service.GRAPH
            row = refusal_of(error, service, Asked.LIST, permissions=("SecurityIncident.ReadWrite.All",))
            said = f"incidents cannot be read: {told(row, error)}; {row.todo}"
            trouble(self._ports, "watch", said, lasting=lasting)
        else:
            over(self._ports, "watch")
        beat(self._ports, WATCH, look_at_follow)

    def assess(self, incident: str) -> None:
        """Queue: assess an incident, and make the first attempt to contain right here, both within one call's time."""
        stop = self._stop()
        if incident.startswith(UNREAD) and not (incident := self._read(incident.removeprefix(UNREAD))):
            return
        try:
            worked = Assess(self._ports).run(incident)
        except Transient as error:
            wait = error.retry_after or _SOON
            log.warning("incident %s has to wait %.0f s: %s", incident, wait, error)
            self._ports.ledger.remind(incident, self._ports.clock.now() + timedelta(seconds=wait))
            self._ports.queues.send(INCIDENTS, incident, delay=wait)
            self._unassessed(incident, error)
            return
        if worked:
            over(self._ports, f"incident {incident}")
            Dispatch(self._ports, Lane.CONTAIN).run(stop)
            self._ports.queues.send(COLLECT, incident)
        recall(self._ports, incident)
        self._ports.queues.send(NOTIFY, incident)

    def _read(self, incident: str) -> str:
        """Read an incident that no list shows with its alerts; its id where it is to be assessed."""
        try:
            return Intake(self._ports).read(incident)
        except Transient as error:
            log.warning("incident %s is read later: %s", incident, error)
            return ""

    def _unassessed(self, incident: str, error: Transient) -> None:
        """Have people told of an incident that nobody could assess for too long; a budget that is used up is no such
        trouble.
        """
        entry = self._ports.ledger.incident(incident)
        since = entry.value.seen_at if entry else self._ports.clock.now()
        if isinstance(error, Throttled) or self._ports.clock.now() - since < self._ports.settings.WATCH_ALARM:
            return
        text = f"incident {incident} cannot be assessed: {error}; until it can be, look at it in the Defender portal"
        trouble(self._ports, f"incident {incident}", text)

    def contain(self) -> None:
        """Queue: send the containment that is due."""
        Dispatch(self._ports, Lane.CONTAIN).run(self._stop())

    def collect(self) -> None:
        """Queue: send the collection that is due."""
        Dispatch(self._ports, Lane.COLLECT).run(self._stop())

    def follow(self) -> None:
        """Timer: settle what Defender finished, nudge what is overdue."""
        Follow(self._ports).run(self._stop())
        beat(self._ports, FOLLOW, _look)

    def archive(self, action: str = OVERDUE) -> None:
        """Queue: bring what is finished into the evidence store. A few calls of a process at a time, since each holds
        blocks in memory, and one beside them for what needs none; another's message comes back a little later, to
        whichever process is free.
        """
        if self._placed(self._archiving, Archive(self._ports)):
            return
        self._placed(self._beside, Archive(self._ports, beside=True))
        if action != OVERDUE:  # that one is sent anew as long as anything is
            self._ports.queues.send(ARCHIVE, action, delay=_SOON)

    def _placed(self, place: Semaphore, archive: Archive) -> bool:
        """Have somebody archive where there is a place for it; whether there is."""
        if not place.acquire(blocking=False):
            return False
        try:
            archive.run(self._stop())
        finally:
            place.release()
        return True

    def report(self, incident: str) -> None:
        """Queue: build or refresh an incident's report."""
        from responders._report.job import Reporting  # noqa: PLC0415 - costs Jinja2; indexing is free of it

        try:
            Reporting(self._ports, self._ports.clock.now() + self._ports.settings.TIME_BUDGET / 2).run(incident)
        except Transient as error:
            wait = error.retry_after or _SOON
            log.warning("the report of incident %s has to wait %.0f s: %s", incident, wait, error)
            self._ports.queues.send(REPORT, incident, delay=wait)
        except Rejected as error:
            missed(self._ports, incident)
            trouble(self._ports, "report", f"the report of incident {incident} cannot be kept: {error}")
        else:
            over(self._ports, "report")

    def notify(self, incident: str) -> None:
        """Queue: tell people."""
        Notify(self._ports).run(incident)

    def order(self, text: str) -> None:
        """Queue: carry out what a person asks."""
        Orders(self._ports).take(text)

    def housekeeping(self) -> None:
        """Timer: the hourly round."""
        Housekeeping(self._ports).run(self._stop())
        beat(self._ports, HOUSEKEEPING)


def _look(ports: Ports) -> None:
    look_at_work(ports)
    examine_in_quiet(ports)
