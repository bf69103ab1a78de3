"""The documented request limits, as sliding windows.

Each API has its own windows, named as in the product's RATE_LIMITS setting. A refusal by Graph counts against the
caller's window (Microsoft says so of its throttling); one by Defender for Endpoint does not.
"""

from __future__ import annotations

import math
import re
from collections import deque
from typing import TYPE_CHECKING

from local.tenant.wire import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from local.tenant.clock import Clock
    from local.tenant.draws import Draws

Windows = tuple[tuple[int, float], ...]

_GENERAL = "100/min,1500/h"
DEFAULT_RATES: dict[str, str] = {
    "incidents": "50/min,1500/h",
    "alerts": "150/min",
    "hunting": "45/min",
    "machines": _GENERAL,
    "machine_actions": _GENERAL,
    "isolate": _GENERAL,
    "unisolate": _GENERAL,
    "collect": _GENERAL,
    "package_uri": "2/min,120/h",
    "live_response": "10/min",
    "live_response_result": _GENERAL,
    "library": _GENERAL,
    "actions": _GENERAL,
    "virustotal": "4/min",
}
GRAPH_APIS = frozenset({"incidents", "alerts", "hunting"})
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+)/(?:(\d+(?:\.\d+)?))?(s|min|h)$")


def parse_rate(text: object) -> Windows:
    """Read "2/min,120/h" (also "5/10s") as (calls, seconds) pairs; "none" is no limit."""
    if text == "none":
        return ()
    windows = []
    for part in str(text).split(","):
        match = _PART.match(part.strip())
        if match is None:
            message = f"'{part}' is not a rate such as 2/min"
            raise ValueError(message)
        windows.append((int(match[1]), float(match[2] or 1) * _UNITS[match[3]]))
    return tuple(windows)


class SlidingWindows:
    """The calls of one API within its windows."""

    def __init__(self, windows: Windows, *, counts_refusals: bool = False) -> None:
        """Start with no calls made."""
        self._windows = windows
        self._counts_refusals = counts_refusals
        self._calls: deque[datetime] = deque()

    def take(self, now: datetime) -> float:
        """Count a call; return 0 when it is allowed, else the seconds to wait."""
        longest = max((seconds for _, seconds in self._windows), default=0.0)
        while self._calls and (now - self._calls[0]).total_seconds() >= longest:
            self._calls.popleft()
        wait = max((self._wait(now, *window) for window in self._windows), default=0.0)
        if wait <= 0 or self._counts_refusals:
            self._calls.append(now)
        return wait

    def _wait(self, now: datetime, calls: int, seconds: float) -> float:
        if calls == 0:
            return seconds
        if len(self._calls) < calls:
            return 0.0
        return max(0.0, seconds - (now - self._calls[-calls]).total_seconds())


class Rates:
    """Every API's windows."""

    def __init__(self, limits: Mapping[str, str], now: Clock, draws: Draws) -> None:
        """Take the documented limits, with the given ones over them."""
        self._now = now
        self._draws = draws
        self._apis = {
            name: SlidingWindows(parse_rate(limits.get(name, text)), counts_refusals=name in GRAPH_APIS)
            for name, text in DEFAULT_RATES.items()
        }

    def change(self, limits: Mapping[str, str]) -> None:
        """Replace limits; the windows named start anew."""
        for name, text in limits.items():
            if name not in self._apis:
                message = f"unknown API '{name}'"
                raise ValueError(message)
            self._apis[name] = SlidingWindows(parse_rate(text), counts_refusals=name in GRAPH_APIS)

    def spend(self, api: str) -> None:
        """Count one call; ApiError 429 with Retry-After when the API's limit is reached."""
        wait = self._apis[api].take(self._now())
        if wait > 0:
            raise ApiError(
                429, "TooManyRequests", "Please retry again later.", {"Retry-After": self._retry_after(api, wait)}
            )

    def _retry_after(self, api: str, wait: float) -> str:
        half = 0.5
        if api in GRAPH_APIS and self._draws.stream("retry-after").random() < half:
            return f"{math.ceil(wait * 1000) / 1000:.3f}"
        return str(math.ceil(wait))
