"""What happened in a history, seen from outside the product: by what reached the tenant, and what storage holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import greenlet

from local.tenant.wire import ApiError
from responders._alarms import Alarm
from responders._cases import AGENDA, LETTERS, ORDERED
from responders._holding import HOLD
from responders._ledger import OPEN
from responders._leftovers import leftovers
from responders._report.missed import UNREPORTED
from shared.errors import Throttled
from shared.models.action import Action, Kept, State, action_id
from shared.models.asked import DeadLetter, Held, OrderRecord
from shared.models.incident import Incident
from shared.models.plan import Plan
from shared.models.progress import Absorbed, IncidentState, Notice, Watermark
from tests.fakes.clients import FakeChat
from tests.simulation.versions import undressed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from local.tenant.actions import Action as MachineAction
    from shared.storage.interface import Row
    from tests.fakes.clients import Mishap
    from tests.simulation.clockwork import Process
    from tests.simulation.world import World

K = TypeVar("K", bound=Kept)

APIS = {
    "incidents.changed": "incidents",
    "incidents.get": "incidents",
    "incidents.more_alerts": "alerts",
    "incidents.set_tags": "incidents",
    "incidents.comment": "incidents",
    "devices.machine": "machines",
    "devices.named": "machines",
    "devices.onboarded": "machines",
    "devices.actions": "machine_actions",
    "devices.action": "machine_actions",
    "devices.isolate": "isolate",
    "devices.release": "isolate",
    "devices.collect_package": "collect",
    "devices.package_link": "package_uri",
    "devices.live_response": "live_response",
    "devices.result_link": "live_response_result",
    "devices.library": "library",
    "devices.upload": "library",
    "devices.cancel": "actions",
    "hunting.run": "hunting",
    "chat.post": "chat",
    "downloads.open": "downloads",
    "devices.restrict": "actions",
    "devices.unrestrict": "actions",
    "devices.scan": "actions",
    "devices.stop_quarantine": "actions",
}
CREATING = {
    "devices.isolate": "Isolate",
    "devices.release": "Unisolate",
    "devices.collect_package": "CollectInvestigationPackage",
    "devices.restrict": "RestrictCodeExecution",
    "devices.unrestrict": "UnrestrictCodeExecution",
    "devices.scan": "RunAntiVirusScan",
    "devices.stop_quarantine": "StopAndQuarantineFile",
    "devices.live_response": "LiveResponse",
}
"""The machine actions that calls make."""

ACTS = frozenset({"devices.cancel", *CREATING})

WRITING = frozenset({"incidents.set_tags", "incidents.comment", "devices.upload"})
"""What writes into the tenant, and makes no machine action."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A machine action of ours that came to be: when, by which process, and how things stood at that moment. Its
    sender had `looked` at something outside for the last time then, and began this call. Of what had been taken and not
    given back since, one of ours was `ours_in_effect`, and the first one of a person's was in effect `theirs_since`.
    """

    at: datetime
    id: str
    kind: str
    device: str
    comment: str
    process: str
    mode: str
    tags: tuple[str, ...]
    rivals: tuple[str, ...]
    ours_in_effect: bool
    theirs_since: datetime | None
    doubled: bool
    holding: tuple[str, ...]
    stands_released: bool
    waiting: tuple[str, ...]
    row: Action | None
    ordered_free: bool
    isolating: tuple[str, ...]
    collecting: tuple[str, ...]
    wanted_by: tuple[str, ...]
    looked: datetime | None

    @property
    def approved(self) -> bool:
        """Whether a person wanted it."""
        return bool(self.row and self.row.approved)

    @property
    def held(self) -> int:
        """How many devices we held then, or were about to, this one among them."""
        return len(self.holding)

    @property
    def incident(self) -> str:
        """The incident for which it was asked, by its comment."""
        return self.comment.partition("incident ")[2].partition(".")[0]

    @property
    def charge(self) -> str:
        """What it counts as against the caps, by its comment: several files that are stopped on a device are one."""
        several = self.kind == "StopAndQuarantineFile"
        return f"{self.incident}/{self.device}" if several else self.comment.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A machine action that Defender cancelled because we asked: what it was, whose, and who asked for it."""

    at: datetime
    kind: str
    device: str
    source: str
    comment: str
    process: str


@dataclass(frozen=True, slots=True)
class Written:
    """A call that writes into the tenant, and which process made it."""

    at: datetime
    call: str
    process: str


@dataclass(slots=True)
class Refused:
    """A 429, and when the worker that was refused had written into storage what it does about that (None: it died, or
    storage failed it, before): with the first of its `writes`, or a later one. `text` is the heading of what chat
    refused. `first` is when the first one was written that has to be followed by another of the same `process`.
    """

    at: datetime
    api: str
    wait: float
    text: str = ""
    noted: datetime | None = None
    writes: int = 1
    process: str = ""
    first: datetime | None = None


class _Disturbed(list[tuple["datetime", str]]):
    """Troubles that storage or death made a process, with what the running task had still to write down."""

    def __init__(self, unnoted: dict[object, Refused]) -> None:
        super().__init__()
        self._unnoted = unnoted

    def append(self, trouble: tuple[datetime, str]) -> None:
        """One more: what its task was about to write down is not written for certain."""
        super().append(trouble)
        refusal = self._unnoted.pop(greenlet.getcurrent(), None)
        if refusal:
            refusal.first = None


_SLOW = timedelta(seconds=75)
"""How long a slow worker may need from its look at the orders to its reservation: what is in flight by then lands."""


_WRITTEN = timedelta(seconds=3)
"""How long a row may need from its plan until it is there for others to see."""

_ON_DEVICE = frozenset({State.PLANNED, State.SENDING, State.UNKNOWN, State.ACCEPTED})
"""While a package is still to be collected on the device itself; what is being archived needs it no more."""

_PAIRS = {
    **dict.fromkeys(("Isolate", "Unisolate"), ("Isolate", "Unisolate")),
    **dict.fromkeys(
        ("RestrictCodeExecution", "UnrestrictCodeExecution"), ("RestrictCodeExecution", "UnrestrictCodeExecution")
    ),
}
"""What takes something until it is given back, and what gives it back; none of anything else."""


_LEADING = ("displayName", "severity", "status", "classification", "determination", "redirectIncidentId")
_OF_ALERTS = ("id", "title", "severity", "status", "classification", "determination", "createdDateTime")
_OF_EVIDENCE = ("mdeDeviceId", "deviceId", "verdict", "remediationStatus", "detectionStatus", "roles", "fileDetails")


def _matters(shown: dict[str, Any]) -> object:
    """What of an incident, as Graph shows it, is judged: no tag, comment or assignee of it."""
    alerts = [
        [*(alert.get(name) for name in _OF_ALERTS), [[each.get(name) for name in _OF_EVIDENCE] for each in evidence]]
        for alert in shown.get("alerts") or []
        for evidence in (alert.get("evidence") or [],)
    ]
    return [*(shown.get(name) for name in _LEADING), sorted(alerts, key=json.dumps)]


@lru_cache(maxsize=8192)
def _read(kind: type[K], text: str) -> K:
    """A row's text as a value. Most rows stand unchanged from one look to the next, and are not read anew."""
    return kind.model_validate_json(text)


@dataclass(kw_only=True)
class WatchedChat(FakeChat):
    """`Chat` of the tenant; what is refused for a while is noted with what it was."""

    record: Callable[[], Record] = field(repr=False)

    def post(self, payload: Mapping[str, object]) -> None:
        """See `Chat.post`."""
        record, text = self.record(), json.dumps(payload, sort_keys=True)
        record.posting(text)
        try:
            super().post(payload)
        except Throttled as error:
            record.refused(Refused(record.now(), "chat", error.retry_after or 0.0, text))
            raise


class Record:
    """Kept while a history runs."""

    def __init__(self, world: World) -> None:
        """Nothing has happened."""
        self._world = world
        self._known: set[str] = set()
        self.effects: list[Effect] = []
        self.cancels: list[Cancelled] = []
        self._stopped: set[str] = set()
        self.written: list[Written] = []
        self.calls: list[tuple[datetime, str, str]] = []
        self.sent: list[tuple[datetime, str]] = []  # the same, each with the moment at which its worker made it
        self.throttles: list[Refused] = []
        self.posts: list[tuple[datetime, str]] = []  # each with the moment at which its sender began
        self.answered: dict[str, datetime] = {}
        self._posting: dict[object, tuple[datetime, str]] = {}
        self._looked: WeakKeyDictionary[object, datetime] = WeakKeyDictionary()
        self._unnoted: dict[object, Refused] = {}
        self.disturbed: list[tuple[datetime, str]] = _Disturbed(self._unnoted)
        self.beating: set[str] = set()
        self.observed: dict[tuple[str, str], tuple[str, str, datetime]] = {}
        self.disabled: list[Refused] = []
        self._hold: Row | None = None
        self.holding: datetime | None = None
        self.resumed_at: datetime | None = None

    def made_now(self, call: str) -> None:
        """A worker makes a call, which may take its time to reach anybody."""
        if call in APIS:
            self.sent.append((self._world.clockwork.now(), APIS[call]))

    def before(self, call: str, process: Process) -> None:
        """A call is about to reach the tenant, whatever is answered."""
        if call in WRITING:
            self.written.append(Written(self._world.clockwork.now(), call, process.name))
        if call in CREATING:
            self._known = {action.id for action in self._world.tenant.desk.everything()}
        if call == "devices.cancel":
            self._stopped = {action.id for action in self.interrupted()}

    def looked(self) -> datetime | None:
        """When the running task looked at something outside for the last time."""
        return self._looked.get(greenlet.getcurrent())

    def after(self, call: str, process: Process, looked: datetime | None = None) -> None:
        """A call has reached the tenant, or storage. Where its sender is there no more, that had `looked` before."""
        if looked:
            self._looked[greenlet.getcurrent()] = looked
        if call == "rows.commit":
            self._see_hold()
            self._see_answers()
            self._noted()
        if call == "chat.post":
            self.posts.append(self._posting.pop(greenlet.getcurrent()))
        if call in APIS:
            self.calls.append((self._world.clockwork.now(), APIS[call], process.name))
        if call in CREATING:
            for action in self.made():
                self._effect(action.id, process)
        if call == "devices.cancel":
            self._cancelled(process)
        self._looked[greenlet.getcurrent()] = self._world.clockwork.now()

    def made(self) -> list[MachineAction]:
        """The machine actions of ours that the call under way has made."""
        every = self._world.tenant.desk.everything()
        return [each for each in every if each.id not in self._known and each.source == "PublicApi"]

    def _noted(self) -> None:
        """The running task has written something into storage: first of all what it does about a refusal."""
        refusal = self._unnoted.get(greenlet.getcurrent())
        if refusal:
            refusal.writes -= 1
            refusal.first = refusal.first or self._world.clockwork.now()
            if not refusal.writes:
                refusal.noted = self._world.clockwork.now()
                del self._unnoted[greenlet.getcurrent()]

    def interrupted(self) -> list[MachineAction]:
        """What was cancelled through the API."""
        us = self._world.tenant.settings.app_name
        return [
            each for each in self._world.tenant.desk.everything() if each.interruption and each.interruption.by == us
        ]

    def _cancelled(self, process: Process) -> None:
        for each in self.interrupted():
            if each.id not in self._stopped:
                now = self._world.clockwork.now()
                made = Cancelled(now, each.kind, each.machine_id, each.source, each.comment, process.name)
                self.cancels.append(made)

    def _see_hold(self) -> None:
        """Note when a hold came to stand in storage, or was over there."""
        row = self._world.rows.stored.get(("deployment", HOLD))
        if row is self._hold or row is None:
            return
        self._hold = row
        active = _read(Held, undressed(row.text)).active
        self.resumed_at = self.resumed_at if active else self._world.clockwork.now()
        self.holding = (self.holding or self._world.clockwork.now()) if active else None

    def _see_answers(self) -> None:
        """Note when the answer to who holds, or resumes, came to be there to read."""
        for name, order in self._world.people.sent.items():
            if order.kind not in {"hold", "resume"} or name in self.answered:
                continue
            row = self._world.rows.stored.get((ORDERED, name))
            if row and _read(OrderRecord, undressed(row.text)).state.answered:
                self.answered[name] = self._world.clockwork.now()

    def _called_for(self, action: Action) -> datetime:
        """When an action was last free to be sent: as its row was written, or since it may have waited for a person."""
        born = self._world.rows.born[action.key]
        return max(action.since, born) if action.orders or self.resumed_at else born

    def _effect(self, made: str, process: Process) -> None:
        world = self._world
        desk = world.tenant.desk
        action = desk.one(made, hidden=True)
        same = [each for each in desk.of(action.machine_id) if each.kind == action.kind and each.sha1 == action.sha1]
        before = [each for each in same if each.id != made]
        pair = _PAIRS.get(action.kind, ())
        takes = pair[0] if pair else ""
        effective = [each for each in desk.of(action.machine_id) if each.kind in pair and each.id != made]
        standing = self.standing(action.machine_id, pair)
        named = self._rows(lambda key: f"/{action_id(key)}/" in action.comment)
        row = named[0] if named else None
        now = world.clockwork.now()
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
                ours_in_effect=any(each.source == "PublicApi" for each, _ in standing),
                theirs_since=min((over for each, over in standing if each.source == "Portal"), default=None),
                doubled=self._doubled(action),
                holding=tuple(
                    each
                    for each in dict.fromkeys(one.machine_id for one in desk.everything())
                    if self._ours_held(each, pair)
                ),
                stands_released=self._stands_released(action, pair),
                waiting=tuple(
                    each.key
                    for each in self.open_actions()
                    if each.device == action.machine_id
                    and world.clockwork.now() - self._called_for(each) > timedelta(minutes=2)
                    and each.responder == "isolate"
                    and not (each.head_start and now < each.head_start + _SLOW)
                    and each.state in {State.PLANNED, State.SENDING, State.UNKNOWN}
                ),
                row=row,
                collecting=tuple(
                    each.key
                    for each in self.open_actions()
                    if row and (each.incident, each.target) == (row.incident, row.target)
                    if each.responder == "collect_package" and each.state in _ON_DEVICE
                    if each.created < row.since - _WRITTEN
                ),
                wanted_by=self._wanted_by(action, takes, row.incident if row else ""),
                looked=self.looked(),
                ordered_free=bool(row and self._ordered_free(row)),
                isolating=tuple(
                    each.source for each in effective if each.kind == takes and not desk.progress(each).final
                ),
            )
        )

    def _wanted_by(self, action: MachineAction, takes: str, own: str) -> tuple[str, ...]:
        """The incidents for which ours took what an action gives back: of the taking that stands, and who joined it.
        One that was called a false positive wants nothing any more, though it was merged: where the action is its
        `own`, or of that which it was merged into, that one counts.
        """
        if action.kind == takes:
            return ()
        name = {"Isolate": "isolate", "RestrictCodeExecution": "restrict"}.get(takes, "")
        rows = self._rows(lambda key: f":{action.machine_id}:{name}:" in key)
        back = [
            over for kind, pair in _PAIRS.items() if kind != pair[0] for _, over in self._over(action.machine_id, kind)
        ]
        since = max(back, default=None)
        held = [row for row in rows if row.state is State.SUCCEEDED and not row.foreign]
        wanted = [row.incident for row in held if since is None or (row.finished_at and row.finished_at > since)]
        heirs = [(each, self._heir(each)) for each in wanted]
        known, raw = self._world.life.incidents, self._world.tenant.incidents.raw
        called = {each for each in wanted if each in known and raw(each)["classification"] == "falsePositive"}
        return tuple(
            dict.fromkeys(heir for each, heir in heirs if heir and (each not in called or own in {each, heir}))
        )

    def _heir(self, incident: str) -> str:
        """An incident, or the one that it was merged into; empty where that was too lately for anybody to say whether
        we have read it, or storage has not let us write it down yet. What a person ordered apart from any stays with
        that.
        """
        merged = self._world.life.merged_at.get(incident)
        if merged is None:
            return incident
        known = {each.id for each in self.incidents() if each.merged_into}
        if self._world.clockwork.now() - merged < _SLOW or incident not in known:
            return ""
        return self._heir(str(self._world.tenant.incidents.raw(incident)["redirectIncidentId"]))

    def standing(self, device: str, pair: tuple[str, ...]) -> list[tuple[MachineAction, datetime]]:
        """What took something from a device since that was given back last, whoever asked for it: each with the moment
        since which it is in effect. `pair` is a kind that takes, and the one that gives back; none where nothing lasts.
        """
        standing: list[tuple[MachineAction, datetime]] = []
        for each, over in self._in_turn(device, pair):
            standing = [*standing, (each, over)] if each.kind == pair[0] else []
        return standing

    def _in_turn(self, device: str, pair: tuple[str, ...]) -> list[tuple[MachineAction, datetime]]:
        """What was taken from a device and given back, in the order in which that was done."""
        done = [(each, over) for kind in pair for each, over in self._over(device, kind)]
        place = {each.id: number for number, each in enumerate(self._world.tenant.desk.of(device))}
        return sorted(done, key=lambda one: (one[1], place[one[0].id]))

    def _stands_released(self, action: MachineAction, pair: tuple[str, ...]) -> bool:
        """Whether a person gave back a while ago what an action takes, and the incident has no newer alert."""
        done = self._in_turn(action.machine_id, pair) if pair[:1] == (action.kind,) else []
        last, finished = done[-1] if done else (None, None)
        if last is None or finished is None or last.kind == action.kind or last.source != "Portal":
            return False
        if self._world.clockwork.now() - finished < timedelta(seconds=150):
            return False
        named = action.comment.partition("incident ")[2].partition(".")[0]
        if named not in self._world.life.incidents:  # a person ordered it
            return False
        incident = self._goes_on(named)
        newest = max((alert.created for alert in incident.alerts if alert.created), default=None)
        return newest is None or newest <= last.created

    def _ordered_free(self, row: Action) -> bool:
        """Whether a person ordered the device to be released before the row was reserved, without a newer reason. The
        order's worker may have been slow to write down that it stands, and so may ours have been to reserve.
        """
        orders = self._rows(lambda key: f":{row.device}:release:" in key)
        long_ago = row.since - 2 * _SLOW
        orders = [each for each in orders if each.opened_by and not each.cancelled and each.created < long_ago]
        if not orders or row.responder != "isolate":
            return False
        since = max(each.created for each in orders) - timedelta(seconds=1)
        if row.approved_at and row.approved_at > since:
            return False
        if row.incident not in self._world.life.incidents:
            return True
        incident = self._goes_on(row.incident)
        return all(alert.created and alert.created <= since for alert in incident.alerts)

    def _goes_on(self, named: str) -> Incident:
        """An incident, or the one that has its alerts since it was merged."""
        found = Incident.model_validate(self._world.tenant.incidents.raw(named))
        seen = {named}
        while found.merged_into and found.merged_into not in seen:
            seen.add(found.merged_into)
            found = Incident.model_validate(self._world.tenant.incidents.raw(found.merged_into))
        return found

    def plan(self, state: IncidentState) -> Plan | None:
        """What was planned for the version of an incident that was assessed last."""
        text = self._world.documents.stored.get(f"{state.id}/{state.assessed}/plan.json")
        return Plan.model_validate_json(text) if text else None

    def released_in_the_portal(self, device: str) -> datetime | None:
        """When a person released a device in the portal for the last time; None where nobody did."""
        freed = self._over(device, "Unisolate")
        return max((over for each, over in freed if each.source == "Portal"), default=None)

    def came_to_nothing(self, made: str, at: datetime) -> bool:
        """Whether a machine action had failed, or was cancelled, by some moment."""
        seen = self._world.tenant.desk.progress(self._world.tenant.desk.one(made, hidden=True))
        return seen.finished is not None and seen.finished <= at and seen.status != "Succeeded"

    def isolated_since(self, device: str, moment: datetime) -> bool:
        """Whether an isolation of a device, whoever asked for it, was carried out after a moment."""
        return any(over > moment for _, over in self._over(device, "Isolate"))

    def free_between(self, device: str, takes: str, back: str, since: datetime, until: datetime | None) -> bool:
        """Whether a device was free at some moment: what takes something from it was not in effect."""
        events = sorted((over, each.kind) for kind in (takes, back) for each, over in self._over(device, kind))
        before = [kind for over, kind in events if over <= since]
        within = [kind for over, kind in events if since < over and (until is None or over <= until)]
        return not before or before[-1] == back or back in within

    def _over(self, device: str, kind: str) -> list[tuple[MachineAction, datetime]]:
        desk = self._world.tenant.desk
        done = [(each, desk.progress(each)) for each in desk.of(device) if each.kind == kind]
        return [(each, seen.finished) for each, seen in done if seen.status == "Succeeded" and seen.finished]

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

    def _ours_held(self, device: str, pair: tuple[str, ...]) -> bool:
        """Whether we hold a device by the first kind of a pair, or are about to."""
        desk = self._world.tenant.desk
        running = [each for each in desk.of(device) if each.kind in pair[:1] and each.source == "PublicApi"]
        if any(not desk.progress(each).final for each in running):
            return True
        if not any(desk.progress(each).status == "Succeeded" for each in running):
            return False
        last = max((over, each.kind) for kind in pair for each, over in self._over(device, kind))
        return last[1] == pair[0]

    def _doubled(self, action: MachineAction) -> bool:
        """Whether Defender has, or did, what an action of ours asks for already, by an earlier attempt of the same."""
        desk = self._world.tenant.desk
        own = action.comment.rpartition("/")[0]
        for each in desk.of(action.machine_id):
            if each.id == action.id or each.kind != action.kind or each.comment.rpartition("/")[0] != own:
                continue
            seen, pair = desk.progress(each), _PAIRS.get(action.kind, ())
            undone = [over for kind in pair if kind != action.kind for _, over in self._over(action.machine_id, kind)]
            stands = seen.status == "Succeeded" and not any(seen.finished and over > seen.finished for over in undone)
            if not seen.final or stands:
                return True
        return False

    def mishap(self, call: str, mishap: Mishap, process: str) -> None:
        """A call is refused, perhaps with a wait."""
        if mishap.code == "DisabledFeature" and call == "devices.collect_package":
            lacking = Refused(self._world.clockwork.now(), "collect", 0.0, writes=2, process=process)
            self.disabled.append(lacking)
            self._unnoted[greenlet.getcurrent()] = lacking
        if mishap.status == 429 and call in APIS and call != "chat.post":
            wait = float(mishap.retry_after) if mishap.retry_after else 0.0
            self.refused(Refused(self._world.clockwork.now(), APIS[call], wait))

    def refused(self, refused: Refused) -> None:
        """The running task is told that it has to wait."""
        self.throttles.append(refused)
        self._unnoted[greenlet.getcurrent()] = refused

    def posting(self, text: str) -> None:
        """The running task is about to post a message."""
        self._posting[greenlet.getcurrent()] = self._world.clockwork.now(), text

    def now(self) -> datetime:
        """The virtual present."""
        return self._world.clockwork.now()

    def switched(self, mode: str) -> None:
        """The mode was changed: what was judged while observing must wait for something new."""
        if mode == "respond":
            for state in self.incidents():
                if state.mode == "observe" and state.assessed == state.seen:
                    shown = self._shown(self._world.tenant.incidents.raw(state.id))
                    if self._judged(state, shown):
                        for device in state.affected:
                            self._observe(state.id, device, (str(shown["severity"]), self._alerts(shown)))

    def _observe(self, incident: str, device: str, held: tuple[str, str]) -> None:
        known = self.observed.get((incident, device))
        if known is None or known[:2] != held:
            self.observed[incident, device] = (*held, self._world.clockwork.now())

    def _shown(self, raw: dict[str, object]) -> dict[str, object]:
        return dict(self._world.tenant.get_incident(str(raw["id"]), {"$expand": "alerts"}, all_members=True))

    @staticmethod
    def _alerts(raw: dict[str, object]) -> str:
        return str(Incident.model_validate(raw).newest_alert)

    # What storage holds. Read beside the fakes' hooks, and outside of every task.

    def _texts(self, partition: str, prefix: str) -> list[str]:
        stored = self._world.rows.stored.items()
        found = [row for (place, key), row in stored if place.startswith(partition) and key.startswith(prefix)]
        return [undressed(row.text) for row in found]

    def open_actions(self) -> list[Action]:
        """The actions in the open partition."""
        return [_read(Action, text) for text in self._texts(OPEN, "action:")]

    def _rows(self, wanted: Callable[[str], bool]) -> list[Action]:
        """The actions whose row keys are wanted; the rest of them need not be read."""
        stored = self._world.rows.stored.items()
        found = {key: row for (_, key), row in stored if key.startswith("action:") and wanted(key)}
        return [_read(Action, undressed(row.text)) for row in found.values()]

    def actions(self) -> list[Action]:
        """Every action, open or closed, once."""
        texts = [*self._texts("incident:", "action:"), *self._texts(OPEN, "action:")]
        return list({action.key: action for action in (_read(Action, text) for text in texts)}.values())

    def timer_disabled(self) -> None:
        """A timer is disabled: note which ones had left a heartbeat. One that never ran is not missed."""
        keys = {key for place, key in self._world.rows.stored if place == "deployment"}
        self.beating = {key.removeprefix("beat:") for key in keys if key.startswith("beat:")}

    def absorbed(self) -> list[tuple[str, str, datetime]]:
        """Which incident was merged into which, as the product knows: target, source, when it learnt of it."""
        rows = self._world.rows.stored.items()
        merged = [(place, row) for (place, key), row in rows if key.startswith("merged:")]
        kept = [(place.removeprefix("incident:"), _read(Absorbed, row.text)) for place, row in merged]
        return [(target, each.source, each.at) for target, each in kept]

    def orders(self) -> dict[str, OrderRecord]:
        """Every order that was written down, by its row key."""
        stored = self._world.rows.stored.items()
        found = {key: undressed(row.text) for (place, key), row in stored if place == ORDERED}
        return {key: _read(OrderRecord, text) for key, text in found.items()}

    def letters(self) -> list[DeadLetter]:
        """Every dead letter."""
        return [_read(DeadLetter, text) for text in self._texts(LETTERS, "")]

    def incidents(self) -> list[IncidentState]:
        """How far every incident has come."""
        return [_read(IncidentState, text) for text in self._texts("incident:", "incident")]

    def notices(self, incident: str) -> list[Notice]:
        """What was told about an incident."""
        return [_read(Notice, text) for text in self._texts(f"incident:{incident}", "notice:")]

    def unassessed(self) -> list[str]:
        """Incidents that Graph shows, changed since watching began, whose newest version was not assessed."""
        states = {state.id: state for state in self.incidents()}
        marks = self._texts("deployment", "watermark")
        floor = _read(Watermark, marks[0]).floor if marks else None
        behind = []
        for incident in self._world.life.incidents:
            try:
                shown = self._world.tenant.get_incident(incident, {"$expand": "alerts"}, all_members=True)
            except ApiError:  # Graph is about to show it
                behind.append(incident)
                continue
            updated = Incident.model_validate(shown).updated
            if floor and updated and updated < floor:
                continue
            state = states.get(incident)
            if state is None or not self._judged(state, dict(shown)):
                behind.append(incident)
        return behind

    def _judged(self, state: IncidentState, shown: dict[str, object]) -> bool:
        """Whether what an incident says now is what it said when it was assessed last."""
        read = self._world.documents.stored.get(f"{state.id}/{state.assessed}/incident.json")
        return read is not None and _matters(json.loads(read)) == _matters(json.loads(json.dumps(shown)))

    def _left(self) -> bool:
        """Whether something lies on a device whose removal the next tick plans."""
        there = {action.key for action in self.actions()}
        return any(left.key not in there for left in filter(None, map(leftovers, self.open_actions())))

    def settled(self) -> bool:
        """Whether nothing is left to happen by itself."""
        rows = self._world.rows.stored.items()
        left = {AGENDA, *([UNREPORTED] if self._world.dangers.sweeps else [])}
        if any(place in left and row.due for (place, _), row in rows) or not self._world.platform.idle():
            return False
        if (
            any(not each.state.settled or (each.state.final and each.due) for each in self.open_actions())
            or self._left()
        ):
            return False
        if not all(order.state.answered for order in self.orders().values()):
            return False
        alarms = [_read(Alarm, text) for text in self._texts("deployment", "alarm:")]
        if any(alarm.kind.startswith("timer ") if alarm.active else not alarm.told for alarm in alarms):
            return False  # that it is over is still to be seen, or to be told
        if any(notice.pending for state in self.incidents() for notice in self.notices(state.id)):
            return False
        return not self.unassessed()
