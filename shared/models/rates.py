"""The documented limits of the services by API, and how an operator writes others. Pure."""

from __future__ import annotations

import re

DEFAULT_RATES = {
    "incidents": "50/min",
    "alerts": "150/min",
    "hunting": "45/min",
    "machines": "100/min,1500/h",
    "machine_actions": "100/min,1500/h",
    "isolate": "100/min,1500/h",
    "collect": "100/min,1500/h",
    "package_uri": "2/min,120/h",
    "live_response": "10/min",
    "live_response_result": "100/min,1500/h",
    "live_response_sessions": 15,
    "library": "100/min,1500/h",
    "actions": "100/min,1500/h",
    "virustotal": "4/min",
}
"""The documented limits by API; sessions are a number at once, the rest calls in a sliding window."""

_WINDOWS = {"s": 1, "min": 60, "h": 3600}
_RATE = re.compile(r"(\d+)/(s|min|h)")


def parse_rate(written: str) -> tuple[tuple[int, int], ...]:
    """`2/min,120/h` as ((2, 60), (120, 3600)): calls and window in seconds. Raises ValueError."""
    parts = [part.strip() for part in written.split(",")]
    found = [_RATE.fullmatch(part) for part in parts]
    if not all(found) or any(match and int(match[1]) < 1 for match in found):
        raise ValueError(f"'{written}' is not a rate; write for example 2/min,120/h (units: s, min, h)")
    return tuple((int(match[1]), _WINDOWS[match[2]]) for match in found if match)


def checked_rates(written: object) -> object:
    """Rates as an operator writes them, by API. Raises ValueError, naming every problem."""
    if not isinstance(written, dict):
        raise ValueError('needs a JSON object, for example {"package_uri": "2/min,120/h"}')  # noqa: TRY004 - pydantic asks for it
    problems = [
        f"unknown key {key}; known are {', '.join(DEFAULT_RATES)}" for key in sorted(set(written) - set(DEFAULT_RATES))
    ]
    for key, rate in written.items():
        if isinstance(rate, str):
            try:
                parse_rate(rate)
            except ValueError as error:
                problems.append(f"{key}: {error}")
        elif not isinstance(rate, int) or isinstance(rate, bool) or rate < 1:
            problems.append(f"{key}: {rate!r} is neither a rate like 2/min,120/h nor a number from 1 on")
    if problems:
        raise ValueError("; ".join(problems))
    return written
