"""docs/from-observe-to-respond.md, played: its policy as it stands there, its commands, and what they lead to."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from console.commands import bulkhead
from console.session import Session
from local.tenant import samples, shapes
from responders._policy_check import check
from shared.models.action import State
from tests.unit.consoles import DC, FIRST, Office, fresh, on_domain_controller, on_workstation
from tests.unit.test_pager import Pager

PAGE = (Path(__file__).parents[2] / "docs" / "from-observe-to-respond.md").read_text(encoding="utf-8")
(POLICY,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
DAY, NIGHT = datetime(2026, 8, 13, 8, 0, tzinfo=UTC), datetime(2026, 8, 13, 21, 0, tzinfo=UTC)
Json = dict[str, Any]


def company(at: datetime, pager: Pager | None = None, **settings: str) -> Office:
    """The company with its own policy, at a time."""
    own = Office(policy=POLICY, settings=settings, more_chats={"pager": pager} if pager else {})
    own.clock.advance((at - own.clock.now()).total_seconds() % timedelta(days=7).total_seconds())
    own.work()
    return own


def raised(own: Office, incident: str, number: int, seconds: float = 40) -> None:
    device = samples.fleet_id(number)
    own.raised(fresh(own, samples.harmful_incident(incident, device_id=device)), seconds)


def isolate(own: Office, incident: str) -> State:
    return next(each.state for each in own.ports.ledger.actions(incident) if each.responder == "isolate")


def test_the_policy_can_be_used() -> None:
    assert check(POLICY) == ()


def test_week_one_nothing_is_touched_and_everything_is_said() -> None:
    own = Office(settings={"RESPONSE_MODE": "observe"})
    on_workstation(own, "72")
    on_domain_controller(own, "73")
    assert "Observed (nothing was touched): incident 72, severity high" in PAGE
    assert "Observed (nothing was touched): incident 72, severity high" in json.dumps(list(own.tenant.chat.messages))
    assert "would be done, were RESPONSE_MODE not observe" in own.words("explain", "72")
    assert not own.tenant.isolated(FIRST)
    assert not own.tenant.isolated(DC)


def test_week_one_the_month_before_is_played(tmp_path: Path) -> None:
    """By day the policy of their own asks where the shipped one would have acted."""
    past, policy = tmp_path / "past", tmp_path / "by-night.yaml"
    past.mkdir()
    policy.write_text(POLICY, encoding="utf-8")
    for number, at in enumerate((DAY, NIGHT)):
        made = samples.harmful_incident(str(number), device_id=samples.fleet_id(3 + 3 * number), created=at)
        shown = shapes.incident(made, str(number), "tenant", at)
        (past / f"{number}.json").write_text(json.dumps(shown), encoding="utf-8")
    said = ["backtest", str(past), "--fleet", "2000", "--against", str(policy), "--page", str(tmp_path / "x.html")]
    session = Session(environment={}, whoami=lambda _values: "ann")
    result = CliRunner().invoke(bulkhead, [*said, "--json"], obj=session)
    assert result.exit_code == 0, result.output
    found: Json = json.loads(result.stdout)
    assert [(each["incident"], each["one"], each["other"]) for each in found["differences"]] == [
        ("0", "at once", "waits")
    ]
    assert "by-night" in (tmp_path / "x.html").read_text(encoding="utf-8")


def test_week_three_by_day_a_person_is_asked_and_answers() -> None:
    own = company(DAY)
    raised(own, "81", 3)
    assert isolate(own, "81") is State.WAITING
    assert own.told("approve", "81", "host1" if "host1" in own.words("status") else "host2")["ended"] == "done"
    own.work(20)
    assert isolate(own, "81") is State.SUCCEEDED


def test_week_three_at_night_the_package_goes_first_and_nobody_is_woken() -> None:
    pager = Pager()
    own = company(NIGHT, pager)
    raised(own, "82", 3, 60)
    kinds = [each["type"] for each in own.tenant.state()["actions"]]
    assert kinds.index("CollectInvestigationPackage") < kinds.index("Isolate")
    assert isolate(own, "82") is State.SUCCEEDED
    assert "bulkhead:by-night" in own.tenant.incidents.everything()[0]["customTags"]
    assert pager.told == []


def test_week_three_the_sixth_device_of_a_bad_night_wakes_somebody_who_lets_it_go_on() -> None:
    pager = Pager()
    own = company(NIGHT, pager, ISOLATION_CAPS='{"fleet_share": 1}')
    workstations = [number for number in range(2, 40) if number % 3 != 2][:6]
    for place, number in enumerate(workstations):
        raised(own, f"9{place}", number, 15)
    own.work(60)
    stands = [isolate(own, f"9{place}") for place in range(6)]
    assert stands == [State.SUCCEEDED] * 5 + [State.WAITING]
    (command,) = re.findall(r"bulkhead approve \d+", str(pager.told))[:1]
    assert own.told(*command.split()[1:])["ended"] == "done"
    own.work(30)
    assert isolate(own, "95") is State.SUCCEEDED


def test_week_three_a_false_positive_is_given_back() -> None:
    own = company(NIGHT)
    raised(own, "83", 3, 60)
    own.tenant.incidents.change("83", {"classification": "falsePositive", "determination": "securityTesting"})
    own.work(40)
    assert not own.tenant.isolated(samples.fleet_id(3))
    assert "false positive" in json.dumps(list(own.tenant.chat.messages))


@pytest.mark.parametrize("at", [DAY, NIGHT])
def test_a_server_waits_by_day_and_by_night_and_its_team_is_named(at: datetime) -> None:
    own = company(at)
    raised(own, "84", 1)
    assert isolate(own, "84") is State.WAITING
    assert "server-team" in json.dumps(list(own.tenant.chat.messages))


def test_what_its_owner_tagged_is_never_isolated() -> None:
    own = company(NIGHT)
    own.tenant.fleet.put({"id": samples.fleet_id(3), "machineTags": ["never-isolate"]})
    raised(own, "85", 3)
    assert isolate(own, "85") is State.REFUSED
