"""What a responder gathers with: the evidence store, for one action's run.

A name derives from what a thing is (incident, device, run, artefact), so a second writer finds it taken, verifies what
stands there and goes on. A download that is not whole is never committed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from responders import _parts
from responders._calls import FETCHES, SLOW_FOR, a_whole_call
from responders._keeping import AS_IT_CAME, STANDS, Keeping
from responders._refusal import Service
from responders._run import metadata_of
from responders._told import Told
from responders._transfer import PIECE, Transfer
from responders._unbroken import STRAIGHT, Refused, TooSlow, judged, paced, unbroken
from responders._unsent import snapshot_of
from shared.errors import Cause, Incomplete, Transient
from shared.models.archive.contents import Seen
from shared.models.part import Part
from shared.storage.interface import verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from responders._ports import Ports
    from responders._transfer import Received
    from shared.clients.interface import Devices, Download, Hunting, Incidents
    from shared.config import Settings
    from shared.models.action import Action, Artefact
    from shared.storage.interface import Stored


class Desk:
    """`responders._interface.Desk` over the ports. `at` is who was asked last: who refused decides what to do next. A
    call that is not `whole` began with other work: that its time was too short shows nothing.
    """

    def __init__(
        self, ports: Ports, action: Action, stop: datetime, *, piece: int = PIECE, straight: int = STRAIGHT
    ) -> None:
        """For one action, until `stop`; what has more than `straight` bytes comes through staging in pieces, and what
        has more than one `piece` too, once a call did not end it.
        """
        self._ports = ports
        self._action = action
        self._piece = piece
        self._straight = max(straight, piece)
        self.run = Keeping(ports, action, stop)
        late = ports.clock.now() - action.since > SLOW_FOR
        self.whole = late or a_whole_call(self.left(), ports.settings.TIME_BUDGET)
        self.run.last = self.whole and action.fetches >= FETCHES
        self._transfer = Transfer(
            ports.staging, metadata_of(action, "part"), self.run.timed, self.run.note, piece=piece
        )
        self.at = Service.STORAGE

    @property
    def devices(self) -> Devices:
        """See the interface."""
        self.at = Service.DEFENDER
        return self._ports.devices

    @property
    def incidents(self) -> Incidents:
        """See the interface."""
        self.at = Service.GRAPH
        return self._ports.incidents

    @property
    def moved(self) -> bool:
        """Whether this call brought anything that the next one need not bring again."""
        return bool(self._transfer.moved or self.run.unread)

    @property
    def again(self) -> int:
        """How often what this call was about has been begun anew."""
        return self._transfer.again

    @property
    def hunting(self) -> Hunting:
        """See the interface."""
        self.at = Service.GRAPH
        return self._ports.hunting

    def query(self, name: str) -> str | None:
        """See the interface."""
        self.at = Service.STORAGE
        return self._ports.queries(name)

    def now(self) -> datetime:
        """See the interface."""
        return self._ports.clock.now()

    def device_time(self, device: str, defender: datetime | None) -> None:
        """See the interface."""
        self.run.device_time(device, defender)

    def left(self) -> float:
        """See the interface."""
        return self.run.left()

    def snapshot(self) -> bytes | None:
        """See the interface."""
        self.at = Service.STORAGE
        action = self._action
        if not action.version:
            return None
        data = snapshot_of(self._ports.documents, action.incident, action.version)
        if data is None:
            raise Transient(f"the snapshot of incident {action.incident} cannot be read")
        return data

    @property
    def settings(self) -> Settings:
        """See the interface."""
        return self._ports.settings

    def receive(self, link: Callable[[], str], most: int) -> bytes:
        """See the interface."""
        self.at = Service.DEFENDER
        address = link()
        self.at = Service.DOWNLOADS
        received = bytearray()
        for chunk in self.run.timed(self._ports.downloads.open(address, self.left()).chunks):
            received += chunk
            if len(received) > most:
                raise Incomplete(f"a result has more than {most} bytes", cause=Cause.LONG)
        return bytes(received)

    def starts(self, link: Callable[[], str], size: int) -> bytes:
        """See the interface."""
        self.at = Service.DEFENDER
        address = link()
        self.at = Service.DOWNLOADS
        first = bytearray()
        for chunk in self.run.timed(self._ports.downloads.open(address, self.left()).chunks):
            first += chunk
            if len(first) >= size:
                break
        return bytes(first[:size])

    def keep(self, name: str, chunks: Iterable[bytes], *, kind: str, media_type: str) -> Artefact:
        """See the interface."""
        self.at = Service.STORAGE
        if known := self.run.known(name):
            return known
        told = Told(kind, media_type, self._action.responder)
        return self.run.kept(name, self.run.write(name, self.run.timed(chunks), told), told)

    def keep_bytes(self, name: str, data: bytes, *, kind: str, media_type: str) -> Artefact:
        """See the interface."""
        kept, came = self.keep(name, [data], kind=kind, media_type=media_type), hashlib.sha256(data).hexdigest()
        if kept.sha256 != came:
            said = f"what came in a later call has {len(data)} bytes and another SHA-256, {came}"
            self.run.note(name, f"{STANDS}: {said}")
        return kept

    def fetch(
        self,
        name: str,
        link: Callable[[], str],
        *,
        kind: str,
        media_type: str,
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
    ) -> Artefact:
        """See the interface."""
        self.at = Service.STORAGE
        if known := self.run.known(name):
            return known
        told = Told(kind, media_type, f"download of {self._action.machine_action or self._action.responder}")
        stored = self._ports.evidence.head(self.run.place(name))
        if stored is None:
            stored = self._fetched(name, partial(self._open, link), told, check)
        return self.run.kept(name, stored, told)

    def _fetched(
        self,
        name: str,
        opening: Callable[[int, str], Download],
        told: Told,
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
    ) -> Stored:
        """What is not large goes straight into the archive, as far as its server is to be believed about that."""
        staged = self.run.place(name)
        if self._transfer.begun(staged):
            received = self._transfer.receive(staged, opening)
        else:
            download = opening(0, "")
            last = self._action.fetches >= FETCHES
            if not last and download.length is not None and download.length <= self._straight:
                try:
                    return self._written(name, download, opening, replace(told, date=download.date), check)
                except Refused as error:
                    self._transfer.anew(staged, str(error))
                    raise
                except Incomplete as error:
                    if error.cause is Cause.TIME:
                        self._transfer.attempt(staged)
                    raise
                except TooSlow:
                    pass  # and on behind this: in here all that the first download holds would stay until the end
                del download
                received = self._transfer.receive(staged, opening)
            else:
                received = self._transfer.go_on(staged, (), download)
        return self._joined(name, received, replace(told, date=received.date), check)

    def _written(
        self,
        name: str,
        download: Download,
        opening: Callable[[int, str], Download],
        told: Told,
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
    ) -> Stored:
        """Straight into the archive. A mark in staging lets a later call know that one like this did not end it."""
        place, length = self.run.place(name), download.length or 0
        if length > self._piece:
            self._transfer.attempt(place)
        chunks = unbroken(download, opening, lambda at, why: self.run.went_on(f"{place}#{at}", why))
        paces = paced(chunks, length, self._piece, self._ports.clock.now, self.run.left)
        return self.run.write(name, judged(check, self.run.timed(paces)), told)

    def _joined(
        self, name: str, received: Received, told: Told, check: Callable[[Iterable[bytes]], Iterator[bytes]]
    ) -> Stored:
        """What the check refuses is fetched anew. The last time it is kept as it came, and marked: there is no more."""
        place, untold = self.run.place(name), "" if received.bounded else _parts.UNTOLD
        try:
            return self.run.join(name, received.pieces, told, lambda each: judged(check, self.run.timed(each)), untold)
        except Refused as error:
            if self._action.fetches < FETCHES:
                self._transfer.anew(place, str(error))
                raise
            refused = str(error)
        except Incomplete as error:
            if error.cause is not Cause.TIME:
                self._transfer.anew(place, str(error))
            raise
        mark = "; ".join(filter(None, (f"{AS_IT_CAME}, though {refused}", untold)))
        return self.run.join(name, received.pieces, told, self.run.timed, mark)

    def _open(self, link: Callable[[], str], start: int, tag: str) -> Download:
        self.at = Service.DEFENDER
        address = link()
        self.at = Service.DOWNLOADS
        download = self._ports.downloads.open(address, self.left(), start=start, tag=tag)
        self.at = Service.STORAGE
        return download

    def part(self, name: str, number: int, link: Callable[[], str], *, device: str = "") -> Part:
        """See the interface."""
        self.at = Service.STORAGE
        folder = f"{self.run.place(name)}/part-{number:05d}"
        seen = Seen()
        received = self._transfer.receive(folder, partial(self._open, link), seen)
        if (known := self._part(folder, number, received)) is not None:
            return known
        if seen.size != received.size:
            seen = Seen()
            with self._transfer.heeding():
                for _ in seen.passing(self.run.timed(verified(received.pieces, self._ports.staging))):
                    pass
        size, content = seen.content
        found = Part(number, seen.size, seen.sha256, size, content, device, received.bounded)
        if _parts.wrong(found) and not self._transfer.generation(folder):
            said = f"part {number} of {name} is not what the device said: SHA-256 {content}, there {device}"
            self._transfer.anew(folder, said)
            raise Incomplete(said, cause=Cause.CONTENT)
        self._ports.staging.write_once(
            f"{self._transfer.place(folder)}/part", [_parts.told(found)], metadata=metadata_of(self._action, "part")
        )
        return self._part(folder, number, received) or found

    def _part(self, folder: str, number: int, received: Received) -> Part | None:
        noted = self._transfer.noted(f"{self._transfer.place(folder)}/part")
        return _parts.read(noted or b"", number, received.size)

    def join(self, name: str, parts: Sequence[Part], *, kind: str, media_type: str, device: str = "") -> Artefact:
        """See the interface."""
        self.at = Service.STORAGE
        if known := self.run.known(name):
            return known
        place, whole = self.run.place(name), tuple(_parts.in_manifest(parts))
        source, marks = f"{len(parts)} downloads", _parts.marks(parts)
        told = Told(kind, media_type, source, device=device, parts=whole, marks=marks)
        stored, seen = self._ports.evidence.head(place), None
        if stored is None:
            pieces = [piece for part in parts for piece in self._transfer.standing(f"{place}/part-{part.number:05d}")]
            with self._transfer.heeding():
                stored, seen = self.run.join_parts(name, pieces, told)
        return self.run.kept(name, stored, told, seen)
