"""What must always hold of what people are told, and of what nobody could handle."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.world import World

_SKEW = timedelta(seconds=1)
_SLOW = timedelta(minutes=1)
_CONTAINING = {"Isolate", "RestrictCodeExecution", "StopAndQuarantineFile"}


def _moment(message: dict[str, Any]) -> str:
    return str(message["time"]).replace("Z", "+00:00")


def told_everywhere(world: World) -> Iterator[str]:
    """Whatever is told is told in the chat and in a place that keeps it, whoever died in between."""
    for state in world.record.incidents():
        places: dict[tuple[int, str], set[str]] = {}
        for notice in world.record.notices(state.id):
            places.setdefault((notice.chapter, notice.kind), set()).add(notice.channel)
        for (chapter, kind), channels in places.items():
            both = "slack" in channels and channels & {"defender", "ledger"}
            yield "" if both else f"incident {state.id}: {kind} of chapter {chapter} is told on {channels} only"


def nothing_announced_early(world: World) -> Iterator[str]:
    """Nothing is announced as contained before Defender says that it succeeded."""
    desk = world.tenant.desk
    for message in world.tenant.chat.messages:
        text = str(message["message"]["text"])
        if not text.startswith("Contained"):
            continue
        incident = text.partition("incident ")[2].partition(",")[0]
        devices = {action.device for action in world.record.actions() if action.incident == incident}
        done = [
            desk.progress(each).finished
            for device in devices
            for each in desk.of(device)
            if each.kind in _CONTAINING and desk.progress(each).status == "Succeeded"
        ]
        in_time = any(moment and moment.isoformat() <= _moment(message) for moment in done)
        yield "" if in_time else f"incident {incident} at {message['time']}"


def every_dead_letter_is_kept(world: World) -> Iterator[str]:
    """Whatever became poison is in the ledger and gone from its queue, and people were told; rubbish becomes poison."""
    kept = [letter.text for letter in world.record.letters()]
    for text in world.platform.poisoned:
        yield "" if text in kept else f"{text} became poison and is not kept"
    for text in world.garbage:
        yield "" if text in kept else f"{text} was never given up"
    for queue in list(world.queues._queues):
        if queue.endswith("-poison") and world.queues.waiting(queue):
            yield f"{queue}: {len(world.queues.waiting(queue))} left"
    told = [message for message in world.tenant.chat.messages if "needs somebody" in str(message["message"]["text"])]
    if kept and not told and not world.dangers.deaf:
        yield f"{len(kept)} dead letters, and nobody was told"


def asked_in_vain_once(world: World) -> Iterator[str]:
    """What the tenant cannot have, and was not had since, is not asked for again for a day, once a worker could note
    that, unless a person orders it; people hear it.
    """
    had = [each.at for each in world.record.effects if each.kind == "CollectInvestigationPackage"]
    ordered = [each for each in world.record.actions() if each.responder == "collect_package" and each.opened_by]
    asked = [
        at
        for at, api, _ in world.record.calls
        if api == "collect" and not any(each.created <= at <= (each.finished_at or at) for each in ordered)
    ]
    for refusal in world.record.disabled:
        at = refusal.noted
        if at is None:
            continue
        later = [when for when in asked if when > at + timedelta(seconds=90)]
        if any(
            refusal.at - _SLOW < taken < (later or [taken])[0] for taken in had
        ):  # its answer may come after the refusal
            continue
        early = later and later[0] < at + timedelta(hours=24) - _SKEW
        yield f"a package was asked for at {later[0]}, refused for the tenant at {at}" if early else ""
        texts = " ".join(str(message["message"]["blocks"]) for message in world.tenant.chat.messages)
        if "unavailable collect" not in texts and not world.dangers.deaf:
            yield f"nobody heard that packages cannot be had since {at}"


def a_dead_webhook_is_noted(world: World) -> Iterator[str]:
    """Where the only webhook is gone, the ledger says so of every notice, and everything else goes on as ever."""
    for state in world.record.incidents() if world.dangers.deaf else ():
        for notice in world.record.notices(state.id):
            if notice.channel == "slack":
                said = f"incident {state.id}: {notice.kind} is {notice.state}, and nobody can have read it"
                yield said if notice.state != "failed" else ""


def silence_is_told(world: World) -> Iterator[str]:
    """A timer that stood still for longer than allowed was told of, and told of again when it ran; or people heard that
    the one which looks after it came to no end either.
    """
    timer = "" if world.dangers.deaf else world.dangers.stalled
    texts = " ".join(str(message["message"]["blocks"]) for message in world.tenant.chat.messages)
    other = "watch" if timer == "follow" else "follow"
    heard = any(f"the timer {each} has not run" in texts for each in (timer, other))
    if timer in world.record.beating:
        yield "" if heard else f"nobody heard that {timer} stands still"
    if timer and f"the timer {timer} has not run" in texts:
        yield "" if f"over: the timer {timer}" in texts else f"nobody heard that {timer} runs again"


OF_TELLING = (
    told_everywhere,
    nothing_announced_early,
    every_dead_letter_is_kept,
    asked_in_vain_once,
    a_dead_webhook_is_noted,
    silence_is_told,
)
