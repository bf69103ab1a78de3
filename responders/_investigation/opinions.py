"""Which files of an incident somebody outside is asked about, and findings with the answers. Pure.

Only hashes leave, and few: a hash tells who hears it what is looked at here, and a free key has four calls a minute.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.models.findings import FileFact, Findings, Source, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.models.findings import Process
    from shared.models.incident import Incident
    from shared.models.opinion import Opinion

MOST = 24
"""Files of an incident that are asked about: six minutes of a free key."""

RARE = 3
"""On how many devices of the tenant a program may run and still be worth asking about."""

SOURCE = "virustotal"
_TRUSTED = ("microsoft",)


def worth_asking(findings: Findings, incident: Incident) -> tuple[str, ...]:
    """Hashes (SHA-1, else SHA-256), the most telling first: what alerts name, what is unsigned or rare, what starts by
    itself. Microsoft's own programs are no question.
    """
    facts = {fact.sha1.lower(): fact for fact in findings.files if fact.sha1}
    ours = [each for each in findings.processes if not each.collector]
    asked: dict[str, None] = {}
    for digest in (
        *_of_incident(incident),
        *(_digest(each) for each in ours if each.alerts and not _microsofts(each.signer)),
        *(_digest(each) for each in ours if _odd(each, facts.get(each.sha1.lower()))),
        *((each.sha1 or each.sha256).lower() for each in findings.persistence if not _microsofts(each.signer)),
    ):
        if digest:
            asked.setdefault(digest)
    return tuple(asked)[:MOST]


def _of_incident(incident: Incident) -> Iterator[str]:
    for item in (each for alert in incident.alerts for each in alert.evidence):
        for file in (item.file, item.image):
            if not _microsofts(file.signer, file.publisher):
                yield file.sha1.lower()


def _digest(process: Process) -> str:
    return (process.sha1 or process.sha256).lower()


def _odd(process: Process, fact: FileFact | None) -> bool:
    if fact is None or _microsofts(process.signer, fact.signer):
        return False
    rare = fact.prevalence is not None and fact.prevalence <= RARE
    return fact.signed is False or (rare and not fact.trusted)


def _microsofts(*names: str) -> bool:
    return any(name.lower().startswith(_TRUSTED) for name in names)


def with_opinions(findings: Findings, said: Mapping[str, Opinion]) -> Findings:
    """The findings with what was said of files, by their hash."""
    if not said:
        return findings
    known = [_told(each, said.get((each.sha1 or each.sha256).lower())) for each in findings.files]
    there = {digest.lower() for each in known for digest in (each.sha1, each.sha256)}
    new = [_told(_of(digest), opinion) for digest, opinion in said.items() if digest not in there]
    last = max(each.at for each in said.values())
    told = sum(each.engines is not None for each in said.values())
    source = Source(SOURCE, "enrichment", "VirusTotal", asked=last, rows=len(said), read=told)
    return replace(findings, files=(*known, *new), sources=(*findings.sources, source))


def _of(digest: str) -> FileFact:
    where = Where(SOURCE)
    sha1_digits = 40
    return FileFact(sha1=digest, where=where) if len(digest) == sha1_digits else FileFact(sha256=digest, where=where)


def _told(fact: FileFact, opinion: Opinion | None) -> FileFact:
    if opinion is None:
        return fact
    return replace(fact, malicious=opinion.malicious, engines=opinion.engines, asked=opinion.at)
