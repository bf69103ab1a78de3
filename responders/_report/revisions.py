"""When a report is kept for good: once an incident is contained, over, or begins anew. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._afterwards import LONGEST, going_on
from responders._notices import CONTAINED, FINAL, STARTED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.models.action import Action
    from shared.models.progress import Notice
    from shared.models.reported import KeptRevision

REOPENED = "reopened"
_KEPT_FOR = {CONTAINED: CONTAINED, FINAL: FINAL}


def stages(notices: Sequence[Notice]) -> list[tuple[int, str]]:
    """The chapters and kinds that a report is kept for, in order: what was told, each once."""
    found: dict[tuple[int, str], datetime] = {}
    for notice in notices:
        again = REOPENED if notice.kind == STARTED and notice.chapter > 1 else ""
        kind = _KEPT_FOR.get(notice.kind, again)
        if kind:
            place = (notice.chapter, kind)
            found[place] = min(notice.since, found.get(place, notice.since))
    return sorted(found, key=lambda place: (place[0], [REOPENED, CONTAINED, FINAL].index(place[1])))


def wanted(
    notices: Sequence[Notice], kept: Sequence[KeptRevision], actions: Sequence[Action], now: datetime
) -> tuple[int, str] | None:
    """The newest stage that no report was kept for; None where the newest has one. Of several stages that passed
    meanwhile only the newest can still be reported as it is. The end waits for what comes afterwards, but not for ever.
    """
    early = [each for each in notices if each.kind == FINAL and now - each.since < LONGEST] if going_on(actions) else []
    reached = stages([each for each in notices if each not in early])
    done = {(each.chapter, each.kind) for each in kept}
    return reached[-1] if reached and reached[-1] not in done else None


def next_number(kept: Sequence[KeptRevision]) -> int:
    """The number after all that were given."""
    return max((each.number for each in kept), default=0) + 1


def revision_name(folder: str, number: int, file: str = "report.html") -> str:
    """Where a revision lies: `.../reports/report-r0001.html`."""
    stem, _, ending = file.partition(".")
    return f"{folder}/{stem}-r{number:04d}.{ending}"
