"""What an investigation found, in the words of no single source: rows of hunting, an opened package, alerts.

Everything here is as the sources said it, untrusted and unshortened; whoever shows it makes it harmless. A time is UTC,
or None where a source gives no zone: then `local` keeps what was written there. Every row says where it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class Kind(StrEnum):
    """What sort of thing happened. `RESPONSE` is what was done about the incident, `NOTE` what a person remarked."""

    ALERT = "alert"
    PROCESS = "process"
    NETWORK = "network"
    FILE = "file"
    REGISTRY = "registry"
    LOGON = "logon"
    IMAGE = "image"
    SERVICE = "service"
    TASK = "task"
    LOG = "log"
    OTHER = "other"
    RESPONSE = "response"
    NOTE = "note"


class Collector(StrEnum):
    """Whose own activity a row shows, so that nobody takes it for the intruder's; empty where it is nobody's."""

    NOBODY = ""
    DEFENDER = "defender"
    BULKHEAD = "bulkhead"


@dataclass(frozen=True, slots=True)
class Where:
    """Where a row comes from: the `id` of a `Source`, and the line (from 1) or record there; 0 where it has none."""

    source: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ProcessKey:
    """What tells a process from every other: its number alone is used again by the next one."""

    device: str
    pid: int
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `parent` names its parent even where nothing else is known of that; `path` is its whole path.

    `signature` is the word of the source (`Valid`, `Unsigned`, ...), `defender` what Defender did about it (`blocked`,
    `quarantined`, ...), `alerts` are the ids of alerts that name it.
    """

    key: ProcessKey
    name: str = ""
    path: str = ""
    command_line: str = ""
    parent: ProcessKey | None = None
    parent_name: str = ""
    account: str = ""
    integrity: str = ""
    elevation: str = ""
    sha1: str = ""
    sha256: str = ""
    signer: str = ""
    signature: str = ""
    defender: str = ""
    alerts: tuple[str, ...] = ()
    collector: Collector = Collector.NOBODY
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at one time. `action` is the source's word (`ProcessCreated`), `what` the thing that it
    happened to (a path, an address, a key, an account), `detail` what else is to be told (a command line, a value).

    `actor` is the process that did it, `process` the one that it is about; `techniques` are ATT&CK ids (`T1059.001`).
    """

    at: datetime | None
    device: str
    kind: Kind
    action: str
    what: str = ""
    detail: str = ""
    account: str = ""
    actor: ProcessKey | None = None
    actor_name: str = ""
    process: ProcessKey | None = None
    sha1: str = ""
    sha256: str = ""
    techniques: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    local: str = ""
    collector: Collector = Collector.NOBODY
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one process had to do with one address, `count` times. `public` is None where nobody can tell."""

    device: str
    address: str
    port: int = 0
    name: str = ""
    protocol: str = ""
    process: ProcessKey | None = None
    process_name: str = ""
    action: str = ""
    count: int = 1
    first: datetime | None = None
    last: datetime | None = None
    public: bool | None = None
    collector: Collector = Collector.NOBODY
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class Persistence:
    """Something that starts by itself: `mechanism` is `run key`, `service`, `task`, ... , `place` where it is written.

    `changed` and `local` say when it came, as far as the source tells; `new` that it came within the window.
    """

    device: str
    mechanism: str
    name: str
    place: str = ""
    command: str = ""
    account: str = ""
    signer: str = ""
    sha1: str = ""
    sha256: str = ""
    changed: datetime | None = None
    local: str = ""
    new: bool | None = None
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class Account:
    """An account that was used on a device, or that exists there. `kind` is the logon's (`RemoteInteractive`), or
    `member of Administrators`; `origin` where a logon came from.
    """

    device: str
    name: str
    domain: str = ""
    sid: str = ""
    kind: str = ""
    origin: str = ""
    count: int = 1
    failed: int = 0
    first: datetime | None = None
    last: datetime | None = None
    administrator: bool | None = None
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class FileFact:
    """What is known of a file by its hashes. `prevalence` is on how many devices of the tenant it was seen,
    `malicious` of `engines` what VirusTotal said at `asked`; None where nobody asked or nobody knows.
    """

    sha1: str = ""
    sha256: str = ""
    md5: str = ""
    name: str = ""
    signer: str = ""
    issuer: str = ""
    signed: bool | None = None
    trusted: bool | None = None
    prevalence: int | None = None
    malicious: int | None = None
    engines: int | None = None
    asked: datetime | None = None
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The same behaviour on another device. `trait` is what is the same (`hash`, `domain`, `address`, `command line`,
    `account`), `value` which one.
    """

    trait: str
    value: str
    device: str
    device_name: str = ""
    count: int = 1
    first: datetime | None = None
    last: datetime | None = None
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class Inventoried:
    """Something that a device has: `topic` is `program`, `address`, `neighbour`, `system` or `file`. A label is in the
    device's own language; `local` is a time of its own clock, as it was written.
    """

    device: str
    topic: str
    name: str
    value: str = ""
    detail: str = ""
    local: str = ""
    where: Where = Where()


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from: an object in the evidence store (`name`), or a member of one.

    `kind` is `hunting`, `package`, `alerts` or `enrichment`; `title` is a table, a file of the package, ... `rows` were
    there, and `read` of them understood. `truncated` says, in words, what is missing of it: empty where nothing is.
    `zone` says what its times are in where that is not UTC (`local`, `unknown`).
    """

    id: str
    kind: str
    title: str
    device: str = ""
    name: str = ""
    sha256: str = ""
    query: str = ""
    since: datetime | None = None
    until: datetime | None = None
    asked: datetime | None = None
    rows: int = 0
    read: int = 0
    truncated: str = ""
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class NotCollected:
    """Something that is not there, and why. `todo` is what a person could do about it."""

    what: str
    why: str
    device: str = ""
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found about one incident."""

    events: tuple[Event, ...] = ()
    processes: tuple[Process, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    persistence: tuple[Persistence, ...] = ()
    accounts: tuple[Account, ...] = ()
    files: tuple[FileFact, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    inventory: tuple[Inventoried, ...] = ()
    sources: tuple[Source, ...] = ()
    missing: tuple[NotCollected, ...] = ()


def joined(parts: Iterable[Findings]) -> Findings:
    """Findings of several sources as one; nothing is left out, and nothing is made one that two sources say."""
    every = list(parts)
    together = {
        each.name: tuple(row for part in every for row in getattr(part, each.name)) for each in fields(Findings)
    }
    return Findings(**together)
