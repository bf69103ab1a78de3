"""How many calls of a function one piece of fetching may take, and for how long. Pure."""

from __future__ import annotations

from datetime import timedelta

FETCHES = 8
"""How many whole calls an action's download, or the joining of its parts, may take in vain before it is given up."""

SLOW_FOR = timedelta(days=3)
"""How long what is there to be fetched may take, while every call brings some of it; time that it waited counts too.
From then on what takes all of a call, or breaks off, is a failure, as if it had brought nothing.
"""

_WHOLE = 0.9


def a_whole_call(left: float, budget: timedelta) -> bool:
    """Whether `left`, in seconds, is nearly all the time that a call has."""
    return left >= _WHOLE * budget.total_seconds()
