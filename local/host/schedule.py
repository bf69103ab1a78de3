"""When a timer is due, decided without a clock.

Follows TimerListener.cs, TimerSchedule.cs and ScheduleMonitor.cs of azure-webjobs-sdk-extensions: the status in blob
storage remembers the next occurrence, so a host that starts late makes one call with `past_due` and not one for each
tick it slept through; a schedule that was edited meanwhile is not past due; the next occurrence is reckoned from the
moment the call began, after it has returned, so an overrun leads to one immediate call and never to an overlap.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from local.host.ncrontab import Cron, parse_cron
from local.host.timespan import parse_timespan

_MONITORED_FROM: Final = timedelta(minutes=1)
_NEVER_WRITTEN: Final = "0001-01-01T00:00:00"
_NO_MOMENT: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Every:
    """A constant interval, written as a TimeSpan."""

    text: str
    interval: timedelta

    def next_after(self, moment: datetime) -> datetime | None:
        """Give `moment` and one interval more; None beyond the calendar."""
        try:
            return moment + self.interval
        except OverflowError:
            return None


Schedule = Cron | Every


@dataclass(frozen=True, slots=True)
class Status:
    """What the status blob holds; `last` is None before the first call, `next` None when nothing ever comes."""

    last: datetime | None
    next: datetime | None
    updated: datetime | None


@dataclass(frozen=True, slots=True)
class Start:
    """How a timer begins on this host: with which status, whether to store it, whether one call is late."""

    status: Status
    changed: bool
    past_due: bool


def parse_schedule(text: str) -> Schedule:
    """Read a six-field NCRONTAB expression or a TimeSpan above zero; ValueError says what is wrong."""
    if ":" not in text:
        return parse_cron(text)
    interval = parse_timespan(text)
    if interval <= timedelta(0):
        message = f"{text!r} is not longer than zero"
        raise ValueError(message)
    return Every(text, interval)


def is_monitored(schedule: Schedule, now: datetime) -> bool:
    """Say whether missed occurrences are remembered: not for a schedule with two or more within the next minute."""
    if isinstance(schedule, Every):
        return schedule.interval >= _MONITORED_FROM
    first = schedule.next_after(now)
    second = schedule.next_after(first) if first is not None else None
    return second is None or second >= now + _MONITORED_FROM


def begin(schedule: Schedule, status: Status | None, now: datetime) -> Start:
    """Decide how to start from what an earlier host stored, if anything."""
    if status is None:
        return Start(Status(None, schedule.next_after(now), now), changed=True, past_due=False)
    basis = status.last or status.updated or now
    expected = schedule.next_after(basis)
    if status.next == expected:
        return Start(status, changed=False, past_due=expected is not None and now > expected)
    if expected is not None and now > expected:
        basis, expected = now, schedule.next_after(now)
    return Start(Status(None, expected, basis), changed=True, past_due=False)


def after_call(schedule: Schedule, status: Status, began: datetime, *, scheduled: bool) -> Status:
    """Give the status after a call; `scheduled` is False for a late or a start-up call.

    A call that began a little before its time (clocks step back) counts as on time, or it would come twice.
    """
    basis = max(began, status.next) if scheduled and status.next is not None else began
    return Status(basis, schedule.next_after(basis), basis)


def seconds_until(moment: datetime | None, now: datetime) -> float | None:
    """Give the wait, never below zero; None for never."""
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def status_to_json(status: Status) -> str:
    """Write the blob (and the request's ScheduleStatus) with the real host's member names."""
    return json.dumps(
        {"Last": _written(status.last), "Next": _written(status.next), "LastUpdated": _written(status.updated)},
    )


def status_from_json(text: str) -> Status | None:
    """Read the blob; None when it is not one of ours, as when no status was ever stored."""
    try:
        members = json.loads(text)
        return Status(_read(members["Last"]), _read(members["Next"]), _read(members["LastUpdated"]))
    except (ValueError, KeyError, TypeError):
        return None


def _written(moment: datetime | None) -> str:
    return _NEVER_WRITTEN if moment is None else moment.isoformat()


def _read(text: str) -> datetime | None:
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None if aware == _NO_MOMENT else aware
