"""The storage in memory: what the tests and the simulation run on instead of the cloud.

Every fake holds state, is safe to call from several threads and does the same thing every time. `before` and `after`
are called with the name of each port call around its effect: what `before` raises leaves nothing done, what `after`
raises is an answer that was lost. Both run outside the lock, so that they may call the same fake: an interleaving.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from threading import RLock
from typing import TYPE_CHECKING, Any

from shared.errors import NotFound
from shared.models.archive.codes import commit
from shared.storage import limits
from shared.storage.interface import (
    Change,
    Conflict,
    Delete,
    Insert,
    Loan,
    Message,
    Piece,
    Protection,
    Replace,
    Row,
    Staging,
    Stored,
    Version,
    verified,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Hook = Callable[[str], None]
Now = Callable[[], datetime]

BLOCK = 8 * 1024 * 1024
"""Bytes of a block of the archive, as in the cloud."""


def _no_hook(_call: str) -> None:
    """Do nothing."""


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)) -> None:
        """Stand at `start`."""
        self._now = start

    def now(self) -> datetime:
        """The virtual present."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Move to `moment`. Raises ValueError for the past: no clock goes back."""
        if moment < self._now:
            raise ValueError(f"{moment} is before {self._now}")
        self._now = moment.astimezone(UTC)

    def advance(self, seconds: float) -> datetime:
        """Move on by so many seconds; gives the new present."""
        self.set(self._now + timedelta(seconds=seconds))
        return self._now


class _Call:
    """One call of a port: `before`, its effect under the lock, `after` unless the effect failed."""

    __slots__ = ("_name", "_port")

    def __init__(self, port: _Hooked, name: str) -> None:
        self._port = port
        self._name = name

    def __enter__(self) -> None:
        self._port.before(self._name)
        self._port._lock.acquire()

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self._port._lock.release()
        if failed is None:
            self._port.after(self._name)


class _Hooked:
    """The hooks and the lock that every fake has."""

    def __init__(self, before: Hook | None, after: Hook | None) -> None:
        self.before = before or _no_hook
        self.after = after or _no_hook
        self._lock = RLock()

    def _call(self, name: str) -> _Call:
        return _Call(self, name)


class FakeRows(_Hooked):
    """`Rows` in a dictionary; `stored` may be looked at, but is to be changed through `commit` only.

    Hooked calls: `rows.get`, `rows.query`, `rows.commit`.
    """

    def __init__(self, *, before: Hook | None = None, after: Hook | None = None) -> None:
        """Begin with no rows."""
        super().__init__(before, after)
        self.stored: dict[tuple[str, str], Row] = {}
        self._places: dict[str, tuple[dict[str, Row], list[str]]] = {}
        self._writes = 0

    def get(self, partition: str, key: str) -> Row | None:
        """See `Rows.get`."""
        limits.check_key(partition, key)
        with self._call("rows.get"):
            return self.stored.get((partition, key))

    def query(self, partition: str, *, prefix: str = "", due_by: datetime | None = None) -> Iterator[Row]:
        """See `Rows.query`. Gives the rows as they are at the call."""
        limits.check_partition(partition, prefix)
        latest = limits.utc(due_by)
        with self._call("rows.query"):
            rows, keys = self._places.get(partition, ({}, []))
            begin = bisect_left(keys, prefix)
            named = takewhile(lambda key: key.startswith(prefix), islice(keys, begin, None))
            found = [rows[key] for key in named]
            if latest is not None:
                found = [row for row in found if row.due is not None and row.due <= latest]
        return iter(found)

    def commit(self, partition: str, changes: Sequence[Change]) -> Mapping[str, str]:
        """See `Rows.commit`."""
        limits.check_commit(partition, changes)
        with self._call("rows.commit"):
            for change in changes:
                self._check(partition, change)
            return {change.key: etag for change in changes if (etag := self._apply(partition, change))}

    def _check(self, partition: str, change: Change) -> None:
        row = self.stored.get((partition, change.key))
        match change:
            case Insert():
                holds = row is None
            case Replace(etag=etag):
                holds = row is not None and row.etag == etag
            case Delete(etag=str(etag)):
                holds = row is not None and row.etag == etag
            case _:
                holds = True
        if not holds:
            raise Conflict(f"{type(change).__name__} of {partition}/{change.key}: the row is not as it was seen")

    def _apply(self, partition: str, change: Change) -> str | None:
        if isinstance(change, Delete):
            self.stored.pop((partition, change.key), None)
            rows, keys = self._places.get(partition, ({}, []))
            if rows.pop(change.key, None):
                del keys[bisect_left(keys, change.key)]
            return None
        self._writes += 1
        etag = f'W/"{self._writes}"'
        due = limits.utc(change.due)
        row = Row(partition, change.key, change.text, due, etag)
        self.stored[partition, change.key] = row
        rows, keys = self._places.setdefault(partition, ({}, []))
        if change.key not in rows:
            insort(keys, change.key)
        rows[change.key] = row
        return etag


class FakeDocuments(_Hooked):
    """`Documents` in a dictionary. Hooked calls: `documents.create`, `documents.read`."""

    def __init__(self, *, before: Hook | None = None, after: Hook | None = None) -> None:
        """Begin with no documents."""
        super().__init__(before, after)
        self.stored: dict[str, bytes] = {}

    def create(self, name: str, data: bytes) -> bool:
        """See `Documents.create`."""
        limits.check_document(name)
        with self._call("documents.create"):
            created = name not in self.stored
            self.stored.setdefault(name, bytes(data))
        return created

    def read(self, name: str) -> bytes | None:
        """See `Documents.read`."""
        limits.check_document(name)
        with self._call("documents.read"):
            return self.stored.get(name)


class FakePages(_Hooked):
    """`Pages` in a dictionary, each with its media type. Hooked calls: `pages.put`, `pages.read`."""

    def __init__(self, *, before: Hook | None = None, after: Hook | None = None) -> None:
        """Begin with no pages."""
        super().__init__(before, after)
        self.stored: dict[str, tuple[bytes, str]] = {}

    def put(self, name: str, data: bytes, *, media_type: str) -> None:
        """See `Pages.put`."""
        limits.check_document(name)
        limits.check_media_type(media_type)
        with self._call("pages.put"):
            self.stored[name] = (bytes(data), media_type)

    def read(self, name: str) -> bytes | None:
        """See `Pages.read`."""
        limits.check_document(name)
        with self._call("pages.read"):
            return self.stored[name][0] if name in self.stored else None


@dataclass(slots=True)
class _Queued:
    """A message in a queue: `order` is the order of sending, `receipt` empty until it is received."""

    order: int
    sent: str
    visible: datetime
    receipt: str = ""
    dequeue_count: int = 0


@dataclass(slots=True)
class _Queue:
    messages: dict[str, _Queued] = field(default_factory=dict)


class FakeQueues(_Hooked):
    """`Queues` by name, in order of becoming visible. Hooked calls: `queues.send`, `queues.receive`, `queues.delete`.

    Only the queues that are named exist, as in the cloud.
    """

    def __init__(
        self, now: Now, queues: Iterable[str] = (), *, before: Hook | None = None, after: Hook | None = None
    ) -> None:
        """Begin with these queues, empty."""
        super().__init__(before, after)
        self._now = now
        self._queues = {name: _Queue() for name in queues}
        self._count = 0

    def provide(self, queue: str) -> None:
        """Make a queue where it is missing."""
        self._queues.setdefault(queue, _Queue())

    def send(self, queue: str, text: str, *, delay: float = 0.0) -> None:
        """See `Queues.send`."""
        seconds = limits.whole_seconds(delay, least=0)
        self._send(queue, limits.encode_message(text), seconds)

    def send_raw(self, queue: str, sent: str) -> None:
        """Put a message exactly as it travels: what another program, or the host's poison copy, may put."""
        self._send(queue, sent, 0)

    def _send(self, queue: str, sent: str, seconds: int) -> None:
        with self._call("queues.send"):
            if queue not in self._queues:
                raise NotFound(f"there is no queue {queue!r}", status=404, code="QueueNotFound")
            self._count += 1
            visible = self._now() + timedelta(seconds=seconds)
            self._queues[queue].messages[f"m{self._count}"] = _Queued(self._count, sent, visible)

    def receive(self, queue: str, *, limit: int = 16, hidden_for: float = 60.0) -> Sequence[Message]:
        """See `Queues.receive`."""
        limits.check_limit(limit)
        hidden = timedelta(seconds=limits.whole_seconds(hidden_for, least=1))
        with self._call("queues.receive"):
            messages = self._queues[queue].messages if queue in self._queues else {}
            if not messages:
                return []
            now = self._now()
            ripe = sorted((item.visible, item.order, name) for name, item in messages.items() if item.visible <= now)
            return [self._take(name, messages[name], now + hidden) for _, _, name in ripe[:limit]]

    def _take(self, name: str, item: _Queued, visible: datetime) -> Message:
        item.dequeue_count += 1
        item.visible = visible
        item.receipt = f"{name}.{item.dequeue_count}"
        return Message(name, limits.decode_message(item.sent), item.receipt, item.dequeue_count)

    def ripe(self, queue: str) -> bool:
        """Whether a message of the queue can be received now: for a simulation, which need not look in vain."""
        now = self._now()
        return any(item.visible <= now for item in self._queues[queue].messages.values())

    def delete(self, queue: str, message: Message) -> None:
        """See `Queues.delete`."""
        with self._call("queues.delete"):
            messages = self._queues.get(queue, _Queue()).messages
            if message.id in messages and messages[message.id].receipt == message.receipt:
                del messages[message.id]

    def waiting(self, queue: str) -> list[str]:
        """The texts of all messages, hidden ones too, in order of sending: for assertions."""
        messages = self._queues[queue].messages.values()
        return [limits.decode_message(item.sent) for item in sorted(messages, key=lambda item: item.order)]

    def next_visible(self) -> datetime | None:
        """When the first message of any queue is or becomes visible: how far a simulation may leap."""
        moments = [item.visible for queue in self._queues.values() for item in queue.messages.values()]
        return min(moments, default=None)


class FakeEvidence(_Hooked):
    """`Evidence` in a dictionary.

    Hooked calls: `evidence.write_once` (around the whole, also of a join), `evidence.stage_block` (inside it, for each
    block of what has one at least), `evidence.pull_block` (for each piece of a join, where the storage fetches them by
    itself), `evidence.commit` (inside it, once all was read), `evidence.head`, `evidence.read`, `evidence.names`,
    `evidence.held`, `evidence.versions`. What was staged is nowhere to be seen until it is committed.
    """

    def __init__(
        self,
        name: str = "evidence",
        *,
        block: int = BLOCK,
        pulls: bool = True,
        mac: Callable[[Mapping[str, Any]], str] | None = None,
        before: Hook | None = None,
        after: Hook | None = None,
    ) -> None:
        """Begin with an empty archive, whose blocks have so many bytes. Its storage fetches pieces by itself where it
        `pulls`. Every commit carries the code that `mac` makes of it. Its calls are hooked under its name.
        """
        super().__init__(before, after)
        self.mac = mac
        self._name = name
        self._block = block
        self._pulls = pulls
        self.stored: dict[str, tuple[Stored, bytes]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.holds: set[str] = set()
        self.older_holds: set[tuple[str, str]] = set()
        self.older: list[Version] = []

    def write_once(
        self, name: str, chunks: Iterable[bytes], *, metadata: Mapping[str, str], tags: Mapping[str, str] | None = None
    ) -> Stored:
        """See `Evidence.write_once`."""
        limits.check_object(name)
        limits.check_metadata(metadata)
        limits.check_tags(tags or {})
        return self._once(name, self._staged(chunks), metadata, tags or {})

    def join_once(
        self,
        name: str,
        pieces: Sequence[Piece],
        staging: Staging,
        *,
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
        metadata: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> Stored:
        """See `Evidence.join_once`."""
        limits.check_object(name)
        limits.check_metadata(metadata)
        limits.check_tags(tags or {})
        pulled = check(self._pulled(pieces, staging)) if self._pulls else self._staged(check(verified(pieces, staging)))
        return self._once(name, pulled, metadata, tags or {})

    def _once(self, name: str, chunks: Iterable[bytes], metadata: Mapping[str, str], tags: Mapping[str, str]) -> Stored:
        self.before(f"{self._name}.write_once")
        stored = self._standing(name) or self._write(name, b"".join(chunks), metadata, tags)
        self.after(f"{self._name}.write_once")
        return stored

    def _staged(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, with a call for each block that they fill, and for the rest where there was one."""
        size = sent = 0
        for chunk in chunks:
            size += len(chunk)
            yield chunk
            while size - sent >= self._block:
                sent += self._block
                with self._call(f"{self._name}.stage_block"):
                    pass
        if 0 < sent < size:
            with self._call(f"{self._name}.stage_block"):
                pass

    def _pulled(self, pieces: Sequence[Piece], staging: Staging) -> Iterator[bytes]:
        """The bytes of all pieces, with a call for each that the storage fetches by itself meanwhile."""
        for piece in pieces:
            with self._call(f"{self._name}.pull_block"):
                pass
            yield from verified([piece], staging)

    def _write(self, name: str, data: bytes, metadata: Mapping[str, str], tags: Mapping[str, str]) -> Stored:
        digest = hashlib.sha256(data).hexdigest()
        mac = self.mac(commit(name, len(data), digest, metadata)) if self.mac else ""
        written = Stored(name, len(data), digest, dict(metadata), created=True, mac=mac)
        with self._call(f"{self._name}.commit"):
            standing = self._standing(name)
            if standing is None:
                self.stored[name] = (replace(written, created=False), data)
                self.tags[name] = dict(tags)
        return standing or written

    def _standing(self, name: str) -> Stored | None:
        found = self.stored.get(name)
        return found[0] if found else None

    def head(self, name: str) -> Stored | None:
        """See `Evidence.head`."""
        limits.check_object(name)
        with self._call(f"{self._name}.head"):
            return self._standing(name)

    def names(self, prefix: str) -> Iterator[str]:
        """See `Evidence.names`."""
        with self._call(f"{self._name}.names"):
            return iter(sorted(name for name in self.stored if name.startswith(prefix)))

    def held(self, prefix: str) -> Iterator[str]:
        """See `Evidence.held`."""
        with self._call(f"{self._name}.held"):
            return iter(sorted(name for name in self.holds if name.startswith(prefix)))

    def versions(self, prefix: str) -> Iterator[Version]:
        """See `Evidence.versions`. What is in `older` was written over, or deleted."""
        with self._call(f"{self._name}.versions"):
            standing = [Version(name, "9", None, current=True) for name in self.stored]
            found = [each for each in (*self.older, *standing) if each.name.startswith(prefix)]
        return iter(sorted(found, key=lambda each: (each.name, each.id)))

    def loan(self, name: str) -> Loan:
        """See `Staging.loan`."""
        return Loan(f"memory:{name}")

    def read(self, name: str, *, start: int = 0) -> Iterator[bytes]:
        """See `Evidence.read`. Raises NotFound at the call."""
        limits.check_object(name)
        with self._call(f"{self._name}.read"):
            if name not in self.stored:
                raise NotFound(f"there is no object {name!r}", status=404, code="BlobNotFound")
            data = self.stored[name][1][start:]
        return iter([data[at : at + 65536] for at in range(0, len(data), 65536)])


class FakeCustodian:
    """`Custodian` of a `FakeEvidence`."""

    def __init__(self, evidence: FakeEvidence, now: Now) -> None:
        """Of what lies in `evidence`."""
        self._evidence = evidence
        self._now = now

    def hold(self, name: str, *, on: bool, version: str = "") -> None:
        """See `Custodian.hold`. An older version that is held is in `older_holds`."""
        limits.check_object(name)
        if (name, version) in {(each.name, each.id) for each in self._evidence.older}:
            older = self._evidence.older_holds
            (older.add if on else older.discard)((name, version))
            return
        if name not in self._evidence.stored:
            raise NotFound(f"there is no object {name!r}", status=404, code="BlobNotFound")
        (self._evidence.holds.add if on else self._evidence.holds.discard)(name)

    def until(self, lent: timedelta) -> datetime:
        """See `Custodian.until`. As long as anybody likes."""
        return self._now() + lent

    def link(self, name: str, until: datetime) -> str:
        """See `Custodian.link`."""
        limits.check_object(name)
        return f"https://memory/{name}?se={until:%Y-%m-%dT%H:%M:%SZ}&sp=r&sig=x"


class FakeProtections:
    """`Protections` of a `FakeEvidence`: everything in it is protected alike, by what `policy` says at the time."""

    def __init__(self, evidence: FakeEvidence, policy: Protection | None = None) -> None:
        """Without a policy nothing is protected, as in the emulator."""
        self._evidence = evidence
        self.policy = policy or Protection()

    def of(self, name: str) -> Protection | None:
        """See `Protections.of`."""
        limits.check_object(name)
        return self.policy if name in self._evidence.stored else None
