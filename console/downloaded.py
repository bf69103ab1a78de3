"""A folder into which somebody downloaded: which runs lie there, sealed or not, and what is beside them.

Whoever takes a run's seal away could take other files with it, so a run without one is known by whatever is left of it:
the name of its folder, any file that only a run has, or the chain of accesses beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from console.downloading import BESIDE, EVENT
from responders._verify import CHECKPOINT

if TYPE_CHECKING:
    from collections.abc import Container

_ANYBODY_S = {"README.txt", "verify.py"}
"""Names that others give to their files too: of a run where its folders lie beside them."""
_FOLDERS = ("data", "custody")


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What lies in a folder: the runs with a seal, those without one, and the chains of accesses by the run that each
    is of, which may lie elsewhere or not at all. Paths are whole.
    """

    sealed: list[Path]
    unsealed: list[Path]
    chains: dict[Path, Path]


def downloaded(root: Path) -> Downloaded:
    """What lies in `root`, a whole path; in and under a run only that one is sought."""
    names = [root, *root.rglob("*")]
    sealed = {path.parent for path in names if path.name == CHECKPOINT}
    found = {run for path in names if (run := _told_by(path))}
    chains = {path.parents[1] / path.name: path for path in names if _folder(path) and path.parent.name == "access"}
    chains = {run: path for run, path in chains.items() if not _under(path, sealed)}
    for run in sealed:
        if (beside := run.parent / "access" / run.name).is_dir():
            chains[run] = beside
    found |= {run for run in chains if run.is_relative_to(root)}
    found -= sealed
    unsealed = sorted(run for run in found if not (_under(run, sealed) or _collected(run, found)))
    return Downloaded(sorted(sealed), unsealed, dict(sorted(chains.items())))


def _told_by(path: Path) -> Path | None:
    """The run that a path shows to be there, if it does."""
    if _folder(path):
        return path if path.parent.name != "access" else None
    if EVENT.fullmatch(f"{path.parent.name}/{path.name}"):
        return path.parents[1]
    own = path.name in BESIDE - _ANYBODY_S
    own = own or (path.name in _ANYBODY_S and any((path.parent / each).is_dir() for each in _FOLDERS))
    return path.parent if own else None


def _folder(path: Path) -> bool:
    return path.name.startswith("run-") and path.is_dir()


def _under(path: Path, runs: Container[Path]) -> bool:
    return any(each in runs for each in path.parents)


def _collected(path: Path, runs: Container[Path]) -> bool:
    """Whether it is among the items of a run: what a device had may be called like anything."""
    return any(each.parent in runs and each.name == "data" for each in (path, *path.parents))
