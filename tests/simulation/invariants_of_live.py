"""What must always hold of live response; see `invariants` for what an invariant gives."""

from __future__ import annotations

import gzip
import hashlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._leftovers import leftovers
from responders._run import run_folder
from responders._sessions import CLEAN_UP
from shared.models.action import State
from tests.simulation.live import MOST, PINS
from tests.simulation.live_devices import TOOL, file_of, image_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.models.action import Action
    from tests.simulation.world import World

_WORD = re.compile(
    r"(preflight|start|status|cut|triage|logs|clean|avml|fix\.sh|bulkhead-linux\.sh|--quietly|/etc/\w+|/missing|[0-9]+"
    r"|dir=/root/bulkhead-[0-9a-f]{16}|id=[0-9a-f]{16}|tool=avml|sha256=[0-9a-f]{64}"
    r"|(compress|part|reserve|expire|offset|length|count)=[0-9]+|/root/bulkhead-[0-9a-f]{16}/[a-z0-9.-]+)"
)
_LATE = timedelta(minutes=8)
"""How much later than the patience a session is looked at for certain, whoever dies."""


def never_more_sessions_than_ours(world: World) -> Iterator[str]:
    """There are never more live response sessions of ours at once than the setting allows, whoever counts when."""
    for asked in world.sessions:
        said = f"{asked.everywhere + 1} with the one on {asked.device[:8]} at {asked.at}"
        yield said if asked.everywhere >= MOST else ""


def one_session_a_device(world: World) -> Iterator[str]:
    """No session of ours is asked for on a device on which one of ours is not over."""
    for asked in world.sessions:
        yield f"{asked.device[:8]} at {asked.at}" if asked.there else ""


def no_session_waits_for_ever(world: World) -> Iterator[str]:
    """A session of ours that its device does not take up is taken back, so that it blocks nobody: late only
    while the timer that looks does not run to its end.
    """
    patience = next(iter(world.settings.values())).LIVE_RESPONSE_PATIENCE
    desk = world.tenant.desk
    for action in desk.everything():
        if action.kind == "LiveResponse" and action.source == "PublicApi":
            progress = desk.progress(action)
            until = progress.started or progress.finished or world.clockwork.now()
            if not world.dangers.away and not world.dangers.stalled:
                due = action.created + patience + _LATE
                looked = any(due < begun and over < until for begun, over in world.platform.ran["follow"])
                yield f"{action.machine_id[:8]} since {action.created}" if looked else ""


def captures_are_whole_or_explained(world: World) -> Iterator[str]:
    """A memory capture ends with an image that is the device's by every hash, or says why there is none."""
    for action in _of(world, "capture_memory"):
        images = [each for each in action.artefacts if each.name.endswith("memory.lime.gz")]
        if action.state is not State.SUCCEEDED:
            yield "" if action.detail else f"{action.key} is {action.state}, and nobody knows why"
            continue
        kept = world.evidence.stored.get(images[0].name) if images else None
        image = gzip.decompress(kept[1]) if kept else b""
        same = image == image_of(f"/root/bulkhead-{action.id}")
        yield "" if same else f"{action.key}: {len(image)} bytes are not what the device captured"
        if kept and hashlib.sha256(kept[1]).hexdigest() != images[0].sha256:
            yield f"{action.key}: the archive's hash is another one"


def files_are_what_the_device_has(world: World) -> Iterator[str]:
    """A file that was fetched is kept as it was received, and holds what it holds on the device."""
    for action in _of(world, "get_files"):
        for artefact in action.artefacts:
            path = {"001.gz": "/etc/a", "003.gz": "/etc/b"}.get(artefact.name.rpartition("/")[2])
            if path:
                kept = gzip.decompress(world.evidence.stored[artefact.name][1])
                yield "" if kept == file_of(action.device, path) else f"{artefact.name} is not {path}"


def devices_are_cleaned_up_or_said(world: World) -> Iterator[str]:
    """Whatever of ours lies on a device in the end, an action waits for a person or is over and says so."""
    actions = world.record.actions()
    for device in {action.device for action in actions if action.device} if world.live else ():
        yield from [""] * any(each.device == device for each in world.sessions)
        for path in world.live.devices.left(device) if world.live else ():
            made = path.rpartition("-")[2]
            said = [each for each in actions if made == each.id or made == each.params.get("of")]
            told = f"{path} on {device[:8]}: {[(each.key, each.state, each.detail) for each in said]}"
            yield "" if any(_says(each, path) for each in said) else told


def _says(action: Action, path: str) -> bool:
    """Whether an action tells of what is left: that it could not be removed, or that its removal came to nothing."""
    over = action.responder == CLEAN_UP and action.state is not State.SUCCEEDED and bool(action.detail)
    return action.state is State.WAITING or path in action.detail or over


def what_ended_half_way_is_removed(world: World) -> Iterator[str]:
    """Whatever live response ended half-way on a device, an action of its own is planned that removes what it left."""
    actions = world.record.actions()
    planned = {action.params.get("of") for action in actions if action.responder == CLEAN_UP}
    for action in actions:
        if leftovers(action):
            yield "" if action.id in planned else f"{action.key} is {action.state}: {action.detail}"


def what_ended_half_way_is_sealed(world: World) -> Iterator[str]:
    """What a collection gathered until it ended, however it did, is sealed, or its action says that it is not."""
    now = world.clockwork.now()
    for action in world.record.actions():
        if not action.progress or not action.finished_at or now - action.finished_at < _LATE:
            continue
        folder = f"{run_folder(action)}/"
        there = {name.removeprefix(folder) for name in world.evidence.stored if name.startswith(folder)}
        if there:
            told = "checkpoint.json" in there or action.detail.endswith("not sealed")
            yield "" if told else f"{action.key}: {action.state} since {action.finished_at}, {action.detail}"


def nothing_unpinned_is_started(world: World) -> Iterator[str]:
    """No tool is started on a device but the one whose hash the settings name, whatever the library holds."""
    for sha256 in world.live.devices.ran if world.live else ():
        yield sha256 if sha256 != hashlib.sha256(TOOL).hexdigest() else ""


def only_plain_words_reach_devices(world: World) -> Iterator[str]:
    """What sessions carry are names, ids, sizes, hashes and paths: no link, token or key among them."""
    for asked in world.sessions:
        for word in " ".join(asked.values).split():
            plain = _WORD.fullmatch(word) or word in PINS
            yield "" if plain else f"{word} to {asked.device[:8]}"


def _of(world: World, responder: str) -> list[Action]:
    return [each for each in world.record.actions() if each.responder == responder and each.state.final]


OF_LIVE = (
    never_more_sessions_than_ours,
    one_session_a_device,
    no_session_waits_for_ever,
    captures_are_whole_or_explained,
    files_are_what_the_device_has,
    devices_are_cleaned_up_or_said,
    what_ended_half_way_is_removed,
    what_ended_half_way_is_sealed,
    nothing_unpinned_is_started,
    only_plain_words_reach_devices,
)
