"""`bulkhead doctor`: what is broken on purpose is found, with what to do, and nothing that is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.cloud import account_findings
from console.doctor import of_timers
from responders._diagnosis import of_clocks, of_protection, of_token
from responders._readiness import FRESH, IMPATIENT, PROBE, ROW, due
from shared.models.readiness import Finding, Readiness, Verdict
from shared.storage.interface import Protection
from tests.fakes.clients import DISABLED, Mishap
from tests.unit.consoles import FIRST, NEEDED, Office, on_workstation

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
ACCOUNT: dict[str, Any] = {
    "allowSharedKeyAccess": False,
    "allowBlobPublicAccess": False,
    "minimumTlsVersion": "TLS1_2",
    "secondaryLocation": None,
    "immutableStorageWithVersioning": {
        "enabled": True,
        "immutabilityPolicy": {"immutabilityPeriodSinceCreationInDays": 365, "state": "Locked"},
    },
}
EVIDENCE = {"EVIDENCE_STORAGE__blobServiceUri": "https://contosoevidence.blob.core.windows.net"}


def checks(office: Office, *, status: int) -> dict[str, str]:
    """Every check by name, with its verdict."""
    found = office.told("doctor", status=status)
    assert found["well"] is (status == 0)
    return {each["check"]: each["verdict"] for each in found["checks"]}


def awake(**members: Any) -> Office:  # noqa: ANN401 - whatever an office is made of
    """An app that has run for long enough to have examined itself and made its hourly round."""
    office = Office(**members)
    office.work(70)
    office.flow.housekeeping()
    return office


# All is well


def test_a_deployment_that_is_well_is_found_so() -> None:
    found = checks(awake(), status=0)
    assert {name for name, verdict in found.items() if verdict == "bad"} == set()
    good = {"token graph", "token defender", "Graph: incidents", "Defender: devices", "Defender: machine actions"}
    good |= {"evidence storage", "immutability", "chat", "policy", "clocks", "licence and switches", "API budgets"}
    good |= {"other deployments", "the app", "timer watch", "timer follow", "timer housekeeping", "incidents"}
    assert {name for name, verdict in found.items() if verdict == "good"} >= good
    assert found["device groups"] == "by hand"


def test_everything_that_is_wrong_comes_first_and_says_what_to_do() -> None:
    office = awake(roles=tuple(role for role in NEEDED if role != "Machine.Isolate"))
    told = office.told("doctor", status=1)["checks"]
    verdicts = [each["verdict"] for each in told]
    assert verdicts == sorted(verdicts, key=["bad", "look", "by hand", "good"].index)
    assert all(each["todo"] for each in told if each["verdict"] != "good")
    words = office.words("doctor", status=1)
    assert "the role Machine.Isolate is not in the app's token" in words
    assert "infra/grants.sh" in words


# Broken on purpose


def test_what_only_some_actions_need_is_tried_too() -> None:
    found = checks(awake(), status=0)
    assert (found["Defender: live response library"], found["Graph: hunting"]) == ("good", "good")
    office = awake(mishaps={"devices.library": Mishap("status", 403, "Forbidden")})
    assert checks(office, status=1)["Defender: live response library"] == "bad"
    assert "needed here: Library.Manage" in office.words("doctor", status=1)


def test_what_is_not_licensed_is_no_defect_and_to_observe_it_is_not_asked_for() -> None:
    office = awake(mishaps={"devices.library": DISABLED})
    assert checks(office, status=0)["Defender: live response library"] == "look"
    office = awake(settings={"RESPONSE_MODE": "observe"})
    assert "Graph: hunting" not in checks(office, status=0)


def test_an_app_that_never_ran_is_the_first_thing_to_see_to() -> None:
    office = Office(asleep=True)
    found = checks(office, status=1)
    assert {found["the app"], found["timer watch"], found["incidents"]} == {"bad"}


@pytest.mark.parametrize(("mode", "verdict", "status"), [("respond", "bad", 1), ("observe", "look", 0)])
def test_a_role_to_act_is_needed_to_respond_and_not_to_observe(mode: str, verdict: str, status: int) -> None:
    roles = tuple(role for role in NEEDED if role != "Machine.CollectForensics")
    found = checks(awake(roles=roles, settings={"RESPONSE_MODE": mode}), status=status)
    assert found["role Machine.CollectForensics"] == verdict


def test_without_the_roles_to_read_nothing_works_even_in_observe() -> None:
    office = awake(roles=("Machine.Isolate",), settings={"RESPONSE_MODE": "observe"})
    found = checks(office, status=1)
    assert found["role SecurityIncident.ReadWrite.All"] == found["role Machine.Read.All"] == "bad"


def test_roles_that_nothing_needs_are_named() -> None:
    found = awake(roles=(*NEEDED, "Ti.ReadWrite.All")).told("doctor")["checks"]
    told = [each["text"] for each in found if each["check"] == "token defender" and each["verdict"] == "look"]
    assert told == ["carries roles that nothing here needs: Ti.ReadWrite.All"]


def test_an_api_that_refuses_is_named_with_its_advice() -> None:
    office = awake()
    office.mishaps["devices.named"] = Mishap("status", 403, "Forbidden")
    office.flow.housekeeping()
    found = office.told("doctor", status=1)["checks"]
    (told,) = [each for each in found if each["check"] == "Defender: devices"]
    assert told["verdict"] == "bad"
    assert "Machine.Read.All" in told["todo"]


@pytest.mark.parametrize(
    ("protection", "verdict", "status"),
    [
        (Protection(), "bad", 1),
        (Protection(NOW - timedelta(days=400)), "bad", 1),
        (Protection(NOW + timedelta(days=4000)), "look", 0),
    ],
    ids=["none", "over", "unlocked"],
)
def test_what_is_archived_has_to_be_immutable(protection: Protection, verdict: str, status: int) -> None:
    office = Office(settings={"EVIDENCE_STORAGE": "", "EVIDENCE_STORAGE__blobServiceUri": "https://e.example"})
    office.protections.policy = protection
    office.flow.housekeeping()
    office.work(70)
    assert checks(office, status=status)["immutability"] == verdict


def test_the_emulator_cannot_keep_anything_and_that_is_no_fault_of_the_deployment() -> None:
    office = awake()
    office.protections.policy = Protection()
    office.flow.housekeeping()
    assert checks(office, status=0)["immutability"] == "look"


def test_the_probe_is_written_once_a_month() -> None:
    office = awake()
    office.flow.housekeeping()
    probes = {name: data for name, (_, data) in office.evidence.stored.items() if name.startswith("readiness/")}
    assert list(probes.values()) == [PROBE]


def test_another_deployment_in_the_tenant_is_noticed() -> None:
    office = awake()
    office.ports.devices.isolate(FIRST, "Bulkhead: isolate for incident 5. [bulkhead contoso-old/0123456789abcdef/1]")
    office.flow.housekeeping()
    found = office.told("doctor")["checks"]
    (told,) = [each for each in found if each["check"] == "other deployments"]
    assert (told["verdict"], "contoso-old" in told["text"]) == ("look", True)


def test_a_policy_that_is_broken_is_named() -> None:
    office = awake()
    office.policy = "rules: 7"
    office.work(70)
    office.flow.housekeeping()
    assert checks(office, status=1)["policy"] == "bad"


def test_silence_holds_and_dead_letters_are_named() -> None:
    office = awake()
    office.told("hold", "--why", "a storm")
    office.rubbish("{}")
    found = checks(office, status=1)
    assert (found["hold"], found["dead letters"]) == ("look", "look")
    office.asleep = True
    office.work(3 * 3600 + 7200)
    found = checks(office, status=1)
    assert {found[f"timer {name}"] for name in ("watch", "follow", "housekeeping")} == {"bad"}
    assert found["the app"] == "bad"


def test_what_the_tenant_refuses_as_a_whole_is_named() -> None:
    office = awake()
    office.mishaps["devices.isolate"] = DISABLED
    on_workstation(office)
    office.flow.housekeeping()
    assert checks(office, status=1)["licence and switches: isolate"] == "bad"


# When the app examines itself


def test_it_examines_itself_soon_after_every_change_and_more_often_while_something_is_wrong() -> None:
    good = Finding(check="x", verdict=Verdict.GOOD, text="")
    known = Readiness(at=NOW, version="1", mode="observe", deployment="x", examined="a", findings=(good,))
    bad = known.model_copy(update={"findings": (good.model_copy(update={"verdict": Verdict.BAD}),)})
    assert due(None, "a", NOW)
    assert due(known, "b", NOW)
    assert not due(known, "a", NOW + FRESH - timedelta(seconds=1))
    assert due(known, "a", NOW + FRESH)
    assert not due(bad, "a", NOW + IMPATIENT - timedelta(seconds=1))
    assert due(bad, "a", NOW + IMPATIENT)


def test_what_is_kept_holds_no_secret() -> None:
    office = awake(settings={"SLACK_WEBHOOK_URL": "https://hooks.slack.example/T0/B0/synthetic"})
    entry = office.ports.ledger.single(Readiness, ROW)
    assert entry
    assert "synthetic" not in entry.value.model_dump_json()


# Pure


def test_a_token_of_another_cloud_is_found() -> None:
    (found,) = of_token("graph", "https://graph.microsoft.us", "https://graph.microsoft.com", (), (), respond=True)
    assert (found.verdict, "DEFENDER_CLOUD" in found.todo) == (Verdict.BAD, True)


@pytest.mark.parametrize(("seconds", "verdict"), [(-60, "good"), (61, "look"), (-301, "bad")])
def test_clocks_that_differ_are_found(seconds: int, verdict: str) -> None:
    assert str(of_clocks(NOW, NOW + timedelta(seconds=seconds)).verdict) == verdict


def test_a_probe_that_vanished_is_found() -> None:
    assert of_protection(None, NOW, emulated=False).verdict is Verdict.BAD


def test_an_hourly_round_that_had_no_turn_yet_is_no_fault() -> None:
    found = {each.check: each.verdict for each in of_timers({"watch": NOW, "follow": NOW}, NOW)}
    assert found["timer housekeeping"] is Verdict.LOOK


# Accounts, by az


def accounts(told: object) -> dict[str, Verdict]:
    return {each.check: each.verdict for each in account_findings(EVIDENCE, lambda _arguments: told)}


def test_an_account_as_the_files_make_it_is_well() -> None:
    assert accounts(ACCOUNT) == {"evidence account": Verdict.GOOD, "immutability policy": Verdict.GOOD}


def test_an_account_that_cannot_be_seen_is_said_to_be_unseen() -> None:
    assert accounts(None) == {"evidence account": Verdict.BY_HAND}


@pytest.mark.parametrize(
    ("changed", "check", "verdict"),
    [
        ({"allowSharedKeyAccess": None}, "evidence account", Verdict.BAD),
        ({"allowBlobPublicAccess": True}, "evidence account", Verdict.BAD),
        ({"minimumTlsVersion": "TLS1_0"}, "evidence account", Verdict.BAD),
        ({"immutableStorageWithVersioning": None}, "immutability policy", Verdict.BAD),
        (
            {
                "immutableStorageWithVersioning": {
                    "enabled": True,
                    "immutabilityPolicy": {"immutabilityPeriodSinceCreationInDays": 1, "state": "Unlocked"},
                }
            },
            "immutability policy",
            Verdict.LOOK,
        ),
    ],
)
def test_an_account_that_is_otherwise_is_found(changed: dict[str, Any], check: str, verdict: Verdict) -> None:
    assert accounts(ACCOUNT | changed)[check] is verdict


def test_behind_a_connection_string_there_is_nothing_to_ask() -> None:
    office = awake(environment={"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, account={"x": 1})
    assert "host storage" not in checks(office, status=0)


def test_the_second_copy_is_named() -> None:
    found = list(account_findings(EVIDENCE, lambda _arguments: ACCOUNT | {"secondaryLocation": "northeurope"}))
    assert "its second copy lies in northeurope" in found[0].text
