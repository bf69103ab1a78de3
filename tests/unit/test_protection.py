"""Where the details that were read lack what protects a device, nobody can tell whether it is protected: it waits."""

from typing import Any

import pytest

from responders._guardrails import Go, Ruling, Stop, Wait, rule
from shared.config import Protected
from shared.models.action import Action, State
from shared.models.device import Machine
from tests.unit.incidents import HOST1, NOW, action
from tests.unit.order_stand import HOST, Stand

TAGS, GROUPS, NAMES = Protected(tags=("Crown",)), Protected(groups=("Tier0",)), Protected(names=("payroll01",))
SENT: dict[str, Any] = {
    "id": HOST1,
    "computerDnsName": "host1.contoso.com",
    "onboardingStatus": "Onboarded",
    "machineTags": [],
    "rbacGroupId": 0,
    "rbacGroupName": None,
}
"""What the API answers of a device without tags and without a group (as captured answers have it)."""


def ruled(answer: dict[str, Any], protected: Protected, *, later: bool = False, **members: object) -> Ruling:
    what = action(facts=Machine.model_validate(answer), **members)
    return rule(what, respond=True, protected=protected, now=NOW, max_age=NOW - NOW, later=later)


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in SENT.items() if name not in names}


def test_an_ordinary_device_has_neither_tags_nor_a_group_and_does_not_wait() -> None:
    everything = Protected(tags=("Crown",), groups=("Tier0",), names=("payroll01",), ids=("80fe8ff8-2624-418e-9591",))
    assert ruled(SENT, everything) == Go()


@pytest.mark.parametrize(
    "answer",
    [
        SENT | {"rbacGroupId": "0"},
        SENT | {"rbacGroupId": 75, "rbacGroupName": "UnassignedGroup"},
        SENT | {"rbacGroupId": 75, "rbacGroupName": ""},
        without("rbacGroupName"),
        SENT | {"rbacGroupId": 140, "rbacGroupName": "The-A-Team"},
    ],
    ids=str,
)
def test_an_answer_that_tells_the_group_or_that_there_is_none_is_enough(answer: dict[str, Any]) -> None:
    assert ruled(answer, GROUPS) == Go()


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize(
    ("answer", "protected", "word"),
    [
        (SENT | {"machineTags": None}, TAGS, "tags"),
        (SENT | {"machineTags": {"value": "Crown"}}, TAGS, "tags"),
        (SENT | {"machineTags": [None, {"name": "Crown"}]}, TAGS, "tags"),
        (without("machineTags"), TAGS, "tags"),
        (SENT | {"rbacGroupId": 140}, GROUPS, "group"),
        (without("rbacGroupId", "rbacGroupName"), GROUPS, "group"),
    ],
    ids=str,
)
def test_what_an_answer_lacks_waits_where_it_protects_whatever_a_person_said(
    answer: dict[str, Any], protected: Protected, word: str, approved: bool
) -> None:
    ruling = ruled(answer, protected, approved=approved)
    assert isinstance(ruling, Wait)
    assert f"do not tell its {word}, so nobody can tell whether it is protected" in ruling.detail
    assert "bulkhead approve" not in ruling.todo
    assert ruled(answer, protected, approved=approved, later=True) == Go()
    assert ruled(answer, Protected(ids=(HOST1[::-1],))) == Go()


def test_a_device_whose_name_nobody_told_waits_where_names_protect() -> None:
    for missing in (SENT | {"computerDnsName": None}, without("computerDnsName")):
        assert isinstance(ruled(missing, NAMES, device_name=HOST1[:8]), Wait)
        assert ruled(missing, NAMES, device_name="host1") == Go(), "the evidence tells its name"
    assert ruled(SENT, NAMES, device_name=HOST1[:8]) == Go(), "the details tell its name"


@pytest.mark.parametrize("answer", [SENT | {"machineTags": None}, without("machineTags")], ids=str)
def test_where_an_answer_lacks_the_tags_what_else_speaks_of_tags_protects(answer: dict[str, Any]) -> None:
    assert isinstance(ruled(answer, TAGS, hints=("crown",)), Stop)
    assert isinstance(ruled(answer | {"deviceDynamicTags": ["Crown"]}, TAGS), Stop)


def test_tags_that_an_answer_tells_are_the_device_s_and_no_others() -> None:
    """Those of the evidence are as of the alert: whoever took the tag off the device meant it."""
    assert ruled(SENT, TAGS, hints=("crown",)) == Go()


def test_what_an_answer_lacks_is_still_known_when_it_comes_from_the_ledger() -> None:
    kept = Action.model_validate_json(action(facts=Machine.model_validate(without("machineTags"))).model_dump_json())
    assert isinstance(rule(kept, respond=True, protected=TAGS, now=NOW, max_age=NOW - NOW), Wait)


@pytest.mark.parametrize(("tags", "state"), [(None, State.WAITING), ([], State.SUCCEEDED)])
def test_a_device_whose_tags_defender_does_not_tell_is_not_isolated(tags: object, state: State) -> None:
    stand = Stand({"PROTECTED": '{"tags": ["Crown"]}'})
    stand.tenant.fleet.put({"id": HOST, "machineTags": tags})
    stand.harm(HOST)
    stand.wait(60)
    assert (stand.action().state, stand.isolated()) == (state, state is State.SUCCEEDED)
    if tags is None:
        stand.order("approve", incident="7")
        stand.wait(60)
        assert (stand.action().state, stand.isolated()) == (State.WAITING, False)
