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

    from shared.models.archive.checkpoint import PublicKey
    from shared.models.command import Command
    from shared.models.device import LibraryFile, Machine, MachineAction


LONGEST_WAIT = 3600.0
"""Seconds for which a Retry-After is believed at the most; the longest documented window is an hour."""


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """A page of incidents as Graph sent them. `date` is the service's clock; `next` leads to the next page, if any.
    `bare` are incidents without their alerts, or with some of them at best: each has to be read by itself (`get`). With
    `partial` the service says that it left incidents out. `filtered`: what it does not filter by is filtered here, and
    then an incident that is updated leaves none of the pages.
    """

    incidents: Sequence[Mapping[str, object]]
    date: datetime
    next: str
    bare: Sequence[Mapping[str, object]] = ()
    partial: bool = False
    filtered: bool = True


class Incidents(Protocol):
    """The tenant's incidents (Graph `/v1.0/security/incidents`). Budget `incidents`, one call each."""

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        """A page of at most 50 incidents, alerts expanded, last updated from `since` on and before `until`; with
        `following`, the page that an earlier answer named `next`, which keeps to what was asked then. Where the service
        refuses the filter, more are read and filtered here, so that a page may hold few or none. After one that was too
        much for the service or for us (`Transient`: cause `LONG`, or `LATE` and server errors that come again) pages
        are shorter for a while, in the end without alerts. A 400 to `following` is `Rejected`: so many cannot be had.
        """

    def get(self, incident: str, *, alerts: bool = False) -> Mapping[str, object]:
        """One incident with its comments, and with its alerts expanded where they are asked for. Raises NotFound."""

    def more_alerts(self, following: str) -> tuple[Sequence[Mapping[str, object]], str]:
        """A page of those alerts of an incident for which an answer had no place, and where the next page is, if any.
        `following` is the address that was named (`alerts@odata.nextLink`). Budget `alerts`.
        """

    def set_tags(self, incident: str, tags: Sequence[str]) -> None:
        """Replace the custom tags, ours and everybody's: read them first."""

    def comment(self, incident: str, text: str) -> None:
        """Add a comment. There is no key against doubles: read the comments first."""


@dataclass(frozen=True, slots=True)
class ActionQuery:
    """Which machine actions to list: those of any of `machines` (all where empty), created from `since` on."""

    machines: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ActionPage:
    """A page of machine actions that match the query. It may hold few or none, where the service does not filter and
    the adapter does; `next` leads to the next page, if any.
    """

    actions: Sequence[MachineAction]
    next: str = ""


@dataclass(frozen=True, slots=True)
class CountPage:
    """How many onboarded devices a page of the list holds; `next` leads to the next page, if any."""

    count: int
    next: str = ""


class Devices(Protocol):
    """The tenant's devices (Defender for Endpoint API), and the library of files for them."""

    def machine(self, device: str) -> Machine:
        """A device by its Defender id. Budget `machines`. Raises NotFound."""

    def named(self, name: str) -> Sequence[Machine]:
        """The devices with a full DNS name, whatever their ids: a device that is onboarded again gets another one.
        Budget `machines`. None where the service cannot search by name.
        """

    def onboarded(self, following: str = "") -> CountPage:
        """A page of the list of onboarded devices (`ONBOARDED_PAGE` at most): the first, or with `following` the one
        that an earlier answer named `next`. Budget `machines`.
        """

    def actions(self, query: ActionQuery, following: str = "") -> ActionPage:
        """A page of machine actions (`ACTIONS_PAGE` at most): the first, or with `following` the one that an earlier
        answer to the same query named `next`. Budget `machine_actions`. Where the service refuses the query's filter,
        all actions are read and filtered here; one that names several machines is `Rejected` then, unless it is known
        already that no filter works: asked one by one, they may still be had.
        """

    def action(self, action: str) -> MachineAction:
        """One machine action. Budget `machine_actions`. Raises NotFound, also for a while after its creation."""

    def isolate(self, device: str, comment: str, *, selective: bool = False) -> MachineAction:
        """Take a device off the network; `selective` leaves what the tenant's isolation exclusions allow. Acting;
        budget `isolate`.
        """

    def release(self, device: str, comment: str) -> MachineAction:
        """Give a device its network back. Acting; budget `isolate`."""

    def restrict(self, device: str, comment: str) -> MachineAction:
        """Let nothing run on a device but what Microsoft signed. Acting; budget `actions`."""

    def unrestrict(self, device: str, comment: str) -> MachineAction:
        """Lift that again. Acting; budget `actions`."""

    def scan(self, device: str, comment: str, *, full: bool = False) -> MachineAction:
        """Run an antivirus scan, quick or full. Acting; budget `actions`."""

    def stop_quarantine(self, device: str, comment: str, sha1: str) -> MachineAction:
        """Stop a file on a device wherever it runs, and quarantine it. Acting; budget `actions`."""

    def collect_package(self, device: str, comment: str) -> MachineAction:
        """Have an investigation package made. Acting; budget `collect`."""

    def live_response(self, device: str, commands: Sequence[Command], comment: str) -> MachineAction:
        """Have a live response session. Acting; budget `live_response`. Raises Busy, also while a person has a session
        that nothing shows, and Throttled, also while the tenant has as many sessions as it may.
        """

    def result_link(self, action: str, index: int) -> str:
        """Where to download the result of a session's command, for half an hour; may be asked for again. Budget
        `live_response_result`. Raises NotFound where there is none, or none yet.
        """

    def library(self) -> Sequence[LibraryFile]:
        """Every file of the tenant's library. Budget `library`."""

    def upload(self, name: str, content: bytes, description: str) -> None:
        """Put a file into the library, in place of one of that name; 20 MB at the most. May be repeated. Budget
        `library`.
        """

    def cancel(self, action: str, comment: str) -> MachineAction:
        """Stop a machine action that is not over; it says so in the answer. Acting, yet may be repeated: it names one
        action. Budget `actions`. Raises NotFound, also for a while after the action's creation, and Rejected where the
        action is over.
        """

    def package_link(self, action: str) -> str:
        """Where to download a finished package, for a short time. Budget `package_uri`. Raises NotFound until it is
        there.
        """


ONBOARDED_PAGE = 1000
ACTIONS_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Download:
    """An open download. `length` is what the server announced for these chunks, in bytes (None: it did not); they begin
    at byte `start` of what the link leads to. `tag` is a strong validator of that, if it has one; `date` the server's
    own clock, as it wrote it. Where it is not `bounded`, nothing tells its end from a connection that broke off.
    """

    chunks: Iterator[bytes]
    length: int | None
    start: int = 0
    tag: str = ""
    date: str = ""
    bounded: bool = True

    @property
    def total(self) -> int | None:
        """Bytes of all that the link leads to, as far as the server announced them."""
        return None if self.length is None else self.start + self.length


class Downloads(Protocol):
    """Download links. They carry their own right; a bearer never goes there."""

    def open(self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "") -> Download:
        """Begin to read, at byte `start` where the server can and says that it has what `tag` stands for, else at the
        beginning: `Download.start` says. Chunks raise Incomplete where the connection ends early, late or wrong, or is
        not at its end `seconds` from now.

        Raises:
            Incomplete: it did not begin within `seconds`.
            LinkExpired: the link no longer works.
            Forbidden: the host is not on the allow-list.
        """


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a hunting answer; `type` is the service's word in lower case (`datetime`, `string`, `int64`, ...)."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class HuntingRows:
    """The answer to a hunting query. Values are as they came, a time in seven digits too, but for `dynamic` ones: they
    are nested, however they came. A member that a row lacks is null.
    """

    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, object]]


class Hunting(Protocol):
    """The tenant's event tables (Graph `/v1.0/security/runHuntingQuery`). A read, though it is a POST."""

    def run(self, query: str, since: datetime, until: datetime) -> HuntingRows:
        """Run a query over the rows between two instants, at most the last 30 days. Budget `hunting`, which is the
        tenant's and shared with every other tool. There are no pages: an answer is whole, or cut by the query itself.

        Raises:
            TooWide: the answer is too big, or was not found within the service's three minutes: ask for less.
            Throttled: too many calls, or the tenant's processing quota is used up (`Cause.CPU`).
            Rejected: the query is wrong, or names what this tenant has not (400).
        """


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What antivirus engines said of a file: `malicious` of the `engines` that looked at it."""

    malicious: int
    engines: int


class Reputation(Protocol):
    """What the world knows of files, by hash. Budget `virustotal`. Files are never sent."""

    def file(self, digest: str) -> FileVerdict | None:
        """What is said of the file with this MD5, SHA-1 or SHA-256; None where nobody knows it. Raises Transient
        (`Throttled` where the quota is used up) and Rejected (`Denied` where the key is wrong).
        """


class Signer(Protocol):
    """A key that seals runs of the archive. Raises Transient, and Rejected (`Denied`)."""

    @property
    def key(self) -> PublicKey:
        """Whose signature it is: the newest version of a key that is rotated."""

    def sign(self, digest: bytes) -> bytes:
        """RS256 (RSASSA-PKCS1-v1_5) over a SHA-256 of 32 bytes, with the key that `key` told last. The same digest has
        the same signature.
        """

    def known(self, key: PublicKey) -> bool:
        """Whether this is our key, or was before it was rotated."""


class Chat(Protocol):
    """A chat channel behind a webhook."""

    def post(self, payload: Mapping[str, object]) -> None:
        """Send one message, as the channel's own JSON. A webhook that is gone for good is `Rejected`."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token says of itself: whom it is for, which app roles it carries, and when it ends (None: not said)."""

    audience: str
    roles: frozenset[str]
    ends: datetime | None


class Grants(Protocol):
    """What the app's identity may do in one API, as its present token has it."""

    def granted(self) -> Granted:
        """The claims of a current token. Raises Transient where there is none, Rejected where it cannot be read."""
