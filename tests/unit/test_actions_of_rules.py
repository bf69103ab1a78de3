"""What rules ask for beside isolation, through the whole flow: who goes first, what counts, what is undone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.tenant import samples
from responders._policies import REREAD
from shared.models.action import State
from tests.unit.consoles import DC, FIRST, SECOND, Office, fresh
from tests.unit.policies import text

Raw = dict[str, Any]
EXAMPLES: Raw = {"match": [{"incident": {"severity": "high"}}]}


def office(*actions: Raw, **settings: str) -> Office:
    """A deployment whose policy holds everything for harmful, but what is called a false positive."""
    benign = {
        "name": "benign",
        "why": "to see",
        "when": {"classified_benign": True},
        "verdict": "harmless",
        "examples": {
            "match": [{"incident": {"classification": "falsePositive"}}],
            "no_match": [{"incident": {"severity": "high"}}],
        },
    }
    harmful = {
        "name": "harmful",
        "why": "to see",
        "when": {"always": True},
        "verdict": "harmful",
        "actions": list(actions),
        "examples": EXAMPLES,
    }
    return Office(settings={"ISOLATION_CAPS": '{"fleet_share": 1}'} | settings, policy=text(benign, harmful))


def raised(office: Office, incident: str, device: str, seconds: float = 40, **members: object) -> None:
    office.raised({**fresh(office, samples.harmful_incident(incident, device_id=device)), **members}, seconds)


def states(office: Office, incident: str) -> dict[str, State]:
    return {each.responder: each.state for each in office.ports.ledger.actions(incident)}


def sent(office: Office, kind: str) -> list[str]:
    """The devices that Defender was asked to do something to, in order."""
    return [each["machineId"] for each in office.tenant.state()["actions"] if each["type"] == kind]


# What takes something


def test_a_restriction_and_an_isolation_of_one_device_hold_a_slot_each() -> None:
    o = office({"do": "isolate"}, {"do": "restrict"})
    raised(o, "1", FIRST)
    assert states(o, "1") == {"isolate": State.SUCCEEDED, "restrict": State.SUCCEEDED}
    assert [each.value.held for each in o.ports.ledger.slots().values()] == [True]
    assert [each.value.held for each in o.ports.ledger.slots("restrictcodeexecution").values()] == [True]


def test_a_device_that_is_restricted_is_listed_and_found_by_its_name() -> None:
    o = office({"do": "restrict"})
    raised(o, "1", FIRST)
    o.work(2 * 3600)
    held = o.told("status")["held"]
    assert [(each["device"], each["by"], each["incidents"]) for each in held] == [(FIRST, "restrict", ["1"])]
    assert "1 device held" in o.words("status")
    o.told("release", "host1", "--responder", "unrestrict", "--why", "a test")
    assert sent(o, "UnrestrictCodeExecution") == [FIRST]


def test_a_device_that_is_isolated_and_restricted_is_one_device() -> None:
    o = office({"do": "isolate"}, {"do": "restrict"})
    raised(o, "1", FIRST)
    assert {each["by"] for each in o.told("status")["held"]} == {"isolate", "restrict"}
    assert "1 device held" in o.words("status")


def test_each_kind_of_containment_has_the_caps_to_itself() -> None:
    """The second device is over the cap for both; the restriction of the first took no isolation's place."""
    o = office({"do": "isolate"}, {"do": "restrict"}, ISOLATION_CAPS='{"per_hour": 1, "fleet_share": 1}')
    raised(o, "1", FIRST)
    raised(o, "2", SECOND)
    assert states(o, "1") == {"isolate": State.SUCCEEDED, "restrict": State.SUCCEEDED}
    assert states(o, "2") == {"isolate": State.WAITING, "restrict": State.WAITING}


def test_a_second_incident_joins_a_restriction() -> None:
    o = office({"do": "restrict"})
    raised(o, "1", FIRST)
    raised(o, "2", FIRST)
    assert states(o, "2") == {"restrict": State.SUCCEEDED}
    assert sent(o, "RestrictCodeExecution") == [FIRST]


def test_what_takes_something_never_touches_a_protected_device() -> None:
    protected = json.dumps({"ids": [FIRST]})
    o = office({"do": "restrict"}, {"do": "stop_quarantine"}, {"do": "scan"}, PROTECTED=protected)
    raised(o, "1", FIRST, alerts=with_file(o))
    assert states(o, "1") == {
        "restrict": State.REFUSED,
        "stop_quarantine": State.REFUSED,
        "scan": State.SUCCEEDED,
    }


def test_what_takes_something_waits_where_many_depend_on_the_device() -> None:
    o = office({"do": "restrict"})
    raised(o, "1", DC)
    assert states(o, "1") == {"restrict": State.WAITING}


def test_every_file_has_a_goal_of_its_own() -> None:
    o = office({"do": "stop_quarantine"}, ISOLATION_CAPS='{"per_incident": 1, "fleet_share": 1}')
    raised(o, "1", FIRST, alerts=with_file(o, "a" * 40, "b" * 40))
    actions = o.ports.ledger.actions("1")
    assert sorted(each.params["sha1"] for each in actions) == ["a" * 40, "b" * 40]
    assert {each.state for each in actions} == {State.SUCCEEDED}, "two files on one device count once"


@pytest.mark.parametrize(("caps", "state"), [({"per_hour": 1}, State.SUCCEEDED), ({"per_hour": 0}, State.WAITING)])
def test_a_further_file_waits_once_the_caps_are_narrower_than_what_counts(caps: Raw, state: State) -> None:
    """The device counts already, and counts once; but of what is allowed now there is none left for it."""
    o = office({"do": "stop_quarantine"})
    raised(o, "1", FIRST, alerts=with_file(o))
    o.policy = json.dumps(json.loads(o.policy) | {"rails": {"caps": caps}})
    o.work(REREAD.total_seconds())
    o.tenant.incidents.change("1", {"alerts": with_file(o, "a" * 40, "b" * 40)})
    o.work(60)
    files = {each.params["sha1"]: each.state for each in o.ports.ledger.actions("1") if each.round == 1}
    assert files == {"a" * 40: State.SUCCEEDED, "b" * 40: state}


def with_file(o: Office, *hashes: str) -> list[Raw]:
    """Alerts with malicious files of these hashes on the first device."""
    incident = fresh(o, samples.harmful_incident("1", device_id=FIRST))
    alerts: list[Raw] = incident["alerts"]
    file = next(each for each in alerts[0]["evidence"] if each["@odata.type"].endswith("fileEvidence"))
    rest = [each for each in alerts[0]["evidence"] if each is not file]
    made = [
        {**file, "fileDetails": {"fileName": f"evil{number}.exe", "sha1": sha1}}
        for number, sha1 in enumerate(hashes or ("a" * 40,))
    ]
    return [{**alerts[0], "evidence": [*rest, *made]}]


def test_a_restriction_is_lifted_by_order() -> None:
    o = office({"do": "restrict"})
    raised(o, "1", FIRST)
    told = o.told("release", FIRST, "--responder", "unrestrict", "--why", "a test")
    assert told["ended"] == "done"
    assert sent(o, "UnrestrictCodeExecution") == [FIRST]
    assert o.ports.ledger.slots("restrictcodeexecution") == {}


# What concerns the incident


def test_tags_and_comments_are_written_once_whatever_comes_later() -> None:
    o = office({"do": "tag", "tag": "tool"}, {"do": "comment", "text": "Call Ann."})
    raised(o, "1", FIRST)
    o.tenant.incidents.change("1", {"displayName": "It goes on"})
    o.work(120)
    shown = o.tenant.incidents.everything()[0]
    assert "bulkhead:tool" in shown["customTags"]
    assert [each["comment"].startswith("Call Ann.") for each in shown["comments"]].count(True) == 1
    assert states(o, "1") == {"tag": State.SUCCEEDED, "comment": State.SUCCEEDED}


def test_while_observing_nothing_is_tagged() -> None:
    o = office({"do": "tag", "tag": "tool"}, RESPONSE_MODE="observe")
    raised(o, "1", FIRST)
    assert o.tenant.incidents.everything()[0]["customTags"] == []


# Who goes first


def test_collection_may_have_a_head_start() -> None:
    o = office({"do": "isolate", "collect_first": "PT10M"}, {"do": "collect_package"})
    raised(o, "1", FIRST, 60)
    first, second = sorted(o.tenant.state()["actions"], key=lambda each: each["creationDateTimeUtc"])
    assert (first["type"], second["type"]) == ("CollectInvestigationPackage", "Isolate")
    assert states(o, "1") == {"isolate": State.SUCCEEDED, "collect_package": State.SUCCEEDED}


def test_a_head_start_ends_at_its_deadline_whether_the_collection_is_done_or_not() -> None:
    o = office({"do": "isolate", "collect_first": "PT1M"}, {"do": "collect_package"})
    o.tenant.fleet.put({"id": FIRST, "online": False})
    raised(o, "1", FIRST, 50)
    assert sent(o, "Isolate") == []
    o.work(30)
    assert sent(o, "Isolate") == [FIRST]


def test_without_a_collection_nothing_is_waited_for() -> None:
    waits = {"do": "collect_package", "approval": "PT1H"}
    o = office({"do": "isolate", "collect_first": "PT10M"}, waits)
    raised(o, "1", FIRST)
    assert states(o, "1") == {"isolate": State.SUCCEEDED, "collect_package": State.WAITING}


# What is given back


def false_positive(o: Office, incident: str, device: str, seconds: float = 40) -> None:
    raised(o, incident, device, seconds, classification="falsePositive", determination="notMalicious")


def test_what_an_analyst_calls_a_false_positive_is_given_back_aloud() -> None:
    o = office({"do": "isolate", "auto_release": True}, {"do": "restrict", "auto_release": True})
    raised(o, "1", FIRST)
    false_positive(o, "1", FIRST)
    assert states(o, "1") == dict.fromkeys(("isolate", "restrict", "release", "unrestrict"), State.SUCCEEDED)
    assert o.ports.ledger.slots() == {}
    assert "false positive" in json.dumps(o.tenant.chat.messages[-1])


def test_without_auto_release_it_stays() -> None:
    o = office({"do": "isolate"})
    raised(o, "1", FIRST)
    false_positive(o, "1", FIRST)
    assert states(o, "1") == {"isolate": State.SUCCEEDED}
    assert o.tenant.isolated(FIRST)


def test_a_device_that_another_incident_holds_stays_until_that_is_one_too() -> None:
    o = office({"do": "isolate", "auto_release": True})
    raised(o, "1", FIRST)
    raised(o, "2", FIRST)
    false_positive(o, "1", FIRST)
    assert o.tenant.isolated(FIRST)
    [release] = [each for each in o.ports.ledger.actions("1") if each.responder == "release"]
    assert release.state is State.REFUSED
    assert "incident 2 holds the device too" in release.detail
    false_positive(o, "2", FIRST)
    assert not o.tenant.isolated(FIRST)


def test_what_somebody_else_isolated_is_not_given_back() -> None:
    o = office({"do": "isolate", "auto_release": True})
    o.tenant.person_orders("isolate", FIRST, "analyst@contoso.com")
    o.work(5)
    raised(o, "1", FIRST)
    false_positive(o, "1", FIRST)
    assert o.tenant.isolated(FIRST)
    assert states(o, "1") == {"isolate": State.ELSEWHERE}


def test_while_everything_is_held_nothing_is_given_back_of_itself() -> None:
    o = office({"do": "isolate", "auto_release": True})
    raised(o, "1", FIRST)
    o.told("hold", "--why", "a test")
    false_positive(o, "1", FIRST)
    assert o.tenant.isolated(FIRST)
    o.told("resume")
    o.work(30)
    assert not o.tenant.isolated(FIRST)


def test_one_that_is_called_malicious_again_before_that_keeps_it() -> None:
    o = office({"do": "isolate", "auto_release": True})
    raised(o, "1", FIRST)
    o.told("hold", "--why", "a test")
    false_positive(o, "1", FIRST)
    raised(o, "1", FIRST, classification="truePositive")
    o.told("resume")
    o.work(30)
    assert o.tenant.isolated(FIRST)
