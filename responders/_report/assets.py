"""The files that a report is made of, read once from beside this module."""

from __future__ import annotations

from functools import cache
from importlib import resources

from responders._report.page import Assets

TEMPLATES = ("report.html.j2", "index.html.j2")


@cache
def assets() -> Assets:
    """Templates, style and script."""
    folder = resources.files("responders._report").joinpath("assets")
    read = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in (*TEMPLATES, "report.css", "report.js")}
    return Assets(tuple((name, read[name]) for name in TEMPLATES), read["report.css"], read["report.js"])
