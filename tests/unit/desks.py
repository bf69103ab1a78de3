"""A desk for responders' tests: what is kept is kept in a dictionary."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from responders import _parts
from shared.clients.interface import ActionPage, ActionQuery, CountPage, Devices, Hunting, IncidentPage, Incidents
from shared.config import Settings
from shared.errors import Cause, Incomplete, NotFound
from shared.models.action import Artefact
from shared.models.archive import manifest
from shared.models.archive.contents import Seen
from shared.models.archive.manifest import Hashes, proof_of
from shared.models.archive.names import check_payload
from shared.models.command import Command
from shared.models.device import LibraryFile, Machine, MachineAction
from shared.models.part import Part
from tests.unit.incidents import NOW

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class NoDevices:
    """Devices of which nobody asks anything, and that nobody may touch: a test overrides what it expects."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []

    def machine(self, device: str) -> Machine:
        raise NotFound(device, status=404)

    def named(self, name: str) -> Sequence[Machine]:
        raise AssertionError(name)

    def onboarded(self, following: str = "") -> CountPage:
        raise AssertionError(following)

    def actions(self, query: ActionQuery, following: str = "") -> ActionPage:
        raise AssertionError((query, following))

    def action(self, action: str) -> MachineAction:
        raise NotFound(action, status=404)

    def isolate(self, device: str, comment: str, *, selective: bool = False) -> MachineAction:
        raise AssertionError((device, comment, selective))

    def release(self, device: str, comment: str) -> MachineAction:
        raise AssertionError((device, comment))

    def restrict(self, device: str, comment: str) -> MachineAction:
        raise AssertionError((device, comment))

    def unrestrict(self, device: str, comment: str) -> MachineAction:
        raise AssertionError((device, comment))

    def scan(self, device: str, comment: str, *, full: bool = False) -> MachineAction:
        raise AssertionError((device, comment, full))

    def stop_quarantine(self, device: str, comment: str, sha1: str) -> MachineAction:
        raise AssertionError((device, comment, sha1))

    def collect_package(self, device: str, comment: str) -> MachineAction:
        raise AssertionError((device, comment))

    def live_response(self, device: str, commands: Sequence[Command], comment: str) -> MachineAction:
        raise AssertionError((device, commands, comment))

    def result_link(self, action: str, index: int) -> str:
        raise NotFound(f"{action}/{index}", status=404)

    def library(self) -> Sequence[LibraryFile]:
        return ()

    def upload(self, name: str, content: bytes, description: str) -> None:
        raise AssertionError((name, len(content), description))

    def cancel(self, action: str, comment: str) -> MachineAction:
        raise AssertionError((action, comment))

    def package_link(self, action: str) -> str:
        raise NotFound(action, status=404)


class Notes:
    """The tags and comments of one incident."""

    def __init__(self, tags: Sequence[str] = ()) -> None:
        self.tags = list(tags)
        self.comments: list[str] = []
        self.writes = 0

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        raise AssertionError((since, until, following))

    def get(self, incident: str, *, alerts: bool = False) -> Mapping[str, object]:
        assert not alerts
        return {
            "id": incident,
            "customTags": list(self.tags),
            "comments": [{"comment": each} for each in self.comments],
        }

    def more_alerts(self, following: str) -> tuple[Sequence[Mapping[str, object]], str]:
        raise AssertionError(following)

    def set_tags(self, incident: str, tags: Sequence[str]) -> None:
        assert incident
        self.tags = list(tags)
        self.writes += 1

    def comment(self, incident: str, text: str) -> None:
        assert incident
        self.comments.append(text)
        self.writes += 1


class Desk:
    """`responders._interface.Desk` in memory. `downloads` gives the chunks behind a link. What it promises is in
    `test_desks.py`, over the real one too.
    """

    def __init__(
        self,
        devices: Devices | None = None,
        *,
        snapshot: bytes | None = None,
        downloads: Callable[[str], Iterable[bytes]] | None = None,
        left: float = 480.0,
        hunting: Hunting | None = None,
        queries: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        incidents: Incidents | None = None,
    ) -> None:
        self._incidents = incidents
        self._devices = devices
        self._snapshot = snapshot
        self._downloads = downloads
        self._left = left
        self._settings = settings or Settings(DEPLOYMENT="test")
        self._hunting = hunting
        self._queries = queries or {}
        self.kept: dict[str, bytes] = {}
        self.staged: dict[tuple[str, int], bytes] = {}
        self.begun = 0
        self.clocks: list[tuple[str, datetime | None]] = []
        self._refused: set[tuple[str, int]] = set()
        self._joined: dict[str, tuple[str, tuple[manifest.Part, ...]]] = {}

    @property
    def devices(self) -> Devices:
        assert self._devices is not None, "nobody is to be asked"
        return self._devices

    @property
    def incidents(self) -> Incidents:
        assert self._incidents is not None, "nobody is to be asked"
        return self._incidents

    @property
    def hunting(self) -> Hunting:
        assert self._hunting is not None, "nobody is to be asked"
        return self._hunting

    def query(self, name: str) -> str | None:
        return self._queries.get(name)

    def now(self) -> datetime:
        return NOW

    def device_time(self, device: str, defender: datetime | None) -> None:
        if device:
            self.clocks.append((device, defender))

    def left(self) -> float:
        return self._left

    def snapshot(self) -> bytes | None:
        return self._snapshot

    @property
    def settings(self) -> Settings:
        return self._settings

    def _chunks(self, link: Callable[[], str]) -> Iterable[bytes]:
        assert self._downloads is not None, "nothing is to be fetched"
        return self._downloads(link())

    def receive(self, link: Callable[[], str], most: int) -> bytes:
        received = b"".join(self._chunks(link))
        if len(received) > most:
            raise Incomplete(f"a result has more than {most} bytes", cause=Cause.LONG)
        return received

    def keep(self, name: str, chunks: Iterable[bytes], *, kind: str, media_type: str) -> Artefact:
        assert kind
        assert media_type
        check_payload(name, self.kept)
        if name not in self.kept:
            data = b"".join(chunks)
            self.kept[name] = data
        return self._artefact(name)

    def keep_bytes(self, name: str, data: bytes, *, kind: str, media_type: str) -> Artefact:
        return self.keep(name, [data], kind=kind, media_type=media_type)

    def _artefact(self, name: str) -> Artefact:
        data, (device, parts) = self.kept[name], self._joined.get(name, ("", ()))
        seen = _seen(data)
        content = seen.content[1] if seen.contents.gzip else ""
        digest = _sha256(data)
        proof = proof_of(Hashes(device=device, received=digest, content=content, stored=digest), parts)
        return Artefact(name=name, size=len(data), sha256=digest, proof=proof, marks=self._marks(seen, parts))

    @staticmethod
    def _marks(seen: Seen, parts: Sequence[manifest.Part]) -> tuple[str, ...]:
        wrong = (number for number, part in enumerate(parts, 1) if part.device and part.device != part.content)
        found = [f"part {number} is not what the device said" for number in wrong]
        return (*found, *filter(None, [seen.contents.mark]))

    def starts(self, link: Callable[[], str], size: int) -> bytes:
        return b"".join(self._chunks(link))[:size]

    def part(self, name: str, number: int, link: Callable[[], str], *, device: str = "") -> Part:
        check_payload(name, self.kept)
        if (name, number) not in self.staged:
            self.begun += 1
            raw = b"".join(self._chunks(link))
            again = (name, number) in self._refused
            if device and _seen(raw).content[1] != device and not again:
                self._refused.add((name, number))
                raise Incomplete(f"part {number} of {name} is not what the device said", cause=Cause.CONTENT)
            self.staged[name, number] = raw
        seen = _seen(self.staged[name, number])
        return Part(number, seen.size, seen.sha256, *seen.content, device)

    def join(self, name: str, parts: Sequence[Part], *, kind: str, media_type: str, device: str = "") -> Artefact:
        whole = [self.staged[name, part.number] for part in parts]
        self._joined[name] = (device, tuple(_parts.in_manifest(parts)))
        return self.keep(name, whole, kind=kind, media_type=media_type)

    def fetch(
        self,
        name: str,
        link: Callable[[], str],
        *,
        kind: str,
        media_type: str,
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
    ) -> Artefact:
        check_payload(name, self.kept)
        if name in self.kept:
            return self._artefact(name)
        return self.keep(name, check(self._chunks(link)), kind=kind, media_type=media_type)


def _seen(data: bytes) -> Seen:
    seen = Seen()
    for _ in seen.passing([data]):
        pass
    return seen
