"""Reading the archive again while nobody asks: a rotating sample every hour, what is under legal hold every day."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._access import VERIFIED, Access, Stored, record, runs
from responders._alarms import over, trouble
from responders._bounded import bounded
from responders._entries import renewed
from responders._lost import sealed_runs
from responders._rewritten import broken_access, rewritten
from responders._run import who
from responders._verify import CHECKPOINT, Finding, check
from shared.errors import BulkheadError, Cause, Incomplete, Rejected, Transient
from shared.models.action import Kept
from shared.models.archive.checkpoint import PublicKey
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from responders._entries import Entry
    from responders._ports import Ports

SAMPLE_HOURS, HELD_HOURS = 28 * 24, 24
"""In how many hours each sealed run is read again: any, and one of which something is under legal hold."""

ALARM = "custody"
"""The kind of an alarm begins so, and names the run: of each one people are told."""

AGAIN, LASTING = timedelta(hours=12), timedelta(days=1)
"""When a run that could not be read is tried again, and how long that lasts before people are told."""

_WRONG = (
    *(BulkheadError, ArithmeticError, AttributeError, LookupError),
    *(OSError, RuntimeError, TypeError, ValueError),
)
"""What a call raises, and what somebody's bytes may make the check itself raise: whoever writes one run must not keep
the others from being read.
"""

_ENOUGH = timedelta(minutes=1)
_SLACK = timedelta(minutes=30)
_PARTITION = "read again"

log = logging.getLogger(__name__)


class LastRead(Kept):
    """When a run was read the last time; of one that never was, when that would have been."""

    run: str
    at: datetime


def before_the_first(run: str, now: datetime) -> datetime:
    """When a run that is seen now would have been read last: the first turns are spread over four weeks. Pure."""
    turn = int(hashlib.sha256(run.encode()).hexdigest(), 16) - int(now.timestamp() // 3600)
    return now - timedelta(hours=SAMPLE_HOURS - turn % SAMPLE_HOURS)


def chosen(read: Mapping[str, datetime], held: set[str], now: datetime) -> list[str]:
    """Which runs are due, by when each was read; first whichever waits for the most turns of its own. Pure."""
    waits = {run: (now - at + _SLACK) / _every(run, held) for run, at in read.items()}
    return sorted((run for run, turns in waits.items() if turns >= 1), key=lambda run: (-waits[run], run))


def _every(run: str, held: set[str]) -> timedelta:
    return timedelta(hours=HELD_HOURS if run in held else SAMPLE_HOURS)


def reverify(ports: Ports, stop: datetime) -> None:
    """Read what is due until `stop`. A run that differs or is gone is an alarm until a person has looked; one that
    cannot be checked is an alarm of its own, and stops no other.
    """
    known = _known(ports, sealed_runs(ports, ALARM))
    held = set(runs(ports.evidence.held("")))
    due = chosen({run: entry.value.at for run, entry in known.items()}, held, ports.clock.now())
    for number, run in enumerate(due):
        left = stop - ports.clock.now()
        error = _tried(ports, run, stop)
        late = isinstance(error, Incomplete) and error.cause is Cause.TIME
        if not late or (number == 0 and left >= _ENOUGH):
            _note(ports, known[run], error, _every(run, held))
        if late:
            log.warning("%d of %d runs that were to be read again were not: no time", len(due) - number, len(due))
            return


def _known(ports: Ports, sealed: Iterable[str]) -> dict[str, Entry[LastRead]]:
    """The sealed runs, each with when it was read."""
    rows = {entry.value.run: entry for entry in ports.ledger.every(LastRead, _PARTITION)}
    for run in sealed:
        if run not in rows:
            first = LastRead(run=run, at=before_the_first(run, ports.clock.now()))
            try:
                rows[run] = ports.ledger.put(_PARTITION, _key(run), first, "")
            except Conflict:
                log.info("another instance is at the run %s", run)
    return {run: rows[run] for run in sealed if run in rows}


def _key(run: str) -> str:
    return hashlib.sha256(run.encode()).hexdigest()


def _tried(ports: Ports, run: str, stop: datetime) -> Exception | None:
    """Read a run; what went wrong, if anything did."""
    try:
        _reread(ports, run, stop)
    except _WRONG as error:
        return error
    return None


def _note(ports: Ports, entry: Entry[LastRead], error: Exception | None, every: timedelta) -> None:
    """Keep when a run was read, and tell where it could not be; what is likely to go better, once it lasts."""
    run, at = entry.value.run, ports.clock.now()
    unread, odd = (f"{kind} {run.replace('/', ' ')}" for kind in ("unread", f"{ALARM} unread"))
    if error is None:
        over(ports, unread)
        over(ports, odd)
    elif isinstance(error, Transient):
        at += AGAIN - every
        trouble(ports, unread, f"the run {run} could not be read through again: {error}", lasting=LASTING)
    else:
        log.error("the run %s", run, exc_info=error)
        trouble(ports, odd, f"the run {run} could not be checked: {type(error).__name__}: {error}")
    try:
        ports.ledger.put(_PARTITION, _key(run), renewed(entry, LastRead(run=run, at=at)), entry.etag)
    except Conflict:
        log.info("another instance read the run %s", run)


class _Timed(Stored):
    """A run that is read until `stop`."""

    def __init__(self, ports: Ports, run: str, stop: datetime) -> None:
        super().__init__(ports.evidence, run)
        self._ports, self._stop = ports, stop

    def read(self, name: str) -> Iterator[bytes]:
        pieces = super().read(name)

        def timed() -> Iterator[bytes]:
            for piece in pieces:
                if self._ports.clock.now() >= self._stop:
                    raise Incomplete("no time is left", cause=Cause.TIME)
                yield piece

        return timed()


def _forged(ports: Ports, run: str) -> bool:
    """Whether a seal goes by the name of this deployment's key and is another one's: a name alone proves nothing. A
    version that the vault does not show is only told in the log: it may have been disabled since.
    """
    told = json.loads(bounded(ports.evidence, f"{run}/{CHECKPOINT}") or b"")["signer"]
    named = PublicKey(*(str(told[name]) for name in ("kind", "key", "n", "e")))
    try:
        ours = ports.signer.key
        if (named.kind, named.key) != (ours.kind, ours.key) and not ports.signer.known(named):
            log.warning("%s is sealed with %s, which is not known here: compare it", run, named.key)
    except (Transient, Rejected) as error:
        log.warning("the key of the seals cannot be compared: %s", error)
        return False
    return (named.kind, named.key) == (ours.kind, ours.key) and named != ours


def _reread(ports: Ports, run: str, stop: datetime) -> None:
    alarm = f"{ALARM} {run.replace('/', ' ')}"
    found = check(_Timed(ports, run, stop), run)
    if found.whole and _forged(ports, run):
        found.findings.append(Finding(CHECKPOINT, "", "is signed with another key than the one that it names"))
    broken = broken_access(ports.evidence, run)
    found.findings += broken
    read = f"{found.objects} objects, {found.size} bytes"
    if found.findings:
        many = f"{read}, {len(found.findings)} differences"
        trouble(ports, alarm, f"the run {run} is not as it was sealed: {found.findings[0]} ({many})")
    older = list(rewritten(ports.evidence, run))
    detail = f"{read}, {len(found.findings) + len(older)} differences"
    if older:
        trouble(ports, alarm, f"the run {run} is not as it was sealed: {older[0]} ({detail})")
    worker = who(ports.settings.AZURE_CLIENT_ID, "housekeeping", ports.settings.DEPLOYMENT)
    if broken:
        return  # nothing is put behind a chain that is broken; the alarm stands in the log
    try:
        record(ports.evidence, run, Access(VERIFIED, detail, purpose="rotating sample"), worker, ports.clock.now())
    except Rejected as error:
        trouble(ports, alarm, f"what happened to the run {run} since cannot be told: {error}")
