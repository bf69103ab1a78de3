"""What must always hold of what is kept: evidence, reports and comments; see `invariants` for what an invariant
gives.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from responders._verify import check
from shared.models.action import State
from tests.simulation.tenant_life import package_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.models.action import Action
    from tests.simulation.world import World

_RUN = re.compile(
    r"\d{4}/\d{2}/inc-(?P<incident>[^/]+)/(?:dev-[^/]*?(?P<device>[0-9a-f]{8})|tenant)"
    r"/run-\d{8}T\d{6}Z-(?P<what>[a-z-]+?)(?:-(?P<goal>[0-9a-f]{16}|[0-9a-f]{8}))?-(?P<round>\d{2,})"
)
_UNSEALED = "not sealed"
_TAGS = "tagmanifest-sha256.txt"


class _Objects:
    """A run's objects as `verify.py` reads them: by their names inside its folder."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def names(self) -> list[str]:
        """All of them."""
        return list(self._objects)

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of one. Raises KeyError."""
        return iter([self._objects[name]])


def archived_as_it_was_committed(world: World) -> Iterator[str]:
    """Every object of the archive has the hash and the size that it was committed with."""
    for name, (stored, data) in world.evidence.stored.items():
        wrong = hashlib.sha256(data).hexdigest() != stored.sha256 or len(data) != stored.size
        yield f"{name}: hash or size" if wrong else ""


def a_run_is_of_one_action(world: World) -> Iterator[str]:
    """Every run of the archive is of one action, and every action has one run at the most, however often it was
    begun.
    """
    rounds = {_identity(action): action for action in world.record.actions()}
    folders: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for folder in _runs(world):
        found = _RUN.fullmatch(folder)
        identity = tuple(found[name] or "" for name in ("incident", "device", "what", "goal", "round")) if found else ()
        folders[identity].add(folder)
        yield "" if identity in rounds else f"{folder} is of no action"
    for identity, several in folders.items():
        yield f"{len(several)} runs of one action: {sorted(several)}" if len(several) > 1 and identity else ""


def _identity(action: Action) -> tuple[str, ...]:
    what = action.responder.replace("_", "-")
    return (action.incident, action.target[:8], what, action.goal, f"{action.round:02d}")


def ended_runs_are_sealed_and_whole(world: World) -> Iterator[str]:
    """A run whose action is over is as `verify.py` wants it, seal, chain and every object; or the action says that it
    is not sealed.
    """
    for folder, objects, action in _ended(world):
        done = check(_Objects(objects), folder)
        yield "" if done.whole else f"{action.key} is {action.state}, {folder}: {done.findings[0]}"


def a_seal_says_how_its_action_ended(world: World) -> Iterator[str]:
    """What the last event of a run's custody says of its end is what its action says."""
    for folder, objects, action in _ended(world):
        last = json.loads(objects[max(name for name in objects if name.startswith("custody/"))])
        end = last.get("detail", "").partition(": ")[0]
        same = (last["what"], end) == ("sealed", action.state)
        yield "" if same else f"{action.key} is {action.state}, {folder}: {last['what']}, {end!r}"


def _ended(world: World) -> Iterator[tuple[str, dict[str, bytes], Action]]:
    """The runs whose action is over and does not say that it is not sealed."""
    rounds = {_identity(action): action for action in world.record.actions()}
    for folder, objects in _runs(world).items():
        found = _RUN.fullmatch(folder)
        identity = tuple(found[name] or "" for name in ("incident", "device", "what", "goal", "round")) if found else ()
        action = rounds.get(identity)
        if action and action.state.final and _UNSEALED not in action.detail:
            yield folder, objects, action


def sealed_runs_are_bags(world: World) -> Iterator[str]:
    """A sealed run is a bag by BagIt's own rule: its manifests list every object, and nothing else, by the right
    hash; and each event of its custody holds the hash of the one before.
    """
    for folder, objects in _runs(world).items():
        if _TAGS not in objects and "checkpoint.json" not in objects:
            continue
        if _TAGS not in objects:  # its worker is between the two
            continue
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in objects.items()}
        payload = {name: digest for name, digest in hashes.items() if name.startswith("data/")}
        tags = {name: digest for name, digest in hashes.items() if name not in payload and name != _TAGS}
        wrong = [] if _listed(objects.get("manifest-sha256.txt")) == payload else ["its manifest"]
        wrong += [] if _listed(objects[_TAGS]) == tags else ["its tag manifest"]
        wrong += [] if objects.get("bagit.txt", b"").startswith(b"BagIt-Version: ") else ["bagit.txt"]
        wrong += [] if _unbroken(objects) else ["its chain"]
        yield f"{folder}: {', '.join(wrong)}" if wrong else ""


def _listed(manifest: bytes | None) -> dict[str, str]:
    lines = manifest.decode().splitlines() if manifest else []
    return {path: digest for digest, path in (line.split(maxsplit=1) for line in lines)}


def _unbroken(objects: dict[str, bytes]) -> bool:
    events = sorted(name for name in objects if name.startswith("custody/"))
    if not events or events != [f"custody/{number:06}.json" for number in range(1, len(events) + 1)]:
        return False
    before = "0" * 64
    for name in events:
        if json.loads(objects[name])["prev"] != before:
            return False
        before = hashlib.sha256(objects[name]).hexdigest()
    return objects.get("custody.jsonl", b"").splitlines() == [objects[name] for name in events]


def what_was_done_is_there(world: World) -> Iterator[str]:
    """What an action says that it collected is there by the hash that it says; a package is, byte for byte, the one
    that Defender handed out.
    """
    for action in world.record.actions():
        for artefact in action.artefacts:
            kept = world.evidence.stored.get(artefact.name)
            there = kept is not None and hashlib.sha256(kept[1]).hexdigest() == artefact.sha256
            yield "" if there else f"{artefact.name}: not there, or another hash"
        if action.responder != "collect_package" or action.state not in {State.SUCCEEDED, State.ELSEWHERE}:
            continue
        packages = [each for each in action.artefacts if each.name.endswith("/investigation-package.zip")]
        handed_out = package_of(action.device).read_bytes()
        same = [
            world.evidence.stored[each.name][1] == handed_out for each in packages if each.name in world.evidence.stored
        ]
        yield "" if same == [True] else f"{action.key}: {len(packages)} packages, not the one of its device"


def _runs(world: World) -> dict[str, dict[str, bytes]]:
    """The objects of every run in which something was kept, by folder and name inside it."""
    names = world.evidence.stored
    found: dict[str, dict[str, bytes]] = {name.partition("/data/")[0]: {} for name in names if "/data/" in name}
    for name, (_, data) in names.items():
        folder = next((each for each in _above(name) if each in found), "")
        if folder:
            found[folder][name.removeprefix(f"{folder}/")] = data
    return found


def _above(name: str) -> list[str]:
    """The folders in which an object lies."""
    parts = name.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


OF_ARCHIVE = (
    archived_as_it_was_committed,
    a_run_is_of_one_action,
    ended_runs_are_sealed_and_whole,
    a_seal_says_how_its_action_ended,
    sealed_runs_are_bags,
    what_was_done_is_there,
)
