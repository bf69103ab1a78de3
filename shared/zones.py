"""The time zones of the pinned package tzdata: a table, the same on every machine, whatever its system knows."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import tzinfo


@cache
def known() -> frozenset[str]:
    """The names of all zones."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def checked(name: str) -> str:
    """A zone's name. Raises ValueError for what is none."""
    if name not in known():
        raise ValueError(f"'{name}' is no time zone; write an IANA name, for example Europe/Berlin or Asia/Tokyo")
    return name


@cache
def zone(name: str) -> tzinfo:
    """A zone by its IANA name. Raises KeyError."""
    if name not in known():
        raise KeyError(name)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)
