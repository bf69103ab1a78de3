"""Where hunting queries come from: the shipped ones beside this module, and the operator's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SHIPPED = Path(__file__).parent / "hunting"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def shipped() -> dict[str, str]:
    """The texts of the shipped queries by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(SHIPPED.glob("*.kql"))}


def queries(added: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """The texts of queries by name: the shipped ones, and what `added` gives under other names. A name that is none
    (see the policy) has no text, so that nothing outside of a folder is ever read.
    """

    def read(name: str) -> str | None:
        if not _NAME.fullmatch(name):
            return None
        return shipped_only(name) or added(name)

    return read


def shipped_only(name: str) -> str | None:
    """The texts of the shipped queries alone."""
    return _file(SHIPPED, name) if _NAME.fullmatch(name) else None


def in_folder(folder: Path) -> Callable[[str], str | None]:
    """The operator's queries in a folder."""
    return lambda name: _file(folder, name)


def _file(folder: Path, name: str) -> str | None:
    path = folder / f"{name}.kql"
    return path.read_text(encoding="utf-8") if path.is_file() else None
