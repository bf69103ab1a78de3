"""Whose doing a process is, where it is Defender's own or ours: both look like an intruder's at first sight. Pure.

A name proves nothing, since anybody can take it. So a program counts as Defender's only where it lies in a folder that
only Defender may write to, or was started by one that does. What is labelled is still shown.
"""

from __future__ import annotations

import re
from functools import lru_cache

from shared.models.findings import Collector

_FOLDERS = re.compile(
    r"(?:[a-z]:|\\device\\harddiskvolume\d+)\\(?:program files|programdata\\microsoft)"
    r"\\(?:windows defender(?: advanced threat protection)?|microsoft\\windows defender)(?:\\|$)"
    r"|^/opt/microsoft/mdatp/|^/applications/microsoft defender\.app/",
    re.IGNORECASE,
)
_PROGRAMS = frozenset(
    {
        *("mssense.exe", "senseir.exe", "sensecncproxy.exe", "sensesampleuploader.exe", "sensendr.exe", "sensetvm.exe"),
        *("msmpeng.exe", "mpcmdrun.exe", "nissrv.exe", "wdavdaemon", "mdatp", "wdavdaemonclient"),
    }
)
_OURS = re.compile(r"(?:^|[\\/\"'\s])bulkhead-[a-z0-9._-]+\.(?:ps1|sh)\b", re.IGNORECASE)


@lru_cache(maxsize=4096)
def is_defenders(path: str) -> bool:
    """Whether a program is one of Defender's, by its whole path."""
    name = re.split(r"[\\/]", path.lower())[-1]
    return name in _PROGRAMS and bool(_FOLDERS.search(path))


def label(path: str, command_line: str, parent_path: str) -> Collector:
    """Whose a process is: Defender's, ours (a live response script, which Defender runs), or anybody's."""
    by_defender = is_defenders(parent_path)
    if by_defender and _OURS.search(command_line):
        return Collector.BULKHEAD
    if by_defender or is_defenders(path):
        return Collector.DEFENDER
    return Collector.NOBODY
