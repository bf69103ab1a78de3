"""Reading .NET TimeSpan strings, because host.json and timer schedules are written in them.

The grammar has a trap that the real host keeps: when the first of three parts is 24 or more it counts days, so that
`24:00:00` is 24 days and not one. Source: Microsoft Learn, "Timer trigger for Azure Functions", usage of TimeSpan.
"""

import re
from datetime import timedelta

_FORM = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d{1,8})[.])?(?P<first>\d{1,8}):(?P<second>\d{1,2})(?::(?P<third>\d{1,2})(?:[.](?P<part>\d{1,7}))?)?",
    re.ASCII,
)
_DAYS = re.compile(r"(?P<sign>-)?(?P<days>\d{1,8})", re.ASCII)
_HOURS_IN_A_DAY = 24
_SIXTY = 60


def parse_timespan(text: str) -> timedelta:
    """Read `[d.]hh:mm[:ss[.fffffff]]` or whole days, as .NET does; ValueError says what is wrong."""
    stripped = text.strip()
    whole = _DAYS.fullmatch(stripped)
    if whole is not None:
        return _signed(timedelta(days=int(whole["days"])), whole["sign"])
    found = _FORM.fullmatch(stripped)
    if found is None:
        message = f"{text!r} is not a time span (hh:mm:ss)"
        raise ValueError(message)
    days = int(found["days"] or 0)
    first, second, third = int(found["first"]), int(found["second"]), int(found["third"] or 0)
    if first >= _HOURS_IN_A_DAY and found["days"] is None and found["third"] is not None and found["part"] is None:
        days, first, second, third = first, second, third, 0
    if first >= _HOURS_IN_A_DAY or second >= _SIXTY or third >= _SIXTY:
        message = f"{text!r} is not a time span: hours go to 23, minutes and seconds to 59"
        raise ValueError(message)
    fraction = int((found["part"] or "0").ljust(7, "0")) // 10
    return _signed(
        timedelta(days=days, hours=first, minutes=second, seconds=third, microseconds=fraction),
        found["sign"],
    )


def _signed(span: timedelta, sign: str | None) -> timedelta:
    return -span if sign else span
