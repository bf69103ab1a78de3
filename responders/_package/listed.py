"""From tables to findings: processes, services, scheduled tasks, whatever language their heads are in. Pure.

English heads are read by name. Others are read by what stands in the columns, and by the places that a command always
gives them; what was told by shape alone is said to be so.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from responders._package.tables import cell, named, read_table, whole_number
from responders._package.value import Read
from shared.models.findings import Findings, Persistence, Process, ProcessKey, Where
from shared.models.lenient import instant

if TYPE_CHECKING:
    from responders._package.tables import Table

_IMAGE = re.compile(
    r'"?(?:[A-Za-z]:\\|\\\\|\\SystemRoot\\|%[A-Za-z]+%\\|\\\?\?\\)[^"]*\.(?:exe|sys|dll)\b', re.IGNORECASE
)
_WMI = re.compile(r"(\d{14})\.(\d{6})([+-])(\d{3})")
_ZONED = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)")
_TASK = re.compile(r"\\\S.*")
# where `schtasks /query /fo csv /v` puts things, counted from the task's name
_AUTHOR, _COMMAND, _ACCOUNT = 6, 7, 13
_BY_SHAPE = "columns told by their content: the head is not in English, or has other names"


def of_processes(text: str, device: str, source: str) -> Read:
    """The running processes."""
    table = read_table(text)
    pid, parent = table.column("ProcessId", "PID", "Process Id", "Id"), table.column("ParentProcessId", "PPID")
    path = table.column("ExecutablePath", "ImagePath", "Path")
    line = table.column("CommandLine", "Command Line")
    name = table.column("ProcessName", "Name", "Caption")
    began = table.column("CreationDate", "StartTime", "Creation Date")
    account = table.column("UserName", "User Name", "Owner", "User")
    guessed = pid < 0
    if guessed:
        pid, path = _numbers(table), table.like(lambda each: bool(_IMAGE.match(each)), share=0.5)
        name = table.like(lambda each: each.lower().endswith(".exe") and "\\" not in each, share=0.5)
    found = []
    for row in table.rows:
        if not whole_number(cell(row, pid)):
            continue
        written = cell(row, began)
        created = moment(written)
        by = cell(row, parent)
        image = cell(row, path)
        found.append(
            Process(
                key=ProcessKey(device, int(cell(row, pid)), created),
                name=cell(row, name) or image.rpartition("\\")[2],
                path=image,
                command_line=cell(row, line),
                parent=ProcessKey(device, int(by)) if whole_number(by) else None,
                account=cell(row, account),
                where=Where(source, row.number),
            )
        )
    return _read(table, len(found), Findings(processes=tuple(found)), guessed=guessed)


def _numbers(table: Table) -> int:
    """The first column of whole numbers that are all different: the numbers of processes."""
    for place in range(len(table.head)):
        cells = [cell(row, place) for row in table.rows]
        told = [each for each in cells if each]
        if told and all(map(whole_number, told)) and len(set(told)) == len(told) >= 2:  # noqa: PLR2004 - one says nothing
            return place
    return -1


def moment(written: str) -> datetime | None:
    """An instant, where a zone is written with it (WMI, ISO 8601); never a guess."""
    wmi = _WMI.fullmatch(written)
    if wmi:
        away = timedelta(minutes=int(f"{wmi[3]}{wmi[4]}"))
        try:
            local = datetime.strptime(wmi[1], "%Y%m%d%H%M%S")  # noqa: DTZ007 - its zone follows
            return local.replace(microsecond=int(wmi[2]), tzinfo=timezone(away)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    return instant(written) if _ZONED.fullmatch(written) else None


def of_services(text: str, device: str, source: str) -> Read:
    """The services."""
    table = read_table(text)
    name, path = (
        table.column("Name", "ServiceName"),
        table.column("PathName", "Path Name", "ImagePath", "BinaryPathName"),
    )
    account = table.column("StartName", "Start Name", "Account", "ServiceAccount", "LogOnAs")
    guessed = name < 0 or path < 0
    if guessed:
        path = table.like(lambda each: bool(_IMAGE.match(each)), share=0.5)
        name = max(name, 0)
    found = [
        Persistence(device, "service", cell(row, name), command=cell(row, path), account=cell(row, account),
                    where=Where(source, row.number))
        for row in table.rows
        if cell(row, name)
    ]  # fmt: skip
    return _read(table, len(found), Findings(persistence=tuple(found)), guessed=guessed)


def of_tasks(text: str, device: str, source: str) -> Read:
    """The scheduled tasks. One task has a row for each of its triggers."""
    table = read_table(text)
    task = table.like(lambda each: bool(_TASK.fullmatch(each)))
    by_name = table.column("TaskName") == task >= 0
    command = table.column("Task To Run") if by_name else task + _COMMAND
    account = table.column("Run As User") if by_name else task + _ACCOUNT
    author = table.column("Author") if by_name else task + _AUTHOR
    found: dict[tuple[str, str], Persistence] = {}
    understood = 0
    for row in table.rows:
        name = cell(row, task)
        if task < 0 or not name.startswith("\\"):
            continue
        understood += 1
        place = f"by {cell(row, author)}" if cell(row, author) else ""
        made = Persistence(
            device, "task", name, place, cell(row, command), cell(row, account), where=Where(source, row.number)
        )
        found.setdefault((made.name, made.command), made)
    return _read(table, understood, Findings(persistence=tuple(found.values())), guessed=not by_name, zone="local")


def of_any_table(text: str, device: str, source: str) -> Read:
    """A table of which nothing but its size is told."""
    del device, source
    table = read_table(text)
    return _read(table, len(table.rows), Findings(), guessed=False)


def _read(table: Table, understood: int, findings: Findings, *, guessed: bool, zone: str = "UTC") -> Read:
    mended = sum(row.mended for row in table.rows)
    said = [
        _BY_SHAPE if guessed and table.rows and not named(table.head) else "",
        "columns told by their content: none has a known name" if guessed and table.rows and named(table.head) else "",
        f"{mended} rows had several cells in one, put apart" if mended else "",
        f"{table.odd} rows have another number of cells than the head" if table.odd else "",
    ]
    return Read(len(table.rows), understood, findings, "; ".join(filter(None, said)), zone)
