"""Everything that a report is made of, as one value: whoever has it can make the same report again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.models.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from shared.models.action import Action
    from shared.models.incident import Incident
    from shared.models.plan import Assessment
    from shared.models.progress import IncidentState


@dataclass(frozen=True, slots=True)
class Note:
    """What a person remarked, under the name that they claimed."""

    at: datetime
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256 in hex by where it was computed; empty where nobody did. `proof` is the manifest's word for what they
    say together.
    """

    device: str = ""
    received: str = ""
    stored: str = ""
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One event of the chain of custody: what happened, to what, by whom, when (as it is written there)."""

    at: str
    what: str
    subject: str = ""
    who: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Custody:
    """What the archive says of one run: `items` by their path in the evidence store, the chain, and its end.

    `sealed` is when the run was closed (empty: it is not yet), `head` the hash of the chain's last event, `signer`
    whose key signed that.
    """

    folder: str
    items: Mapping[str, Hashes] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    sealed: str = ""
    head: str = ""
    signer: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """A report that was kept: why then (`contained`, `final`, `reopened`), and under which name."""

    number: int
    kind: str
    at: datetime
    name: str


@dataclass(frozen=True, slots=True)
class Report:
    """An incident as it stands at `made`: its judgement, what was done, what was found, who said what.

    `contains` are the names of responders that contain, `gathers` of those that collect, `account` the address of the
    evidence account (empty: not known), `zone` the operator's time zone, `zone_name` what it is called.
    """

    incident: Incident
    state: IncidentState
    made: datetime
    assessment: Assessment | None = None
    actions: tuple[Action, ...] = ()
    findings: Findings = field(default_factory=Findings)
    notes: tuple[Note, ...] = ()
    custody: tuple[Custody, ...] = ()
    revisions: tuple[Revision, ...] = ()
    contains: frozenset[str] = frozenset()
    gathers: frozenset[str] = frozenset()
    deployment: str = ""
    account: str = ""
    language: str = "en"
    zone: tzinfo = UTC
    zone_name: str = "UTC"
