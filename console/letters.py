"""Dead letters: messages that nobody could handle. They are listed, tried again, or given up."""

from __future__ import annotations

import click

from console.asking import give
from console.entrance import asked
from console.naming import LETTER
from console.session import Session, looks, orders
from console.voice import foreign, table
from console.words import letter_json, since
from shared.models.asked import DeadLetter


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that nobody could handle."""


@dead_letters.command("list")
@click.option("--all", "every", is_flag=True, help="Those too that were dropped, or tried again, already.")
@looks
@click.pass_obj
def listed(session: Session, *, every: bool) -> None:
    """List them, the newest first."""
    found = [entry.value for entry in session.desk.ledger.dead_letters()]
    found = [letter for letter in found if every or not (letter.dropped or letter.replays)]
    found.sort(key=lambda letter: letter.since, reverse=True)
    now = session.desk.clock.now()
    rows = [
        (
            letter.key,
            since(letter.since, now),
            _became(letter),
            foreign("; ".join(letter.problems)),
            foreign(letter.text),
        )
        for letter in found
    ]
    shown = table("Dead letters", ("key", "for", "", "what is wrong with it", "text"), rows)
    session.voice.tell({"dead_letters": [letter_json(letter) for letter in found]}, shown)


def _became(letter: DeadLetter) -> str:
    if letter.dropped:
        return f"dropped by {letter.dropped.by}: {letter.dropped.why}"
    return f"tried again {len(letter.replays)} times" if letter.replays else ""


@dead_letters.command()
@click.argument("key", type=LETTER)
@orders
@click.pass_obj
def replay(session: Session, key: str) -> None:
    """Send the letter with this KEY to its queue again."""
    give(session, "replay", letter=key)


@dead_letters.command()
@click.argument("key", type=LETTER)
@click.option("--why", help="Why; it is kept with the letter.")
@orders
@click.pass_obj
def drop(session: Session, key: str, why: str | None) -> None:
    """Give the letter with this KEY up; its text is kept."""
    why = why or asked("Why is it to be given up", session=session, option="--why")
    give(session, "drop", letter=key, why=why)
