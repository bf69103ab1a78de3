"""What the ledger keeps: actions, the containment slot of a device, what was sent when, and how an incident stands.

Two versions of the product work on one ledger during an update. So every kind of row carries the version of its form
(`v`), a reader hands on the members that it does not know, and a row of a newer form is left to the newer version.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from shared.models.device import Machine
from shared.models.frozen import Params

FORM = 1
"""The newest form of rows that this version knows. A member more is no new form; a row that an older version must not
touch is.
"""


class State(StrEnum):
    """Where an action stands. The open ones ask for work; the final ones stay as they are."""

    PLANNED = "planned"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    FETCHING = "fetching"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    UNAVAILABLE = "unavailable"
    ELSEWHERE = "elsewhere"
    OBSERVED = "observed"

    @property
    def final(self) -> bool:
        """Whether nothing more will be done."""
        return self in _FINAL

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen by itself: final, or waiting for a person."""
        return self in _FINAL or self is State.WAITING


_FINAL = frozenset(
    {
        *(State.SUCCEEDED, State.FAILED, State.REFUSED, State.WITHDRAWN),
        *(State.UNAVAILABLE, State.ELSEWHERE, State.OBSERVED),
    }
)

EXPLAINED = {
    State.PLANNED: "is next to be sent",
    State.SENDING: "is being sent",
    State.UNKNOWN: "was sent; whether Defender took it is being found out",
    State.ACCEPTED: "was accepted by Defender and is under way",
    State.FETCHING: "is under way here: its result is being fetched and kept",
    State.WAITING: "waits for a person",
    State.SUCCEEDED: "is done",
    State.FAILED: "failed",
    State.REFUSED: "was refused",
    State.WITHDRAWN: "was withdrawn",
    State.UNAVAILABLE: "cannot be had here",
    State.ELSEWHERE: "was done by somebody else",
    State.OBSERVED: "would be done, were RESPONSE_MODE not observe",
}
"""Each state in words, to follow the name of an action."""

INCIDENT_ITSELF = "incident"
"""What an action about no device is called in a command, in a device's place."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


class _Part(BaseModel):
    """Part of a stored value: frozen, and what a newer version added to it is kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Kept(_Part):
    """A stored value. Raises ValidationError for one of a form that this version does not know."""

    v: int = Field(FORM, ge=1, le=FORM)


class Artefact(_Part):
    """A collected item in the evidence store. `size` in bytes, `sha256` in hex; `proof` says which hashes agree: on the
    device, in flight and at rest (`verified`), the last two (`received-only`), or not all (`mismatch`). `marks` say
    what is odd about it; what is not `whole` was refused by its check, and kept as it came all the same.
    """

    name: str
    size: int
    sha256: str
    proof: str = ""
    marks: tuple[str, ...] = ()
    whole: bool = True


class Action(Kept):
    """One thing to do to one device for one incident.

    `attempt` counts how often it was about to be sent, `doubts` how often nobody knew whether that worked, `tries`
    machine actions that ended badly, `timeouts` those that never reached the device, `fetches` downloads begun. With
    `away` the device does not answer. `since` is when the present state began; `due` when
    somebody should look at the row (None: never).
    `params` are what it is asked for with, by name; `goal` (see `goal_of`) tells what one responder is to do to one
    device from whatever else it is to do there. `progress` is the responder's own note of how far it got, JSON. An
    action may take several machine actions one after the other (legs); `before` counts the attempts of those done.
    `rule` is the policy's rule that asks for it, `approval` how long a person has to approve it where the rule asks for
    that. With `unread` the rule hangs on details of the device that were still to be read.
    `newest_alert` is the incident's, `device_alert` the device's; `shown_at` is when the tenant first showed the
    incident; `doubt` is what a person has to weigh beforehand.
    `in_line` says that it lacks nothing but a call, or that a worker has it in hand and is about to make one.
    `head_start` is until when a containment lets the collection from its device go first, `auto_release` that it is
    given back once an analyst calls the incident a false positive. What concerns no device has no `device`; `alike`
    says that another device of the incident has the same first label.
    `machine_action` is Defender's id; with `foreign` it is somebody else's action that does what we wanted; `ended` are
    ids that are over before it: they came to nothing, or were legs of it that are done. With `doubtful` an earlier POST
    may have worked without our knowing.
    `joined` is the key of the action (of another incident) that holds the device's slot.
    `facts` are what Defender said of the device at `facts_at`, for the guard rails.

    What people ask: while it waits, somebody may approve it before `approve_by` (None: without an end); `held` says
    that it waits for the end of a hold. With `approved` a person wants it, who claims to be `approved_by`, since
    `approved_at`. `opened_by` is the order that opened the round, `orders` are all that changed it. `revoked` says, in
    words, that it is not to be sent any more, though an earlier POST of it is still in doubt. `met` is what it found to
    be the case when it was sent, where a person should hear of that.
    """

    incident: str
    version: str
    device: str
    device_name: str
    alike: bool = False
    responder: str
    round: int
    goal: str = ""
    params: Params = Params()
    state: State
    created: datetime
    since: datetime
    due: datetime | None = None
    severity: int = 0
    newest_alert: datetime | None = None
    device_alert: datetime | None = None
    shown_at: datetime | None = None
    reason: str = ""
    doubt: str = ""
    detail: str = ""
    todo: str = ""
    rule: str = ""
    approval: timedelta | None = None
    head_start: datetime | None = None
    auto_release: bool = False
    unread: bool = False
    in_line: bool = False
    approved: bool = False
    approved_by: str = ""
    approved_at: datetime | None = None
    approve_by: datetime | None = None
    held: bool = False
    opened_by: str = ""
    orders: tuple[str, ...] = ()
    revoked: str = ""
    met: str = ""
    attempt: int = 0
    before: int = 0
    doubts: int = 0
    tries: int = 0
    timeouts: int = 0
    away: bool = False
    fetches: int = 0
    machine_action: str = ""
    foreign: bool = False
    doubtful: bool = False
    cancelled: bool = False
    joined: str = ""
    hints: tuple[str, ...] = ()
    facts: Machine | None = None
    facts_at: datetime | None = None
    accepted_at: datetime | None = None
    finished_at: datetime | None = None
    ended: tuple[str, ...] = ()
    artefacts: tuple[Artefact, ...] = ()
    progress: str = ""

    @property
    def key(self) -> str:
        """Its row key: the same for the same goal, whoever plans it."""
        return action_key(self.incident, self.device, self.responder, self.round, self.goal)

    @property
    def target(self) -> str:
        """The device, however its id is spelt."""
        return target_of(self.device)

    @property
    def id(self) -> str:
        """Sixteen hex digits made from the key, short enough for a comment and for a command."""
        return action_id(self.key)

    @property
    def charge(self) -> str:
        """What it counts as against the caps: several goals on one device, such as files to stop, count once."""
        return action_id(f"{self.incident}:{self.target}:{self.responder}") if self.goal else self.id

    @property
    def label(self) -> str:
        """How its device is called in a command: the first label of its name, or, where that is no plain word (a name
        may be anybody's) or another device has it too, the start of its id.
        """
        if not self.device:
            return INCIDENT_ITSELF
        first = self.device_name.partition(".")[0]
        return first if _PLAIN.fullmatch(first) and not self.alike else self.device[:8]

    def to(self, state: State, now: datetime, **changes: object) -> Action:
        """The action in another state (or in the same one anew) from `now` on. Final states have no due time, except
        where something may be kept in a run of it: until that is sealed. The advice of the state before is none any
        more.
        """
        fresh: dict[str, object] = {"state": state, "since": now, "due": None, "in_line": False, **changes}
        if state.final:
            due = now if self.progress else None
            fresh |= {"due": due, "finished_at": now, "todo": changes.get("todo", "")}
        return self.model_copy(update=fresh)


def target_of(device: str) -> str:
    """A device id as it is compared: the same device may be spelt in capitals elsewhere."""
    return device.lower()


def action_id(key: str) -> str:
    """The short name of the action with this row key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def incident_of(key: str) -> str:
    """The incident that an action's row key names."""
    return key.split(":")[1]


def target_in(key: str) -> str:
    """The device that an action's row key names, as it is compared."""
    return target_of(key.split(":")[2])


def action_key(incident: str, device: str, responder: str, number: int, goal: str = "") -> str:
    """The row key of a round; rounds of one goal sort together, and an incident's actions too."""
    return f"action:{incident}:{device}:{responder}{f'~{goal}' if goal else ''}:{number:03d}"


def goal_of(*parts: str) -> str:
    """What tells two goals of one responder on one device apart, as eight hex digits; empty where nothing does."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:8] if parts else ""


class Slot(Kept):
    """The slot of one containment of a device: whose action is to isolate it (or to restrict it), and which incidents
    want that.

    `held` is true once Defender said that ours succeeded. `releasing` is the key of the action that is giving it back
    of itself: until that is over nobody takes the device for contained, nor contains it.
    """

    device: str
    owner: str
    holders: tuple[str, ...]
    held: bool = False
    releasing: str = ""
    since: datetime


class Spent(_Part):
    """One containment that counts against the caps: the action's id and when its sending began."""

    id: str
    at: datetime


class Caps(Kept):
    """Every containment of one kind whose sending began within the last day; the row through which all its
    reservations pass.
    """

    sent: tuple[Spent, ...] = ()
