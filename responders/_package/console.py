"""What console commands print: rows are known by addresses, numbers, paths and types, never by words. Pure.

Whoever had the device may have written these lines: no pattern here takes longer than a line is long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CONNECTION = re.compile(
    r"\s*(?P<protocol>TCP|UDP)(?:v6)?\s+(?P<local>\S+:[\d*]+|\*:\*)\s+(?P<remote>\S+:[\d*]+|\*:\*)"
    r"(?:\s+(?P<state>[^\d\s]\S*(?: \S+)?))?\s+(?P<pid>\d{1,10})\s*"
)
_PROGRAM = re.compile(r"\s*\[(?P<name>[^\[\]]{1,260})\]\s*")
_COMPONENT = re.compile(r"\s+(?P<name>\S{1,100})\s*")
_KEY = re.compile(r"(?:HKEY_[A-Z_]+|HK(?:LM|CU|U|CR|CC))(?:\\.*)?")
_VALUE = re.compile(r"(?<=\s\s)(?P<type>REG_[A-Z_]++)(?:\s\s(?P<data>.*))?\Z")
_DASHES = re.compile(r"\s*-{5,}\s*")
_LABELLED = re.compile(r"\s*+\S.*?\. ?:\s?(?P<value>.*)|[^:]*\s:\s(?P<other>.*)")
_SESSION = re.compile(r"[>\s]?(?P<user>\S{1,100})(?:\s+(?P<session>\S+))?\s+(?P<id>\d{1,6})\s+(?P<rest>\S.*)")
_SHARE = re.compile(r"\s*\\\\(?P<host>[^\s\\]{1,100})\s+(?P<user>\S{1,100})(?P<rest>.*)")
_HOST = re.compile(r"[^\s.]{1,63}(?:\.[^\s.]{1,63})*\.?")


@dataclass(frozen=True, slots=True)
class Connection:
    """A row of `netstat -anob`, with the program that the lines below it name."""

    line: int
    protocol: str
    local: str
    remote: str
    port: int
    state: str
    pid: int
    program: str = ""
    component: str = ""


def connections(text: str) -> Iterator[Connection]:
    """The connections that `netstat` shows; lines of components and programs belong to the row above them."""
    waiting: Connection | None = None
    for number, line in enumerate(text.splitlines(), 1):
        row = _CONNECTION.fullmatch(line)
        if row:
            if waiting:
                yield waiting
            remote, _, port = row["remote"].rpartition(":")
            waiting = Connection(
                number,
                row["protocol"],
                row["local"],
                remote.strip("[]").partition("%")[0],
                int(port) if port.isdigit() and len(port) <= 5 else 0,  # noqa: PLR2004 - the digits of a port
                row["state"] or "",
                int(row["pid"]),
            )
        elif waiting:
            program, component = _PROGRAM.fullmatch(line), _COMPONENT.fullmatch(line)
            if program or not component or waiting.component:
                yield _with(waiting, program["name"] if program else "", waiting.component)
                waiting = None
            else:
                waiting = _with(waiting, "", component["name"])
    if waiting:
        yield waiting


def _with(one: Connection, program: str, component: str) -> Connection:
    return Connection(one.line, one.protocol, one.local, one.remote, one.port, one.state, one.pid, program, component)


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the registry, as `reg query` prints it."""

    line: int
    key: str
    name: str
    kind: str
    data: str


def registry(text: str) -> Iterator[Value]:
    """The values that `reg query /s` shows."""
    key = ""
    for number, line in enumerate(text.splitlines(), 1):
        if _KEY.fullmatch(line.rstrip()):
            key = line.rstrip()
        elif key and line[:2].isspace() and (row := _VALUE.search(line, 4)):
            yield Value(number, key, line[: row.start()].strip(), row["type"], (row["data"] or "").strip())


@dataclass(frozen=True, slots=True)
class Resolved:
    """A name in the resolver's cache, and what it was resolved to."""

    line: int
    name: str
    data: str


def dns_cache(text: str) -> Iterator[Resolved]:
    """The records that `ipconfig /displaydns` shows: a name, a line of dashes, then labelled values; the first value of
    a record is its name, the last one what it was resolved to.
    """
    values: list[tuple[int, str]] = []
    inside = False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        found = _LABELLED.fullmatch(line)
        if _DASHES.fullmatch(line):
            inside, values = True, []
        elif inside and found:
            values.append((number, (found["value"] or found["other"] or "").strip()))
        elif inside and not line.strip():
            name, data = (values[0][1], values[-1][1]) if len(values) > 2 else ("", "")  # noqa: PLR2004 - name, type, data
            if _HOST.fullmatch(name) and data:
                yield Resolved(values[0][0], name.rstrip("."), data.rstrip("."))
            values = []


def sessions(text: str) -> Iterator[tuple[int, str, str]]:
    """Who is signed in, as `quser` shows: line, user, and the rest. The head has no number in its place."""
    for number, line in enumerate(text.splitlines(), 1):
        row = _SESSION.fullmatch(line.rstrip())
        if row:
            yield number, row["user"].lstrip(">"), row["rest"]


def shares(text: str) -> Iterator[tuple[int, str, str]]:
    """Who is connected by SMB, as `net session` shows: line, host, user."""
    for number, line in enumerate(text.splitlines(), 1):
        row = _SHARE.fullmatch(line)
        if row:
            yield number, row["host"], row["user"]


def groups(text: str, named: str) -> Iterator[tuple[int, str, str]]:
    """Members of local groups, as `net localgroup` shows: line, group, member (empty: the group alone). Groups stand
    behind an asterisk; the members of one stand below a line of dashes, up to an empty line or the closing sentence.
    """
    group, inside, titled = named, False, False
    lines = text.splitlines()
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    for number, line in enumerate(lines, 1):
        words = line.rstrip()
        if words.startswith("*"):
            yield number, words[1:].strip(), ""
        elif _DASHES.fullmatch(words):
            inside = True
        elif not (inside or titled) and len(parts := re.split(r"\s{2,}", words.strip())) == 2:  # noqa: PLR2004 - label, value
            group, titled = parts[1], True
        elif inside and not words.strip():
            inside = False
        elif inside and number != last:
            yield number, group, words.strip()
