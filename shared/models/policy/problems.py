"""What is wrong with a policy: where, what, and what was probably meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Path = tuple[str | int, ...]
"""Keys and places in lists, from the top of the document."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem. `line` counts from 1; 0 where a policy did not come from a text. `path` reads `rules[2].when`."""

    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}, " if self.line else ""
        return f"{place}{self.path or 'the policy'}: {self.message}"


class PolicyError(ValueError):
    """A policy that cannot be used; `problems` names every one at once, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in the order of their lines, each once."""
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(f"- {problem}" for problem in self.problems))


def spelt(path: Path) -> str:
    """`rules[2].when.severity` for ("rules", 2, "when", "severity")."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")
