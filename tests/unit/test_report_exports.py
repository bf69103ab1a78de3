"""What lies beside a report is what other tools read: Timesketch, spreadsheets, the ATT&CK Navigator."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from responders._languages import ENGLISH
from responders._report.exports import COLUMNS, guarded, layer, table, timesketch
from responders._report.plain import code, plain
from shared.models.findings import Event, Findings, Kind
from tests.unit.reports import WS, at, findings, incident, report

TIMESKETCH = {
    "type": "object",
    "required": ["message", "datetime", "timestamp_desc"],
    "properties": {
        "message": {"type": "string", "minLength": 1},
        "datetime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$"},
        "timestamp_desc": {"type": "string", "minLength": 1},
        "tag": {"type": "array", "items": {"type": "string"}},
    },
}
"""What Timesketch asks of a line (its guide "Import JSON or CSV")."""

LAYER = {
    "type": "object",
    "required": ["name", "versions", "domain", "techniques"],
    "properties": {
        "name": {"type": "string"},
        "versions": {
            "type": "object",
            "required": ["layer", "navigator"],
            "properties": {"layer": {"const": "4.5"}, "navigator": {"type": "string", "pattern": r"^[45]\.\d+\.\d+$"}},
        },
        "domain": {"enum": ["enterprise-attack", "mobile-attack", "ics-attack"]},
        "description": {"type": "string"},
        "sorting": {"enum": [0, 1, 2, 3]},
        "hideDisabled": {"type": "boolean"},
        "gradient": {
            "type": "object",
            "required": ["colors", "minValue", "maxValue"],
            "properties": {"colors": {"type": "array", "minItems": 2, "items": {"pattern": "^#[0-9a-f]{6}$"}}},
        },
        "techniques": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["techniqueID"],
                "properties": {
                    "techniqueID": {"type": "string", "pattern": r"^T\d{4}(\.\d{3})?$"},
                    "score": {"type": "number"},
                    "comment": {"type": "string"},
                    "enabled": {"type": "boolean"},
                    "showSubtechniques": {"type": "boolean"},
                },
                "additionalProperties": False,
            },
        },
    },
}
"""The Navigator's layer format 4.5, as far as we write it (its specification, layerv4.5.md)."""


def lines(count: int = 50) -> list[dict[str, Any]]:
    data = b"".join(timesketch(report(count), ENGLISH))
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.decode("ascii").splitlines()]


def cells(made: Findings) -> list[list[str]]:
    data = b"".join(table(report(0, findings=made), ENGLISH))
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_timesketch_takes_every_line() -> None:
    check = Draft202012Validator(TIMESKETCH)
    assert [error.message for line in lines() for error in check.iter_errors(line)] == []


def test_lines_are_in_order_and_hold_exact_values() -> None:
    told = lines()
    times = [datetime.fromisoformat(line["datetime"]) for line in told]
    assert times == sorted(times)
    [dump] = [line for line in told if line.get("source_line") == 7 and line["source"] == "DeviceProcessEvents"]
    assert dump["detail"] == "procdump64.exe -ma lsass.exe"
    assert (dump["process_name"], dump["pid"], dump["tag"]) == ("powershell.exe", 4242, ["T1003", "alert"])
    assert times[0].utcoffset() == timedelta(0)


def test_what_has_no_time_in_utc_is_in_the_csv_only() -> None:
    """Timesketch wants a time; one that we made up would be a lie."""
    assert not [line for line in lines() if line.get("kind") == "task"]
    [untimed] = [row for row in cells(findings(5)) if row[COLUMNS.index("kind")] == "task"]
    assert untimed[:2] == ["", "29.11.2026 03:01:07"]


def test_the_csv_has_its_columns_and_every_event() -> None:
    rows = cells(findings(2500))
    assert rows[0] == list(COLUMNS)
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert len([row for row in rows[1:] if row[COLUMNS.index("source")] != "notes"]) >= 2502


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0=1", "  =1", "＝1＋1", "-enc AAAA"]
)
def test_a_cell_that_could_be_a_formula_is_guarded(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "a=1", "C:\\Temp", "10.0.0.1", "'=1"])
def test_other_cells_are_as_they_were(cell: str) -> None:
    assert guarded(cell) == cell


@given(st.text(), st.text())
def test_any_text_comes_through_the_csv_whole(what: str, detail: str) -> None:
    """And never as a formula: but for the guard, what is read is what was said."""
    [_, *rows] = cells(Findings(events=(Event(at(1), WS, Kind.FILE, "x", what, detail),)))
    [row] = [row for row in rows if row[COLUMNS.index("kind")] == "file"]
    sent = [text.encode("utf-8", "backslashreplace").decode() for text in (what, detail)]
    for said, read in zip(sent, (row[COLUMNS.index("what")], row[COLUMNS.index("detail")]), strict=True):
        assert read in {said, f"'{said}"}
        assert read.lstrip(" ")[:1] not in set("=+-@\t\r\n\0")


def test_the_navigator_takes_the_layer() -> None:
    made = layer(report(5))
    assert [error.message for error in Draft202012Validator(LAYER).iter_errors(made)] == []
    scores = {each["techniqueID"]: each["score"] for each in made["techniques"]}
    assert scores == {"T1003": 1, "T1003.001": 1, "T1059.001": 1, "T1204.002": 1}


def test_what_is_no_technique_is_not_in_the_layer() -> None:
    odd = [{"title": "x", "mitreTechniques": ["T1003", "t1", "T99999", "<script>", ""]}]
    made = layer(report(0, incident=incident(alerts=odd), findings=Findings()))
    assert [each["techniqueID"] for each in made["techniques"]] == ["T1003"]


# Markdown


@given(st.text())
def test_foreign_text_cannot_leave_its_span(text: str) -> None:
    """A span of code ends with as many backticks as it began with; there are no more of them within."""
    made = code(text)
    if not made:
        return
    fence = made[: len(made) - len(made.lstrip("`"))]
    inner = made[len(fence) : -len(fence)]
    assert made.endswith(fence)
    assert fence not in inner.replace("`" * (len(fence) + 1), "")
    assert "\n" not in made
    assert "://" not in made


def test_the_plain_report_says_what_the_page_says() -> None:
    told = plain(report(5))
    for each in (
        "# Incident 2972395",
        "1 of 1 devices contained, 42 s",
        "bulkhead release",
        "sha256sum -c",
        "T1059.001",
    ):
        assert each in told
    assert "`cdn-updates[.]example[.]net`" in told
    assert not re.search(r"^## .*\n\n(?=\n|\Z)", told, re.MULTILINE), "a chapter in which nothing stands"
    assert "ハンティング" in plain(replace(report(5), language="ja"))


def test_what_another_source_calls_a_moment_is_no_markup() -> None:
    odd = Event(
        at(5), WS, Kind.OTHER, "[x](https://evil.example)<img src=x>", "w", alerts=("da637551227677560813_-961444813",)
    )
    told = plain(replace(report(0), findings=Findings(events=(odd,))))
    assert "**`[x](https[:]//evil.example)<img src=x>`**" in told
