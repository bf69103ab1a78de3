"""What happened in a history, seen from outside the product: by what reached the tenant, and what storage holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._ledger import AGENDA, OPEN, Ledger
from shared.models.action import Action, IncidentState, Notice, State, Watermark
from shared.models.incident import Incident, version_of
from tests.fakes.storage import FakeRows

if TYPE_CHECKING:
    from datetime import datetime

    from tests.fakes.clients import Mishap
    from tests.simulation.clockwork import Process
    from tests.simulation.world import World

APIS = {
    "incidents.changed": "incidents",
    "incidents.get": "incidents",
    "incidents.set_tags": "incidents",
    "incidents.comment": "incidents",
    "devices.machine": "machines",
    "devices.onboarded": "machines",
    "devices.actions": "machine_actions",
    "devices.action": "machine_actions",
    "devices.isolate": "isolate",
    "devices.release": "isolate",
    "devices.collect_package": "collect",
    "devices.package_link": "package_uri",
}
_CREATING = {"devices.isolate": "Isolate", "devices.release": "Unisolate", "devices.collect_package": "Collect"}


@dataclass(frozen=True, slots=True)
class Effect:
    """A machine action of ours that came to be: when, by which process, and how things stood at that moment."""

    at: datetime
    id: str
    kind: str
    device: str
    comment: str
    process: str
    mode: str
    tags: tuple[str, ...]
    rivals: tuple[str, ...]
    isolated: bool
    isolated_by_us: bool
    held: int
    stands_released: bool
    waiting: tuple[str, ...]


class Record:
    """Kept while a history runs."""

    def __init__(self, world: World) -> None:
        """Nothing has happened."""
        self._world = world
        self._known: set[str] = set()
        self.effects: list[Effect] = []
        self.calls: list[tuple[datetime, str, str]] = []
        self.throttles: list[tuple[datetime, str, float, str]] = []
        self.disturbed: list[tuple[datetime, str]] = []
        self.switches: list[tuple[datetime, str]] = []
        self.observed: dict[tuple[str, str], tuple[str, str]] = {}

    def before(self, call: str, process: Process) -> None:
        """A call is about to reach the tenant."""
        del process
        if call in _CREATING:
            self._known = {action.id for action in self._world.tenant.desk.everything()}

    def after(self, call: str, process: Process) -> None:
        """A call has reached the tenant."""
        if call in APIS:
            self.calls.append((self._world.clockwork.now(), APIS[call], process.name))
        if call in _CREATING:
            for action in self._world.tenant.desk.everything():
                if action.id not in self._known and action.source == "PublicApi":
                    self._effect(action.id, process)

    def _effect(self, made: str, process: Process) -> None:
        world = self._world
        desk = world.tenant.desk
        action = desk.one(made, hidden=True)
        before = [each for each in desk.of(action.machine_id) if each.id != made and each.kind == action.kind]
        effective = [
            each for each in desk.of(action.machine_id) if each.kind in {"Isolate", "Unisolate"} and each.id != made
        ]
        done = [each for each in effective if desk.progress(each).status == "Succeeded"]
        last = max(done, key=lambda each: desk.progress(each).finished or each.created, default=None)
        self.effects.append(
            Effect(
                at=world.clockwork.now(),
                id=made,
                kind=action.kind,
                device=action.machine_id,
                comment=action.comment,
                process=process.name,
                mode=world.settings[process.name].RESPONSE_MODE,
                tags=tuple(world.tenant.fleet.one(action.machine_id).shown["machineTags"]),
                rivals=tuple(each.source for each in before if not desk.progress(each).final),
                isolated=bool(last and last.kind == "Isolate"),
                isolated_by_us=bool(last and last.kind == "Isolate" and last.source == "PublicApi"),
                held=len({each.machine_id for each in desk.everything() if self._ours_held(each.machine_id)}),
                stands_released=self._stands_released(action.machine_id, action.comment),
                waiting=tuple(
                    each.key
                    for each in self.open_actions()
                    if each.device == action.machine_id
                    and world.clockwork.now() - each.created > timedelta(minutes=2)
                    and each.responder == "isolate"
                    and each.state in {State.PLANNED, State.SENDING, State.UNKNOWN}
                ),
            )
        )

    def _stands_released(self, device: str, comment: str) -> bool:
        """Whether a person released the device a while ago, and the incident has no newer alert of it."""
        desk = self._world.tenant.desk
        done = [each for each in desk.of(device) if desk.progress(each).status == "Succeeded"]
        done = [each for each in done if each.kind in {"Isolate", "Unisolate"}]
        last = max(done, key=lambda each: desk.progress(each).finished or each.created, default=None)
        if last is None or last.kind != "Unisolate" or last.source != "Portal":
            return False
        finished = desk.progress(last).finished
        if finished is None or self._world.clockwork.now() - finished < timedelta(seconds=150):
            return False
        named = comment.partition("incident ")[2].partition(".")[0]
        incident = Incident.model_validate(self._world.tenant.incidents.raw(named))
        newest = max((alert.created for alert in incident.alerts if alert.created), default=None)
        return newest is None or newest <= last.created

    def rows_before(self, incident: str, device: str, moment: datetime) -> bool:
        """Whether the isolation of a device was planned for an incident before a moment."""
        return any(
            each.incident == incident and each.device == device and each.created < moment for each in self.actions()
        )

    def patience_over(self, key: str, at: datetime) -> bool:
        """Whether what was first planned for a device and incident has waited until packages no longer wait."""
        patience = next(iter(self._world.settings.values())).COLLECT_PATIENCE
        goal = key.split(":")[1:3]
        begun = [each.created for each in self.actions() if [each.incident, each.device] == goal]
        return at - min(begun) > patience - timedelta(seconds=2)

    def _ours_held(self, device: str) -> bool:
        desk = self._world.tenant.desk
        running = [each for each in desk.of(device) if each.kind == "Isolate" and each.source == "PublicApi"]
        return any(not desk.progress(each).final for each in running) or (
            desk.isolated(device) and any(desk.progress(each).status == "Succeeded" for each in running)
        )

    def mishap(self, call: str, mishap: Mishap, process: str) -> None:
        """A call is refused with a wait."""
        if mishap.status == 429 and call in APIS:
            wait = float(mishap.retry_after) if mishap.retry_after else 0.0
            self.throttles.append((self._world.clockwork.now(), APIS[call], wait, process))

    def heeded(self, at: datetime, process: str) -> bool:
        """Whether the process that was refused lived on to write that down."""
        near = timedelta(seconds=75)
        return not any(other == process and at <= moment <= at + near for moment, other in self.disturbed)

    def switched(self, mode: str) -> None:
        """The mode was changed: what was judged while observing must wait for something new."""
        self.switches.append((self._world.clockwork.now(), mode))
        if mode == "respond":
            for state in self.incidents():
                if state.mode == "observe" and state.assessed == state.seen:
                    raw = self._world.tenant.incidents.raw(state.id)
                    if version_of(self._shown(raw)) == state.assessed:
                        for device in state.affected:
                            self.observed[state.id, device] = (str(raw["severity"]), self._alerts(raw))

    def _shown(self, raw: dict[str, object]) -> dict[str, object]:
        return dict(self._world.tenant.get_incident(str(raw["id"]), {"$expand": "alerts"}, all_members=True))

    @staticmethod
    def _alerts(raw: dict[str, object]) -> str:
        return str(Incident.model_validate(raw).newest_alert)

    # What storage holds. Read beside the fakes' hooks, and outside of every task.

    def _texts(self, partition: str, prefix: str) -> list[str]:
        stored = self._world.rows.stored.items()
        return [row.text for (place, key), row in stored if place.startswith(partition) and key.startswith(prefix)]

    def open_actions(self) -> list[Action]:
        """The actions in the open partition."""
        return [Action.model_validate_json(text) for text in self._texts(OPEN, "action:")]

    def actions(self) -> list[Action]:
        """Every action, open or closed, once."""
        texts = [*self._texts("incident:", "action:"), *self._texts(OPEN, "action:")]
        return list({action.key: action for action in map(Action.model_validate_json, texts)}.values())

    def incidents(self) -> list[IncidentState]:
        """How far every incident has come."""
        return [IncidentState.model_validate_json(text) for text in self._texts("incident:", "incident")]

    def notices(self, incident: str) -> list[Notice]:
        """What was told about an incident."""
        return [Notice.model_validate_json(text) for text in self._texts(f"incident:{incident}", "notice:")]

    def ledger(self) -> Ledger:
        """A ledger over a copy of the rows, without hooks."""
        copy = FakeRows()
        copy.stored = dict(self._world.rows.stored)
        return Ledger(copy)

    def unassessed(self) -> list[str]:
        """Incidents that Graph shows, changed since watching began, whose newest version was not assessed."""
        states = {state.id: state for state in self.incidents()}
        marks = self._texts("deployment", "watermark")
        floor = Watermark.model_validate_json(marks[0]).floor if marks else None
        behind = []
        for incident in self._world.life.incidents:
            shown = self._world.tenant.get_incident(incident, {"$expand": "alerts"}, all_members=True)
            updated = Incident.model_validate(shown).updated
            if floor and updated and updated < floor:
                continue
            state = states.get(incident)
            if state is None or state.assessed != version_of(json.loads(json.dumps(shown))):
                behind.append(incident)
        return behind

    def settled(self) -> bool:
        """Whether nothing is left to happen by itself."""
        if any(not action.state.settled for action in self.open_actions()):
            return False
        if any(place == AGENDA for place, _ in self._world.rows.stored):
            return False
        if not self._world.platform.idle() or self.unassessed():
            return False
        return all(notice.state != "sending" for state in self.incidents() for notice in self.notices(state.id))
