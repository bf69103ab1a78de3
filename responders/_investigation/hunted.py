"""From rows of hunting to findings: events, connections, persistence, accounts, files, and what is elsewhere. Pure.

Which answers mean what is told by the query's name; an operator's own query stays evidence that nobody interprets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from responders._investigation import collector
from responders._investigation.persistence import noticed, set_in_registry
from responders._investigation.processes import account_of, initiators, key_of_initiator, processes_of
from shared.models.findings import (
    Account,
    Collector,
    Elsewhere,
    Endpoint,
    Event,
    FileFact,
    Findings,
    Kind,
)

if TYPE_CHECKING:
    from datetime import datetime

    from responders._investigation.rows import Answer, Row

_KINDS = {
    "processes": Kind.PROCESS,
    "network": Kind.NETWORK,
    "files": Kind.FILE,
    "logons": Kind.LOGON,
    "registry": Kind.REGISTRY,
    "image-loads": Kind.IMAGE,
    "device-events": Kind.OTHER,
}
"""The queries whose rows are events, and what sort."""

_TRAITS = {
    "same-hashes": "hash",
    "same-domains": "domain",
    "same-addresses": "address",
    "same-command-lines": "command line",
    "same-accounts": "account",
}


def found(answers: Iterable[Answer]) -> Findings:
    """What the answers of hunts say, in no order of time."""
    every = list(answers)
    rows = {answer.query: [] for answer in every}  # type: dict[str, list[Row]]
    for answer in every:
        rows[answer.query].extend(answer.rows)
    events = [_event(kind, row) for query, kind in _KINDS.items() for row in rows.get(query, ())]
    return Findings(
        events=(*events, *_alerts(rows.get("alert-evidence", ()))),
        processes=processes_of(row for query in _KINDS for row in rows.get(query, ())),
        endpoints=_endpoints(rows.get("network", ())),
        persistence=(*set_in_registry(rows.get("registry", ())), *noticed(rows.get("device-events", ()))),
        accounts=_accounts(rows.get("logons", ())),
        files=_files(rows.get("file-certificates", ()), rows.get("prevalence", ())),
        elsewhere=tuple(each for query, trait in _TRAITS.items() for each in _same(trait, rows.get(query, ()))),
        sources=tuple(answer.source for answer in every),
    )


def _event(kind: Kind, row: Row) -> Event:
    what, detail = _TELLERS[kind](row)
    return Event(
        at=row.moment("Timestamp"),
        device=row.device,
        kind=kind,
        action=row.text("ActionType"),
        what=what,
        detail=detail,
        account=account_of(row) or initiators(row),
        actor=key_of_initiator(row),
        actor_name=row.text("InitiatingProcessFileName"),
        process=row.key("ProcessId", "ProcessCreationTime"),
        sha1=row.text("SHA1"),
        sha256=row.text("SHA256"),
        collector=_whose(row),
        where=row.where,
    )


def _whose(row: Row) -> Collector:
    """An event is the collector's where its process is, or where it is the start of one that is."""
    acting = row.text("InitiatingProcessFolderPath")
    if row.raw.get("ProcessCreationTime") and row.text("ActionType") == "ProcessCreated":
        return collector.label(row.text("FolderPath"), row.text("ProcessCommandLine"), acting)
    return collector.label(acting, row.text("InitiatingProcessCommandLine"), "")


def _of_process(row: Row) -> tuple[str, str]:
    return row.text("FolderPath") or row.text("FileName"), row.text("ProcessCommandLine")


def _of_network(row: Row) -> tuple[str, str]:
    address, port = row.text("RemoteIP"), row.number("RemotePort")
    host = f"[{address}]" if ":" in address else address
    return (f"{host}:{port}" if port else address) or row.text("RemoteUrl"), row.text("RemoteUrl")


def _of_file(row: Row) -> tuple[str, str]:
    before, origin = row.text("PreviousFileName"), row.text("FileOriginUrl")
    told = [f"was {before}" if before else "", f"from {origin}" if origin else ""]
    return row.text("FolderPath") or row.text("FileName"), "; ".join(filter(None, told))


def _of_logon(row: Row) -> tuple[str, str]:
    told = [row.text(name) for name in ("LogonType", "RemoteDeviceName", "RemoteIP", "FailureReason")]
    return account_of(row), " ".join(filter(None, told))


def _of_registry(row: Row) -> tuple[str, str]:
    name = row.text("RegistryValueName")
    return row.text("RegistryKey") + (f"\\{name}" if name else ""), row.text("RegistryValueData")


def _of_anything(row: Row) -> tuple[str, str]:
    more = row.raw.get("AdditionalFields")
    what = next(filter(None, map(row.text, ("FolderPath", "FileName", "RegistryKey", "RemoteUrl", "RemoteIP"))), "")
    return what, row.text("ProcessCommandLine") or (more if isinstance(more, str) else str(more or ""))


_TELLERS: Mapping[Kind, Callable[[Row], tuple[str, str]]] = {
    Kind.PROCESS: _of_process,
    Kind.NETWORK: _of_network,
    Kind.FILE: _of_file,
    Kind.IMAGE: _of_file,
    Kind.LOGON: _of_logon,
    Kind.REGISTRY: _of_registry,
    Kind.OTHER: _of_anything,
}
"""What an event happened to, and what else is to be told of it."""


def _alerts(rows: Iterable[Row]) -> Iterator[Event]:
    """The alerts of every product about the device, once each."""
    for group in _grouped(rows, lambda row: (row.text("AlertId"),)):
        one = group[0]
        yield Event(
            at=one.moment("Timestamp"),
            device=one.device,
            kind=Kind.ALERT,
            action=one.text("ServiceSource"),
            what=one.text("Title"),
            detail=one.text("Severity"),
            techniques=tuple(re.findall(r"T\d{4}(?:\.\d{3})?", str(one.raw.get("AttackTechniques") or ""))),
            alerts=(one.text("AlertId"),),
            where=one.where,
        )


def _span(rows: Iterable[Row]) -> tuple[datetime | None, datetime | None]:
    moments = [moment for row in rows if (moment := row.moment("Timestamp"))]
    return min(moments, default=None), max(moments, default=None)


def _grouped(rows: Iterable[Row], key: Callable[[Row], tuple[object, ...]]) -> list[list[Row]]:
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _endpoints(rows: Iterable[Row]) -> tuple[Endpoint, ...]:
    """Connections of one process to one address and port, once for each kind of outcome."""
    made = []
    names = ("RemoteIP", "RemotePort", "RemoteUrl", "Protocol", "ActionType")
    for group in _grouped(rows, lambda row: (key_of_initiator(row), row.device, *map(row.text, names))):
        one, (first, last) = group[0], _span(group)
        made.append(
            Endpoint(
                device=one.device,
                address=one.text("RemoteIP"),
                port=one.number("RemotePort"),
                name=one.text("RemoteUrl"),
                protocol=one.text("Protocol"),
                process=key_of_initiator(one),
                process_name=one.text("InitiatingProcessFileName"),
                action=one.text("ActionType"),
                count=len(group),
                first=first,
                last=last,
                public={"public": True, "private": False, "loopback": False, "reserved": False}.get(
                    one.text("RemoteIPType").lower()
                ),
                collector=_whose(one),
                where=one.where,
            )
        )
    return tuple(made)


def _accounts(rows: Iterable[Row]) -> tuple[Account, ...]:
    made = []
    names = ("AccountDomain", "AccountName", "AccountSid", "LogonType", "RemoteDeviceName", "RemoteIP")
    for group in _grouped(rows, lambda row: (row.device, *map(row.text, names))):
        one, (first, last) = group[0], _span(group)
        failed = sum("fail" in row.text("ActionType").lower() for row in group)
        administrator = {row.flag("IsLocalAdmin") for row in group} - {None}
        made.append(
            Account(
                device=one.device,
                name=one.text("AccountName"),
                domain=one.text("AccountDomain"),
                sid=one.text("AccountSid"),
                kind=one.text("LogonType"),
                origin=" ".join(filter(None, map(one.text, ("RemoteDeviceName", "RemoteIP")))),
                count=len(group),
                failed=failed,
                first=first,
                last=last,
                administrator=any(administrator) if administrator else None,
                where=one.where,
            )
        )
    return tuple(made)


def _files(certificates: Iterable[Row], prevalence: Iterable[Row]) -> tuple[FileFact, ...]:
    seen = {row.text("SHA1").lower(): row for row in prevalence}
    signed = {row.text("SHA1").lower(): row for row in certificates}
    facts = []
    for sha1 in {**signed, **seen}:
        certificate, spread = signed.get(sha1), seen.get(sha1)
        one = certificate or spread
        if one is None or not sha1:
            continue
        facts.append(
            FileFact(
                sha1=sha1,
                signer=certificate.text("Signer") if certificate else "",
                issuer=certificate.text("Issuer") if certificate else "",
                signed=certificate.flag("IsSigned") if certificate else None,
                trusted=certificate.flag("IsTrusted") if certificate else None,
                prevalence=spread.number("Devices") if spread else None,
                where=one.where,
            )
        )
    return tuple(facts)


def _same(trait: str, rows: Iterable[Row]) -> Iterator[Elsewhere]:
    for row in rows:
        yield Elsewhere(
            trait=trait,
            value=row.text("Account") or row.text("Value"),
            device=row.text("DeviceId"),
            device_name=row.text("DeviceName"),
            count=max(1, row.number("Count")),
            first=row.moment("First"),
            last=row.moment("Last"),
            where=row.where,
        )
