"""The tables of docs/policy.md and the policy's JSON Schema, made from the policy's models."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from shared.models.policy import rules
from shared.models.policy.schema import schema, schema_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from shared.models.policy.schema import Schema

Row = tuple[str, ...]

ACTIONS = (
    *(rules.Isolate, rules.Restrict, rules.Scan, rules.StopQuarantine, rules.CollectPackage, rules.CollectVolatile),
    *(rules.CollectLogs, rules.CaptureMemory, rules.RunScript, rules.GetFiles, rules.Hunt, rules.Tag, rules.Comment),
)
"""Everything that a rule can ask for, in the order of the page."""

_FEW = 8
_SECTIONS = {
    "Condition": "conditions",
    "AlertIs": "alerts",
    "EvidenceIs": "evidence",
    "DeviceIs": "devices",
    "TimeIs": "time",
    "Hours": "time",
    "Rails": "rails",
    "RailCaps": "rails",
    "RailProtected": "rails",
    "Rule": "rules",
    "Examples": "examples",
    "Example": "examples",
}
"""The section of the page that explains each kind of mapping."""

_PARTS = {
    "policy": "Policy",
    "rules": "Rule",
    "conditions": "Condition",
    "alerts": "AlertIs",
    "evidence": "EvidenceIs",
    "devices": "DeviceIs",
    "time": "TimeIs",
    "hours": "Hours",
    "caps": "RailCaps",
    "protected": "RailProtected",
    "examples": "Examples",
    "example": "Example",
}
"""The kind of mapping that each table of keys is about."""


def schema_file() -> str:
    """What policies/policy.schema.json holds."""
    return json.dumps(schema(), indent=2, ensure_ascii=True) + "\n"


def tables(table: Callable[[Row, Iterable[Row]], str]) -> Mapping[str, Callable[[], str]]:
    """The tables of the page by name, each made when it is asked for; `table` puts head and rows together."""
    found: dict[str, Callable[[], str]] = {name: partial(_of_keys, table, part) for name, part in _PARTS.items()}
    return {**found, "actions": lambda: table(*actions()), "words": lambda: table(*words())}


def _of_keys(table: Callable[[Row, Iterable[Row]], str], part: str) -> str:
    """The keys of one kind of mapping, each with its kind of value and its meaning."""
    return table(("key", "value", "meaning"), _keys(schema() if part == "Policy" else schema_parts()[part]))


def _keys(part: Schema) -> Iterable[Row]:
    needed = part.get("required", ())
    for key, member in part["properties"].items():
        yield f"`{key}`", _kind(member), _meaning(member) + (" Needed." if key in needed else "")


def _meaning(member: Schema) -> str:
    default = member.get("default")
    without = f" Without it: {_written(default)}." if default not in (None, False) else ""
    return f"{member.get('description', '')}{without}"


def _written(default: object) -> str:
    if isinstance(default, list):
        return ", ".join(f"`{each}`" for each in default)
    return f"`{default}`"


def actions() -> tuple[Row, Iterable[Row]]:
    """What a rule can ask for, with the members of each beside `approval`."""
    rows = []
    for model in ACTIONS:
        part = schema_parts()[model.__name__]
        members = [
            f"`{key}` ({_kind(member)}): {_meaning(member)}"
            for key, member in part["properties"].items()
            if key not in {"do", "approval"}
        ]
        name = part["properties"]["do"]["const"]
        rows.append((f"`{name}`", " ".join((model.__doc__ or "").split()), "<br>".join(members)))
    return ("`do`", "what it does", "members"), rows


def words() -> tuple[Row, Iterable[Row]]:
    """Every word that the tables of keys leave out, by where it can be asked for."""
    found: dict[tuple[str, ...], list[str]] = {}
    for section, part in (("conditions", "Condition"), ("alerts", "AlertIs"), ("evidence", "EvidenceIs")):
        for key, member in schema_parts()[part]["properties"].items():
            known = tuple(_item(member).get("enum", ()))
            if len(known) > _FEW:
                found.setdefault(known, []).append(f"`{key}` ([{section}](#{section}))")
    rows = [(", ".join(where), " ".join(f"`{word}`" for word in known)) for known, where in found.items()]
    return ("key", "words"), rows


def _item(member: Schema) -> Schema:
    """What one item of a member is, where it may also be several."""
    found: Schema = member["anyOf"][0] if "anyOf" in member else member
    return found


def _kind(member: Schema) -> str:
    """A kind of value in words."""
    one = _item(member)
    several = ", or a list" if "anyOf" in member else ""
    if "$ref" in one:
        section = _SECTIONS[str(one["$ref"]).rpartition("/")[2]]
        return f"[{section}](#{section})"
    if "const" in one:
        return f"`{one['const']}`"
    if "enum" in one:
        known = [f"`{word}`" for word in one["enum"]]
        return (" ".join(known) if len(known) <= _FEW else f"one of {len(known)} [words](#words)") + several
    return _plain(one) + several


def _plain(one: Schema) -> str:
    formats = {"duration": "duration", "date": "day", "date-time": "instant"}
    match one.get("type"):
        case "array":
            return f"list of {_kind(one['items'])}" if "oneOf" not in one["items"] else "list of [actions](#actions)"
        case "string":
            return formats.get(str(one.get("format")), "text")
        case "boolean":
            return "`true` or `false`"
        case "integer":
            return f"whole number{_bounds(one)}"
        case "number":
            return f"number{_bounds(one)}"
        case _:
            return "mapping"


def _bounds(one: Schema) -> str:
    least = f" from {one['minimum']}" if "minimum" in one else ""
    return least + (f" to {one['maximum']}" if "maximum" in one else "")
