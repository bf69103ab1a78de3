"""What the shipped policy says of the devices that people ask about first.

That it judges every incident as the built-in rules do is seen in test_judgement.py, over all of its incidents.
"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.device import Machine
from shared.models.incident import Incident
from shared.models.plan import Want
from tests.unit.incidents import HOST1, INCIDENTS, NOW, alert, bystander, device, file, incident, machine
from tests.unit.oracle import judge
from tests.unit.policies import DEFAULT
from tests.unit.test_judgement import same_as

Raw = dict[str, Any]
DONE = ("remediated", "prevented", "blocked")


def wanted(details: Machine | None, raw: Raw | None = None, *, read: bool = True) -> dict[str, Want]:
    """What is wanted of the one device of an incident, by responder."""
    told = Incident.model_validate(raw or incident(alert(device(), file())))
    (found,) = DEFAULT.assess(told, {HOST1: details} if read else {}, NOW).devices
    return {each.responder: each for each in found.wants}


@given(INCIDENTS)
def test_every_incident_is_judged_as_by_the_built_in_rules(raw: Raw) -> None:
    told = Incident.model_validate(raw)
    same_as(judge(told), DEFAULT.assess(told, {}, NOW), told)


@pytest.mark.parametrize(
    ("details", "by", "kind"),
    [
        ({"osPlatform": "Windows11"}, "isolate", "full"),
        ({"osPlatform": "WindowsServer2022"}, "servers", "full"),
        ({"osPlatform": "Ubuntu"}, "linux", "full"),
        ({"osPlatform": "macOS"}, "macos", "full"),
        ({"osPlatform": "SomethingNew"}, "isolate", "full"),
        ({"osPlatform": None}, "isolate", "full"),
        ({"osPlatform": "Windows11", "machineTags": ["Behind-Proxy"]}, "behind-a-proxy", "selective"),
        ({"osPlatform": "Ubuntu", "machineTags": ["behind-proxy"]}, "linux", "full"),
    ],
)
def test_a_device_is_isolated_without_anybody(details: Raw, by: str, kind: str) -> None:
    found = wanted(machine(**details))
    isolation = found["isolate"]
    assert (isolation.rule, isolation.params["type"]) == (by, kind)
    assert (isolation.approval, isolation.doubt, isolation.collect_first) == (None, "", None)
    assert isolation.auto_release
    assert found.keys() == {"isolate", "collect_package", "hunt"}


@pytest.mark.parametrize(
    ("details", "by"),
    [
        ({"computerDnsName": "dc01.contoso.com"}, "many-depend-on-it"),
        ({"machineTags": ["Domain Controller"]}, "many-depend-on-it"),
        ({"machineTags": ["HyperVHost"], "osPlatform": "WindowsServer2022"}, "many-depend-on-it"),
        ({"machineTags": ["proxy"]}, "network-gateways"),
        ({"computerDnsName": "vpn3.contoso.com"}, "network-gateways"),
        ({"machineTags": ["full-tunnel-vpn"]}, "full-tunnel-vpn"),
    ],
)
def test_a_person_is_asked_about_what_many_depend_on(details: Raw, by: str) -> None:
    isolation = wanted(machine(**details), incident(alert(device(name=""), file())))["isolate"]
    assert (isolation.rule, isolation.approval, isolation.doubt) == (by, timedelta(hours=12), "")


@pytest.mark.parametrize("remediation", [*DONE, "active", None])
def test_what_microsoft_disrupted_is_isolated_only_where_something_is_left(remediation: str | None) -> None:
    title = "Ransomware (attack disruption)"
    raw = incident(alert(device(), file(remediationStatus=remediation)), displayName=title)
    isolation = wanted(machine(), raw)["isolate"]
    assert isolation.rule == ("already-disrupted" if remediation in DONE else "isolate")
    assert bool(isolation.approval) == (remediation in DONE)


def test_a_device_whose_details_cannot_be_read_waits_for_a_person() -> None:
    found = wanted(None)
    assert "could not be read" in found["isolate"].doubt
    assert not found["isolate"].unread
    assert found["collect_package"].doubt == ""


def test_details_are_read_where_something_is_to_be_isolated() -> None:
    assert wanted(None, read=False)["isolate"].unread


@pytest.mark.parametrize("severity", ["unknownFutureValue", None])
def test_an_unknown_severity_waits_for_a_person(severity: object) -> None:
    raw = incident(alert(device(), severity=severity), severity=severity)
    assert "the severity is not known" in wanted(machine(), raw)["isolate"].doubt


def test_a_device_that_was_only_a_target_is_left_alone() -> None:
    raw = incident(alert(device(), bystander("d" * 40, roles=["scanned"])))
    assert [each.id for each in DEFAULT.assess(Incident.model_validate(raw), {}, NOW).devices] == [HOST1]


@given(st.sampled_from(["unsupported", "canBeOnboarded", "unknownFutureValue"]))
def test_of_a_device_that_was_not_onboarded_as_much_is_wanted_as_of_others(onboarding: str) -> None:
    """Whether anything can be done to it now, its details say."""
    raw = incident(alert(device(onboardingStatus=onboarding)))
    assert wanted(machine(), raw) == wanted(machine(), incident(alert(device())))


def test_every_rule_says_why_and_only_judges_or_asks() -> None:
    assert all(each.rule.why and each.rule.examples.match for each in DEFAULT.rules)
    assert [each.name for each in DEFAULT.rules if each.forgives] == [
        *("merged", "classified-benign", "all-alerts-benign", "informational-only", "dealt-with")
    ]
