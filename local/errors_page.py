"""The tables of docs/errors.md, made from the taxonomy of refusals and from the numbers of those who heed it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from responders import _archive, _assess, _calls, _follow, _notify, _outcomes, _repeats, _settling
from responders._refusal import Service
from responders._refusals import ROWS
from shared.clients import asking, interface, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from responders._refusal import Refusal

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
_HOST = Path(__file__).parents[1] / "host.json"
HEAD = ("name", "when", "what becomes of it", "again", "given up", "the ledger", "where it is seen", "what to do")


def _shown(span: timedelta) -> str:
    """A span in hours, minutes and seconds, as far as it has them."""
    minutes, seconds = divmod(span.total_seconds(), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number:g} {unit}" for number, unit in parts if number)


def _dequeues() -> int:
    """How often the Functions host gives a message out before it becomes a dead letter."""
    return int(json.loads(_HOST.read_text(encoding="utf-8"))["extensions"]["queues"]["maxDequeueCount"])


NUMBERS: Mapping[str, str] = {
    "again": _shown(_outcomes.RETRY),
    "unsaid": _shown(_outcomes.UNSAID),
    "longest_wait": _shown(timedelta(seconds=interface.LONGEST_WAIT)),
    "busy_attempts": str(_outcomes.BUSY_ATTEMPTS),
    "busy_longest": _shown(_outcomes.RETRY * 2**_outcomes.BUSY_DOUBLINGS),
    "token_attempts": str(_settling.TOKEN_ATTEMPTS),
    "token_wait": _shown(_settling.TOKEN_WAIT),
    "renew": _shown(timedelta(seconds=tokens.RENEW_AFTER)),
    "remembered": _shown(timedelta(seconds=asking.REMEMBERED)),
    "vanishing": _shown(_follow.MARGIN),
    "patience": _shown(_assess.PATIENCE),
    "doubts": str(_settling.ATTEMPTS),
    "tries": str(_settling.TRIES),
    "back_off": _shown(_settling.BACK_OFF * 2),
    "fetches": str(_calls.FETCHES),
    "fetch_wait": _shown(_archive.RETRY),
    "slow_for": _shown(_calls.SLOW_FOR),
    "fetch_longest": _shown(_archive.RETRY * 2**_archive.DOUBLINGS),
    "tells": str(_notify.ATTEMPTS),
    "tell_wait": _shown(_repeats.STALE),
    "tell_often": str(_notify.OFTEN),
    "tell_longest": _shown(_repeats.STALE * 2**_notify.DOUBLINGS),
    "dequeues": str(_dequeues()),
    "roles": "the table of permissions in the README",
}
"""What the braces in the rows stand for, as the code has it."""


def of_service(service: Service) -> str:
    """Every row of a service."""
    return _lines(row for row in ROWS if service in row.services)


def _lines(rows: Iterable[Refusal]) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *(_cells(row) for row in rows)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _cells(row: Refusal) -> tuple[str, ...]:
    lasts = " (holds for the whole tenant)" if row.lasting else ""
    cells = (row.again, row.until, row.records, row.shown, row.todo)
    filled = (cell.format_map(NUMBERS) for cell in cells)
    return (f"`{row.name}`", row.when, f"{row.means}: *{row.fate}*{lasts}", *filled)


TABLES: Mapping[str, Callable[[], str]] = {
    service.name.lower(): lambda service=service: of_service(service)  # type: ignore[misc]
    for service in Service
}
