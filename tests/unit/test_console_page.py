"""docs/console.md names every command and option that there is, and messages name no other."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from console.commands import bulkhead

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")
EVERYWHERE = {"--settings", "--json", "--by", "--timeout"}
TO_COME: set[str] = set()
"""Commands that pages name, and that are not there yet."""


def commands(group: click.Group = bulkhead, before: str = "bulkhead") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}", command


def row(name: str, command: click.Command) -> tuple[str, set[str]]:
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    usage = [each.make_metavar(click.Context(command)) for each in arguments]
    options = {each.opts[0] for each in command.params if isinstance(each, click.Option)}
    return " ".join([name, *usage]), options - EVERYWHERE


def test_the_page_has_every_command_with_its_options_and_no_other() -> None:
    told = re.findall(r"^\| `(bulkhead [^`]+)` \|.*\|([^|]*)\|$", PAGE, re.MULTILINE)
    written = {usage: set(re.findall(r"`(--[a-z]+)`", options)) for usage, options in told}
    assert written == dict(row(name, command) for name, command in commands())


def test_every_command_takes_what_the_page_says_that_every_one_takes() -> None:
    for name, command in commands():
        options = {each.opts[0] for each in command.params if isinstance(each, click.Option)}
        assert options >= {"--settings", "--json"}, name
        assert command.help, name


@pytest.mark.parametrize("folder", ["responders", "infra", "docs", "console"])
def test_only_commands_that_exist_are_named(folder: str) -> None:
    known = {name.split()[1] for name, _ in commands()} | TO_COME
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md", ".bicep"}]
    named = {found for path in files for found in re.findall(r"[`:] ?bulkhead ([a-z-]+)\b", path.read_text("utf-8"))}
    assert named <= known
    assert named


def test_what_it_needs_is_listed_once_for_each_who_installs_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = project["optional-dependencies"]["operate"]
    for name in ("requirements-operate.in", "requirements-dev.in"):
        assert set(needed) <= set((ROOT / name).read_text(encoding="utf-8").splitlines()), name
