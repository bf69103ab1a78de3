"""An order that is being carried out, and what its steps share.

Any worker may die at any step, and any message may come twice. So an order first writes down which actions it is about;
an action that it changed bears its id; and whoever takes the order up again finds what is done already.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from responders._cases import ORDERED
from responders._consent import latest, told
from responders._containment import settle
from responders._nudges import forewarn, tell
from shared.errors import Transient, Unreadable
from shared.models.action import incident_of
from shared.models.asked import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.asked import OrderRecord
    from shared.models.order import AnyOrder

_TRIES = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """How far an order has come, in words for whoever asked."""

    stage: Stage
    words: str

    @classmethod
    def done(cls, words: str) -> Answer:
        """It was carried out."""
        return cls(Stage.DONE, words)

    @classmethod
    def refused(cls, words: str) -> Answer:
        """It was not carried out, and will not be."""
        return cls(Stage.REFUSED, words)

    @classmethod
    def waiting(cls, words: str) -> Answer:
        """What it asked for is under way; somebody looks at it again."""
        return cls(Stage.WAITING, words)


class Job:
    """One order, its record, and the steps that can be repeated."""

    def __init__(self, ports: Ports, entry: Entry[OrderRecord]) -> None:
        """`entry` is the record as it was read or written last."""
        self.ports = ports
        self.entry = entry

    @property
    def order(self) -> AnyOrder:
        """What is asked."""
        return self.entry.value.order

    @property
    def asked(self) -> datetime:
        """When it was asked, by the sender's clock; that may be fast, so never later than now."""
        return min(self.order.at, self.ports.clock.now())

    @property
    def latest(self) -> datetime:
        """The same where that clock is slow."""
        return latest(self.order, self.ports.clock.now())

    @property
    def keys(self) -> tuple[str, ...]:
        """The row keys of the actions that the order is about, once that is written down."""
        return self.entry.value.actions

    def about(self, keys: Sequence[str]) -> None:
        """Write down which actions the order is about. Raises Conflict where another worker was faster."""
        if not self.keys:
            record = self.entry.value.model_copy(update={"actions": tuple(keys)})
            due = self.ports.clock.now() + self.ports.settings.NUDGE_AFTER
            self.entry = self.ports.ledger.put(ORDERED, self.order.id, record, self.entry.etag, due)

    def actions(self) -> list[Action]:
        """The actions that the order is about, as far as they are in the ledger."""
        found = [self.ports.ledger.action(incident_of(key), key) for key in self.keys]
        return [action for action in found if action]

    def change(self, key: str, becomes: Callable[[Action], Action | str]) -> str:
        """Change an open action once for this order; `becomes` gives the action as it is to be, or why not. Gives why
        it was not changed; empty where it was, now or earlier.
        """
        for _ in range(_TRIES):
            entry = self.ports.ledger.open_action(key)
            if entry is None:
                closed = self.ports.ledger.action(incident_of(key), key)
                return "" if closed and self.order.id in closed.orders else "it is over"
            if self.order.id in entry.value.orders:
                return ""
            if entry.value.responder not in self.ports.responders:
                raise Unreadable(f"this version does not know what {entry.value.responder} is", 60.0)
            to = becomes(entry.value)
            if isinstance(to, str):
                return to
            to = to.model_copy(update={"orders": (*to.orders, self.order.id)})
            forewarn(self.ports, to.incident)
            if settle(self.ports, entry, to):
                tell(self.ports, to)
                return ""
        raise Transient(f"{key} keeps changing")

    def open(self, action: Action) -> str:
        """Open a round; why it was not opened, empty where it was, now, earlier, or by another order for the same."""
        forewarn(self.ports, action.incident)
        if self.ports.ledger.add(action):
            tell(self.ports, action)
            return ""
        there = self.ports.ledger.action(action.incident, action.key)
        if there is None:
            raise Transient(f"{action.key} was written and cannot be read")
        return "" if there.opened_by else f"another round of it was opened at the same moment: {there.id}"

    def ending(self) -> Answer:
        """The answer of an order whose actions are to come to their end first."""
        actions = self.actions()
        words = "; ".join(told(action) for action in actions)
        over = len(actions) == len(self.keys) and all(action.state.settled for action in actions)
        return Answer.done(words) if over else Answer.waiting(words)
