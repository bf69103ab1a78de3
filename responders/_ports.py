"""The ports that the machinery works through, as one value that is handed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders._governor import Governor
    from responders._interface import Responder
    from responders._ledger import Ledger
    from shared.clients.interface import Chat, Devices, Downloads, Incidents
    from shared.config import Settings
    from shared.storage.interface import Clock, Documents, Evidence, Queues

INCIDENTS = "incidents"
CONTAIN = "contain"
COLLECT = "collect"
ARCHIVE = "archive"
NOTIFY = "notify"
QUEUES = (INCIDENTS, CONTAIN, COLLECT, ARCHIVE, NOTIFY)
TABLE = "ledger"
DOCUMENTS = "incidents"
EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside. `chats` are the channels by name (`slack`, `teams`), those that are configured."""

    settings: Settings
    clock: Clock
    ledger: Ledger
    governor: Governor
    documents: Documents
    queues: Queues
    evidence: Evidence
    incidents: Incidents
    devices: Devices
    downloads: Downloads
    responders: Mapping[str, Responder]
    chats: Mapping[str, Chat] = field(default_factory=dict)

    def marker(self, action_id: str, attempt: int | str = "") -> str:
        """What a comment carries so that we know our own: `[bulkhead <deployment>/<action>/<attempt>]`, or the start of
        it that all attempts share.
        """
        start = f"[bulkhead {self.settings.DEPLOYMENT}/{action_id}/"
        return f"{start}{attempt}]" if attempt else start

    @property
    def own_marker(self) -> str:
        """The start of every marker of this deployment."""
        return f"[bulkhead {self.settings.DEPLOYMENT}/"
