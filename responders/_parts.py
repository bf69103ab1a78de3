"""Parts of a thing that comes in several: as they are noted in staging, and as the manifest tells them. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from shared.models.archive import manifest
from shared.models.part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_PART = TypeAdapter(Part)

UNTOLD = "length not told by the source"
"""What is said of a download that would look whole if it had broken off."""


def told(part: Part) -> bytes:
    """A part as it is noted beside its pieces."""
    return json.dumps(asdict(part), sort_keys=True).encode("ascii")


def read(noted: bytes, number: int, size: int) -> Part | None:
    """The part of this number and so many bytes as it was noted; None where it was not, or where that is damaged."""
    try:
        part = _PART.validate_json(noted, strict=True)
    except ValueError:
        return None
    return part if (part.number, part.size) == (number, size) else None


def wrong(part: Part) -> bool:
    """Whether a part is something else than the device said."""
    return _in_manifest(part, 0).differs


def marks(parts: Sequence[Part]) -> tuple[str, ...]:
    """What is odd about parts. That the length was not told does not matter where the device's hash agrees."""
    differs = [f"part {each.number} is not what the device said" for each in parts if wrong(each)]
    untold = [each for each in parts if not each.bounded and (not each.device or wrong(each))]
    return (*differs, *(f"part {each.number}: {UNTOLD}" for each in untold))


def in_manifest(parts: Sequence[Part]) -> Iterator[manifest.Part]:
    """The parts with their places in the whole."""
    offset = 0
    for each in parts:
        yield _in_manifest(each, offset)
        offset += each.size


def _in_manifest(part: Part, offset: int) -> manifest.Part:
    return manifest.Part(
        offset=offset,
        size=part.size,
        received=part.sha256,
        content=part.content_sha256,
        content_size=part.content_size,
        device=part.device,
    )
