"""What the tests read of infra/: names, blocks and words, as somebody would find them with a search."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
DOCS = ROOT / "docs"
QUERIES = sorted((INFRA / "queries").glob("*.kql"))


@cache
def text(name: str) -> str:
    """A file of infra/, without its comments where it is Bicep."""
    found = (INFRA / name).read_text(encoding="utf-8")
    return re.sub(r"^\s*//.*$", "", found, flags=re.MULTILINE) if ".bicep" in name else found


@cache
def every_bicep() -> str:
    """All Bicep that is deployed, in one text."""
    return "\n".join(text(str(path.relative_to(INFRA))) for path in sorted(INFRA.rglob("*.bicep")))


def data(name: str) -> Any:  # noqa: ANN401 - JSON
    """A JSON file of infra/."""
    return json.loads(text(name))


def block(template: str, start: str) -> str:
    """What begins with `start` and ends with the line that is as far to the left: a type, a variable, a resource."""
    found = re.search(rf"^{re.escape(start)}.*?^[\]}}]", template, re.DOTALL | re.MULTILINE)
    assert found, f"there is no block that begins with {start!r}"
    return found[0]


def members(template: str, start: str) -> dict[str, str]:
    """The members of a block one step in, with what is written after the colon."""
    return dict(re.findall(r"^  (\w+): (.*)$", block(template, start), re.MULTILINE))


def resources(template: str, kind: str) -> dict[str, str]:
    """The resources of a type by symbolic name."""
    names = re.findall(rf"^resource (\w+) '{re.escape(kind)}@", template, re.MULTILINE)
    return {name: block(template, f"resource {name} '{kind}@") for name in names}


def parameters(template: str) -> dict[str, bool]:
    """The parameters of a template, and whether each has a default."""
    found = re.findall(r"^param (\w+) [\w\[\]]+( =)?", template, re.MULTILINE)
    return {name: bool(default) for name, default in found}


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading of a page in docs/."""
    whole = (DOCS / page).read_text(encoding="utf-8")
    section = whole.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, f"{page} has no table under {heading}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
