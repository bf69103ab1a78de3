"""The report in a real browser: it opens, filters, unfolds, searches and prints, and nothing in it is alive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from responders._report.assets import assets
from responders._report.index import index
from responders._report.page import page
from responders._report.value import Note, Report
from shared.models.action import State
from shared.models.findings import (
    Account,
    Elsewhere,
    Endpoint,
    Event,
    FileFact,
    Findings,
    Inventoried,
    Kind,
    NotCollected,
    Persistence,
    Process,
    Source,
)
from shared.models.reported import Reported
from shared.zones import zone
from tests.integration.browser import Opened, chromium, needs_chromium, opened
from tests.unit.reports import AT, WS, action, artefact, at, incident, key, report, state

pytestmark = [needs_chromium, pytest.mark.timeout(300)]

HOSTILE = (
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "<!--<script>",
    "]]><!--",
    '"><img src=x onerror="document.title=\'owned\'">',
    "' onmouseover='document.title=1' x='",
    "<svg/onload=document.title='owned'>",
    "<svg><style><img src=x onerror=alert(1)>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<iframe srcdoc='<script>parent.document.title=1</script>'>",
    "<form action=//evil.example><button id=q>",
    "<a id=table name=words href=//evil.example>",
    "javascript:document.title='owned'",
    "data:text/html,<script>1</script>",
    "https://evil.example/?q=1&x=<y>",
    "{{ 7*7 }} {% raw %} ${7*7} #{7*7} <%= 7*7 %> {{ t.__class__ }}",
    "invoice_\u202egnp.exe",
    "\u2066pay\u2069roll \u200b\u200d\ufeff\u00ad",
    "\x1b[31mred\x1b]8;;https://evil.example\x07link",
    "nul\x00byte \x7f \x85 \u2028 \u2029",
    "half \ud83d pair",
    "a" + "\u0301" * 400,
    "=cmd|' /C calc'!A0",
    "\\u003cscript\\u003e &lt;script&gt; &#60;script&#62;",
    "A" * 50_000,
    "ｆｕｌｌ <ｓcript> раypal.exe",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def written(folder: Path, made: Report) -> Path:
    path = folder / "report.html"
    path.write_bytes(page(made, assets()).encode("utf-8", "backslashreplace"))
    return path


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Opened:
    """The ordinary report, of some hundred events."""
    return opened(browser, written(tmp_path, report()))


def rows(of: Opened) -> list[str]:
    """The rows of the timeline that are there."""
    return of.page.locator("#rows .row").all_inner_texts()


def counted(of: Opened) -> str:
    return of.page.locator("#count").inner_text()


# What it shows


def test_it_opens_without_a_complaint(shown: Opened) -> None:
    expect(shown.page.locator("h1")).to_have_text(state().title)
    assert shown.page.title() == f"Incident 2972395: {state().title}"
    assert counted(shown) == "421 of 421 events"
    assert shown.complaints() == []


def test_the_alerted_processes_are_marked_in_their_tree(shown: Opened) -> None:
    tree = shown.page.locator("#tree")
    alerted = tree.locator("li.alerted > .proc > .pn > b").all_inner_texts()
    assert alerted == ["powershell.exe", "procdump64.exe"]
    above = tree.locator("li:has(> details > ul > li.alerted) > .proc > .pn > b").all_inner_texts()
    assert above == ["WINWORD.EXE", "powershell.exe"]
    assert tree.locator("li.ours > .proc > .pn").inner_text().startswith("SenseIR.exe")


def test_the_text_of_a_page_is_there_without_its_script(browser: Browser, tmp_path: Path) -> None:
    """A locked-down browser shows everything but the filter, and says what it does not show."""
    made = opened(browser, written(tmp_path, report()), script=False)
    expect(made.page.locator("#tree li.alerted")).to_have_count(2)
    expect(made.page.locator("#tl")).to_be_hidden()
    expect(made.page.get_by_text("Filtering needs the script of this page")).to_be_visible()
    expect(made.page.locator(".copy").first).to_be_hidden()


# Filter, search, select


def test_searching_wants_every_word_wherever_it_stands(shown: Opened) -> None:
    shown.page.fill("#q", "PROCDUMP64 lsass")
    expect(shown.page.locator("#count")).to_have_text("1 of 421 events")
    assert "C:\\Temp\\procdump64.exe" in rows(shown)[0]
    shown.page.fill("#q", "nowhere-to-be-found")
    expect(shown.page.locator("#count")).to_have_text("No event is like that.")
    shown.page.click("#clear")
    expect(shown.page.locator("#count")).to_have_text("421 of 421 events")


def test_kinds_are_switched_off_and_on(shown: Opened) -> None:
    files = shown.page.locator("#kinds .chip", has_text="File")
    number = int(files.locator("i").inner_text())
    files.click()
    assert files.get_attribute("aria-pressed") == "false"
    assert counted(shown) == f"{421 - number} of 421 events"
    files.click()
    assert counted(shown) == "421 of 421 events"


def test_a_span_of_time_leaves_the_rest_out_and_what_has_no_time(shown: Opened) -> None:
    shown.page.fill("#f-from", "2026-11-29 02:00")
    shown.page.fill("#f-until", "2026-11-29 02:03")
    expect(shown.page.locator("#rows .row").last).to_contain_text("2026-11-29 02:03")
    times = [text[:16] for text in rows(shown)]
    assert all("2026-11-29 02:00" <= each <= "2026-11-29 02:03" for each in times)


def test_only_what_alerts_name_and_nothing_of_the_collectors(shown: Opened) -> None:
    shown.page.check("#only-alerts")
    assert counted(shown) == "5 of 421 events"
    shown.page.check("#hide-ours")
    assert counted(shown) == "5 of 421 events"


def test_a_row_tells_everything_and_where_it_comes_from(shown: Opened) -> None:
    shown.page.fill("#q", "procdump64 lsass")
    expect(shown.page.locator("#count")).to_have_text("1 of 421 events")
    shown.page.locator("#rows .row").first.click()
    told = shown.page.locator("#fields").inner_text()
    for each in ("2026-11-29 02:01:35.000Z", "powershell.exe (4242)", "T1003", "DeviceProcessEvents, line 7"):
        assert each in told
    shown.page.click("text=Show in the process tree")
    assert re.search(r"#p\d+$", shown.page.url)


def test_a_process_leads_to_its_events(shown: Opened) -> None:
    shown.page.locator("#tree li.alerted", has_text="powershell.exe").first.locator("button.events").first.click()
    assert 1 < int(counted(shown).split()[0]) < 421
    assert all("powershell.exe (4242)" in text for text in rows(shown))


def test_the_keyboard_is_enough(shown: Opened) -> None:
    """`/` searches; arrows move; Enter tells; Escape closes."""
    shown.page.keyboard.press("/")
    assert shown.page.evaluate("document.activeElement.id") == "q"
    shown.page.keyboard.type("lib6")
    expect(shown.page.locator("#count")).not_to_have_text("421 of 421 events")
    shown.page.focus("#rows")
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("ArrowDown")
    assert shown.page.locator("#rows").get_attribute("aria-activedescendant") == "r1"
    assert shown.page.locator("#r1").get_attribute("aria-selected") == "true"
    assert shown.page.locator("#detail").is_visible()
    shown.page.keyboard.press("Escape")
    assert shown.page.locator("#detail").is_hidden()
    shown.page.keyboard.press("Tab")
    assert shown.complaints() == []


_TYPED_AND_GONE_ON = """() => {
  const q = document.getElementById("q");
  q.value = "lib6";
  q.dispatchEvent(new Event("input"));
  document.getElementById("rows").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
}"""


def test_who_goes_on_while_a_search_is_due_keeps_what_they_chose(shown: Opened) -> None:
    shown.page.evaluate(_TYPED_AND_GONE_ON)
    shown.page.wait_for_timeout(300)
    assert 0 < int(counted(shown).split()[0]) < 421
    assert shown.page.locator("#rows").get_attribute("aria-activedescendant") == "r0"


def test_subtrees_unfold_and_the_theme_changes(shown: Opened) -> None:
    fold = shown.page.locator("#tree li details").first
    fold.locator("> summary").click()
    assert fold.get_attribute("open") is None
    before = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    shown.page.click("#theme")
    assert shown.page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert shown.complaints() == []


def test_a_bar_of_the_histogram_selects_its_span(shown: Opened) -> None:
    shown.page.locator("#histogram rect.a").first.click()
    assert 0 < int(counted(shown).split()[0]) < 421
    assert shown.page.input_value("#f-from").startswith("2026-11-29")


# Paper, phones, zones


def test_it_prints_with_its_rows_and_a_page_for_the_interview(shown: Opened) -> None:
    data = shown.page.pdf(format="A4")
    assert data.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", data)) >= 4
    assert shown.page.locator("#printed tbody tr").count() == 150
    assert shown.page.locator("#printed-left").inner_text().startswith("271 more events are not printed")
    assert shown.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_a_phone(browser: Browser, tmp_path: Path, dark: bool) -> None:
    made = opened(browser, written(tmp_path, report()), phone=True, dark=dark)
    assert made.page.evaluate("document.documentElement.scrollWidth") <= 390
    made.page.locator("#rows .row").first.click()
    assert made.page.locator("#detail").is_visible()
    assert made.complaints() == []


def test_the_operators_time_stands_beside_utc_also_where_the_clocks_change(browser: Browser, tmp_path: Path) -> None:
    """Berlin, the night of 25 October 2026: 02:30 comes twice there, and never here."""
    night = AT.replace(month=10, day=25, hour=0, minute=30)
    events = tuple(Event(night + timedelta(hours=n), WS, Kind.LOG, f"e{n}") for n in range(3))
    told = report(0, findings=Findings(events=events), zone=zone("Europe/Berlin"), zone_name="Europe/Berlin")
    made = opened(browser, written(tmp_path, told))
    made.page.fill("#f-until", "2026-10-26")
    expect(made.page.locator("#count")).to_have_text(re.compile("^3 of"))
    shown = [made.page.locator(f"#r{n} .lz").inner_text() for n in range(3)]
    assert shown == ["02:30:00", "02:30:00", "03:30:00"]
    made.page.locator("#r0").click()
    assert "2026-10-25 02:30:00 +02:00" in made.page.locator("#fields").inner_text()
    made.page.locator("#r1").click()
    assert "2026-10-25 02:30:00 +01:00" in made.page.locator("#fields").inner_text()


def test_it_is_japanese_where_that_is_wanted(browser: Browser, tmp_path: Path) -> None:
    made = opened(browser, written(tmp_path, report(language="ja", zone=zone("Asia/Tokyo"), zone_name="Asia/Tokyo")))
    assert made.page.evaluate("document.documentElement.lang") == "ja"
    expect(made.page.locator("#tree h2")).to_have_text("プロセス")
    assert counted(made) == "421 件中 421 件"
    assert "11:01:00 +09:00" in made.page.locator(".moments").inner_text()
    assert made.complaints() == []


# A hundred devices


def test_a_hundred_devices_stay_readable(browser: Browser, tmp_path: Path) -> None:
    many = [f"{number:040x}" for number in range(1, 101)]
    actions = tuple(
        action("isolate", State.SUCCEEDED, device=device, device_name=f"ws-{place:03d}.corp.example")
        for place, device in enumerate(many)
    )
    made = opened(browser, written(tmp_path, report(actions=actions)), phone=True)
    assert made.page.locator("#done tbody tr").count() == 100
    made.page.locator("#done .filtering").fill("ws-042")
    assert made.page.locator("#done tbody tr:visible").count() == 1
    assert made.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert made.page.evaluate("document.documentElement.scrollHeight") < 60_000
    assert made.complaints() == []


@pytest.mark.parametrize("language", ["en", "ja"])
def test_nothing_reaches_beyond_a_phones_screen(browser: Browser, tmp_path: Path, language: str) -> None:
    """A Japanese heading is longer than an English one; a value that takes two lines stays beside its label."""
    made = opened(browser, written(tmp_path, replace(report(20), language=language)), phone=True)
    made.page.wait_for_selector("#rows .row")
    assert made.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert made.page.evaluate("document.querySelector('#theme').getBoundingClientRect().right") <= 390
    why = made.page.locator("#done tbody tr").first.locator("td").last
    left = why.evaluate("(cell) => cell.getBoundingClientRect().left + parseFloat(getComputedStyle(cell).paddingLeft)")
    texts = why.evaluate(
        "(cell) => { const range = document.createRange(); range.selectNodeContents(cell);"
        " return [...range.getClientRects()].map((each) => each.left); }"
    )
    assert texts
    assert all(each >= left - 1 for each in texts)


# Nothing is alive


def hostile(text: str) -> Report:
    """A report in which an attacker chose everything that an attacker can choose."""
    process = Process(
        key(4242, 60), text, text, text, key(3100, 40), text, text, text, text, text, text, text, text, text, (text,)
    )
    found = Findings(
        events=(
            Event(
                at(1), WS, Kind.FILE, text, text, text, text, key(4242, 60), text, None, text, text, (text,), (text,)
            ),
            Event(None, text, Kind.TASK, text, local=text),
        ),
        processes=(process,),
        endpoints=(Endpoint(WS, text, 1, text, text, key(4242, 60), text, text),),
        persistence=(Persistence(WS, text, text, text, text, text, text, local=text),),
        accounts=(Account(WS, text, text, text, text, text),),
        files=(FileFact(text, text, text, text, text, text, engines=3),),
        elsewhere=(Elsewhere(text, text, text, text),),
        inventory=(Inventoried(WS, text, text, text, text, text), Inventoried(text, "file", text, text, text, text)),
        sources=(Source("s1", text, text, WS, text, text, text, truncated=text, zone=text),),
        missing=(NotCollected(text, text, WS, text),),
    )
    graph: dict[str, Any] = {"title": text, "category": text, "mitreTechniques": [text], "id": text, "severity": text}
    evidence = {
        "@odata.type": "#microsoft.graph.security.processEvidence",
        "mdeDeviceId": WS,
        "deviceDnsName": text,
        "processId": 7,
        "processCommandLine": text,
        "imageFile": {"fileName": text, "filePath": text},
        "userAccount": {"accountName": text, "domainName": text},
    }
    said = {"detail": text, "reason": text, "todo": text, "device_name": text, "approved_by": text}
    return report(
        0,
        incident=incident(displayName=text, alerts=[{**graph, "evidence": [evidence]}]),
        state=state(title=text, reasons=(text,), not_actionable=(text,), url=f"https://x.example/{text}"),
        actions=(
            action("isolate", State.WAITING, **said),
            action("collect_package", State.SUCCEEDED, **said, artefacts=(artefact("a/data/b.zip", 1),)),
        ),
        findings=found,
        notes=(Note(at(1), text, text),),
    )


TOGETHER = [" ".join(HOSTILE[start::4]) for start in range(4)]
"""Every hostile text, a quarter of them in every place at a time."""

TAGS = "[...new Set([...document.querySelectorAll('*')].map((each) => each.tagName))].sort().join()"
ALIVE = """[...document.querySelectorAll('*:not(#rows *)')].flatMap((each) => [...each.attributes])
  .filter((each) => /^(on|src|style|action|formaction|srcdoc|xlink)/.test(each.name)).map((each) => each.name)"""
"""What could do something; the rows have places, which the page's own script gives them."""


@pytest.fixture(scope="module")
def harmless(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tags of the same report about nothing hostile."""
    made = opened(browser, written(tmp_path_factory.mktemp("harmless"), hostile("plain")))
    made.page.locator("#rows .row").first.click()
    tags: str = made.page.evaluate(TAGS)
    return tags


@pytest.mark.parametrize("text", TOGETHER, ids=range(len(TOGETHER)))
def test_whatever_an_attacker_writes_is_only_text(browser: Browser, tmp_path: Path, harmless: str, text: str) -> None:
    made = opened(browser, written(tmp_path, hostile(text)))
    made.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    made.page.locator("#rows .row").first.click()
    made.page.pdf()
    assert set(made.page.evaluate(TAGS).split(",")) - {"SMALL"} == set(harmless.split(",")) - {"SMALL"}
    assert made.page.locator("script").count() == 3
    assert made.page.title().startswith("Incident 2972395: ")
    assert made.page.evaluate(ALIVE) == []
    assert made.page.locator("a[href]:not([href^='#'])").count() <= 1  # none where the address becomes too long
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\x00\x1b\x7f]", made.page.content())
    assert made.complaints() == []


def test_an_address_in_a_link_cannot_leave_its_place(browser: Browser, tmp_path: Path) -> None:
    """The link to Defender is the one address that is alive; it stays an https address whatever is in it."""
    made = opened(browser, written(tmp_path, hostile("\"><script>document.title='owned'</script>")))
    assert made.page.evaluate(
        "[...document.querySelectorAll('a[href]:not([href^=\"#\"])')].map((each) => each.protocol)"
    ) == ["https:"]
    shut = opened(browser, written(tmp_path, report(0, state=state(url="javascript:alert(1)"))))
    assert shut.page.locator("a[href]:not([href^='#'])").count() == 0


# All incidents


def test_the_page_of_all_incidents_lists_them_newest_first(browser: Browser, tmp_path: Path) -> None:
    rows_ = [
        Reported(
            incident=str(number),
            made=at(number),
            folder="f",
            title=HOSTILE[number % len(HOSTILE)][:200],
            severity=number % 5,
            verdict=state().verdict,
            shown_at=at(number),
            devices=1,
            contained=number % 2,
            stands="over",
        )
        for number in range(40)
    ]
    path = tmp_path / "index.html"
    path.write_bytes(index(rows_, assets(), "en", zone("Europe/Berlin")).encode("utf-8", "backslashreplace"))
    made = opened(browser, path)
    links = made.page.evaluate("[...document.querySelectorAll('tbody a')].map((each) => each.getAttribute('href'))")
    assert links[:2] == ["incidents/39/report.html", "incidents/38/report.html"]
    made.page.locator(".filtering").fill("invoice")
    assert made.page.locator("tbody tr:visible").count() >= 1
    assert made.complaints() == []


def test_an_incident_of_which_nothing_is_known_is_reported_all_the_same(browser: Browser, tmp_path: Path) -> None:
    bare = replace(report(0), findings=Findings(), actions=(), notes=(), custody=(), assessment=None, revisions=())
    bare = replace(bare, incident=incident(alerts=[]))
    made = opened(browser, written(tmp_path, bare))
    expect(made.page.locator("#tree .none")).to_be_visible()
    expect(made.page.locator("#missing")).to_contain_text("no rule asked for it")
    expect(made.page.locator("#tl")).to_be_hidden()
    assert made.complaints() == []
