"""What a policy's check finds: rules that contradict each other or themselves, and examples that say something else."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from responders._policy_check import check
from tests.unit.policies import DEFAULT_TEXT, RULE_LISTS, rule, text

Raw = dict[str, Any]

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
MATCH = {"match": [{"incident": {"severity": "high"}}], "no_match": [{"incident": {"severity": "low"}}]}
ALWAYS = {"match": [{"incident": {"severity": "high"}}]}
HIGH = {"severity": "high"}
GROUP = {"device": {"group": "Lab"}}
GROUP_EXAMPLES = {
    "match": [{"device": {"rbacGroupName": "Lab"}}],
    "no_match": [{"device": {"rbacGroupName": "Servers"}}],
}


def said(*rules: Raw, available: set[str] | None = None, **members: object) -> list[str]:
    return [str(each) for each in check(text(*rules, **members), available)]


def good(name: str = "a", when: Raw | None = None, **members: object) -> Raw:
    """A rule with examples that are right, for incidents of high severity."""
    return rule(name, when or HIGH, **({"examples": MATCH} | members))


def found(problem: str, problems: list[str]) -> bool:
    return any(problem in each for each in problems)


def test_a_good_policy_has_no_problem() -> None:
    assert said(good()) == []


@pytest.mark.parametrize("wrong", [{"why": None}, {"name": "x y"}, {"version": 3}, {"why": None, "name": []}])
def test_rules_are_looked_at_although_the_head_of_the_policy_is_wrong(wrong: Raw) -> None:
    """Otherwise who mends the head learns only then what else there is to mend."""
    problems = said(good(), good(doubt="x"), **wrong)
    assert all(found(f", {name}: ", problems) for name in wrong)
    assert found("rules[1].name: a rule above is called 'a' already", problems)


# Rules beside each other


def test_two_rules_of_one_name() -> None:
    assert found("rules[1].name: a rule above is called 'a' already", said(good(), good(doubt="x")))


@pytest.mark.parametrize("when", [{"always": True}, {"all": [{"always": True}]}, {"any": [HIGH, {"always": True}]}])
def test_what_stands_behind_a_verdict_on_everything_is_never_reached(when: Raw) -> None:
    calm = good("calm", when, verdict="harmless", examples=ALWAYS)
    assert found("rules[1]: is never reached: 'calm' above holds", said(calm, good("b", doubt="x")))
    grave = good("grave", when, verdict="harmful", examples=ALWAYS)
    assert found("rules[1].verdict: never counts: 'grave' above gives", said(grave, good("b", verdict="harmless")))
    assert not found("never", said(grave, good("b", doubt="x")))
    assert not found("never", said(good("b"), grave))


@pytest.mark.parametrize(("other", "how"), [("harmless", "says the contrary"), ("harmful", "says it already")])
def test_the_same_condition_twice(other: str, how: str) -> None:
    problems = said(good(verdict="harmful"), good("b", verdict=other))
    assert found(f"rules[1].verdict: never counts: 'a' above asks for the same and {how}", problems)


def test_a_head_start_for_nothing() -> None:
    isolate = good(actions=[{"do": "isolate", "collect_first": "PT5M"}])
    assert found("rules[0].actions[0].collect_first: no rule collects anything", said(isolate))
    collect = good("b", actions=[{"do": "collect_package"}])
    assert said(isolate, collect) == []


# A rule in itself


@pytest.mark.parametrize(
    "when",
    [
        {"all": [HIGH, {"not": HIGH}]},
        {**HIGH, "not": HIGH},
        {"any": [{"merged": True}, {"all": [{"merged": True}, {"not": {"merged": True}}]}]},
    ],
)
def test_something_and_its_contrary(when: Raw) -> None:
    assert found("can never hold: it asks for something and for its contrary", said(good(when=when)))


@pytest.mark.parametrize(
    "when",
    [
        {"all": [{"severity": "high"}, {"severity": ["low", "medium"]}]},
        {"status": "active", "all": [{"status": "resolved"}]},
        {"merged": True, "all": [{"merged": False}]},
        {"priority_at_least": 50, "priority_at_most": 40},
        {"severity": ["low", "informational"], "severity_at_least": "medium"},
    ],
)
def test_what_no_incident_has_at_once(when: Raw) -> None:
    assert found("can never hold", said(good(when=when)))


@pytest.mark.parametrize(
    "when",
    [
        {"all": [{"severity": ["high", "low"]}, {"severity": ["low", "medium"]}]},
        {"any": [{"severity": "high"}, {"severity": "low"}]},
        {"all": [{"tag": "a"}, {"tag": "b"}]},
        {"severity": ["low", "high"], "severity_at_least": "medium"},
        {"all": [HIGH, {"not": {"severity": "low"}}]},
    ],
)
def test_what_may_well_hold_at_once(when: Raw) -> None:
    assert not found("can never hold", said(good(when=when)))


def test_never() -> None:
    assert found("rules[0].when.always: never holds", said(good(when={"always": False})))


@pytest.mark.parametrize("action", ["isolate", "collect_package", "restrict"])
def test_nothing_is_done_to_the_devices_of_a_harmless_incident(action: str) -> None:
    problems = said(good(verdict="harmless", actions=[{"do": action}]))
    assert found("rules[0].actions[0]: contradicts the rule's verdict", problems)
    assert said(good(verdict="harmless", actions=[{"do": "tag", "tag": "calm"}])) == []


def test_a_doubt_about_what_is_harmless() -> None:
    assert found("rules[0].doubt: contradicts", said(good(verdict="harmless", doubt="x")))


@pytest.mark.parametrize(
    ("first", "second", "again"),
    [
        ({"do": "isolate"}, {"do": "isolate", "type": "selective"}, True),
        ({"do": "scan", "type": "quick"}, {"do": "scan", "type": "full"}, True),
        ({"do": "hunt", "query": "a"}, {"do": "hunt", "query": "a"}, True),
        ({"do": "hunt", "query": "a"}, {"do": "hunt", "query": "b"}, False),
        ({"do": "run_script", "script": "a.ps1"}, {"do": "run_script", "script": "a.ps1", "args": "-b"}, False),
        ({"do": "isolate"}, {"do": "restrict"}, False),
    ],
)
def test_the_same_thing_asked_for_twice(first: Raw, second: Raw, *, again: bool) -> None:
    assert found("rules[0].actions[1]: the rule asks for", said(good(actions=[first, second]))) == again


def test_a_responder_that_there_is_not() -> None:
    rules = good(actions=[{"do": "restrict"}])
    assert found("rules[0].actions[0].do: there is no responder 'restrict' here", said(rules, available={"isolate"}))
    assert said(rules, available={"restrict"}) == []


# Personal data


@pytest.mark.parametrize("action", [{"do": "capture_memory"}, {"do": "get_files", "paths": "C:\\a"}])
@pytest.mark.parametrize(
    ("when", "named"),
    [
        (GROUP, True),
        ({"all": [HIGH, GROUP]}, True),
        ({"any": [GROUP, {"device": {"group": ["Servers", "Linux *"]}}]}, True),
        (HIGH, False),
        ({"device": {"name": "lab*"}}, False),
        ({"device": {"group": "*"}}, False),
        ({"device": {"group": ["Lab", "**"]}}, False),
        ({"any": [GROUP, HIGH]}, False),
        ({"not": GROUP}, False),
    ],
)
def test_what_takes_personal_data_names_the_groups(action: Raw, when: Raw, *, named: bool) -> None:
    problems = said(good(when=when, actions=[action | {"purpose": "to see"}]))
    assert found("takes personal data: the rule has to name the device groups", problems) != named


@pytest.mark.parametrize("action", [{"do": "capture_memory"}, {"do": "get_files", "paths": "C:\\a"}])
def test_what_takes_personal_data_says_what_for(action: Raw) -> None:
    problems = said(good(when=GROUP, actions=[action], examples=GROUP_EXAMPLES))
    assert found("the key 'purpose' is missing", problems)
    assert said(good(when=GROUP, actions=[action | {"purpose": "to see"}], examples=GROUP_EXAMPLES)) == []


# Examples


def test_every_rule_needs_an_example_of_both_kinds() -> None:
    assert found("rules[0].examples: the rule needs an example that it applies to", said(rule(when=HIGH)))
    assert found("the rule needs an example that it does not apply to", said(good(examples=ALWAYS)))
    assert said(good(when={"always": True}, examples=ALWAYS)) == []


@pytest.mark.parametrize(
    ("kind", "incident", "problem"),
    [
        ("match", {"severity": "low"}, "the rule does not apply: the severity is low, not high"),
        ("match", {}, "nobody can tell whether the rule applies: the severity is not known"),
        ("no_match", {"severity": "high"}, "the rule applies: the severity is high"),
        ("unknown", {"severity": "high"}, "the rule applies: the severity is high"),
    ],
)
def test_an_example_that_says_something_else(kind: str, incident: Raw, problem: str) -> None:
    examples: Raw = {key: [*each] for key, each in MATCH.items()}
    examples[kind] = [*examples.get(kind, []), {"incident": incident}]
    (only,) = said(good(examples=examples))
    assert only.endswith(f"rules[0].examples.{kind}[{len(examples[kind]) - 1}]: {problem}")


def test_an_example_about_a_device() -> None:
    examples = {
        **GROUP_EXAMPLES,
        "unknown": [{"unreadable": True}, {"device": {"rbacGroupName": "Lab"}, "unreadable": True}],
    }
    assert said(good(when=GROUP, examples=examples)) == []
    assert (
        said(
            good(
                when={"not": GROUP}, examples={"match": GROUP_EXAMPLES["no_match"], "no_match": GROUP_EXAMPLES["match"]}
            )
        )
        == []
    )


def test_an_example_needs_a_time_only_where_the_rule_asks_for_it() -> None:
    hours = {"office": {"zone": "Europe/Berlin", "from": "08:00", "to": "18:00"}}
    times = {"match": [{"at": "2026-08-13T09:00:00Z"}], "no_match": [{"at": "2026-08-13T22:00:00Z"}]}
    when = {"time": {"during": "office"}}
    assert said(good(when=when, examples=times), hours=hours) == []
    problems = said(good(when=when, examples=times | {"match": [{}]}), hours=hours)
    assert found("rules[0].examples.match[0]: the rule looks at the time", problems)


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        (
            {"incident": {"severty": "high"}},
            "incident.severty: the member 'severty' is not known; did you mean 'severity'?",
        ),
        (
            {"incident": {"alerts": [{"mitreTechnique": []}]}},
            "alerts[0].mitreTechnique: the member 'mitreTechnique' is",
        ),
        (
            {"incident": {"alerts": [{"evidence": [{"remediationState": "active"}]}]}},
            "remediationState: the member 'remediationState' is not known; did you mean 'remediationStatus'?",
        ),
        (
            {"incident": {"alerts": [{"evidence": [{"fileDetails": {"filename": "a"}}]}]}},
            "fileDetails.filename: the member 'filename' is not known; did you mean 'fileName'?",
        ),
        (
            {"device": {"machineTag": []}},
            "device.machineTag: the member 'machineTag' is not known; did you mean 'machineTags'?",
        ),
    ],
)
def test_a_member_that_is_misspelt(example: Raw, problem: str) -> None:
    """It would be left out in silence, and the example would show nothing."""
    assert found(problem, said(good(examples={**MATCH, "unknown": [example]})))


def test_members_that_we_do_not_read_are_fine() -> None:
    incident = {"severity": "high", "assignedTo": "a", "tenantId": "b", "summary": None, "somethingNewOfMicrosofts": 1}
    assert said(good(examples={**MATCH, "match": [{"incident": incident}]})) == []


# Everything at once


def test_what_is_wrong_with_the_form_of_one_rule_hides_nothing_of_the_others() -> None:
    problems = said(good("a", severty="high"), good("b", examples=ALWAYS), good("b"))
    assert found("rules[0].severty: the key 'severty' is not known", problems)
    assert found("rules[1].examples: the rule needs an example that it does not apply to", problems)
    assert found("rules[2].name: a rule above is called 'b' already", problems)


def test_hours_that_do_not_exist() -> None:
    hours = {"office": {"zone": "Asia/Tokio", "from": "08:00", "to": "18:00"}}
    problems = said(good(when={"time": {"during": "ofice"}}), hours=hours)
    assert found("hours.office.zone: there is no zone 'Asia/Tokio'; did you mean 'Asia/Tokyo'?", problems)
    assert found("rules[0].when.time.during: there are no hours 'ofice'; did you mean 'office'?", problems)


def test_problems_come_by_line() -> None:
    lines = [each.line for each in check(text(good("a", examples=ALWAYS), good("a", examples={})))]
    assert len(lines) >= 3
    assert lines == sorted(lines)
    assert all(lines)


@given(RULE_LISTS)
def test_no_policy_is_too_odd_to_be_checked(rules: list[Raw]) -> None:
    assert all(each.line > 0 and each.message for each in check(text(*rules)))


# What is shipped and shown


def test_the_shipped_policy_is_good_and_asks_for_what_there_is() -> None:
    from responders._wiring import responders  # noqa: PLC0415 - the rest of this file needs no wiring

    assert check(DEFAULT_TEXT, set(responders())) == ()


def test_every_policy_on_the_page_is_good() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(shown) >= 2
    assert [check(each) for each in shown] == [()] * len(shown)
