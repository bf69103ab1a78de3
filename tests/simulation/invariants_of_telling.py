"""What must always hold of what people are told, and of what nobody could handle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.models.action import State
from tests.simulation.invariants_of_reading import CONTAINS, READS, is_cut, lines_of

if TYPE_CHECKING:
    from tests.simulation.record import Refused
    from tests.simulation.world import World

_SKEW = timedelta(seconds=1)
_SLOW = timedelta(minutes=1)
_MINUTE, _OFTEN = timedelta(minutes=1), 10
_DONE = (READS[State.SUCCEEDED], READS[State.ELSEWHERE])


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
    """Nothing is announced as contained before Defender says that it succeeded: each line of the message that says so
    is measured by its device.
    """
    desk = world.tenant.desk
    for message in world.tenant.chat.messages:
        text = str(message["message"]["text"])
        if not text.startswith("Contained"):
            continue
        incident = text.partition("incident ")[2].partition(",")[0]
        rows = [each for each in world.record.actions() if each.incident == incident]
        said = [label for label, outcome in lines_of(message) if outcome.startswith(_DONE)]
        for label in said:
            kind = next((kind for kind, called in CONTAINS.values() if label.startswith(f"{called}, ")), "")
            devices = {each.device for each in rows if each.device and f"({each.device[:8]})" in label}
            done = [
                desk.progress(each).finished
                for device in devices
                for each in desk.of(device)
                if each.kind == kind and desk.progress(each).status == "Succeeded"
            ]
            in_time = any(moment and moment.isoformat() <= _moment(message) for moment in done)
            yield f"incident {incident} at {message['time']}: {label}" if kind and not in_time else ""
        yield "" if said or is_cut(message) else f"incident {incident} at {message['time']}: no line says so"


def every_dead_letter_is_kept(world: World) -> Iterator[str]:
    """Whatever became poison is in the ledger, as often as it did, and gone from its queue; people were told of each by
    its name, but for what a person tried again or gave up before; rubbish becomes poison.
    """
    letters = world.record.letters()
    kept = Counter((letter.queue, letter.text) for letter in letters)
    poisoned = Counter(world.platform.poisoned)
    for queue, text in kept | poisoned:
        there, came = kept[queue, text], poisoned[queue, text]
        yield "" if there == came else f"{text} became poison in {queue} {came} times, and is kept {there} times"
    for text in world.garbage:
        yield "" if any(letter.text == text for letter in letters) else f"{text} was never given up"
    for queue in list(world.queues._queues):
        if queue.endswith("-poison") and world.queues.waiting(queue):
            yield f"{queue}: {len(world.queues.waiting(queue))} left"
    told = [str(message["message"]["blocks"]) for message in world.tenant.chat.messages]
    for letter in letters if not world.dangers.deaf else ():
        name, over = f"dead letter {letter.queue} {letter.message}*", letter.replays or letter.dropped
        yield "" if over or any(name in text for text in told) else f"{letter.key}, and nobody was told"


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
        at = refusal.noted or _should_be_noted(world, refusal)
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


def _should_be_noted(world: World, refusal: Refused) -> datetime | None:
    """When a worker wrote what became of the action that was refused, if nothing kept it from noting the lack next."""
    died = world.platform.died.get(refusal.process)
    lived = refusal.first and (died is None or died > refusal.first + _SKEW)
    return refusal.first if lived else None


def a_dead_webhook_is_noted(world: World) -> Iterator[str]:
    """Where the only webhook is gone, the ledger says so of every notice but those that a later one was to tell, and
    everything else goes on as ever.
    """
    for state in world.record.incidents() if world.dangers.deaf else ():
        told = [notice for notice in world.record.notices(state.id) if notice.channel == "slack"]
        ends = max((notice.chapter for notice in told if notice.kind == "final"), default=0)
        for notice in told:
            later = notice.chapter < ends or (notice.chapter == ends and notice.kind != "final")
            said = f"incident {state.id}: {notice.kind} is {notice.state}, and nobody can have read it"
            yield said if notice.state not in {"failed", *(["left out"] if later else [])} else ""


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


def no_report_is_made_over_and_over(world: World) -> Iterator[str]:
    """However many ask for an incident's report, and whatever gets in their way, it is published ten times in a minute
    at the most.
    """
    for name, times in world.pages.times.items():
        if name.endswith("/report.html"):
            crowded = [end for begin, end in zip(times, times[_OFTEN:], strict=False) if end - begin <= _MINUTE]
            yield f"{name} at {crowded[0]}, and {len(crowded) - 1} times more" if crowded else ""


def no_end_is_told_over_and_over(world: World) -> Iterator[str]:
    """An incident's end is told ten times in ten minutes at the most: what we write of it into Defender is no news."""
    for state in world.record.incidents():
        ends = sorted(
            {each.chapter: each.since for each in world.record.notices(state.id) if each.kind == "final"}.values()
        )
        crowded = [end for begin, end in zip(ends, ends[_OFTEN:], strict=False) if end - begin <= 10 * _MINUTE]
        yield f"incident {state.id}: {len(ends)} ends, {_OFTEN} before {crowded[0]}" if crowded else ""


OF_TELLING = (
    told_everywhere,
    nothing_announced_early,
    every_dead_letter_is_kept,
    asked_in_vain_once,
    a_dead_webhook_is_noted,
    silence_is_told,
    no_report_is_made_over_and_over,
    no_end_is_told_over_and_over,
)
