"""What a live response session can do on a device."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PutFile:
    """Bring a file of the library to the device's working folder, which does not survive a restart."""

    name: str


@dataclass(frozen=True, slots=True)
class RunScript:
    """Run a script of the library, for ten minutes at the most."""

    name: str
    args: str = ""


@dataclass(frozen=True, slots=True)
class GetFile:
    """Have a file of the device, as its result."""

    path: str


Command = PutFile | RunScript | GetFile
"""What a live response session can do. In a session every PutFile comes before every RunScript, and these before every
GetFile; the first that fails is the last.
"""
