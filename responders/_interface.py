"""What a responder is: one action on one device, in a few pure answers and one call.

Guard rails, budgets, the ledger and its unknown states belong to the machinery; a responder never sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.clients.interface import Devices
    from shared.models.action import Action
    from shared.models.device import MachineAction
    from shared.models.plan import Assessment


class Lane(StrEnum):
    """The queue that an action travels on; per device, containment goes before collection."""

    CONTAIN = "contain"
    COLLECT = "collect"


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing stands against sending."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Defender has our own action for this goal already: adopt it."""

    action: MachineAction


@dataclass(frozen=True, slots=True)
class Others:
    """Somebody else's action under way does what we want: follow it, never touch it."""

    action: MachineAction


@dataclass(frozen=True, slots=True)
class Done:
    """What we want is the case already, through somebody else."""

    detail: str


@dataclass(frozen=True, slots=True)
class Later:
    """Something passing stands against it."""

    detail: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """It must not be done."""

    detail: str


Standing = Clear | Ours | Others | Done | Later | Refuse
"""What the device's listed machine actions mean for an action that is about to be sent."""


@dataclass(frozen=True, slots=True)
class Harvest:
    """What a finished action left to be fetched: one object under `name` inside the run's folder."""

    name: str
    media_type: str


class Responder(Protocol):
    """One kind of action. `kinds` are the machine action types that bear on it, lower-cased, its own first.

    `api` is the budget of its POST, `permissions` the app roles that it needs. `contains` tells whether it takes
    something from the device's user: then protection, caps, age and the containment slot apply. `fetches` is what is
    to be archived once Defender is done, or None.
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
    def fetches(self) -> Harvest | None:
        """What is archived once Defender is done."""

    def wants(self, assessment: Assessment) -> str:
        """Why the assessment asks for it; empty where it does not. Pure."""

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """What the device's machine actions of `kinds` mean for sending. `own` is the start of a marker of this
        action, `ours` of any marker of this deployment. Pure.
        """

    def send(self, devices: Devices, device: str, comment: str) -> MachineAction:
        """The one POST."""

    def link(self, devices: Devices, machine_action: str) -> str:
        """Where to fetch what `fetches` names; budget `package_uri`."""


def newest(listed: Sequence[MachineAction], *, kinds: tuple[str, ...], status: str) -> MachineAction | None:
    """The machine action of these kinds and this status that was completed last."""
    found = [each for each in listed if each.kind in kinds and each.status == status]
    return max(found, key=_completed, default=None)


def _completed(action: MachineAction) -> tuple[float, float]:
    return (_seconds(action.updated or action.created), _seconds(action.created))


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def adopted(action: Action, listed: Sequence[MachineAction], own: str, kind: str) -> MachineAction | None:
    """Our own machine action of this kind for this goal, of any attempt, unless it ended badly and was counted."""
    mine = [each for each in listed if own in each.comment and each.kind in {kind, ""}]
    found = [each for each in mine if each.id not in action.ended]
    return max(found, key=_completed, default=None)
