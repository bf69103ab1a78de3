"""How an incident is judged: issue 2, items 2 and 3, row by row, and what must hold for every incident there can be."""

import copy
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.models.incident import SEVERITIES, Incident
from shared.models.plan import Assessment, Verdict
from tests.unit.incidents import (
    HOST1,
    HOST2,
    INCIDENTS,
    JSON,
    NEW_WORD,
    NOW,
    REMEDIATIONS,
    ROLES,
    Raw,
    alert,
    bystander,
    device,
    evidence,
    file,
    incident,
    process,
)
from tests.unit.oracle import judge, wanted
from tests.unit.policies import DEFAULT

Builder = Callable[..., Raw]

BENIGN = ("falsePositive", "informationalExpectedActivity")
DONE = {"remediated", "prevented", "blocked"}
NOT_DONE = tuple(each for each in REMEDIATIONS if each not in DONE)
ACTING = {"compromised", "attacker", "source"}


def judged(raw: Raw) -> Assessment:
    """The built-in judgement, which the shipped policy has to reproduce: of every incident here."""
    incident = Incident.model_validate(raw)
    found = judge(incident)
    same_as(found, DEFAULT.assess(incident, {}, NOW), incident)
    return found


def same_as(found: Assessment, by_policy: Assessment, incident: Incident) -> None:
    """The verdict, the reasons, the devices and what is wanted of them. Of an unknown status the policy has a doubt."""
    same = ("verdict", "reasons", "severity", "newest_alert", "not_actionable")
    assert [getattr(by_policy, name) for name in same] == [getattr(found, name) for name in same]
    assert tuple(each.model_copy(update={"wants": ()}) for each in by_policy.devices) == found.devices
    harmful, untold = found.verdict is Verdict.HARMFUL, incident.status in {"", "unknownfuturevalue"}
    assert bool(by_policy.doubt) == bool(found.doubt or (harmful and untold))
    assert found.doubt in by_policy.doubt
    asked = [[want.responder for want in each.wants] for each in by_policy.devices]
    assert all([name for name in each if name != "scan"] == wanted(found) for each in asked)
    assert found.severity < SEVERITIES["medium"] or all("scan" not in each for each in asked)


def harmless(raw: Raw) -> bool:
    return judged(raw).verdict is Verdict.HARMLESS


def handled() -> Raw:
    return file(remediationStatus="remediated")


def concerned(*items: Raw) -> list[str]:
    """The ids of the devices that an incident with this one alert concerns."""
    return [each.id for each in judged(incident(alert(*items))).devices]


# Very likely harmless


@pytest.mark.parametrize("classification", [*BENIGN, "FalsePositive"])
def test_an_incident_that_a_person_classified_as_benign_is_harmless(classification: str) -> None:
    """Whatever else it says, and whether it is resolved or not."""
    raw = incident(alert(device(), file()), classification=classification)
    assert harmless(raw)
    assert harmless(raw | {"status": "resolved"})


@pytest.mark.parametrize("classification", ["truePositive", "unknown", "unknownFutureValue", NEW_WORD, "", None])
def test_any_other_classification_makes_nothing_harmless(classification: object) -> None:
    assert not harmless(incident(alert(device(), file()), classification=classification))


def test_an_incident_all_of_whose_alerts_are_classified_as_benign_is_harmless() -> None:
    assert harmless(incident(*(alert(file(), classification=each) for each in BENIGN)))


def test_one_alert_that_is_not_classified_as_benign_counts() -> None:
    assert not harmless(incident(alert(file(), classification="falsePositive"), alert(file())))


def test_an_incident_that_was_merged_into_another_is_judged_there() -> None:
    assert harmless(incident(alert(device(), file()), status="redirected"))
    assert harmless(incident(alert(device(), file()), redirectIncidentId="17"))


def test_informational_is_harmless() -> None:
    assert harmless(incident(alert(device(), severity="informational"), severity="informational"))
    assert harmless(incident(severity="informational"))


@pytest.mark.parametrize("severity", ["low", "medium", "high", "unknown", "unknownFutureValue", NEW_WORD, None])
def test_informational_counts_only_where_every_alert_is(severity: object) -> None:
    quiet = alert(device(), severity="informational")
    assert not harmless(incident(quiet, alert(device(), severity=severity), severity="informational"))
    assert not harmless(incident(quiet, severity=severity))


@pytest.mark.parametrize("verdict", ["malicious", "suspicious"])
@pytest.mark.parametrize("remediation", ["remediated", "prevented", "blocked"])
@pytest.mark.parametrize("make", [file, process])
def test_what_was_dealt_with_while_no_alert_is_open_is_harmless(make: Builder, remediation: str, verdict: str) -> None:
    item = make(verdict=verdict, remediationStatus=remediation)
    assert harmless(incident(alert(bystander(), item, status="resolved")))


@pytest.mark.parametrize("status", ["new", "inProgress", "unknown", "unknownFutureValue", NEW_WORD, None])
def test_an_alert_that_may_be_open_is_not_harmless(status: object) -> None:
    assert not harmless(incident(alert(handled(), status="resolved"), alert(handled(), status=status)))


@pytest.mark.parametrize("verdict", ["malicious", "suspicious", "Malicious"])
@pytest.mark.parametrize("remediation", NOT_DONE)
def test_one_item_that_is_not_dealt_with_is_not_harmless(remediation: object, verdict: str) -> None:
    loose = file(verdict=verdict, remediationStatus=remediation)
    assert not harmless(incident(alert(handled(), loose, status="resolved")))


def test_a_resolved_incident_is_not_harmless_for_being_resolved() -> None:
    """Somebody closed it, and did not say that it was nothing: a person decides."""
    found = judged(incident(alert(device(), file()), status="resolved"))
    assert found.verdict is Verdict.HARMFUL
    assert "resolved" in found.doubt


# Missing or unknown evidence is not harmless


def test_no_alerts_no_evidence_and_no_verdicts_are_not_harmless() -> None:
    assert not harmless(incident())
    assert not harmless(incident(alert(status="resolved")))
    assert not harmless(incident(alert(bystander(), status="resolved")))
    assert not harmless(incident(alert(file(verdict="noThreatsFound"), status="resolved")))
    assert not harmless({})


def test_a_resolved_alert_without_evidence_is_not_harmless_beside_one_that_was_dealt_with() -> None:
    assert not harmless(incident(alert(handled(), status="resolved"), alert(status="resolved")))


@pytest.mark.parametrize("verdict", ["unknownFutureValue", NEW_WORD, "likelyMalicious"])
def test_a_verdict_that_is_not_known_is_not_harmless(verdict: str) -> None:
    new = file(verdict=verdict, remediationStatus="remediated")
    assert not harmless(incident(alert(handled(), new, status="resolved")))


@pytest.mark.parametrize("remediation", ["active", "running", "unremediated", "pendingApproval", "unknownFutureValue"])
@pytest.mark.parametrize("verdict", ["unknown", "", None])
def test_something_without_a_verdict_that_is_still_being_dealt_with_is_not_harmless(
    verdict: object, remediation: str
) -> None:
    item = file(verdict=verdict, remediationStatus=remediation)
    assert not harmless(incident(alert(handled(), item, status="resolved")))


@pytest.mark.parametrize("neutral", [device(), evidence("user"), file(verdict="noThreatsFound"), evidence("aiAgent")])
def test_entities_against_which_nothing_is_said_do_not_spoil_it(neutral: Raw) -> None:
    """Every device and user of an alert is listed, nearly always without a verdict."""
    assert harmless(incident(alert(handled(), neutral, status="resolved")))


def _outspoken(raw: Raw) -> bool:
    """Whether words that need no evidence make the incident harmless."""
    words = Incident.model_validate(raw)
    by_hand = {words.classification, *(each.classification for each in words.alerts)} & {b.lower() for b in BENIGN}
    informational = words.severity == "informational"
    return bool(by_hand or informational or words.merged_into or words.status == "redirected")


@given(INCIDENTS)
def test_without_evidence_no_incident_is_harmless(raw: Raw) -> None:
    assume(not _outspoken(raw))
    stripped = copy.deepcopy(raw)
    for each in stripped["alerts"]:
        each["evidence"] = []
    assert not harmless(stripped)


@given(
    INCIDENTS,
    st.sampled_from([("malicious", each) for each in NOT_DONE] + [(NEW_WORD, "remediated"), ("unknown", "active")]),
    st.sampled_from(["file", "process", "device", "user", "mailbox", NEW_WORD]),
    st.sampled_from(["resolved", "new", None]),
)
def test_no_incident_stays_harmless_with_one_item_more_that_is_not_known_to_be_dealt_with(
    raw: Raw, states: tuple[str, object], kind: str, status: object
) -> None:
    assume(not _outspoken(raw))
    item = evidence(kind, verdict=states[0], remediationStatus=states[1], detectionStatus="detected")
    assert not harmless(raw | {"alerts": [*raw["alerts"], alert(item, status=status)]})


ITEMS = st.tuples(
    st.sampled_from(["malicious", "suspicious", "malicious", "noThreatsFound", "unknown", NEW_WORD, None]),
    st.sampled_from(["remediated", "prevented", "blocked", "none", "active", "notFound", NEW_WORD, None]),
    st.sampled_from(["detected", "prevented", "blocked", None]),
)


@given(st.lists(st.tuples(st.sampled_from(["resolved"] * 5 + ["new", None]), st.lists(ITEMS, max_size=3)), max_size=3))
def test_without_such_words_harmless_means_that_everything_is_known_to_be_dealt_with(
    told: list[tuple[object, list[tuple[object, object, object]]]],
) -> None:
    """The rule once more, over what was sent: exactly these incidents, and no others."""
    alerts = [
        alert(*(file(verdict=v, remediationStatus=r, detectionStatus=d) for v, r, d in items), status=status)
        for status, items in told
    ]
    every = [item for _, items in told for item in items]
    bad = [item for item in every if item[0] in {"malicious", "suspicious"}]
    expected = (
        all(status == "resolved" and items for status, items in told)
        and bool(bad)
        and all(r in DONE or (r in {"none", None} and d in {"prevented", "blocked"}) for _, r, d in bad)
        and NEW_WORD not in {v for v, _, _ in every}
        and all(r in DONE | {"none", None, "notFound"} for v, r, _ in every if v in {"unknown", None})
    )
    assert harmless(incident(*alerts)) == expected


# Severity


@pytest.mark.parametrize(
    ("of_incident", "of_alerts", "rank"),
    [
        ("high", ["low"], 4),
        ("low", ["high"], 4),
        ("medium", [], 3),
        ("low", ["low", "informational"], 2),
        ("low", [None], 2),
        ("unknown", ["low"], 2),
        ("unknown", [], 0),
        (None, [None], 0),
        ("High", [], 4),
        ("critical", ["high"], 4),
    ],
)
def test_the_severity_is_the_highest_that_is_said(of_incident: object, of_alerts: list[object], rank: int) -> None:
    raw = incident(*(alert(file(), severity=each) for each in of_alerts), severity=of_incident)
    assert judged(raw).severity == rank


@pytest.mark.parametrize("low", ["low", "informational", None])
@pytest.mark.parametrize("new", ["critical", "unknownFutureValue"])
def test_a_new_severity_is_not_taken_for_less_than_low(new: str, low: object) -> None:
    """It may be above high: it is unknown, and a person decides."""
    for raw in (
        incident(alert(file(), severity=low), severity=new),
        incident(alert(file(), severity=new), severity=low),
    ):
        found = judged(raw)
        assert found.severity == 0
        assert found.doubt


def test_a_benign_alert_adds_no_severity() -> None:
    raw = incident(alert(file(), severity="high", classification="falsePositive"), alert(file(), severity="low"))
    assert judged(raw | {"severity": "low"}).severity == 2


@pytest.mark.parametrize(
    ("severity", "isolates"), [("high", True), ("medium", True), ("low", False), ("informational", False)]
)
def test_what_may_do_harm_isolates_at_medium_or_high_and_is_collected_at_all(severity: str, *, isolates: bool) -> None:
    found = judged(incident(alert(device(), severity=severity), alert(severity=None), severity="informational"))
    assert found.verdict is Verdict.HARMFUL
    assert ("isolate" in wanted(found)) == isolates
    assert "collect_package" in wanted(found)


# The devices concerned


@pytest.mark.parametrize("role", sorted({each.lower() for each in ROLES}))
def test_a_device_is_concerned_for_a_role_in_which_it_acts_and_for_no_other(role: str) -> None:
    assert concerned(device(roles=[role])) == ([HOST1] if role in ACTING else [])


@pytest.mark.parametrize("role", ["Compromised", "ATTACKER"])
def test_the_case_of_a_role_does_not_matter(role: str) -> None:
    assert concerned(device(roles=["contextual", role])) == [HOST1]


@pytest.mark.parametrize("verdict", ["malicious", "suspicious", "Suspicious"])
def test_a_device_is_concerned_for_its_own_verdict(verdict: str) -> None:
    assert concerned(bystander(verdict=verdict)) == [HOST1]


@pytest.mark.parametrize("verdict", ["unknown", "noThreatsFound", "unknownFutureValue", NEW_WORD, None])
def test_no_other_verdict_concerns_a_device(verdict: object) -> None:
    assert concerned(bystander(verdict=verdict)) == []


@pytest.mark.parametrize("verdict", ["malicious", "suspicious"])
@pytest.mark.parametrize("make", [file, process])
def test_a_malicious_or_suspicious_process_or_file_concerns_the_device_that_it_bears(
    make: Builder, verdict: str
) -> None:
    assert concerned(bystander(HOST1), bystander(HOST2), make(HOST2, verdict=verdict)) == [HOST2]


@pytest.mark.parametrize("verdict", ["unknown", "noThreatsFound", NEW_WORD, None])
@pytest.mark.parametrize("make", [file, process])
def test_a_process_or_file_without_such_a_verdict_concerns_nothing(make: Builder, verdict: object) -> None:
    assert concerned(bystander(), make(verdict=verdict)) == []


@pytest.mark.parametrize("kind", ["user", "ip", "registryValue", "url", "ioTDevice", "aiAgent"])
def test_no_other_malicious_entity_concerns_a_device(kind: str) -> None:
    assert concerned(bystander(), evidence(kind, verdict="malicious", mdeDeviceId=HOST1)) == []


def test_a_domain_controller_that_was_merely_the_target_is_not_concerned() -> None:
    found = concerned(device(HOST1, roles=["attacker"]), device(HOST2, name="dc01.contoso.com", roles=["destination"]))
    assert found == [HOST1]


def test_an_alert_that_a_person_called_benign_concerns_nothing() -> None:
    benign = alert(device(HOST2), file(HOST2), classification="falsePositive")
    assert [each.id for each in judged(incident(alert(device(HOST1)), benign)).devices] == [HOST1]


def test_a_harmless_incident_concerns_nothing() -> None:
    assert judged(incident(alert(device()), classification="falsePositive")).devices == ()


@pytest.mark.parametrize("onboarding", ["canBeOnboarded", "unsupported", "insufficientInfo", NEW_WORD])
def test_a_device_that_was_not_onboarded_when_the_alert_was_made_is_left_to_its_details(onboarding: str) -> None:
    """It may have been onboarded since, perhaps by whoever answers the incident."""
    found = judged(incident(alert(device(onboardingStatus=onboarding), file())))
    assert [(each.id, each.onboarding) for each in found.devices] == [(HOST1, onboarding.lower())]
    assert found.not_actionable == ()


def test_a_device_of_which_the_incident_does_not_say_is_left_to_its_details() -> None:
    assert [each.onboarding for each in judged(incident(alert(file()))).devices] == [""]


@pytest.mark.parametrize("odd", [None, "", "../../machines", "x" * 129, "a b", "a'b", 0.5, ["a"], {"id": HOST1}])
def test_a_device_without_a_usable_id_is_reported_by_name_and_not_concerned(odd: object) -> None:
    found = judged(incident(alert(device(odd))))
    assert found.devices == ()
    assert found.not_actionable == ("host1.contoso.com: no usable Defender id",)


def test_a_bystander_without_an_id_is_not_worth_a_word() -> None:
    assert judged(incident(alert(bystander(None)))).not_actionable == ()


UNCLEAR = "what it has to do with it is told in words that this version does not know"


@pytest.mark.parametrize("word", ["unknownFutureValue", NEW_WORD])
def test_a_device_of_which_only_new_words_tell_is_reported_and_not_concerned(word: str) -> None:
    """They may say the worst, and nobody else would name it."""
    for items in (
        (bystander(roles=[word]),),
        (bystander(roles=[word], verdict="noThreatsFound"), file(verdict="unknown")),
        (bystander(roles=[], verdict=word),),
        (bystander(), file(verdict=word)),
        (process(verdict=word), bystander()),
    ):
        found = judged(incident(alert(*items)))
        assert (found.devices, found.not_actionable) == ((), (f"host1.contoso.com: {UNCLEAR}",))
    assert judged(incident(alert(file(verdict=word)))).not_actionable == (f"{HOST1[:8]}: {UNCLEAR}",)
    assert judged(incident(alert(bystander(None, roles=[word])))).not_actionable == (f"host1.contoso.com: {UNCLEAR}",)


@pytest.mark.parametrize("verdict", ["unknown", "noThreatsFound", "none", "", None])
@pytest.mark.parametrize("roles", [[], ["scanned"], ["unknown"], ["scanned", "unknownFutureValue"], None])
def test_words_that_say_something_are_not_worth_a_word(verdict: object, roles: object) -> None:
    found = judged(incident(alert(bystander(verdict=verdict, roles=roles), process(verdict=verdict))))
    assert (found.devices, found.not_actionable) == ((), ())


def test_new_words_beside_a_reason_add_nothing_to_it() -> None:
    later = alert(file(verdict=NEW_WORD), created=NOW + timedelta(hours=1))
    (found,) = judged(incident(alert(device(roles=["compromised", NEW_WORD])), later)).devices
    assert judged(incident(alert(bystander(), file(verdict="unknown", roles=[NEW_WORD])))).not_actionable == ()
    assert (found.why, found.newest_alert) == (("role compromised",), NOW)


def test_two_devices_of_one_name_are_two_devices() -> None:
    """A name proves nothing: machines are onboarded again, and laptops share names."""
    assert concerned(device(HOST1, name="same"), bystander(HOST2, name="same")) == [HOST1]


def test_a_device_has_its_reasons_its_name_and_the_hints_of_its_evidence() -> None:
    items = (device(tags=["Tier0"], detailedRoles=["DomainController"]), file(), process())
    (found,) = judged(incident(alert(*items))).devices
    assert found.why == ("role compromised", "a malicious file on it", "a suspicious process on it")
    assert found.name == "host1.contoso.com"
    assert found.hints == ("Tier0", "DomainController")


def test_the_newest_alert_of_a_device_is_the_newest_that_holds_something_against_it() -> None:
    """Being mentioned in a later alert is no news: that would take back a person's release."""
    raw = incident(
        alert(device(HOST1)),
        alert(bystander(HOST1), device(HOST2), created=NOW + timedelta(hours=1)),
        alert(file(HOST2), created=NOW + timedelta(minutes=30)),
    )
    times = {each.id: each.newest_alert for each in judged(raw).devices}
    assert times == {HOST1: NOW, HOST2: NOW + timedelta(hours=1)}


# What must hold whatever is sent


@given(INCIDENTS | st.dictionaries(st.sampled_from(["alerts", "status", "severity"]), JSON))
def test_every_incident_is_judged_with_a_reason(raw: Raw) -> None:
    found = judged(raw)
    assert found.reasons
    assert all(found.reasons)
    found.model_dump_json()


@given(INCIDENTS)
def test_a_device_is_concerned_only_by_what_is_said_against_it(raw: Raw) -> None:
    """Its id is usable and occurs in the incident; somebody not called benign holds something against it."""
    for found in judged(raw).devices:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", found.id)
        against = [
            item
            for each in raw["alerts"]
            if str(each.get("classification")).lower() not in {"falsepositive", "informationalexpectedactivity"}
            for item in each["evidence"]
            if str(item.get("mdeDeviceId")) == found.id and _against(item)
        ]
        assert against


def _against(item: Raw) -> bool:
    bad = str(item.get("verdict")).strip().lower() in {"malicious", "suspicious"}
    if not item["@odata.type"].endswith((".deviceEvidence", ".processEvidence", ".fileEvidence")):
        return False
    roles = item.get("roles")
    said = [roles] if isinstance(roles, str) else roles if isinstance(roles, list) else []
    acting = item["@odata.type"].endswith(".deviceEvidence") and any(
        isinstance(each, str) and each.strip().lower() in ACTING for each in said
    )
    return bad or acting


@given(
    INCIDENTS, st.sampled_from(["canBeOnboarded", "unsupported", "insufficientInfo", "unknownFutureValue", NEW_WORD])
)
def test_who_is_concerned_does_not_depend_on_who_was_onboarded_then(raw: Raw, onboarding: str) -> None:
    told = copy.deepcopy(raw)
    for item in (item for each in told["alerts"] for item in each["evidence"]):
        if str(item.get("mdeDeviceId")) == HOST1:
            item["onboardingStatus"] = onboarding
    assert [each.id for each in judged(told).devices] == [each.id for each in judged(raw).devices]


@given(INCIDENTS, st.lists(st.sampled_from([role for role in ROLES if role not in ACTING]), max_size=3))
def test_a_device_that_is_only_mentioned_scanned_or_aimed_at_is_never_concerned(raw: Raw, roles: list[str]) -> None:
    """The domain controller that was the target: added to any incident, in any role but an acting one."""
    target = "d" * 40
    added = alert(device(target, name="dc01.contoso.com", roles=roles), process(target, verdict="unknown"))
    assert target not in [each.id for each in judged(raw | {"alerts": [*raw["alerts"], added]}).devices]


@given(INCIDENTS)
def test_the_same_incident_is_judged_the_same(raw: Raw) -> None:
    assert judged(copy.deepcopy(raw)) == judged(raw)
