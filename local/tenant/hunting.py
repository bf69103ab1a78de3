"""Advanced hunting: queries in KQL that are really run, on rows that incidents or people bring, within the limits.

The engine is duckdb-kql, a package for development that its author calls pre-alpha: what it cannot translate is refused
aloud (501) and never answered by guess. Limits and texts of errors are those of Microsoft's pages on quotas and errors.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from local.tenant.clock import moment, stamp
from local.tenant.hunting_schema import TABLES
from local.tenant.wire import ApiError, Json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from local.tenant.clock import Clock
    from local.tenant.settings import TenantSettings

LOOK_BACK = timedelta(days=30)
CYCLE = timedelta(minutes=15)
_SQL = {"datetime": "TIMESTAMP", "long": "BIGINT", "int": "INTEGER", "bool": "BOOLEAN", "real": "DOUBLE"}
_TYPES = {
    "TIMESTAMP": "DateTime",
    "TIMESTAMP WITH TIME ZONE": "DateTime",
    "BIGINT": "Int64",
    "HUGEINT": "Int64",
    "INTEGER": "Int32",
    "BOOLEAN": "SByte",
    "DOUBLE": "Double",
    "INTERVAL": "TimeSpan",
    "VARCHAR": "String",
}
_ESCAPE = re.compile(r"(\\\\)|\\u([0-9A-Fa-f]{4})")
_INSTANT = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_BLOCK = 5_000


class Hunting:
    """The event tables of one tenant, and what their use has cost in this cycle."""

    def __init__(self, settings: TenantSettings, now: Clock) -> None:
        """Start with empty tables."""
        self._settings = settings
        self._now = now
        self._new: dict[str, list[Json]] = {}
        self._counts = dict.fromkeys(TABLES, 0)
        self._engine: DuckDBPyConnection | None = None
        self._cycle: datetime | None = None
        self._spent = 0

    def load(self, given: Mapping[str, Sequence[Json]]) -> Mapping[str, int]:
        """Add rows to tables; ValueError for a table or column that is not documented. Gives the rows of each table."""
        for table, rows in given.items():
            if table not in TABLES:
                message = f"there is no table '{table}'"
                raise ValueError(message)
            self._new.setdefault(table, []).extend(_fitted(table, row) for row in rows)
            self._counts[table] += len(rows)
        return {table: count for table, count in self._counts.items() if count}

    def clear(self) -> None:
        """Forget all rows."""
        self._new, self._engine, self._counts = {}, None, dict.fromkeys(TABLES, 0)

    def run(self, query: str, timespan: str | None) -> Json:
        """Answer a query; ApiError as the service refuses, 501 for what this simulation cannot do."""
        now = self._now()
        since, until = _span(timespan, now)
        self._charge(now)
        described, values = self._asked(query, max(since, now - LOOK_BACK), min(until, now))
        rows = values[: self._settings.hunting_rows]
        capital = self._settings.hunting_capitals
        named = ("Name", "Type") if capital else ("name", "type")
        schema = [dict(zip(named, (name, kind), strict=True)) for name, kind in described]
        results = [self._row(described, row) for row in rows]
        answer = {"Schema" if capital else "schema": schema, "Results" if capital else "results": results}
        if len(json.dumps(answer, ensure_ascii=False)) > self._settings.hunting_bytes:
            message = (
                "Query execution has exceeded the allowed result size. Optimize your query by limiting the number of"
                " results and try again."
            )
            raise ApiError(400, "BadRequest", message)
        context = "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.security.huntingQueryResults"
        return {"@odata.context": context, **answer}

    def _charge(self, now: datetime) -> None:
        """Count what a query costs, one for each row in the tables; over the quota all wait for the next cycle."""
        if self._cycle is None or now >= self._cycle:
            start = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
            self._cycle, self._spent = start + CYCLE, 0
        quota = self._settings.hunting_quota
        if quota and self._spent >= quota:
            wait = str(self._cycle - now).partition(".")[0].rjust(8, "0")
            message = (
                f"You have exceeded processing resources allocated to this tenant. You can run queries again in {wait}."
            )
            raise ApiError(429, "TooManyRequests", message)
        self._spent += max(1, sum(self._counts.values()))

    def _asked(self, query: str, since: datetime, until: datetime) -> tuple[list[tuple[str, str]], list[Any]]:
        import duckdb  # noqa: PLC0415 - a package for development, needed where somebody hunts
        import duckdb_kql  # noqa: PLC0415 - likewise

        engine = self._filled(duckdb)
        for table in TABLES:
            if table in query:
                within = f"Timestamp >= TIMESTAMP '{_sql(since)}' AND Timestamp < TIMESTAMP '{_sql(until)}'"
                engine.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM rows_{table} WHERE {within}")  # noqa: S608 - names of our own
        try:
            found = duckdb_kql.query(engine, _plain(query))
            return [(name, _TYPES.get(str(kind), "Object")) for name, kind, *_ in found.description], found.fetchall()
        except duckdb_kql.KqlUnsupportedError as error:
            raise ApiError(501, "NotImplemented", f"The simulated tenant cannot run this query: {error}") from error
        except (duckdb_kql.KqlSyntaxError, duckdb.ParserException) as error:
            raise ApiError(400, "BadRequest", f"A recognition error occurred. {error}") from error
        except (duckdb.BinderException, duckdb.CatalogException, duckdb_kql.KqlSchemaError) as error:
            raise ApiError(400, "BadRequest", f"Failed to resolve a name: {error}") from error
        except (duckdb_kql.KqlError, duckdb.Error) as error:
            raise ApiError(501, "NotImplemented", f"The simulated tenant failed at this query: {error}") from error

    def _filled(self, duckdb: Any) -> DuckDBPyConnection:  # noqa: ANN401 - the module, imported late
        """The engine with every row in it. It reaches nothing outside."""
        if self._engine is None:
            engine = duckdb.connect(config={"enable_external_access": "false"})
            engine.execute("SET TimeZone = 'UTC'")
            for table, columns in TABLES.items():
                kinds = ", ".join(f"{name} {_SQL.get(kind, 'VARCHAR')}" for name, kind in columns.items())
                engine.execute(f"CREATE TABLE rows_{table} ({kinds})")
            self._engine = engine
        made: DuckDBPyConnection = self._engine
        for table, rows in self._new.items():
            shape = json.dumps([{name: _SQL.get(kind, "VARCHAR") for name, kind in TABLES[table].items()}])
            for start in range(0, len(rows), _BLOCK):
                taken = f"SELECT unnest(from_json(?::JSON, '{shape}'), recursive := true)"
                made.execute(f"INSERT INTO rows_{table} {taken}", [json.dumps(rows[start : start + _BLOCK])])
        self._new = {}
        return made

    def _row(self, described: Iterable[tuple[str, str]], row: Sequence[Any]) -> Json:
        """A row as the service writes it: no nulls, times in seven digits, dynamic values as the setting says."""
        shown: Json = {}
        for (name, kind), value in zip(described, row, strict=True):
            if isinstance(value, datetime):
                shown[name] = stamp(value.replace(tzinfo=value.tzinfo or self._now().tzinfo))
            elif kind == "Object" and value is not None:
                text = value if isinstance(value, str) else json.dumps(value, default=str)
                shown[name] = text if self._settings.hunting_dynamic == "text" else json.loads(text)
            elif isinstance(value, timedelta):
                shown[name] = str(value)
            elif value is not None:
                shown[name] = value
        return shown


def _fitted(table: str, row: Json) -> Json:
    """A row with the table's columns only, and its times in the six digits that the engine keeps."""
    columns = TABLES[table]
    strange = sorted(set(row) - set(columns))
    if strange:
        message = f"{table} has no column {', '.join(strange)}"
        raise ValueError(message)
    fitted = dict(row)
    for name, kind in columns.items():
        if kind == "datetime" and fitted.get(name):
            fitted[name] = _sql(moment(str(fitted[name])))
    return fitted


def _plain(query: str) -> str:
    r"""The query with `\uXXXX` in its texts written out: the engine would read the letters as they stand."""
    return _ESCAPE.sub(lambda found: found[1] or _letter(int(found[2], 16)), query)


def _letter(code: int) -> str:
    letter = chr(code)
    simple = {0x22: '\\"', 0x5C: "\\\\", 0x27: "'", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    if code in simple:
        return simple[code]
    if unicodedata.category(letter) == "Cs" or code == 0:
        raise ApiError(501, "NotImplemented", f"The simulated tenant cannot search for the character U+{code:04X}.")
    return letter


def _sql(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _span(written: str | None, now: datetime) -> tuple[datetime, datetime]:
    """The span of an ISO 8601 interval: `start/end`, `P30D/end`, `start/P30D`, `P30D` back from now, or a start."""
    first, _, second = (written or "P30D").partition("/")
    try:
        if second:
            ends = [None if part.startswith("P") else moment(part) for part in (first, second)]
            since = ends[0] or (ends[1] or now) - _duration(first)
            return since, ends[1] or since + _duration(second)
        return (now - _duration(first) if first.startswith("P") else moment(first)), now
    except ValueError as error:
        raise ApiError(400, "BadRequest", f"Timespan: {error}") from error


def _duration(written: str) -> timedelta:
    found = _INSTANT.fullmatch(written)
    if found is None:
        message = f"'{written}' is not an ISO 8601 duration"
        raise ValueError(message)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
