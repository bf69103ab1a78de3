"""Sealed runs that are gone: the ledger remembers each one that was ever seen sealed, and the archive is compared."""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._access import runs
from responders._alarms import trouble
from responders._sealing import CHECKPOINT
from shared.models.action import Kept
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from responders._ports import Ports

WATCHED = timedelta(days=30)
"""How long after it was first seen a run may not go, whatever the archive's retention is; the app is not told when the
operator's life-cycle rule deletes evidence, only until when an object is immutable.
"""

MOST = 10
"""Of so many lost runs people are told by name; of how many there are in all, each of these tells."""

_PARTITION = "sealed"

log = logging.getLogger(__name__)


class SealedRun(Kept):
    """A run that was seen sealed; before `until` nobody has a reason to remove it."""

    run: str
    until: datetime


def sealed_runs(ports: Ports, kind: str) -> list[str]:
    """The sealed runs of the archive. One that the ledger knows and that is not among them any more is an alarm of
    this kind, unless it is so old that its retention may have ended.
    """
    known = {entry.value.run: entry.value.until for entry in ports.ledger.every(SealedRun, _PARTITION)}
    found = runs(ports.evidence.names(""))
    sealed = [run for run, closed in found.items() if closed]
    now = ports.clock.now()
    lost = sorted(run for run in known.keys() - sealed if now < known[run])
    for run in lost[:MOST]:
        what = f"has lost its {CHECKPOINT}" if run in found else "is gone from the archive"
        trouble(ports, f"{kind} {run.replace('/', ' ')}", f"the sealed run {run} {what} ({len(lost)} such runs in all)")
    for run in sealed:
        if run not in known:
            _remember(ports, kind, run, now)
    return sealed


def _remember(ports: Ports, kind: str, run: str, now: datetime) -> None:
    try:
        protection = ports.protections.of(f"{run}/{CHECKPOINT}") if ports.protections else None
    except ValueError as error:
        odd = f"the sealed run {run} has a name that none of ours has, and cannot be asked for: {error}"
        trouble(ports, f"{kind} {run.replace('/', ' ')}", odd)
        protection = None
    until = max(now + WATCHED, (protection and protection.until) or now)
    try:
        ports.ledger.put(_PARTITION, hashlib.sha256(run.encode()).hexdigest(), SealedRun(run=run, until=until), "")
    except Conflict:
        log.info("another instance remembers the run %s", run)
