"""From what a console printed to findings: connections, names, what starts by itself, who was there. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from responders._package.console import connections, dns_cache, groups, registry, sessions, shares
from responders._package.value import Read
from shared.models.findings import Account, Endpoint, Event, Findings, Kind, Persistence, ProcessKey, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUNS = re.compile(r"\\currentversion\\(?:run|runonce|policies\\explorer\\run)\b", re.IGNORECASE)
_LOGON = re.compile(r"\\currentversion\\winlogon$", re.IGNORECASE)
_LOGON_VALUES = frozenset({"shell", "userinit", "taskman", "appsetup"})
_DEBUGGER = re.compile(r"\\image file execution options\\", re.IGNORECASE)
_SERVICE = re.compile(r"\\services\\[^\\]+$", re.IGNORECASE)
_FIREWALL_FIELDS = "#fields:"


def of_connections(text: str, device: str, source: str) -> Read:
    """`netstat -anob`: what was connected or listening when the package was made."""
    rows = list(connections(text))
    endpoints = tuple(
        Endpoint(
            device=device,
            address=each.remote,
            port=each.port,
            protocol=each.protocol,
            process=ProcessKey(device, each.pid),
            process_name=each.program or each.component,
            action=each.state,
            where=Where(source, each.line),
        )
        for each in rows
        if each.remote not in {"*", "0.0.0.0", "::"} and each.port  # noqa: S104 - what listens is connected to nobody
    )
    return Read(len(rows), len(rows), Findings(endpoints=endpoints), f"{len(rows) - len(endpoints)} only listen")


def of_names(text: str, device: str, source: str) -> Read:
    """`ipconfig /displaydns`: names that the device looked up of late. No time is known, and none is invented."""
    rows = list(dns_cache(text))
    events = tuple(
        Event(None, device, Kind.NETWORK, "name in the cache", each.name, each.data, where=Where(source, each.line))
        for each in rows
    )
    return Read(len(rows), len(rows), Findings(events=events), zone="unknown")


def of_registry(text: str, device: str, source: str) -> Read:
    """`reg query /s` of the places from which programs start. What is not there was perhaps not loaded: a user's part
    of the registry is only while that user is signed in.
    """
    rows = list(registry(text))
    found: list[Persistence] = []
    for each in rows:
        mechanism = _mechanism(each.key, each.name)
        if mechanism:
            name = each.key.rpartition("\\")[2] if mechanism in {"service", "debugger"} else each.name
            found.append(Persistence(device, mechanism, name, each.key, each.data, where=Where(source, each.line)))
    return Read(len(rows), len(rows), Findings(persistence=tuple(found)))


def _mechanism(key: str, name: str) -> str:
    low = name.lower()
    if _RUNS.search(key):
        return "run key"
    if _LOGON.search(key) and low in _LOGON_VALUES:
        return "logon"
    if _DEBUGGER.search(key) and low in {"debugger", "verifierdlls"}:
        return "debugger"
    return "service" if _SERVICE.search(key) and low == "imagepath" else ""


def of_sessions(text: str, device: str, source: str) -> Read:
    """`quser`: who was signed in when the package was made."""
    rows = list(sessions(text))
    found = tuple(
        Account(device, user, kind="signed in", origin=rest, where=Where(source, line)) for line, user, rest in rows
    )
    return Read(len(rows), len(rows), Findings(accounts=found))


def of_shares(text: str, device: str, source: str) -> Read:
    """`net session`: who was connected by SMB."""
    rows = list(shares(text))
    found = tuple(
        Account(device, user, kind="SMB session", origin=host, where=Where(source, line)) for line, host, user in rows
    )
    return Read(len(rows), len(rows), Findings(accounts=found))


def of_groups(text: str, device: str, source: str, *, named: str) -> Read:
    """`net localgroup`: groups, and who is in them."""
    rows = list(groups(text, named))
    found = tuple(
        Account(device, member, kind=f"member of {group}", where=Where(source, line))
        for line, group, member in rows
        if member
    )
    return Read(len(rows), len(rows), Findings(accounts=found))


def of_firewall(text: str, device: str, source: str) -> Read:
    """`pfirewall.log`: its head names the fields, and says whether times are local."""
    fields: list[str] = []
    local, rows, events = True, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        low = line.lower()
        if low.startswith(_FIREWALL_FIELDS):
            fields = line[len(_FIREWALL_FIELDS) :].split()
        elif low.startswith("#time format:"):
            local = "local" in low
        elif line.strip() and not line.startswith("#"):
            rows += 1
            cells = line.split()
            if fields and len(cells) >= len(fields) - 1:
                events.append(_firewall(dict(zip(fields, cells, strict=False)), device, Where(source, number)))
    zone = "local" if local else "unknown"
    return Read(rows, len(events), Findings(events=tuple(events)), zone=zone)


def _firewall(row: Mapping[str, str], device: str, where: Where) -> Event:
    place = f"{row.get('dst-ip', '')}:{row.get('dst-port', '')}".rstrip(":-")
    detail = " ".join(row.get(name, "") for name in ("protocol", "src-ip", "src-port", "path")).strip()
    local = f"{row.get('date', '')} {row.get('time', '')}".strip()
    return Event(None, device, Kind.NETWORK, row.get("action", ""), place, detail, local=local, where=where)
