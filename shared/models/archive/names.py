"""Names that are safe on every system, and never in anybody else's words.

Reviewers open the archive with Storage Explorer, azcopy and on Windows, where letters of either case are the same, some
names belong to devices, and a path has 260 characters. What a device or an attacker called a thing stands in a file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

LONGEST = 90
"""Characters of a name within a run: with the folder of the run and a place to download it to, 180 are kept to."""

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?<![.])")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LABEL = 20


def portable(name: str) -> bool:
    """Whether a file can have this name on every system: plain letters, digits, dots, hyphens and underscores."""
    segments = name.split("/")
    plain = all(_SEGMENT.fullmatch(each) and not _DEVICES.fullmatch(each) for each in segments)
    return plain and len(name) <= LONGEST


def check_payload(name: str, others: Iterable[str] = ()) -> None:
    """Raise ValueError unless a collected item can be kept under this name: `data/...`, plain letters, digits, dots,
    hyphens and underscores, no other item's name but for its capitals, and none that is a folder of one.
    """
    if not name.startswith("data/") or not portable(name):
        raise ValueError(f"not the name of an item in a run: {name[:120]!r}")
    mine = f"{name}/".lower()
    for each in others:
        other = f"{each}/".lower()
        if each != name and other == mine:
            raise ValueError(f"{name} differs from {each} in its capitals only")
        if other != mine and (mine.startswith(other) or other.startswith(mine)):
            raise ValueError(f"of {name} and {each} one is a folder of the other")


def label(device_name: str) -> str:
    """A device's name as part of a folder's: the first label, in small letters, digits and hyphens."""
    plain = re.sub(r"[^a-z0-9]+", "-", device_name.partition(".")[0].lower()).strip("-")
    return plain[:_LABEL].strip("-") or "device"


def run_folder(begun: datetime, incident: str, device: str, device_name: str, run: str) -> str:
    """Where a run lies: year/month, incident, device, run. `begun` is in UTC, `run` names the run within the device;
    what concerns no device in particular lies under `tenant`.
    """
    place = f"dev-{label(device_name)}-{device[:8].lower()}" if device else "tenant"
    return f"{begun:%Y/%m}/inc-{incident}/{place}/{run}"


def run_name(begun: datetime, responder: str, goal: str, number: int) -> str:
    """The last part of a run's folder: when it began (UTC), what did it, for which of several goals, which round."""
    which = f"-{goal}" if goal else ""
    return f"run-{begun:%Y%m%dT%H%M%SZ}-{responder.replace('_', '-')}{which}-{number:02d}"


def access_folder(run: str) -> str:
    """Where it stands who was given a run after it was sealed: beside it, for the run itself stays as it was sealed."""
    device, _, name = run.rpartition("/")
    return f"{device}/access/{name}"
