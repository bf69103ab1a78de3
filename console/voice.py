"""What people and scripts read. Whatever may be somebody else's text is made inert: telemetry is an attacker's pen."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from responders._inert import inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType

Json = dict[str, Any]
_PIPED = 200
"""Columns where nobody looks at a terminal: what is searched line by line should not be broken."""


def foreign(text: str, limit: int = 400, style: str = "") -> Text:
    """Somebody else's text: no control character, no live address, and no markup of ours."""
    return Text(inert(text, limit), style)


def ours(text: str, style: str = "") -> Text:
    """A text in our words, into which a name or an answer of somebody else may have come."""
    return Text(inert(text, 4000, dots=False), style)


class Voice:
    """Speaks to a person on the standard output; or to a script, one JSON object for a command."""

    def __init__(self, *, as_json: bool) -> None:
        """Speak JSON, or words."""
        self._json = as_json

    def tell(self, told: Mapping[str, Any], *parts: RenderableType) -> None:
        """Say what a command found: `told` to a script, `parts` to a person.

        JSON is ASCII: whatever a terminal could obey or hide is escaped in it.
        """
        if self._json:
            click.echo(json.dumps(told, ensure_ascii=True, default=str))
            return
        console = self.console()
        for part in parts:
            console.print(part)

    def say(self, *lines: Text) -> None:
        """Say to a person what is known already, a line for each, however long it is."""
        if not self._json:
            console = self.console()
            for line in lines:
                console.print(line, soft_wrap=True)

    def progress(self) -> Progress:
        """What shows a person at a terminal how far something has come, apart from the outcome."""
        console = self.console(err=True)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        return Progress(
            *(*columns, TimeRemainingColumn()),
            console=console,
            disable=self._json or not console.is_terminal,
            transient=True,
            redirect_stdout=False,
        )

    def complain(self, told: Mapping[str, Any], lines: Sequence[Text]) -> None:
        """Say why nothing came of it: on the standard error to a person, where everything else is to a script."""
        if self._json:
            self.tell(told)
            return
        console = self.console(err=True)
        for number, line in enumerate(lines):
            console.print(Text("Error: " if not number else "- ").append(line))

    def aside(self, text: str) -> None:
        """Say to a person how it goes, apart from the outcome."""
        if not self._json:
            self.console(err=True).print(ours(text, "dim"))

    @staticmethod
    def console(*, err: bool = False) -> Console:
        """A console that takes no text for markup, and colours nothing by itself."""
        stream = sys.stderr if err else sys.stdout
        width = None if stream.isatty() else _PIPED
        return Console(file=stream, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Text | str]]) -> RenderableType:
    """Rows under a title; one line where there are none. A plain text in a cell is in our words."""
    made = Table(title=Text(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold", header_style="dim")
    for row in rows:
        made.add_row(*(ours(cell) if isinstance(cell, str) else cell for cell in row))
    return made if made.row_count else Text(f"{title}: none", "dim")
