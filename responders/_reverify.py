"""Reading the archive again while nobody asks: a rotating sample every hour, all that is under legal hold every day."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from responders._access import VERIFIED, Access, Stored, record
from responders._alarms import over, trouble
from responders._bounded import bounded
from responders._entries import Entry, renewed
from responders._lost import sealed_runs
from responders._rewritten import broken_access, rewritten
from responders._run import who
from responders._unsigned import is_run, place_of, read_through
from responders._until import Until
from responders._verify import CHECKPOINT, Checked, Finding, check
from shared.errors import BulkheadError, Cause, Incomplete, Rejected, Transient
from shared.models.action import Kept
from shared.models.archive.checkpoint import PublicKey
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responders._ports import Ports
    from shared.storage.interface import Evidence

SAMPLE_HOURS, HELD_HOURS = 28 * 24, 24
"""In how many hours each sealed run is read again, and whatever has something in it that is under legal hold."""

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
_MOST_DOUBLED = 6

log = logging.getLogger(__name__)


class LastRead(Kept):
    """When a run, or what else is under legal hold, was read the last time; of one that never was, when that would have
    been. `begun` counts the readings since then of which nobody knows how they ended. What was `held` and not sealed
    is read once more when no hold is seen there any more: that it went is remembered by nothing else.
    """

    run: str
    at: datetime
    begun: int = 0
    held: bool = False


class Turn(NamedTuple):
    """A place that is due: how long after its last reading it is, whether it is a sealed run, and whether it is `held`
    and none.
    """

    entry: Entry[LastRead]
    every: timedelta
    signed: bool
    held: bool


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
    """Read what is due until `stop`: sealed runs, and whatever else is under legal hold. What differs or is gone is an
    alarm until a person has looked; what cannot be checked is an alarm of its own, and stops nothing else.
    """
    sealed = set(sealed_runs(ports, ALARM))
    held = {place_of(name) for name in ports.evidence.held("")}
    known = _known(ports, sealed, held)
    often = held | (known.keys() - sealed)
    due = chosen({run: entry.value.at for run, entry in known.items()}, often, ports.clock.now())
    for number, run in enumerate(due):
        left = stop - ports.clock.now()
        alone = number == 0 and left >= _ENOUGH
        turn = Turn(known[run], _every(run, often), signed=run in sealed, held=run in held - sealed)
        if left <= timedelta(0) or _in_turn(ports, turn, stop, alone=alone):
            log.warning("%d of %d runs that were to be read again were not: no time", len(due) - number, len(due))
            return


def _in_turn(ports: Ports, turn: Turn, stop: datetime, *, alone: bool) -> bool:
    """Read a run; whether the time was not enough. One that was not `alone` with it keeps its turn then. That it is
    begun is noted before, as if it could not be read: if it ends the worker, it is not the first one again next hour.
    """
    before, run = turn.entry.value, turn.entry.value.run
    if before.begun:
        said = f"a reading of it was begun {before.begun} times, and the worker ended with it"
        trouble(ports, _unread(run), f"{_named(run)} could not be read through again: {said}", lasting=LASTING)
    wait = min(AGAIN * 2 ** min(before.begun, _MOST_DOUBLED), turn.every)
    at, held = ports.clock.now() + wait - turn.every, before.held or turn.held
    begun = _put(ports, turn.entry, LastRead(run=run, at=at, begun=before.begun + 1, held=held))
    if begun is None:
        return False
    error = _tried(ports, run, stop, signed=turn.signed)
    late = isinstance(error, Incomplete) and error.cause is Cause.TIME
    if late and not alone:
        _put(ports, begun, before)
    else:
        _note(ports, turn._replace(entry=begun), error)
    return late


def _known(ports: Ports, sealed: set[str], held: set[str]) -> dict[str, Entry[LastRead]]:
    """The sealed runs, and what else is held or was when it was read last, each with when it was read."""
    rows = {entry.value.run: entry for entry in ports.ledger.every(LastRead, _PARTITION)}
    for run in sorted((sealed | held) - rows.keys()):
        at = before_the_first(run, ports.clock.now())
        try:
            rows[run] = ports.ledger.put(_PARTITION, _key(run), LastRead(run=run, at=at, held=run not in sealed), "")
        except Conflict:
            log.info("another instance is at the run %s", run)
    return {run: entry for run, entry in rows.items() if run in sealed | held or entry.value.held}


def _key(run: str) -> str:
    return hashlib.sha256(run.encode()).hexdigest()


def _tried(ports: Ports, run: str, stop: datetime, *, signed: bool) -> Exception | None:
    """Read a run, or what else is under legal hold; what went wrong, if anything did."""

    def tell(found: Finding) -> None:
        trouble(ports, _alarm(run), f"what is under legal hold in {run} is not as it was committed: {found}")

    try:
        if signed:
            _reread(ports, run, stop)
        else:
            read_through(Until(ports.evidence, ports.clock, stop), run, tell)
    except _WRONG as error:
        return error
    return None


def _note(ports: Ports, turn: Turn, error: Exception | None) -> None:
    """Keep when a run was read, and tell where it could not be; what is likely to go better, once it lasts."""
    run, at, held = turn.entry.value.run, ports.clock.now(), turn.held
    odd = f"{ALARM} unread {_spelt(run)}"
    if error is None:
        over(ports, _unread(run))
        over(ports, odd)
    elif isinstance(error, Transient):
        at, held = at + AGAIN - turn.every, turn.entry.value.held
        trouble(ports, _unread(run), f"{_named(run)} could not be read through again: {error}", lasting=LASTING)
    else:
        log.error("the run %s", run, exc_info=error)
        trouble(ports, odd, f"{_named(run)} could not be checked: {type(error).__name__}: {error}")
    _put(ports, turn.entry, LastRead(run=run, at=at, held=held))


def _put(ports: Ports, entry: Entry[LastRead], made: LastRead) -> Entry[LastRead] | None:
    try:
        return ports.ledger.put(_PARTITION, _key(made.run), renewed(entry, made), entry.etag)
    except Conflict:
        log.info("another instance is at the run %s", made.run)
        return None


def _spelt(run: str) -> str:
    return run.replace("/", " ")


def _named(place: str) -> str:
    return f"the run {place}" if is_run(place) else place


def _unread(run: str) -> str:
    return f"unread {_spelt(run)}"


def _forged(ports: Ports, evidence: Evidence, run: str) -> bool:
    """Whether a seal goes by the name of this deployment's key and is another one's: a name alone proves nothing. A
    version that the vault does not show is only told in the log: it may have been disabled since.
    """
    told = json.loads(bounded(evidence, f"{run}/{CHECKPOINT}") or b"")["signer"]
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
    """Read a run and what lies beside it. What differs is told before the next part of it is begun, and though there is
    no time for all of one.
    """
    evidence = Until(ports.evidence, ports.clock, stop)
    found = Checked()
    try:
        check(Stored(evidence, run), run, found)
        if found.whole and _forged(ports, evidence, run):
            found.findings.append(Finding(CHECKPOINT, "", "is signed with another key than the one that it names"))
    finally:
        _tell(ports, run, found, found.findings)
    broken = broken_access(evidence, run)
    _tell(ports, run, found, broken)
    older = list(rewritten(evidence, run))
    _tell(ports, run, found, older)
    if broken:
        return  # nothing is put behind a chain that is broken; the alarm stands in the log
    detail = _detail(found, len(found.findings) + len(older))
    worker = who(ports.settings.AZURE_CLIENT_ID, "housekeeping", ports.settings.DEPLOYMENT)
    try:
        access = Access(VERIFIED, detail, purpose="rotating sample")
        record(evidence, run, access, worker, ports.clock.now(), ports.host_time)
    except Rejected as error:
        trouble(ports, _alarm(run), f"what happened to the run {run} since cannot be told: {error}")


def _tell(ports: Ports, run: str, found: Checked, findings: Sequence[Finding]) -> None:
    if findings:
        said = f"{findings[0]} ({_detail(found, len(findings))})"
        trouble(ports, _alarm(run), f"the run {run} is not as it was sealed: {said}")


def _detail(found: Checked, differences: int) -> str:
    return f"{found.objects} objects, {found.size} bytes, {differences} differences"


def _alarm(run: str) -> str:
    return f"{ALARM} {_spelt(run)}"
