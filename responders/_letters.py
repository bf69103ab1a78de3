"""Dead letters: messages that nobody could handle, kept for ever. A person has them tried again, or gives them up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from responders._alarms import over, trouble
from responders._cases import LETTERS
from responders._job import Answer
from responders._ports import ARCHIVE, COLLECT, CONTAIN, ORDERS, QUEUES
from shared.models.asked import DeadLetter, Mark
from shared.models.order import problems_of
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from responders._job import Job
    from responders._ports import Ports
    from shared.models.order import Drop, Replay
    from shared.storage.interface import Message

HURRYING = frozenset({CONTAIN, COLLECT, ARCHIVE})
"""Queues whose messages say nothing: whichever comes, its worker takes what the ledger holds due."""

log = logging.getLogger(__name__)


def bury(ports: Ports, queue: str, message: Message) -> None:
    """Keep a message that nobody could handle, once, and have people told."""
    problems = problems_of(message.text) if queue == ORDERS else ()
    now = ports.clock.now()
    letter = DeadLetter(queue=queue, message=message.id, text=message.text, since=now, problems=problems)
    try:
        ports.ledger.put(LETTERS, letter.key, letter, "")
    except Conflict:
        log.info("the dead letter %s is kept already", letter.key)
    trouble(ports, _kind(letter), _meaning(letter))


def replay(job: Job, order: Replay) -> Answer:
    """Send a letter to its queue again; where it fails again, it comes back as another one."""
    entry = job.ports.ledger.one(DeadLetter, LETTERS, order.letter)
    if entry is None:
        return Answer.refused("there is no such dead letter")
    letter = entry.value
    again = Answer.done(f"sent to the queue {letter.queue} again")
    if any(mark.order == order.id for mark in letter.replays):
        return again
    if letter.dropped:
        return Answer.refused(f"it was dropped by {letter.dropped.by}: {letter.dropped.why}")
    if letter.queue not in QUEUES:
        return Answer.refused(f"there is no queue {letter.queue} here")
    job.ports.queues.send(letter.queue, letter.text)
    mark = Mark(order=order.id, by=order.by, at=job.ports.clock.now(), why=order.why)
    job.ports.ledger.put(
        LETTERS, letter.key, letter.model_copy(update={"replays": (*letter.replays, mark)}), entry.etag
    )
    over(job.ports, _kind(letter))
    return again


def drop(job: Job, order: Drop) -> Answer:
    """Give a letter up; who did, and why, is kept with it."""
    entry = job.ports.ledger.one(DeadLetter, LETTERS, order.letter)
    if entry is None:
        return Answer.refused("there is no such dead letter")
    letter = entry.value
    if letter.dropped and letter.dropped.order != order.id:
        return Answer.refused(f"it was dropped already, by {letter.dropped.by}: {letter.dropped.why}")
    if not letter.dropped:
        mark = Mark(order=order.id, by=order.by, at=job.ports.clock.now(), why=order.why)
        job.ports.ledger.put(LETTERS, letter.key, letter.model_copy(update={"dropped": mark}), entry.etag)
    over(job.ports, _kind(letter))
    return Answer.done("dropped; its text stays in the ledger")


def _meaning(letter: DeadLetter) -> str:
    """What a person should make of it. That workers die or fail, again and again, is worth a look by day; the loss of a
    message that only hurries is no reason to get up.
    """
    kept = "a message could not be handled; it is kept: bulkhead dead-letters list"
    if letter.queue not in HURRYING:
        return kept
    harmless = "Nothing is lost: it only hurried work that stands in the ledger, and that goes on without it"
    todo = "where more of them come, see in the log why the workers of this queue fail or are killed"
    return f"{kept}. {harmless}; {todo}"


def _kind(letter: DeadLetter) -> str:
    return f"dead letter {letter.queue} {letter.message}"
