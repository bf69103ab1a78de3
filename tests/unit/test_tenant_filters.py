"""Filters: what the two APIs accept, and that they refuse the rest instead of ignoring it."""

from __future__ import annotations

import pytest

from local.tenant.clock import seven_digits, ticks
from local.tenant.odata import Field, ODataError, parse_filter

FIELDS = {
    "severity": Field("enum", ("unknown", "informational", "low", "medium", "high")),
    "assignedTo": Field("text"),
    "createdDateTime": Field("time"),
    "rbacGroupId": Field("number"),
    "isAadJoined": Field("flag"),
    "machineTags": Field("list"),
}
ITEM = {
    "severity": "medium",
    "assignedTo": "o'neill",
    "createdDateTime": "2026-08-13T08:43:35.5533333Z",
    "rbacGroupId": 140,
    "isAadJoined": True,
    "machineTags": ["crown jewel"],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("severity eq 'medium'", True),
        ("severity ne 'medium'", False),
        ("severity ge 'low'", True),
        ("severity gt 'medium'", False),
        ("assignedTo eq 'o''neill'", True),
        ("assignedTo eq null", False),
        ("assignedTo ne null", True),
        ("createdDateTime ge 2026-08-13T08:43:35Z", True),
        ("createdDateTime gt 2026-08-13T08:43:35.5533333Z", False),
        ("createdDateTime lt 2026-08-13T10:43:35.6+02:00", True),
        ("rbacGroupId le 140", True),
        ("isAadJoined eq false", False),
        ("machineTags/any(tag: tag eq 'crown jewel')", True),
        ("machineTags/any(tag: tag eq 'other')", False),
        ("severity eq 'low' or severity eq 'high' and assignedTo eq 'x'", False),
        ("(severity eq 'medium' or severity eq 'high') and rbacGroupId eq 140", True),
        ("severity eq 'medium' or severity eq 'low' and rbacGroupId eq 1", True),
    ],
)
def test_filter_selects(text: str, expected: bool) -> None:
    assert parse_filter(text, FIELDS)(ITEM) is expected


@pytest.mark.parametrize(
    "text",
    [
        "displayName eq 'x'",
        "severity eq 'critical'",
        "severity eq medium",
        "severity like 'medium'",
        "severity eq",
        "(severity eq 'low'",
        "severity eq 'low' severity eq 'high'",
        "createdDateTime ge '2026-08-13T08:43:35Z'",
        "createdDateTime ge yesterday",
        "machineTags eq 'x'",
        "assignedTo gt null",
        "contains(assignedTo,'x')",
        "severity eq 'low' and ; drop",
    ],
)
def test_filter_refuses(text: str) -> None:
    with pytest.raises(ODataError):
        parse_filter(text, FIELDS)


def test_times_compare_to_the_seventh_digit() -> None:
    assert ticks("2026-08-13T08:43:35.5533334Z") - ticks("2026-08-13T08:43:35.5533333Z") == 1
    assert seven_digits("2026-08-13T08:43:35.1Z") == "2026-08-13T08:43:35.1000000Z"
