"""Bring what a finished action left into the evidence store: streamed, hashed in flight, committed once.

A name derives from what a thing is (incident, device, run, artefact), so a second writer finds it taken, verifies what
stands there and goes on. A download that is not whole is never committed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from responders._containment import settle
from responders._dispatch import importance
from responders._nudges import tell
from responders._watch import snapshot_name
from shared.errors import BulkheadError, Denied, Forbidden, Incomplete, Rejected, Throttled, Transient
from shared.models.action import Artefact, State
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from responders._interface import Harvest
    from responders._ledger import Entry
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.storage.interface import Stored

CLAIM = timedelta(minutes=12)
"""How long a download belongs to the worker that began it: longer than any function may run."""

FETCHES = 8
RETRY = timedelta(seconds=20)
_ZIP_START = b"PK\x03\x04"
_ZIP_EMPTY = b"PK\x05\x06"
_ZIP_END = b"PK\x05\x06"
_TAIL = 66_000

log = logging.getLogger(__name__)


class Archive:
    """The archiving side of the flow."""

    def __init__(self, ports: Ports) -> None:
        """Everything outside comes with `ports`."""
        self._ports = ports

    def run(self, stop: datetime) -> None:
        """Archive what is due, the most important first, until nothing is left or `stop`."""
        while self._ports.clock.now() < stop:
            due = [
                each for each in self._ports.ledger.due(self._ports.clock.now()) if each.value.state is State.FETCHING
            ]
            if not due:
                return
            entry = min(due, key=lambda each: importance(each.value))
            now = self._ports.clock.now()
            claim = entry.value.model_copy(update={"due": now + CLAIM, "fetches": entry.value.fetches + 1})
            try:
                claimed = self._ports.ledger.move(entry, claim)
            except Conflict:
                continue
            self._one(claimed, stop)

    def _one(self, entry: Entry[Action], stop: datetime) -> None:
        action = entry.value
        try:
            artefacts = self._collect(action, stop)
        except Throttled as error:
            wait = timedelta(seconds=error.retry_after or RETRY.total_seconds())
            self._again(entry, wait, str(error), counted=False)
        except (Transient, Rejected, Forbidden) as error:
            final = isinstance(error, Denied | Forbidden) or action.fetches >= FETCHES
            if final:
                todo = "fetch the package in the Defender portal, from the device's action centre, before it is gone"
                to = action.to(State.FAILED, self._ports.clock.now(), detail=f"not archived: {error}"[:400], todo=todo)
                self._write(entry, to)
            else:
                self._again(entry, RETRY * 2 ** min(action.fetches - 1, 5), str(error), counted=True)
        else:
            state = State.ELSEWHERE if action.foreign else State.SUCCEEDED
            self._write(entry, action.to(state, self._ports.clock.now(), artefacts=artefacts, detail=""))

    def _again(self, entry: Entry[Action], wait: timedelta, detail: str, *, counted: bool) -> None:
        action = entry.value
        fetches = action.fetches if counted else action.fetches - 1
        due = self._ports.clock.now() + wait
        self._write(entry, action.model_copy(update={"due": due, "fetches": fetches, "detail": detail[:300]}))

    def _write(self, entry: Entry[Action], to: Action) -> None:
        if settle(self._ports, entry, to):
            tell(self._ports, to)

    def _collect(self, action: Action, stop: datetime) -> tuple[Artefact, ...]:
        """The run's artefacts: the incident as it was judged, its alerts, and what the responder names."""
        responder = self._ports.responders[action.responder]
        harvest = responder.fetches
        if harvest is None:
            raise BulkheadError(f"{responder.name} has nothing to be archived")
        folder = run_folder(action)
        beside = [self._document(action, folder, name, data) for name, data in self._incident(action)]
        return (self._harvest(action, folder, harvest, stop), *beside)

    def _incident(self, action: Action) -> Iterator[tuple[str, bytes]]:
        data = self._ports.documents.read(snapshot_name(action.incident, action.version))
        if data is None:
            raise Transient(f"the snapshot of incident {action.incident} cannot be read")
        incident = json.loads(data)
        for name, part in (("incident", incident), ("alerts", incident.get("alerts") or [])):
            yield f"data/incident/{name}.json", json.dumps(part, sort_keys=True, indent=1).encode()

    def _document(self, action: Action, folder: str, name: str, data: bytes) -> Artefact:
        stored = self._ports.evidence.write_once(
            f"{folder}/{name}", [data], media_type="application/json", metadata=_metadata(action, "incident")
        )
        return self._proven(stored, hashlib.sha256(data).hexdigest())

    def _harvest(self, action: Action, folder: str, harvest: Harvest, stop: datetime) -> Artefact:
        name = f"{folder}/{harvest.name}"
        stands = self._ports.evidence.head(name)
        if stands:
            return self._proven(stands, stands.sha256)
        responder = self._ports.responders[action.responder]
        link = responder.link(self._ports.devices, action.machine_action)
        download = self._ports.downloads.open(link)
        stored = self._ports.evidence.write_once(
            name,
            whole_zip(self._until(download.chunks, stop)),
            media_type=harvest.media_type,
            metadata=_metadata(action, responder.name),
        )
        return self._proven(stored, stored.sha256)

    def _until(self, chunks: Iterable[bytes], stop: datetime) -> Iterator[bytes]:
        for chunk in chunks:
            if self._ports.clock.now() >= stop:
                raise Incomplete("the time of one call ran out during the download")
            yield chunk

    def _proven(self, stored: Stored, sha256: str) -> Artefact:
        """The artefact, once what stands there is what it should be. What this call did not commit itself is read
        again: a crash, or another worker, may have left it.
        """
        found = stored.sha256 if stored.created else self._read(stored.name)
        if found != sha256 or stored.sha256 != sha256:
            raise Rejected(f"{stored.name} stands there already with other content", status=409, code="Differs")
        return Artefact(name=stored.name, size=stored.size, sha256=sha256)

    def _read(self, name: str) -> str:
        digest = hashlib.sha256()
        for chunk in self._ports.evidence.read(name):
            digest.update(chunk)
        return digest.hexdigest()


def run_folder(action: Action) -> str:
    """Where a run's evidence lies: year/month, incident, device, run. Safe on every system, in nobody else's words."""
    begun = action.created.astimezone(UTC)
    label = re.sub(r"[^a-z0-9]+", "-", action.device_name.partition(".")[0].lower()).strip("-")[:20] or "device"
    return (
        f"{begun:%Y/%m}/inc-{action.incident}/dev-{label}-{action.device[:8].lower()}"
        f"/run-{begun:%Y%m%dT%H%M%SZ}-{action.round:02d}"
    )


def _metadata(action: Action, kind: str) -> dict[str, str]:
    return {
        "incident": action.incident,
        "device": action.device,
        "kind": kind.replace("_", "-"),
        "action": action.id,
        "machineaction": action.machine_action,
        "version": action.version,
    }


def whole_zip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks of a zip file, unless it turns out not to be one, or not to be whole: it has to begin as one, and its
    end-of-central-directory record has to stand at its end. Raises Incomplete, at the latest after the last chunk.
    """
    first = True
    tail = b""
    for chunk in chunks:
        if not chunk:
            continue
        if first and not chunk.startswith((_ZIP_START, _ZIP_EMPTY)) and len(chunk) >= len(_ZIP_START):
            raise Incomplete("what was downloaded is not a zip file")
        first = False
        tail = (tail + chunk)[-_TAIL:]
        yield chunk
    at = tail.rfind(_ZIP_END)
    size = int.from_bytes(tail[at + 20 : at + 22], "little") if at >= 0 else -1
    if at < 0 or at + 22 + size != len(tail):
        raise Incomplete("the zip file that was downloaded is cut short")
