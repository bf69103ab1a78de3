"""Six-field NCRONTAB expressions, read the way the real host's library reads them.

Written here because the Python cron libraries differ from NCrontab where it hurts: NCrontab puts seconds first, wants
day *and* weekday to match (Vixie cron: either), takes any prefix of an English name, turns a reversed range round, and
knows no `7` for Sunday, no `L`, `#` or `?`. Source: github.com/atifaziz/NCrontab, CrontabFieldImpl.cs, CrontabField.cs.
Pure: an instant in, an instant out.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Final

_LAST_YEARS: Final = 400  # the Gregorian calendar repeats after 400 years; what has not come by then never comes
_SUNDAY_FIRST: Final = 7
_FIELDS: Final = 6
_FIVE: Final = 5


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS: Final = tuple(calendar.month_name[1:])
_WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_KINDS: Final = (
    _Kind("second", 0, 59),
    _Kind("minute", 0, 59),
    _Kind("hour", 0, 23),
    _Kind("day", 1, 31),
    _Kind("month", 1, 12, _MONTHS),
    _Kind("day of week", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression: the values each field admits, in ascending order (Sunday is 0). All times are UTC."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def next_after(self, moment: datetime) -> datetime | None:
        """Give the first occurrence strictly later than `moment` (aware); None when none ever comes, as on 31 Feb."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        for day in self._days_from(start):
            found = self._time_on(day, start)
            if found is not None:
                return found
        return None

    def _days_from(self, start: datetime) -> Iterator[datetime]:
        """Yield the midnights of admitted days, beginning with the day of `start`."""
        for year in range(start.year, min(start.year + _LAST_YEARS, MAXYEAR) + 1):
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                last = calendar.monthrange(year, month)[1]
                for number in self.days:
                    if number > last or (year, month, number) < (start.year, start.month, start.day):
                        continue
                    day = datetime(year, month, number, tzinfo=UTC)
                    if day.isoweekday() % _SUNDAY_FIRST in self.weekdays:
                        yield day

    def _time_on(self, day: datetime, start: datetime) -> datetime | None:
        """Give the first admitted time of the day that is not before `start`."""
        floor = (start.hour, start.minute, start.second) if day.date() == start.date() else (0, 0, 0)
        for hour in self.hours:
            if hour < floor[0]:
                continue
            for minute in self.minutes:
                if (hour, minute) < floor[:2]:
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= floor:
                        return day.replace(hour=hour, minute=minute, second=second)
        return None


def parse_cron(text: str) -> Cron:
    """Read a six-field expression; ValueError names the field and what it admits."""
    fields = [part for part in text.split(" ") if part]
    if len(fields) != _FIELDS:
        hint = " (five fields: put the seconds first, as in '0 " + text.strip() + "')" if len(fields) == _FIVE else ""
        message = f"{text!r} has {len(fields)} fields; six are needed: second minute hour day month weekday{hint}"
        raise ValueError(message)
    values = [_parse_field(kind, field) for kind, field in zip(_KINDS, fields, strict=True)]
    return Cron(text, *values)


def _parse_field(kind: _Kind, field: str) -> tuple[int, ...]:
    admitted: set[int] = set()
    for item in field.split(","):
        try:
            admitted.update(_parse_item(kind, item))
        except ValueError as error:
            message = f"{field!r} is not a valid {kind.name} field: {error}"
            raise ValueError(message) from None
    return tuple(sorted(admitted))


def _parse_item(kind: _Kind, item: str) -> range:
    span, slash, step_text = item.partition("/")
    step = max(1, _number(step_text)) if slash else 1
    if span == "*":
        return range(kind.low, kind.high + 1, step)
    first_text, dash, last_text = span.partition("-")
    first = _value(kind, first_text)
    last = _value(kind, last_text) if dash else (kind.high if slash else first)
    low, high = sorted((first, last))
    if low < kind.low or high > kind.high:
        message = f"values go from {kind.low} to {kind.high}"
        raise ValueError(message)
    return range(low, high + 1, step)


def _value(kind: _Kind, text: str) -> int:
    if text[:1].isdigit():
        return _number(text)
    if text:
        for index, name in enumerate(kind.names):
            if name.lower().startswith(text.lower()):
                return kind.low + index
    message = f"{text!r} is not a value; give a number from {kind.low} to {kind.high}"
    raise ValueError(message + (" or an English name" if kind.names else ""))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        message = f"{text!r} is not a whole number"
        raise ValueError(message)
    return int(text)
