"""Tables that a device's commands write, in its own language: columns are found by what stands in them. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_LONGEST_CELL = 1 << 20
_MOST_CELLS = 200
_DIGITS = 10
"""Of the number of a process or a session, at the most."""

_GROUPED = re.compile(r"'[^']*'(?:,'[^']*')+")


@dataclass(frozen=True, slots=True)
class Line:
    """One row with its line's number. `mended` says that a cell held several, so that cells were moved."""

    number: int
    cells: tuple[str, ...]
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the cells of its head (in whatever language), and its rows."""

    head: tuple[str, ...]
    rows: tuple[Line, ...]
    odd: int = 0
    """Rows that have more or fewer cells than the head."""

    def column(self, *names: str) -> int:
        """The place of the column that one of these names heads, without regard to case and spaces; -1 for none."""
        wanted = [_plain(name) for name in names]
        heads = [_plain(cell) for cell in self.head]
        return next((heads.index(name) for name in wanted if name in heads), -1)

    def like(self, fits: Callable[[str], bool], *, share: float = 0.6) -> int:
        """The first column whose cells mostly fit; -1 for none."""
        for place in range(len(self.head)):
            cells = [row.cells[place] for row in self.rows if place < len(row.cells) and row.cells[place].strip()]
            if cells and sum(map(fits, cells)) >= share * len(cells):
                return place
        return -1


def read_table(text: str) -> Table:
    """The table in a text of comma-separated values. A head that is repeated (as `schtasks` does for each folder) and
    the `#TYPE` line of PowerShell are left out.
    """
    lines = list(_lines(text))
    if lines and lines[0].cells and lines[0].cells[0].startswith("#TYPE"):
        lines = lines[1:]
    if not lines:
        return Table((), ())
    head, *rest = lines
    rows = [_mended(line, len(head.cells)) for line in rest if line.cells != head.cells]
    return Table(head.cells, tuple(rows), sum(len(row.cells) != len(head.cells) for row in rows))


def cell(row: Line, place: int) -> str:
    """A cell without spaces around it; empty where the row does not reach so far, or the place is unknown."""
    return row.cells[place].strip() if 0 <= place < len(row.cells) else ""


def _lines(text: str) -> Iterator[Line]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(text.replace("\x00", "").splitlines(keepends=True))
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        if any(each.strip() for each in cells):
            yield Line(reader.line_num, tuple(cells[:_MOST_CELLS]))


def _mended(line: Line, width: int) -> Line:
    """A row in which some cells came as one (`'True','Auto'`), with them apart, where it is whole by that."""
    if len(line.cells) >= width:
        return line
    cells: list[str] = []
    for each in line.cells:
        found = _GROUPED.fullmatch(each.strip())
        cells += [part.strip("'") for part in found[0].split(",")] if found else [each]
    return Line(line.number, tuple(cells), mended=True) if len(cells) == width else line


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def whole_number(written: str) -> bool:
    """Whether a cell holds a whole number, such as a process has."""
    bare = written.strip()
    return bare.isascii() and bare.isdigit() and len(bare) <= _DIGITS


def named(head: Sequence[str]) -> bool:
    """Whether a head is in English, so that its names can be trusted."""
    return all(each.isascii() for each in head)
