"""One run of the command: how it was called, and what it works at, opened when first needed."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click

from console.archive import Archive, open_archive
from console.cloud import Az, ask_az
from console.desk import STORAGE, Desk, open_desk, values_of
from console.voice import Voice

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT = 120.0
"""Seconds for which an order's answer is waited for, unless somebody says otherwise."""

_LONGEST_NAME = 200


def signed_in(values: Mapping[str, str]) -> str:
    """Who gives orders: the account of `az` where storage is reached with it, else the name at this machine."""
    if not values.get(STORAGE):
        az = shutil.which("az")
        if az:
            asked = [az, "account", "show", "--query", "user.name", "--output", "tsv"]
            try:
                said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout.strip()  # noqa: S603 - nothing in it is anybody's
            except (OSError, subprocess.TimeoutExpired):
                said = ""
            if said:
                return said
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


@dataclass
class Session:
    """How the command was called. `open`, `reach`, `environment`, `whoami` and `az` are seams."""

    open: Callable[[Mapping[str, str]], Desk] = open_desk
    reach: Callable[[Mapping[str, str], str], Archive] = open_archive
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    whoami: Callable[[Mapping[str, str]], str] = signed_in
    az: Az = ask_az
    settings: Path | None = None
    as_json: bool = False
    by: str = ""
    timeout: float = TIMEOUT

    @cached_property
    def values(self) -> Mapping[str, str]:
        """The settings file's values where one is given, and then nothing else; otherwise the environment."""
        return values_of(self.settings) if self.settings else self.environment

    @cached_property
    def desk(self) -> Desk:
        """What the command works at."""
        return self.open(self.values)

    def archive(self, url: str = "") -> Archive:
        """The archive that the settings name, or the one at a URL."""
        return self.reach(self.values, url)

    @property
    def voice(self) -> Voice:
        """How it speaks."""
        return Voice(as_json=self.as_json)

    @property
    def name(self) -> str:
        """Who gives the order, as far as this machine knows. Raises UsageError."""
        name = (self.by or self.whoami(self.values)).strip()[:_LONGEST_NAME]
        if not name:
            raise click.UsageError("nobody knows who you are: say it with --by NAME")
        return name


def _keep(ctx: click.Context, option: click.Parameter, value: object) -> None:
    """Put an option that was given into the session, whether it stands before or after the command's name."""
    if value is not None and value is not False and option.name:
        setattr(ctx.ensure_object(Session), option.name, value)


def looks(command: F) -> F:
    """The options of every command."""
    path = click.Path(exists=True, dir_okay=False, path_type=Path)
    settings = click.option(
        "--settings",
        type=path,
        envvar="BULKHEAD_SETTINGS",
        callback=_keep,
        expose_value=False,
        help="A local.settings.json that names the storage; without it, the environment does.",
    )
    as_json = click.option(
        "--json", "as_json", is_flag=True, callback=_keep, expose_value=False, help="One JSON object, for scripts."
    )
    return settings(as_json(command))


def person(command: F) -> F:
    """The options of every command that is noted with a person's name, and those of all others."""
    by = click.option("--by", callback=_keep, expose_value=False, help="Who you are, where this machine does not know.")
    return looks(by(command))


def orders(command: F) -> F:
    """The options of every command that gives an order, and those of all others."""
    by = click.option("--by", callback=_keep, expose_value=False, help="Who asks, where this machine does not know.")
    seconds = click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        callback=_keep,
        expose_value=False,
        help=f"Seconds to wait for the answer ({TIMEOUT:.0f}).",
    )
    return looks(by(seconds(command)))
