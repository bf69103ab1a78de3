"""Where machine actions are asked for, looked up and cancelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from local.tenant import liveresponse, orders
from local.tenant.actions import Action, Ending, Interruption, Progress, isolated, passes_releases
from local.tenant.listing import ListRules, cut, read_query
from local.tenant.odata import Field, ODataError
from local.tenant.settings import ACTION_KINDS, FINAL_STATUSES
from local.tenant.wire import ApiError, Json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from local.tenant.clock import Clock
    from local.tenant.draws import Draws
    from local.tenant.fleet import Fleet, Machine
    from local.tenant.settings import TenantSettings

_STATUSES = ("Pending", "InProgress", *FINAL_STATUSES)
_RULES = ListRules(
    fields={
        "id": Field("text"),
        "status": Field("enum", _STATUSES),
        "machineId": Field("text"),
        "type": Field("enum", (*ACTION_KINDS, "Offboard")),
        "requestor": Field("text"),
        "creationDateTimeUtc": Field("time"),
    },
    max_top=10_000,
    page=10_000,
    options=frozenset({"$filter", "$top", "$skip"}),
    newest="creationDateTimeUtc",
)
_CONTEXT = "https://api.security.microsoft.com/api/$metadata#MachineActions"
PUBLIC, PORTAL = "PublicApi", "Portal"


class Desk:
    """All machine actions of the tenant."""

    def __init__(
        self,
        settings: TenantSettings,
        fleet: Fleet,
        now: Clock,
        draws: Draws,
        runner: liveresponse.Runner,
        files: liveresponse.Files,
    ) -> None:
        """Start without any; `files` is the library."""
        self._settings = settings
        self._fleet = fleet
        self._now = now
        self._draws = draws
        self._runner = runner
        self._files = files
        self._actions: dict[str, Action] = {}
        self._by_machine: dict[str, list[Action]] = {}
        self._final: dict[str, tuple[Progress, Json]] = {}

    # asking

    def ask(self, name: str, machine_id: str, body: object, requestor: str, source: str = PUBLIC) -> Action:
        """Make the action of a call such as `isolate`, or return the pending one in mode "silent".

        ApiError 400 for a bad body or a conflict, 404 for an unknown machine, 429 for too many sessions.
        """
        kind = orders.ORDERS[name]
        machine = self._fleet.one(machine_id)
        order = orders.read_order(kind, body)
        _check_platform(kind, machine, order)
        rival = self._rival(kind.type, machine_id, order)
        if kind.type == "LiveResponse":
            self._check_sessions(machine, rival)
        behind = False
        if kind.type in {"Isolate", "Unisolate"}:
            mode = self._settings.duplicate_isolate
            if rival and mode == "silent":
                return rival
            behind = kind.type == "Isolate" and mode == "race" and (bool(rival) or self.isolated(machine_id))
            rival = None if mode == "race" else rival
        if rival:
            raise _busy("Action is already in progress")
        return self._make(kind.type, machine, order, requestor, source, behind_releases=behind)

    def _make(
        self,
        kind: str,
        machine: Machine,
        order: orders.Order,
        requestor: str,
        source: str,
        *,
        behind_releases: bool,
    ) -> Action:
        now, draw = self._now(), self._draws.stream("action")
        spans, pace = self._settings.duration(kind), self._settings.pace
        pending, running = draw.uniform(*spans.pending) * pace, draw.uniform(*spans.running) * pace
        action = Action(
            id=self._draws.guid("action-id"),
            kind=kind,
            machine_id=machine.shown["id"],
            computer_dns_name=machine.shown["computerDnsName"],
            requestor=requestor,
            comment=order.comment,
            source=source,
            created=now,
            visible=now + timedelta(seconds=self._settings.visibility_seconds),
            deadline=now + timedelta(seconds=self._settings.offline_seconds),
            offline_status=self._settings.offline_status,
            pending_for=pending,
            running_for=None if kind == "LiveResponse" else running,
            ending=_chosen(machine, kind) or self._drawn_ending(kind, draw.random()),
            scope=order.scope,
            sha1=order.sha1,
            commands=liveresponse.created(order.commands),
            behind_releases=behind_releases,
        )
        self._actions[action.id] = action
        self._by_machine.setdefault(action.machine_id, []).append(action)
        return action

    def _drawn_ending(self, kind: str, lot: float) -> Ending:
        for status, share in self._settings.outcomes.get(kind, {}).items():
            if lot < share:
                return Ending(status, -2_147_467_259 if status == "Failed" else 0)
            lot -= share
        return Ending()

    def _rival(self, kind: str, machine_id: str, order: orders.Order) -> Action | None:
        """Return the unfinished action of the same kind (and file) on the device."""
        for action in self.of(machine_id):
            if action.kind == kind and action.sha1 == order.sha1 and not self.progress(action).final:
                return action
        return None

    def _check_sessions(self, machine: Machine, rival: Action | None) -> None:
        now = self._now()
        if rival or (machine.session_until and machine.session_until > now):
            raise _busy("Machine already has an active live response session")
        portal = sum(1 for one in self._fleet.everything() if one.session_until and one.session_until > now)
        ours = sum(1 for one in self._actions.values() if one.kind == "LiveResponse" and not self.progress(one).final)
        if portal + ours >= self._settings.live_response_sessions:
            raise ApiError(429, "TooManyRequests", "Too many concurrent live response sessions.", {"Retry-After": "60"})

    # looking

    def progress(self, action: Action) -> Progress:
        """Compute an action's state now; a live response session that has begun is carried out here."""
        if action.id in self._final:
            return self._final[action.id][0]
        machine = self._fleet.one(action.machine_id)
        state = action.progress(machine.presence, self._now(), self._ready(action))
        if action.running_for is None and state.status == "InProgress" and state.started:
            self._carry_out(action, machine, state.started)
            state = action.progress(machine.presence, self._now(), self._ready(action))
        if state.final:
            self._final[action.id] = (state, action.view(state))
        return state

    def _ready(self, action: Action) -> datetime | None:
        if not action.behind_releases:
            return action.created + timedelta(seconds=action.pending_for)
        asked = [one for one in self.of(action.machine_id) if one.kind == "Unisolate"]
        turn = passes_releases(action, [(one.created, self.progress(one).finished) for one in asked])
        return turn if turn is None or turn <= action.deadline else None

    def _carry_out(self, action: Action, machine: Machine, start: datetime) -> None:
        if action.session is None:
            commands = [one["command"] for one in action.commands]
            action.session = self._runner(machine, commands, self._files)
        outcomes = liveresponse.told(action.session)
        if outcomes is None:
            return
        action.commands = liveresponse.carried_out(action.commands, outcomes, start)
        action.results = [one.result for one in outcomes]
        action.running_for = sum(one.seconds for one in outcomes)
        if any(one.errors for one in outcomes) and action.ending.status == "Succeeded":
            late = any(one.late for one in outcomes)
            action.ending = Ending("TimeOut") if late else Ending("Failed", -2_147_467_259)

    def isolated(self, machine_id: str) -> bool:
        """Tell whether a device is off the network now."""
        return isolated([(one, self.progress(one)) for one in self.of(machine_id)])

    def show(self, action: Action) -> Json:
        """Show an action as the API does."""
        state = self.progress(action)
        return dict(self._final[action.id][1]) if state.final else action.view(state)

    def one(self, action_id: str, *, hidden: bool = False) -> Action:
        """Return an action; ApiError 404 when unknown or not visible yet."""
        action = self._actions.get(action_id)
        if action is None or not (hidden or action.visible <= self._now()):
            raise ApiError(404, "ResourceNotFound", f"Machine action {action_id} was not found.")
        return action

    def everything(self) -> list[Action]:
        """Return all actions, those not yet visible too, in the order they were asked for."""
        return list(self._actions.values())

    def forget(self) -> None:
        """List no action so far any more, as after the time for which they are kept; what they did to devices stays."""
        self._actions.clear()

    def of(self, machine_id: str) -> list[Action]:
        """Return the actions of a machine, in the order they were asked for."""
        return self._by_machine.get(machine_id, [])

    def get(self, action_id: str) -> Json:
        """Answer GET /api/machineactions/{id}."""
        return {"@odata.context": f"{_CONTEXT}/$entity", **self.show(self.one(action_id))}

    def listing(self, options: Mapping[str, str]) -> Json:
        """Answer GET /api/machineactions, newest first."""
        now = self._now()
        try:
            query = read_query(options, _RULES)
            page = cut((self.show(one) for one in self._actions.values() if one.visible <= now), query)
        except ODataError as error:
            raise ApiError(400, "ODataError", str(error)) from error
        return {"@odata.context": _CONTEXT, "value": page.items}

    # interrupting

    def cancel(self, action_id: str, comment: str, by: str, *, hidden: bool = False) -> Json:
        """Cancel an action that is not final; ApiError 404 unknown, 400 when it is over."""
        action = self.one(action_id, hidden=hidden)
        if self.progress(action).final:
            raise ApiError(400, "InvalidInput", f"Machine action {action_id} is in a final state.")
        action.interruption = Interruption(self._now(), "Cancelled", by, comment)
        return self.show(action)

    def force(self, action_id: str, status: str, error: int = 0) -> Json:
        """Give an action a status, whatever it was doing."""
        if status not in _STATUSES:
            raise ApiError(400, "BadRequest", f"'{status}' is not a status.")
        action = self.one(action_id, hidden=True)
        if status not in {"Cancelled", "Pending", "InProgress"}:
            action.ending = replace(action.ending, status=status, error=error)
        action.interruption = Interruption(self._now(), status, "simulation", "forced", forced=True)
        self._final.pop(action_id, None)
        return self.show(action)


def _chosen(machine: Machine, kind: str) -> Ending | None:
    chosen = machine.outcomes.get(kind)
    if chosen is None:
        return None
    if "times" in chosen:
        if chosen["times"] <= 0:
            return None
        chosen["times"] -= 1
    status = chosen.get("status", "Failed")
    error = chosen.get("error", -2_147_467_259 if status == "Failed" else 0)
    return Ending(status, error, chosen.get("troubleshoot"))


def _check_platform(kind: orders.OrderKind, machine: Machine, order: orders.Order) -> None:
    platform = str(machine.shown["osPlatform"])
    if kind.windows_only and not platform.startswith("Windows"):
        raise ApiError(400, "OsPlatformNotSupported", f"The action is not supported on {platform}.")
    onboarded = str(machine.shown["onboardingStatus"]).lower() == "onboarded"
    if not onboarded and order.scope != "UnManagedDevice":
        raise ApiError(400, "BadRequest", "The machine is not onboarded.")


def _busy(message: str) -> ApiError:
    return ApiError(400, "ActiveRequestAlreadyExists", message)
