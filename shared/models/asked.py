"""What the ledger keeps of what people ask: orders with their answers, a hold, releases, remarks, dead letters."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from shared.models.action import Kept
from shared.models.order import AnyOrder


class Stage(StrEnum):
    """How far an order has come."""

    RECEIVED = "received"
    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"

    @property
    def answered(self) -> bool:
        """Whether nothing more will be said."""
        return self in {Stage.DONE, Stage.REFUSED}


class OrderRecord(Kept):
    """An order as the ledger keeps it, for ever. `received` is where somebody has to carry it out, `waiting` where what
    it asked for is under way. `actions` are the row keys of what it is about, written before anything is done to them;
    `looks` counts how often it was taken up again.
    """

    order: Annotated[AnyOrder, Field(discriminator="kind")]
    state: Stage
    received_at: datetime
    answered_at: datetime | None = None
    answer: str = ""
    actions: tuple[str, ...] = ()
    looks: int = 0


class Mark(Kept):
    """Who did something by which order, when and why. The name is what the order claimed."""

    order: str
    by: str
    at: datetime
    why: str = ""


class Released(Kept):
    """A device that a person ordered to be released: it stays free until an alert that was created after `since`.
    `action` is the row key of the newest release so ordered, `earlier` those of the ones before it: one of them stands
    where the newest was cancelled.
    """

    device: str
    since: datetime
    by: str
    action: str
    earlier: tuple[str, ...] = ()


class Held(Kept):
    """The hold: whether it stands, who began it, and every order that changed it of late, newest last. `newest` is the
    one that was asked last, which may have found it standing already; a row of an older version knows none.
    """

    active: bool
    since: datetime
    by: str
    why: str
    orders: tuple[str, ...] = ()
    newest: Mark | None = None


class Remark(Kept):
    """What a person noted about an incident."""

    text: str
    by: str
    at: datetime
    kept_at: datetime


class DeadLetter(Kept):
    """A message that nobody could handle. Its text stays as it came, whatever is done about it; `problems` are what was
    wrong with it, where that can be told.
    """

    queue: str
    message: str
    text: str
    since: datetime
    problems: tuple[str, ...] = ()
    replays: tuple[Mark, ...] = ()
    dropped: Mark | None = None

    @property
    def key(self) -> str:
        """Its row key, by which orders name it."""
        return f"{self.queue}:{self.message}"
