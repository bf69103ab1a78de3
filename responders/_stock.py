"""What a reservation knows of one kind of containment, and what of that it writes with its batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from responders._entries import Entry
from responders._ledger import caps_key, slot_key
from shared.models.action import Caps, Slot, Spent
from shared.storage.interface import Insert, Replace

if TYPE_CHECKING:
    from datetime import datetime

    from shared.models.action import Action
    from shared.storage.interface import Change


@dataclass
class Stock:
    """What a reservation knows of one containment: its caps, and the slots of devices where it lasts until it is given
    back. `kind` is its type of machine action.
    """

    kind: str
    caps: Entry[Caps]
    slots: dict[str, Entry[Slot]]
    touched: set[str] = field(default_factory=set)
    charged: bool = False

    def put(self, slot: Slot) -> None:
        """Have a slot written with the batch."""
        before = self.slots.get(slot.device)
        self.slots[slot.device] = Entry(slot, before.etag if before else "")
        self.touched.add(slot.device)

    def charge(self, action: Action, now: datetime) -> None:
        """Count an action against the caps; again and again it is the same one."""
        self.charged = True
        if not self.counts(action):
            sent = (*self.caps.value.sent, Spent(id=action.charge, at=now))
            self.caps = Entry(self.caps.value.model_copy(update={"sent": sent}), self.caps.etag)

    def counts(self, action: Action) -> bool:
        """Whether an action counts against the caps already."""
        return any(spent.id == action.charge for spent in self.caps.value.sent)

    def changes(self) -> list[Change]:
        """What the batch writes of it."""
        found: list[Change] = []
        for device in sorted(self.touched):
            entry, key = self.slots[device], slot_key(device, self.kind)
            text = entry.value.model_dump_json()
            found.append(Replace(key, text, entry.etag) if entry.etag else Insert(key, text))
        if self.charged:
            text, key = self.caps.value.model_dump_json(), caps_key(self.kind)
            found.append(Replace(key, text, self.caps.etag) if self.caps.etag else Insert(key, text))
        return found
