"""What is said of an item, and how that travels with its commit: a call that ends between the commit and the chain's
event takes nothing of it along. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from shared.models.archive.manifest import Hashes, Part, Proof, proof_of

if TYPE_CHECKING:
    from collections.abc import Mapping

UNTOLD = "application/octet-stream"
"""The media type of what nobody told one of."""

_MARK, _MARKS, _PROOF, _PARTS, _NOTE = "mark", "marks", "proof", "parts", "told"
_MEDIA_TYPE, _SOURCE, _DATE, _DEVICE = "mediatype", "source", "date", "devicehash"
_MOST = 500
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of an item: `device` is the hash that the device gave, `date` the clock of who sent it. It `differs`
    where it was seen, before its commit, that it is not what the device said.
    """

    kind: str
    media_type: str
    source: str = ""
    date: str = ""
    device: str = ""
    parts: tuple[Part, ...] = ()
    marks: tuple[str, ...] = ()
    differs: bool = False

    def proof(self, hashes: Hashes) -> Proof:
        """How far its hashes agree."""
        return Proof.MISMATCH if self.differs else proof_of(hashes, self.parts)

    @property
    def note(self) -> bytes:
        """What of it is too much for metadata: it lies in staging, as its parts do."""
        told = {"marks": self.marks, "parts": [part.model_dump() for part in self.parts]}
        return json.dumps(told, sort_keys=True).encode("ascii") if self.parts else b""


class _Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    marks: tuple[str, ...]
    parts: tuple[Part, ...]


def carried(told: Told, mark: str = "") -> dict[str, str]:
    """The metadata with which an item is committed. The `mark` is one that nobody could tell by looking once more."""
    fields = {
        _MEDIA_TYPE: told.media_type,
        _SOURCE: told.source,
        _DATE: told.date,
        _DEVICE: told.device,
        _MARK: mark,
        _MARKS: "; ".join(told.marks),
        _PARTS: str(len(told.parts) or ""),
        _NOTE: hashlib.sha256(told.note).hexdigest() if told.note else "",
    }
    plain = {name: re.sub(r"[^ -~]", "?", value).strip() for name, value in fields.items()}
    return {name: _short(value) for name, value in plain.items() if value}


def _short(value: str) -> str:
    return value if len(value) <= _MOST else f"{value[: _MOST - 3]}..."


def proven(proof: Proof) -> dict[str, str]:
    """The metadata that says how far the hashes of what came in parts agree."""
    return {_PROOF: str(proof)}


def mark_of(metadata: Mapping[str, str]) -> str:
    """The mark that an item was committed with; empty where there was none."""
    return metadata.get(_MARK, "")


def date_of(metadata: Mapping[str, str]) -> str:
    """What the clock of who sent it showed; empty where nobody told."""
    return metadata.get(_DATE, "")


def note_name(place: str, sha256: str) -> str:
    """Where the note lies of an item that lies at `place`."""
    return f"{place}/told-{sha256[:16]}"


def note_of(place: str, metadata: Mapping[str, str]) -> str:
    """Where the note lies of what was committed at `place`; empty where it has none."""
    return note_name(place, sha256) if _HASH.fullmatch(sha256 := metadata.get(_NOTE, "")) else ""


def recalled(metadata: Mapping[str, str], note: bytes | None) -> Told:
    """What was said of an item when it was committed, from its metadata and its note (None: it is gone). That a part
    was not what the device said stands in both.
    """
    device = metadata.get(_DEVICE, "")
    read = _read(note, metadata.get(_NOTE, ""))
    lost = () if read or not metadata.get(_PARTS) else (f"its {metadata[_PARTS]} parts are no longer known",)
    return Told(
        metadata.get("kind", "unknown").replace("-", "_"),
        metadata.get(_MEDIA_TYPE, UNTOLD),
        metadata.get(_SOURCE, ""),
        date_of(metadata),
        device if _HASH.fullmatch(device) else "",
        read.parts if read else (),
        read.marks if read else (*filter(None, [metadata.get(_MARKS)]), *lost),
        metadata.get(_PROOF) == Proof.MISMATCH,
    )


def _read(note: bytes | None, sha256: str) -> _Note | None:
    if note is None or hashlib.sha256(note).hexdigest() != sha256:
        return None
    try:
        return _Note.model_validate_json(note)
    except ValueError:
        return None
