"""A run while it is gathered: what was committed is read again by itself, and then told in the chain of custody."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from responders._at_rest import AtRest, read_again, unread
from responders._bounded import bounded
from responders._custody import Chain
from responders._ours import Ours
from responders._run import metadata_of, run_folder, run_of, tags_of, who, why
from responders._sealing import Seal
from responders._told import carried, date_of, mark_of, note_of, proven, recalled
from responders._untold import GRACE, untold
from shared.errors import Cause, Incomplete, NotFound, Rejected
from shared.models.action import Artefact
from shared.models.archive.contents import Seen
from shared.models.archive.custody import KEPT, MISSING, NOTED, OPENED, SEALED, Clocks, Said, stamp
from shared.models.archive.manifest import Blocks, Hashes, Item, Proof
from shared.models.archive.names import check_payload
from shared.models.lenient import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from responders._ports import Ports
    from responders._told import Told
    from shared.models.action import Action
    from shared.models.archive.contents import Contents
    from shared.storage.interface import Piece, Stored

_AT_ONCE = 1 << 20
FUNCTION = "archive_evidence"
ZIP = "application/zip"
AS_IT_CAME = "kept as it came"
"""How a mark begins that says what an item was refused for, until nothing better could be had."""

STANDS = "stood there already: an earlier call committed it"

_CLOCK, _UNKNOWN, _SEAL = "clock", "unknown", "seal"
_HASH = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)


class Keeping:
    """One action's run in the evidence store. `broken` is why a download broke off in this call. In the `last` call
    what there is no time to read again is kept without that; `unread` counts what was.
    """

    def __init__(self, ports: Ports, action: Action, stop: datetime) -> None:
        """For one action, until `stop`."""
        self._ports = ports
        self._action = action
        self._stop = stop
        self._who = who(ports.settings.AZURE_CLIENT_ID, FUNCTION, ports.settings.DEPLOYMENT)
        self.broken, self.last, self.unread = "", False, 0
        self.folder = run_folder(action)
        self._ours = Ours(ports.mac, action)
        self.chain = Chain(ports.evidence, f"{self.folder}/custody", metadata_of(action, "custody"), self._ours)

    def left(self) -> float:
        """Seconds until this call has to end by itself."""
        return max(0.0, (self._stop - self._ports.clock.now()).total_seconds())

    def timed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, as long as there is time. Raises Incomplete. None is larger than takes a moment to look into, for
        a mebibyte of gzip may be a gibibyte.
        """
        for chunk in chunks:
            for at in range(0, max(1, len(chunk)), _AT_ONCE):
                if not self.left():
                    raise Incomplete("the time of one call ran out", cause=Cause.TIME)
                yield chunk[at : at + _AT_ONCE]

    def place(self, name: str) -> str:
        """Where an item lies. Raises ValueError for a name that no item can have."""
        check_payload(name, [each.item.path for each in self.chain.events if each.item])
        return f"{self.folder}/{name}"

    def write(self, name: str, chunks: Iterable[bytes], told: Told) -> Stored:
        """Commit a stream under the item's name, or find what stands there."""
        metadata, tags = self._labels(told)
        return self._ports.evidence.write_once(self.place(name), chunks, metadata=metadata, tags=tags)

    def join(
        self,
        name: str,
        pieces: Sequence[Piece],
        told: Told,
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
        mark: str = "",
    ) -> Stored:
        """Commit what lies in pieces, as `write` does. A `mark` goes with its commit, so that it is never without."""
        return self._joined(name, pieces, check, self._labels(told, mark))

    def join_parts(self, name: str, pieces: Sequence[Piece], told: Told) -> tuple[Stored, Contents | None]:
        """Commit what came in parts, with what was known of them and with what its hashes come to, and give what it
        holds, if it was this call that committed it.
        """
        labels, seen = self._labels(told), Seen()
        metadata, tags = labels

        def looked(chunks: Iterable[bytes]) -> Iterator[bytes]:
            yield from seen.passing(self.timed(chunks))
            content, received = seen.contents.sha256, seen.sha256
            proof = told.proof(Hashes(device=told.device, content=content, received=received, stored=received))
            metadata.update(proven(proof))
            tags.update(status=str(proof))

        if note := note_of(self.place(name), metadata):
            self._ports.staging.write_once(note, [told.note], metadata=metadata_of(self._action, "part"))
        stored = self._joined(name, pieces, looked, labels)
        return stored, seen.contents if stored.created else None

    def _joined(
        self,
        name: str,
        pieces: Sequence[Piece],
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
        labels: tuple[dict[str, str], dict[str, str]],
    ) -> Stored:
        join, (metadata, tags) = self._ports.evidence.join_once, labels
        return join(self.place(name), pieces, self._ports.staging, check=check, metadata=metadata, tags=tags)

    def _labels(self, told: Told, mark: str = "") -> tuple[dict[str, str], dict[str, str]]:
        """Metadata and tags of what is committed next, before it is read. Raises Rejected where the run is sealed."""
        self.chain.must_be_open()
        tags = tags_of(self._action, told.kind, str(Proof.RECEIVED))
        return metadata_of(self._action, told.kind) | carried(told, mark), tags

    def known(self, name: str) -> Artefact | None:
        """The item, where the chain tells already that it was kept and what stands there was not exchanged since."""
        event = self.chain.find(KEPT, name)
        if event is None or event.item is None:
            return None
        standing = self._ports.evidence.head(self.place(name))
        if standing is None or (standing.size, standing.sha256) != (event.item.size, event.item.sha256):
            raise self._differs(name)
        return _artefact(self.place(name), event.item)

    def kept(self, name: str, stored: Stored, told: Told, seen: Contents | None = None) -> Artefact:
        """The item, once a read of its own has shown that what stands there is what was committed. What it holds is
        looked into meanwhile, unless it was `seen` on the way there. Raises Incomplete where the call is too short for
        that, unless it is the `last`.
        """
        rest = self._at_rest(name, stored, told, seen)
        marks = [*told.marks, *filter(None, [mark_of(stored.metadata)])]
        if not stored.created:
            if not self._ours.committed(stored):
                raise self._differs(name)
            marks.append(STANDS)
        hashes = Hashes(device=told.device, received=stored.sha256, content=rest.content, stored=rest.sha256)
        item = Item(
            path=name,
            size=stored.size,
            sha256=stored.sha256,
            kind=told.kind,
            media_type=told.media_type,
            source=told.source,
            collected=stamp(self._ports.clock.now()),
            hashes=hashes,
            proof=told.proof(hashes),
            blocks=Blocks(sha256=rest.blocks),
            parts=told.parts,
            marks=(*marks, *rest.marks),
        )
        date = told.date or date_of(stored.metadata)
        self.say(KEPT, name, source=told.source, to=stored.name, date=date, item=item)
        return _artefact(stored.name, item)

    def _at_rest(self, name: str, stored: Stored, told: Told, seen: Contents | None) -> AtRest:
        chunks, committed = self.timed(self._ports.evidence.read(stored.name)), (stored.size, stored.sha256)
        try:
            read = partial(self._range, stored.name)
            rest = read_again(chunks, committed, read, seen, named=told.media_type == ZIP)
        except Incomplete as error:
            if error.cause is not Cause.TIME or not self.last or not _HASH.fullmatch(stored.sha256):
                raise
            self.unread += 1
            return unread(seen)
        if rest is None:
            raise self._differs(name)
        return rest

    def _range(self, place: str, start: int, size: int) -> bytes:
        data = b""
        for chunk in self.timed(self._ports.evidence.read(place, start=start)):
            data += chunk[: size - len(data)]
            if len(data) == size:
                break
        return data

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
        """Seal the run, if anything was gathered. `missing` says what was not had, and why: where only somebody else's
        lies there it is told, too, for that may be the reason. May be repeated.
        """
        if not self.chain.sealed:
            self._take_in()
        if not self.chain.events and not (missing and any(self._ports.evidence.names(f"{self.folder}/"))):
            return
        if missing and not self.chain.sealed:
            self.say(MISSING, self._action.responder, detail=missing)
        known = any(event.clocks.device for event in self.chain.events if event.what == NOTED)
        said = self._said(SEALED, device="" if known else _UNKNOWN).model_copy(
            update={"detail": text(detail[:1000]), "run": run_of(self._action, self._ports.settings.DEPLOYMENT)}
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
        `kept` raises, so that a run in which something lies that was never read again is not sealed, and Incomplete
        where so much of somebody else's lies there that there is no time for it.
        """
        told = {each.item.path for each in self.chain.events if each.item}
        stop = self._stop + GRACE if self.last else self._stop
        for name, stored in untold(self._ports, self.folder, told, self._ours, stop):
            self.kept(name, stored, recalled(stored.metadata, self._note(note_of(stored.name, stored.metadata))))

    def _note(self, name: str) -> bytes | None:
        try:
            return bounded(self._ports.staging, name) if name else None
        except NotFound as error:
            if error.code == "ContainerNotFound":
                raise
            return None

    def _said(self, what: str, date: str = "", device: str = "") -> Said:
        now = self._ports.clock.now()
        host = self._ports.host_time
        clocks = Clocks(storage=stamp(now), host=stamp(host()) if host else "", defender=date, device=device)
        return Said(at=stamp(now), what=what, who=self._who, why=why(self._action), clocks=clocks)

    def _differs(self, name: str) -> Rejected:
        """What stands there is no commit of ours, or no longer what was committed. It stays, and the run says so."""
        said = f"{self.folder}/{name} stands there already with other content"
        return Rejected(said, status=409, code="Differs")


def _artefact(place: str, item: Item) -> Artefact:
    whole = not any(mark.startswith(AS_IT_CAME) for mark in item.marks)
    return Artefact(
        name=place, size=item.size, sha256=item.sha256, proof=str(item.proof), marks=item.marks, whole=whole
    )
