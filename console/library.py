"""The live response library: what of it concerns Bulkhead, and having it put right. The command looks into the ledger
and sends an order; it never speaks to Defender.
"""

from __future__ import annotations

import click

from console.asking import give
from console.session import Session, looks, orders
from console.voice import foreign, ours, table
from responders._shelf import NAME, OURS, PINNED, Shelf

_WHY = click.option("--why", help="Why; it is kept with the order.")


@click.group()
def library() -> None:
    """The live response library, as far as it concerns Bulkhead."""


@library.command(name="list")
@looks
@click.pass_obj
def listing(session: Session) -> None:
    """Our scripts and the pinned tools, as they were seen in the library last."""
    entry = session.desk.ledger.single(Shelf, NAME)
    if entry is None:
        session.voice.tell({"files": [], "at": None}, ours("Nobody has looked yet: bulkhead library sync"))
        return
    shelf = entry.value
    rows = [
        (
            ours(each.name[:100]) if each.means == OURS else foreign(each.name),
            foreign(each.sha256[:16]),
            ours(each.means, "green" if each.means in {OURS, PINNED} else "bold yellow"),
            foreign(each.by),
            ours(f"{each.updated:%Y-%m-%d %H:%M}" if each.updated else ""),
        )
        for each in shelf.files
    ]
    title = f"The live response library, as seen at {shelf.at:%Y-%m-%d %H:%M} UTC"
    shown = table(title, ("file", "SHA-256", "", "by", "changed"), rows)
    session.voice.tell(shelf.model_dump(mode="json", exclude={"v"}), shown)


@library.command(name="sync")
@_WHY
@orders
@click.pass_obj
def syncing(session: Session, why: str | None) -> None:
    """Have the library hold our scripts as they are here, and look at what is pinned."""
    give(session, "sync_library", why=why)
