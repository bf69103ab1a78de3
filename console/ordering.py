"""An order on its way: checked as the app will check it, sent once, and followed until it is answered.

Nothing is written to the ledger from here. The app writes the order down, and what became of it; both are read.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from responders._cases import ORDERED
from responders._ports import ORDERS
from shared.errors import Transient
from shared.models.action import State, incident_of
from shared.models.asked import OrderRecord, Stage
from shared.models.order import read_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from console.desk import Desk
    from shared.models.action import Action
    from shared.models.order import AnyOrder

FIRST, LONGEST = 0.5, 3.0
"""Seconds between two looks at an order, at first and at the most."""

_OPENS = frozenset({"release", "isolate", "collect", "run_script", "get_files", "retry"})
"""Orders that are answered once their actions have come to an end, whichever."""

_AS_WANTED = frozenset({State.SUCCEEDED, State.ELSEWHERE})


class Ended(StrEnum):
    """What became of an order, as far as it was waited for."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNANSWERED = "unanswered"

    @property
    def status(self) -> int:
        """The exit status that says so."""
        return {Ended.DONE: 0, Ended.REFUSED: 1, Ended.FAILED: 1, Ended.UNANSWERED: 3}[self]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order: in the app's words, with the actions that it is about as they stand."""

    order: str
    kind: str
    ended: Ended
    words: str
    actions: tuple[Action, ...] = ()


def made(desk: Desk, kind: str, by: str, **members: object) -> AnyOrder:
    """An order with an id of its own. Raises NotAnOrder with every problem, in the words in which the app would tell
    them.
    """
    head = {"id": str(uuid.uuid4()), "kind": kind, "by": by, "at": desk.clock.now().isoformat()}
    given = {name: value for name, value in members.items() if value is not None}
    return read_order(json.dumps(head | given))


def send(desk: Desk, order: AnyOrder) -> None:
    """Put an order into the queue. Sent twice, it is carried out once.

    Raises:
        Transient: perhaps it was sent, perhaps not.
        Rejected: it was not, since storage does not let this person.
    """
    desk.queues.send(ORDERS, order.model_dump_json())


def follow(desk: Desk, order: str, kind: str, timeout: float, tell: Callable[[str], None]) -> Outcome:
    """Wait until an order is answered, for `timeout` seconds at the most; `tell` hears what it waits for meanwhile."""
    end, wait, told = desk.elapsed() + timeout, FIRST, ""
    record: OrderRecord | None = None
    while True:
        try:
            record = read(desk, order) or record
            if record and record.state.answered:
                return _answered(desk, record)
        except Transient as error:
            tell(f"cannot look: {error}")
        if record and record.answer != told:
            told = record.answer
            tell(f"under way: {told}")
        if desk.elapsed() >= end:
            return _unanswered(order, kind, record)
        desk.pause(min(wait, max(0.1, end - desk.elapsed())))
        wait = min(LONGEST, wait * 1.3)


def read(desk: Desk, order: str) -> OrderRecord | None:
    """An order as the app wrote it down; None where it has not done so yet."""
    entry = desk.ledger.one(OrderRecord, ORDERED, order)
    return entry.value if entry else None


def _answered(desk: Desk, record: OrderRecord) -> Outcome:
    found = [desk.ledger.action(incident_of(key), key) for key in record.actions]
    actions = tuple(action for action in found if action)
    ended = Ended.DONE if record.state is Stage.DONE else Ended.REFUSED
    if ended is Ended.DONE and _missed(record.order.kind, actions):
        ended = Ended.FAILED
    return Outcome(record.order.id, record.order.kind, ended, record.answer, actions)


def _missed(kind: str, actions: tuple[Action, ...]) -> bool:
    """Whether an order that is over did not bring about what it asked for."""
    if kind == "cancel":
        return any(action.state is State.SUCCEEDED for action in actions)
    return kind in _OPENS and any(action.state not in _AS_WANTED for action in actions)


def _unanswered(order: str, kind: str, record: OrderRecord | None) -> Outcome:
    if record is None:
        words = "nobody has taken it up yet; it is taken up once the app runs"
    else:
        words = record.answer or "it was taken up, and is not answered yet"
    return Outcome(order, kind, Ended.UNANSWERED, words)
