"""The operator's command: what it shows, what it orders, and what it never prints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from console.commands import bulkhead
from console.desk import Desk, told_settings, values_of
from console.session import Session, signed_in
from local.tenant import samples
from responders._policies import SHIPPED
from shared.errors import Cause, Denied, Rejected, SettingsError, Transient
from shared.models.action import State
from tests.unit.consoles import DC, FIRST, SECOND, Office, fresh, on_domain_controller, on_workstation, states

HOSTILE = "\x1b]8;;http://evil.example\x07[red]click[/red] \u202egnp.exe"
JUNK = '{"kind": "isolate", "text": "\\u001b[31m [bold]http://evil.example/[/bold]"}'


# Status


def test_status_shows_what_waits_what_is_held_and_what_is_left() -> None:
    office = Office()
    on_domain_controller(office)
    on_workstation(office)
    words = office.words("status")
    assert "waits for a person: it looks like a domain controller" in words
    assert "bulkhead approve 71 dc1" in words
    found = office.told("status")
    assert [each["incident"] for each in found["waiting"]] == ["71"]
    assert [(each["device"], each["incidents"]) for each in found["held"]] == [(FIRST, ["72"])]
    assert found["open"] == found["failed"] == found["dead_letters"] == found["orders"] == []
    spent = found["budgets"]["isolate"]["windows"]
    assert spent == [{"left": 99, "limit": 100, "seconds": 60}, {"left": 1499, "limit": 1500, "seconds": 3600}]


def test_status_of_a_deployment_that_has_done_nothing_has_the_same_keys() -> None:
    idle, busy = Office(), Office()
    on_domain_controller(busy)
    assert idle.told("status").keys() == busy.told("status").keys()


def test_status_shows_a_hold_and_orders_without_an_answer() -> None:
    office = Office()
    on_workstation(office)
    office.told("hold", "--why", "a storm")
    waited = len(office.waits)
    sent = office.told("release", FIRST, "--why", "a drill", "--timeout", "0", status=3)
    assert len(office.waits) == waited
    office.work()
    found = office.told("status")
    assert (found["hold"]["why"], found["hold"]["by"]) == ("a storm", "ann@contoso.com")
    assert [(each["order"], each["state"]) for each in found["orders"]] == [(sent["order"], "waiting")]
    words = office.words("status")
    assert "HELD by ann(at)contoso.com" in words
    assert sent["order"] in words


def test_status_counts_what_failed() -> None:
    office = Office()
    on_domain_controller(office)
    office.told("refuse", "71")
    assert [each["state"] for each in office.told("status")["failed"]] == ["refused"]


def test_status_is_shown_anew_until_interrupted() -> None:
    office = Office()
    office.asleep = True
    looks = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    session = Session(open=lambda _values: replace(office.desk(), pause=pause), environment={})
    result = CliRunner().invoke(bulkhead, ["status", "--live", "--every", "3"], obj=session)
    assert (result.exit_code, looks) == (0, [3, 3])
    assert "Waiting for a person: none" in result.output


def test_a_script_does_not_watch_live() -> None:
    assert "--live" in office_error(Office().run("--json", "status", "--live").stdout)


def office_error(text: str) -> str:
    return str(json.loads(text)["error"])


# What waits


def test_approving_an_incident_isolates_what_waited() -> None:
    office = Office()
    on_domain_controller(office)
    found = office.told("approve", "71")
    assert (found["ended"], found["answer"]) == ("done", f"approved: isolate on dc1 ({found['actions'][0]['id']})")
    office.work(30)
    assert ("isolate", "succeeded") in states(office, "71")


def test_one_device_is_approved_by_what_the_message_calls_it() -> None:
    office = Office()
    on_domain_controller(office)
    assert "done: approved" in office.words("approve", "71", "dc1")


def test_an_action_is_refused_with_the_reason_kept() -> None:
    office = Office()
    on_domain_controller(office)
    (waiting,) = office.told("status")["waiting"]
    office.told("refuse", "--action", waiting["id"], "--why", "it is the last one")
    action = office.ports.ledger.action_by_id(waiting["id"])
    assert action
    assert (action.state, action.detail) == (State.REFUSED, "by ann@contoso.com: it is the last one")


def test_what_the_app_refuses_ends_with_one() -> None:
    office = Office()
    on_workstation(office)
    found = office.told("approve", "72", status=1)
    assert found["ended"] == "refused"
    assert "nothing of incident 72 waits" in found["answer"]
    assert "refused: nothing of incident 72 waits" in office.words("approve", "72", status=1)


@pytest.mark.parametrize(
    "said", [("approve",), ("approve", "71", "--action", "0" * 16), ("refuse", "7/1"), ("retry", "x")]
)
def test_what_is_called_wrongly_ends_with_two_and_sends_nothing(said: tuple[str, ...]) -> None:
    office = Office()
    office.asleep = True
    assert office.run(*said).exit_code == 2
    assert json.loads(office.run(*said, "--json").stdout).keys() == {"error", "problems"}
    assert office.queues.waiting("orders") == []


# No answer


def test_an_order_that_nobody_answers_ends_with_three_and_is_answered_later() -> None:
    office = Office()
    on_domain_controller(office)
    office.asleep = True
    found = office.told("approve", "71", "--timeout", "20", status=3)
    assert found["ended"] == "unanswered"
    assert 19 <= sum(office.waits) <= 23
    office.asleep = False
    assert office.told("order", found["order"])["ended"] == "done"


def test_a_person_is_told_how_to_ask_later() -> None:
    office = Office(asleep=True)
    words = office.words("resume", "--timeout", "1", status=3)
    assert "To see its answer later: bulkhead order " in words


# Devices


def test_a_release_asks_why_and_says_what_is_pending_first() -> None:
    office = Office()
    on_domain_controller(office)
    words = office.words("release", "dc1", typed="it was a drill\n")
    assert words.index("pending on dc1") < words.index("Why is")
    office = Office()
    on_workstation(office)
    words = office.words("release", "host1", typed="it was a drill\n")
    assert f"Why is host1 ({FIRST}) to be released" in words
    assert "done: release on host1" in words
    assert not office.tenant.desk.isolated(FIRST)


def test_a_script_says_why_itself() -> None:
    office = Office()
    on_workstation(office)
    assert "--why" in office.told("release", FIRST, status=2)["error"]
    assert office.told("release", FIRST, "--why", "a drill")["ended"] == "done"


def test_a_release_that_fails_ends_with_one() -> None:
    office = Office(outcomes={"Unisolate": {"Failed": 1.0}})
    on_workstation(office)
    found = office.told("release", FIRST, "--why", "a drill", "--timeout", "4000", status=1)
    assert found["ended"] == "failed"


def test_a_name_that_nobody_knows_or_that_two_have_is_never_guessed() -> None:
    office = Office()
    assert "no device" in office.told("release", "host1", "--why", "x", status=2)["error"]
    on_workstation(office)
    office.raised(fresh(office, samples.harmful_incident("73", device_id=SECOND)))
    for entry in office.ports.ledger.open_actions():
        office.ports.ledger.move(entry, entry.value.model_copy(update={"device_name": "twin.contoso.com"}))
    told = office.told("release", "twin", "--why", "x", status=2)["error"]
    assert FIRST in told
    assert SECOND in told


def test_a_device_is_isolated_only_after_a_yes() -> None:
    office = Office()
    assert office.run("isolate", FIRST, typed="n\n").exit_code == 2
    assert office.run("isolate", FIRST, typed="").exit_code == 2
    assert office.told("isolate", FIRST, status=2)["error"].startswith("nothing was sent")
    assert not office.tenant.desk.isolated(FIRST)
    assert "done: isolate on" in office.words("isolate", FIRST, typed="y\n")
    assert office.tenant.desk.isolated(FIRST)


def test_a_device_that_defender_does_not_know_is_refused() -> None:
    found = Office().told("isolate", "0" * 40, "--yes", status=1)
    assert found["answer"] == f"Defender knows no device with the id {'0' * 40}"


def test_a_script_is_run_with_what_follows_its_name() -> None:
    office = Office(settings={"TOOLS": json.dumps({"fix.sh": {"sha256": "a" * 64}})})
    found = office.told("run-script", FIRST, "fix.sh", "--since", "7d", status=3)
    (action,) = office.ports.ledger.actions("orders")
    assert dict(action.params) == {"script": "fix.sh", "args": "--since 7d"}
    assert "run script on host1" in found["answer"]
    assert "args: its arguments" in office.words("run-script", FIRST, "fix.sh", "a;b", status=2)


def test_files_are_asked_for_with_a_reason() -> None:
    office = Office()
    assert "no rule of the policy asks for it" in office.words(
        "get-files", FIRST, "/etc/a", typed="a check\n", status=1
    )
    assert "paths: 1 to 20 full paths" in office.words("get-files", FIRST, "etc/a", "--why", "x", status=2)


def test_a_package_is_collected() -> None:
    office = Office()
    found = office.told("collect", SECOND)
    assert found["ended"] == "done"
    assert found["actions"][0]["artefacts"]


# Actions, incidents, everything


def test_what_was_refused_is_tried_anew() -> None:
    office = Office()
    on_domain_controller(office)
    (waiting,) = office.told("status")["waiting"]
    office.told("refuse", "71")
    assert office.told("retry", waiting["id"])["ended"] == "done"
    assert office.tenant.desk.isolated(DC)


def test_what_waits_is_cancelled() -> None:
    office = Office()
    on_domain_controller(office)
    (waiting,) = office.told("status")["waiting"]
    found = office.told("cancel", waiting["id"])
    assert (found["ended"], found["actions"][0]["state"]) == ("done", "withdrawn")
    assert office.told("cancel", waiting["id"], status=1)["ended"] == "refused"


def test_everything_is_held_and_resumed() -> None:
    office = Office()
    office.words("hold", typed="a storm\n")
    on_workstation(office)
    assert not office.tenant.desk.isolated(FIRST)
    office.told("resume")
    office.work(30)
    assert office.tenant.desk.isolated(FIRST)
    assert office.told("resume", status=1)["answer"] == "nothing is held"


def test_the_library_is_looked_at_and_put_right() -> None:
    """By order; the list is what the app saw last, whoever changed something since."""
    office = Office(settings={"TOOLS": json.dumps({"avml": {"sha256": "a" * 64}})})
    assert office.told("library", "list") == {"files": [], "at": None}
    office.tenant.library.put("bulkhead-linux.sh", b"evil", "somebody")
    office.tenant.library.put("avml", b"another", "somebody")
    found = office.told("library", "sync")
    assert found["ended"] == "done"
    assert "put there: bulkhead-linux.sh, bulkhead-macos.sh, bulkhead-windows.ps1" in found["answer"]
    assert "avml is pinned, and another one: it is not used" in found["answer"]
    listed = {each["name"]: each["means"] for each in office.told("library", "list")["files"]}
    assert listed["bulkhead-linux.sh"] == "ours, as it is here"
    assert listed["avml"] == "pinned, and another one: it is not used"
    assert "somebody" in office.words("library", "list")


def test_an_incident_is_read_again() -> None:
    office = Office()
    on_domain_controller(office)
    assert office.told("reassess", "71")["ended"] == "done"
    assert office.told("reassess", "999", status=1)["ended"] == "refused"


def test_a_remark_is_kept_and_shown() -> None:
    office = Office()
    on_domain_controller(office)
    office.told("note", "71", "asked the owner")
    assert office.run("note", "71", typed="she says no\n").exit_code == 0
    assert {each["text"] for each in office.told("show", "71")["notes"]} == {"asked the owner", "she says no"}
    assert "she says no" in office.words("show", "71")


# Dead letters


def test_a_dead_letter_is_listed_tried_again_and_given_up() -> None:
    office = Office()
    key = office.rubbish(JUNK)
    (letter,) = office.told("dead-letters", "list")["dead_letters"]
    assert (letter["key"], letter["text"], letter["dropped"]) == (key, JUNK, None)
    assert letter["problems"]
    assert office.told("dead-letters", "replay", key)["ended"] == "done"
    office.work()
    found = office.told("dead-letters", "list")["dead_letters"]
    assert key not in {each["key"] for each in found}, "the one that came of it is another one"
    (other,) = found
    assert "--why" in office.told("dead-letters", "drop", other["key"], status=2)["error"]
    office.words("dead-letters", "drop", other["key"], typed="rubbish\n")
    assert office.told("dead-letters", "list")["dead_letters"] == []
    every = {each["key"]: each for each in office.told("dead-letters", "list", "--all")["dead_letters"]}
    assert every[other["key"]]["dropped"]["why"] == "rubbish"
    assert len(every[key]["replays"]) == 1
    assert office.told("dead-letters", "replay", other["key"], status=1)["ended"] == "refused"


# Other people's texts


def test_nothing_from_the_tenant_reaches_the_terminal_alive() -> None:
    office = Office()
    incident = samples.harmful_incident("74", device_id=DC)
    incident["alerts"][0]["title"] = HOSTILE
    office.raised(fresh(office, {**incident, "displayName": HOSTILE}))
    office.told("note", "74", HOSTILE)
    office.rubbish(JUNK)
    office.rubbish(HOSTILE)
    for said in (("status",), ("show", "74"), ("explain", "74"), ("dead-letters", "list")):
        words = office.words(*said)
        assert not {"\x1b", "\x07", "\u202e"} & set(words), said
        assert "http://" not in words, said
        plain = office.run(*said, "--json").stdout
        assert plain.isascii(), said
        assert plain.isprintable() or plain.strip().isprintable(), said
    assert "[red]click[/red]" in office.words("show", "74"), "markup is shown, never followed"


# How it is called


def test_an_order_says_who_gives_it() -> None:
    office = Office()
    on_domain_controller(office)
    office.run("note", "71", "one", "--by", "bob")
    office.run("note", "71", "two")
    assert {each["by"] for each in office.told("show", "71")["notes"]} == {"bob", "ann@contoso.com"}
    assert office.run("note", "71", "three", whoami="").exit_code == 2


def test_a_name_that_the_app_would_not_take_is_not_sent() -> None:
    office = Office()
    on_domain_controller(office)
    found = office.told("note", "71", "x" * 5000, status=2)
    assert found["problems"] == ["text: the remark, in 1 to 4,000 characters"]


def test_without_storage_every_command_says_what_is_missing() -> None:
    result = CliRunner().invoke(bulkhead, ["status", "--json"], obj=Session(environment={}))
    assert result.exit_code == 2
    assert json.loads(result.stdout)["problems"][0].startswith("AzureWebJobsStorage: missing")


def test_a_settings_file_is_all_that_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps({"Values": {"RATE_LIMITS": '{"isolate": "7/min"}', "odd": 1}}))
    session = Session(environment={"AzureWebJobsStorage": "other"}, settings=path)
    assert session.values == {"RATE_LIMITS": '{"isolate": "7/min"}'}
    assert told_settings(session.values).rate("isolate") == ((7, 60),)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"IsEncrypted": true, "Values": {}}'])
def test_a_settings_file_that_is_none_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text(text)
    with pytest.raises(SettingsError):
        values_of(path)


def test_the_name_at_this_machine_does_for_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    assert signed_in({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}) == "ann"


@pytest.mark.parametrize(("script", "name"), [("echo ann@contoso.com", "ann@contoso.com"), ("exit 1", "somebody")])
def test_where_one_is_signed_in_it_is_the_name_of_az(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, name: str
) -> None:
    az = tmp_path / "az"
    az.write_text(f"#!/bin/sh\n{script}\n")
    az.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "somebody")
    assert signed_in({"AzureWebJobsStorage__accountName": "bulkheadhost"}) == name


# What goes wrong outside


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Denied("signing in: check that the app has an identity", status=401, code="NoToken"), "az login"),
        (Transient("no token for https://graph.example: Oops", cause=Cause.TOKEN), "graph.example: sign in as"),
        (Denied("row a: 403; give the app a role", status=403, code="AuthorizationPermissionMismatch"), "needs a role"),
        (Rejected("holding evidence/x: 501", status=501), "as an emulator cannot"),
        (FileNotFoundError(2, "No such file or directory", "/nowhere/x"), "/nowhere/x: No such file or directory"),
    ],
)
def test_what_a_person_does_about_it_is_said_to_that_person(trouble: Exception, said: str) -> None:
    """The app is told to look at its identity; whoever sits here has none of those."""

    def broken(_values: object) -> Desk:
        raise trouble

    result = CliRunner().invoke(bulkhead, ["status"], obj=Session(open=broken))
    assert (result.exit_code, said in result.stderr) == (1, True)
    assert "the app" not in result.stderr
    assert "Traceback" not in result.output


def test_without_any_deployment_it_asks_which_one() -> None:
    result = CliRunner().invoke(bulkhead, ["status"], obj=Session(environment={}), env={"BULKHEAD_SETTINGS": ""})
    assert result.exit_code == 2
    assert "AzureWebJobsStorage: missing; say --settings FILE" in result.stderr


# What concerns no device


def test_what_concerns_the_incident_alone_has_a_name_in_commands_and_is_decided_by_it() -> None:
    shipped = SHIPPED.read_text(encoding="utf-8")
    asked = "      - do: collect_package\n"
    office = Office(policy=shipped.replace(asked, f"{asked}      - {{do: tag, tag: seen, approval: PT2H}}\n", 1))
    on_domain_controller(office)
    waiting = {each.label for each in office.ports.ledger.actions("71") if each.state is State.WAITING}
    assert waiting == {"incident", "dc1"}
    assert "bulkhead approve 71 incident" in office.words("show", "71")
    office.told("approve", "71", "incident")
    assert [action.responder for action in office.ports.ledger.actions("71") if action.approved] == ["tag"]
    assert "no device" in office.told("release", "incident", "--why", "x", status=2)["error"]
