"""The reports of a run, saved where whoever looks can open them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from responders._cases import REPORTS
from responders._notices import FINAL
from responders._report.closing import FILES
from responders._report.index import page_name
from responders._report.job import INDEX
from shared.models.reported import Reported

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from responders._ports import Ports

PATIENCE = 60.0
_POLL = 0.5


def saved(named: Sequence[str], folder: Path, ports: Ports) -> list[Path]:
    """Save each incident's newest report, with what lies beside it; gives the pages. One that is not there within a
    minute is left out.
    """
    end = time.monotonic() + PATIENCE
    pages: list[Path] = []
    for incident in named:
        while not _made(incident, ports) and time.monotonic() < end:
            time.sleep(_POLL)
        pages += [folder / page_name(incident)] * _save(page_name(incident), folder, ports)
        for file in FILES:
            _save(page_name(incident, file), folder, ports)
    _save(INDEX, folder, ports)
    return pages


def _made(incident: str, ports: Ports) -> bool:
    """Whether a report was made since the incident's summary was told."""
    row = ports.ledger.one(Reported, REPORTS, incident)
    ends = [entry.value.since for entry in ports.ledger.notices(incident) if entry.value.kind == FINAL]
    return bool(row and row.value.digest and row.value.made >= max(ends, default=row.value.made))


def _save(name: str, folder: Path, ports: Ports) -> bool:
    data = ports.pages.read(name)
    if data is None:
        return False
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return True
