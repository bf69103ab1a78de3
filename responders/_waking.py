"""When a person is woken: something waits for one. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from responders._notices import WAITING, waits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.models.action import Action
    from shared.models.progress import Notice

_NEVER = datetime.min.replace(tzinfo=UTC)


def page_due(actions: Sequence[Action], notices: Sequence[Notice]) -> str:
    """The kind that wakes a person: where something waits for one that did not when one was woken last. Empty where
    nothing does, and where what waits is only the end of a hold.
    """
    told = [notice for notice in notices if notice.kind.startswith(WAITING)]
    last, newest = max((notice.newest or notice.since for notice in told), default=_NEVER), newest_waiting(actions)
    return f"{WAITING}{len(told) + 1}" if newest and newest > last else ""


def newest_waiting(actions: Sequence[Action]) -> datetime | None:
    """Since when what waits for a person as the last of these does; None where nothing does."""
    return max((action.since for action in actions if waits(action)), default=None)
