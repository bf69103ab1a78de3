"""`explain` and `policy`: rule by rule, in the words that chat used, and over the snapshot that was judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.explaining import policy_file
from local.tenant import samples
from responders._inert import inert
from shared.errors import SettingsError
from shared.models.policy.schema import schema
from tests.unit.consoles import DC, FIRST, Office, fresh, on_domain_controller, on_workstation

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "policies" / "default.yaml"
TIGHT = """
version: 1
name: tight
why: synthetic
rules:
  - name: everything-is-fine
    why: synthetic
    when: {always: true}
    verdict: harmless
"""


@pytest.fixture
def incident(tmp_path: Path) -> Path:
    path = tmp_path / "incident.json"
    path.write_text(json.dumps(samples.harmful_incident("81", device_id=FIRST)))
    return path


@pytest.fixture
def tight(tmp_path: Path) -> Path:
    path = tmp_path / "tight.yaml"
    path.write_text(TIGHT)
    return path


def test_every_rule_is_explained_and_one_gives_the_verdict() -> None:
    office = Office()
    on_domain_controller(office)
    found = office.told("explain", "71")
    rules = {each["rule"]: each for each in found["policy"]["rules"]}
    assert [name for name, each in rules.items() if each["decided"]] == ["everything-else"]
    assert rules["many-depend-on-it"]["applies"] is True
    assert "domain controller" in rules["many-depend-on-it"]["why"]
    assert rules["merged"]["applies"] is False
    assert rules["network-gateways"]["applies"] is False, "its tags are those that were read then"
    assert "the device tag is 'Domain Controller'" in rules["network-gateways"]["why"]
    words = office.words("explain", "71")
    assert all(name in words for name in rules)


def test_the_words_are_those_of_the_message() -> None:
    office = Office()
    on_domain_controller(office)
    message = json.dumps(office.tenant.chat.messages[-1], ensure_ascii=False)
    words = office.words("explain", "71")
    for text in ("waits for a person: it looks like a domain controller", "severity high, 2 of 2 alerts open"):
        assert inert(text) in message
        assert inert(text) in words


def test_what_would_have_been_done_while_observing_is_explained() -> None:
    office = Office(settings={"RESPONSE_MODE": "observe"})
    on_workstation(office)
    assert "would be done, were RESPONSE_MODE not observe" in office.words("explain", "72")
    assert {each["state"] for each in office.told("show", "72")["actions"]} == {"observed"}


def test_another_policy_is_asked_and_its_difference_is_said(tight: Path) -> None:
    office = Office()
    on_domain_controller(office)
    words = office.words("explain", "71", "--policy", str(tight))
    assert "It differs from what was decided then: may do harm" in words
    found = office.told("explain", "71", "--policy", str(tight))
    assert found["verdict"] == "may do harm"
    assert found["policy"]["assessment"]["verdict"] == "very likely harmless"


def test_the_policy_in_force_is_the_setting_else_the_one_that_is_shipped(tight: Path) -> None:
    assert policy_file("") == DEFAULT
    assert policy_file("policies/default.yaml").samefile(DEFAULT)
    assert policy_file(str(tight)) == tight
    with pytest.raises(SettingsError, match="--policy FILE"):
        policy_file("https://example.test/policy.yaml")


def test_an_incident_that_nobody_knows_is_not_explained() -> None:
    assert "bulkhead reassess 99" in Office().told("explain", "99", status=1)["error"]


def test_a_device_of_which_nothing_is_planned_is_named() -> None:
    office = Office()
    harmful = samples.harmful_incident("75", device_id=DC, severity="low")
    office.raised(fresh(office, harmful))
    assert "Concerned: dc1" in office.words("explain", "75")


def test_a_usable_policy_ends_with_nought_and_another_with_one(tmp_path: Path) -> None:
    office = Office()
    assert office.told("policy", "check", str(DEFAULT)) == {"usable": True, "problems": []}
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TIGHT.replace("harmless", "harmles"))
    found = office.told("policy", "check", str(wrong), status=1)
    assert found["usable"] is False
    assert [each["line"] for each in found["problems"]] == [9]
    assert "wrong.yaml: line 9" in office.words("policy", "check", str(wrong), status=1)


def test_the_schema_is_the_one_that_is_published() -> None:
    assert json.loads(Office().words("policy", "schema")) == schema()


def test_a_policy_is_asked_about_an_incident_in_a_file(incident: Path) -> None:
    office = Office()
    found = office.told("policy", "explain", str(DEFAULT), str(incident), "--at", "2026-08-20")
    assert found["at"] == "2026-08-20T00:00:00+00:00"
    assert found["assessment"]["verdict"] == "may do harm"
    assert [each["id"] for each in found["assessment"]["devices"]][:1] == [FIRST]
    assert "everything-else" in office.words("policy", "explain", str(DEFAULT), str(incident))


@pytest.mark.parametrize("text", ["", "[]", "7", '{"value": []}'])
def test_a_file_that_holds_no_incident_is_said_to_hold_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "incident.json"
    path.write_text(text)
    assert Office().told("policy", "explain", str(DEFAULT), str(path), status=2)["problems"]


def test_a_policy_that_cannot_be_used_explains_nothing(tmp_path: Path, incident: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 2\x1b[31m")
    result = Office().run("policy", "explain", str(wrong), str(incident))
    assert result.exit_code == 2
    assert "\x1b" not in result.output


def test_what_waits_of_an_incident_that_was_merged_is_decided_by_the_command_that_is_shown() -> None:
    office = Office()
    on_domain_controller(office)
    on_workstation(office)
    alerts = fresh(office, samples.harmful_incident("72", device_id=DC))["alerts"]
    office.tenant.incidents.change("71", {"status": "redirected", "redirectIncidentId": "72"})
    office.tenant.incidents.change("72", {"alerts": alerts})
    office.work(60)
    for said in ("show", "explain"):
        assert "To decide: bulkhead approve 71 dc1    or: bulkhead refuse 71 dc1" in office.words(said, "72")
    assert office.told("approve", "71", "dc1", "--timeout", "60")["ended"] == "done"
