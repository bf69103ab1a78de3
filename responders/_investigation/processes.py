"""The processes that rows tell of, each once: by device, number and time of creation. Pure.

A row about a process tells of three: the one that began, the one that began it, and of that one's parent no more than
number, name and time. What a process says of itself outweighs what others say of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from responders._investigation import collector
from shared.models.findings import Process, ProcessKey

if TYPE_CHECKING:
    from datetime import timedelta

    from responders._investigation.rows import Row

_OWN = ("key", "where", "parent", "alerts", "collector")
_TOLD = tuple(each.name for each in fields(Process) if each.name not in _OWN)

_INITIATOR = (
    *("DeviceId", "InitiatingProcessId", "InitiatingProcessCreationTime", "InitiatingProcessCommandLine"),
    *("InitiatingProcessFolderPath", "InitiatingProcessSHA1", "InitiatingProcessIntegrityLevel"),
    *("InitiatingProcessSignatureStatus", "InitiatingProcessAccountName"),
)
"""What tells one telling of an initiator from another: thousands of rows tell the same."""


def key_of_initiator(row: Row) -> ProcessKey | None:
    """The process that did it."""
    return row.key("InitiatingProcessId", "InitiatingProcessCreationTime")


def account_of(row: Row, before: str = "") -> str:
    """An account with its domain; `before` is what its members' names begin with."""
    domain, name = row.text(f"{before}AccountDomain"), row.text(f"{before}AccountName")
    return f"{domain}\\{name}" if domain and name else name


def initiators(row: Row) -> str:
    """The account of the process that did it."""
    return account_of(row, "InitiatingProcess")


def processes_of(rows: Iterable[Row]) -> tuple[Process, ...]:
    """Every process that the rows tell of, with its parent and whose it is."""
    known: dict[ProcessKey, Process] = {}
    heard: set[tuple[object, ...]] = set()
    for row in rows:
        initiator = _initiator(row)
        for process in _told(row, again=initiator in heard):
            before = known.get(process.key)
            known[process.key] = merged(before, process) if before else process
        heard.add(initiator)
    return tuple(_labelled(process, known) for process in known.values())


def _initiator(row: Row) -> tuple[object, ...]:
    """What a row tells of its initiator, as it came; as texts where a member is none that can be compared."""
    told = tuple(map(row.raw.get, _INITIATOR))
    try:
        hash(told)
    except TypeError:
        return tuple(map(row.text, _INITIATOR))
    return told


def merged(one: Process, other: Process) -> Process:
    """What two tellings say together, the fuller one first."""
    first, second = (one, other) if _fullness(one) >= _fullness(other) else (other, one)
    gaps = {name: getattr(second, name) for name in _TOLD if not getattr(first, name)}
    alerts = tuple(dict.fromkeys((*first.alerts, *second.alerts)))
    return replace(first, **gaps, parent=first.parent or second.parent, alerts=alerts)


def _fullness(process: Process) -> int:
    return sum(bool(getattr(process, name)) for name in _TOLD)


def _told(row: Row, *, again: bool) -> Iterator[Process]:
    """The processes of a row; with `again` another row has told of its initiator already."""
    by = key_of_initiator(row)
    began = row.key("ProcessId", "ProcessCreationTime")
    if began and row.text("ActionType") == "ProcessCreated":
        yield Process(
            key=began,
            name=row.text("FileName"),
            path=row.text("FolderPath"),
            command_line=row.text("ProcessCommandLine"),
            parent=by,
            parent_name=row.text("InitiatingProcessFileName"),
            account=account_of(row),
            integrity=row.text("ProcessIntegrityLevel"),
            elevation=row.text("ProcessTokenElevation"),
            sha1=row.text("SHA1"),
            sha256=row.text("SHA256"),
            where=row.where,
        )
    if by is None or again:
        return
    parent = row.key("InitiatingProcessParentId", "InitiatingProcessParentCreationTime")
    yield Process(
        key=by,
        name=row.text("InitiatingProcessFileName"),
        path=row.text("InitiatingProcessFolderPath"),
        command_line=row.text("InitiatingProcessCommandLine"),
        parent=parent,
        parent_name=row.text("InitiatingProcessParentFileName"),
        account=account_of(row, "InitiatingProcess"),
        integrity=row.text("InitiatingProcessIntegrityLevel"),
        sha1=row.text("InitiatingProcessSHA1"),
        signature=row.text("InitiatingProcessSignatureStatus"),
        where=row.where,
    )
    if parent is not None:
        yield Process(key=parent, name=row.text("InitiatingProcessParentFileName"), where=row.where)


def _labelled(process: Process, known: Mapping[ProcessKey, Process]) -> Process:
    parent = known.get(process.parent) if process.parent else None
    whose = collector.label(process.path, process.command_line, parent.path if parent else "")
    return replace(process, collector=whose) if whose else process


def at_most_apart(one: ProcessKey, other: ProcessKey, apart: timedelta) -> bool:
    """Whether two keys mean one process: sources round the time of creation differently, or do not know it."""
    if (one.device.lower(), one.pid) != (other.device.lower(), other.pid):
        return False
    if one.created is None or other.created is None:
        return one.created is other.created
    return abs(one.created - other.created) <= apart
