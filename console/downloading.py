"""Bringing a run's objects to this machine, each into a file of its own, whatever somebody put among them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from typing import TYPE_CHECKING

from responders._verify import CHAIN, CHECKPOINT, CHUNK, MANIFEST, PAYLOAD, TAGS, Finding
from shared.models.archive.bag import SCHEMA
from shared.models.archive.names import portable

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from pathlib import Path

    from console.archive import Archive

BESIDE = {CHAIN, CHECKPOINT, MANIFEST, PAYLOAD, SCHEMA, TAGS, "README.txt", "bag-info.txt", "bagit.txt", "verify.py"}
EVENT = re.compile(r"custody/\d{6}\.json")
_PART = ".part"

REBUILD = {
    "bash": (
        r"tr -d '\r' < ../links.txt | while IFS=$'\t' read -r name link "
        '|| [ -n "$link" ]; do'
        ' curl -fsS --create-dirs -o "$name" "$link"; done'
    ),
    "PowerShell": (
        'Get-Content ../links.txt | ForEach-Object { $name, $link = $_ -split "`t", 2;'
        " $null = New-Item -ItemType File -Force -Path $name;"
        " Invoke-WebRequest -UseBasicParsing -Uri $link -OutFile $name }"
    ),
}
"""How whoever was lent a run makes its folder again, in an empty one beside `links.txt`, the names and their links."""


def place_of(archive: Archive, run: str, into: Path) -> str:
    """Where a run goes below `into`: as it lies in the archive, for names of runs are those of one device only. What an
    earlier version put into a folder of the last part alone is gone on with. Raises OSError where the folder has the
    seal of another run, that does not lie so in the archive either.
    """
    short = run.rpartition("/")[2]
    place = short if _sealed_as(into / short) == run else run
    seal = into / place / CHECKPOINT
    if _sealed_as(into / place) not in ("", run):
        standing = archive.evidence.head(f"{run}/{CHECKPOINT}")
        if standing is None or standing.sha256 != _hash(seal):
            raise OSError(errno.EEXIST, f"is of another run than {run}, and nothing is put over it", str(seal))
    return place


def _sealed_as(folder: Path) -> str:
    """The run whose seal lies in a folder, as that says; empty where none does that could be ours."""
    try:
        with (folder / CHECKPOINT).open("rb") as file:
            told = json.loads(file.read(CHUNK))
    except (OSError, ValueError, RecursionError):
        return ""
    return str(told.get("run") or "") if isinstance(told, dict) else ""


def parted(names: Iterable[str], items: Container[str]) -> tuple[list[str], list[Finding]]:
    """The names that can each be a file's beside the others on any system, in order, and a finding for each that is
    left out. What has a place in a run, `items` and the files beside these, goes before what somebody put there. Pure.
    """
    files, folders, left_out = dict[str, str](), dict[str, str](), list[Finding]()
    for name in sorted(names, key=lambda name: (_rank(name, items), name)):
        low = name.lower()
        over = [low[:at] for at, each in enumerate(low) if each == "/"]
        taken = [files[each] for each in (low, *over, f"{low}{_PART}", low.removesuffix(_PART)) if each in files]
        taken += [folders[low]] if low in folders else []
        if not portable(name):
            left_out.append(Finding(name, "", "is no name of ours: somebody put it there, and it was not fetched"))
        elif taken:
            left_out.append(Finding(name, "", f"cannot be a file beside {taken[0]}, and was not fetched"))
        else:
            files[low] = name
            folders |= dict.fromkeys(over, name)
    return sorted(files.values()), left_out


def _rank(name: str, items: Container[str]) -> int:
    if name in BESIDE or EVENT.fullmatch(name):
        return 0
    return (1 if name in items else 2) if name.startswith("data/") else 3


def refuse_links(folder: Path, name: str) -> None:
    """Raise OSError where a link stands in the way from `folder` to a file below it: it would be written elsewhere."""
    path = folder / name
    way = [each for each in path.parents if folder in each.parents]
    for each in (*way, path, _begun(path)):
        if each.is_symlink():
            raise OSError(errno.ELOOP, "is a link, and nothing is written through one", str(each))


def fetched(archive: Archive, name: str, path: Path, sealed: str = "") -> Iterator[int]:
    """Bring an object into a file; gives the bytes of each step. What stands there already, or an earlier try left,
    counts only where it has the hash that the object was committed with and `sealed` with (empty: nobody knows).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    standing = archive.evidence.head(name)
    size, hashes = (standing.size, {standing.sha256, sealed} - {""}) if standing else (0, {sealed} - {""})
    if path.is_file() and path.stat().st_size == size and {_hash(path)} == hashes:
        yield size
        return
    begun = _begun(path)
    have = begun.stat().st_size if begun.is_file() else 0
    if 0 < have <= size:
        yield have
        yield from _appended(archive, name, begun, have) if have < size else ()
        if {_hash(begun)} == hashes:
            begun.replace(path)
            return
        yield -size
    yield from _appended(archive, name, begun, 0)
    begun.replace(path)


def _begun(path: Path) -> Path:
    """Where a file is until it is whole."""
    return path.with_name(f"{path.name}{_PART}")


def _appended(archive: Archive, name: str, path: Path, start: int) -> Iterator[int]:
    with open(path, "ab" if start else "wb", opener=_opened) as file:
        for piece in archive.evidence.read(name, start=start):
            file.write(piece)
            yield len(piece)


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)  # Windows has none


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
