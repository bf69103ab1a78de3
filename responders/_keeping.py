"""A run while it is gathered: what was committed is read again by itself, and then told in the chain of custody."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from responders._custody import Chain
from responders._run import metadata_of, run_folder, run_of, tags_of, who, why
from responders._sealing import Seal
from responders._zip_marks import TAIL, zip_marks
from shared.errors import Cause, Incomplete, Rejected
from shared.models.action import Artefact
from shared.models.archive.contents import Contents
from shared.models.archive.custody import KEPT, MISSING, NOTED, OPENED, SEALED, Clocks, Said, stamp
from shared.models.archive.digests import Tally
from shared.models.archive.manifest import Blocks, Hashes, Item, proof_of
from shared.models.archive.names import check_payload
from shared.models.lenient import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.archive.manifest import Part
    from shared.storage.interface import Stored

FUNCTION = "archive_evidence"
ZIP = "application/zip"
AS_IT_CAME = "kept as it came"
"""How a mark begins that says what an item was refused for, until nothing better could be had."""

log = logging.getLogger(__name__)

_MARK, _CLOCK, _UNKNOWN, _SEAL = "mark", "clock", "unknown", "seal"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of an item: `device` is the hash that the device gave, `date` the clock of who sent it."""

    kind: str
    media_type: str
    source: str = ""
    date: str = ""
    device: str = ""
    parts: tuple[Part, ...] = ()
    marks: tuple[str, ...] = ()


class Keeping:
    """One action's run in the evidence store. `marks` are what is to be said of the next item that is kept; `broken` is
    why a download broke off in this call.
    """

    def __init__(self, ports: Ports, action: Action, stop: datetime) -> None:
        """For one action, until `stop`."""
        self._ports = ports
        self._action = action
        self._stop = stop
        self._who = who(ports.settings.AZURE_CLIENT_ID, FUNCTION, ports.settings.DEPLOYMENT)
        self.broken = ""
        self.folder = run_folder(action)
        self.chain = Chain(ports.evidence, f"{self.folder}/custody", metadata_of(action, "custody"))

    def left(self) -> float:
        """Seconds until this call has to end by itself."""
        return max(0.0, (self._stop - self._ports.clock.now()).total_seconds())

    def timed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, as long as there is time. Raises Incomplete."""
        for chunk in chunks:
            if not self.left():
                raise Incomplete("the time of one call ran out", cause=Cause.TIME)
            yield chunk

    def place(self, name: str) -> str:
        """Where an item lies. Raises ValueError for a name that no item can have."""
        check_payload(name, [each.item.path for each in self.chain.events if each.item])
        return f"{self.folder}/{name}"

    def write(self, name: str, chunks: Iterable[bytes], kind: str) -> Stored:
        """Commit a stream under the item's name, or find what stands there."""
        metadata, tags = self.labels(kind, "received-only")
        return self._ports.evidence.write_once(self.place(name), chunks, metadata=metadata, tags=tags)

    def labels(self, kind: str, status: str, mark: str = "") -> tuple[dict[str, str], dict[str, str]]:
        """Metadata and tags of an item. A `mark` goes with its commit, so that it is never without."""
        marked = {_MARK: mark[:500].strip()} if mark else {}
        return metadata_of(self._action, kind) | marked, tags_of(self._action, kind, status)

    def known(self, name: str) -> Artefact | None:
        """The item, where the chain tells already that it was kept and what stands there was not exchanged since."""
        event = self.chain.find(KEPT, name)
        if event is None or event.item is None:
            return None
        standing = self._ports.evidence.head(self.place(name))
        if standing is None or (standing.size, standing.sha256) != (event.item.size, event.item.sha256):
            raise self._differs(name)
        return _artefact(self.place(name), event.item)

    def kept(self, name: str, stored: Stored, told: Told) -> Artefact:
        """The item, once a read of its own has shown that what stands there is what was committed."""
        tally, contents, tail = Tally(), Contents(), b""
        for chunk in self.timed(self._ports.evidence.read(stored.name)):
            tally.add(chunk)
            contents.add(chunk)
            tail = (tail + chunk[-TAIL:])[-TAIL:] if told.media_type == ZIP else b""
        contents.end()
        if (tally.size, tally.sha256) != (stored.size, stored.sha256):
            raise self._differs(name)
        marks = [*told.marks, *filter(None, [stored.metadata.get(_MARK)])]
        if not stored.created:
            if stored.metadata.get("action") != self._action.id:
                raise self._differs(name)
            marks.append("stood there already: an earlier call committed it")
        if told.media_type == ZIP:
            marks.extend(zip_marks(tail, tally.size))
        if contents.mark:
            marks.append(contents.mark)
        hashes = Hashes(device=told.device, received=stored.sha256, content=contents.sha256, stored=tally.sha256)
        item = Item(
            path=name,
            size=tally.size,
            sha256=tally.sha256,
            kind=told.kind,
            media_type=told.media_type,
            source=told.source,
            collected=stamp(self._ports.clock.now()),
            hashes=hashes,
            proof=proof_of(hashes, told.parts),
            blocks=Blocks(sha256=tally.block_hashes),
            parts=told.parts,
            marks=tuple(marks),
        )
        self.say(KEPT, name, source=told.source, to=stored.name, date=told.date, item=item)
        return _artefact(stored.name, item)

    def note(self, subject: str, detail: str) -> None:
        """Tell, once, what a reader of the custody should know."""
        self.say(NOTED, subject, detail=detail)

    def went_on(self, subject: str, why: str) -> None:
        """Tell that a download broke off, and goes on from there."""
        self.broken = why
        self.note(subject, f"went on after: {why}")

    def device_time(self, device: str, defender: datetime | None) -> None:
        """Tell, once, what the device's own clock showed before Defender's showed that. It is in the device's words."""
        if not _TIME.fullmatch(device):
            return
        detail = "what the device's own clock showed as its script ended, and Defender's once it had the session's end"
        self.say(NOTED, _CLOCK, date=stamp(defender) if defender else "", detail=detail, device=device)

    def say(
        self,
        what: str,
        subject: str,
        *,
        source: str = "",
        to: str = "",
        date: str = "",
        detail: str = "",
        item: Item | None = None,
        device: str = "",
    ) -> None:
        """Put an event into the chain, unless it was told already."""
        if not self.chain.events:
            self.chain.add(self._said(OPENED))
        told = {"subject": subject, "source": source, "to": to, "detail": text(detail[:1000])}
        measured = {"size": item.size, "sha256": item.sha256, "item": item} if item else {}
        self.chain.add(self._said(what, date, device).model_copy(update={**told, **measured}))

    def close(self, detail: str, missing: str = "") -> None:
        """Seal the run, if anything was gathered. `missing` says what was not had, and why. May be repeated."""
        if not self.chain.sealed:
            self._take_in()
        if not self.chain.events:
            return
        if missing and not self.chain.sealed:
            self.say(MISSING, self._action.responder, detail=missing)
        known = any(event.clocks.device for event in self.chain.events if event.what == NOTED)
        said = self._said(SEALED, device="" if known else _UNKNOWN).model_copy(
            update={"detail": detail[:1000], "run": run_of(self._action, self._ports.settings.DEPLOYMENT)}
        )
        labels = metadata_of(self._action, _SEAL), tags_of(self._action, _SEAL, SEALED)
        Seal(self._ports.evidence, self._ports.signer, self.folder, *labels).close(self.chain, said)

    def sealed(self) -> tuple[str, str, tuple[Artefact, ...]] | None:
        """How the run was ended, what was missing, and what is kept; None where it is open."""
        if not self.chain.sealed:
            return None
        missing = self.chain.find(MISSING, self._action.responder)
        kept = tuple(_artefact(f"{self.folder}/{each.item.path}", each.item) for each in self.chain.events if each.item)
        return self.chain.sealed.detail, missing.detail if missing else "", kept

    def _take_in(self) -> None:
        """Tell of what a call committed and did not come to tell of: it is ours, and a part of the run. Raises what
        `kept` raises, so that a run in which something lies that was never read again is not sealed. What no call of
        ours would have called so is a stranger's, whatever it says.
        """
        told = {each.item.path for each in self.chain.events if each.item}
        for place in self._ports.evidence.names(f"{self.folder}/data/"):
            name = place.removeprefix(f"{self.folder}/")
            stored = self._ports.evidence.head(place) if name not in told and _can_be(name, told) else None
            if stored and stored.metadata.get("action") == self._action.id:
                self.kept(name, stored, Told(stored.metadata.get("kind", "unknown"), "application/octet-stream"))
                told.add(name)

    def _said(self, what: str, date: str = "", device: str = "") -> Said:
        now = self._ports.clock.now()
        host = self._ports.host_time
        clocks = Clocks(storage=stamp(now), host=stamp(host()) if host else "", defender=date, device=device)
        return Said(at=stamp(now), what=what, who=self._who, why=why(self._action), clocks=clocks)

    def _differs(self, name: str) -> Rejected:
        """What stands there is no commit of ours, or no longer what was committed. It stays, and the run says so."""
        said = f"{self.folder}/{name} stands there already with other content"
        return Rejected(said, status=409, code="Differs")


def _can_be(name: str, others: Iterable[str]) -> bool:
    try:
        check_payload(name, others)
    except ValueError as error:
        log.warning("it is not taken for an item: %s", error)
        return False
    return True


def _artefact(place: str, item: Item) -> Artefact:
    whole = not any(mark.startswith(AS_IT_CAME) for mark in item.marks)
    return Artefact(
        name=place, size=item.size, sha256=item.sha256, proof=str(item.proof), marks=item.marks, whole=whole
    )
