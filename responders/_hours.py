"""Whether it is within a policy's hours. Pure: the zones are a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared import zones
from shared.models.policy.fields import meant
from shared.models.policy.words import DAY

if TYPE_CHECKING:
    from datetime import tzinfo

    from shared.models.policy.document import Hours, Policy
    from shared.models.policy.problems import Path

Clock = Callable[[datetime], bool]
"""Whether an instant lies within the hours."""

_DAY = timedelta(days=1)


def clock(hours: Hours, zone: tzinfo) -> Clock:
    """The hours as a clock on the wall shows them in their zone, so that they follow summer time."""
    first, last = _minutes(hours.from_), _minutes(hours.to)
    days = frozenset(DAY.index(day) for day in hours.days)
    holidays = frozenset(hours.holidays)

    def begins(day: datetime) -> bool:
        return day.weekday() in days and day.date() not in holidays

    def within(now: datetime) -> bool:
        local = now.astimezone(zone)
        minute = local.hour * 60 + local.minute
        if first < last:
            return first <= minute < last and begins(local)
        return (minute >= first and begins(local)) or (minute < last and begins(local - _DAY))

    return within


def shown(now: datetime) -> str:
    """An instant for people."""
    return now.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def wrong_hours(policy: Policy) -> Iterator[tuple[Path, str]]:
    """Zones that do not exist, and hours that a condition names and the policy does not have."""
    for name, hours in policy.hours.items():
        if hours.zone not in zones.known():
            yield ("hours", name, "zone"), f"there is no zone '{hours.zone}'{meant(hours.zone, zones.known())}"
    for place, rule in enumerate(policy.rules):
        for path, condition in rule.when.whole(("rules", place, "when")):
            for key, name in condition.time.names() if condition.time else ():
                if name not in policy.hours:
                    said = meant(name, policy.hours) or f"; there are {', '.join(policy.hours) or 'none'}"
                    yield (*path, "time", key), f"there are no hours '{name}'{said}"


def _minutes(written: str) -> int:
    hour, minute = written.split(":")
    return int(hour) * 60 + int(minute)
