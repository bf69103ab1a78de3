"""What must always hold of what rules ask for beside isolation, and of what is given back without an order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.models.action import State, target_of
from shared.models.incident import Incident
from shared.models.lenient import texts

if TYPE_CHECKING:
    from tests.simulation.world import World

_HARMFUL = {"malicious", "suspicious"}
GIVING_BACK = {"Unisolate", "UnrestrictCodeExecution"}
"""What undoes a containment."""

_SKEW = timedelta(seconds=1)
_SLOW = timedelta(seconds=75)


def only_harmful_files_are_stopped(world: World) -> Iterator[str]:
    """A file is stopped only on a device of which an alert tells it, by its hash, with a verdict that the rule asks."""
    told = {
        (target_of(item.device_id), item.file.sha1.lower())
        for incident in _incidents(world)
        for alert in incident.alerts
        for item in alert.evidence
        if item.kind == "file" and item.verdict in _HARMFUL
    }
    for effect in world.record.effects:
        sha1 = world.tenant.desk.one(effect.id, hidden=True).sha1 or ""
        if effect.kind == "StopAndQuarantineFile" and (target_of(effect.device), sha1.lower()) not in told:
            yield f"{sha1} on {effect.device[:8]} at {effect.at}"


def tags_are_there(world: World) -> Iterator[str]:
    """An incident whose tag was set carries it."""
    for action in world.record.actions():
        if action.responder == "tag" and action.state is State.SUCCEEDED:
            raw = world.tenant.incidents.raw(action.incident)
            if action.params["tag"] not in texts(raw.get("customTags")):
                yield f"incident {action.incident}: {action.params['tag']}"


def runs_are_whole_bags(world: World) -> Iterator[str]:
    """A run that is archived is a bag that lists every object of it by the right hash, with a custody without gaps."""
    stored = {name: kept for name, (kept, _) in world.evidence.stored.items()}
    for action in world.record.actions():
        if action.responder != "collect_package" or not action.state.settled or not action.artefacts:
            continue
        folder = f"{action.artefacts[0].name.partition('/data/')[0]}/"
        bag = world.evidence.stored.get(f"{folder}manifest-sha256.txt")
        lines = bag[1].decode().splitlines() if bag else []
        listed = {path: digest for digest, path in (line.split(maxsplit=1) for line in lines)}
        there = {name.removeprefix(folder): kept.sha256 for name, kept in stored.items() if name.startswith(folder)}
        if listed != {name: digest for name, digest in there.items() if name.startswith("data/")}:
            yield f"{action.key}: {len(lines)} lines of its bag are not what is there"
        entries = sorted(name for name in there if name.startswith("custody/"))
        if entries != [f"custody/{number:06}.json" for number in range(1, len(entries) + 1)] or not entries:
            yield f"{action.key}: its custody has gaps: {entries}"


def collection_has_its_head_start(world: World) -> Iterator[str]:
    """Where a rule lets the package go first, its device is not isolated before that is settled or the time is over."""
    asked = [each for each in world.record.effects if each.kind == "CollectInvestigationPackage" and each.row]
    for effect in world.record.effects:
        row = effect.row
        if effect.kind != "Isolate" or row is None or row.head_start is None or row.approved or row.attempt > 1:
            continue
        of_it = [each.row for each in asked if each.row and each.row.target == row.target and each.at > effect.at]
        late = [each.key for each in of_it if each.created == row.created and each.attempt == 1]
        if effect.at < row.head_start - _SKEW and (late or effect.collecting) and not world.dangers.update:
            yield f"{effect.device[:8]} at {effect.at}, {row.head_start} being the end: {effect.collecting or late}"


def given_back_only_where_benign(world: World) -> Iterator[str]:
    """What is given back without an order was taken for an incident that an analyst then called a false positive."""
    benign = {each.id for each in _incidents(world) if each.classification == "falsepositive"}
    for effect in world.record.effects:
        alone = effect.kind in GIVING_BACK and effect.row and not effect.row.opened_by
        if alone and effect.row and effect.row.incident not in benign:
            yield f"{effect.kind} on {effect.device[:8]} at {effect.at}: {effect.comment}"


def what_people_isolated_stays(world: World) -> Iterator[str]:
    """A device that a person has isolated for longer than an action may be hidden is not released without a person's
    word: an order, or an approval of its release.
    """
    for effect in world.record.effects:
        if effect.kind == "Unisolate" and effect.row and not effect.row.approved:
            theirs = effect.isolated and not effect.isolated_by_us
            if theirs and effect.stood_since and effect.at - effect.stood_since > _SLOW * 3:
                yield f"{effect.device[:8]} at {effect.at}"


def _incidents(world: World) -> list[Incident]:
    return [Incident.model_validate(world.tenant.incidents.raw(each)) for each in world.life.incidents]


OF_MORE = (
    only_harmful_files_are_stopped,
    tags_are_there,
    runs_are_whole_bags,
    collection_has_its_head_start,
    given_back_only_where_benign,
    what_people_isolated_stays,
)
