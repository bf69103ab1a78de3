"""The messages of the queue `orders`: strict, every problem at once, and the same when they are read back."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.asked import OrderRecord, Stage
from shared.models.order import KINDS, AnyOrder, Approve, NotAnOrder, problems_of, read_order
from tests.unit.incidents import JSON

HEAD: dict[str, Any] = {"id": "5b0a9c1e-0001", "by": "Ann", "at": "2026-01-05T09:00:00Z"}
DEVICE = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"
ACTION = "0123456789abcdef"
SHELL = ";|&`$()<>'\"*?~{}[]!#%^\n\r\t\0\u00e4"
"""What a shell makes more of than a word, and what is no plain text."""

EVERY: dict[str, dict[str, Any]] = {
    "approve": {"incident": "7", "device": "host1", "responder": "isolate"},
    "refuse": {"action": ACTION},
    "release": {"device": DEVICE, "why": "false alarm"},
    "isolate": {"device": DEVICE, "incident": "7"},
    "collect": {"device": DEVICE},
    "run_script": {"device": DEVICE, "script": "fix.sh", "args": "--all C:\\Temp"},
    "get_files": {"device": DEVICE, "paths": ["/etc/hosts", "C:\\Temp\\a b.exe"], "why": "seen in the alert"},
    "retry": {"action": ACTION},
    "cancel": {"action": ACTION},
    "hold": {"why": "maintenance"},
    "resume": {},
    "reassess": {"incident": "7"},
    "note": {"incident": "7", "text": "Called the owner."},
    "sync_library": {},
    "replay": {"letter": "incidents:3f0c"},
    "drop": {"letter": "incidents:3f0c", "why": "rubbish"},
}
"""A good order of each kind."""


def message(kind: str, **members: object) -> str:
    return json.dumps(HEAD | {"kind": kind} | EVERY[kind] | members)


def test_there_is_an_example_of_every_kind() -> None:
    assert set(EVERY) == set(KINDS)


def test_the_examples_that_people_read_are_orders_one_of_each_kind() -> None:
    text = (Path(__file__).parents[2] / "docs" / "orders.md").read_text(encoding="utf-8")
    orders = [read_order(line) for line in text.splitlines() if line.startswith("{")]
    assert sorted(order.kind for order in orders) == sorted(KINDS)
    assert len({order.id for order in orders}) == len(orders)


@pytest.mark.parametrize("kind", EVERY)
def test_an_order_is_read_as_it_was_written_and_survives_the_ledger(kind: str) -> None:
    order = read_order(message(kind))
    assert (order.kind, order.by, order.at) == (kind, "Ann", datetime(2026, 1, 5, 9, tzinfo=UTC))
    assert read_order(order.model_dump_json()) == order
    record = OrderRecord(order=order, state=Stage.RECEIVED, received_at=order.at)
    assert OrderRecord.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize("kind", [kind for kind, members in EVERY.items() if "device" in members])
def test_a_device_in_capitals_is_the_one_that_defender_knows(kind: str) -> None:
    """Its ids are in small letters, and its filters compare letter by letter. Other names stay as they are written."""
    order = json.loads(read_order(message(kind, device=DEVICE.upper())).model_dump_json())
    assert order["device"] == DEVICE
    assert json.loads(read_order(message(kind, device="HOST1")).model_dump_json())["device"] == "HOST1"


@pytest.mark.parametrize("kind", EVERY)
def test_every_problem_is_named_at_once(kind: str) -> None:
    problems = problems_of(json.dumps({"kind": kind, "id": "short", "zap": 1}))
    named = {problem.partition(":")[0] for problem in problems}
    required = {name for name, field in KINDS[kind].model_fields.items() if field.is_required()}
    assert named >= {"id", "by", "at", "'zap'"} | required


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('"hold"', "not a JSON object"),
        ("{}", "kind: known are approve, refuse"),
        ('{"kind": "explode"}', "kind: known are approve, refuse"),
        (message("hold", by=""), "by: who asks"),
        (message("hold", by=" \t"), "by: who asks"),
        (message("hold", by="x" * 201), "by: who asks"),
        (message("hold", by=7), "by: who asks"),
        (message("hold", why=""), "why: why"),
        (message("hold", why="x" * 1001), "why: why"),
        (message("resume", why="x" * 1001), "why: why"),
        (message("hold", at="yesterday"), "at: when"),
        (message("hold", at="2026-01-05T09:00:00"), "at: when"),
        (message("hold", at=1767603600), "at: when"),
        (message("hold", id="x" * 65), "id: 8 to 64"),
        (message("hold", id="has a blank"), "id: 8 to 64"),
        (message("hold", id="../../open"), "id: 8 to 64"),
        (message("hold", id="newline-\n"), "id: 8 to 64"),
        (message("release", device="a/b"), "device: a device's id"),
        (message("release", device=DEVICE + "\n"), "device: a device's id"),
        (message("reassess", incident="no/such#incident"), "incident: the incident's number"),
        (message("retry", action=ACTION.upper()), "action: the 16 hex digits"),
        (message("replay", letter="nothing"), "letter: a dead letter's key"),
        (message("run_script", script="../evil.sh"), "script: a script's name"),
        (message("run_script", script=".hidden"), "script: a script's name"),
        *(
            (message("run_script", args=f"a{bad}b"), "args: its arguments")
            for bad in ";|&`$()<>'\"*?~{}[]!#%^\n\r\t\0\u00e4"
        ),
        (message("run_script", args="x" * 501), "args: its arguments"),
        (message("get_files", paths=[]), "paths: 1 to 20 full paths"),
        (message("get_files", paths=["/x"] * 21), "paths: 1 to 20 full paths"),
        (message("get_files", paths=["etc/hosts"]), "paths: 1 to 20 full paths"),
        (message("get_files", paths=["\\\\server\\share"]), "paths: 1 to 20 full paths"),
        (message("get_files", paths=["/a\n/b"]), "paths: 1 to 20 full paths"),
        (message("get_files", paths="/a"), "paths: 1 to 20 full paths"),
        (message("get_files", why=" "), "why: why"),
        (message("note", text="x" * 4001), "text: the remark"),
        (message("hold", device=DEVICE), "'device': no member of an order to hold"),
        (message("approve", action=ACTION), "names one action"),
        (message("approve", incident=None, device=None, responder=None), "name an action or an incident"),
        (message("approve", incident=None), "name an action or an incident"),
    ],
)
def test_what_is_wrong_is_said_in_words(text: str, words: str) -> None:
    with pytest.raises(NotAnOrder) as error:
        read_order(text)
    assert any(words in problem for problem in error.value.problems), error.value.problems


def test_an_unknown_kind_does_not_hide_what_else_is_wrong() -> None:
    problems = problems_of('{"kind": "explode", "id": "x", "at": "now"}')
    assert [problem.partition(":")[0] for problem in problems] == ["kind", "id", "by", "at"]


def test_a_member_may_be_null_where_it_may_be_missing() -> None:
    order = read_order(message("approve", device=None, responder=None))
    assert isinstance(order, Approve)
    assert (order.incident, order.device) == ("7", None)


@given(JSON | st.sampled_from(list(EVERY)).flatmap(lambda kind: _spoilt(HEAD | {"kind": kind} | EVERY[kind])))
def test_whatever_comes_is_an_order_or_has_problems(raw: object) -> None:
    """And an order has whole, short and harmless members, whoever wrote it."""
    text = json.dumps(raw)
    problems = problems_of(text)
    assert all(problem and len(problem) < 300 for problem in problems)
    if problems:
        return
    order: AnyOrder = read_order(text)
    assert 8 <= len(order.id) <= 64
    assert 1 <= len(order.by) <= 200
    assert order.at.tzinfo
    for name in ("device", "incident", "action"):
        value = getattr(order, name, None)
        assert value is None or value.replace("-", "").replace("_", "").isalnum()


def _spoilt(order: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A good order with one member or none replaced by anything."""
    return st.sampled_from([*order, "more"]).flatmap(lambda name: JSON.map(lambda value: order | {name: value}))
