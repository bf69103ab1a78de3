"""The ports to systems that we do not own, in our own words.

Reads may be repeated, and adapters do so within reason. Acting calls are made once: where their effect is not known
they raise `OutcomeUnknown`, never anything softer. All raise `Throttled` for a 429, `Transient` for what may pass,
and `Rejected` (`NotFound`, `Denied`, `Busy`) for what will not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from shared.models.device import Machine, MachineAction


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """A page of incidents as Graph sent them. `date` is the service's clock; `next` leads to the next page, if any."""

    incidents: Sequence[Mapping[str, object]]
    date: datetime
    next: str


class Incidents(Protocol):
    """The tenant's incidents (Graph `/v1.0/security/incidents`). Budget `incidents`, one call each."""

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        """A page of at most 50 incidents, alerts expanded, last updated from `since` on and before `until`; with
        `following`, the page that an earlier answer named `next`.
        """

    def get(self, incident: str) -> Mapping[str, object]:
        """One incident with its comments (alerts not expanded). Raises NotFound."""

    def set_tags(self, incident: str, tags: Sequence[str]) -> None:
        """Replace the custom tags, ours and everybody's: read them first."""

    def comment(self, incident: str, text: str) -> None:
        """Add a comment. There is no key against doubles: read the comments first."""


@dataclass(frozen=True, slots=True)
class ActionQuery:
    """Which machine actions to list: those of any of `machines` (all where empty), created from `since` on."""

    machines: tuple[str, ...] = ()
    since: datetime | None = None


class Devices(Protocol):
    """The tenant's devices (Defender for Endpoint API)."""

    def machine(self, device: str) -> Machine:
        """A device by its Defender id. Budget `machines`. Raises NotFound."""

    def onboarded(self, skip: int = 0) -> int:
        """How many onboarded devices a page of the list holds, from `skip` on (`ONBOARDED_PAGE` at most). Budget
        `machines`.
        """

    def actions(self, query: ActionQuery, skip: int = 0) -> Sequence[MachineAction]:
        """A page of machine actions (`ACTIONS_PAGE` at most) from `skip` on. Budget `machine_actions`."""

    def action(self, action: str) -> MachineAction:
        """One machine action. Budget `machine_actions`. Raises NotFound, also for a while after its creation."""

    def isolate(self, device: str, comment: str) -> MachineAction:
        """Take a device off the network (Full). Acting; budget `isolate`."""

    def release(self, device: str, comment: str) -> MachineAction:
        """Give a device its network back. Acting; budget `isolate`."""

    def collect_package(self, device: str, comment: str) -> MachineAction:
        """Have an investigation package made. Acting; budget `collect`."""

    def package_link(self, action: str) -> str:
        """Where to download a finished package, for a short time. Budget `package_uri`. Raises NotFound until it is
        there.
        """


ONBOARDED_PAGE = 1000
ACTIONS_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Download:
    """An open download. `length` is what the server announced, in bytes (None: it did not)."""

    chunks: Iterator[bytes]
    length: int | None


class Downloads(Protocol):
    """Download links. They carry their own right; a bearer never goes there."""

    def open(self, link: str) -> Download:
        """Begin to read. Chunks raise Incomplete where the connection ends early, late or wrong.

        Raises:
            LinkExpired: the link no longer works.
            Forbidden: the host is not on the allow-list.
        """


class Chat(Protocol):
    """A chat channel behind a webhook."""

    def post(self, payload: Mapping[str, object]) -> None:
        """Send one message, as the channel's own JSON. A webhook that is gone for good is `Rejected`."""
