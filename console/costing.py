"""The command that says what a month costs, from measured figures. It needs no storage."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from console.costs import Measured, Prices, Use, assumptions, bill
from console.session import Session, looks
from console.voice import ours, table

FIGURES = Path(__file__).with_name("measured.json")
_POSITIVE = click.FloatRange(min=0, min_open=True)


def measured() -> Measured:
    """The figures of the last measuring."""
    return Measured.of(json.loads(FIGURES.read_text(encoding="utf-8")))


@click.command()
@click.option("--incidents", type=click.FloatRange(min=0), default=10.0, show_default=True, help="Incidents a day.")
@click.option("--watch", type=_POSITIVE, default=10.0, show_default=True, help="Seconds between two watches.")
@click.option("--follow", type=_POSITIVE, default=10.0, show_default=True, help="Seconds between two ticks.")
@click.option("--memory", type=click.Choice(["512", "2048", "4096"]), default="512", show_default=True, help="MB.")
@click.option("--evidence", type=click.FloatRange(min=0), default=50.0, show_default=True, help="MB of an incident.")
@click.option("--months", type=click.FloatRange(min=0), default=12.0, show_default=True, help="Months it is kept.")
@click.option("--granted/--used-up", default=True, help="Whether the subscription's free grant is still there.")
@looks
@click.pass_obj
def cost(
    session: Session,
    *,
    incidents: float,
    watch: float,
    follow: float,
    memory: str,
    evidence: float,
    months: float,
    granted: bool,
) -> None:
    """What a month costs, from measured figures and named prices (docs/cost.md)."""
    use = Use(
        incidents_a_day=incidents,
        memory_gb=int(memory) / 1024,
        watch_seconds=watch,
        follow_seconds=follow,
        evidence_mb=evidence,
        months_kept=months,
        granted=granted,
    )
    prices = Prices()
    found = bill(use, measured(), prices)
    rows = [(item.name, f"{item.quantity:,.0f} {item.unit}", f"{item.usd:,.2f}") for item in found.items]
    told = {
        "items": [asdict(item) for item in found.items],
        "compute_usd": round(found.compute, 2),
        "total_usd": round(found.total, 2),
        "assumptions": assumptions(use, prices),
    }
    summed = f"Compute {found.compute:,.2f}, everything {found.total:,.2f} US dollars a month."
    session.voice.tell(told, table("A month", ("what", "how much", "US dollars"), rows), ours(summed, "bold"))
