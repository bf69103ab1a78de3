"""Hunting queries through Microsoft Graph (`/v1.0/security/runHuntingQuery`).

Which of its refusals ask for patience and which for a narrower question stands in the text of their bodies only
(learn.microsoft.com, "Handle advanced hunting errors" and "Advanced hunting quotas"); some heavy queries are answered
500 or 504 with the code `UnknownError` and no text at all.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.clients.graph import instant
from shared.clients.interface import Column, HuntingRows
from shared.errors import NO_TABLE, NOT_LICENSED, Cause, Rejected, Throttled, TooWide, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.clients.web import Api

SECONDS = 200.0
"""What a query may take: the service gives up after three minutes, and should be heard saying so."""

PATH = "/v1.0/security/runHuntingQuery"

_BAD_REQUEST, _BROKEN, _LATE = 400, 500, 504
_REFUSED = frozenset({400, 402, 403, 404})
_NO_LICENCE = re.compile(r"\blicen[cs]e|\bnot provisioned\b", re.IGNORECASE)
_UNRESOLVED = re.compile(r"resolve table\b[^'\"]{0,40}", re.IGNORECASE)
_QUOTA = re.compile(r"processing resources|exceeded.{0,40}\bcpu\b", re.IGNORECASE)
_TOO_MUCH = re.compile(
    r"result size|exceeded the timeout|timed? ?out|excessive resource|low memory|memory budget", re.IGNORECASE
)
_AGAIN_IN = re.compile(r"again in\s+(?P<wait>[^.]*(?:\.\d+[^.]*)?)", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,3})\.)?(\d{1,3}):(\d\d)(?::(\d\d)(?:\.\d+)?)?")
_PART = re.compile(r"(\d{1,6})\s*(d|h|m|s)[a-z]*", re.IGNORECASE)
_LONGEST = 7 * 86_400.0
_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


class GraphHunting:
    """`Hunting` over HTTP."""

    def __init__(self, api: Api) -> None:
        """`api` carries a token for Graph."""
        self._api = api

    def run(self, query: str, since: datetime, until: datetime) -> HuntingRows:
        """See `Hunting.run`."""
        try:
            answer = self._api.ask(PATH, asked(query, since, until), SECONDS)
        except (Transient, Rejected) as error:
            raise meant(error) from error
        return rows_of(answer.body)


def asked(query: str, since: datetime, until: datetime) -> dict[str, str]:
    """The body of a query over a span of time."""
    return {"Query": query, "Timespan": f"{instant(since)}/{instant(until)}"}


def meant(error: Transient | Rejected) -> Transient | Rejected:
    """The error that a refusal of hunting stands for. Values in, values out."""
    said = str(error)
    if _QUOTA.search(said) and error.status in {_BAD_REQUEST, 429}:
        wait = error.retry_after if isinstance(error, Transient) else None
        wait = named_wait(said) if wait is None else wait
        return Throttled(said, wait, cause=Cause.CPU, status=error.status, code=error.code)
    if isinstance(error, Throttled):
        return error
    unknown = error.status in {_BROKEN, _LATE} and error.code in {"UnknownError", ""}
    big = error.status in {_BAD_REQUEST, _BROKEN, _LATE} and _TOO_MUCH.search(said)
    if unknown or big or error.cause in {Cause.LATE, Cause.LONG}:
        return TooWide(said, cause=error.cause, status=error.status, code=error.code)
    return _lacking(error, said) if isinstance(error, Rejected) else error


def _lacking(error: Rejected, said: str) -> Rejected:
    """A refusal with a code of its own where its words say that the tenant has no licence, or not this table. How a
    tenant without hunting answers is not documented.
    """
    asked_wrongly = error.status == _BAD_REQUEST and "tenant" not in said.lower()
    unlicensed = error.status in _REFUSED and _NO_LICENCE.search(said) and not asked_wrongly
    code = NOT_LICENSED if unlicensed else ""
    code = NO_TABLE if error.status == _BAD_REQUEST and _UNRESOLVED.search(said) else code
    return Rejected(said, status=error.status, code=code, target=error.target) if code else error


def named_wait(said: str) -> float | None:
    """The wait that a text asks for (`again in 00:12:30`, `in 12 minutes and 5 seconds`), in seconds, a week at the
    most. The documents show no example, so every usual form is read.
    """
    found = _AGAIN_IN.search(said)
    if found is None:
        return None
    written = found["wait"]
    clock = _CLOCK.search(written)
    if clock:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        wait = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        return min(_LONGEST, wait)
    parts = _PART.findall(written)
    return min(_LONGEST, float(sum(int(count) * _UNITS[unit.lower()] for count, unit in parts))) if parts else None


def rows_of(body: Mapping[str, Any]) -> HuntingRows:
    """The rows of an answer; its members are written with small or capital letters, as the page or the sample has it.

    Raises:
        Transient: it is something else.
    """
    low = {str(name).lower(): value for name, value in body.items()}
    schema, results = low.get("schema"), low.get("results")
    if not isinstance(schema, list) or not isinstance(results, list):
        raise Transient("Graph answered a hunting query without schema or results", cause=Cause.CONTENT)
    if not all(isinstance(row, dict) for row in results):
        raise Transient("Graph answered a hunting query with rows that are no objects", cause=Cause.CONTENT)
    columns = tuple(_column(each) for each in schema if isinstance(each, dict))
    nested = [column.name for column in columns if column.type in {"dynamic", "object"}]
    return HuntingRows(columns, [_unfolded(row, nested) for row in results] if nested else results)


def _column(raw: Mapping[str, Any]) -> Column:
    low = {str(name).lower(): value for name, value in raw.items()}
    return Column(str(low.get("name", "")), str(low.get("type", "")).lower())


def _unfolded(row: dict[str, Any], nested: list[str]) -> dict[str, Any]:
    return {**row, **{name: _value(row[name]) for name in nested if isinstance(row.get(name), str)}}


def _value(written: str) -> object:
    """What a text of JSON says; a text that is none says itself."""
    if not written.lstrip().startswith(("{", "[")):
        return written
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return written
