"""What came of each member of a package. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from shared.models.findings import Findings


class Outcome(StrEnum):
    """How far a member was understood. Nothing is ever passed over in silence."""

    PARSED = "parsed"
    METADATA = "metadata"
    UNSUPPORTED = "unsupported"
    PARTIAL = "partial"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Read:
    """What a parser made of a member's bytes: `rows` there, `understood` of them, `said` whatever else is to be told.
    With `cut` it did not come to the end.
    """

    rows: int
    understood: int
    findings: Findings = field(default_factory=Findings)
    said: str = ""
    zone: str = "UTC"
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its path with forward slashes, its size in bytes, what became of it and why."""

    path: str
    size: int
    outcome: Outcome
    parser: str = ""
    rows: int = 0
    understood: int = 0
    detail: str = ""
    encoding: str = ""
    sha256: str = ""
    zone: str = "UTC"
    findings: Findings = field(default_factory=Findings)


@dataclass(frozen=True, slots=True)
class Opened:
    """A package: its members in their order, and what is wrong with the whole of it."""

    members: tuple[Member, ...]
    problems: tuple[str, ...] = ()
