"""The shipped hunting queries before Microsoft's own parser (`tests/kusto`), over the documented schema, and what no
value can do to one; then the same queries run by the simulated tenant on the story of an incident.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.tenant import samples
from local.tenant.hunting_schema import TABLES
from responders._kql import Query, Value, read_query, rendered
from responders._queries import SHIPPED, shipped
from tests.contract.test_clients_stand import HOST, fake_stand

ROOT = Path(__file__).parents[2]
KUSTO = ROOT / "tests" / "kusto"
SINCE, UNTIL = datetime(2026, 1, 4, 9, tzinfo=UTC), datetime(2026, 1, 6, 9, tzinfo=UTC)
ORDINARY: Mapping[str, Value] = {
    "device": "0123456789abcdef",
    "devices": ("0123456789abcdef", "fedcba9876543210"),
    "since": SINCE,
    "until": UNTIL,
    "hashes": ("a" * 40, "b" * 40),
    "domains": ("evil.example",),
    "addresses": ("203.0.113.66", "2001:db8::1"),
    "terms": ("updater", "7f3a"),
    "accounts": ("S-1-5-21-1",),
}
QUERIES = [read_query(name, text) for name, text in shipped().items()]
Answer = dict[str, Any]


class Parser:
    """Microsoft's parser in a process of its own."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        self._process = subprocess.Popen(
            ["node", str(KUSTO / "check.js")],  # noqa: S607 - as it is installed
            cwd=KUSTO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._say(tables)

    def _say(self, what: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def read(self, *queries: str) -> Sequence[Answer]:
        self._say(queries)
        assert self._process.stdout
        found: list[Answer] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    if not (KUSTO / "node_modules").is_dir():
        reason = "tests/kusto has no node_modules: run `npm ci` there"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    opened = Parser(TABLES)
    yield opened
    opened.close()


def test_the_parser_finds_mistakes(parser: Parser) -> None:
    """Else its silence would mean nothing."""
    wrong = [
        "DeviceProcessEvents | where NoSuchColumn == 1",
        "NoSuchTable | take 1",
        "DeviceProcessEvents | where startofday(FileName) == now()",
        "DeviceProcessEvents | wher FileName == 'x'",
        'DeviceProcessEvents | where FileName == "open',
    ]
    assert all(answer["diagnostics"] for answer in parser.read(*wrong))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_every_query_is_right_by_the_documented_schema(parser: Parser, query: Query) -> None:
    [answer] = parser.read(rendered(query, ORDINARY))
    assert answer["diagnostics"] == []
    assert answer["columns"]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_every_query_bounds_its_answer_and_names_its_parameters(query: Query) -> None:
    """There are no pages: what is not bounded by the query is cut by nobody knows what."""
    assert query.most is not None
    assert query.most <= 10_000
    assert query.title.endswith(".")
    assert {name for name, _ in query.parameters} <= set(ORDINARY)
    assert query.sliced or query.span == "month"


def test_the_folder_holds_queries_and_nothing_else() -> None:
    assert {path.suffix for path in SHIPPED.iterdir()} == {".kql"}


# what no value can do

texts = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=60),
    st.text("\"\\\n\r\t;|/*{}[]()\u2028\u0085\ufeff\u202e\x00'`@hH~", max_size=40),
    st.sampled_from(
        [
            '"; DeviceInfo | take 1 //',
            '\\"; drop table T; let x = "',
            "'; print 1 //",
            '@"\\',
            "``` x ```",
            '\ud800"\udc00',
            '"])]);//',
            "datetime(2020-01-01)",
        ]
    ),
)
moments = st.datetimes(timezones=st.just(UTC))


@given(device=texts, since=moments, until=moments, one=texts, two=texts)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_changes_the_shape_of_a_query(
    parser: Parser, device: str, since: datetime, until: datetime, one: str, two: str
) -> None:
    """The parse tree is the same, node for node, whatever the values are; and there is no complaint about any."""
    values: dict[str, Value] = {"device": device, "since": since, "until": until}
    values |= dict.fromkeys(("devices", "hashes", "domains", "addresses", "terms", "accounts"), (one, two))
    tame: dict[str, Value] = {"device": "x", "since": SINCE, "until": UNTIL}
    tame |= dict.fromkeys(("devices", "hashes", "domains", "addresses", "terms", "accounts"), ("x", "y"))
    chosen = [query for query in QUERIES if query.name in {"processes", "same-hashes", "same-command-lines"}]
    hostile = parser.read(*(rendered(query, values) for query in chosen))
    ordinary = parser.read(*(rendered(query, tame) for query in chosen))
    assert [each["shape"] for each in hostile] == [each["shape"] for each in ordinary]
    assert [each["diagnostics"] for each in hostile] == [[], [], []]


@given(value=texts)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_is_one_literal_on_one_line(parser: Parser, value: str) -> None:
    query = read_query("probe", "// Probe.\n// parameters: x string\nprint x")
    written = rendered(query, {"x": value})
    assert len(written.splitlines()) == 4
    assert parser.read(written)[0]["shape"] == parser.read(rendered(query, {"x": ""}))[0]["shape"]


# run


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_every_query_finds_its_part_of_the_story(query: Query) -> None:
    """The simulated tenant runs it. Its rows are synthetic, the columns those of the parser."""
    with fake_stand() as stand:
        now = stand.clock.now()
        stand.tenant.incidents.put(samples.harmful_incident("1", device_id=HOST, created=now - timedelta(hours=1)))
        values: dict[str, Value] = {
            "device": HOST,
            "devices": (HOST,),
            "since": now - timedelta(days=1),
            "until": now,
            "hashes": _hashes(stand.hunting.run("DeviceFileEvents | distinct SHA1", now - timedelta(days=1), now).rows),
            "domains": ("cdn.updates.example",),
            "addresses": ("203.0.113.66",),
            "terms": ("powershell", "hidden"),
            "accounts": ("S-1-5-21-1004336348-1177238915-682003330-1104",),
        }
        if query.name == "same-command-lines":
            row = {"Timestamp": "2026-01-04T09:00:00Z", "DeviceId": "other", "DeviceName": "other.contoso.com"}
            line = {"ProcessCommandLine": "PowerShell -W Hidden -c 1"}
            row["Timestamp"] = (now - timedelta(days=3)).isoformat().replace("+00:00", "Z")
            stand.tenant.hunting.load({"DeviceProcessEvents": [{**row, **line}]})
        found = stand.hunting.run(rendered(query, values), now - timedelta(days=30), now)
        assert found.rows, query.name


def _hashes(rows: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    return tuple(str(row["SHA1"]) for row in rows)
