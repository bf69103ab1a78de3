"""Stop an action of ours: what is not sent stays unsent, what Defender has is cancelled there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._consent import recalled, told
from responders._job import Answer
from responders._releasing import call_off
from shared.models.action import State

if TYPE_CHECKING:
    from responders._entries import Entry
    from responders._job import Job
    from shared.models.action import Action
    from shared.models.order import Cancel


def cancel(job: Job, order: Cancel) -> Answer:
    """Stop it, as far as it has come; until it is over, the order waits.

    Raises:
        Transient: Defender cannot be asked now.
    """
    action = job.ports.ledger.action_by_id(order.action)
    if action is None:
        return Answer.refused("no action of ours has this id")
    if not job.keys:
        if action.state.final:
            return Answer.refused(f"it is over: {told(action)}")
        job.about([action.key])
    entry = job.ports.ledger.open_action(action.key)
    if entry is None or entry.value.state.final:
        return Answer.done(told(entry.value if entry else action))
    if entry.value.state is not State.ACCEPTED:
        return _unsent(job, order, entry.value)
    return _accepted(job, entry)


def _unsent(job: Job, order: Cancel, action: Action) -> Answer:
    """What is not sent, or is being sent, or was perhaps."""
    if action.state is State.FETCHING:
        return Answer.refused("it is done on the device; only its result is still being archived")
    if action.state is State.SENDING:
        return Answer.waiting("it is being sent at this moment; then it is cancelled")
    words = f"cancelled by order of {order.by}{f': {order.why}' if order.why else ''}"
    why_not = job.change(action.key, lambda found: recalled(found, words, job.ports.clock.now()))
    return Answer.waiting(why_not) if why_not else job.ending()


def _accepted(job: Job, entry: Entry[Action]) -> Answer:
    """What Defender has."""
    action = entry.value
    if action.foreign:
        return Answer.refused("somebody else asked for what it follows; that can be cancelled in the Defender portal")
    if action.joined:
        owner = job.ports.ledger.action(action.joined.split(":")[1], action.joined)
        whose = f"incident {owner.incident}, {owner.id}" if owner else "another incident"
        return Answer.refused(f"it waits for the isolation of {whose}; cancel that one")
    comment = f"Cancelled by order. {job.ports.marker(action.id, 'cancel')}"
    return Answer.waiting(call_off(job.ports, entry, comment))
