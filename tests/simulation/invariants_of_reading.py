"""What must always hold of what people read in the end: messages, comments, reports and answers to orders.

Measured by the tenant and the ledger, in words and numbers of its own: nothing of the product that composes them is
asked.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from responders._report.missed import UNREPORTED
from shared.models.action import Action, State
from shared.models.asked import OrderRecord, Stage
from shared.models.plan import Plan, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.tenant.actions import Action as MachineAction
    from shared.models.progress import IncidentState
    from tests.simulation.world import World

CONTAINS = {
    "isolate": ("Isolate", "Isolate"),
    "restrict": ("RestrictCodeExecution", "Restrict code execution"),
    "stop_quarantine": ("StopAndQuarantineFile", "Stop and quarantine a file"),
}
"""What a responder has Defender do, and what that is called towards people."""

READS = {
    State.SUCCEEDED: "is done",
    State.ELSEWHERE: "was done by somebody else",
    State.WAITING: "waits for a person",
    State.FAILED: "failed",
    State.REFUSED: "was refused",
    State.WITHDRAWN: "was withdrawn",
    State.UNAVAILABLE: "cannot be had here",
}
"""How an outcome reads."""

ROOM = 20
"""How many actions a message has room for; of more it tells some, and how many there are."""

_OPEN = ("is next", "is being", "is under way", "was sent", "was accepted")
"""How what is not over reads."""

_ONE_ORDER = timedelta(minutes=1)
"""For which an order about several actions may be between two of them, so that two ends are opened and read alike."""

_MOST_TRIES = 40
"""How often a message is tried before it is given up."""

_SKEW = timedelta(seconds=1)

_NOTHING = (State.FAILED, State.REFUSED, State.UNAVAILABLE, State.WITHDRAWN)
_HARMLESS = "very likely harmless"


def told_the_end(world: World) -> Iterator[str]:
    """The last message about every incident with actions on devices says how it ended: each containment by its
    device, with its outcome, and where a person did it meanwhile, that somebody else did. Only what was tried again
    and again, or had no place to go, was not told.
    """
    for state in world.record.incidents() if not world.dangers.deaf else ():
        rows = [each for each in world.record.actions() if each.incident == state.id]
        if not any(row.device for row in rows):
            continue
        ends = _ends(world, state.id)
        if not ends:
            tried = sum(
                f"incident {state.id}," in text and text.startswith(("Response ended", "Observed"))
                for _, text in world.record.posts
            )
            yield "" if tried >= _MOST_TRIES else f"incident {state.id}: nobody heard how it ended, {tried} tries"
            continue
        lines, told = lines_of(ends[-1]), len(rows) + _beside(world, state)
        for (called, device), outcomes in _outcomes(rows).items():
            said = Counter(text for label, text in lines if label.startswith(f"{called}, ") and f"({device})" in label)
            for outcome, times in outcomes.items():
                there = sum(count for text, count in said.items() if text.startswith(outcome))
                few, many = told <= ROOM and there < times, state.mode != "observe" and there > times
                wrong = few or many
                yield f"incident {state.id}: {called} on {device} {outcome}, read {dict(said)}" if wrong else ""
            false = [text for text in said if not text.startswith(tuple(outcomes)) and not text.startswith(_OPEN)]
            wrong = bool(false) and state.mode != "observe"  # then the plan is told beside
            yield f"incident {state.id}: {called} on {device} reads {false}" if wrong else ""


def _beside(world: World, state: IncidentState) -> int:
    """How much a message tells of beside what there are rows of: in observe, what would have been done."""
    if state.mode != "observe":
        return 0
    return len(Plan.model_validate_json(world.documents.stored[f"{state.id}/{state.assessed}/plan.json"]).actions)


def _ends(world: World, incident: str) -> list[dict[str, Any]]:
    about = [each for each in world.tenant.chat.messages if f"incident {incident}," in _head(each)]
    return [each for each in about if _head(each).startswith(("Response ended", "Observed"))]


def _head(told: dict[str, Any]) -> str:
    return str(told["message"]["text"])


def lines_of(message: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines of a message: in bold what each is about, and what it says."""
    texts = [block["text"]["text"] for block in message["message"]["blocks"] if block["type"] == "section"]
    lines = [line for text in texts for line in text.replace("\u200b", "").splitlines() if line.startswith("*")]
    parts = [line[1:].partition("*: ") for line in lines]
    return [(label, said) for label, _, said in parts]


def is_cut(message: dict[str, Any]) -> bool:
    """Whether there are more actions than it has room for: what a person has to do something about stands first."""
    return any(label == "And" for label, _ in lines_of(message))


def _outcomes(rows: list[Action]) -> dict[tuple[str, str], Counter[str]]:
    """How often each containment of each device ended how, in words; what is not settled waits for its device."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        if row.responder in CONTAINS and row.state in READS:
            place = (CONTAINS[row.responder][1], row.device[:8])
            found.setdefault(place, Counter())[READS[row.state]] += 1
    return found


def a_repeat_says_so(world: World) -> Iterator[str]:
    """What was told already is told again only with a word that it may be a repeat, or where a person approved since
    what waits all the same.
    """
    for state in world.record.incidents():
        plain = [each for each in _ends(world, state.id) if "possibly repeated" not in _head(each)]
        for before, after in pairwise(plain):
            same = before["message"]["blocks"] == after["message"]["blocks"]
            late = datetime.fromisoformat(after["time"]) - datetime.fromisoformat(before["time"]) > _ONE_ORDER
            twice = same and late and not is_cut(before) and not _approved_in_vain(world, state.id, before, after)
            yield f"incident {state.id}: {after['message']['text']!r} twice" if twice else ""
        chapters = {notice.chapter for notice in world.record.notices(state.id) if notice.kind == "final"}
        ended = [each for each in plain if _head(each).startswith("Response ended")]  # all is "observed" in observe
        many = len(ended) > len(chapters)
        yield f"incident {state.id}: {len(ended)} ends of {len(chapters)} chapters" if many else ""


def _approved_in_vain(world: World, incident: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a person approved something of an incident between two messages, and the later one says that it waits."""
    since, until = (datetime.fromisoformat(each["time"]) for each in (before, after))
    approvals = {
        each.order.id
        for each in world.record.orders().values()
        if each.order.kind == "approve" and each.received_at <= until and each.answered_at and since <= each.answered_at
    }
    found = any(approvals.intersection(row.orders) for row in world.record.actions() if row.incident == incident)
    return found and any(said.startswith(READS[State.WAITING]) for _, said in lines_of(after))


def outcomes_are_the_tenants(world: World) -> Iterator[str]:
    """What the ledger says of a containment is so in the tenant: done is what Defender did at our word, or had done
    before; somebody else did what a person asked for; and what came to nothing, Defender did not do.
    """
    for row in world.record.actions():
        if row.responder not in CONTAINS or not row.state.final:
            continue
        there = [each for each in world.tenant.desk.of(row.device) if each.kind == CONTAINS[row.responder][0]]
        done = [each for each in there if world.tenant.desk.progress(each).status == "Succeeded"]
        mine = [each for each in done if f"/{row.id}/" in each.comment]
        theirs = [each for each in done if each.source == "Portal" and _before(world, each, row)]
        ours = [each for each in done if each.source == "PublicApi" and _before(world, each, row)]
        if row.state is State.SUCCEEDED:
            yield "" if mine or ours else f"{row.key} is done, and Defender did nothing of ours"
        elif row.state is State.ELSEWHERE:
            yield "" if theirs or ours else f"{row.key} was done by somebody else, and nobody did"
        elif row.state in _NOTHING:
            late = [each for each in mine if each.id not in row.ended]
            yield f"{row.key} {row.state}, and Defender did it: {row.detail}" if late else ""


def _before(world: World, each: MachineAction, row: Action) -> bool:
    over = world.tenant.desk.progress(each).finished
    return bool(over and row.finished_at and over <= row.finished_at + _SKEW)


def ordered_is_done(world: World) -> Iterator[str]:
    """What an order is answered to have done was done: who ordered a device to be released found it free at some
    moment before the answer, by a release of ours or without one; what was isolated by order, was; who approved,
    refused, tried anew or cancelled, finds the order in the action; and what is cancelled, did not come to be.
    """
    rows = {action.key: action for action in world.record.actions()}
    for name, record in world.record.orders().items():
        if record.state is not Stage.DONE or record.answered_at is None:
            continue
        about = [rows[key] for key in record.actions if key in rows]
        kind = record.order.kind
        if kind == "release":
            yield from _released(world, name, record, about)
        elif kind in {"approve", "refuse"}:
            there = any(record.order.id in row.orders for row in about)
            yield "" if there else f"{name}, to {kind}, is in no action: {record.answer}"
        elif kind in {"isolate", "retry", "cancel", "collect", "run_script", "get_files"}:
            yield "" if about else f"{name}, to {kind}, was about nothing: {record.answer}"
            for row in about:
                mine = [each for each in world.tenant.desk.of(row.device) if f"/{row.id}/" in each.comment]
                if kind == "isolate" and f"({row.id}) is done" in record.answer and row.responder == "isolate":
                    isolated = any(_succeeded(world, each, record) for each in world.tenant.desk.of(row.device))
                    yield "" if isolated else f"{name}, to isolate, is done, and the device was never isolated"
                if kind == "cancel":
                    ends = [row.finished_at, *(world.tenant.desk.progress(each).finished for each in mine)]
                    over = all(each and each <= record.answered_at + _SKEW for each in ends)
                    yield "" if over else f"{name}, to cancel, is answered at {record.answered_at}, {row.key}: {ends}"


def _succeeded(world: World, each: MachineAction, record: OrderRecord) -> bool:
    seen = world.tenant.desk.progress(each)
    in_time = seen.finished is not None and record.answered_at is not None and seen.finished <= record.answered_at
    return each.kind == "Isolate" and seen.status == "Succeeded" and in_time


def _released(world: World, name: str, record: OrderRecord, about: list[Action]) -> Iterator[str]:
    order = record.order.model_dump()
    takes, back = ("RestrictCodeExecution", "UnrestrictCodeExecution")
    if (order.get("responder") or "release") == "release":
        takes, back = ("Isolate", "Unisolate")
    if not about:
        yield f"{name}, to release, was about nothing: {record.answer}"
    for row in about:
        if row.state in _NOTHING or not row.state.final:
            continue
        mine = [
            each for each in world.tenant.desk.of(row.device) if f"/{row.id}/" in each.comment and each.kind == back
        ]
        done = any(world.tenant.desk.progress(each).status == "Succeeded" for each in mine)
        free = world.record.free_between(row.device, takes, back, row.created, record.answered_at)
        yield "" if done or free else f"{name}: {record.answer}, and {row.device[:8]} was never free"


def _hindered(world: World) -> bool:
    """Whether alerts could not be read that did not come with their incident: soon it is judged without them."""
    return any(call in {"incidents.get", "incidents.more_alerts"} for _, call in world.counters.injected)


def reported_as_it_ended(world: World) -> Iterator[str]:
    """Where reports are made, there is one about every incident that was assessed: it has every alert of its last
    version, or says into which incident these went, or, of what is harmless and where they cannot be read, that there
    are more; and each containment with its outcome.
    """
    for state in world.record.incidents() if world.dangers.reports else ():
        if not state.assessed:
            continue
        refused = world.rows.stored.get((UNREPORTED, state.id))
        if refused and refused.due and not world.dangers.sweeps:
            continue  # only housekeeping asks for it again
        text = world.pages.stored.get(f"incidents/{state.id}/report.md", (b"", ""))[0].decode()
        raw = world.tenant.incidents.raw(state.id)
        unread = state.verdict == Verdict.HARMLESS or _hindered(world)
        told, alerts, into = text.count("**alert created**"), len(raw["alerts"]), raw.get("redirectIncidentId")
        some = unread and f"there are more than the {told} on this page" in text
        right = f"merged into incident {into}" in text if into else bool(text) and (told == alerts or some)
        yield (
            "" if right else f"incident {state.id}: its report tells {told} of {alerts} alerts, in {len(text)} letters"
        )
        for row in world.record.actions():
            if row.incident == state.id and row.responder in CONTAINS and row.state in READS:
                said = f"**{CONTAINS[row.responder][1]}** {READS[row.state]}"
                lines = [line for line in text.splitlines() if said in line and f"`{row.device_name}`" in line]
                yield "" if lines else f"incident {state.id}: {row.key} {row.state}, not in the report"


def commented_as_it_ended(world: World) -> Iterator[str]:
    """Where the mode is never switched, the incident in Defender has one comment for every end that was told in the
    chat, with a marker of ours, and the last one begins as that message does.
    """
    fixed = not world.dangers.switches and not world.dangers.observing and not world.dangers.deaf
    for state in world.record.incidents() if fixed else ():
        ends = _ends(world, state.id)
        if not ends or state.id not in world.life.incidents:
            continue
        texts = [str(each["comment"]) for each in world.tenant.incidents.raw(state.id)["comments"] or ()]
        ours = [text for text in texts if f"[bulkhead simulation/{state.id}/final-" in text]
        marks = [text.rpartition("[bulkhead ")[2] for text in ours]
        yield "" if len(set(marks)) == len(marks) else f"incident {state.id}: {marks}"
        head = _head(ends[-1]).partition(" (")[0].partition(", severity")[0]
        yield "" if ours and ours[-1].startswith(head) else f"incident {state.id}: {len(ours)} comments, none {head!r}"


OF_READING = (
    told_the_end,
    a_repeat_says_so,
    outcomes_are_the_tenants,
    ordered_is_done,
    reported_as_it_ended,
    commented_as_it_ended,
)
