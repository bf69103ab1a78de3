"""What a report of 100,000 events costs: to make, to send, and to open; ratios to what was measured in the same run."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from responders._investigation.correlated import with_alerts
from responders._investigation.hunted import found
from responders._investigation.rows import read_answer
from responders._report.assets import assets
from responders._report.page import page
from tests.integration.browser import chromium, needs_chromium
from tests.unit.hunts import kept
from tests.unit.reports import WS, report

EVENTS = 100_000
SECONDS, BYTES, USABLE = 5.0, 10_000_000, 2.0


def reference() -> float:
    """What this machine takes to serialise 100,000 small rows at the moment, in seconds."""
    rows = [{"at": n, "what": f"C:\\Windows\\{n}", "kind": "file", "detail": f"--session {n:x}"} for n in range(EVENTS)]
    begun = time.perf_counter()
    json.loads(json.dumps(rows))
    return time.perf_counter() - begun


@pytest.mark.timeout(600)
def test_a_hundred_thousand_events_become_a_report_in_seconds() -> None:
    """5 s and 10 MB are the goal; as a ratio, since machines differ: 25 times serialising as many rows."""
    made = report(EVENTS)
    page(report(10), assets())
    unit = min(reference() for _ in range(3))
    begun = time.perf_counter()
    whole = page(made, assets()).encode()
    took = time.perf_counter() - begun
    print(f"\n{took:.2f} s ({took / unit:.1f} x {unit:.2f} s), {len(whole):,} bytes; goals {SECONDS} s, {BYTES:,}")
    assert len(whole) <= BYTES
    assert took <= max(SECONDS, 25 * unit)


@pytest.mark.timeout(600)
def test_a_hundred_thousand_rows_of_hunting_become_a_report_in_seconds() -> None:
    """From the lines as they were kept to the page, with the processor's own time: other work on the machine is none of
    ours.
    """
    answers = list(kept(EVENTS))
    base = report(10)
    page(base, assets())
    units = []
    for _ in range(3):
        begun = time.process_time()
        reference()
        units.append(time.process_time() - begun)
    begun = time.process_time()
    findings = found(read_answer(lines, source=name, name=name, device=WS) for name, lines in answers)
    whole = page(replace(base, findings=with_alerts(findings, None)), assets()).encode()
    took, unit = time.process_time() - begun, min(units)
    assert len(findings.events) == EVENTS
    print(f"\n{took:.2f} s ({took / unit:.1f} x {unit:.2f} s), {len(whole):,} bytes; goals {SECONDS} s, {BYTES:,}")
    assert len(whole) <= BYTES
    assert took <= max(SECONDS, 25 * unit)


@needs_chromium
@pytest.mark.timeout(600)
def test_a_hundred_thousand_events_are_usable_soon(tmp_path: Path) -> None:
    """From opening the file until the rows are there and a search has answered, beside a report of ten events."""
    took = {}
    with chromium() as browser:
        for count in (10, EVENTS):
            path = tmp_path / f"{count}.html"
            path.write_text(page(report(count), assets()))
            tab = browser.new_page()
            tab.set_default_timeout(120_000)
            begun = time.perf_counter()
            tab.goto(path.as_uri())
            tab.wait_for_selector("#rows .row")
            opened = time.perf_counter() - begun
            begun = time.perf_counter()
            tab.fill("#q", "procdump64 lsass")
            expect(tab.locator("#rows .row")).to_have_count(1, timeout=120_000)
            took[count] = (opened, time.perf_counter() - begun)
            tab.close()
    (base, _), (opened, searched) = took[10], took[EVENTS]
    print(f"\nopened in {opened:.2f} s (ten events: {base:.2f} s), searched in {searched:.2f} s; goal {USABLE} s")
    assert opened <= max(USABLE, 8 * base)
    assert searched <= max(USABLE, 8 * base)
