"""The ports that the machinery works through, as one value that is handed down."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from responders._interface import BY_ORDER, GIVING_BACK, containment
from responders._queries import shipped_only
from responders._transfer import PIECE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from responders._governed import GovernedDevices
    from responders._governor import Governor
    from responders._interface import Responder
    from responders._ledger import Ledger
    from responders._ours import Mac
    from responders._policies import Policies
    from shared.clients.interface import Chat, Downloads, Grants, Hunting, Incidents, Reputation, Signer
    from shared.config import Settings
    from shared.models.action import Action
    from shared.storage.interface import Clock, Documents, Evidence, Pages, Protections, Queues, Staging

INCIDENTS = "incidents"
CONTAIN = "contain"
COLLECT = "collect"
ARCHIVE = "archive"
REPORT = "report"
NOTIFY = "notify"
ORDERS = "orders"
QUEUES = (INCIDENTS, CONTAIN, COLLECT, ARCHIVE, REPORT, NOTIFY, ORDERS)
OVERDUE = "overdue"
"""What a message says that is about all of a queue's work that should have been done."""

_NO_NAME = re.compile(r"[^\w ,@+-]")
TABLE = "ledger"
PAGER = "pager"
"""The channel that wakes a person: told of what waits for one, and of nothing else."""

DOCUMENTS = "incidents"
EVIDENCE = "evidence"
STAGING = "staging"
REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside. `chats` are the channels by name (`slack`, `teams`), those that are configured; `grants` what
    the app's identity may do, by API (`graph`, `defender`); `protections` what protects the archive, where that can be
    told; `host_time` is this machine's own clock, for the record only; `queries` gives the text of
    a hunting query by its name; `reputation` is who may be asked about hashes of files, None where nobody may; of a
    large download, `piece` bytes lie in each object of staging.
    """

    settings: Settings
    clock: Clock
    ledger: Ledger
    governor: Governor
    documents: Documents
    queues: Queues
    evidence: Evidence
    staging: Staging
    signer: Signer
    mac: Mac
    pages: Pages
    incidents: Incidents
    devices: GovernedDevices
    downloads: Downloads
    hunting: Hunting
    responders: Mapping[str, Responder]
    policies: Policies
    chats: Mapping[str, Chat] = field(default_factory=dict)
    grants: Mapping[str, Grants] = field(default_factory=dict)
    protections: Protections | None = None
    host_time: Callable[[], datetime] | None = None
    queries: Callable[[str], str | None] = shipped_only
    reputation: Reputation | None = None
    piece: int = PIECE

    @property
    def tightened(self) -> Settings:
        """The settings as the policy in force leaves them: never wider. Raises Transient."""
        return self.policies.in_force().tightened(self.settings)

    def marker(self, action_id: str, attempt: int | str = "") -> str:
        """What a comment carries so that we know our own: `[bulkhead <deployment>/<action>/<attempt>]`, or the start of
        it that all attempts share.
        """
        start = f"[bulkhead {self.settings.DEPLOYMENT}/{action_id}/"
        return f"{start}{attempt}]" if attempt else start

    def comment(self, action: Action) -> str:
        """What Defender keeps with a machine action of ours, by which we know it, and people why it was made. A name
        that somebody claims in an order cannot pass for a marker.
        """
        who = f" By order of {_NO_NAME.sub('', action.approved_by)[:80]}." if action.opened_by else ""
        what = f"Bulkhead: {action.responder} for incident {action.incident}.{who}"
        return f"{what} {self.marker(action.id, action.attempt)}{f' {BY_ORDER}' if action.opened_by else ''}"

    def contains(self, action: Action) -> bool:
        """Whether an action contains; one of a newer version's responder, which nobody here knows, does not."""
        responder = self.responders.get(action.responder)
        return bool(responder and responder.contains)

    def gives_back(self, action: Action) -> bool:
        """Whether an action undoes a containment."""
        responder = self.responders.get(action.responder)
        return bool(responder and GIVING_BACK.intersection(responder.kinds[:1]))

    def containment(self, action: Action) -> str:
        """Which containment an action takes or gives back; empty where it does neither."""
        responder = self.responders.get(action.responder)
        return containment(responder) if responder else ""

    @property
    def containments(self) -> tuple[str, ...]:
        """Every containment that there is."""
        return tuple(dict.fromkeys(filter(None, map(containment, self.responders.values()))))

    @property
    def own_marker(self) -> str:
        """The start of every marker of this deployment."""
        return f"[bulkhead {self.settings.DEPLOYMENT}/"
