"""What commands of Linux and macOS print, known by its shape: nobody says how the members of their packages are called.
Pure. No pattern takes longer than a line is long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from responders._package.inventory import address_in
from responders._package.value import Read
from shared.models.findings import Account, Endpoint, Findings, Inventoried, Process, ProcessKey, Where

if TYPE_CHECKING:
    from collections.abc import Callable

_AUX = re.compile(
    r"(?P<user>\S+)\s+(?P<pid>\d{1,8})\s+\d+[.,]\d\s+\d+[.,]\d\s+\d+\s+\d+\s+\S+\s+\S+\s+\S+\s+\S+\s+(?P<line>\S.*)"
)
_EF = re.compile(
    r"\s*(?P<user>\S+)\s+(?P<pid>\d{1,8})\s+(?P<parent>\d{1,8})\s+\d+\s+\S+\s+\S+\s+(?:\d+-)?\d+:\d\d[:.]\d\d\s+(?P<line>\S.*)"
)
_SOCKET = re.compile(
    r"(?P<protocol>tcp|udp)\S*\s+(?:(?P<first>[A-Z][A-Z0-9_-]+)\s+)?\d+\s+\d+\s+(?P<local>\S+)[:.](?P<lport>\d{1,5}|\*)\s+"
    r"(?P<remote>\S+)[:.](?P<port>\d{1,5}|\*)(?:\s+(?P<last>[A-Z][A-Z0-9_]+))?(?P<rest>.*)",
    re.IGNORECASE,
)
_OWNER = re.compile(r'\(\("(?P<name>[^"]{1,100})",pid=(?P<pid>\d{1,10})|\s(?P<pid2>\d{1,10})/(?P<name2>\S+)')
_SIGNED_IN = re.compile(
    r"(?P<user>[A-Za-z0-9_.$-]{1,64})\s+(?P<line>(?:pts|tty|console|ttys|:)\S*)\s+(?:(?P<origin>\S+)\s+)?"
    r"(?P<when>[A-Z][a-z]{2}\s+[A-Z][a-z]{2}\s+\d{1,2}\s+\d\d:\d\d.*)"
)
_ASSIGNED = re.compile(r'(?P<name>[A-Z][A-Z0-9_]{1,40})="?(?P<value>[^"]*)"?')
_FEWEST = 2


def of_processes(text: str, device: str, source: str) -> Read:
    """`ps aux` and `ps -ef`."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        row = _AUX.fullmatch(line) or _EF.fullmatch(line)
        if row:
            command = row["line"]
            path = command.split(maxsplit=1)[0]
            parent = ProcessKey(device, int(row["parent"])) if "parent" in row.groupdict() else None
            key, name = ProcessKey(device, int(row["pid"])), path.rpartition("/")[2]
            where = Where(source, number)
            path = path if path.startswith("/") else ""
            made = Process(key, name, path, command_line=command, parent=parent, account=row["user"], where=where)
            found.append(made)
    return Read(len(found), len(found), Findings(processes=tuple(found)), zone="local")


def of_sockets(text: str, device: str, source: str) -> Read:
    """`ss` and `netstat` of Linux and macOS, which writes the port behind a dot."""
    rows, ends = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        row = _SOCKET.fullmatch(line.strip())
        if row is None:
            continue
        rows += 1
        remote = address_in(row["remote"].strip("[]"))
        if remote and row["port"] != "*" and int(row["port"]):
            owner = _OWNER.search(row["rest"])
            pid = (owner["pid"] or owner["pid2"]) if owner else ""
            ends.append(
                Endpoint(
                    device,
                    remote,
                    int(row["port"]),
                    protocol=row["protocol"].upper(),
                    process=ProcessKey(device, int(pid)) if pid else None,
                    process_name=(owner["name"] or owner["name2"]) if owner else "",
                    action=row["first"] or row["last"] or "",
                    where=Where(source, number),
                )
            )
    return Read(rows, rows, Findings(endpoints=tuple(ends)), f"{rows - len(ends)} only listen")


def of_sign_ins(text: str, device: str, source: str) -> Read:
    """`last`: who was signed in, from where. Its times name no year and no zone: they are kept in words."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        row = _SIGNED_IN.fullmatch(line.strip())
        if row:
            origin = " ".join(filter(None, (row["origin"], row["when"])))
            found.append(Account(device, row["user"], kind="signed in", origin=origin, where=Where(source, number)))
    return Read(len(found), len(found), Findings(accounts=tuple(found)), zone="local")


def of_assignments(text: str, device: str, source: str) -> Read:
    """`/etc/os-release` and what is written like it."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        row = _ASSIGNED.fullmatch(line.strip())
        if row:
            found.append(Inventoried(device, "system", row["name"], row["value"], where=Where(source, number)))
    return Read(len(found), len(found), Findings(inventory=tuple(found)))


_SHAPES: tuple[tuple[str, Callable[[str, str, str], Read]], ...] = (
    ("processes, by shape", of_processes),
    ("connections, by shape", of_sockets),
    ("sign-ins, by shape", of_sign_ins),
    ("system, by shape", of_assignments),
)


def shape_of(start: str) -> tuple[str, Callable[[str, str, str], Read]] | None:
    """The parser that understands most lines of a text's beginning, where it is at least two and most of them."""
    lines = sum(bool(line.strip()) for line in start.splitlines())
    tried = [(parser(start, "", "").rows, name, parser) for name, parser in _SHAPES]
    most, name, parser = max(tried, key=lambda each: each[0])
    return (name, parser) if most >= max(_FEWEST, lines // 3) else None
