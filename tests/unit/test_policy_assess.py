"""What a policy makes of an incident: the verdict, what is wanted, the doubts, and the words for it."""

import copy
import pickle
from datetime import timedelta
from typing import Any

import pytest

from responders._case import Scene, told_machines
from responders._policy import compile_policy
from shared.models.device import Machine
from shared.models.incident import Incident
from shared.models.plan import Affected, Assessment, Plan, Verdict, Want
from shared.models.policy.problems import PolicyError
from tests.unit.incidents import HOST1, HOST2, NOW, alert, bystander, device, evidence, file, incident, machine, process
from tests.unit.policies import compiled, policy, rule

Raw = dict[str, Any]
Machines = dict[str, Machine | None]

LAB = {"device": {"group": "Lab"}}
ISOLATE: Raw = {"do": "isolate"}
SHA1 = "5f1e8acedc065031aad553b710838eb366cfee9a"


def assessed(*rules: Raw, raw: Raw | None = None, machines: Machines | None = None) -> Assessment:
    """Of an incident that concerns one device, by a policy of these rules."""
    read = Incident.model_validate(raw or incident(alert(device())))
    return compiled(*rules).assess(read, machines or {}, NOW)


def wants(*rules: Raw, raw: Raw | None = None, machines: Machines | None = None) -> tuple[Want, ...]:
    """What is wanted of its one device."""
    (found,) = assessed(*rules, raw=raw, machines=machines).devices
    return found.wants


def asks(name: str, when: Raw, *actions: Raw, **members: object) -> Raw:
    return rule(name, when, actions=list(actions), **members)


def in_group(name: str) -> Machines:
    return {HOST1: machine(rbacGroupName=name)}


# The verdict


def test_the_first_verdict_decides() -> None:
    high, anything = {"severity": "high"}, {"always": True}
    first = rule("calm", high, verdict="harmless"), rule("rest", anything)
    assert assessed(*first).verdict is Verdict.HARMLESS
    assert assessed(*first).decided_by == "calm"
    assert assessed(*first[::-1]).verdict is Verdict.HARMFUL
    assert assessed(*first, raw=incident(severity="low")).decided_by == "rest"


def test_what_no_rule_judges_may_do_harm() -> None:
    found = assessed(rule(when={"severity": "low"}, verdict="harmless"))
    assert (found.verdict, found.decided_by, found.doubt) == (Verdict.HARMFUL, "", "")


def test_a_harmless_incident_concerns_nothing_and_says_why() -> None:
    found = assessed(asks("quiet", {"severity": "high"}, verdict="harmless"), asks("b", {"always": True}, ISOLATE))
    assert (found.devices, found.reasons, found.rules) == ((), ("the severity is high",), ("quiet",))


def test_what_is_not_known_never_forgives_and_leaves_a_doubt() -> None:
    found = assessed(rule("lab", LAB, verdict="harmless"), machines={HOST1: None})
    assert found.verdict is Verdict.HARMFUL
    assert found.doubt.startswith("whether rule 'lab' applies is not known: host1: the device group is not")
    assert "could not be read" in found.doubt


@pytest.mark.parametrize("group", ["Lab", "Servers"])
def test_what_is_known_leaves_none(group: str) -> None:
    found = assessed(rule("lab", LAB, verdict="harmless"), machines=in_group(group))
    assert found.verdict is (Verdict.HARMLESS if group == "Lab" else Verdict.HARMFUL)
    assert found.doubt == ""


def test_a_rule_that_may_say_harmful_stands_before_one_that_forgives() -> None:
    rules = rule("servers", {"device": {"group": "Servers"}}), rule("calm", {"severity": "high"}, verdict="harmless")
    assert assessed(*rules, machines=in_group("Lab")).verdict is Verdict.HARMLESS
    assert assessed(*rules, machines=in_group("Servers")).verdict is Verdict.HARMFUL
    open_ = assessed(*rules, machines={HOST1: None})
    assert open_.verdict is Verdict.HARMFUL
    assert "whether rule 'servers' applies is not known" in open_.doubt


def test_what_would_change_nothing_is_no_doubt() -> None:
    rules = rule("servers", {"device": {"group": "Servers"}}), rule("rest", {"always": True})
    assert assessed(*rules, machines={HOST1: None}).doubt == ""
    rules = rule("lab", LAB, verdict="harmless"), rule("calm", {"severity": "high"}, verdict="harmless")
    assert assessed(*rules, machines={HOST1: None}).verdict is Verdict.HARMLESS


def test_forgiving_takes_every_device_and_harm_takes_one() -> None:
    raw = incident(alert(device(HOST1), device(HOST2)))
    mixed: Machines = {HOST1: machine(rbacGroupName="Lab"), HOST2: machine(rbacGroupName="Servers")}
    both: Machines = {HOST1: machine(rbacGroupName="Lab"), HOST2: machine(rbacGroupName="Lab")}
    forgives = rule("lab", LAB, verdict="harmless")
    assert assessed(forgives, raw=raw, machines=mixed).verdict is Verdict.HARMFUL
    assert assessed(forgives, raw=raw, machines=both).verdict is Verdict.HARMLESS
    harms = rule("lab", LAB), rule("rest", {"always": True}, verdict="harmless")
    assert assessed(*harms, raw=raw, machines=mixed).verdict is Verdict.HARMFUL


def test_a_device_of_which_nothing_can_be_known_is_not_forgiven() -> None:
    raw = incident(alert(device(HOST1), device(None, name="unmanaged")))
    found = assessed(rule("lab", LAB, verdict="harmless"), raw=raw, machines=in_group("Lab"))
    assert found.verdict is Verdict.HARMFUL
    assert "whether rule 'lab' applies" in found.doubt


@pytest.mark.parametrize("when", [LAB, {"not": LAB}])
def test_a_rule_about_devices_says_nothing_where_none_is_concerned(when: Raw) -> None:
    found = assessed(rule("lab", when, verdict="harmless"), raw=incident(alert(bystander())))
    assert (found.verdict, found.doubt) == (Verdict.HARMFUL, "")


# What is wanted


def test_actions_add_up_and_containment_comes_first() -> None:
    found = wants(
        asks("a", {"always": True}, {"do": "collect_package"}),
        asks("b", {"severity": "high"}, {"do": "scan", "type": "full"}, ISOLATE),
        asks("c", {"severity": "low"}, {"do": "restrict"}),
    )
    assert [(each.responder, each.rule) for each in found] == [
        ("isolate", "b"),
        ("scan", "b"),
        ("collect_package", "a"),
    ]
    assert [dict(each.params) for each in found] == [{"type": "full"}, {"type": "full"}, {}]
    assert not any(each.doubt or each.unread for each in found)


def test_everything_that_can_be_asked_of_a_device() -> None:
    actions: list[Raw] = [
        {"do": "isolate", "type": "selective", "collect_first": "PT10M", "auto_release": True, "approval": "PT4H"},
        {"do": "restrict", "auto_release": True},
        {"do": "scan"},
        {"do": "collect_package"},
        {"do": "capture_memory", "purpose": "why"},
        {"do": "run_script", "script": "triage.ps1", "args": "-All"},
        {"do": "run_script", "script": "triage.ps1"},
        {"do": "get_files", "paths": ["C:\\a", "C:\\b"], "purpose": "why"},
        {"do": "hunt", "query": "process-tree", "back": "P1DT12H"},
    ]
    found = wants(asks("a", {"always": True}, *actions))
    assert [(each.responder, dict(each.params)) for each in found] == [
        ("isolate", {"type": "selective"}),
        ("restrict", {}),
        ("scan", {"type": "quick"}),
        ("collect_package", {}),
        ("capture_memory", {"purpose": "why"}),
        ("run_script", {"args": "-All", "script": "triage.ps1"}),
        ("run_script", {"script": "triage.ps1"}),
        ("get_files", {"paths": "C:\\a\nC:\\b", "purpose": "why"}),
        ("hunt", {"back": "P1DT12H", "query": "process-tree"}),
    ]
    isolation = found[0]
    assert (isolation.approval, isolation.collect_first) == (timedelta(hours=4), timedelta(minutes=10))
    assert isolation.auto_release
    assert found[1].auto_release


def test_the_first_rule_that_asks_says_how() -> None:
    particular = asks("a", {"severity": "high"}, {"do": "isolate", "type": "selective"})
    general = asks("b", {"always": True}, {"do": "isolate", "approval": "PT4H"})
    (found,) = wants(particular, general)
    assert (found.rule, found.params["type"], found.approval) == ("a", "selective", None)
    (found,) = wants(general, particular)
    assert (found.rule, found.params["type"], found.approval) == ("b", "full", timedelta(hours=4))


def test_actions_are_wanted_of_the_devices_that_are_so() -> None:
    raw = incident(alert(device(HOST1), device(HOST2)))
    machines: Machines = {HOST1: machine(rbacGroupName="Lab"), HOST2: machine(rbacGroupName="Servers")}
    found = assessed(asks("a", LAB, ISOLATE), raw=raw, machines=machines)
    assert {each.id: [want.responder for want in each.wants] for each in found.devices} == {
        HOST1: ["isolate"],
        HOST2: [],
    }


def test_what_is_not_known_is_wanted_with_a_doubt() -> None:
    (found,) = wants(asks("lab", LAB, ISOLATE), machines={HOST1: None})
    assert "whether rule 'lab' applies is not known" in found.doubt
    assert not found.unread
    raw = incident(alert(device(), severity="new!"), severity=None)
    (found,) = wants(asks("grave", {"severity_at_least": "medium"}, ISOLATE), raw=raw)
    assert found.doubt == "whether rule 'grave' applies is not known: the severity is not known"
    assert not found.unread


def test_details_that_nobody_asked_for_yet_are_told_apart() -> None:
    (found,) = wants(asks("lab", LAB, ISOLATE))
    assert found.unread
    assert "are not read" in found.doubt
    assert wants(asks("lab", LAB, ISOLATE), machines=in_group("Servers")) == ()


def test_a_rule_of_which_it_is_not_known_matters_where_it_says_something_else() -> None:
    selective = asks("lab", LAB, {"do": "isolate", "type": "selective"})
    same = asks("lab", LAB, ISOLATE)
    general = asks("rest", {"always": True}, ISOLATE)
    (found,) = wants(selective, general, machines={HOST1: None})
    assert (found.rule, found.params["type"]) == ("lab", "selective")
    assert "whether rule 'lab' applies" in found.doubt
    (found,) = wants(same, general, machines={HOST1: None})
    assert (found.rule, found.doubt) == ("rest", "")
    (found,) = wants(general, selective, machines={HOST1: None})
    assert (found.rule, found.doubt) == ("rest", "")


def test_an_approval_that_may_be_needed_is_a_doubt() -> None:
    careful = asks("lab", LAB, {"do": "isolate", "approval": "PT1H"})
    (found,) = wants(careful, asks("rest", {"always": True}, ISOLATE), machines={HOST1: None})
    assert found.doubt


# Files


def bad_file(sha1: str | None = SHA1, details: Raw | None = None, **members: object) -> Raw:
    return file(fileDetails={"fileName": "evil.exe", "sha1": sha1} | (details or {}), **members)


def stopped(*items: Raw, **asked: object) -> list[str]:
    rules = asks("a", {"always": True}, {"do": "stop_quarantine", **asked})
    devices = assessed(rules, raw=incident(alert(device(), *items))).devices
    found = [each for one in devices if one.id == HOST1 for each in one.wants]
    assert {each.responder for each in found} <= {"stop_quarantine"}
    return [each.params["sha1"] for each in found]


def test_each_malicious_file_on_the_device_is_stopped_once() -> None:
    assert stopped(bad_file(), bad_file(SHA1.upper()), bad_file("a" * 40)) == [SHA1, "a" * 40]


def test_suspicious_files_only_where_that_is_asked() -> None:
    assert stopped(bad_file(verdict="suspicious")) == []
    assert stopped(bad_file(verdict="suspicious"), verdict="suspicious") == [SHA1]


def test_files_of_one_list_only() -> None:
    assert stopped(bad_file(), bad_file("a" * 40), sha1=["A" * 40]) == ["a" * 40]


@pytest.mark.parametrize(
    "item",
    [
        bad_file(None),
        bad_file("abc"),
        bad_file(remediationStatus="remediated"),
        bad_file(mdeDeviceId=HOST2),
        bad_file(verdict="noThreatsFound"),
        bad_file(details={"signer": "Microsoft Windows"}),
        bad_file(details={"filePublisher": "Microsoft Corporation"}),
        process(verdict="malicious", imageFile={"fileName": "powershell.exe", "sha1": SHA1}),
        process(verdict="malicious", fileDetails={"fileName": "powershell.exe", "sha1": SHA1}),
    ],
)
def test_nothing_else_is_stopped(item: Raw) -> None:
    """A process least of all: its image may be PowerShell."""
    assert stopped(item) == []


def test_not_more_files_than_somebody_can_look_at() -> None:
    assert len(stopped(*(bad_file(f"{number:040x}") for number in range(50)))) == 20


# The incident itself


def test_tags_comments_and_people_belong_to_the_incident() -> None:
    found = assessed(
        asks(
            "a", {"always": True}, {"do": "tag", "tag": "seen"}, {"do": "comment", "text": "why"}, notify=["soc", "it"]
        ),
        asks("b", {"always": True}, {"do": "tag", "tag": "bulkhead:seen"}, notify="it"),
        asks("c", {"severity": "low"}, {"do": "tag", "tag": "calm"}, notify="nobody"),
    )
    assert [(each.responder, each.rule, dict(each.params)) for each in found.wants] == [
        ("tag", "a", {"tag": "bulkhead:seen"}),
        ("comment", "a", {"text": "why"}),
    ]
    assert found.notify == ("soc", "it")
    assert found.rules == ("a", "b")


def test_a_harmless_incident_gets_what_its_own_rule_asks_for() -> None:
    quiet = asks("quiet", {"severity": "high"}, {"do": "tag", "tag": "quiet"}, verdict="harmless", notify="soc")
    other = asks("other", {"always": True}, {"do": "tag", "tag": "other"}, notify="it")
    found = assessed(quiet, other)
    assert ([each.params["tag"] for each in found.wants], found.notify) == (["bulkhead:quiet"], ("soc",))
    found = assessed(rule("grave", {"always": True}), quiet)
    assert (found.wants, found.notify) == ((), ())


def test_people_are_told_where_a_rule_may_apply() -> None:
    found = assessed(asks("lab", LAB, {"do": "tag", "tag": "lab"}, notify="lab-team"), machines={HOST1: None})
    assert found.notify == ("lab-team",)
    assert found.wants[0].doubt


def test_a_doubt_of_a_rule() -> None:
    doubtful = rule("a", {"status": "resolved"}, doubt="somebody resolved it")
    assert assessed(doubtful).doubt == ""
    assert assessed(doubtful, raw=incident(status="resolved")).doubt == "somebody resolved it"
    assert assessed(doubtful, raw=incident(status=None)).doubt.startswith("whether rule 'a' applies is not known")


@pytest.mark.parametrize(
    ("classification", "cleared"), [("falsePositive", True), ("truePositive", False), (None, False)]
)
def test_an_incident_is_cleared_by_an_analyst(classification: object, *, cleared: bool) -> None:
    for rules in ([rule()], [rule(when={"classified_benign": True}, verdict="harmless")]):
        assert assessed(*rules, raw=incident(alert(device()), classification=classification)).cleared == cleared


# What the flow needs to know


def test_a_device_is_found_however_its_id_is_spelt() -> None:
    found = wants(asks("a", LAB, ISOLATE), raw=incident(alert(device(HOST1.upper()))), machines=in_group("Lab"))
    assert found[0].doubt == ""


def test_an_old_incident_can_be_replayed_with_what_its_evidence_tells() -> None:
    raw = incident(alert(device(rbacGroupName="Lab", riskScore="high")))
    told = told_machines(Incident.model_validate(raw))
    rules = [asks("a", {"device": {"group": "Lab", "risk": "high", "health": "active"}}, ISOLATE)]
    assert wants(*rules, raw=raw, machines=told)[0].doubt == ""
    assert wants(asks("a", {"device": {"value": "high"}}, ISOLATE), raw=raw, machines=told)[0].doubt


def test_an_assessment_survives_storage_and_an_older_one_is_still_read() -> None:
    found = assessed(asks("a", {"always": True}, {"do": "isolate", "approval": "PT4H", "collect_first": "PT10M"}))
    plan = Plan(incident="1", version="v", mode="observe", assessment=found, actions=())
    again = Plan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert hash(again.assessment.devices[0].wants[0]) == hash(found.devices[0].wants[0])
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - a replay hands them between processes
    assert copy.deepcopy(found) == found
    old = {"id": HOST1, "name": "host1", "onboarding": "", "why": ["role compromised"]}
    assert Affected.model_validate(old).wants == ()


def test_hours_that_do_not_exist_are_refused() -> None:
    with pytest.raises(
        PolicyError, match=r"rules\[0\]\.when\.time\.during: there are no hours 'nigth'; there are none"
    ):
        compile_policy(policy(rule(when={"time": {"during": "nigth"}})))
    with pytest.raises(
        PolicyError, match=r"hours\.o\.zone: there is no zone 'Asia/Tokio'; did you mean 'Asia/Tokyo'\?"
    ):
        compile_policy(policy(rule(), hours={"o": {"zone": "Asia/Tokio", "from": "08:00", "to": "18:00"}}))


# In words


def explained(when: Raw, raw: Raw | None = None, machines: Machines | None = None, **members: object) -> str:
    read = Incident.model_validate(raw or incident(alert(device(), process())))
    (found,) = compiled(rule("a", when, **members)).explain(read, machines or {}, NOW)
    return str(found)


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"severity_at_least": "medium"}, "a applies and gives the verdict: the severity is high"),
        ({"severity": "low"}, "a does not apply: the severity is high, not low"),
        ({"not": {"severity": "low"}}, "a applies and gives the verdict: the severity is high, not low"),
        ({"priority_at_least": 5}, "a may apply, nobody can tell: the priority score is not known"),
        ({"title": "Ransom*"}, "a does not apply: the title is 'Multi-stage incident on one endpoint', not 'Ransom*'"),
        ({"tag": "vip"}, "a does not apply: the tag is empty, not 'vip'"),
        (
            {"severity": "high", "status": "resolved", "merged": True},
            "a does not apply: the status is active, not resolved; not merged into another incident",
        ),
        ({"any": [{"severity": "high"}, {"merged": True}]}, "a applies and gives the verdict: the severity is high"),
        (
            {"alert": {"status": "new"}},
            "a applies and gives the verdict: alert 'Suspicious execution of hidden file': the status is new",
        ),
        ({"alert": {"status": "resolved"}}, "a does not apply: no alert with status resolved"),
        (
            {"evidence": {"kind": "process", "role": "source"}},
            "a does not apply: no evidence with kind process and role 'source'",
        ),
        (
            {"evidence": {"kind": "process"}},
            "a applies and gives the verdict: evidence (process evil.exe): the kind is process",
        ),
        (
            {"every_evidence": {"kind": "process"}},
            "a does not apply: evidence (device host1): the kind is device, not process",
        ),
        (
            {"device": {"os": "linux"}},
            "a does not apply: host1: the operating system is windows, not linux",
        ),
        (
            LAB,
            "a may apply, nobody can tell: host1: the device group is not known (its details are not read)",
        ),
    ],
)
def test_every_rule_says_why(when: Raw, words: str) -> None:
    assert explained(when) == words


@pytest.mark.parametrize(
    "when",
    [
        {"evidence": {"account": "alice"}},
        {"evidence": {"account": "bob"}},
        {"every_evidence": {"account": ["alice", "bob"]}},
        {"evidence": {"kind": "user", "verdict": "suspicious"}},
        {"every_evidence": {"file_path": "C:\\Users\\alice*"}},
        {"device": {"user": "alice"}},
        {"device": {"user": "carol"}},
        {"device": {"name": "alice-laptop*"}},
        {"device": {"name": "other"}},
    ],
)
def test_what_goes_to_chat_names_no_account_and_no_whole_name_of_a_device(when: Raw) -> None:
    account = {"accountName": "alice", "userPrincipalName": "alice@contoso.com"}
    items = (
        device(name="host1.contoso.com", loggedOnUsers=[account]),
        evidence("user", verdict="suspicious", userAccount=account),
        file(fileDetails={"filePath": "C:\\Users\\alice\\Downloads"}),
    )
    said = explained(when, raw=incident(alert(*items)))
    assert [each for each in ("alice", "bob", "carol", "contoso.com") if each in said] == []


def test_a_rule_about_devices_says_that_there_are_none() -> None:
    assert explained(LAB, raw=incident(alert())) == "a does not apply: no device is concerned"


def test_the_words_of_an_explanation_are_those_of_the_assessment() -> None:
    read = Incident.model_validate(incident(alert(device())))
    policy_ = compiled(rule("calm", {"severity": "high"}, verdict="harmless"))
    (found,) = policy_.explain(read, {}, NOW)
    assert policy_.assess(read, {}, NOW).reasons == (found.why,)
    policy_ = compiled(asks("lab", LAB, ISOLATE))
    (found,) = policy_.explain(read, {}, NOW)
    assert found.applies is None
    assert found.asks == ("isolate",)


def test_what_lies_on_a_device_is_found_however_its_id_is_spelt_and_read_once_for_all_devices() -> None:
    """An incident may name thousands: to read all of its evidence for each of them takes minutes."""
    raw = incident(alert(device(), device(HOST2), file(HOST1.upper())), alert(process(HOST2), evidence("url")))
    scene = Scene(Incident.model_validate(raw), {}, NOW)
    first, second = (case.device for case in scene.cases)
    assert first
    assert second
    assert [item.kind for item in first.items] == ["device", "file"]
    assert [item.kind for item in second.items] == ["device", "process"]
    assert scene.borne is scene.borne
