"""What histories meet too seldom by themselves: short scenes, each set off once its moment is there.

At the most one kind to a history, with draws of its own: a history without a scene plays as if there were none.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from local.tenant.evidence import device_evidence, process_evidence
from local.tenant.samples import fleet_id
from local.tenant.wire import ApiError
from responders._capture import Leg, Progress
from responders.tag import AT_WORK
from shared.models.action import State
from shared.models.lenient import texts
from tests.fakes.clients import LOST
from tests.simulation.live import PLACES

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.tenant.actions import Action as MachineAction
    from shared.models.action import Action
    from tests.fakes.clients import Mishap
    from tests.simulation.world import World

SHARE = 0.5
"""How many of all histories may have a scene."""

_LOOKS = 4.0
_BUNDLES = frozenset({"collect_logs", "collect_volatile"})


class Scenes:
    """The scene of a history, during its first `span` seconds (0: none)."""

    def __init__(self, world: World, span: float) -> None:
        """Draw which one."""
        self._world = world
        self._random = Random(world.seed ^ 0x5CE4E)  # noqa: S311 - histories, not secrets
        self._until = world.clockwork.now() + timedelta(seconds=span)
        self._left = 3
        self._met: set[str] = set()
        self.name = ""
        may = span > 0 and self._random.random() < SHARE
        for look in (self._random.choice(self._possible()),) if may else ():
            self.name = look.__name__.strip("_")
            self._world.clockwork.after(_LOOKS, partial(self._wait_for, look))

    def _possible(self) -> list[Callable[[], bool]]:
        dangers, race = self._world.dangers, self._world.tenant.settings.duplicate_isolate == "race"
        found: list[Callable[[], bool]] = [self._forgiven]
        if dangers.people:
            found += [self._in_vain] * 3 if race else [self._on_top] * 3
            found += [self._released_then_attacked]
        if dangers.more:
            found += [self._given_programs_back] * 3 + [self._tags_replaced] * 3
        if dangers.live and dangers.orders:
            found += [self._half_way] * 2
        return found

    def _wait_for(self, look: Callable[[], bool]) -> None:
        """Look for the moment again and again; the scene is played a few times at the most."""
        if self._world.clockwork.now() >= self._until or not self._left:
            return
        self._left -= look()
        self._world.clockwork.after(_LOOKS, partial(self._wait_for, look))

    def _happens(self, what: str, told: str) -> None:
        self._world.counters.injected[what, "tenant"] += 1
        self._world.clockwork.note(told)

    # Moments

    def _standing(self, responder: str) -> Action | None:
        """A containment of ours, the only one on its device, that was carried out for an incident that nobody has
        classified; none that had its scene.
        """
        rows = [each for each in self._world.record.open_actions() if each.responder == responder and not each.foreign]
        done = [
            each for each in rows if each.state is State.SUCCEEDED and not each.joined and self._open(each.incident)
        ]
        alone = [each for each in done if sum(one.target == each.target for one in rows) == 1]
        fresh = [each for each in alone if each.id not in self._met]
        return self._random.choice(fresh) if fresh else None

    def _open(self, incident: str) -> bool:
        if incident not in self._world.life.incidents:
            return False
        redirected = self._world.tenant.incidents.raw(incident)["status"] == "redirected"
        return self._world.life.unclassified(incident) and not redirected

    def _last(self, device: str) -> MachineAction | None:
        """What isolated or released a device last."""
        desk = self._world.tenant.desk
        done = [each for each in desk.of(device) if each.kind in {"Isolate", "Unisolate"}]
        done = [each for each in done if desk.progress(each).status == "Succeeded"]
        return max(done, key=lambda each: desk.progress(each).finished or each.created, default=None)

    # Scenes: each looks once, and says whether it was played

    def _forgiven(self) -> bool:
        """What was isolated for an incident that becomes harmless, though no analyst calls it a false positive."""
        held = self._standing("isolate")
        if held is None:
            return False
        incident = self._world.tenant.incidents.raw(held.incident)
        alerts = [{"id": each["id"], "classification": "falsePositive"} for each in incident["alerts"]]
        expected = {"classification": "informationalExpectedActivity"}
        self._world.tenant.incidents.change(held.incident, self._random.choice([expected, {"alerts": alerts}]))
        self._happens("expected activity", f"incident {held.incident}: nothing is held against it any more")
        return True

    def _on_top(self) -> bool:
        """Somebody isolates what we have isolated, and its incident is called a false positive minutes later."""
        held = self._standing("isolate")
        last = self._last(held.device) if held else None
        if held is None or last is None or last.kind != "Isolate" or last.source != "PublicApi":
            return False
        self._met.add(held.id)
        self._world.life.isolated_by_a_person(held.device)
        self._world.clockwork.after(self._random.uniform(340, 400), partial(self._false_positive, held.incident))
        return True

    def _false_positive(self, incident: str) -> None:
        if self._open(incident):
            benign = {"classification": "falsePositive", "status": "resolved"}
            self._world.tenant.incidents.change(incident, benign)
            self._happens("false positive", f"incident {incident}: false positive")

    def _in_vain(self) -> bool:
        """Who isolates at the very moment when we do takes theirs back: see `rival`."""
        return False

    def rival(self) -> None:
        """We are about to isolate a device: somebody else does, and takes it back while ours waits behind it."""
        rows = [each for each in self._world.record.open_actions() if each.responder == "isolate"]
        devices = [each.device for each in rows if each.state is State.SENDING]
        if self.name != "in_vain" or not devices or not self._left or self._random.random() < 0.5:
            return
        device = self._random.choice(devices)
        try:
            theirs = self._world.tenant.person_orders("isolate", device)["id"]
        except ApiError:
            return
        self._left -= 1
        self._happens("a person isolates", f"a person: isolate {device[:8]}, for a moment")
        self._world.clockwork.after(self._random.uniform(1, 8), partial(self._takes_back, theirs, device))

    def _takes_back(self, theirs: str, device: str) -> None:
        try:
            self._world.tenant.person_cancels(theirs)
        except ApiError:  # it is over
            return
        self._happens("a person cancels", f"a person cancels Isolate on {device[:8]}")

    def _released_then_attacked(self) -> bool:
        """Somebody releases what we have isolated, and minutes later there is a new alert on it."""
        held = self._standing("isolate")
        if held is None or not self._world.tenant.desk.isolated(held.device):
            return False
        self._met.add(held.id)
        try:
            self._world.tenant.person_orders("unisolate", held.device)
        except ApiError:
            return False
        self._happens("a person releases", f"a person: unisolate {held.device[:8]}")
        self._world.clockwork.after(self._random.uniform(200, 400), partial(self._attacked, held))
        return True

    def _attacked(self, held: Action) -> None:
        if not self._open(held.incident):
            return
        now = self._world.clockwork.now()
        evidence = [
            device_evidence(held.device, now, roles=["compromised"]),
            process_evidence(held.device, now, verdict="malicious", remediation="active"),
        ]
        alert = {"title": "Synthetic alert", "severity": "high", "status": "new", "createdDateTime": now.isoformat()}
        self._world.tenant.incidents.change(held.incident, {"alerts": [alert | {"evidence": evidence}]})
        self._happens("attacked again", f"incident {held.incident}: a new alert on {held.device[:8]}")

    def _given_programs_back(self) -> bool:
        """Somebody wants a device that we restricted to run everything again, by an order or a classification."""
        held = self._standing("restrict")
        if held is None:
            return False
        self._met.add(held.id)
        if self._world.dangers.orders and self._random.random() < 0.7:
            self._world.people.send("release", device=held.device, responder="unrestrict")
        else:
            self._false_positive(held.incident)
        return True

    def _tags_replaced(self) -> bool:
        """Another tool replaces the tags that we are writing: see `tagging`."""
        return False

    def tagging(self) -> Mishap | None:
        """We are about to write an incident's tags: another tool has read them before, and writes them after us. Now
        and then our own answer is lost.
        """
        rows = self._world.record.open_actions() if self.name == "tags_replaced" and self._left else []
        ours = [each for each in rows if each.responder == "tag" and each.state is State.FETCHING]
        ours = [each for each in ours if each.fetches and each.due and each.due > self._world.clockwork.now() + AT_WORK]
        if not ours:
            return None
        self._left -= 1
        action = self._random.choice(ours)
        incident, first = action.incident, action.fetches == 1 and not action.progress
        read = texts(self._world.tenant.incidents.raw(incident)["customTags"])
        tags = [*read, f"triage-{self._left}"]
        self._world.clockwork.after(self._random.uniform(40, 75), partial(self._replace_tags, incident, tags))
        return LOST if first else None

    def _replace_tags(self, incident: str, tags: list[str]) -> None:
        self._world.tenant.incidents.change(incident, {"customTags": tags})
        self._happens("tags are replaced", f"incident {incident}: another tool writes the tags {tags}")

    def _half_way(self) -> bool:
        """Somebody cancels what live response has begun on a device; where nothing is begun, somebody asks for it."""
        ours = [each for each in self._world.record.open_actions() if each.responder in {*_BUNDLES, "capture_memory"}]
        live = [each for each in ours if not each.state.settled]
        begun = [each for each in live if each.attempt and (each.responder in _BUNDLES or _has_begun(each))]
        if begun and self._random.random() < 0.3:
            self._world.people.send("cancel", action=self._random.choice(begun).id)
            return True
        if not live and self._world.life.incidents and self._random.random() < 0.1:
            responder, device = self._random.choice(["capture_memory", *sorted(_BUNDLES)]), self._random.choice(PLACES)
            self._world.people.send("collect", device=fleet_id(device), responder=responder)
        return False


def _has_begun(capture: Action) -> bool:
    """Whether something of it lies on the device."""
    return bool(capture.progress) and Progress.model_validate_json(capture.progress).leg is not Leg.PREFLIGHT
