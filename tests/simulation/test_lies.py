"""A record that lies, and what notices: an invariant that no lie breaks would hold whatever the product did."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from local.tenant.actions import Interruption
from local.tenant.samples import fleet_id
from responders._cases import LETTERS
from shared.models.action import State
from shared.models.asked import DeadLetter
from shared.models.order import read_order
from shared.storage.interface import Row
from tests.simulation.clockwork import START
from tests.simulation.dangers import Dangers
from tests.simulation.invariants import INVARIANTS
from tests.simulation.invariants_of_containment import OURS
from tests.simulation.record import Cancelled
from tests.simulation.tenant_life import PROTECTED, PROTECTED_TAG
from tests.simulation.world import World

Undo = Callable[[], object]
Lie = Callable[[World], Undo]


@pytest.fixture(scope="module")
def world() -> World:
    """A history in which all kinds of things were done, and everything holds."""
    logging.disable(logging.CRITICAL)
    played = World(3, Dangers(people=True, more=True, orders=False, instances=1, sweeps=False))
    assert played.run()
    assert not list(_broken(played))
    logging.disable(logging.NOTSET)
    return played


def _broken(world: World) -> Iterator[str]:
    for invariant in INVARIANTS:
        if any(invariant(world)):
            yield invariant.__name__


def _effect(**changes: object) -> Lie:
    def lie(world: World) -> Undo:
        first = next(each for each in world.record.effects if each.kind == "Isolate")
        made = replace(first, at=first.at + timedelta(minutes=30), **changes)  # type: ignore[arg-type]
        world.record.effects.append(made)
        return world.record.effects.pop

    return lie


def _many(world: World) -> Undo:
    first, count = world.record.effects[0], len(world.record.effects)
    for place in range(40):
        comment = f"x [bulkhead simulation/{place}/1]"
        kind = "RestrictCodeExecution"
        made = replace(first, kind=kind, comment=comment, row=None, device=fleet_id(2 + place))
        world.record.effects.append(made)
    return lambda: world.record.effects.__delitem__(slice(count, None))


def _for_a_moment(world: World) -> Undo:
    """One device more than an incident may have contained, each of them for as long as nobody else's cancels it."""
    first = next(each for each in world.record.effects if each.kind == "Isolate")
    count, most = len(world.record.effects), world.operators.allowed(first).per_incident
    action = world.tenant.desk.one(first.id, hidden=True)
    before, later = action.interruption, first.at + timedelta(seconds=1)
    action.interruption = Interruption(later, "Cancelled", "Somebody", "", forced=True)
    world.record.effects.extend(
        replace(first, kind="RestrictCodeExecution", row=None, device=fleet_id(2 + place), holding=())
        for place in range(most + 1)
    )

    def undo() -> None:
        action.interruption = before
        del world.record.effects[count:]

    return undo


def _without_a_row(world: World) -> Undo:
    plans = filter(None, map(world.record.plan, world.record.incidents()))
    planned = next(action.key for plan in plans for action in plan.actions)
    gone = {at: row for at, row in world.rows.stored.items() if at[1] == planned}
    assert gone
    for at in gone:
        del world.rows.stored[at]
    return lambda: world.rows.stored.update(gone)


def _without_a_plan(world: World) -> Undo:
    state = next(each for each in world.record.incidents() if each.assessed)
    name = f"{state.id}/{state.assessed}/plan.json"
    gone = world.documents.stored.pop(name)
    return lambda: world.documents.stored.update({name: gone})


def _wanted(**members: object) -> Lie:
    """An isolation counts as wanted by a person; `members` say of its device and incident what an order does."""

    def lie(world: World) -> Undo:
        place, first = next((at, each) for at, each in enumerate(world.record.effects) if each.kind == "Isolate")
        assert first.row
        order = {"id": "order-9999", "by": "Somebody", "at": START.isoformat(), "device": first.device} | members
        told = {"approved": True, "approved_by": "Somebody", "opened_by": "order-9999", "orders": ("order-9999",)}
        world.people.sent["order-9999"] = read_order(
            json.dumps({"kind": "isolate", "incident": first.incident} | order)
        )
        world.record.effects[place] = replace(first, row=first.row.model_copy(update=told))

        def undo() -> None:
            del world.people.sent["order-9999"]
            world.record.effects[place] = first

        return undo

    return lie


def _observing(world: World) -> Undo:
    """From now on the processes of this history are said to have observed."""
    before = dict(world.settings)
    world.settings.update({name: each.model_copy(update={"RESPONSE_MODE": "observe"}) for name, each in before.items()})
    return lambda: world.settings.update(before)


def _cancelled_while_observing(world: World) -> Undo:
    """One observes, and cancels an isolation of ours of which nobody ordered anything."""
    ours = next(each for each in world.record.effects if each.kind == "Isolate")
    settings = world.settings["i1"]
    world.settings["i0"] = settings.model_copy(update={"RESPONSE_MODE": "observe"})
    world.record.cancels.append(Cancelled(ours.at, ours.kind, ours.device, "PublicApi", ours.comment, "i0"))

    def undo() -> None:
        world.record.cancels.pop()
        del world.settings["i0"]

    return undo


def _noted_cancel(world: World) -> Undo:
    theirs = next(each for each in world.tenant.desk.everything() if each.source == "Portal")
    noted = Cancelled(theirs.created, theirs.kind, theirs.machine_id, theirs.source, theirs.comment, "i1")
    world.record.cancels.append(noted)
    return world.record.cancels.pop


def _cancel(world: World) -> Undo:
    theirs = next(each for each in world.tenant.desk.everything() if each.source == "Portal")
    before = theirs.interruption
    theirs.interruption = Interruption(theirs.created, "Cancelled", world.tenant.settings.app_name, "by us")
    return lambda: setattr(theirs, "interruption", before)


def _messages(change: Callable[[str], str]) -> Lie:
    def lie(world: World) -> Undo:
        messages = world.tenant.chat.messages
        before = copy.deepcopy(messages)
        messages[:] = json.loads(change(json.dumps(messages)))
        return lambda: messages.__setitem__(slice(None), before)

    return lie


def _no_lines(world: World) -> Undo:
    messages = world.tenant.chat.messages
    before = copy.deepcopy(messages)
    for each in messages:
        each["message"]["blocks"] = []
    return lambda: messages.__setitem__(slice(None), before)


def _crowded(world: World) -> Undo:
    before = dict(world.pages.times)
    world.pages.times.update({name: times[:1] * 11 for name, times in before.items()})
    return lambda: world.pages.times.update(before)


def _without(end: str) -> Lie:
    def lie(world: World) -> Undo:
        gone = {name: kept for name, kept in world.evidence.stored.items() if name.endswith(end)}
        assert gone
        for name in gone:
            del world.evidence.stored[name]
        return lambda: world.evidence.stored.update(gone)

    return lie


def _again(world: World) -> Undo:
    stored = world.evidence.stored
    packages = [name for name in stored if name.endswith("investigation-package.zip")]
    made = {name.replace("/data/", "-again/data/"): stored[name] for name in packages}
    stored.update(made)
    return lambda: [stored.pop(name) for name in made]


def _other_answers(world: World) -> Undo:
    answers = {name: kept for name, kept in world.evidence.stored.items() if "/hunting/" in name}
    world.evidence.stored.update({name: (told, b"") for name, (told, _) in answers.items()})
    return lambda: world.evidence.stored.update(answers)


def _other_ends(world: World) -> Undo:
    seals = {name: kept for name, kept in world.evidence.stored.items() if b'"what":"sealed"' in kept[1]}
    other = {name: (told, data.replace(b'"succeeded', b'"failed')) for name, (told, data) in seals.items()}
    world.evidence.stored.update(other)
    return lambda: world.evidence.stored.update(seals)


def _no_pages(world: World) -> Undo:
    before = dict(world.pages.stored)
    world.pages.stored.clear()
    return lambda: world.pages.stored.update(before)


def _no_comments(world: World) -> Undo:
    before = {each: list(world.tenant.incidents.raw(each)["comments"]) for each in world.life.incidents}
    for each in before:
        world.tenant.incidents.raw(each)["comments"].clear()
    return lambda: [world.tenant.incidents.raw(each)["comments"].extend(those) for each, those in before.items()]


def _hunts(world: World) -> Undo:
    count, at = len(world.record.calls), world.record.calls[0][0]
    world.record.calls.extend([(at, "hunting", "i1")] * 1000)
    return lambda: world.record.calls.__delitem__(slice(count, None))


def _stray(world: World) -> Undo:
    """Defender was asked in our name for what no action of ours wants."""
    ours = next(each for each in world.tenant.desk.everything() if each.source == "PublicApi")
    before = ours.comment
    ours.comment = f"x {OURS}0/1]"
    return lambda: setattr(ours, "comment", before)


def _unwritten(world: World) -> Undo:
    """An action was written down behind its call only."""
    first = world.record.effects[0]
    world.record.effects[0] = replace(first, row=None)
    return lambda: world.record.effects.__setitem__(0, first)


def _on_its_way(world: World) -> Undo:
    """The release of a device was ordered right behind our isolation of it, and was over a second later; what was on
    its way was done an hour after that.
    """
    desk, stored = world.tenant.desk, world.rows.stored
    effect = next(each for each in world.record.effects if each.kind == "Isolate")
    assert effect.row
    ordered, over = effect.at + timedelta(seconds=2), effect.at + timedelta(seconds=3)
    told = {"responder": "release", "state": State.SUCCEEDED, "created": ordered, "finished_at": over}
    release = effect.row.model_copy(update={**told, "opened_by": "order-9998", "due": None})
    partition, before = f"incident:{release.incident}", desk._final[effect.id]
    stored[partition, release.key] = Row(partition, release.key, release.model_dump_json(), due=None, etag="x")
    desk._final[effect.id] = (replace(before[0], finished=over + timedelta(hours=1)), before[1])

    def undo() -> None:
        del stored[partition, release.key]
        desk._final[effect.id] = before

    return undo


def _other_device(world: World) -> Undo:
    """What is told to be contained was done, but for one of the devices."""
    desk = world.tenant.desk
    messages = [each for each in world.tenant.chat.messages if str(each["message"]["text"]).startswith("Contained")]
    told = str(max(messages, key=lambda each: str(each["message"]["blocks"]).count("Isolate, "))["message"]["blocks"])
    there = [each for each in desk.everything() if f"({each.machine_id[:8]})" in told]
    named = {each.machine_id for each in there if each.kind == "Isolate" and desk.progress(each).status == "Succeeded"}
    assert len(named) > 1
    gone = min(named)
    before = list(desk.of(gone))
    desk.of(gone)[:] = [each for each in before if each.kind != "Isolate"]
    return lambda: desk.of(gone).__setitem__(slice(None), before)


def _letters(kept: list[tuple[str, str]], poisoned: list[tuple[str, str]]) -> Lie:
    """These letters are kept, of which people heard of the first; this is what became poison."""

    def lie(world: World) -> Undo:
        stored, messages, now = world.rows.stored, world.tenant.chat.messages, world.clockwork.now()
        before = dict(stored)
        for place, (queue, text) in enumerate(kept):
            letter = DeadLetter(queue=queue, message=f"x{place}", text=text, since=now)
            stored[LETTERS, letter.key] = Row(LETTERS, letter.key, letter.model_dump_json(), due=None, etag="x")
        said = f"*Bulkhead itself: dead letter {kept[0][0]} x0*"
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": said}}]
        messages.append({"message": {"text": "Bulkhead needs somebody", "blocks": blocks}, "time": now.isoformat()})
        world.platform.poisoned.extend(poisoned)

        def undo() -> None:
            del world.platform.poisoned[len(world.platform.poisoned) - len(poisoned) :]
            messages.pop()
            stored.clear()
            stored.update(before)

        return undo

    return lie


HERE, THERE = ("notify", "1001"), ("incidents", "1001")
RESTRICTED = {"kind": "RestrictCodeExecution", "row": None}
LONG_AGO = START - timedelta(hours=1)
LIES: dict[str, tuple[str, Lie]] = {
    "a protected device is restricted": (
        "protected_is_never_touched",
        _effect(**RESTRICTED, device=fleet_id(PROTECTED), tags=(PROTECTED_TAG,)),
    ),
    "two packages at once": (
        "never_two_of_ours",
        _effect(kind="CollectInvestigationPackage", rivals=("PublicApi",)),
    ),
    "two restrictions at once": ("never_two_of_ours", _effect(**RESTRICTED, rivals=("PublicApi",))),
    "one of ours though one is in effect": ("never_two_of_ours", _effect(ours_in_effect=True)),
    "programs are taken that a person gave back": (
        "a_persons_release_stands",
        _effect(**RESTRICTED, stands_released=True),
    ),
    "what a person isolated is given back": (
        "what_people_took_stays",
        _effect(kind="Unisolate", row=None, theirs_since=LONG_AGO),
    ),
    "what a person restricted is given back": (
        "what_people_took_stays",
        _effect(kind="UnrestrictCodeExecution", row=None, theirs_since=LONG_AGO),
    ),
    "on its way for an hour though to be released": ("what_is_released_is_called_off", _on_its_way),
    "isolated an hour after its release was over": ("an_ordered_release_frees", _on_its_way),
    "asked for by nobody": ("whatever_we_do_is_in_the_ledger", _stray),
    "written down too late": ("whatever_we_do_is_in_the_ledger", _unwritten),
    "given back for nobody": ("given_back_only_where_benign", _effect(kind="Unisolate", row=None)),
    "one of several devices is not contained": ("nothing_announced_early", _other_device),
    "poison of two queues, and one letter": ("every_dead_letter_is_kept", _letters([HERE], [HERE, THERE])),
    "poison twice, and one letter": ("every_dead_letter_is_kept", _letters([HERE], [HERE, HERE])),
    "a letter of what was no poison": ("every_dead_letter_is_kept", _letters([HERE], [])),
    "a letter of which nobody heard": ("every_dead_letter_is_kept", _letters([HERE, THERE], [HERE, THERE])),
    "what was done is asked for again": ("nothing_is_asked_for_twice", _effect(doubled=True)),
    "one device too many, until it is cancelled": ("no_more_than_the_caps", _for_a_moment),
    "what was planned has no row": ("a_plan_becomes_rows", _without_a_row),
    "an incident was assessed without a plan": ("a_plan_becomes_rows", _without_a_plan),
    "wanted, and ordered of another device": ("an_approval_is_by_order", _wanted(device=fleet_id(99))),
    "wanted, and ordered for another incident": ("an_approval_is_by_order", _wanted(incident="1")),
    "wanted, and something else was ordered": ("an_approval_is_by_order", _wanted(kind="collect")),
    "wanted, and ordered too late": ("an_approval_is_by_order", _wanted(at="2030-01-01T00:00:00Z")),
    "wanted, and ordered by somebody else": ("an_approval_is_by_order", _wanted(by="Nobody")),
    "a tag of one that observes": ("nothing_written_in_observe", _observing),
    "an isolation is cancelled by one that observes": ("nothing_written_in_observe", _cancelled_while_observing),
    "forty restrictions in a minute": ("no_more_than_the_caps", _many),
    "given back though another incident wants it held": (
        "given_back_only_where_benign",
        _effect(kind="Unisolate", wanted_by=("1",)),
    ),
    "a person's action was seen to be cancelled": ("only_ours_is_cancelled", _noted_cancel),
    "a person's action is cancelled": ("only_ours_is_cancelled", _cancel),
    "messages without lines": ("told_the_end", _no_lines),
    "failed is told for done": ("told_the_end", _messages(lambda text: text.replace("is done", "failed"))),
    "done is told for what others did": (
        "told_the_end",
        _messages(lambda text: text.replace("was done by somebody else", "is done").replace("was refused", "is done")),
    ),
    "a package twice": ("a_run_is_of_one_action", _again),
    "answers of a hunt are others": ("archived_as_it_was_committed", _other_answers),
    "the seal says how another action ended": ("a_seal_says_how_its_action_ended", _other_ends),
    "a report again and again": ("no_report_is_made_over_and_over", _crowded),
    "no report": ("reported_as_it_ended", _no_pages),
    "no comment": ("commented_as_it_ended", _no_comments),
    "a thousand hunts": ("no_documented_rate_exceeded", _hunts),
    **{
        f"no {end}": ("ended_runs_are_sealed_and_whole", _without(end))
        for end in ("checkpoint.json", "/manifest.json", "custody.jsonl", "bagit.txt", "tagmanifest-sha256.txt")
    },
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_noticed(world: World, lie: str) -> None:
    noticed, do = LIES[lie]
    undo = do(world)
    try:
        assert noticed in set(_broken(world))
    finally:
        undo()


def test_what_was_ordered_is_no_lie(world: World) -> None:
    """Else what is said of orders that do not fit would be noticed for another reason."""
    undo = _wanted()(world)
    try:
        assert "an_approval_is_by_order" not in set(_broken(world))
    finally:
        undo()


def test_letters_that_are_kept_and_told_are_in_order(world: World) -> None:
    undo = _letters([HERE], [HERE])(world)
    try:
        assert not list(_broken(world))
    finally:
        undo()


def _done(world: World, order: str, device: str, source: str) -> None:
    desk = world.tenant.desk
    body = {"Comment": "x"} | ({"IsolationType": "Full"} if order == "isolate" else {})
    made = desk.ask(order, device, body, "somebody", source)
    desk.force(made.id, "Succeeded")


@pytest.mark.parametrize("orders", [("isolate", "unisolate"), ("restrictCodeExecution", "unrestrictCodeExecution")])
def test_what_stands_is_all_that_was_taken_since_it_was_given_back(orders: tuple[str, str]) -> None:
    """Not what was done last alone: ours may lie beneath a person's, or theirs beneath ours."""
    world, device = World(3, Dangers(), eventful=False), fleet_id(5)
    take, back = orders
    kinds = tuple(f"{each[0].upper()}{each[1:]}" for each in orders)

    def standing() -> list[str]:
        return [each.source for each, _ in world.record.standing(device, kinds)]

    for source in ("PublicApi", "Portal", "PublicApi"):
        _done(world, take, device, source)
    assert standing() == ["PublicApi", "Portal", "PublicApi"]
    _done(world, back, device, "Portal")
    assert standing() == []
    for source in ("Portal", "PublicApi"):
        _done(world, take, device, source)
    assert standing() == ["Portal", "PublicApi"]
    assert world.record.standing(device, ()) == []


def test_every_lie_was_taken_back(world: World) -> None:
    assert not list(_broken(world))
