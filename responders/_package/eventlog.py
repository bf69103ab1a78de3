"""The Security event log: who signed in, what began, what was changed about accounts, services and the log.

The whole log stays evidence. What becomes findings are the events that tell an investigator something; the others are
counted. Names of fields are the same in every language of Windows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from responders._package import records
from responders._package.apart import lines_of
from responders._package.value import Read
from shared.models.findings import Event, Findings, Kind, ProcessKey, Where
from shared.models.lenient import instant, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_EVENTS = 20_000
SECONDS = 30.0
"""How long one log may take. The largest that is read takes a tenth of it; some bytes keep a parser for ever."""

_MARK = b"ElfFile\x00"
TELLING: Mapping[int, tuple[Kind, str]] = {
    1102: (Kind.LOG, "the log was cleared"),
    4624: (Kind.LOGON, "logon"),
    4625: (Kind.LOGON, "logon failed"),
    4648: (Kind.LOGON, "logon with other credentials"),
    4672: (Kind.LOGON, "logon with special rights"),
    4688: (Kind.PROCESS, "process began"),
    4697: (Kind.SERVICE, "service installed"),
    4698: (Kind.TASK, "task made"),
    4699: (Kind.TASK, "task removed"),
    4702: (Kind.TASK, "task changed"),
    4719: (Kind.LOG, "audit policy changed"),
    4720: (Kind.LOG, "account made"),
    4722: (Kind.LOG, "account enabled"),
    4723: (Kind.LOG, "password change tried"),
    4724: (Kind.LOG, "password reset"),
    4726: (Kind.LOG, "account removed"),
    4728: (Kind.LOG, "added to a global group"),
    4732: (Kind.LOG, "added to a local group"),
    4738: (Kind.LOG, "account changed"),
    4740: (Kind.LOG, "account locked out"),
    4756: (Kind.LOG, "added to a universal group"),
    4776: (Kind.LOGON, "credentials checked"),
    5140: (Kind.NETWORK, "share opened"),
    7045: (Kind.SERVICE, "service installed"),
}
_THINGS = ("NewProcessName", "ServiceName", "TaskName", "ShareName", "MemberName")
_DIGITS = 18
"""Characters of the number of a process: more than any has."""

_THE_SYSTEMS = frozenset({"S-1-5-18", "S-1-5-19", "S-1-5-20"})


def of_event_log(data: bytes, device: str, source: str, left: Callable[[], float]) -> Read:
    """A log in the format of Windows since Vista. Raises ValueError where it is none, OSError where none of it is read
    in time.
    """
    if not data.startswith(_MARK):
        raise ValueError("it does not begin as an event log does")
    rows, broken, over, cut = 0, 0, 0, ""
    events: list[Event] = []
    try:
        for record in _records(data, left):
            rows += 1
            broken += record is False
            event = _event(record, device, source) if isinstance(record, dict) else None
            if event and len(events) < MOST_EVENTS:
                events.append(event)
            over += bool(event) and len(events) >= MOST_EVENTS
    except OSError as error:
        if not rows:
            raise
        cut = f"{error} after {rows} records"
    said = f"{len(events)} of {rows} records are told here" + (f"; {broken} are broken" if broken else "")
    said += f"; {over} more would be, and are not: {MOST_EVENTS} is the most" if over > 1 else ""
    return Read(rows, rows - broken, Findings(events=tuple(events)), cut or said, cut=bool(cut) or over > 1)


def _records(data: bytes, left: Callable[[], float]) -> Iterator[object]:
    """What the process that reads them says of each record. Raises ValueError where there are none, OSError where it
    did not come to the end.
    """
    seconds, numbers = max(0.0, min(SECONDS, left())), [str(number) for number in TELLING]
    with closing(lines_of(records.__name__, numbers, data, seconds, records.LONGEST)) as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if isinstance(record, str):
                raise ValueError(record)  # noqa: TRY004 - of the bytes
            yield record
            if left() <= 0:
                raise TimeoutError("no time was left")


def _event(record: Mapping[str, Any], device: str, source: str) -> Event | None:
    raw = _object(record.get("event"))
    system = _object(raw.get("System"))
    number = _value(system.get("EventID"))
    told = TELLING.get(int(number)) if number.isascii() and number.isdigit() and len(number) <= 5 else None  # noqa: PLR2004 - digits
    data = _object(raw.get("EventData")) or _object(raw.get("UserData"))
    if told is None or (number in {"4624", "4672"} and text(data.get("TargetUserSid")) in _THE_SYSTEMS):
        return None
    kind, action = told
    at = instant(_object(_object(system.get("TimeCreated")).get("#attributes")).get("SystemTime"))
    created, creator = _number(data.get("NewProcessId")), _number(data.get("ProcessId"))
    subject, target = _account(data, "Subject"), _account(data, "Target")
    whole = [text(data.get(name)) for name in _THINGS]
    detail = [
        text(data.get(name)) for name in ("CommandLine", "ImagePath", "ServiceFileName", "LogonType", "IpAddress")
    ]
    return Event(
        at=at,
        device=device,
        kind=kind,
        action=f"{number} {action}",
        what=next(filter(None, whole), "") or target,
        detail=" ".join(each for each in detail if each and each != "-"),
        account=subject or target,
        actor=ProcessKey(device, creator) if kind is Kind.PROCESS and creator is not None else None,
        actor_name=text(data.get("ParentProcessName")),
        process=ProcessKey(device, created, at) if kind is Kind.PROCESS and created is not None else None,
        where=Where(source, int(record.get("id") or 0)),
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _value(value: object) -> str:
    """A value that may have attributes beside it."""
    return text(_object(value).get("#text", "")) if isinstance(value, dict) else text(value)


def _number(value: object) -> int | None:
    written = text(value)
    try:
        return int(written, 0) if 0 < len(written) <= _DIGITS else None
    except ValueError:
        return None


def _account(data: Mapping[str, Any], whose: str) -> str:
    domain, name = text(data.get(f"{whose}DomainName")), text(data.get(f"{whose}UserName"))
    if name in {"", "-"}:
        return ""
    return f"{domain}\\{name}" if domain not in {"", "-"} else name
