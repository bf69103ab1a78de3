"""The tables of docs/cost.md: what a month costs by the number of incidents, line by line, and what that rests on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from console.costing import FIGURES, measured
from console.costs import PRICED, Prices, Use, bill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]

PAGE = Path(__file__).parents[1] / "docs" / "cost.md"
DAILY = (1, 10, 100, 1000)
_GRANTED = Use()

WAYS: Mapping[str, Use] = {
    "as shipped": Use(),
    "as shipped, the free grant used up by other apps": Use(granted=False),
    "`FOLLOW_SCHEDULE` every 30 s": Use(follow_seconds=30),
    "`FOLLOW_SCHEDULE` every 30 s, the grant used up": Use(follow_seconds=30, granted=False),
    "both timers every 30 s": Use(watch_seconds=30, follow_seconds=30),
    "both timers every 30 s, the grant used up": Use(watch_seconds=30, follow_seconds=30, granted=False),
    "instances of 2,048 MB": Use(memory_gb=2),
}
"""What changes the price of compute, at ten incidents a day."""

ASSUMED: Mapping[str, str] = {
    "polled": "share of the month in which an instance listens to each of the six queues; 1 is the most there can be",
    "polling_seconds": "seconds between two looks into an empty queue (`maxPollingInterval`)",
    "evidence_mb": "MB that an incident leaves in evidence storage; Microsoft gives no figure for packages",
    "months_kept": "months for which evidence is kept; the table shows the month in which that is reached",
    "log_overhead": "bytes of a log line beside its text",
    "alarms": "alarms of the deployment",
}


def tables(table: Table) -> Mapping[str, Callable[[], str]]:
    """The tables by name; `table` writes one."""
    return {
        "cost_by_incidents": lambda: _by_incidents(table),
        "cost_lines": lambda: _lines(table),
        "cost_ways": lambda: _ways(table),
        "cost_prices": lambda: _prices(table),
        "cost_assumed": lambda: _assumed(table),
        "cost_measured": lambda: _measured(table),
    }


def _by_incidents(table: Table) -> str:
    rows = []
    for daily in DAILY:
        made = bill(replace(_GRANTED, incidents_a_day=daily), measured(), Prices())
        kept = next(item.usd for item in made.items if item.name == "evidence kept")
        rest = made.total - made.compute - kept
        rows.append([f"{daily:,}", *(f"{usd:,.2f}" for usd in (made.compute, rest, kept, made.total))])
    return table(("incidents a day", "compute", "storage operations, log, alarms", "evidence kept", "in all"), rows)


def _lines(table: Table) -> str:
    bills = [bill(replace(_GRANTED, incidents_a_day=daily), measured(), Prices()) for daily in DAILY]
    rows = []
    for number, item in enumerate(bills[0].items):
        cells = [
            f"{each.items[number].usd:,.2f} ({each.items[number].quantity:,.0f} {each.items[number].unit})"
            for each in bills
        ]
        rows.append((item.name, *cells))
    return table(("US dollars a month", *(f"{daily:,} a day" for daily in DAILY)), rows)


def _ways(table: Table) -> str:
    rows = [(name, f"{bill(use, measured(), Prices()).compute:,.2f}") for name, use in WAYS.items()]
    return table(("at 10 incidents a day", "compute, US dollars a month"), rows)


def _prices(table: Table) -> str:
    prices = Prices()
    return table(("what", "figure"), [(said, f"{getattr(prices, name):g}") for name, said in PRICED.items()])


def _assumed(table: Table) -> str:
    use = Use()
    return table(("what", "figure"), [(said, f"{getattr(use, name):g}") for name, said in ASSUMED.items()])


def _measured(table: Table) -> str:
    told = json.loads(FIGURES.read_text(encoding="utf-8"))
    idle, incident = told["idle"], told["incident"]
    rows = [
        ("an idle minute: executions", f"{sum(idle['executions'].values()) / told['idle_seconds'] * 60:.1f}"),
        ("an idle timer's execution: ledger operations", f"{idle['storage_each'].get('table', 0):g}"),
        ("an idle timer's execution: queue operations (poison queues)", f"{idle['storage_each'].get('queue', 0):g}"),
        ("an idle timer's execution: log lines, bytes", f"{idle['log_lines']:g}, {idle['log_bytes']:g}"),
        ("an incident: executions", f"{sum(incident['executions'].values()):.1f}"),
        ("an incident: billed seconds (each at least one)", f"{sum(incident['billed_seconds'].values()):.1f}"),
        *((f"an incident: {kind} operations", f"{count:g}") for kind, count in incident["storage"].items()),
        ("an incident: log lines, bytes", f"{incident['log_lines']:g}, {incident['log_bytes']:,}"),
        ("an incident: actions", f"{incident['actions']:g}"),
        ("an incident: bytes of evidence (the simulated tenant's package)", f"{told['evidence_bytes']:,}"),
    ]
    return table((f"measured on {told['measured']}", "figure"), rows)
