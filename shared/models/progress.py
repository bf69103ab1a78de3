"""How far things have come: an incident, what was told of it, and the reading of the tenant."""

from __future__ import annotations

from datetime import datetime

from shared.models.action import Kept


class IncidentState(Kept):
    """How far an incident has come.

    `seen` is the newest version with a snapshot, `assessed` the newest one that was judged. `shown_at` is the tenant's
    own clock in the answer that first showed the incident; it starts the time to contain. `affected` are the devices of
    the latest assessment, `contain` whether it asks for containment. `observed` are the devices whose turn it would
    have been while observing, with the severity and newest alert of then: only something new opens a round for them.
    `notify` are those whom its rules name beside everybody.
    `cleared` says that an analyst classified it as a false positive, `dismissed` as `Assessment` does.
    `merged_into` is the incident that goes on with this one's alerts and actions.
    `reassessed` are the orders to assess it anew; each gives it a version of its own, whatever its content; `returned`
    counts how often content came back that it had before, which is a version of its own too.
    """

    id: str
    seen: str
    updated: datetime | None = None
    shown_at: datetime
    seen_at: datetime
    assessed: str = ""
    assessed_at: datetime | None = None
    mode: str = ""
    title: str = ""
    url: str = ""
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    severity: int = 0
    affected: tuple[str, ...] = ()
    contain: bool = False
    cleared: bool = False
    dismissed: bool = False
    not_actionable: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    observed_severity: int = 0
    observed_alert: datetime | None = None
    reassessed: tuple[str, ...] = ()
    returned: int = 0
    merged_into: str = ""


class Absorbed(Kept):
    """An incident that Defender merged into the one in whose partition this lies, and when we learnt of it."""

    source: str
    at: datetime


class Notice(Kept):
    """One thing told in one place. `digest` names the outcomes it told; `attempts` above 1 mean a possible repeat. Of
    what wakes a person, `newest` is since when the last of what it tells of waits.
    """

    chapter: int
    kind: str
    channel: str
    state: str
    since: datetime
    attempts: int = 1
    digest: str = ""
    detail: str = ""
    newest: datetime | None = None

    @property
    def pending(self) -> bool:
        """Whether it is still to be told, or being told."""
        return self.state in {"open", "sending"}


class Watermark(Kept):
    """How far the incidents of the tenant were read: `floor` is where this deployment began, `slice_seconds` the width
    of a slice of backlog that last fitted, `read_at` when a reading last succeeded (storage time).
    """

    until: datetime
    floor: datetime
    read_at: datetime | None = None
    slice_seconds: int = 3600
    alarmed: bool = False
