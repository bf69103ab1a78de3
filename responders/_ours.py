"""Whether what lies in a run is the app's own, while the run is open: after the seal its signature tells.

Whoever may write to the evidence account can put there what looks like ours, an event that follows or an item with all
its metadata. What they cannot make is its code, and a run goes on from nothing else.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shared.models.archive.codes import commit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.models.action import Action
    from shared.models.archive.custody import Event
    from shared.storage.interface import Stored


class Mac(Protocol):
    """A secret of the app's own. Raises Transient where it cannot be had."""

    @property
    def since(self) -> datetime:
        """Since when there is one: what was written before has no code."""

    def of(self, told: Mapping[str, Any]) -> str:
        """The code of what is told (texts, whole numbers, lists and objects of them), in hex."""


@dataclass(frozen=True, slots=True)
class Ours:
    """By the app's secret, in the run of one action. Where that is older than the secret, what has no code is taken as
    it is: an earlier version wrote it. Everything here raises Transient.
    """

    mac: Mac
    action: Action

    def coded(self, folder: str, event: Event) -> Event:
        """An event of ours, with its code."""
        return event.model_copy(update={"mac": self._of(folder, event)})

    def told(self, folder: str, event: Event) -> bool:
        """Whether we put this event into the chain in this folder."""
        return self._right(event.mac, lambda: self._of(folder, event))

    def committed(self, stored: Stored) -> bool:
        """Whether we committed this object for the action, under this name, and said this of it."""
        if stored.metadata.get("action") != self.action.id:
            return False
        said = (stored.name, stored.size, stored.sha256, stored.metadata)
        return self._right(stored.mac, lambda: self.mac.of(commit(*said)))

    def _of(self, folder: str, event: Event) -> str:
        return self.mac.of({"folder": folder, "event": event.uncoded.decode("utf-8")})

    def _right(self, code: str, right: Callable[[], str]) -> bool:
        if not code:
            return self.action.created < self.mac.since
        return hmac.compare_digest(code.encode("utf-8"), right().encode("ascii"))
