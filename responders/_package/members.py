"""Which parser a member of a package gets: by its folder and name, which are English on every Windows. Pure.

A member of another name, as in packages of Linux and macOS whose names no page gives, is looked at for a shape that is
known, and else counted: its size and hash stand in the report, and nobody pretends to have read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from responders._package import inventory, listed, told, unix
from responders._package.value import Read

Parser = Callable[[str, str, str], Read]
"""Text, device, source."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a member is read: by a parser of texts, as an event log, as a prefetch file, or not at all (`why`)."""

    name: str
    parser: Parser | None = None
    event_log: bool = False
    prefetch: bool = False
    why: str = ""


_TABLES: tuple[tuple[str, str, Parser], ...] = (
    (r"process(es)?[^/]*\.csv$", "processes", listed.of_processes),
    (r"services[^/]*\.csv$", "services", listed.of_services),
    (r"scheduled ?tasks[^/]*\.csv$", "scheduled tasks", listed.of_tasks),
    (r"autoruns?[^/]*\.(txt|csv)$|(^|/)autoruns/[^/]+\.txt$", "autoruns", told.of_registry),
    (r"(activenetconnections|netstat)[^/]*\.txt$", "connections", told.of_connections),
    (r"dnscache[^/]*\.txt$", "DNS cache", told.of_names),
    (r"pfirewall\.log(\.old)?$", "firewall log", told.of_firewall),
    (r"queryuser[^/]*\.txt$", "sessions", told.of_sessions),
    (r"(^|/)smb ?(inbound|outbound)? ?sessions?/[^/]+\.txt$|smb(in|out)boundsessions?\.txt$", "SMB", told.of_shares),
    (r"installed ?programs?[^/]*\.csv$", "programs", inventory.of_programs),
    (r"(^|/)arp[^/]*\.txt$", "neighbours", inventory.of_neighbours),
    (r"(^|/)ipconfig[^/]*\.txt$", "addresses", inventory.of_addresses),
    (r"(^|/)system ?info(rmation)?[^/]*\.txt$", "system", inventory.of_system),
    (
        r"tempdirfiles[^/]*\.txt$|(^|/)temp ?directories/[^/]+\.txt$|prefetchfileslist[^/]*\.txt$",
        "files",
        inventory.of_listing,
    ),
    (r"\.csv$", "table", listed.of_any_table),
)
_BY_NAME = tuple((re.compile(pattern, re.IGNORECASE), name, parser) for pattern, name, parser in _TABLES)
_GROUPS = re.compile(r"(^|/)users and groups/(?P<named>[^/]+)\.txt$", re.IGNORECASE)
_BY_KIND = (
    (re.compile(r"\.evtx$", re.IGNORECASE), Way("event log", event_log=True)),
    (re.compile(r"\.pf$", re.IGNORECASE), Way("prefetch", prefetch=True)),
    (
        re.compile(r"\.(zip|cab|gz|7z|rar|tar|tgz|jar)$", re.IGNORECASE),
        Way("archive", why="an archive inside of the package; it stays closed"),
    ),
    (
        re.compile(r"\.(etl|dmp|dat|db|xls|xlsx|exe|dll|sys)$", re.IGNORECASE),
        Way("file", why="no parser for this kind of file"),
    ),
)
_CONNECTIONS = re.compile(r"^[ \t]*+(tcp|udp)\S*\s+\S+:\d+\s+\S+:[\d*]+", re.IGNORECASE | re.MULTILINE)
_FEWEST = 2
_REGISTRY = re.compile(r"^HKEY_[A-Z_]+\\.*\n[ \t]{2}.*[ \t]{2}REG_[A-Z_]+", re.MULTILINE)


def way_of(path: str) -> Way:
    """How a member is read, by its path with forward slashes."""
    found = next((way for pattern, way in _BY_KIND if pattern.search(path)), None)
    if found:
        return found
    for pattern, name, parser in _BY_NAME:
        if pattern.search(path):
            return Way(name, parser)
    group = _GROUPS.search(path)
    if group:
        return Way("groups", partial(told.of_groups, named=group["named"]))
    return Way("", why="no parser for a file of this name")


def by_shape(text: str) -> Way | None:
    """How a text is read whose name says nothing; None where its shape says nothing either."""
    start = text[:20_000]
    if _REGISTRY.search(start):
        return Way("autoruns, by shape", told.of_registry)
    if _CONNECTIONS.search(start) and next(iter(told.of_connections(start, "", "").findings.endpoints), None):
        return Way("connections, by shape", told.of_connections)
    shape = unix.shape_of(start)
    if shape:
        return Way(*shape)
    if inventory.of_neighbours(start, "", "").rows >= _FEWEST:
        return Way("neighbours, by shape", inventory.of_neighbours)
    return None
