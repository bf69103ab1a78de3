"""Ask the world about files, by hash only, as often as its quota allows and no oftener than needed: what was said is
kept in the ledger for two days. Nothing waits for it, and that it cannot be had is no trouble of an incident's.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._alarms import over, trouble
from responders._cases import FILES
from shared.errors import Denied, Rejected, Throttled, Transient
from shared.models.opinion import Opinion
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.clients.interface import Reputation

FRESH = timedelta(days=2)
"""How long an answer counts."""

SHORTLY = timedelta(minutes=10)
"""A quota that is had again later than this is not waited for: whoever makes the report next asks again."""

_UNSAID = 60.0
_ALARM = "virustotal"

log = logging.getLogger(__name__)


@dataclass
class Opinions:
    """What is known by now, by hash; `wait` is after how long more will be had, None where nothing is to be waited
    for.
    """

    known: dict[str, Opinion] = field(default_factory=dict)
    wait: timedelta | None = None


def opinions(ports: Ports, digests: Iterable[str]) -> Opinions:
    """What is said of files. Raises Transient where the ledger cannot be reached."""
    found = Opinions()
    asking = ports.reputation
    for digest in digests if asking else ():
        entry = ports.ledger.one(Opinion, FILES, digest)
        if entry:
            found.known[digest] = entry.value
        if asking and (entry is None or ports.clock.now() - entry.value.at >= FRESH):
            asking = _asked(ports, asking, digest, entry, found)
    return found


def _asked(
    ports: Ports, asking: Reputation, digest: str, entry: Entry[Opinion] | None, found: Opinions
) -> Reputation | None:
    """Ask about one file and keep the answer; None where asking on is in vain for now."""
    try:
        verdict = asking.file(digest)
    except Throttled as error:
        wait = timedelta(seconds=max(1.0, _UNSAID if error.retry_after is None else error.retry_after))
        found.wait = wait if wait <= SHORTLY else None
        return None
    except Denied as error:
        why = "VirusTotal refuses the key; what to do: check VIRUSTOTAL_API_KEY, or leave it empty"
        trouble(ports, _ALARM, f"{why} ({error.status})")
        return None
    except (Transient, Rejected) as error:
        log.info("VirusTotal cannot be asked about a file now: %s", error)
        return None if isinstance(error, Transient) else asking
    told = {"malicious": verdict.malicious, "engines": verdict.engines} if verdict else {}
    found.known[digest] = Opinion(digest=digest, at=ports.clock.now(), **told)
    try:
        ports.ledger.put(FILES, digest, found.known[digest], entry.etag if entry else "")
    except Conflict:
        log.info("another worker asked about the same file")
    over(ports, _ALARM)
    return asking
