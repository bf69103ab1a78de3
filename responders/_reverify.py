"""Reading the archive again while nobody asks: a rotating sample every hour, what is under legal hold every day."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING

from responders._access import VERIFIED, Access, Stored, record, runs
from responders._alarms import trouble
from responders._lost import sealed_runs
from responders._rewritten import broken_access, rewritten
from responders._run import who
from responders._verify import CHECKPOINT, Finding, check
from shared.errors import Cause, Incomplete, Rejected, Transient
from shared.models.archive.checkpoint import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from responders._ports import Ports

SAMPLE_HOURS, HELD_HOURS = 28 * 24, 24
"""In how many hours each sealed run is read again: any, and one of which something is under legal hold."""

ALARM = "custody"
"""The kind of an alarm begins so, and names the run: of each one people are told."""

log = logging.getLogger(__name__)


def chosen(sealed: Iterable[str], held: set[str], hour: int) -> list[str]:
    """Which runs are due in this hour (hours since 1970): each has its own turn, by its name. Pure."""
    return [run for run in sealed if _turn(run, HELD_HOURS if run in held else SAMPLE_HOURS, hour)]


def _turn(run: str, hours: int, hour: int) -> bool:
    return int(hashlib.sha256(run.encode()).hexdigest(), 16) % hours == hour % hours


def reverify(ports: Ports, stop: datetime) -> None:
    """Read what is due until `stop`. A run that differs or is gone is an alarm until a person has looked."""
    sealed = sealed_runs(ports, ALARM)
    held = set(runs(ports.evidence.held("")))
    now = ports.clock.now()
    due = chosen(sealed, held, int(now.timestamp() // 3600))
    for number, run in enumerate(due):
        try:
            _reread(ports, run, stop)
        except Incomplete:
            log.warning("%d of %d runs that were to be read again were not: no time", len(due) - number, len(due))
            return


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
    told = json.loads(b"".join(ports.evidence.read(f"{run}/{CHECKPOINT}")))["signer"]
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
    found.findings += [*broken, *rewritten(ports.evidence, run)]
    detail = f"{found.objects} objects, {found.size} bytes, {len(found.findings)} differences"
    if found.findings:
        first = found.findings[0]
        trouble(ports, alarm, f"the run {run} is not as it was sealed: {first} ({detail})")
    worker = who(ports.settings.AZURE_CLIENT_ID, "housekeeping", ports.settings.DEPLOYMENT)
    if broken:
        return  # nothing is put behind a chain that is broken; the alarm stands in the log
    try:
        record(ports.evidence, run, Access(VERIFIED, detail, purpose="rotating sample"), worker, ports.clock.now())
    except Rejected as error:
        trouble(ports, alarm, f"what happened to the run {run} since cannot be told: {error}")
