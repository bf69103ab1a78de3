"""Part of a thing that is fetched in several."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what comes in several, as it lies in staging. `size` and `sha256` (hex) are of the bytes as they were
    received; `content_size` and `content_sha256` of what they decompress to, where they are gzip, else the same again.
    `device` is the hash that the device gave of the content (empty: none). Of what is not `bounded` its source did not
    tell the length.
    """

    number: int
    size: int
    sha256: str
    content_size: int
    content_sha256: str
    device: str = ""
    bounded: bool = True
