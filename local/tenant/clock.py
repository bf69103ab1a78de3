"""Time as the tenant writes it.

Microsoft's timestamps carry seven fractional digits, one more than Python keeps. The tenant therefore compares times as
ticks of 100 nanoseconds, so that a filter sees the same order as the text does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Clock = Callable[[], datetime]

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def system_clock() -> datetime:
    """Return the host's time in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Write a moment with seven fractional digits, as Graph does; the seventh is made up."""
    written = moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    return f"{written}{moment.microsecond * 7 % 10}Z"


@lru_cache(maxsize=8192)
def ticks(text: str) -> int:
    """Read a timestamp as a count of 100 ns since 1970; ValueError when it is not one."""
    match = _STAMP.match(text)
    if match is None:
        message = f"'{text}' is not a timestamp"
        raise ValueError(message)
    day, hours, fraction, zone = match.groups()
    whole = datetime.fromisoformat(f"{day}T{hours}{'+00:00' if zone == 'Z' else zone}")
    return (whole - _EPOCH) // _SECOND * 10_000_000 + int((fraction or "0").ljust(7, "0")[:7])


def moment(text: str) -> datetime:
    """Read a timestamp as a datetime in UTC, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ticks(text) // 10)


def seven_digits(text: str) -> str:
    """Return the same timestamp with seven fractional digits."""
    count = ticks(text)
    whole = _EPOCH + timedelta(seconds=count // 10_000_000)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{count % 10_000_000:07d}Z"


def http_date(moment: datetime) -> str:
    """Write the value of a Date header."""
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][moment.month - 1]
    return f"{day}, {moment:%d} {month} {moment:%Y %H:%M:%S} GMT"
