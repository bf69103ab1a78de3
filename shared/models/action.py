"""What the ledger keeps: actions, the containment slot of a device, what was sent when, and how an incident stands.

Every kind of row carries the version of its form (`v`), and a reader takes what it does not know for absent, so that
two versions of the product can work on one ledger during an update.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shared.models.device import Machine


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


_FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.REFUSED, State.WITHDRAWN, State.ELSEWHERE, State.OBSERVED})

EXPLAINED = {
    State.PLANNED: "is next to be sent",
    State.SENDING: "is being sent",
    State.UNKNOWN: "was sent; whether Defender took it is being found out",
    State.ACCEPTED: "was accepted by Defender and is under way",
    State.FETCHING: "is done on the device; its result is being archived",
    State.WAITING: "waits for a person",
    State.SUCCEEDED: "is done",
    State.FAILED: "failed",
    State.REFUSED: "was refused by a guard rail",
    State.WITHDRAWN: "was withdrawn",
    State.ELSEWHERE: "was done by somebody else",
    State.OBSERVED: "would be done, were RESPONSE_MODE not observe",
}
"""Each state in words, to follow the name of an action."""


class Kept(BaseModel):
    """A stored value: frozen, and lenient towards the fields of other versions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: int = 1


class Artefact(BaseModel):
    """A collected item in the evidence store. `size` in bytes, `sha256` in hex."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    size: int
    sha256: str


class Action(Kept):
    """One thing to do to one device for one incident.

    `attempt` counts how often it was about to be sent, `doubts` how often nobody knew whether that worked, `tries`
    machine actions that ended badly, `fetches` downloads begun. `since` is when the present state began; `due` when
    somebody should look at the row (None: never).
    `newest_alert` is the incident's, `device_alert` the device's; `doubt` is what a person has to weigh beforehand.
    `machine_action` is Defender's id; with `foreign` it is somebody else's action that does what we wanted; `ended` are
    ids that came to nothing before it. With `doubtful` an earlier POST may have worked without our knowing.
    `joined` is the key of the action (of another incident) that holds the device's slot.
    `facts` are what Defender said of the device at `facts_at`, for the guard rails.
    """

    incident: str
    version: str
    device: str
    device_name: str
    responder: str
    round: int
    state: State
    created: datetime
    since: datetime
    due: datetime | None = None
    severity: int = 0
    newest_alert: datetime | None = None
    device_alert: datetime | None = None
    reason: str = ""
    doubt: str = ""
    detail: str = ""
    todo: str = ""
    approved: bool = False
    attempt: int = 0
    doubts: int = 0
    tries: int = 0
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

    @property
    def key(self) -> str:
        """Its row key: the same for the same goal, whoever plans it."""
        return action_key(self.incident, self.device, self.responder, self.round)

    @property
    def target(self) -> str:
        """The device, however its id is spelt."""
        return target_of(self.device)

    @property
    def id(self) -> str:
        """Sixteen hex digits made from the key, short enough for a comment."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]

    def to(self, state: State, now: datetime, **changes: object) -> Action:
        """The action in another state (or in the same one anew) from `now` on; final states have no due time."""
        fresh: dict[str, object] = {"state": state, "since": now, "due": None, **changes}
        if state.final:
            fresh |= {"due": None, "finished_at": now}
        return self.model_copy(update=fresh)


def target_of(device: str) -> str:
    """A device id as it is compared: the same device may be spelt in capitals elsewhere."""
    return device.lower()


def action_key(incident: str, device: str, responder: str, number: int) -> str:
    """The row key of a round; rounds of one goal sort together, and an incident's actions too."""
    return f"action:{incident}:{device}:{responder}:{number:03d}"


class Slot(Kept):
    """The containment slot of a device: whose action is to isolate it, and which incidents want it isolated.

    `held` is true once Defender said that our isolation succeeded.
    """

    device: str
    owner: str
    holders: tuple[str, ...]
    held: bool = False
    since: datetime


class Spent(BaseModel):
    """One isolation that counts against the caps: the action's id and when its sending began."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: datetime


class Caps(Kept):
    """Every isolation whose sending began within the last day; the row through which all reservations pass."""

    sent: tuple[Spent, ...] = ()


class IncidentState(Kept):
    """How far an incident has come.

    `seen` is the newest version with a snapshot, `assessed` the newest one that was judged. `shown_at` is the tenant's
    own clock in the answer that first showed the incident; it starts the time to contain. `affected` are the devices of
    the latest assessment, `contain` whether it asks for containment. `observed` are the devices whose turn it would
    have been while observing, with the severity and newest alert of then: only something new opens a round for them.
    """

    id: str
    seen: str
    updated: datetime | None = None
    shown_at: datetime
    seen_at: datetime
    assessed: str = ""
    assessed_at: datetime | None = None
    mode: str = ""
    title: str = ""
    url: str = ""
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    severity: int = 0
    affected: tuple[str, ...] = ()
    contain: bool = False
    not_actionable: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    observed_severity: int = 0
    observed_alert: datetime | None = None


class Notice(Kept):
    """One thing told in one place. `digest` names the outcomes it told; `attempts` above 1 mean a possible repeat."""

    chapter: int
    kind: str
    channel: str
    state: str
    since: datetime
    attempts: int = 1
    digest: str = ""
    detail: str = ""


class Watermark(Kept):
    """How far the incidents of the tenant were read: `floor` is where this deployment began, `slice_seconds` the width
    of a slice of backlog that last fitted, `read_at` when a reading last succeeded (storage time).
    """

    until: datetime
    floor: datetime
    read_at: datetime | None = None
    slice_seconds: int = 3600
    alarmed: bool = False
