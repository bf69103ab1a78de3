"""The parts of a report that decide something: the tree, what is held of a long timeline, when a revision is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._afterwards import LONGEST
from responders._inert import visible
from responders._languages import ENGLISH
from responders._notices import CONTAINED, FINAL, STARTED, UNSURE
from responders._report import moments, table
from responders._report.assets import assets
from responders._report.chapters import evidence, network, persistence
from responders._report.closing import interview
from responders._report.devices import devices
from responders._report.page import clock_of, page
from responders._report.plain import plain
from responders._report.revisions import revision_name, wanted
from responders._report.summary import still_contained, summary
from responders._report.tree import IN_ALL, PER_DEVICE, Node, forest
from shared.models.action import Artefact, State
from shared.models.findings import Endpoint, Event, Findings, Kind, Persistence, Process
from shared.models.frozen import Params
from shared.models.plan import Verdict
from shared.models.progress import Notice
from shared.models.reported import KeptRevision
from shared.zones import zone
from tests.unit.reports import AT, WS, action, at, incident, key, report


def nodes(of: tuple[Node, ...]) -> list[Node]:
    return [each for node in of for each in (node, *nodes(node.children))]


def grown(processes: tuple[Process, ...], alerts: list[dict[str, object]] | None = None) -> list[Node]:
    made = report(0, findings=Findings(processes=processes), incident=incident(alerts=alerts or []))
    return [node for trees in forest(made).trees.values() for node in nodes(trees)]


def test_a_file_of_a_device_is_told_with_its_path_there() -> None:
    """It lies under its number, whatever it was called."""
    files = tuple(Artefact(name=f"x/data/files/{each}", size=1, sha256="0" * 64) for each in ("002.gz", "003.received"))
    made = action("get_files", State.SUCCEEDED, params=Params({"paths": "/etc/a\n/tmp/b"}), artefacts=files)
    rows = evidence(report(0, actions=(made,)), ENGLISH, {})
    assert [row["name"] for row in rows] == ["files/002.gz: /tmp/b", "files/003.received"]


# The tree


def test_a_number_that_is_used_again_is_another_process() -> None:
    """Its first user's children are not its second user's."""
    first, second = key(4242, 0), key(4242, 5000)
    named = Process(key(7, 10), "evil.exe", parent=first, parent_name="old.exe", alerts=("a",))
    later = Process(second, "new.exe", command_line="new.exe")
    [root, child] = grown((named, later))
    assert (root.process.name, child.process.name) == ("old.exe", "evil.exe")


def test_ancestors_and_what_came_of_it_are_shown_and_siblings_are_counted() -> None:
    above = Process(key(1, 0), "explorer.exe", command_line="e")
    named = Process(key(2, 1), "evil.exe", parent=above.key, alerts=("a",))
    below = Process(key(3, 2), "whoami.exe", parent=named.key)
    others = tuple(Process(key(100 + n, 1), "calc.exe", parent=above.key) for n in range(5))
    found = {node.process.name: node for node in grown((above, named, below, *others))}
    assert set(found) == {"explorer.exe", "evil.exe", "whoami.exe"}
    assert found["explorer.exe"].more == 5


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40), st.sets(st.integers(0, 12), min_size=1)
)
def test_the_tree_ends_whatever_parents_are_claimed(pairs: list[tuple[int, int]], named: set[int]) -> None:
    """Rings and all: every process that an alert names is shown once, and none twice."""
    made = {
        child: Process(key(child, 0), f"p{child}", parent=key(parent, 0), alerts=("a",) * (child in named))
        for child, parent in pairs
    }
    shown = [node.process.key.pid for node in grown(tuple(made.values()))]
    assert len(shown) == len(set(shown))
    assert set(shown) >= named & set(made)


def test_a_device_with_ten_thousand_children_shows_as_many_as_can_be_read() -> None:
    named = Process(key(1, 0), "loop.exe", alerts=("a",))
    children = tuple(Process(key(10 + n, 1), "x.exe", parent=named.key) for n in range(10_000))
    shown = grown((named, *children))
    assert len(shown) <= PER_DEVICE <= IN_ALL
    assert shown[0].more == 10_000 - (len(shown) - 1)


def test_sources_that_round_differently_mean_the_same_process() -> None:
    """Graph writes the creation time with another precision than hunting does."""
    seen = Process(replace(key(4242, 60), created=at(60.4)), "powershell.exe", command_line="p", account="seen")
    made = report(0, findings=Findings(processes=(seen,)))
    found = [node for trees in forest(made).trees.values() for node in nodes(trees) if node.process.key.pid == 4242]
    assert [(node.process.account, len(node.alerts)) for node in found] == [("seen", 1)]


def test_an_alert_alone_makes_a_tree() -> None:
    """Without hunting, what the alerts name is there all the same."""
    made = replace(report(0), findings=Findings())
    found = {node.process.name: node for trees in forest(made).trees.values() for node in nodes(trees)}
    assert found["powershell.exe"].alerts == ("Suspicious PowerShell command line",)
    assert found["powershell.exe"].children[0].process.name == "procdump64.exe"


# The timeline


def test_of_too_many_events_those_nearest_to_the_alerts_are_held() -> None:
    far = [Event(at(n), WS, Kind.FILE, "f") for n in range(moments.AT_ONCE)]
    alert = Event(at(90_000), WS, Kind.ALERT, "a")
    after = [Event(at(90_000 + n), WS, Kind.FILE, "g") for n in range(1, 1001)]
    held = moments.foremost([*far, alert, *after])
    assert len(held) == moments.AT_ONCE
    assert alert in held
    assert held[0].at == at(1001)
    assert held[-1] is after[-1]


@pytest.mark.parametrize("count", [1000, 20_000])
def test_the_table_keeps_to_its_budget_and_says_what_it_cut(count: int) -> None:
    """Every command line another one, and long."""
    long = tuple(Event(at(n), WS, Kind.PROCESS, "p", detail=f"{n}" + "é" * 3000) for n in range(count))
    made = table.table(long, (), {WS: "ws"}, {}, AT.tzinfo or zone("UTC"))
    assert len(table.as_json(made)) <= table.BUDGET
    assert all(mark & table.CLIPPED for mark in made["marks"])


@given(st.lists(st.text(), max_size=8))
def test_no_text_ends_the_script_that_holds_the_table(texts: list[str]) -> None:
    told = [Event(at(n), WS, Kind.FILE, text, text, text) for n, text in enumerate([*texts, "</script><!--"])]
    made = table.as_json(table.table(told, (), {}, {}, AT.tzinfo or zone("UTC")))
    assert "<" not in made
    assert json.loads(made)["texts"][-1] == "</script><!--"
    assert all(text == visible(text) for text in json.loads(made)["texts"])


def test_times_come_back_to_the_millisecond() -> None:
    told = [Event(AT + timedelta(milliseconds=step), WS, Kind.FILE, "f") for step in (0, 1, 86_400_000, 86_400_007)]
    steps = table.table(told, (), {}, {}, AT.tzinfo or zone("UTC"))["times"]
    assert steps[1:] == [1, 86_399_999, 7]


def test_a_zone_is_told_with_the_moment_of_its_change() -> None:
    night = AT.replace(month=10, day=25, hour=0)
    [first, second] = table.offsets([night, night + timedelta(hours=3)], zone("Europe/Berlin"))
    assert (first[1], second[1]) == (120, 60)
    assert second[0] == int(night.replace(hour=1).timestamp() * 1000)


def test_a_time_of_nonsense_costs_nothing() -> None:
    """Windows' own zero is in 1601, and some rows hold the year 9999."""
    odd = [AT.replace(year=year) for year in (1601, 2026, 9999)]
    assert len(table.offsets(odd, zone("Europe/Berlin"))) == 1


@pytest.mark.parametrize("said", ["0001-01-01T00:00:00Z", "1601-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"])
@pytest.mark.parametrize("place", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_an_alert_whose_activity_has_no_time_is_reported(said: str, place: str) -> None:
    """The services write such a year for "unknown"; a day before or an hour after it there is none."""
    alert = {"id": "a", "title": "Odd", "firstActivityDateTime": said, "lastActivityDateTime": said}
    odd = incident(alerts=[{**alert, "createdDateTime": f"{AT:%FT%T}Z"}])
    told = report(10, incident=odd, zone=zone(place))
    assert "Odd" in page(told, assets())
    assert moments.span(odd.alerts) == (AT, AT)
    assert clock_of(datetime.fromisoformat("0001-01-01T00:00:00+00:00"), zone(place))["iso"]


# The summary

BEGUN: list[dict[str, object]] = [
    {"attempt": 1},
    {"attempt": 0, "joined": "action:8:x:isolate:0"},
    {"attempt": 0, "cancelled": True},
]


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ([action("isolate", State.SUCCEEDED)], "1 of 1 devices contained, 42 s after the tenant showed the incident."),
        ([action("isolate", State.ELSEWHERE)], "1 of 1 devices contained."),
        ([action("isolate", State.FAILED)], "None of 1 devices is contained."),
        ([action("isolate", State.ACCEPTED)], "Containment of 1 devices is under way."),
        (
            [action("isolate", State.SUCCEEDED), action("release", State.SUCCEEDED, finished_at=at(500))],
            "The devices were contained and have been released since.",
        ),
        ([action("isolate", State.WITHDRAWN, attempt=0)], ""),
        *(([action("isolate", State.WITHDRAWN, **begun)], "None of 1 devices is contained.") for begun in BEGUN),
        ([], ""),
    ],
)
def test_the_headline_claims_nothing_that_is_not_final(actions: list[object], said: str) -> None:
    made = report(0, actions=tuple(actions))
    assert summary(made, ENGLISH, {})["headline"] == said


@pytest.mark.parametrize(("released", "told"), [(State.SUCCEEDED, 0), (State.FAILED, 1), (State.WITHDRAWN, 1)])
def test_a_device_that_was_released_since_is_not_counted_as_contained(released: State, told: int) -> None:
    """Neither at the top of its report nor on the page of all of them, which counts by the same."""
    actions = (action("isolate", State.SUCCEEDED), action("release", released, finished_at=at(500)))
    made = report(0, actions=actions)
    assert f"<dt>Contained</dt><dd>{told}</dd>" in page(made, assets())
    assert len(still_contained(made)) == told


@pytest.mark.parametrize("begun", BEGUN)
def test_a_device_whose_containment_was_cancelled_is_not_left_out(begun: dict[str, object]) -> None:
    """It is as harmful as the others, and free."""
    other = action("isolate", State.WITHDRAWN, device="b" * 40, **begun)
    view = summary(report(0, actions=(action("isolate", State.SUCCEEDED), other)), ENGLISH, {})
    assert view["headline"].startswith("1 of 2 devices contained")
    assert view["headline_kind"] == "warn"


@pytest.mark.parametrize("begun", [{"attempt": 0}, *BEGUN])
def test_where_all_was_taken_back_from_what_is_harmless_nothing_is_missing(begun: dict[str, object]) -> None:
    made = report(0, actions=(action("isolate", State.WITHDRAWN, **begun),))
    made = replace(made, state=made.state.model_copy(update={"verdict": Verdict.HARMLESS}))
    view = summary(made, ENGLISH, {})
    assert (view["headline"], view["headline_kind"]) == ("Nothing had to be contained.", "good")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, False),
        ({"more_alerts": "https://graph.example/alerts?$skiptoken=1"}, True),
        ({"alerts": ()}, True),
        ({"alerts": (), "status": "redirected"}, False),
    ],
)
def test_alerts_that_were_not_read_are_told_to_be_missing(changed: dict[str, object], said: bool) -> None:
    """Those of what is harmless for certain are not asked for, and a page may be refused."""
    made = report(0)
    made = replace(made, incident=made.incident.model_copy(update=changed))
    count = len(made.incident.alerts)
    assert (f"there are more than the {count} on this page" in plain(made)) is said


def test_where_there_are_too_many_moments_alerts_are_told_and_how_many_are_left_out() -> None:
    late = incident().alerts[0].model_copy(update={"created": at(100_000), "first": None})
    many = tuple(action("isolate", State.SUCCEEDED, device=f"{number:040x}") for number in range(80))
    made = report(0, actions=many)
    made = replace(made, incident=made.incident.model_copy(update={"alerts": (*made.incident.alerts, late)}))
    told, more = moments.key_moments(made, ENGLISH)
    assert len(told) == 60
    assert more > 20
    assert told[-1].at == late.created
    assert f"and {more} more, which are in the timeline" in plain(made)
    assert f"and {more} more, which are in the timeline" in page(made, assets())


def test_what_waits_is_told_with_its_commands() -> None:
    waiting = action("isolate", State.WAITING, detail="a cap is reached", finished_at=None)
    [row] = summary(report(0, actions=(waiting,)), ENGLISH, {WS: "ws"})["todo"]
    assert row["commands"] == [f"bulkhead {verb} --action {waiting.id}" for verb in ("approve", "refuse")]


def test_the_same_report_gives_the_same_bytes() -> None:
    assert page(report(50), assets()) == page(report(50), assets())


# What is about no device in particular


def test_a_hunt_about_the_whole_incident_is_told_as_one() -> None:
    whole = action("hunt", State.FAILED, device="", device_name="", detail="an app role is missing", todo="grant it")
    made = report(3, actions=(action("isolate", State.SUCCEEDED), whole))
    shown = page(made, assets())
    assert shown.count("the whole incident") >= 3
    assert "Hunt on other devices" in shown
    assert [each["device"] for each in interview(made, devices(made))] == ["ws-anna-14.corp.example"]
    nobody = replace(made, assessment=None, incident=incident(alerts=[]), actions=(whole,))
    assert interview(nobody, devices(nobody)) == []


# What starts by itself


def test_of_hundreds_of_services_the_odd_ones_are_in_sight() -> None:
    usual = [Persistence(WS, "service", f"svc{n:03d}", command=f"C:\\Windows\\system32\\s{n}.exe") for n in range(300)]
    odd = [
        Persistence(WS, "task", "z", command='"C:\\Users\\Public\\u.exe" /q'),
        Persistence(WS, "service", "y", command="\\??\\C:\\ProgramData\\d.sys"),
        Persistence(WS, "service", "new", command="%SystemRoot%\\system32\\x.exe", new=True),
    ]
    made = persistence([*usual, *odd], ENGLISH, {})
    assert [each["name"] for each in made["shown"][:4]] == ["new", "y", "z", "svc000"]
    assert (len(made["shown"]), len(made["folded"]), made["total"]) == (60, 243, 303)
    assert "243 more" in page(replace(report(3), findings=Findings(persistence=(*usual, *odd))), assets())


# The network


def test_a_browser_that_was_open_all_day_does_not_fill_the_report() -> None:
    """Each process shows its foremost ends, public ones first; how many there are is said, and the page stays small."""
    ends = tuple(
        Endpoint(WS, f"203.0.113.{each % 250}", 1 + each, process=key(each % 40, 0), public=bool(each % 2), count=each)
        for each in range(8_000)
    )
    made = network(replace(report(3), findings=Findings(endpoints=ends)), ENGLISH, {})
    assert sum(len(row["rows"]) for row in made["rows"]) == 2_500
    assert {row["total"] for row in made["rows"]} == {200}
    assert all(row["left"] for row in made["rows"])
    assert [each["public"] for each in made["rows"][0]["rows"]] == [True] * 100
    assert len(page(replace(report(3), findings=Findings(endpoints=ends)), assets())) < 1_500_000


# Revisions


def told(kind: str, chapter: int = 1) -> Notice:
    return Notice(chapter=chapter, kind=kind, channel="slack", state="sent", since=at(chapter * 100))


def kept(kind: str, chapter: int = 1) -> KeptRevision:
    return KeptRevision(number=1, kind=kind, chapter=chapter, at=at(0), name="n")


@pytest.mark.parametrize(
    ("notices", "have", "due"),
    [
        ([], [], None),
        ([told(STARTED), told(UNSURE)], [], None),
        ([told(STARTED), told(CONTAINED)], [], (1, "contained")),
        ([told(CONTAINED)], [kept("contained")], None),
        ([told(CONTAINED), told(FINAL)], [kept("contained")], (1, "final")),
        ([told(FINAL), told(STARTED, 2)], [kept("final")], (2, "reopened")),
        ([told(CONTAINED), told(FINAL)], [], (1, "final")),
        ([told(FINAL), told(FINAL, 2)], [kept("final")], (2, "final")),
    ],
)
def test_a_revision_is_kept_when_it_is_contained_over_or_begins_anew(
    notices: list[Notice], have: list[KeptRevision], due: tuple[int, str] | None
) -> None:
    assert wanted(notices, have, (), AT) == due


@pytest.mark.parametrize(("later", "due"), [(LONGEST - timedelta(seconds=1), None), (LONGEST, (1, "final"))])
def test_the_end_is_kept_once_hunting_has_ended_or_too_much_time_has_passed(
    later: timedelta, due: tuple[int, str] | None
) -> None:
    ended = action("isolate", state=State.SUCCEEDED)
    have = [kept("contained")]
    notices = [told(CONTAINED), told(FINAL)]
    assert wanted(notices, have, [ended, action("hunt", state=State.FETCHING)], at(100) + later) == due
    assert wanted(notices, have, [ended, action("hunt", state=State.FAILED)], at(100) + later) == (1, "final")


def test_revisions_have_names_of_their_own() -> None:
    assert revision_name("2026/11/inc-7/reports", 12) == "2026/11/inc-7/reports/report-r0012.html"
    assert revision_name("f", 1, "timeline.jsonl") == "f/timeline-r0001.jsonl"
