"""The command and its parts, each in a module of its own."""

from __future__ import annotations

import click
from rich.console import Group
from rich.live import Live

from console.asking import ASKING
from console.backtest import backtest
from console.costing import cost
from console.doctor import doctor
from console.entrance import Bulkhead
from console.evidence import evidence
from console.explaining import explain
from console.holding import hold, release_hold
from console.letters import dead_letters
from console.library import library
from console.policies import policy
from console.session import Session, looks
from console.showing import show
from console.status import drawn, gather, status_json
from console.verifying import verify


@click.group(cls=Bulkhead, context_settings={"help_option_names": ["-h", "--help"]})
@looks
@click.pass_context
def bulkhead(ctx: click.Context) -> None:
    """Look at Bulkhead, and tell it what to do.

    Storage is named by --settings FILE, or by the environment: AzureWebJobsStorage (a connection string), or
    AzureWebJobsStorage__accountName, with you signed in by az or another developer tool.

    Exit status: 0 done, 1 refused or failed, 2 called wrongly, 3 not answered in time.
    """
    ctx.ensure_object(Session)


@bulkhead.command()
@looks
@click.option("--live", is_flag=True, help="Show it anew until interrupted.")
@click.option(
    "--every", type=click.FloatRange(min=1), default=5.0, show_default=True, help="Seconds between, with --live."
)
@click.pass_obj
def status(session: Session, *, live: bool, every: float) -> None:
    """What is open, what waits, what failed, dead letters, and what is left of the API budgets."""
    found = gather(session.desk)
    if not live:
        session.voice.tell(status_json(found), *drawn(found))
        return
    if session.as_json:
        raise click.UsageError("--live is for people; a script asks again")
    try:
        with Live(Group(*drawn(found)), console=session.voice.console(), auto_refresh=False) as shown:
            while True:
                session.desk.pause(every)
                shown.update(Group(*drawn(gather(session.desk))), refresh=True)
    except KeyboardInterrupt:
        return


for command in (*ASKING, cost, doctor, show, explain, dead_letters, library, policy, backtest, evidence, verify):
    bulkhead.add_command(command)
for command in (hold, release_hold):
    evidence.add_command(command)
