"""A machine action and its life cycle.

An action is a set of facts fixed when it was asked for, and perhaps one interruption. Its state is computed from these,
the device's presence and the time of the read; nothing has to tick. So the same questions asked at other moments, or
not at all, lead to the same end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from local.tenant.clock import stamp

if TYPE_CHECKING:
    from concurrent.futures import Future
    from datetime import datetime
    from pathlib import Path

    from local.tenant.liveresponse import Outcomes
    from local.tenant.wire import Json

ISOLATING = frozenset({"Isolate", "Unisolate"})


@dataclass(frozen=True, slots=True)
class Ending:
    """How an action will end when nothing interrupts it."""

    status: str = "Succeeded"
    error: int = 0
    troubleshoot: str | None = None


@dataclass(frozen=True, slots=True)
class Interruption:
    """A status forced on an action, by a cancellation or by a person of the simulation."""

    at: datetime
    status: str
    by: str | None = None
    comment: str | None = None
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an action stands at a moment."""

    status: str
    updated: datetime
    started: datetime | None = None
    finished: datetime | None = None

    @property
    def final(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.finished is not None


@dataclass(slots=True)
class Presence:
    """When a device was reachable: changes in the order of time, online before the first."""

    changes: list[tuple[datetime, bool]] = field(default_factory=list)

    def set(self, at: datetime, *, online: bool) -> None:
        """Note a change."""
        self.changes.append((at, online))

    def online(self, at: datetime) -> bool:
        """Tell whether the device was reachable at a moment."""
        state = True
        for when, online in self.changes:
            if when <= at:
                state = online
        return state

    def first_online(self, since: datetime, latest: datetime) -> datetime | None:
        """Return the first moment from `since` on at which the device is known reachable, if not after `latest`."""
        if self.online(since):
            return since
        return next((when for when, online in self.changes if online and since < when <= latest), None)


@dataclass(slots=True)
class Action:
    """The facts of one machine action; `running_for` is None until live response has been carried out."""

    id: str
    kind: str
    machine_id: str
    computer_dns_name: str
    requestor: str
    comment: str
    source: str
    created: datetime
    visible: datetime
    deadline: datetime
    offline_status: str
    pending_for: float
    running_for: float | None
    ending: Ending = Ending()
    scope: str | None = None
    sha1: str | None = None
    commands: list[Json] = field(default_factory=list)
    results: list[bytes | Path | None] = field(default_factory=list)
    session: Outcomes | Future[Outcomes] | None = None
    behind_releases: bool = False
    interruption: Interruption | None = None

    def progress(self, presence: Presence, now: datetime, ready: datetime | None) -> Progress:
        """Compute the state; `ready` is when the service would pass the action to the device, None for not yet."""
        stopped = self.interruption
        until = min(now, stopped.at) if stopped else now
        state = self._natural(presence, until, ready)
        if stopped is None or stopped.at > now or (state.final and not stopped.forced):
            return state
        finished = stopped.at if stopped.status not in {"Pending", "InProgress"} else None
        return Progress(stopped.status, stopped.at, state.started, finished)

    def _natural(self, presence: Presence, now: datetime, ready: datetime | None) -> Progress:
        if ready is None or ready > now:
            overdue = ready is None and now >= self.deadline
            return self._gone(self.deadline, None) if overdue else Progress("Pending", self.created)
        start = presence.first_online(ready, self.deadline)
        if start is None or start > now:
            latest = max(ready, self.deadline)
            return self._gone(latest, None) if now >= latest else Progress("Pending", self.created)
        if self.running_for is None:
            return Progress("InProgress", start, start)
        # a device works on when it is cut off, and reports once it is back
        done = start + timedelta(seconds=self.running_for)
        finish = presence.first_online(done, self.deadline)
        if finish is not None and finish <= now:
            return Progress(self.ending.status, finish, start, finish)
        latest = max(done, self.deadline)
        return self._gone(latest, start) if now >= latest else Progress("InProgress", start, start)

    def _gone(self, at: datetime, started: datetime | None) -> Progress:
        return Progress(self.offline_status, at, started, at)

    def view(self, progress: Progress) -> Json:
        """Show the action as the API does, with the members the documentation leaves out."""
        stopped = self.interruption
        cancelled = stopped if progress.status == "Cancelled" else None
        ended = progress.final and progress.status == self.ending.status
        file_info = {"fileIdentifier": self.sha1, "fileIdentifierType": "Sha1"} if self.sha1 else None
        return {
            "id": self.id,
            "type": self.kind,
            "title": None,
            "requestor": self.requestor,
            "requestorComment": self.comment,
            "status": progress.status,
            "machineId": self.machine_id,
            "computerDnsName": self.computer_dns_name,
            "creationDateTimeUtc": stamp(self.created),
            "lastUpdateDateTimeUtc": stamp(progress.updated),
            "cancellationRequestor": cancelled.by if cancelled else None,
            "cancellationComment": cancelled.comment if cancelled else None,
            "cancellationDateTimeUtc": stamp(cancelled.at) if cancelled else None,
            "errorHResult": self.ending.error if ended else 0,
            "scope": self.scope,
            "externalId": None,
            "requestSource": self.source,
            "relatedFileInfo": file_info,
            "commands": [dict(one) for one in self.commands],
            "troubleshootInfo": self.ending.troubleshoot if ended else None,
        }


def passes_releases(action: Action, releases: list[tuple[datetime, datetime | None]]) -> datetime | None:
    """Return when a second isolate gets its turn: only behind the releases asked for after it.

    This is the race users reported: isolate, isolate, release, release completed as isolate, release, release,
    isolate, and the device stayed cut off. `releases` are (asked, finished) of the device, in the order of asking.
    """
    turn: datetime | None = None
    for asked, finished in releases:
        if asked < action.created:
            continue
        if turn is not None and asked >= turn:
            break
        if finished is None:
            return None
        turn = max(turn or finished, finished) + timedelta(seconds=action.pending_for)
    return turn


def isolated(actions: list[tuple[Action, Progress]]) -> bool:
    """Tell whether a device is off the network: its last completed isolate or release decides."""
    done = [
        (progress.finished, place, action.kind)
        for place, (action, progress) in enumerate(actions)
        if action.kind in ISOLATING and progress.status == "Succeeded" and progress.finished
    ]
    return bool(done) and max(done)[2] == "Isolate"
