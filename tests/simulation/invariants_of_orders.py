"""What must always hold of what people order: each invariant is a function, its docstring the sentence it checks."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.models.action import State
from shared.models.asked import Stage
from shared.models.order import read_order
from tests.simulation.clockwork import START
from tests.simulation.invariants_of_containment import GIVING_BACK
from tests.simulation.late_answers import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tests.simulation.world import World

SKEW = timedelta(seconds=1)
_CALLED_OFF = timedelta(minutes=15)
IN_FLIGHT = timedelta(seconds=9)
"""For which a call may be under way between its sender's last look and its effect."""


def every_order_is_answered(world: World) -> Iterator[str]:
    """Every order is answered in words, though its message or its worker was lost, or kept as a dead letter."""
    answers, letters = world.record.orders(), {letter.text for letter in world.record.letters()}
    for name, order in world.people.sent.items():
        record = answers.get(name)
        if record is None and not any(name in text for text in letters):
            yield f"{name}, to {order.kind}, was never written down"
        elif record:
            answered = record.state.answered and record.answer and record.answered_at
            yield "" if answered else f"{name}, to {order.kind}, is {record.state}: {record.answer}"


def a_different_order_under_one_id_is_refused(world: World) -> Iterator[str]:
    """Of two orders under one id the second is refused, kept beside the first, and changes nothing of it; where storage
    took nothing down, it is a dead letter.
    """
    stored = world.record.orders()
    letters = {letter.text for letter in world.record.letters()}
    for text in world.people.namesakes:
        order = read_order(text)
        beside = [record for key, record in stored.items() if key.startswith(f"{order.id}:") and record.order == order]
        first = stored.get(order.id)
        if first and first.order != order:
            refused = text in letters or any(record.state is Stage.REFUSED for record in beside)
            yield "" if refused else f"{order.id}, to {order.kind}, of {order.by}"


def an_order_is_carried_out_once(world: World) -> Iterator[str]:
    """An order changes an action once, opens one round at most, and replays a letter once, however often it comes."""
    # What stands in for a package that failed belongs to the same order, and is no round that the order opened.
    rounds = [action for action in world.record.actions() if not action.reason.startswith("instead of the")]
    opened = Counter(action.opened_by for action in rounds if action.opened_by)
    yield from (f"{order} opened {count} rounds" if count > 1 else "" for order, count in opened.items())
    for action in world.record.actions():
        changed = Counter(action.orders).items()
        yield from (f"{order} changed {action.key} twice" if count > 1 else "" for order, count in changed)
    for letter in world.record.letters():
        times = Counter(mark.order for mark in letter.replays)
        yield from (f"{order} replayed {letter.key} twice" if count > 1 else "" for order, count in times.items())


def an_approval_counts_in_time(world: World) -> Iterator[str]:
    """An approval after it expired does nothing."""
    for action in world.record.actions():
        if action.approved_at and action.approve_by and not action.opened_by:
            said = f"{action.key} was approved at {action.approved_at}, it expired at {action.approve_by}"
            yield said if action.approved_at >= action.approve_by else ""


def nothing_is_sent_while_held(world: World) -> Iterator[str]:
    """From the answer that everything is held no device is touched but to give back, and but for calls that began
    before, until somebody orders to resume and is told that it goes on.
    """
    holds, in_flight = (
        _holds(world),
        IN_FLIGHT + timedelta(seconds=DEADLINE * (world.dangers.late or world.dangers.hasty)),
    )
    for effect in world.record.effects:
        if effect.kind not in GIVING_BACK:
            looked = max(effect.looked or effect.at, effect.at - in_flight)
            since = [begun for begun, over in holds if begun < looked and (over is None or effect.at < over)]
            yield f"{effect.kind} on {effect.device[:8]} at {effect.at}, held since {since[0]}" if since else ""


def _holds(world: World) -> list[tuple[datetime, datetime | None]]:
    """From when until when everything was held, by what people were answered; None where it still is. What resumes is
    carried out at some moment between its coming and its answer.
    """
    orders = [each for each in world.record.orders().values() if each.state is Stage.DONE]
    answered = world.record.answered
    resumed = [each for each in orders if each.order.kind == "resume"]
    found: list[tuple[datetime, datetime | None]] = []
    for each in orders:
        if each.order.kind == "hold":
            later = [one for one in resumed if answered[one.order.id] >= each.received_at - SKEW]
            over = min((one.received_at for one in later), default=None)
            found.append((answered[each.order.id], over))
    return found


def an_ordered_release_stands(world: World) -> Iterator[str]:
    """A device that was released by order is not isolated by us again without a newer alert or a person's wish."""
    for effect in world.record.effects:
        if effect.kind == "Isolate":
            yield f"{effect.device[:8]} at {effect.at}: {effect.comment}" if effect.ordered_free else ""


def nothing_lands_behind_a_release(world: World) -> Iterator[str]:
    """Nothing is given back while what takes it is still pending on the device by us: that would land after it."""
    for effect in world.record.effects:
        if effect.kind in GIVING_BACK:
            yield f"{effect.device[:8]} at {effect.at}: {effect.comment}" if "PublicApi" in effect.isolating else ""


def an_ordered_release_frees(world: World) -> Iterator[str]:
    """Once a release by order is over, no isolation of ours takes effect that was asked for before the order."""
    desk, looked = world.tenant.desk, {each.id: each.looked for each in world.record.effects}
    for action in world.record.actions():
        over = action.finished_at if action.state in {State.SUCCEEDED, State.ELSEWHERE} else None
        if over is None or action.responder != "release" or not action.opened_by:
            continue
        for each in desk.of(action.device):
            landed = desk.progress(each).finished
            done = each.kind == "Isolate" and each.source == "PublicApi" and desk.progress(each).status == "Succeeded"
            if done and landed and (looked.get(each.id) or each.created) < action.created - SKEW:
                said = f"{action.device[:8]}: isolated at {landed}, its release was over at {over}"
                yield said if landed > over + SKEW else ""


def what_is_released_is_called_off(world: World) -> Iterator[str]:
    """What of ours is on its way to a device when its release is ordered is called off, or over, within a quarter of an
    hour: a device that is away is not isolated when it comes back.
    """
    desk = world.tenant.desk
    until = world.calm_at if world.dangers.stalled or world.dangers.hours else START
    for action in world.record.actions():
        if action.responder != "release" or not action.opened_by:
            continue
        by = max(action.created, until) + _CALLED_OFF
        if action.finished_at and action.finished_at < by and action.state not in {State.SUCCEEDED, State.ELSEWHERE}:
            continue
        for each in desk.of(action.device):
            ours = each.kind == "Isolate" and each.source == "PublicApi" and each.created < action.created
            ended = desk.progress(each).finished
            if ours and (ended is None or ended > action.created):
                said = f"{action.device[:8]}: asked for at {each.created}, to be released at {action.created}"
                yield "" if ended and ended <= by else said


def what_waits_is_told_with_its_command(world: World) -> Iterator[str]:
    """Whatever waits for a person, or came to nothing, says what that person can do, and the command is one of ours."""
    verbs = {"approve", "resume", "retry", "isolate", "release"}
    for action in world.record.actions():
        verb = action.todo.partition("bulkhead ")[2].partition(" ")[0]
        if action.state is State.WAITING:
            yield "" if action.todo else f"{action.key} waits, and nobody is told what to do"
        if verb:
            yield "" if verb in verbs else f"{action.key}: {action.todo}"


OF_ORDERS = (
    every_order_is_answered,
    a_different_order_under_one_id_is_refused,
    an_order_is_carried_out_once,
    an_approval_counts_in_time,
    nothing_is_sent_while_held,
    an_ordered_release_stands,
    nothing_lands_behind_a_release,
    an_ordered_release_frees,
    what_is_released_is_called_off,
    what_waits_is_told_with_its_command,
)
