"""Personal data is collected where a rule names the device's group and a purpose, and nowhere else."""

from __future__ import annotations

import pytest

from responders._personal import PERSONAL, as_the_policy_says
from shared.models.device import Machine
from shared.models.plan import Want
from shared.models.policy.document import Policy
from tests.unit.incidents import machine
from tests.unit.policies import DEFAULT, policy, rule

MEMORY = {"do": "capture_memory", "purpose": "Agreed with the works council."}
LAB = policy(
    rule("lab", {"any": [{"device": {"group": "Lab*"}}]}, actions=[MEMORY]),
    rule("files", {"device": {"group": "Servers"}}, actions=[{"do": "get_files", "paths": "C:\\a", "purpose": "b"}]),
    rule("scan", {"always": True}, actions=[{"do": "scan", "type": "full"}]),
)


def asked(of: Policy, responder: str, where: Machine | None) -> Want | str | None:
    return as_the_policy_says(of, responder, where)


def test_it_is_asked_for_as_the_rule_says() -> None:
    want = asked(LAB, "capture_memory", machine(rbacGroupName="Laboratory"))
    assert isinstance(want, Want)
    assert dict(want.params) == {"purpose": "Agreed with the works council."}


@pytest.mark.parametrize("responder", sorted(PERSONAL))
def test_without_a_rule_for_its_group_it_stays_off(responder: str) -> None:
    for where in (machine(rbacGroupName="Accounting"), machine(rbacGroupName=""), None):
        said = asked(LAB, responder, where)
        assert isinstance(said, str)
        assert "personal data" in said


def test_a_rule_for_one_of_them_is_none_for_the_other() -> None:
    assert isinstance(asked(LAB, "get_files", machine(rbacGroupName="Laboratory")), str)
    assert isinstance(asked(LAB, "get_files", machine(rbacGroupName="Servers")), Want)


def test_the_shipped_policy_names_none() -> None:

    assert isinstance(asked(DEFAULT.policy, "capture_memory", machine(rbacGroupName="Laboratory")), str)


def test_what_is_nobodys_secret_needs_no_group() -> None:
    want = asked(LAB, "scan", None)
    assert isinstance(want, Want)
    assert dict(want.params) == {"type": "full"}
    assert asked(LAB, "hunt", None) is None
