"""How the deployment stands: what is open, what waits for whom, what failed, and what of the budgets is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text

from console.desk import lasting
from console.voice import Json, foreign, ours, table
from console.words import (
    action_json,
    device_of,
    iso,
    letter_json,
    many,
    order_json,
    since,
    span,
    standing,
)
from responders._alarms import Alarm
from responders._cases import ORDERED
from responders._governor import PARTITION, Standing
from responders._holding import HOLD
from shared.errors import Transient
from shared.models.action import Action, Slot, State, incident_of
from shared.models.asked import DeadLetter, Held, OrderRecord
from shared.models.progress import Watermark
from shared.models.rates import DEFAULT_RATES

if TYPE_CHECKING:
    from rich.console import RenderableType

    from console.desk import Desk

_FAILED = frozenset({State.FAILED, State.REFUSED, State.UNAVAILABLE})
_EVER = timedelta(days=36500)


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that `bulkhead status` shows, as it was read at `at`. `held` are the responder that holds a device,
    the slot and the action that took it.
    """

    at: datetime
    hold: Held | None
    alarms: tuple[Alarm, ...]
    watermark: Watermark | None
    actions: tuple[Action, ...]
    held: tuple[tuple[str, Slot, Action | None], ...]
    letters: tuple[DeadLetter, ...]
    asked: tuple[OrderRecord, ...]
    budgets: tuple[tuple[str, Standing | None], ...]
    unreadable: tuple[str, ...]

    @property
    def open(self) -> list[Action]:
        """What is under way."""
        return [action for action in self.actions if not action.state.settled]

    @property
    def waiting(self) -> list[Action]:
        """What waits for a person."""
        return [action for action in self.actions if action.state is State.WAITING]

    @property
    def failed(self) -> list[Action]:
        """What came to nothing of late: an hour later it is with its incident."""
        return [action for action in self.actions if action.state in _FAILED]


def gather(desk: Desk) -> Status:
    """Read how everything stands. Raises Transient or Rejected where storage cannot be read."""
    ledger = desk.ledger
    hold = ledger.single(Held, HOLD)
    mark = ledger.single(Watermark, "watermark")
    actions = [entry.value for entry in ledger.open_actions()]
    by_key = {action.key: action for action in actions}
    held: list[tuple[str, Slot, Action | None]] = []
    for what, how in lasting().items():
        slots = [entry.value for entry in ledger.slots(what).values() if entry.value.held]
        owners = [by_key.get(each.owner) or ledger.action(incident_of(each.owner), each.owner) for each in slots]
        held += [(how, *each) for each in zip(slots, owners, strict=True)]
    now = desk.clock.now()
    return Status(
        at=now,
        hold=hold.value if hold and hold.value.active else None,
        alarms=tuple(entry.value for entry in ledger.singles(Alarm, "alarm:") if entry.value.active),
        watermark=mark.value if mark else None,
        actions=tuple(sorted(actions, key=lambda action: (-action.severity, action.created, action.key))),
        held=tuple(sorted(held, key=lambda each: each[1].since)),
        letters=tuple(each.value for each in ledger.dead_letters() if not (each.value.dropped or each.value.replays)),
        asked=tuple(entry.value for entry in ledger.every(OrderRecord, ORDERED, due_by=now + _EVER)),
        budgets=tuple(_budgets(desk)),
        unreadable=tuple(ledger.unreadable()),
    )


def _budgets(desk: Desk) -> list[tuple[str, Standing | None]]:
    """The budgets that were ever used; None where one cannot be read."""
    found: list[tuple[str, Standing | None]] = []
    for row in desk.rows.query(PARTITION):
        if row.key in DEFAULT_RATES:
            try:
                found.append((row.key, desk.governor.standing(row.key)))
            except Transient:
                found.append((row.key, None))
    return found


def status_json(status: Status) -> Json:
    """The status, for scripts."""
    hold = status.hold
    return {
        "at": iso(status.at),
        "hold": {"by": hold.by, "since": iso(hold.since), "why": hold.why} if hold else None,
        "alarms": [{"kind": each.kind, "since": iso(each.since), "text": each.text} for each in status.alarms],
        "incidents_read_at": iso(status.watermark.read_at) if status.watermark else None,
        "open": [action_json(action) for action in status.open],
        "waiting": [action_json(action) for action in status.waiting],
        "failed": [action_json(action) for action in status.failed],
        "held": [_held_json(*each) for each in status.held],
        "dead_letters": [letter_json(letter) for letter in status.letters],
        "orders": [order_json(record) for record in status.asked],
        "budgets": {api: _budget_json(standing) for api, standing in status.budgets},
        "unreadable": list(status.unreadable),
    }


def _held_json(how: str, slot: Slot, owner: Action | None) -> Json:
    name, incidents = owner.device_name if owner else "", list(slot.holders)
    return {"device": slot.device, "device_name": name, "by": how, "incidents": incidents, "since": iso(slot.since)}


def _budget_json(stands: Standing | None) -> Json | None:
    if stands is None:
        return None
    windows = [{"left": left, "limit": limit, "seconds": seconds} for left, limit, seconds in stands.windows]
    return {"windows": windows, "blocked_until": iso(stands.blocked)}


def drawn(status: Status) -> list[RenderableType]:
    """The status, for people: the worst first."""
    now, mark = status.at, status.watermark
    read = f"read {since(mark.read_at, now)} ago" if mark and mark.read_at else "never read (bulkhead doctor)"
    counts = f"{len(status.open)} open, {len(status.waiting)} waiting, {len(status.failed)} failed of late"
    devices = {slot.device for _, slot, _ in status.held}
    counts += f", {many(len(devices), 'device')} held, {many(len(status.letters), 'dead letter')}"
    parts: list[RenderableType] = [Text(f"{now:%Y-%m-%d %H:%M:%S} UTC. Incidents were {read}. {counts}.")]
    if status.hold:
        who = f"HELD by {status.hold.by} for {since(status.hold.since, now)}: {status.hold.why}"
        parts.append(ours(f"{who}. To end it: bulkhead resume", "bold yellow"))
    parts += [ours(f"ALARM {each.kind}: {each.text}", "bold red") for each in status.alarms]
    if status.unreadable:
        parts.append(ours(f"{many(len(status.unreadable), 'row')} of a newer version cannot be read here", "yellow"))
    parts.append(_actions("Waiting for a person", status.waiting, now))
    parts.append(_actions("Open", status.open, now))
    parts.append(_actions("Failed of late", status.failed, now))
    held = [
        (slot.device, device_of(owner) if owner else "", how, ", ".join(slot.holders), since(slot.since, now))
        for how, slot, owner in status.held
    ]
    parts.append(table("Devices held", ("device", "name", "by", "incidents", "for"), held))
    letters = [(each.key, since(each.since, now), foreign(each.text, 80)) for each in status.letters]
    parts.append(table("Dead letters", ("key", "for", "text"), letters))
    asked = [
        (each.order.id, each.order.kind, each.order.by, since(each.received_at, now), each.answer)
        for each in status.asked
    ]
    if asked:
        parts.append(table("Orders not answered yet", ("order", "kind", "by", "for", "so far"), asked))
    parts.append(table("API budgets", ("API", "left", ""), [_budget(api, each, now) for api, each in status.budgets]))
    return parts


def _actions(title: str, actions: list[Action], now: datetime) -> RenderableType:
    rows = [
        (
            action.incident,
            device_of(action),
            action.responder,
            standing(action).append("\n" if action.todo else "").append(ours(action.todo, "dim")),
            since(action.since, now),
            f"{span(action.approve_by - now)} left" if action.approve_by and action.state is State.WAITING else "",
            action.id,
        )
        for action in actions
    ]
    columns = ("incident", "device", "what", "how it stands", "for", "", "action")
    return table(f"{title} ({len(rows)})" if rows else title, columns, rows)


def _budget(api: str, stands: Standing | None, now: datetime) -> tuple[str, Text, str]:
    if stands is None:
        return api, Text("of a newer version", "yellow"), ""
    left = ", ".join(f"{left} of {limit} in {seconds} s" for left, limit, seconds in stands.windows)
    empty = any(not left for left, _, _ in stands.windows)
    blocked = f"refused for another {span(stands.blocked - now)}" if stands.blocked else ""
    return api, Text(left, "yellow" if empty or blocked else ""), blocked
