"""What a responder is: one action on one device, in a few pure answers and one call.

Guard rails, budgets, the ledger and its unknown states belong to the machinery; a responder never sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    from shared.clients.interface import Devices, Hunting, Incidents
    from shared.config import Settings
    from shared.models.action import Action, Artefact
    from shared.models.device import MachineAction
    from shared.models.part import Part


class Lane(StrEnum):
    """The queue that an action travels on; per device, containment goes before collection."""

    CONTAIN = "contain"
    COLLECT = "collect"


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing stands against sending. `met` says, in words, what is the case and people should hear of."""

    met: str = ""


@dataclass(frozen=True, slots=True)
class Ours:
    """Defender has our own action for this goal already: adopt it. `since` says, in words, what undid it."""

    action: MachineAction
    since: str = ""


@dataclass(frozen=True, slots=True)
class Others:
    """Somebody else's action under way does what we want: follow it, never touch it."""

    action: MachineAction


@dataclass(frozen=True, slots=True)
class Done:
    """What we want is the case already, through somebody else."""

    detail: str


@dataclass(frozen=True, slots=True)
class Held:
    """What we want is the case already, through another action of ours."""

    detail: str


@dataclass(frozen=True, slots=True)
class Later:
    """Something passing stands against it."""

    detail: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """It must not be done; where something `hung` in Defender is why, not before a person took that away."""

    detail: str
    hung: bool = False


Standing = Clear | Ours | Others | Done | Held | Later | Refuse
"""What the device's listed machine actions mean for an action that is about to be sent."""


class Desk(Protocol):
    """What `Responder.gather` works with: one action's run in the evidence store. Names are paths inside its folder; an
    object that stands there already is verified, not written again. All raise Transient and Rejected.
    """

    @property
    def devices(self) -> Devices:
        """Defender's API, for reading."""

    @property
    def incidents(self) -> Incidents:
        """The incidents in Graph."""

    @property
    def hunting(self) -> Hunting:
        """The tenant's event tables."""

    def query(self, name: str) -> str | None:
        """The text of a hunting query, shipped or the operator's; None where there is none of this name."""

    def now(self) -> datetime:
        """The storage's clock."""

    def device_time(self, device: str, defender: datetime | None) -> None:
        """Tell the custody, once, what the device's clock showed (RFC 3339, UTC; else not known), then Defender's."""

    def left(self) -> float:
        """Seconds until this call has to end by itself; 0.0 when it should return `Again`."""

    def snapshot(self) -> bytes | None:
        """The incident as it was judged, in JSON with its alerts; None where a person asked apart from any incident."""

    @property
    def settings(self) -> Settings:
        """What the operator chose."""

    def receive(self, link: Callable[[], str], most: int) -> bytes:
        """A small download as it was received, kept nowhere. Raises Incomplete where it has more than `most` bytes."""

    def starts(self, link: Callable[[], str], size: int) -> bytes:
        """The first bytes of a download, kept nowhere."""

    def keep(self, name: str, chunks: Iterable[bytes], *, kind: str, media_type: str) -> Artefact:
        """Commit a stream, hashed in flight. Where `chunks` raises, nothing is committed."""

    def keep_bytes(self, name: str, data: bytes, *, kind: str, media_type: str) -> Artefact:
        """Commit these bytes. What an earlier call committed stays, and is given; the custody says if these differ."""

    def fetch(
        self,
        name: str,
        link: Callable[[], str],
        *,
        kind: str,
        media_type: str,
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
    ) -> Artefact:
        """Commit a download. `link` asks where it is to be had; `check` passes its chunks on, and raises Incomplete
        where they are not what they should be. Raises also LinkExpired, Forbidden and Incomplete.
        """

    def part(self, name: str, number: int, link: Callable[[], str], *, device: str = "") -> Part:
        """Fetch part `number` (1, 2, ...) of what is to become `name` into staging; one that lies there already is not
        asked for again. A download that breaks off, or whose call ends, goes on from where it was: call it again.
        `device` is the SHA-256 of the part's content on the device; where the content is another one, the part is
        fetched once more, then kept as it came and marked. What `join` found altered comes anew. Raises like `fetch`.
        """

    def join(self, name: str, parts: Sequence[Part], *, kind: str, media_type: str, device: str = "") -> Artefact:
        """Commit the parts as they came, in this order, as one object; `device` is the device's hash of all content."""


@dataclass(frozen=True, slots=True)
class Finished:
    """All that there was to gather."""

    artefacts: tuple[Artefact, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """Not all yet: gather again after `wait`. `progress` is what the next call is to know, JSON; `artefacts` are all
    until now; `detail` says to people how far it is.
    """

    progress: str
    wait: timedelta
    artefacts: tuple[Artefact, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Onward:
    """This machine action is done with, and another one is needed: it goes the same way as the first, after `wait`."""

    progress: str
    wait: timedelta
    artefacts: tuple[Artefact, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NotObtainable:
    """It cannot be had, which is no failure: `detail` says why, `todo` what a person could do."""

    detail: str
    todo: str = ""
    artefacts: tuple[Artefact, ...] = ()


Gathered = Finished | Again | Onward | NotObtainable
"""What came of a look at what a finished machine action left."""


class Responder(Protocol):
    """One kind of action. `kinds` are the machine action types that bear on it, lower-cased, its own first; without any
    it asks nothing of the device, and goes straight to `gather`.

    `api` is the budget of its POST, `permissions` the app roles that it needs. `contains` tells whether it takes
    something from the device's user: then protection, age and caps apply (each kind counts on its own). Where another
    type of `kinds` gives it back, it holds the device's slot of its kind. `gathers` tells whether something is to be
    archived once Defender is done.
    """

    @property
    def name(self) -> str:
        """Short and stable: it is part of row keys."""

    @property
    def lane(self) -> Lane:
        """Where it travels."""

    @property
    def api(self) -> str:
        """The budget key of its POST."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Machine action types, lower-cased, its own first."""

    @property
    def permissions(self) -> tuple[str, ...]:
        """App roles of Defender for Endpoint that its calls need."""

    @property
    def contains(self) -> bool:
        """Whether the guard rails of containment apply."""

    @property
    def gathers(self) -> bool:
        """Whether something is archived once Defender is done."""

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """What the device's machine actions of `kinds` mean for sending. `own` is the start of a marker of this
        action, `ours` of any marker of this deployment. Pure.
        """

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """The one POST."""

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """Archive what the machine action left, in as many calls as it takes: each ends within `desk.left()`, and can
        be repeated, since its worker may die at any place.
        """


GIVING_BACK = frozenset({"unisolate", "unrestrictcodeexecution"})
"""Types of machine action, lower-cased, that undo a containment."""


def containment(responder: Responder) -> str:
    """The type of machine action that takes something until it is given back, of whichever responder does the one or
    the other (`isolate` for isolate and release); empty for all others.
    """
    kinds = frozenset(responder.kinds)
    return next(iter(kinds - GIVING_BACK), "") if kinds & GIVING_BACK else ""


def newest(listed: Sequence[MachineAction], *, kinds: tuple[str, ...], status: str) -> MachineAction | None:
    """The machine action of these kinds and this status that was completed last."""
    found = [each for each in listed if each.kind in kinds and each.status == status]
    return max(found, key=_completed, default=None)


def _completed(action: MachineAction) -> tuple[float, float]:
    return (_seconds(action.updated or action.created), _seconds(action.created))


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def news_after(action: Action, moment: datetime) -> bool:
    """Whether there is a reason for the action that is newer than a moment: an alert on the device (of the incident,
    where none is known of the device), or a person's approval.
    """
    reasons = (action.device_alert or action.newest_alert, action.approved_at)
    return any(reason and reason > moment for reason in reasons)


BY_ORDER = "[by order]"
"""Stands behind our marker in the comment of what a person ordered; nothing else that we write can hold it."""

SESSION = "liveresponse"
"""The type of machine action of live response."""


def adopted(action: Action, listed: Sequence[MachineAction], own: str, kind: str) -> MachineAction | None:
    """Our own machine action of this kind for this goal, of any attempt, unless it ended badly and was counted. What
    goes on or succeeded did not, though a 404 once denied it; but one session follows another, and a listing may lag.
    """
    mine = [each for each in listed if own in each.comment and each.kind in {kind, ""}]
    stands = [each for each in mine if kind != SESSION and (not each.final or each.status == "succeeded")]
    found = [each for each in mine if each.id not in action.ended or each in stands]
    return max(found, key=_completed, default=None)
