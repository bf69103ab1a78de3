"""What must hold for every policy and every incident: the logic, what is not known, and what a policy cannot widen."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from responders._case import Scene
from responders._conditions import compiled as compiled_condition
from responders._policy import compile_policy
from responders._rails import inner
from responders._truth import NO, UNKNOWN, YES
from shared.config import Caps, Protected
from shared.models.device import Machine
from shared.models.incident import Incident
from shared.models.plan import Assessment, Verdict
from shared.models.policy.conditions import Condition
from tests.unit.incidents import (
    HOST1,
    HOST2,
    HOST3,
    INCIDENTS,
    NOW,
    alert,
    device,
    evidence,
    incident,
)
from tests.unit.policies import CONDITIONS, DETAIL_RULES, EVIDENCE_CONDITIONS, RAW_CONDITIONS, RULE_LISTS, policy, rule

Raw = dict[str, Any]
Machines = dict[str, Machine | None]

HIDDEN = "unknownFutureValue"

_MACHINE = st.fixed_dictionaries(
    {
        "machineTags": st.lists(st.sampled_from(["Lab", "Domain Controller"]), max_size=2),
        "rbacGroupName": st.sampled_from(["Lab", "Servers", None]),
        "healthStatus": st.sampled_from(["Active", "Inactive", "Unknown", None]),
        "riskScore": st.sampled_from(["None", "Low", "High", None]),
        "deviceValue": st.sampled_from(["Low", "Normal", "High", None]),
    }
).map(Machine.model_validate)
"""Details of a device, as far as nothing but details tells them."""

MACHINES: st.SearchStrategy[dict[str, Machine]] = st.fixed_dictionaries(dict.fromkeys((HOST1, HOST2, HOST3), _MACHINE))

SIMPLE = st.builds(
    lambda hosts, severity: incident(alert(*map(device, hosts), severity=severity), severity=severity),
    st.lists(st.sampled_from((HOST1, HOST1, HOST2, None)), min_size=1, max_size=3),
    st.sampled_from(["low", "high", None]),
)
"""Incidents that concern one, two or three devices, one of which may be nobody's."""


def truth(asked: Condition, raw: Raw, machines: Machines | None = None) -> list[int]:
    """Of each device concerned, and of none."""
    scene = Scene(Incident.model_validate(raw), machines or {}, NOW)
    check = compiled_condition(asked, {})
    return [check.test(case) for case in (*scene.cases, scene.nobody)]


def composed(**members: object) -> Condition:
    return Condition.model_validate({key.rstrip("_"): value for key, value in members.items()})


# The logic is Kleene's


@given(CONDITIONS, INCIDENTS)
def test_not_turns_round_what_is_known_and_nothing_else(asked: Condition, raw: Raw) -> None:
    turned = {YES: NO, NO: YES, UNKNOWN: UNKNOWN}
    assert truth(composed(not_=asked), raw) == [turned[each] for each in truth(asked, raw)]


@given(st.lists(CONDITIONS, min_size=1, max_size=4), INCIDENTS)
def test_all_is_the_least_true_and_any_the_most(several: list[Condition], raw: Raw) -> None:
    each = list(zip(*(truth(one, raw) for one in several), strict=True))
    assert truth(composed(all=several), raw) == [min(one) for one in each]
    assert truth(composed(any=several), raw) == [max(one) for one in each]


@given(RAW_CONDITIONS, INCIDENTS)
def test_the_keys_of_a_mapping_are_all_meant(asked: Raw, raw: Raw) -> None:
    apart = [Condition.model_validate({key: value}) for key, value in asked.items()]
    assert truth(Condition.model_validate(asked), raw) == truth(composed(all=apart), raw)


@given(st.data(), st.lists(CONDITIONS, min_size=2, max_size=5), INCIDENTS)
def test_the_order_of_conditions_does_not_matter(data: st.DataObject, several: list[Condition], raw: Raw) -> None:
    other = data.draw(st.permutations(several))
    for key in ("all", "any"):
        assert truth(composed(**{key: several}), raw) == truth(composed(**{key: other}), raw)


@given(CONDITIONS, INCIDENTS)
def test_every_check_can_say_what_it_found(asked: Condition, raw: Raw) -> None:
    scene = Scene(Incident.model_validate(raw), {}, NOW)
    check = compiled_condition(asked, {})
    assert check.asked
    assert all(check.say(case) for case in (*scene.cases, scene.nobody))


# What is not known


def hidden(item: Raw, members: tuple[str, ...]) -> Raw:
    """Evidence some of whose words Microsoft keeps back."""
    return item | {name: [HIDDEN] if name == "roles" else HIDDEN for name in members}


@given(
    st.recursive(
        st.sampled_from(["evidence", "every_evidence"]).flatmap(
            lambda key: EVIDENCE_CONDITIONS.map(lambda asked: {key: asked})
        )
        | EVIDENCE_CONDITIONS.map(lambda asked: {"alert": {"evidence": asked}}),
        lambda inner_: (
            st.lists(inner_, min_size=1, max_size=3).map(lambda several: {"any": several})
            | inner_.map(lambda one: {"not": one})
        ),
        max_leaves=4,
    ).map(Condition.model_validate),
    st.lists(
        st.tuples(
            st.builds(
                lambda kind, verdict, done, role: evidence(
                    kind, verdict=verdict, remediationStatus=done, detectionStatus="blocked", roles=[role]
                ),
                st.sampled_from(["file", "process", "user"]),
                st.sampled_from(["malicious", "suspicious", "noThreatsFound", "unknown"]),
                st.sampled_from(["none", "remediated", "active"]),
                st.sampled_from(["attacker", "contextual"]),
            ),
            st.lists(st.sampled_from(["verdict", "remediationStatus", "detectionStatus", "roles"]), unique=True),
        ),
        max_size=3,
    ),
)
def test_what_holds_while_words_are_kept_back_holds_whatever_they_are(
    asked: Condition, items: list[tuple[Raw, list[str]]]
) -> None:
    whole = truth(asked, incident(alert(*(item for item, _ in items))))
    less = truth(asked, incident(alert(*(hidden(item, tuple(names)) for item, names in items))))
    assert all(known in {UNKNOWN, real} for known, real in zip(less, whole, strict=False))


def assessed(rules: list[Raw], raw: Raw, machines: Machines) -> Assessment:
    return compile_policy(policy(*rules)).assess(Incident.model_validate(raw), machines, NOW)


def how(found: Assessment) -> dict[str, dict[tuple[str, ...], object]]:
    """What is wanted of each device without a person's say, whichever rule asks for it."""
    return {
        each.id: {
            (want.responder, *want.params.values()): want.model_copy(update={"rule": ""})
            for want in each.wants
            if not want.doubt
        }
        for each in found.devices
    }


@settings(max_examples=600)
@given(DETAIL_RULES, SIMPLE, MACHINES)
def test_what_is_decided_without_a_devices_details_stands_whatever_they_are(
    rules: list[Raw], raw: Raw, machines: dict[str, Machine]
) -> None:
    """Unknown never forgives, and nothing is done alone for a reason that may not be one."""
    unread = assessed(rules, raw, dict.fromkeys(machines))
    read = assessed(rules, raw, {**machines})
    if unread.verdict is Verdict.HARMLESS or not unread.doubt:
        assert read.verdict is unread.verdict
    if read.verdict is Verdict.HARMFUL:
        alone = how(read)
        for name, wanted in how(unread).items():
            assert wanted.items() <= alone[name].items()


@given(RULE_LISTS | DETAIL_RULES, INCIDENTS | SIMPLE)
def test_no_rule_that_is_not_known_to_apply_makes_an_incident_harmless(rules: list[Raw], raw: Raw) -> None:
    compiled = compile_policy(policy(*rules))
    read = Incident.model_validate(raw)
    found = compiled.assess(read, {}, NOW)
    if found.verdict is Verdict.HARMLESS:
        by = {each.rule: each.applies for each in compiled.explain(read, {}, NOW)}
        verdicts = {one.rule.name: one.rule.verdict for one in compiled.rules}
        assert by[found.decided_by] is True
        assert verdicts[found.decided_by] == "harmless"
        earlier = list(by)[: list(by).index(found.decided_by)]
        assert [name for name in earlier if verdicts[name] == "harmful" and by[name] is not False] == []
        assert found.devices == ()


# Whatever is asked


@given(RULE_LISTS, INCIDENTS, MACHINES)
def test_deciding_twice_decides_the_same(rules: list[Raw], raw: Raw, machines: dict[str, Machine]) -> None:
    compiled = compile_policy(policy(*rules))
    first = compiled.assess(Incident.model_validate(raw), {**machines}, NOW)
    compiled.assess(Incident.model_validate(incident(alert(device()))), {}, NOW)
    assert compiled.assess(Incident.model_validate(copy.deepcopy(raw)), {**machines}, NOW) == first
    assert assessed(copy.deepcopy(rules), raw, {**machines}) == first
    assert Assessment.model_validate_json(first.model_dump_json()) == first


@given(RULE_LISTS, INCIDENTS, MACHINES)
def test_what_is_explained_is_what_was_decided(rules: list[Raw], raw: Raw, machines: dict[str, Machine]) -> None:
    compiled = compile_policy(policy(*rules))
    read = Incident.model_validate(raw)
    found = compiled.assess(read, {**machines}, NOW)
    told = compiled.explain(read, {**machines}, NOW)
    assert [each.rule for each in told] == [one.name for one in compiled.rules]
    assert [each.rule for each in told if each.decided] == [found.decided_by] * bool(found.decided_by)
    if found.verdict is Verdict.HARMFUL:
        assert set(found.rules) == {each.rule for each in told if each.applies}
    assert all(each.why for each in told)


@given(RULE_LISTS, INCIDENTS)
def test_no_policy_concerns_other_devices_than_the_built_in_judgement(rules: list[Raw], raw: Raw) -> None:
    everything = [rule("zz", {"always": True}, verdict="harmful", actions=[{"do": "isolate"}])]
    concerned = {each.id for each in assessed(everything, raw, {}).devices}
    assert {each.id for each in assessed(rules, raw, {}).devices} <= concerned


# Rails


_COUNT = st.integers(0, 100)
_SHARE = st.floats(0, 1)
_NAMES = st.lists(st.sampled_from(["dc01", "DC01", "tag", "x.contoso.com"]), max_size=3).map(tuple)
OUTER = st.tuples(
    st.builds(Caps, per_incident=_COUNT, per_hour=_COUNT, per_day=_COUNT, fleet_share=_SHARE),
    st.builds(Protected, ids=_NAMES, names=_NAMES, tags=_NAMES, groups=_NAMES),
)


def _rails() -> st.SearchStrategy[Raw]:
    caps = st.fixed_dictionaries(
        {}, optional={"per_incident": _COUNT, "per_hour": _COUNT, "per_day": _COUNT, "fleet_share": _SHARE}
    )
    listed = _NAMES.filter(bool).map(list)
    protected = st.fixed_dictionaries({}, optional=dict.fromkeys(("ids", "names", "tags", "groups"), listed))
    return st.fixed_dictionaries({}, optional={"caps": caps, "protected": protected})


@given(OUTER, _rails())
def test_the_rails_of_a_policy_are_never_wider(outer: tuple[Caps, Protected], rails: Raw) -> None:
    caps, protected = inner(*outer, policy(rule(), rails=rails))
    for name in Caps.model_fields:
        mine, theirs, ours = getattr(caps, name), getattr(outer[0], name), rails.get("caps", {}).get(name)
        assert mine <= theirs
        assert mine == (theirs if ours is None else min(theirs, ours))
    for name in Protected.model_fields:
        ours = rails.get("protected", {}).get(name, ())
        assert set(getattr(protected, name)) == {*getattr(outer[1], name), *ours}
    assert inner(caps, protected, policy(rule(), rails=rails)) == (caps, protected)


def test_a_policy_without_rails_leaves_the_settings_as_they_are() -> None:
    outer = Caps(per_hour=3), Protected(names=("dc01",))
    assert inner(*outer, policy(rule())) == outer
