"""What Microsoft sends is taken as it comes: never refused, and what is not known stays as it was written."""

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.device import Machine, MachineAction
from shared.models.incident import Alert, Evidence, FileDetails, Incident, lacks_alerts, version_of
from shared.models.lenient import count, http_date, instant, text, token
from tests.unit.incidents import ANY_TEXT, INCIDENTS, JSON, NEW_WORD, NOW, Raw, alert, device, file, incident, process

EVIDENCE_MEMBERS = (
    *("@odata.type", "verdict", "remediationStatus", "detectionStatus", "roles", "detailedRoles", "tags"),
    *("mdeDeviceId", "hostName", "deviceDnsName", "onboardingStatus", "processCommandLine", "fileDetails", "imageFile"),
)
ALERT_MEMBERS = ("id", "title", "description", "status", "severity", "classification", "createdDateTime")
INCIDENT_MEMBERS = (
    *("id", "displayName", "status", "severity", "classification", "determination", "redirectIncidentId"),
    *("incidentWebUrl", "createdDateTime", "lastUpdateDateTime", "customTags"),
)
MACHINE_MEMBERS = (
    *("id", "computerDnsName", "osPlatform", "healthStatus", "onboardingStatus", "machineTags", "rbacGroupName"),
    *("machineRole", "deviceTags", "hints"),
)
ACTION_MEMBERS = (
    *("id", "type", "kind", "status", "machineId", "requestorComment", "requestor", "creationDateTimeUtc", "error"),
    *("lastUpdateDateTimeUtc", "lastUpdateTimeUtc", "errorHResult", "cancellationRequestor", "cancellationComment"),
)
SEPARATORS = frozenset("\x1c\x1d\x1e\x1f")


def any_of(members: tuple[str, ...], **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Raw]:
    """Objects in which each member is missing, or anything that JSON can say."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(members, JSON) | parts)


ANY_EVIDENCE = any_of(EVIDENCE_MEMBERS)
ANY_ALERT = any_of(ALERT_MEMBERS, evidence=st.lists(ANY_EVIDENCE | JSON, max_size=3) | JSON)
ANY_INCIDENT = any_of(INCIDENT_MEMBERS, alerts=st.lists(ANY_ALERT | JSON, max_size=3) | JSON)


# Nothing is refused


@given(ANY_INCIDENT | st.dictionaries(ANY_TEXT, JSON))
def test_an_incident_of_any_content_is_read_and_can_be_kept(raw: Raw) -> None:
    """Kept as well: half a surrogate pair can be read, and then be neither written nor sent."""
    Incident.model_validate(raw).model_dump_json()


@given(ANY_TEXT | st.text("0123456789\N{SUPERSCRIPT TWO}\N{ARABIC-INDIC DIGIT TWO}+-_ ") | st.just("9" * 5000))
def test_a_number_in_a_header_is_plain_digits_or_none(written: str) -> None:
    """Whatever `str.isdigit` and `int` say of others: these disagree, and `int` refuses what is very long."""
    plain = 0 < len(written) <= 18 and set(written) <= set("0123456789")
    assert count(written) == (int(written) if plain else None)


@given(ANY_TEXT | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,9} Jan [0-9]{1,30} [0-9:]{1,12} [-+A-Z0-9]{1,8}"))
def test_a_date_in_a_header_is_one_or_none(written: str) -> None:
    found = http_date(written)
    assert found is None or found.tzinfo is UTC


@given(ANY_TEXT | JSON)
def test_the_short_way_for_clean_texts_says_what_the_long_one_says(value: object) -> None:
    """A clean string is read without a call into Python, which strips four more control characters, too."""
    read = Evidence.model_validate({"verdict": value, "hostName": value})
    assert read.host_name == text(value)
    if not isinstance(value, str) or not SEPARATORS.intersection(value):
        assert read.verdict == token(value)


@given(st.lists(ANY_EVIDENCE | JSON, max_size=4) | JSON, ANY_EVIDENCE | JSON)
def test_what_is_no_object_is_left_out_wherever_it_stands(evidence: object, details: object) -> None:
    read = Alert.model_validate({"evidence": evidence}).evidence
    objects = [item for item in evidence if isinstance(item, dict)] if isinstance(evidence, list) else []
    assert read == tuple(map(Evidence.model_validate, objects))
    inner = Evidence.model_validate({"fileDetails": details}).file
    assert inner == FileDetails.model_validate(details if isinstance(details, dict) else {})


@given(any_of(MACHINE_MEMBERS))
def test_a_device_of_any_content_is_read_and_can_be_kept(raw: Raw) -> None:
    Machine.model_validate(raw).model_dump_json()


@given(any_of(ACTION_MEMBERS))
def test_a_machine_action_of_any_content_is_read_and_can_be_kept(raw: Raw) -> None:
    MachineAction.model_validate(raw).model_dump_json()


@given(INCIDENTS)
def test_what_was_read_and_kept_reads_the_same(raw: Raw) -> None:
    once = Incident.model_validate(raw)
    assert Incident.model_validate_json(once.model_dump_json()) == once


def test_a_device_that_was_kept_keeps_its_hints() -> None:
    kept = Machine.model_validate({"machineRole": "DomainController", "machineTags": ["a"]})
    assert Machine.model_validate_json(kept.model_dump_json()).hints == ("DomainController", "a")


@pytest.mark.parametrize("member", [*INCIDENT_MEMBERS, "alerts"])
def test_a_missing_member_and_a_null_are_the_same(member: str) -> None:
    raw = incident(alert(device()))
    without = {name: value for name, value in raw.items() if name != member}
    assert Incident.model_validate(without) == Incident.model_validate(raw | {member: None})


@pytest.mark.parametrize("wrong", [None, "text", 7, 7.5, True, {"a": 1}])
def test_alerts_of_the_wrong_type_are_none(wrong: object) -> None:
    assert Incident.model_validate(incident() | {"alerts": wrong}).alerts == ()


def test_an_odd_entity_takes_no_other_with_it() -> None:
    read = Incident.model_validate(incident(alert() | {"evidence": [None, "x", [1], 7, device(), {"verdict": ["?"]}]}))
    assert [each.kind for each in read.alerts[0].evidence] == ["device", ""]


def test_unknown_members_of_an_enum_are_kept_as_written_but_for_case() -> None:
    read = Evidence.model_validate(file(verdict=NEW_WORD, remediationStatus="PendingApproval", roles=["Attacker", 7]))
    assert (read.verdict, read.remediation, read.roles) == ("somethingnew", "pendingapproval", ("attacker", "7"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1E5BC9D7E413DDD7902C2932E418702B84D0CC07", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"),
        ("1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"),
        ("1E5BC9D7E413DDD7902C2932E418702B84D0CC0", "1E5BC9D7E413DDD7902C2932E418702B84D0CC0"),
        ("XE5BC9D7E413DDD7902C2932E418702B84D0CC07", "XE5BC9D7E413DDD7902C2932E418702B84D0CC07"),
        ("", ""),
        (None, ""),
        (17, "17"),
        (["A"], ""),
        ("\ud800", "\ufffd"),
    ],
)
def test_a_device_of_defender_is_spelt_as_defender_does(written: object, read: str) -> None:
    """Its filters, and queries, compare letter by letter."""
    assert Evidence.model_validate({"mdeDeviceId": written}).device_id == read


def test_an_unknown_kind_of_evidence_is_read() -> None:
    assert Evidence.model_validate({"@odata.type": "#microsoft.graph.security.aiAgentEvidence"}).kind == "aiAgent"


def test_an_enormous_text_is_read() -> None:
    read = Evidence.model_validate(process(processCommandLine="x" * 5_000_000))
    assert len(read.command_line) == 5_000_000


def test_half_a_surrogate_pair_is_replaced() -> None:
    """JSON may carry one, and a Windows file name may be made of them; it could be neither written nor sent."""
    for half in ("\ud800", "\udfff"):
        read = Evidence.model_validate(json.loads(json.dumps(process(processCommandLine=f"a{half}b", tags=[half]))))
        assert (read.command_line, read.tags) == ("a\N{REPLACEMENT CHARACTER}b", ("\N{REPLACEMENT CHARACTER}",))


def test_a_number_where_a_text_should_be_is_its_digits() -> None:
    """`rbacGroupId` is documented as a string and sampled as a number; ids may slip the same way."""
    assert Incident.model_validate({"id": 2972395}).id == "2972395"


# Times


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-08-13T08:43:35.5533333Z", datetime(2026, 8, 13, 8, 43, 35, 553333, UTC)),
        ("2026-08-13T08:43:35.1Z", datetime(2026, 8, 13, 8, 43, 35, 100000, UTC)),
        ("2026-08-13T08:43:35Z", datetime(2026, 8, 13, 8, 43, 35, tzinfo=UTC)),
        ("2026-08-13T10:43:35.5533333+02:00", datetime(2026, 8, 13, 8, 43, 35, 553333, UTC)),
        ("2026-08-13T08:43:35", datetime(2026, 8, 13, 8, 43, 35, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_with_up_to_seven_fractional_digits(written: str, expected: datetime) -> None:
    assert instant(written) == expected


@pytest.mark.parametrize(
    "odd", [None, "", "soon", 17, True, ["2026-08-13"], "9999-99-99T00:00:00Z", "0001-01-01T00+14"]
)
def test_a_time_that_is_none_is_not_known(odd: object) -> None:
    assert instant(odd) is None


def test_the_newest_alert_is_the_one_created_last_and_else_the_incident_itself() -> None:
    old, new = alert(created=NOW - timedelta(hours=1)), alert(created=NOW + timedelta(hours=1))
    assert Incident.model_validate(incident(new, old)).newest_alert == NOW + timedelta(hours=1)
    assert Incident.model_validate(incident(alert() | {"createdDateTime": None})).newest_alert == NOW
    assert Incident.model_validate({}).newest_alert is None


# What evidence and alerts say


@pytest.mark.parametrize("remediation", ["remediated", "prevented", "blocked", "Remediated"])
def test_what_is_remediated_prevented_or_blocked_is_handled(remediation: str) -> None:
    assert Evidence.model_validate(file(remediationStatus=remediation)).handled


@pytest.mark.parametrize("detection", ["prevented", "blocked"])
@pytest.mark.parametrize("remediation", ["none", None, ""])
def test_what_was_prevented_at_once_needs_no_remediation(detection: str, remediation: object) -> None:
    assert Evidence.model_validate(file(remediationStatus=remediation, detectionStatus=detection)).handled


@pytest.mark.parametrize("detection", ["detected", "prevented", None, NEW_WORD])
@pytest.mark.parametrize(
    "remediation",
    [
        *("active", "pendingApproval", "declined", "unremediated", "running", "partiallyRemediated", "notFound"),
        *("unknownFutureValue", NEW_WORD),
    ],
)
def test_every_other_state_is_not_handled(remediation: object, detection: object) -> None:
    """`prevented` says only how the detection ended; what is still active was not prevented altogether."""
    assert not Evidence.model_validate(file(remediationStatus=remediation, detectionStatus=detection)).handled


@pytest.mark.parametrize("state", ["none", None, ""])
def test_what_was_only_detected_is_not_handled(state: object) -> None:
    assert not Evidence.model_validate(file(remediationStatus=state)).handled


@pytest.mark.parametrize("status", ["new", "inProgress", "unknown", "unknownFutureValue", NEW_WORD, None, ""])
def test_an_alert_is_open_unless_it_is_resolved(status: object) -> None:
    assert Alert.model_validate(alert(status=status)).open
    assert not Alert.model_validate(alert(status="resolved")).open


@pytest.mark.parametrize("classification", ["falsePositive", "informationalExpectedActivity"])
def test_an_alert_that_a_person_called_benign_is_not_open(classification: str) -> None:
    assert not Alert.model_validate(alert(classification=classification)).open


def test_attack_disruption_is_known_by_the_end_of_the_title() -> None:
    assert Incident.model_validate(incident(displayName="Ransomware (Attack Disruption) ")).disrupted
    assert not Incident.model_validate(incident(displayName="(attack disruption) in the middle")).disrupted


# A device and what is done to it


def test_everything_that_speaks_of_roles_or_tags_is_a_hint() -> None:
    raw = {"machineTags": ["Tier0"], "machineRole": "DomainController", "serverRoles": ["DNS", None], "version": "23H2"}
    assert set(Machine.model_validate(raw).hints) == {"Tier0", "DomainController", "DNS"}


@pytest.mark.parametrize("status", ["Succeeded", "failed", "TimeOut", "Cancelled"])
def test_a_machine_action_stays_in_a_final_state(status: str) -> None:
    assert MachineAction.model_validate({"status": status}).final


@pytest.mark.parametrize("status", ["Pending", "InProgress", NEW_WORD, "", None])
def test_a_machine_action_in_any_other_state_may_still_change(status: object) -> None:
    assert not MachineAction.model_validate({"status": status}).final


def test_both_spellings_of_the_update_time_are_read() -> None:
    """The documentation's samples write `lastUpdateTimeUtc`, the service `lastUpdateDateTimeUtc`."""
    for name in ("lastUpdateDateTimeUtc", "lastUpdateTimeUtc"):
        assert MachineAction.model_validate({name: "2026-08-13T09:00:00.0000000Z"}).updated == NOW


# The version of an incident


def sample() -> Raw:
    return incident(
        alert(device(tags=["Test Machine"]), file(), comments=[{"comment": "a"}]),
        alert(process(), id="second", additionalData={"nested": [1, {"deep": True}]}),
        customTags=["Demo"],
        comments=[{"comment": "seen", "createdByDisplayName": "alice"}],
    )


UPDATES = {"lastUpdateDateTime", "lastModifiedBy", "comments"}


def paths(value: object, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The way to every leaf."""
    if isinstance(value, dict) and value:
        return [path for key, member in value.items() for path in paths(member, (*here, key))]
    if isinstance(value, list) and value:
        return [path for index, member in enumerate(value) for path in paths(member, (*here, index))]
    return [here]


def changed(raw: Raw, path: tuple[str | int, ...], to: object) -> Raw:
    edited = copy.deepcopy(raw)
    place: Any = edited
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return edited


@pytest.mark.parametrize("path", paths(sample()), ids=str)
def test_a_version_changes_with_everything_but_comments_and_update_times(path: tuple[str | int, ...]) -> None:
    same = version_of(changed(sample(), path, "changed")) == version_of(sample())
    assert same == bool(UPDATES & set(path))


@pytest.mark.parametrize("ours", ["bulkhead", "Bulkhead", "bulkhead-contained"])
@pytest.mark.parametrize("before", [[], ["Demo"]])
def test_our_own_tag_is_not_a_change(before: list[str], ours: str) -> None:
    raw = incident(alert(device()), customTags=before)
    assert version_of(raw | {"customTags": [*before, ours]}) == version_of(raw)


@pytest.mark.parametrize("none", [None, [], "missing"])
def test_our_own_tag_is_not_a_change_however_the_service_writes_that_there_are_none(none: object) -> None:
    raw = incident(alert(device())) | {"customTags": none}
    if none == "missing":
        del raw["customTags"]
    assert version_of(incident(alert(device()), customTags=["bulkhead"])) == version_of(raw)


def test_somebody_elses_tag_is_a_change() -> None:
    assert version_of(incident(customTags=["Demo"])) != version_of(incident(customTags=["VIP"]))
    assert version_of(incident(customTags=["Demo"])) != version_of(incident())


@pytest.mark.parametrize("name", ["@odata.context", "@odata.etag", "alerts@odata.context", "alerts@odata.count"])
def test_what_an_answer_says_of_itself_is_not_a_change(name: str) -> None:
    assert version_of(sample() | {name: "x"}) == version_of(sample())


def test_the_order_of_alerts_and_of_their_evidence_is_not_a_change() -> None:
    """What is in them is, and so is the order of everything else."""
    first, second = sample()["alerts"]
    turned = {**first, "evidence": first["evidence"][::-1]}
    assert version_of(sample() | {"alerts": [second, turned]}) == version_of(sample())
    moved = {**first, "evidence": []}, {**second, "evidence": [*second["evidence"], *first["evidence"]]}
    assert version_of(sample() | {"alerts": list(moved)}) != version_of(sample())
    assert version_of(sample() | {"alerts": [first, second, second]}) != version_of(sample())
    nested = {**second, "additionalData": {"nested": [{"deep": True}, 1]}}
    assert version_of(sample() | {"alerts": [first, nested]}) != version_of(sample())


MORE = "alerts@odata.nextLink"


@pytest.mark.parametrize(
    "members",
    [{"alerts": []}, {"alerts": None}, {"alerts": "x"}, {"alerts": [None, 7]}, {MORE: "https://graph.example/1"}],
    ids=str,
)
def test_where_alerts_are_lacking_an_update_is_a_change(members: Raw) -> None:
    """Nothing else tells that there may be another alert. The address where more are changes with every answer."""
    raw = sample() | members
    assert version_of(raw | {"lastUpdateDateTime": "2026-01-05T09:00:01Z"}) != version_of(raw)
    assert version_of(raw | ({MORE: "https://graph.example/2"} if MORE in raw else {})) == version_of(raw)
    assert lacks_alerts(raw)
    assert not Incident.model_validate(raw).whole


@pytest.mark.parametrize("members", [{"redirectIncidentId": "17"}, {"status": "Redirected"}])
def test_what_was_merged_away_lacks_no_alerts(members: Raw) -> None:
    raw = sample() | {"alerts": []} | members
    assert version_of(raw | {"lastUpdateDateTime": "2026-01-05T09:00:01Z"}) == version_of(raw)
    assert not lacks_alerts(raw)


def test_removed_evidence_is_a_change() -> None:
    assert version_of(incident(alert(device(), file()))) != version_of(incident(alert(device())))


def _shuffled(value: object, how: list[int]) -> object:
    if isinstance(value, dict):
        turn = how.pop() if how else 0
        items = list(value.items())
        cut = turn % (len(items) or 1)
        return {key: _shuffled(member, how) for key, member in [*items[cut:], *items[:cut]][::-1]}
    return [_shuffled(member, how) for member in value] if isinstance(value, list) else value


@given(INCIDENTS, st.lists(st.integers(0, 50), max_size=20))
def test_the_order_of_members_says_nothing(raw: Raw, how: list[int]) -> None:
    shuffled = _shuffled(raw, how)
    assert isinstance(shuffled, dict)
    assert version_of(shuffled) == version_of(raw)


@given(st.dictionaries(ANY_TEXT, JSON))
def test_everything_has_a_version(raw: Raw) -> None:
    version = version_of(raw)
    assert len(version) == 24
    assert version_of(json.loads(json.dumps(raw))) == version
