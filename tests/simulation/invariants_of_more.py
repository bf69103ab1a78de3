"""What must always hold of what rules ask for beside isolation, and of what is given back without an order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.models.action import State, target_of
from shared.models.incident import Incident
from shared.models.lenient import texts
from tests.simulation.invariants_of_containment import GIVING_BACK

if TYPE_CHECKING:
    from tests.simulation.world import World

_HARMFUL = {"malicious", "suspicious"}
_SKEW = timedelta(seconds=1)


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
        if effect.kind == "StopAndQuarantineFile":
            untold = (target_of(effect.device), sha1.lower()) not in told
            yield f"{sha1} on {effect.device[:8]} at {effect.at}" if untold else ""


def tags_are_there(world: World) -> Iterator[str]:
    """An incident whose tag was set carries it."""
    for action in world.record.actions():
        if action.responder == "tag" and action.state is State.SUCCEEDED:
            raw = world.tenant.incidents.raw(action.incident)
            gone = action.params["tag"] not in texts(raw.get("customTags"))
            yield f"incident {action.incident}: {action.params['tag']}" if gone else ""


def collection_has_its_head_start(world: World) -> Iterator[str]:
    """Where a rule lets the package go first, its device is not isolated before that is settled or the time is over."""
    asked = [each for each in world.record.effects if each.kind == "CollectInvestigationPackage" and each.row]
    for effect in world.record.effects:
        row = effect.row
        if effect.kind != "Isolate" or row is None or row.head_start is None or row.approved or row.attempt > 1:
            continue
        of_it = [each.row for each in asked if each.row and each.row.target == row.target and each.at > effect.at]
        late = [each.key for each in of_it if each.created == row.created and each.attempt == 1]
        early = effect.at < row.head_start - _SKEW and (late or effect.collecting) and not world.dangers.update
        said = f"{effect.device[:8]} at {effect.at}, {row.head_start} being the end: {effect.collecting or late}"
        yield said if early else ""


def given_back_only_where_benign(world: World) -> Iterator[str]:
    """What is given back without an order was taken for nothing but incidents that an analyst then called a false
    positive: all that had it taken, not only the first of them.
    """
    benign = {each.id for each in _incidents(world) if each.classification == "falsepositive"}
    for effect in world.record.effects:
        if effect.kind in GIVING_BACK and not (effect.row and effect.row.opened_by):
            own = effect.row.incident if effect.row else effect.incident
            others = [each for each in {own, *effect.wanted_by} if each not in benign]
            said = f"{effect.kind} on {effect.device[:8]} at {effect.at}: {effect.comment}"
            yield f"{said}; wanted for {', '.join(others)}" if others and not effect.approved else ""


def _incidents(world: World) -> list[Incident]:
    return [Incident.model_validate(world.tenant.incidents.raw(each)) for each in world.life.incidents]


OF_MORE = (
    only_harmful_files_are_stopped,
    tags_are_there,
    collection_has_its_head_start,
    given_back_only_where_benign,
)
