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
from tests.simulation.dangers import Dangers
from tests.simulation.invariants import INVARIANTS
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


RESTRICTED = {"kind": "RestrictCodeExecution", "row": None}
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
    "what was done is asked for again": ("nothing_is_asked_for_twice", _effect(doubled=True)),
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


def test_every_lie_was_taken_back(world: World) -> None:
    assert not list(_broken(world))
