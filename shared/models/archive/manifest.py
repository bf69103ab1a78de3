"""What a run holds: every item with its hashes, where it came from, and what was not kept and why.

`docs/manifest.schema.json`, in every run as `manifest.schema.json`, is this model as JSON Schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.models.archive.contents import LARGEST
from shared.models.archive.digests import BLOCK
from shared.models.archive.names import LONGEST

SCHEMA = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_ID = "urn:bulkhead:manifest:1"
_HASH = r"^[0-9a-f]{64}$"
_SEGMENT = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?"

# For readers of the schema alone: an event that says otherwise is refused where it is made, and can be read.
_Hash = Annotated[str, Field(json_schema_extra={"pattern": _HASH})]
_MaybeHash = Annotated[str, Field(json_schema_extra={"pattern": r"^([0-9a-f]{64})?$"})]
_Time = Annotated[
    str,
    Field(
        json_schema_extra={
            "format": "date-time",
            "pattern": r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}Z$",
        }
    ),
]
_Path = Annotated[str, Field(json_schema_extra={"pattern": f"^data(/{_SEGMENT})+$", "maxLength": LONGEST})]
_Folder = Annotated[
    str,
    Field(json_schema_extra={"pattern": rf"^[0-9]{{4}}/[01][0-9]/inc-{_SEGMENT}/{_SEGMENT}/run-{_SEGMENT}$"}),
]


class Proof(StrEnum):
    """How far an item's hashes agree. `VERIFIED`: on the device, in flight and at rest. `RECEIVED`: in flight and at
    rest, and the device gave none. `MISMATCH`: what was received is not what the device said; it was kept all the same.
    What could not be computed agrees with nothing, and differs from nothing: where `stored` is empty, at rest does not
    count, and an item is marked so.
    """

    VERIFIED = "verified"
    RECEIVED = "received-only"
    MISMATCH = "mismatch"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hashes(_Strict):
    """SHA-256 in hex, by where it was computed. `device` is of the bytes before transport, `content` of what the
    received bytes decompress to, where transport or the device itself compressed them. `stored` is of a read of its
    own, after the commit; empty where no call had the time for that.
    """

    device: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    received: str = Field(pattern=_HASH)
    content: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    stored: str = Field(pattern=r"^([0-9a-f]{64})?$")


class Blocks(_Strict):
    """The SHA-256 of every block of `size` bytes, the last one shorter: which bytes differ can be told from them."""

    size: int = Field(BLOCK, ge=1)
    sha256: tuple[_Hash, ...] = ()


class Part(_Strict):
    """One of several pieces that an item was joined from, in order: its bytes in the item, and its hashes."""

    offset: int = Field(ge=0)
    size: int = Field(ge=0)
    received: str = Field(pattern=_HASH)
    content: _MaybeHash = ""
    content_size: Annotated[int | None, Field(json_schema_extra={"minimum": 0})] = None
    device: _MaybeHash = ""

    @property
    def agrees(self) -> bool:
        """Whether it is what the device said. It may be gzip by itself, which transport left alone."""
        return bool(self.device) and self.device in {self.content, self.received}

    @property
    def differs(self) -> bool:
        """Whether it is something else than the device said: what is too large to be looked through may be that."""
        unknown = not self.content and (self.content_size or 0) > LARGEST
        return bool(self.device) and not self.agrees and not unknown


def proof_of(hashes: Hashes, parts: Sequence[Part]) -> Proof:
    """How far an item's hashes agree: of one that was joined from parts, each part's too. Of what transport packed, and
    nobody looked through whole, the parts alone tell. What was not read at rest is not verified.
    """
    agrees = Proof.VERIFIED if hashes.stored else Proof.RECEIVED
    if any(each.differs for each in parts):
        return Proof.MISMATCH
    if hashes.device:
        if hashes.device in {hashes.content, hashes.received}:
            return agrees
        unknown = not hashes.content and any(each.content != each.received for each in parts)
        if not unknown:
            return Proof.MISMATCH
    return agrees if parts and all(each.agrees for each in parts) else Proof.RECEIVED


class Item(_Strict):
    """A collected item under `path` in the run. `marks` say, in words, what is unusual about it."""

    path: _Path
    size: int = Field(ge=0)
    sha256: str = Field(pattern=_HASH)
    kind: str
    media_type: str
    source: str = ""
    collected: _Time
    hashes: Hashes
    proof: Proof
    blocks: Blocks = Blocks()
    parts: tuple[Part, ...] = ()
    marks: tuple[str, ...] = ()


class Missing(_Strict):
    """What was wanted and is not here, and why."""

    subject: str
    at: _Time
    reason: str


class Device(_Strict):
    """The device, by Defender's id; its `name` is somebody else's text."""

    id: str
    name: str


class Run(_Strict):
    """One action of one responder on one device, for one incident."""

    folder: _Folder
    incident: str
    device: Device
    responder: str
    goal: str = ""
    round: int
    action: str
    machine_actions: tuple[str, ...] = ()
    rule: str = ""
    order: str = ""
    begun: _Time
    deployment: str
    version: str


class Manifest(_Strict):
    """Everything in a run."""

    v: int = Field(1, ge=1, le=1)
    run: Run
    made: _Time
    items: Annotated[tuple[Item, ...], Field(json_schema_extra={"uniqueItems": True})]
    missing: tuple[Missing, ...] = ()


def manifest_json(manifest: Manifest) -> bytes:
    """The manifest as it is stored, readable: one spelling, for whoever makes it again."""
    told = manifest.model_dump(mode="json")
    return (json.dumps(told, indent=2, sort_keys=True, ensure_ascii=True) + "\n").encode("ascii")


def manifest_schema() -> dict[str, Any]:
    """The model as JSON Schema. That no two items have one path is more than such a schema can say."""
    made = _untitled(Manifest.model_json_schema())
    title = "Manifest of a run in a Bulkhead evidence archive"
    return {"$schema": SCHEMA, "$id": SCHEMA_ID, "title": title, **made}


@cache
def schema_json() -> bytes:
    """The schema as it is published, and put beside each manifest."""
    return (json.dumps(manifest_schema(), indent=2, sort_keys=True) + "\n").encode("ascii")


def _untitled(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Without the titles that only repeat the names of members."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _untitled(each) for name, each in schema.items() if name != "title"}
