"""What the ledger keeps of an incident's report: how it was last made, and the revisions that were kept."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shared.models.action import Kept


class KeptRevision(BaseModel):
    """A report in the evidence store: what it was kept for (`contained`, `final` or `reopened`, of which chapter), and
    its name and hash. The hash is empty until it was written; `mark` is on its files, and nobody can know it before.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    number: int
    kind: str
    chapter: int
    at: datetime
    name: str
    sha256: str = ""
    mark: str = ""


class Reported(Kept):
    """How an incident was reported last. `digest` names what the report was made of; `folder` is where its revisions
    lie. Until `held_until` a worker makes it. The rest is what the page of all incidents shows.
    """

    incident: str
    digest: str = ""
    made: datetime
    held_until: datetime | None = None
    folder: str
    revisions: tuple[KeptRevision, ...] = ()
    title: str = ""
    severity: int = 0
    verdict: str = ""
    mode: str = ""
    shown_at: datetime | None = None
    devices: int = 0
    contained: int = 0
    stands: str = ""
