"""How a policy is read: what YAML is taken, and how every problem is told at once."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from responders._policy_check import check
from shared.models.policy import yaml_tree
from shared.models.policy.document import Policy
from shared.models.policy.problems import PolicyError, Problem
from shared.models.policy.reading import read
from shared.models.policy.schema import at, schema
from shared.models.policy.yaml_tree import LOADER, parse, plain
from tests.unit.incidents import ANY_TEXT, JSON
from tests.unit.policies import DEFAULT_TEXT, RULE_LISTS, policy, rule, text

Raw = dict[str, Any]

HEAD = "version: 1\nname: test\nwhy: to see\n"
RULES = "rules:\n  - {name: a, why: b, when: {always: true}, verdict: harmful}\n"


def problems(written: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        read(written)
    return [str(each) for each in caught.value.problems]


def tried(written: str) -> tuple[Problem, ...]:
    """What the reader has against a text, if it does not read it."""
    try:
        read(written)
    except PolicyError as error:
        return error.problems or (Problem(0, "", "refused, and nobody says why"),)
    return ()


def told(members: str) -> list[str]:
    """The problems of a policy whose one rule has these lines beside its name, why and when."""
    lines = "".join(f"    {line}\n" for line in members.splitlines())
    return problems(f"{HEAD}rules:\n  - name: a\n    why: b\n    when: {{always: true}}\n{lines}")


# What YAML is taken


def test_the_smallest_policy() -> None:
    assert read(HEAD + RULES).rules[0].verdict == "harmful"


def test_json_is_yaml() -> None:
    assert read(text(rule())) == policy(rule())


@pytest.mark.parametrize("word", ["no", "on", "12", "0123", "1e5", "2026-01-01", "18:00", "true", "0x10"])
def test_a_plain_word_means_what_its_field_asks_for(word: str) -> None:
    """In YAML 1.1 these are a truth, numbers, a date and a number of seconds."""
    found = read(f"{HEAD}{RULES}    \n  - {{name: b, why: c, doubt: d, when: {{tag: [{word}]}}}}\n")
    assert found.rules[1].when.tag == (word,)


def test_hours_are_no_numbers() -> None:
    found = read(f"{HEAD}hours: {{office: {{zone: UTC, from: 08:00, to: 18:00}}}}\n{RULES}")
    assert (found.hours["office"].from_, found.hours["office"].to) == ("08:00", "18:00")


def test_words_are_kept_as_the_schema_spells_them_whatever_the_capitals() -> None:
    found = read(text(rule(when={"severity": "HIGH", "status": ["INPROGRESS"]}, verdict="Harmful")))
    assert (found.rules[0].when.severity, found.rules[0].when.status) == (("high",), ("inProgress",))


def test_the_data_of_examples_is_read_as_json_would_be() -> None:
    lines = "{priorityScore: 91, assignedTo: null, open: true, share: 0.5, id: '17', displayName: no, tags: [~]}"
    found = read(f"{HEAD}rules:\n  - name: a\n    why: b\n    when: {{always: true}}\n    verdict: harmful\n"
                 f"    examples: {{match: [{{incident: {lines}}}]}}\n")  # fmt: skip
    incident = found.rules[0].examples.match[0].incident
    numbers = {"priorityScore": 91, "share": 0.5, "open": True}
    assert incident == numbers | {"assignedTo": None, "id": "17", "displayName": "no", "tags": [None]}


def test_anchors_are_fine() -> None:
    found = read(
        f"{HEAD}rules:\n  - {{name: a, why: b, verdict: harmful, when: &when {{severity: high}}}}\n"
        "  - {name: b, why: c, doubt: d, when: *when}\n"
    )
    assert found.rules[0].when == found.rules[1].when


def test_durations() -> None:
    wanted = {"do": "isolate", "approval": "P1DT2H", "collect_first": "PT10M"}
    (found,) = policy(rule(actions=[wanted])).rules[0].actions
    assert found.model_dump(mode="json") | {"approval": "P1DT2H", "collect_first": "PT10M"} == {
        **wanted,
        "type": "full",
        "auto_release": False,
    }
    assert found.approval
    assert found.approval.total_seconds() == 26 * 3600


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_both_of_the_packages_parsers_read_the_same(loader: type[yaml.SafeLoader]) -> None:
    """Where the fast one is not built in, the other has to do."""
    found, wrong = parse(DEFAULT_TEXT, loader)
    usual, _ = parse(DEFAULT_TEXT)
    assert found
    assert usual
    assert (plain(found), wrong) == (plain(usual), [])


# What is wrong, where, and what was meant


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ("verdikt: harmful", "line 8, rules[0].verdikt: the key 'verdikt' is not known; did you mean 'verdict'?"),
        ("verdict: harmfull", "line 8, rules[0].verdict: 'harmfull' is not a verdict; did you mean 'harmful'?"),
        ("verdict:\ndoubt: x", "line 8, rules[0].verdict: has no value; give it one, or leave the key out"),
        ("verdict: ''", "line 8, rules[0].verdict: '' is not a verdict (known: harmless, harmful)"),
        ("doubt: '  '", "line 8, rules[0].doubt: is empty"),
        ("doubt: [a]", "line 8, rules[0].doubt: needs a text"),
        ("why: again\nverdict: harmful", "line 8, rules[0]: 'why' stands here again; it is already on line 6"),
        ("verdict: !!python/name:os.system x", "line 8, rules[0].verdict: the tag"),
        ("actions: isolate", "line 8, rules[0].actions: needs a list: lines that begin with '- '"),
        ("actions: [isolate]", "line 8, rules[0].actions[0]: needs a mapping"),
        (
            "actions:\n  - do: isolat",
            "line 9, rules[0].actions[0]: 'isolat' is nothing that a rule can ask for; did you",
        ),
        ("actions:\n  - type: full", "line 9, rules[0].actions[0]: says nothing to do: the key 'do' is missing"),
        (
            "actions:\n  - do: isolate\n    typ: full",
            "line 10, rules[0].actions[0].typ: the key 'typ' is not known; did",
        ),
        (
            "actions:\n  - do: isolate\n    type: selectiv",
            "line 10, rules[0].actions[0].type: 'selectiv' is not a type of",
        ),
        (
            "actions:\n  - do: isolate\n    approval: 4h",
            "line 10, rules[0].actions[0].approval: '4h' is not an ISO 8601",
        ),
        ("actions:\n  - do: isolate\n    approval: PT0S", "line 10, rules[0].actions[0].approval: PT0S is not between"),
        ("actions:\n  - do: isolate\n    approval: P8D", "line 10, rules[0].actions[0].approval: P8D is not between"),
        (
            "actions:\n  - do: isolate\n    collect_first: PT2H",
            "line 10, rules[0].actions[0].collect_first: PT2H is not",
        ),
        (
            "actions:\n  - do: isolate\n    auto_release: yes",
            "line 10, rules[0].actions[0].auto_release: 'yes' is neither",
        ),
        (
            "actions:\n  - do: capture_memory",
            "line 9, rules[0].actions[0].purpose: the key 'purpose' is missing: what for",
        ),
        ("actions:\n  - do: run_script\n    script: ../x", "line 10, rules[0].actions[0].script: is not a name"),
        ("notify: On Call", "line 8, rules[0].notify[0]: 'On Call' is not a name"),
        ("", "line 5, rules[0]: the rule does nothing"),
    ],
)
def test_of_a_rule(members: str, problem: str) -> None:
    (found,) = told(members)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ({}, "rules[0].when: asks for nothing; known are all, any, not, always"),
        ({"severty": "high"}, "rules[0].when.severty: the key 'severty' is not known; did you mean 'severity'?"),
        ({"severity": "hihg"}, "rules[0].when.severity[0]: 'hihg' is not a severity; did you mean 'high'?"),
        ({"severity": []}, "rules[0].when.severity: is empty"),
        ({"severity_at_least": "unknown"}, "rules[0].when.severity_at_least: 'unknown' is not a severity (known:"),
        (
            {"all": [{"any": [{"not": {"tga": "x"}}]}]},
            "rules[0].when.all[0].any[0].not.tga: the key 'tga' is not known;",
        ),
        ({"alert": {"technique": "1059"}}, "rules[0].when.alert.technique[0]: '1059' is not a MITRE ATT&CK technique"),
        ({"evidence": {"sha1": "abc"}}, "rules[0].when.evidence.sha1[0]: 'abc' is not 40 hexadecimal digits"),
        ({"evidence": {"kind": "fiel"}}, "rules[0].when.evidence.kind[0]: 'fiel' is not a kind of evidence; did you"),
        ({"device": {"os": "win"}}, "rules[0].when.device.os[0]: 'win' is not a kind of operating system; did you"),
        (
            {"device": {"role": "printer"}},
            "rules[0].when.device.role[0]: 'printer' is not a role (known: domainController",
        ),
        ({"priority_at_least": 101}, "rules[0].when.priority_at_least: input should be less than or equal to 100"),
        ({"priority_at_least": "much"}, "rules[0].when.priority_at_least: needs a whole number"),
        ({"merged": "maybe"}, "rules[0].when.merged: 'maybe' is neither true nor false"),
        ({"alert": "high"}, "rules[0].when.alert: needs a mapping"),
    ],
)
def test_of_a_condition(when: Raw, problem: str) -> None:
    (found,) = problems(text(rule() | {"when": when}))
    assert problem in found


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"version": 2}, "version: '2' has to be 1"),
        ({"name": "My Policy"}, "name: 'My Policy' is not a name"),
        ({"nmae": "x"}, "nmae: the key 'nmae' is not known; did you mean 'name'?"),
        ({"rules": []}, "rules: is empty"),
        ({"rules": "none"}, "rules: needs a list"),
        ({"rails": {"caps": {"per_hour": -1}}}, "rails.caps.per_hour: input should be greater than or equal to 0"),
        ({"rails": {"cap": {}}}, "rails.cap: the key 'cap' is not known; did you mean 'caps'?"),
        (
            {"hours": {"Office": {"zone": "UTC", "from": "08:00", "to": "18:00"}}},
            "hours.Office: 'Office' is not a name",
        ),
        ({"hours": {"o": {"zone": "UTC", "from": "8:00", "to": "18:00"}}}, "hours.o.from: '8:00' is not a time of day"),
        ({"hours": {"o": {"zone": "UTC", "from": "08:00", "to": "08:00"}}}, "hours.o: 'from' and 'to' leave no time"),
        (
            {"hours": {"o": {"zone": "UTC", "form": "1", "from": "08:00", "to": "18:00"}}},
            "hours.o.form: the key 'form' is",
        ),
        ({"hours": {"o": {"from": "08:00", "to": "18:00"}}}, "hours.o.zone: the key 'zone' is missing: an IANA zone"),
    ],
)
def test_of_the_document(members: Raw, problem: str) -> None:
    found = problems(text(rule(), **members))
    assert [each for each in found if problem in each], found


def test_every_problem_is_told_at_once_by_line() -> None:
    found = problems(
        "version: 1\nnmae: x\nwhy: y\nrules:\n"
        "  - name: a\n    why: b\n    when:\n      severity: hihg\n    verdict: bad\n"
        "  - 5\n"
        "  - name: b\n    when: {always: maybe}\n    doubt: c\n"
    )
    assert [each.partition(",")[0] for each in found] == [
        *("line 1", "line 2", "line 8", "line 9", "line 10", "line 11", "line 12")
    ]
    assert found[0].startswith("line 1, name: the key 'name' is missing")


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("a:\n  b: 1\n\tc: 2", "indent with spaces"),
        ("a: b: c", "a text with a colon and a space in it needs quotes"),
        ("a: @d", "a text that begins with such a character needs quotes"),
        ("a: 1\nb c\nd: e", "is a colon missing, or does a text need quotes?"),
        ("a:\n  - b: 1\n   c: 2", "is a line indented otherwise than those before it?"),
        ('a: "b\nc: d', "is a closing quote missing?"),
        ("a: [b\nc: d", "is a closing bracket missing?"),
    ],
)
def test_what_was_probably_meant_by_what_is_no_yaml(written: str, hint: str) -> None:
    for loader in {LOADER, yaml.SafeLoader}:
        (problem,) = parse(written, loader)[1]
        assert problem.message.endswith(f"; {hint}"), loader


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "line 1, the policy: is empty"),
        ("# nothing\n", "line 1, the policy: is empty"),
        ("5", "line 1, the policy: is not a mapping; it begins with 'version: 1'"),
        ("- a", "line 1, the policy: is not a mapping"),
        ("a: [1,\n", "line 2, the policy: is not valid YAML"),
        ("a: b: c", "line 1, the policy: is not valid YAML"),
        ("a: 1\n\tb: 2", "line 2, the policy: is not valid YAML"),
        ("a: 1\n---\nb: 2\n", "line 2, the policy: a second document begins here"),
        ("a: 1\nb: \x07", "line 2, the policy: holds a character that YAML does not allow"),
        ("a: 1\nb: \ud800", "line 2, the policy: holds a character that YAML does not allow (U+D800)"),
        ("? [a]\n: b", "line 1, the policy: a key has to be a word"),
        ("a: *b", "line 1, a: '*b' names nothing above that is complete"),
        ("a: &b [*b]", "line 1, a[0]: '*b' names nothing above that is complete"),
        ("x: {a: 1}\n<<: {b: 2}", "line 2, the policy: merge keys (<<) are not read"),
        ("[" * 100, "line 1, the policy: is nested more than 40 deep"),
        ("a: " + "x" * yaml_tree.LONGEST, "line 1, the policy: is too long"),
        ("- 1\n" * 60_000, "line 50001, the policy: holds more than 50000 values"),
    ],
)
def test_what_is_no_policy_at_all(written: str, problem: str) -> None:
    assert [each for each in problems(written) if each.startswith(problem)]


@pytest.mark.timeout(10)
def test_aliases_do_not_explode() -> None:
    """The billion laughs: ten lines that would unfold to ten thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert [each for each in problems("\n".join(lines)) if "unfold to too much" in each]


# Whatever is written


FRAGMENTS = st.sampled_from(
    [
        *(
            "version: 1",
            "rules:",
            "- name: a",
            "when:",
            "  severity: high",
            "  - ",
            "{",
            "}",
            "[",
            "]",
            ",",
            ": ",
            "\n",
        ),
        *(
            "\n  ",
            "&a ",
            "*a",
            "!!",
            "!x ",
            "|",
            ">",
            "'",
            '"',
            "#",
            "%YAML 1.1\n",
            "---",
            "...",
            "<<: ",
            "? ",
            "\t",
            "~",
        ),
        *(
            "all:",
            "not:",
            "device:",
            "examples:",
            "incident:",
            "match:",
            "do: isolate",
            "null",
            "\x00",
            "\ufeff",
            "\u2028",
        ),
    ]
)


@given(st.lists(FRAGMENTS | ANY_TEXT, max_size=30).map("".join) | ANY_TEXT)
def test_no_text_makes_the_reader_crash(written: str) -> None:
    assert all(each.message and each.line > 0 for each in tried(written))
    check(written)


def _odd(value: Any, odd: Any, path: list[int]) -> Any:  # noqa: ANN401 - any JSON
    """A value with something odd somewhere inside."""
    if not path or not isinstance(value, list | dict) or not value:
        return odd
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = _odd(copy[key], odd, path[1:])
    return copy


@given(RULE_LISTS, JSON, st.lists(st.integers(0, 9), max_size=7))
def test_no_policy_with_something_odd_in_it_makes_the_reader_crash(
    rules: list[Raw], odd: object, path: list[int]
) -> None:
    written = json.dumps(_odd({"version": 1, "name": "test", "why": "to see", "rules": rules}, odd, path))
    assert all(each.message and each.line > 0 for each in tried(written))
    check(written)


@given(RULE_LISTS)
def test_what_can_be_asked_for_can_be_written_and_read(rules: list[Raw]) -> None:
    assert read(text(*rules)) == policy(*rules)


# The schema


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside: list[tuple[str | int, object]] = []
    if isinstance(value, dict) and path[-1:] not in [("incident",), ("device",)]:
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [path, *(each for key, member in inside for each in _paths(member, (*path, key)))]


def test_the_schema_knows_every_key_of_the_shipped_policy() -> None:
    value = yaml.safe_load(DEFAULT_TEXT)
    unknown = []
    for path in _paths(value):
        told: tuple[str | int, ...] = ()
        node: Any = value
        for part in path:
            node, told = node[part], (*told, part)
            tagged = isinstance(node, dict) and "do" in node
            told = (*told, node["do"]) if tagged and part != "actions" else told
        unknown += [path] if not at(told)[0] and path[-1:] != (0,) else []
    assert unknown == []


def test_the_schema_offers_no_null() -> None:
    assert '"null"' not in json.dumps(schema())


def test_the_published_schema_is_the_models() -> None:
    """`python -m local.docs --write` brings it up to date."""
    published = Path(__file__).parents[2] / "policies" / "policy.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == schema()
    assert set(schema()["properties"]) == set(Policy.model_fields)
