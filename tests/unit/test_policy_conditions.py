"""What each condition means: when it holds, when it does not, and when nobody can tell."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responders._case import Scene
from responders._conditions import INCIDENT, compiled
from responders._device_conditions import DEVICE
from responders._evidence_conditions import ALERT, EVIDENCE
from responders._hours import clock
from responders._leaves import matcher
from responders._truth import NO, UNKNOWN, YES
from shared.models.device import Machine
from shared.models.incident import Incident
from shared.models.policy.conditions import AlertIs, Condition, DeviceIs, EvidenceIs
from shared.models.policy.document import Hours
from shared.zones import known, zone
from tests.unit.incidents import HOST1, HOST2, NOW, alert, bystander, device, evidence, file, incident, machine, process

Raw = dict[str, Any]

SHA1 = "5f1e8acedc065031aad553b710838eb366cfee9a"
SHA256 = "8963a19fb992ad9a76576c5638fd68292cffb9aaac29eb8285f9abf6196a7dec"
MORE: Raw = {"alerts@odata.nextLink": "https://graph.example/more"}
ASKED_APART = {"all", "any", "not_", "time"}


def scene(raw: Raw, machines: dict[str, Machine | None] | None = None, now: datetime = NOW) -> Scene:
    return Scene(Incident.model_validate(raw), machines or {}, now)


def truth(asked: Raw, raw: Raw) -> int:
    """Of a condition on the incident."""
    return compiled(Condition.model_validate(asked), {}).test(scene(raw).nobody)


def of_alert(asked: Raw, members: Raw) -> int:
    return truth({"alert": asked}, incident(alert() | members))


def of_evidence(asked: Raw, item: Raw) -> int:
    return truth({"evidence": asked}, incident(alert(item)))


def of_device(asked: Raw, details: Machine | None, *items: Raw) -> int:
    """Of a condition on the one device that the incident concerns."""
    case = scene(incident(alert(*(items or (device(),)))), {HOST1: details}).cases[0]
    return compiled(Condition.model_validate({"device": asked}), {}).test(case)


def without(raw: Raw, *members: str) -> Raw:
    return {key: value for key, value in raw.items() if key not in members}


def test_whatever_a_policy_can_ask_for_is_answered() -> None:
    assert set(INCIDENT) | ASKED_APART == set(Condition.model_fields)
    assert set(ALERT) == set(AlertIs.model_fields)
    assert set(EVIDENCE) == set(EvidenceIs.model_fields)
    assert set(DEVICE) == set(DeviceIs.model_fields)


# The incident


@pytest.mark.parametrize(
    ("asked", "members", "expected"),
    [
        ({"always": True}, {}, YES),
        ({"title": "multi-stage*"}, {}, YES),
        ({"title": ["nothing", "*ENDPOINT"]}, {}, YES),
        ({"title": "Multi-stage"}, {}, NO),
        ({"title": "*"}, {"displayName": ""}, YES),
        ({"title": "x*"}, {"displayName": None}, NO),
        ({"description": "*lateral*"}, {"description": "Lateral movement was seen."}, YES),
        ({"description": "*lateral*"}, {"description": None}, NO),
        ({"description": "*lateral*"}, {}, UNKNOWN),
        ({"status": "inProgress"}, {"status": "InProgress"}, YES),
        ({"status": ["active", "resolved"]}, {"status": "redirected"}, NO),
        ({"status": "awaitingAction"}, {"status": "unknownFutureValue"}, UNKNOWN),
        ({"status": "active"}, {"status": "somethingNew"}, NO),
        ({"classification": "truePositive"}, {"classification": "truePositive"}, YES),
        ({"classification": "truePositive"}, {"classification": "unknown"}, NO),
        ({"classification": "unknown"}, {"classification": "unknown"}, YES),
        ({"classification": "truePositive"}, {"classification": None}, UNKNOWN),
        ({"determination": ["malware", "apt"]}, {"determination": "apt"}, YES),
        ({"determination": "malware"}, {"determination": "phishing"}, NO),
        ({"tag": "vip*"}, {"customTags": ["other", "VIP user"]}, YES),
        ({"tag": "vip"}, {"customTags": []}, NO),
        ({"tag": "vip"}, {"customTags": None}, NO),
        ({"system_tag": "Defender Experts"}, {"systemTags": ["defender experts"]}, YES),
        ({"system_tag": "Defender Experts"}, {"systemTags": []}, NO),
        ({"priority_at_least": 85}, {"priorityScore": 85}, YES),
        ({"priority_at_least": 85}, {"priorityScore": 84}, NO),
        ({"priority_at_least": 0}, {"priorityScore": None}, UNKNOWN),
        ({"priority_at_most": 15}, {"priorityScore": 15}, YES),
        ({"priority_at_most": 15}, {"priorityScore": 16}, NO),
        ({"priority_at_most": 15}, {"priorityScore": "15"}, UNKNOWN),
        ({"priority_at_least": 10, "priority_at_most": 20}, {"priorityScore": 15}, YES),
        ({"priority_at_least": 10, "priority_at_most": 20}, {"priorityScore": 25}, NO),
        ({"merged": True}, {"redirectIncidentId": "17"}, YES),
        ({"merged": True}, {"status": "redirected"}, YES),
        ({"merged": True}, {}, NO),
        ({"merged": False}, {}, YES),
        ({"classified_benign": True}, {"classification": "falsePositive"}, YES),
        ({"classified_benign": True}, {"classification": "informationalExpectedActivity"}, YES),
        ({"classified_benign": True}, {"classification": "unknownFutureValue"}, NO),
        ({"disrupted": True}, {"displayName": "Ransomware (attack disruption)"}, YES),
        ({"disrupted": True}, {"displayName": "Ransomware"}, NO),
    ],
)
def test_of_the_incident(asked: Raw, members: Raw, expected: int) -> None:
    assert truth(asked, incident(alert(), **members)) == expected


@pytest.mark.parametrize("member", ["displayName", "customTags", "systemTags"])
def test_what_was_not_sent_is_not_known(member: str) -> None:
    key = {"displayName": "title", "customTags": "tag", "systemTags": "system_tag"}[member]
    assert truth({key: "x"}, without(incident(), member)) == UNKNOWN


@pytest.mark.parametrize(
    ("of_incident", "of_alert_", "least", "named"),
    [
        ("high", "low", YES, "high"),
        ("low", "medium", YES, "medium"),
        ("low", "low", NO, "low"),
        ("unknown", "low", NO, "low"),
        ("low", "critical", UNKNOWN, "unknown"),
        (None, None, UNKNOWN, "unknown"),
    ],
)
def test_the_severity_is_the_highest_that_is_said(
    of_incident: object, of_alert_: object, least: int, named: str
) -> None:
    raw = incident(alert(severity=of_alert_), severity=of_incident)
    assert truth({"severity_at_least": "medium"}, raw) == least
    assert truth({"severity": named}, raw) == YES
    other = {"high": "low"}.get(named, "high")
    assert truth({"severity": other}, raw) == (UNKNOWN if named == "unknown" else NO)


def test_a_benign_alert_adds_no_severity() -> None:
    raw = incident(alert(severity="high", classification="falsePositive"), severity="low")
    assert truth({"severity_at_least": "medium"}, raw) == NO


@pytest.mark.parametrize(
    ("asked", "raw", "expected"),
    [
        ({"all_alerts_benign": True}, incident(alert(classification="falsePositive")), YES),
        ({"all_alerts_benign": True}, incident(), NO),
        ({"all_alerts_benign": True}, incident(alert(classification="falsePositive"), **MORE), NO),
        ({"informational_only": True}, incident(alert(severity="informational"), severity="informational"), YES),
        ({"informational_only": True}, incident(alert(severity=None), severity="informational"), NO),
        ({"informational_only": True}, incident(alert(severity="informational"), severity="informational", **MORE), NO),
        ({"all_dealt_with": True}, incident(alert(file(remediationStatus="blocked"), status="resolved")), YES),
        ({"all_dealt_with": True}, incident(alert(file(remediationStatus="blocked"), status="new")), NO),
        ({"all_dealt_with": True}, incident(alert(file(remediationStatus="blocked"), status="resolved"), **MORE), NO),
        ({"alert": {"title": "x"}}, incident(alert(title="y"), **MORE), UNKNOWN),
        ({"evidence": {"kind": "url"}}, incident(alert(file()), **MORE), UNKNOWN),
        ({"all_dealt_with": True}, incident(alert(status="resolved")), NO),
    ],
)
def test_what_follows_from_several_members_is_known_or_is_not_so(asked: Raw, raw: Raw, expected: int) -> None:
    assert truth(asked, raw) == expected


# Alerts


@pytest.mark.parametrize(
    ("asked", "members", "expected"),
    [
        ({"title": "suspicious execution*"}, {}, YES),
        ({"title": "ransom*"}, {}, NO),
        ({"description": "*hidden*"}, {}, YES),
        ({"category": "ransomware"}, {"categories": ["Execution", "Ransomware"]}, YES),
        ({"category": "Ransomware"}, {"category": "Ransomware"}, YES),
        ({"category": "Ransomware"}, {"categories": [], "category": None}, NO),
        ({"category": "Ransomware"}, {}, UNKNOWN),
        ({"technique": "T1059"}, {"mitreTechniques": ["T1059"]}, YES),
        ({"technique": "T1059"}, {"mitreTechniques": ["T1059.001"]}, YES),
        ({"technique": "t1059.001"}, {"mitreTechniques": ["T1059.001"]}, YES),
        ({"technique": "T1059.001"}, {"mitreTechniques": ["T1059.003"]}, NO),
        ({"technique": "T1059.001"}, {"mitreTechniques": ["T1059"]}, UNKNOWN),
        ({"technique": "T1059"}, {"mitreTechniques": ["T10591"]}, NO),
        ({"technique": "T1059"}, {"mitreTechniques": []}, NO),
        ({"technique": "T1059"}, {}, UNKNOWN),
        ({"severity": ["low", "high"]}, {"severity": "high"}, YES),
        ({"severity": "low"}, {"severity": "unknown"}, UNKNOWN),
        ({"severity_at_least": "medium"}, {"severity": "low"}, NO),
        ({"severity_at_least": "medium"}, {"severity": "critical"}, UNKNOWN),
        ({"status": "new"}, {}, YES),
        ({"status": "new"}, {"status": "resolved"}, NO),
        ({"status": "new"}, {"status": "unknown"}, UNKNOWN),
        ({"determination": "malware"}, {"determination": "malware"}, YES),
        ({"service_source": "microsoftSentinel"}, {"serviceSource": "microsoftSentinel"}, YES),
        ({"service_source": "microsoftSentinel"}, {"serviceSource": "unknownFutureValue"}, UNKNOWN),
        ({"service_source": "microsoftSentinel"}, {}, NO),
        ({"detection_source": ["antivirus", "customTi"]}, {"detectionSource": "customTi"}, YES),
        ({"detection_source": "antivirus"}, {}, UNKNOWN),
        ({"system_tag": "x"}, {"systemTags": ["X"]}, YES),
        ({"system_tag": "x"}, {"systemTags": []}, NO),
        ({"classification": "falsePositive"}, {"classification": "falsePositive"}, YES),
        ({"classification": "truePositive"}, {}, NO),
    ],
)
def test_of_an_alert(asked: Raw, members: Raw, expected: int) -> None:
    assert of_alert(asked, members) == expected


def test_an_alert_has_to_be_all_of_it_at_once() -> None:
    raw = incident(alert(title="a", severity="low"), alert(title="b", severity="high"))
    assert truth({"alert": {"title": "a", "severity": "high"}}, raw) == NO
    assert truth({"alert": {"title": "b", "severity": "high"}}, raw) == YES


def test_an_alert_that_is_called_benign_does_not_count_unless_that_is_asked() -> None:
    raw = incident(alert(title="a", classification="falsePositive"), alert(title="b"))
    assert truth({"alert": {"title": "a"}}, raw) == NO
    assert truth({"alert": {"title": "a", "classification": "falsePositive"}}, raw) == YES
    assert truth({"every_alert": {"title": "b"}}, raw) == YES
    assert truth({"every_alert": {"title": "b", "classification": "unknown"}}, raw) == NO


def test_every_alert_needs_one() -> None:
    assert truth({"every_alert": {"status": "new"}}, incident(alert(), alert())) == YES
    assert truth({"every_alert": {"status": "new"}}, incident(alert(), alert(status="resolved"))) == NO
    assert truth({"every_alert": {"status": "new"}}, incident(alert(classification="falsePositive"))) == NO


@pytest.mark.parametrize("key", ["alert", "every_alert"])
def test_an_incident_without_alerts_is_one_whose_alerts_nobody_sent(key: str) -> None:
    assert truth({key: {"status": "new"}}, incident()) == UNKNOWN


def test_one_alert_of_which_it_is_not_known_leaves_it_open() -> None:
    raw = incident(alert(status="resolved"), alert(status="unknown"))
    assert truth({"alert": {"status": "new"}}, raw) == UNKNOWN
    assert truth({"every_alert": {"status": "resolved"}}, raw) == UNKNOWN
    assert truth({"every_alert": {"status": "new"}}, raw) == NO


# Evidence


@pytest.mark.parametrize(
    ("asked", "item", "expected"),
    [
        ({"kind": "file"}, file(), YES),
        ({"kind": ["ip", "iotdevice"]}, evidence("ioTDevice"), YES),
        ({"kind": "file"}, process(), NO),
        ({"kind": "file"}, {"verdict": "malicious"}, UNKNOWN),
        ({"verdict": "malicious"}, file(), YES),
        ({"verdict": "malicious"}, file(verdict="unknown"), NO),
        ({"verdict": "malicious"}, file(verdict="unknownFutureValue"), UNKNOWN),
        ({"remediation": "active"}, file(), YES),
        ({"remediation": "remediated"}, file(), NO),
        ({"remediation": "active"}, file(remediationStatus="unknownFutureValue"), UNKNOWN),
        ({"detection": ["blocked", "prevented"]}, file(detectionStatus="Blocked"), YES),
        ({"detection": "detected"}, file(detectionStatus="prevented"), NO),
        ({"detection": "detected"}, evidence("user"), UNKNOWN),
        ({"role": "attacker"}, device(roles=["Attacker"]), YES),
        ({"role": "attacker"}, device(roles=["scanned"]), NO),
        ({"role": "attacker"}, device(roles=[]), NO),
        ({"role": "attacker"}, device(roles=["unknownFutureValue"]), UNKNOWN),
        ({"role": "attacker"}, without(device(), "roles"), UNKNOWN),
        ({"file_name": "EVIL.*"}, file(), YES),
        ({"file_name": "evil.exe"}, process(), YES),
        ({"file_name": "good.exe"}, file(), NO),
        ({"file_name": "evil.exe"}, file(fileDetails=None), UNKNOWN),
        ({"file_name": "evil.exe"}, evidence("user"), NO),
        ({"file_name": "evil.exe"}, evidence("somethingNew"), UNKNOWN),
        ({"file_path": "c:\\temp"}, file(), YES),
        ({"file_path": "c:\\windows*"}, file(), NO),
        ({"sha1": SHA1.upper()}, file(fileDetails={"sha1": SHA1}), YES),
        ({"sha1": SHA1}, file(fileDetails={"sha1": "0" * 40}), NO),
        ({"sha1": SHA1}, file(), UNKNOWN),
        ({"sha1": SHA1}, process(imageFile={"sha1": SHA1}), YES),
        ({"sha1": SHA1}, evidence("fileHash", algorithm="sha1", value=SHA1), YES),
        ({"sha1": SHA1}, evidence("fileHash", algorithm="sha256", value=SHA256), UNKNOWN),
        ({"sha256": SHA256}, file(fileDetails={"sha256": SHA256}), YES),
        ({"sha256": SHA256}, evidence("ip"), NO),
        ({"signer": "contoso*"}, file(fileDetails={"signer": "Contoso Ltd"}), YES),
        ({"signer": "contoso*"}, file(fileDetails={"signer": None}), UNKNOWN),
        ({"publisher": "contoso*"}, file(fileDetails={"filePublisher": "Fabrikam"}), NO),
        ({"account": "ALICE"}, process(), YES),
        ({"account": "contoso\\alice"}, process(), YES),
        ({"account": "alice@*"}, evidence("user", userAccount={"userPrincipalName": "alice@contoso.com"}), YES),
        ({"account": "S-1-5-18"}, evidence("user", userAccount={"userSid": "S-1-5-18"}), YES),
        ({"account": "bob"}, process(), NO),
        ({"account": "bob"}, evidence("user"), UNKNOWN),
        ({"account": "bob"}, file(), NO),
    ],
)
def test_of_evidence(asked: Raw, item: Raw, expected: int) -> None:
    assert of_evidence(asked, item) == expected
    assert of_alert({"evidence": asked}, {"evidence": [item]}) == expected


def test_an_entity_has_to_be_all_of_it_at_once() -> None:
    raw = incident(alert(file(verdict="suspicious"), process(verdict="malicious")))
    assert truth({"evidence": {"kind": "file", "verdict": "malicious"}}, raw) == NO
    assert truth({"evidence": {"kind": "process", "verdict": "malicious"}}, raw) == YES


def test_all_evidence_needs_some() -> None:
    asked = {"every_evidence": {"remediation": "remediated"}}
    done = file(remediationStatus="remediated")
    assert truth(asked, incident(alert(done), alert(done))) == YES
    assert truth(asked, incident(alert(done), alert(file()))) == NO
    assert truth(asked, incident(alert())) == NO


@pytest.mark.parametrize("key", ["evidence", "every_evidence"])
def test_evidence_that_was_not_sent_is_not_known(key: str) -> None:
    """But one entity that is known settles it."""
    unsent = without(alert(), "evidence")
    assert truth({key: {"kind": "file"}}, incident(unsent)) == UNKNOWN
    assert truth({key: {"kind": "file"}}, incident(unsent, alert(file()))) == (YES if key == "evidence" else UNKNOWN)
    assert truth({"every_evidence": {"kind": "file"}}, incident(unsent, alert(process()))) == NO


# Devices


@pytest.mark.parametrize(
    ("asked", "details", "expected"),
    [
        ({"tag": "lab*"}, {"machineTags": ["Lab 1"]}, YES),
        ({"tag": "lab*"}, {"machineTags": []}, NO),
        ({"group": "the-a-team"}, {}, YES),
        ({"group": ["Servers", "*-b-*"]}, {}, NO),
        ({"group": "Servers"}, {"rbacGroupName": None}, NO),
        ({"os": "windows"}, {}, YES),
        ({"os": "windowsServer"}, {"osPlatform": "WindowsServer2022"}, YES),
        ({"os": "windows"}, {"osPlatform": "WindowsServer2022"}, NO),
        ({"os": "linux"}, {"osPlatform": "RedHatEnterpriseLinux"}, YES),
        ({"os": "linux"}, {"osPlatform": "Ubuntu"}, YES),
        ({"os": "macos"}, {"osPlatform": "macOS"}, YES),
        ({"os": "mobile"}, {"osPlatform": "Android"}, YES),
        ({"os": "linux"}, {"osPlatform": "SomethingNew"}, UNKNOWN),
        ({"os_platform": "windows1?"}, {}, YES),
        ({"os_platform": "WindowsServer*"}, {}, NO),
        ({"health": "active"}, {}, YES),
        ({"health": "active"}, {"healthStatus": "NoSensorData"}, NO),
        ({"health": "active"}, {"healthStatus": "Unknown"}, UNKNOWN),
        ({"health": "active"}, {"healthStatus": None}, UNKNOWN),
        ({"onboarding": "onboarded"}, {}, YES),
        ({"onboarding": ["canBeOnboarded", "unsupported"]}, {"onboardingStatus": "CanBeOnboarded"}, YES),
        ({"risk": ["medium", "high"]}, {"riskScore": "High"}, YES),
        ({"risk": "high"}, {"riskScore": "None"}, NO),
        ({"risk": "high"}, {}, UNKNOWN),
        ({"value": "high"}, {"deviceValue": "High"}, YES),
        ({"value": "high"}, {"deviceValue": "Normal"}, NO),
        ({"role": "domainController"}, {"machineTags": ["Domain Controller"]}, YES),
        ({"role": "domainController"}, {"deviceRoles": ["ADDomainController"]}, YES),
        ({"role": "domainController"}, {}, NO),
        ({"role": ["domainController", "hyperVHost"]}, {"machineTags": ["HyperVHost"]}, YES),
        ({"role": "domainController"}, {"machineTags": ["HyperVHost"]}, NO),
    ],
)
def test_of_a_device(asked: Raw, details: Raw, expected: int) -> None:
    assert of_device(asked, machine(**details)) == expected


@pytest.mark.parametrize(
    "asked",
    [
        *({"tag": "*"}, {"group": "*"}, {"health": "active"}, {"risk": "medium"}, {"value": "normal"}),
        {"role": "domainController"},
    ],
)
def test_details_that_could_not_be_read_are_not_known_whatever_an_alert_said(asked: Raw) -> None:
    item = device(tags=["a"], rbacGroupName="Servers", riskScore="medium")
    assert of_device(asked, None, item) == UNKNOWN
    assert truth({"device": asked}, incident(alert(item))) == UNKNOWN


def test_what_a_details_answer_leaves_out_is_not_known() -> None:
    bare = Machine.model_validate({"id": HOST1})
    asked: list[Raw] = [{"tag": "x"}, {"group": "x"}, {"health": "active"}, {"risk": "low"}, {"value": "low"}]
    assert {of_device(each, bare) for each in asked} == {UNKNOWN}


def test_a_role_that_the_evidence_tells_needs_no_details() -> None:
    assert of_device({"role": "domainController"}, None, device(tags=["Domain Controller"])) == YES
    assert of_device({"role": "domainController"}, None, device(name="dc01.contoso.com")) == YES


def test_name_id_platform_onboarding_and_users_are_in_the_evidence_too() -> None:
    users = [{"accountName": "alice", "domainName": "CONTOSO"}]
    item = device(loggedOnUsers=users)
    for asked in (
        *({"name": "host1"}, {"name": "HOST1.contoso.com"}, {"id": HOST1.upper()}, {"os": "windows"}),
        *({"user": "contoso\\alice"}, {"onboarding": "onboarded"}),
    ):
        assert of_device(asked, None, item) == YES, asked
    for asked in ({"name": "host2*"}, {"id": HOST2}, {"os": "linux"}, {"user": "bob"}):
        assert of_device(asked, None, item) == NO, asked


def test_what_neither_says_is_not_known() -> None:
    bare = evidence("device", mdeDeviceId=HOST1, roles=["compromised"])
    for asked in ({"name": "x"}, {"os": "linux"}, {"os_platform": "x"}, {"user": "bob"}, {"onboarding": "onboarded"}):
        assert of_device(asked, None, bare) == UNKNOWN, asked
    assert of_device({"user": "bob"}, None, device(loggedOnUsers=[])) == NO


def test_a_name_is_one_of_all_that_it_goes_by() -> None:
    assert of_device({"name": "new"}, machine(computerDnsName="new.contoso.com")) == YES


def test_the_details_count_before_the_evidence() -> None:
    assert of_device({"os": "linux"}, machine(osPlatform="Ubuntu")) == YES
    assert of_device({"onboarding": "onboarded"}, machine(onboardingStatus="CanBeOnboarded")) == NO


def test_evidence_on_a_device_is_that_of_the_device() -> None:
    items = (device(HOST1), bystander(HOST2), file(HOST2))
    assert of_device({"evidence": {"kind": "file"}}, None, *items) == NO
    assert of_device({"evidence": {"kind": "file"}}, None, device(HOST1), file(HOST1.upper())) == YES


def test_a_device_is_dealt_with_when_everything_bad_on_it_is_known_to_be() -> None:
    done = file(remediationStatus="remediated")
    assert of_device({"dealt_with": True}, None, device(), done) == YES
    assert of_device({"dealt_with": True}, None, device(), done, process()) == NO
    assert of_device({"dealt_with": True}, None, device()) == NO
    assert of_device({"dealt_with": True}, None, device(), done, file(verdict="somethingNew")) == NO
    assert of_device({"dealt_with": False}, None, device()) == YES
    other = (device(), done, device(HOST2), file(HOST2))
    assert of_device({"dealt_with": True}, None, *other) == YES


# Time


def hours(**members: object) -> Hours:
    own = {"zone": "Europe/Berlin", "from": "08:00", "to": "18:00"}
    return Hours.model_validate(own | members)


@pytest.mark.parametrize(
    ("members", "moment", "within"),
    [
        ({}, "2026-08-13T06:00:00", True),
        ({}, "2026-08-13T05:59:59", False),
        ({}, "2026-08-13T15:59:00", True),
        ({}, "2026-08-13T16:00:00", False),
        ({}, "2026-01-13T06:30:00", False),
        ({}, "2026-01-13T07:00:00", True),
        ({}, "2026-08-15T09:00:00", False),
        ({"days": ["sat"]}, "2026-08-15T09:00:00", True),
        ({"holidays": ["2026-08-13"]}, "2026-08-13T09:00:00", False),
        ({"zone": "Asia/Tokyo"}, "2026-08-12T23:30:00", True),
        ({"zone": "Asia/Tokyo"}, "2026-08-13T09:30:00", False),
        ({"from": "22:00", "to": "06:00", "days": "fri"}, "2026-08-14T21:00:00", True),
        ({"from": "22:00", "to": "06:00", "days": "fri"}, "2026-08-15T03:59:00", True),
        ({"from": "22:00", "to": "06:00", "days": "fri"}, "2026-08-15T04:00:00", False),
        ({"from": "22:00", "to": "06:00", "days": "fri"}, "2026-08-14T03:00:00", False),
        ({"from": "22:00", "to": "06:00", "days": "fri", "holidays": ["2026-08-14"]}, "2026-08-15T03:00:00", False),
        ({"from": "00:00", "to": "24:00"}, "2026-08-13T21:59:00", True),
        ({"from": "00:00", "to": "24:00"}, "2026-08-14T22:00:00", False),
    ],
)
def test_hours_follow_the_clock_on_the_wall(members: Raw, moment: str, *, within: bool) -> None:
    written = hours(**members)
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert clock(written, zone(written.zone))(now) == within
    table = {"office": clock(written, zone(written.zone))}
    for key, expected in (("during", within), ("outside", not within)):
        check = compiled(Condition.model_validate({"time": {key: "office"}}), table)
        assert check.test(scene(incident(), now=now).nobody) == (YES if expected else NO)


def test_an_hour_of_summer_time_that_does_not_exist_or_exists_twice_is_no_trouble() -> None:
    nightly = hours(**{"from": "02:00", "to": "03:00", "days": ["sun"]})
    within = clock(nightly, zone("Europe/Berlin"))
    spring, autumn = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
    assert [within(spring + timedelta(minutes=30 * number)) for number in range(6)] == [False] * 6
    assert [within(autumn + timedelta(minutes=30 * number)) for number in range(4)] == [True] * 4


def test_the_zones_are_those_of_the_package() -> None:
    assert {"Asia/Tokyo", "Europe/Berlin", "UTC", "America/Argentina/Ushuaia"} <= known()
    with pytest.raises(KeyError):
        zone("../etc/passwd")
    for name in known():
        zone(name)


# Patterns


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("abc", "ABC", True),
        ("abc", "abcd", False),
        ("*", "", True),
        ("a*", "a\nb", True),
        ("*b*", "abc", True),
        ("a*c*e", "abcde", True),
        ("a*c*e", "abcd", False),
        ("*ab", "aab", True),
        ("a**b", "axb", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("[x]", "[X]", True),
        ("[x]", "x", False),
        ("a.c", "abc", False),
        ("*a*a*", "aa", True),
        ("*a*a*", "a", False),
    ],
)
def test_patterns(pattern: str, value: str, *, fits: bool) -> None:
    assert matcher((pattern,))(value) == fits


@pytest.mark.timeout(5)
def test_no_pattern_is_slow_on_any_text() -> None:
    assert not matcher(("*a" * 50 + "b",))("a" * 20_000)
