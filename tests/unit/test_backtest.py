"""The back-test as a person calls it: over a folder, over what the app kept, over the tenant; and its page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from console.commands import bulkhead
from console.fetching import FILE, fetched
from console.pages import STYLE
from console.past import STRETCH, Asked, pieces, traced
from console.session import Session
from local.tenant import samples
from local.tenant.model import Tenant
from local.tenant.settings import TenantSettings
from tests.fakes.clients import THROTTLED_FOR, FakeIncidents, Mishaps
from tests.fakes.storage import FakeClock
from tests.unit.incidents import HOST1, HOST2, NOW, alert, device, graph_time
from tests.unit.policies import DEFAULT_TEXT, rule, text
from tests.unit.test_replay import rails

Json = dict[str, Any]
EVIL = "<script>alert(1)</script><img src=x onerror=y> http://evil.example \u202e=cmd"


def raw(number: int, mde: str = HOST1, **members: object) -> Json:
    own = {
        "id": str(number),
        "displayName": "An incident",
        "severity": "high",
        "status": "active",
        "createdDateTime": graph_time(NOW),
        "lastUpdateDateTime": graph_time(NOW),
        "alerts": [alert(device(mde, name=f"h{number}.contoso.com"))],
    }
    return {**own, **members}


def folder(tmp_path: Path, *incidents: Json) -> Path:
    where = tmp_path / "past"
    where.mkdir()
    for each in incidents:
        (where / f"{each['id']}.json").write_text(json.dumps(each), encoding="utf-8")
    return where


def run(*said: object, environment: dict[str, str] | None = None, status: int = 0) -> str:
    session = Session(environment=environment or {}, whoami=lambda _values: "ann")
    result = CliRunner().invoke(bulkhead, ["backtest", *map(str, said)], obj=session)
    assert result.exit_code == status, result.output
    return str(result.stdout if status == 0 else result.output)


def told(*said: object, environment: dict[str, str] | None = None) -> Json:
    found: Json = json.loads(run(*said, "--json", environment=environment))
    return found


# Where the past comes from


def test_a_folder_is_read_whatever_its_files_hold(tmp_path: Path) -> None:
    where = folder(tmp_path, raw(1))
    (where / "page.json").write_text(json.dumps({"value": [raw(2), raw(3)]}), encoding="utf-8")
    (where / "lines.jsonl").write_text("".join(json.dumps(raw(number)) + "\n" for number in (4, 5)), encoding="utf-8")
    (where / "notes.txt").write_text("nothing", encoding="utf-8")
    (where / "broken.json").write_text("{", encoding="utf-8")
    (where / "other.json").write_text('{"kind": "something else"}', encoding="utf-8")
    found = told(where)
    assert found["incidents"] == 5
    assert [each.partition(": ")[0].rpartition("/")[2] for each in found["unreadable"]] == ["broken.json", "other.json"]


def test_versions_that_the_app_kept_are_one_incident_as_it_grew(tmp_path: Path) -> None:
    """A copy of the container: `ID/VERSION/incident.json`, with plans beside them."""
    for number, severity in enumerate(("low", "high")):
        at = tmp_path / "17" / f"v{number}"
        at.mkdir(parents=True)
        updated = graph_time(NOW + timedelta(hours=number))
        alerts = [alert(device(HOST1), severity=severity)]
        made = raw(17, severity=severity, lastUpdateDateTime=updated, alerts=alerts)
        (at / "incident.json").write_text(json.dumps(made), encoding="utf-8")
        (at / "plan.json").write_text("{}", encoding="utf-8")
    found = told(tmp_path)
    assert (found["incidents"], found["unreadable"]) == (1, [])
    assert [each["at"] for each in found["events"]] == ["2026-08-13T10:00:00+00:00"]


def test_alerts_that_the_app_read_apart_are_the_incident_s(tmp_path: Path) -> None:
    """They lie beside the version that lacked them, and are no incident of their own."""
    at = tmp_path / "17" / "v0"
    at.mkdir(parents=True)
    alone, whole = raw(17, alerts=[]), raw(17)
    (at / "incident.json").write_text(json.dumps(alone), encoding="utf-8")
    (at / "alerts.json").write_text(json.dumps({"alerts": whole["alerts"]}), encoding="utf-8")
    found = told(tmp_path)
    assert (found["incidents"], found["unreadable"]) == (1, [])
    assert len(found["events"]) == len(told(folder(at, whole))["events"]) == 1


def test_a_long_file_of_lines_is_read_in_stretches_and_every_line_once(tmp_path: Path) -> None:
    filler = "x" * (STRETCH // 3)
    with (tmp_path / "lines.jsonl").open("w", encoding="utf-8") as file:
        for number in range(10):
            file.write(json.dumps(raw(number, description=filler)) + "\n")
    found = pieces(tmp_path)
    assert len(found) > 2
    asked = Asked(((DEFAULT_TEXT, rails()),))
    read = [trace.incident for part in traced(found, asked, processes=1) for (trace,) in part.traces]
    assert sorted(read, key=int) == [str(number) for number in range(10)]


def test_two_processes_say_what_one_says(tmp_path: Path) -> None:
    where = folder(tmp_path, *(raw(number, f"{number:040}") for number in range(600)))
    asked = Asked(((DEFAULT_TEXT, rails()),))
    one, two = (list(traced(pieces(where), asked, processes=number)) for number in (1, 2))
    assert one == two


def test_the_tenant_is_read_page_by_page_and_waited_for(tmp_path: Path) -> None:
    clock = FakeClock()
    tenant = Tenant(TenantSettings(), clock.now)
    for number in range(120):
        tenant.incidents.put(samples.harmful_incident(str(number), created=clock.now()))
    waits: list[float] = []
    incidents = FakeIncidents(tenant, mishaps=Mishaps.of(incidents_changed=[THROTTLED_FOR]))
    where = fetched(incidents, tmp_path / "kept", clock.now() - timedelta(days=30), lambda _text: None, waits.append)
    assert len((where / FILE).read_text(encoding="utf-8").splitlines()) == 120
    assert waits == [7.5]


def test_an_empty_folder_and_no_folder_are_said(tmp_path: Path) -> None:
    assert "holds no incidents" in run(tmp_path, status=2)
    assert "say a FOLDER, or --tenant" in run(status=2)
    assert "say a FOLDER, or --tenant" in run(tmp_path, "--tenant", status=2)


def test_a_policy_that_cannot_be_used_is_said_line_by_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\nname: x\n", encoding="utf-8")
    assert "broken.yaml, " in run(folder(tmp_path, raw(1)), "--policy", broken, status=2)


# What counts


def test_the_rails_are_those_of_the_deployment_and_of_the_policy(tmp_path: Path) -> None:
    where = folder(tmp_path, raw(1), raw(2, HOST2))
    protected = {"PROTECTED": json.dumps({"ids": [HOST2]})}
    assert [each["became"] for each in told(where, environment=protected)["events"]] == ["at once", "never"]
    inner = tmp_path / "inner.yaml"
    asks = rule("all", actions=[{"do": "isolate"}], verdict="harmful", examples={"match": [{"incident": {}}]})
    inner.write_text(text(asks, rails={"caps": {"per_hour": 1}}), encoding="utf-8")
    assert sorted(each["capped"] for each in told(where, "--policy", inner)["events"]) == [False, True]


def test_as_it_is_today_is_another_question(tmp_path: Path) -> None:
    called = raw(1, classification="falsePositive", status="resolved")
    where = folder(tmp_path, called)
    assert [each["became"] for each in told(where)["events"]] == ["at once"]
    assert told(where)["called_since"] == {"false positive": 1}
    assert told(where, "--raw")["events"] == []


def test_another_policy_is_held_against_it(tmp_path: Path) -> None:
    where = folder(tmp_path, raw(1))
    careful = tmp_path / "careful.yaml"
    examples: Json = {"match": [{"incident": {}}]}
    asks = rule("all", actions=[{"do": "isolate", "approval": "PT1H"}], verdict="harmful", examples=examples)
    careful.write_text(text(asks), encoding="utf-8")
    found = told(where, "--against", careful)
    assert [(each["device"], each["one"], each["other"]) for each in found["differences"]] == [
        (HOST1, "at once", "waits")
    ]
    words = run(where, "--against", careful)
    assert "Differences to test (1)" in words


def test_it_says_what_it_rests_on(tmp_path: Path) -> None:
    where = folder(tmp_path, raw(1))
    assert any("was not given (--fleet)" in each for each in told(where)["assumed"])
    assert any("1,000 onboarded devices" in each for each in told(where, "--fleet", 1000)["assumed"])
    assert "Nobody approves what waits" in run(where)


# The page


class _Tags(HTMLParser):
    """Every tag and attribute of a page, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def page(tmp_path: Path) -> str:
    careful = tmp_path / "careful.yaml"
    asks = rule("all", actions=[{"do": "isolate"}], verdict="harmful", examples={"match": [{"incident": {}}]})
    careful.write_text(text(asks), encoding="utf-8")
    evil = raw(1, displayName=EVIL, alerts=[alert(device(HOST1, name=EVIL))])
    run(folder(tmp_path, evil, raw(2, HOST2)), "--against", careful, "--page", tmp_path / "page.html")
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_allows_nothing_but_its_own_style(page: str) -> None:
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert page.count(f"<style>{STYLE}</style>") == 1


def test_nothing_in_the_page_runs_loads_or_leads_anywhere(page: str) -> None:
    seen = _Tags(page)
    assert not {"script", "img", "a", "link", "iframe", "object", "form"} & set(seen.tags)
    names = {name for name, _ in seen.attributes}
    assert not {name for name in names if name.startswith("on") or name in {"style", "src", "href"}}


def test_what_others_wrote_is_shown_and_inert(page: str) -> None:
    whole = "".join(_Tags(page).texts)
    assert "<script>alert(1)</script>" in whole
    assert "http://" not in whole
    assert "\u202e" not in page


def test_the_page_prints_and_has_a_dark_side() -> None:
    assert "@media print" in STYLE
    assert "prefers-color-scheme: dark" in STYLE


def test_the_page_says_when_what_and_why(page: str) -> None:
    whole = " ".join(_Tags(page).texts)
    for said in ("Devices isolated per day", "2026-08-13 09:01", "Where “test” would have done otherwise", "rests on"):
        assert said in whole
