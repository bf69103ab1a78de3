"""From an opened package to findings: what its members say, and one source for each of them. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from responders._package.value import Member, Opened, Outcome
from shared.models.findings import Findings, NotCollected, Source, joined

if TYPE_CHECKING:
    from shared.models.action import Artefact

_READ = frozenset({Outcome.PARSED, Outcome.PARTIAL})


def in_package(package: Opened, artefact: Artefact, device: str, source: str) -> Findings:
    """The findings of all members, with what became of each."""
    whole = joined(member.findings for member in package.members)
    sources = [_whole(package, artefact, device, source)]
    sources += [_source(member, artefact, device, source) for member in package.members if member.outcome in _READ]
    left_out = [_left_out(member, device) for member in package.members if member.outcome not in _READ]
    problems = [NotCollected("investigation package", problem, device) for problem in package.problems]
    missing = (*problems, *(each for each in left_out if each))
    return replace(whole, sources=tuple(sources), missing=missing)


def _whole(package: Opened, artefact: Artefact, device: str, source: str) -> Source:
    read = sum(member.outcome in _READ for member in package.members)
    return Source(
        id=source,
        kind="package",
        title="Investigation package",
        device=device,
        name=artefact.name,
        sha256=artefact.sha256,
        rows=len(package.members),
        read=read,
        truncated="; ".join(package.problems),
    )


def _source(member: Member, artefact: Artefact, device: str, source: str) -> Source:
    return Source(
        id=f"{source}/{member.path}",
        kind="package",
        title=member.path,
        device=device,
        name=artefact.name,
        sha256=member.sha256,
        rows=member.rows,
        read=member.understood,
        truncated=member.detail if member.outcome is Outcome.PARTIAL else "",
        zone=member.zone,
    )


def _left_out(member: Member, device: str) -> NotCollected | None:
    """A member that is in the package and that nobody reads here. One that is merely counted is no lack."""
    if member.outcome is Outcome.METADATA:
        return None
    return NotCollected(f"package: {member.path}", f"{member.outcome}: {member.detail}", device)
