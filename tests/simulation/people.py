"""People who send orders: at random moments, twice, too late, under an id that is taken, about anything at all."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from local.tenant.samples import fleet_id
from responders._ports import ORDERS
from shared.models.action import Action, State
from shared.models.order import AnyOrder, read_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.world import World


class People:
    """Orders during the first `span` seconds of a history (0: none at all); `sent` are all of them by id, `namesakes`
    the texts of those under an id that another one has.
    """

    def __init__(self, world: World, span: float) -> None:
        """Draw when they order what."""
        self._world = world
        self._random = world.random
        self._count = 0
        self.sent: dict[str, AnyOrder] = {}
        self.namesakes: list[str] = []
        wishes: list[Callable[[], None]] = [self._approve, self._release] * 4
        wishes += [
            self._refuse,
            self._too_late,
            self._isolate,
            self._retry,
            self._cancel,
            self._hasty,
            self._release_again,
        ] * 2
        wishes += [self._hold, self._hold, self._collect, self._reassess, self._note, self._letter, self._namesake]
        for _ in range(self._random.choice([3, 10, 25]) if span else 0):
            world.clockwork.after(self._random.uniform(60, span), self._random.choice(wishes))

    def rest(self) -> None:
        """The trouble is over: more often than not somebody ends a hold that still stands."""
        if self._world.record.holding and self._random.random() < 0.7:
            self.send("resume")

    def send(self, kind: str, **members: object) -> None:
        """Send an order, now and then several times."""
        self._count += 1
        now = self._world.clockwork.now()
        order: dict[str, Any] = {"id": f"order-{self._count:04}", "kind": kind, "by": "Somebody", "at": now.isoformat()}
        text = json.dumps(order | {"why": "synthetic"} | members)
        self.sent[str(order["id"])] = read_order(text)
        self._world.clockwork.note(f"order {order['id']}: {kind} {members}")
        self._world.counters.injected["order", kind] += 1
        self._put(text)
        while self._random.random() < 0.3:
            self._world.clockwork.after(self._random.uniform(0, 400), partial(self._put, text))

    def _put(self, text: str) -> None:
        self._world.queues.send(ORDERS, text)

    def _actions(self, *states: State) -> list[Action]:
        return [action for action in self._world.record.actions() if action.state in states]

    def _decide(self, kind: str, about: Sequence[Action]) -> None:
        """About one action, about all of its incident, or about its device there; now and then about what is over."""
        chosen = about if about and self._random.random() < 0.9 else self._world.record.actions()
        if not chosen:
            return
        action = self._random.choice(chosen)
        how: list[dict[str, object]] = [
            {"action": action.id},
            {"incident": action.incident},
        ]
        if action.device:
            how += [
                {"incident": action.incident, "device": action.device[:12]},
                {"incident": action.incident, "device": action.label, "responder": action.responder},
            ]
        self.send(kind, **self._random.choice(how))

    def _approve(self) -> None:
        self._decide("approve", self._actions(State.WAITING))

    def _refuse(self) -> None:
        self._decide("refuse", self._actions(State.WAITING))

    def _too_late(self) -> None:
        """An approval at the very moment when it expires: just in time, or while nobody has looked yet."""
        about = [action for action in self._actions(State.WAITING) if action.approve_by]
        if about:
            action = self._random.choice(about)
            left = (action.approve_by - self._world.clockwork.now()).total_seconds() if action.approve_by else 0.0
            at = max(0.0, left + self._random.uniform(-4, 8))
            self._world.clockwork.after(at, lambda: self.send("approve", action=action.id))

    def _device(self) -> str:
        return fleet_id(self._random.choice(self._world.life.attacked))

    def _incident(self) -> dict[str, object]:
        known = self._world.life.incidents
        return {"incident": self._random.choice(known)} if known and self._random.random() < 0.6 else {}

    def _release(self) -> None:
        """What is isolated, or about to be: while the isolation waits, is sent, is in doubt or under way."""
        desk = self._world.tenant.desk
        about = [fleet_id(place) for place in self._world.life.attacked if desk.isolated(fleet_id(place))]
        open_ = [action for action in self._world.record.open_actions() if action.device and not action.state.final]
        about += [action.device for action in open_] * 2
        device = self._random.choice(about) if about and self._random.random() < 0.9 else self._device()
        self.send("release", device=device, **self._incident())

    def _hasty(self) -> None:
        """A release of what is being isolated at this moment, whether Defender shows that yet or not."""
        desk = self._world.tenant.desk
        ours = [each for each in desk.everything() if each.kind == "Isolate" and each.source == "PublicApi"]
        about = [each.machine_id for each in ours if not desk.progress(each).final]
        if about:
            self.send("release", device=self._random.choice(about))
        elif self._world.troubled:
            self._world.clockwork.after(3.0, self._hasty)

    def _release_again(self) -> None:
        """Two people want the same, at about the same moment."""
        self._release()
        device = next(reversed(self.sent.values())).model_dump().get("device")
        self._world.clockwork.after(self._random.uniform(0, 20), lambda: self.send("release", device=device))

    def _isolate(self) -> None:
        self.send("isolate", device=self._device(), **self._incident())

    def _collect(self) -> None:
        kind, more = self._world.live.wish() if self._world.live else ("collect", {})
        self.send(kind, device=self._device(), **self._incident(), **more)

    def _retry(self) -> None:
        about = self._actions(State.FAILED, State.REFUSED, State.WITHDRAWN) or self._world.record.actions()
        if about:
            self.send("retry", action=self._random.choice(about).id)

    def _cancel(self) -> None:
        about = [action for action in self._world.record.open_actions() if not action.state.final]
        about = about or self._world.record.actions()
        if about:
            self.send("cancel", action=self._random.choice(about).id)

    def _hold(self) -> None:
        self.send("hold")
        for _ in range(self._random.choice([0, 1, 1, 2])):
            self._world.clockwork.after(self._random.uniform(1, 500), partial(self.send, "resume"))

    def _reassess(self) -> None:
        if self._world.life.incidents:
            self.send("reassess", incident=self._random.choice([*self._world.life.incidents, "404"]))

    def _note(self) -> None:
        if self._world.life.incidents:
            self.send("note", incident=self._random.choice(self._world.life.incidents), text="Looked at it.")

    def _letter(self) -> None:
        letters = self._world.record.letters()
        key = self._random.choice(letters).key if letters else "incidents:nothing"
        self.send(self._random.choice(["replay", "drop"]), letter=key)

    def _namesake(self) -> None:
        """Another order under an id that is taken."""
        if self.sent:
            first = self._random.choice(list(self.sent.values()))
            made = json.loads(first.model_dump_json(exclude_none=True)) | {"by": "Somebody else"}
            self._world.counters.injected["order", "namesake"] += 1
            self._world.clockwork.after(self._random.uniform(0, 60), partial(self._put_namesake, json.dumps(made)))

    def _put_namesake(self, text: str) -> None:
        self.namesakes.append(text)
        self._put(text)
