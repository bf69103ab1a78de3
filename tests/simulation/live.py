"""Live response in a history: what the policy asks for, what people do to sessions and devices, and what was asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import greenlet

from local.tenant.samples import fleet_id
from responders._live import LINUX
from tests.fakes.clients import FakeDevices
from tests.simulation.live_devices import FIX, PART, TOOL, LiveDevices
from tests.simulation.tenant_life import goes_away

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from local.tenant.actions import Action
    from local.tenant.model import Tenant
    from local.tenant.wire import Reply, Request
    from tests.fakes.clients import Stakes
    from tests.simulation.clockwork import Clockwork
    from tests.simulation.injections import Injected

PLACES = range(4, 10)
"""Places in the fleet of the Linux devices among those that incidents are about."""

PINS = {"avml": TOOL, "fix.sh": FIX}
"""The operator's files in the library."""

MOST = 2
"""How many sessions of ours there may be."""

SESSIONS = 4
"""How many the tenant allows."""

_RULE = """
  - name: live
    why: Synthetic.
    when:
      severity_at_least: medium
      device: {os: linux, group: [Workstations]}
    examples:
      match:
        - incident: {severity: high}
          device: {computerDnsName: l1.contoso.com, osPlatform: Ubuntu, rbacGroupName: Workstations}
      no_match:
        - incident: {severity: high}
          device: {computerDnsName: w1.contoso.com, osPlatform: Windows11, rbacGroupName: Workstations}
    actions:
"""
_ASKED = {
    "capture_memory": "      - do: capture_memory\n        purpose: synthetic\n",
    "get_files": "      - do: get_files\n        paths: [/etc/a, /missing, /etc/b]\n        purpose: synthetic\n",
    "run_script": "      - do: run_script\n        script: fix.sh\n        args: --quietly\n",
    "collect_logs": "      - do: collect_logs\n",
}
LIVE_RULE = _RULE + "".join(_ASKED.values())
"""A rule that asks for all of it."""

_WISHES: tuple[tuple[str, dict[str, object]], ...] = (
    ("collect", {"responder": "capture_memory"}),
    ("collect", {"responder": "collect_logs"}),
    ("collect", {"responder": "collect_volatile"}),
    ("run_script", {"script": "fix.sh", "args": "--quietly"}),
    ("run_script", {"script": "evil.sh"}),
    ("get_files", {"paths": ["/etc/a", "/missing"], "why": "synthetic"}),
)
"""What people order."""

SESSION_RATES = {"live_response_sessions": MOST}
SETTINGS = {
    "TOOLS": json.dumps({name: {"sha256": hashlib.sha256(content).hexdigest()} for name, content in PINS.items()}),
    "LIVE_RESPONSE_POLL": "PT20S",
    "LIVE_RESPONSE_PATIENCE": "PT3M",
    "MEMORY_PATIENCE": "PT1H",
    "MEMORY_PART_SIZE": str(PART),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A session that was asked for: how many of ours were not over at that moment, there and in all."""

    at: datetime
    device: str
    values: tuple[str, ...]
    there: int
    everywhere: int


@dataclass(kw_only=True)
class WatchedDevices(FakeDevices):
    """`Devices` of the tenant; `asked` are the sessions whose calls arrived there, whatever became of them, `sending`
    is what each task is about to send.
    """

    asked: list[Asked] = field(default_factory=list)
    sending: WeakKeyDictionary[object, Request] = field(default_factory=WeakKeyDictionary)

    def _send(self, name: str, stakes: Stakes, request: Request) -> Reply:
        self.sending[greenlet.getcurrent()] = request
        return super()._send(name, stakes, request)

    def deliver(self, request: Request) -> None:
        """Have a call arrive of which nobody hears the answer."""
        self._answer(request)

    def _answer(self, request: Request) -> Reply:
        if request.path.endswith("/runliveresponse"):
            self._note(request)
        return super()._answer(request)

    def _note(self, request: Request) -> None:
        device = request.path.split("/")[3]
        desk = self.tenant.desk
        ours = [each for each in desk.everything() if each.kind == "LiveResponse" and not desk.progress(each).final]
        commands = json.loads(request.body)["Commands"]
        values = tuple(str(param["value"]) for one in commands for param in one["params"])
        there = sum(each.machine_id == device for each in ours)
        self.asked.append(Asked(self.tenant.now(), device, values, there, len(ours)))


class Live:
    """What a history with live response has beside others. Draws of its own, so that the others stay as they were."""

    def __init__(
        self, clockwork: Clockwork, tenant: Tenant, devices: LiveDevices, span: float, injected: Injected
    ) -> None:
        """Draw what the policy asks for; have some devices run Linux, put the operator's files into the library, and
        draw what people do during the first `span` seconds.
        """
        self._random = Random(devices.seed)  # noqa: S311 - histories, not secrets
        self._clockwork = clockwork
        self._tenant = tenant
        self._injected = injected
        self.devices = devices
        asked = self._random.sample(sorted(_ASKED), self._random.choice([1, 2]))
        self.rule = _RULE + "".join(_ASKED[name] for name in asked)
        for place in PLACES:
            tenant.fleet.put({"id": fleet_id(place), "osPlatform": "Ubuntu"})
        for name, content in PINS.items():
            tenant.library.put(name, content, "operator")
        happenings: list[Callable[[], None]] = [self._works, self._restarts, self._replaces]
        happenings += [self._leaves, self._cancels]
        self._until = clockwork.now() + timedelta(seconds=span)
        for _ in range(self._random.randint(2, 12) if span else 0):
            self._clockwork.after(self._random.uniform(30, span), self._random.choice(happenings))

    def wish(self) -> tuple[str, dict[str, object]]:
        """What somebody wants of a device."""
        return self._random.choice(_WISHES)

    def _happens(self, what: str, told: str) -> None:
        self._injected[what, "tenant"] += 1
        self._clockwork.note(told)

    def _device(self) -> str:
        return fleet_id(self._random.choice(PLACES))

    def _works(self) -> None:
        """Somebody has a session of their own in the portal, which no call shows."""
        device, seconds = self._device(), self._random.uniform(20, 600)
        self._tenant.person_connects(device, seconds)
        self._happens("a session in the portal", f"somebody works on {device[:8]} for {seconds:.0f} s")

    def _leaves(self) -> None:
        """The device of a session is away, now and then for longer than the session may wait for it."""
        seconds = self._random.uniform(30, 1800)
        waits = self._under_way("Pending")
        if waits is None and self._clockwork.now() < self._until:
            self._clockwork.after(2.0, self._leaves)
            return
        device = waits.machine_id if waits else self._device()
        goes_away(self._clockwork, self._tenant, device, seconds)
        self._happens("a device is away", f"device {device[:8]} is away for {seconds:.0f} s")

    def _cancels(self) -> None:
        """Somebody cancels a session of ours in the portal."""
        session = self._under_way("Pending", "InProgress")
        if session is None and self._clockwork.now() < self._until:
            self._clockwork.after(3.0, self._cancels)
        elif session:
            self._tenant.person_cancels(session.id)
            self._happens("a session is cancelled", f"a person cancels the session on {session.machine_id[:8]}")

    def _under_way(self, *statuses: str) -> Action | None:
        """A session of ours of one of these statuses, but not the first one on its device."""
        desk = self._tenant.desk
        ours = [each for each in desk.everything() if each.kind == "LiveResponse" and each.source == "PublicApi"]
        found = [each for each in ours if desk.progress(each).status in statuses]
        later = [each for each in found if any(one.machine_id == each.machine_id for one in ours if one is not each)]
        return self._random.choice(later) if later else None

    def _restarts(self) -> None:
        device = self._device()
        self._tenant.reboot(device)
        self._happens("a device restarts", f"device {device[:8]} restarts")

    def _replaces(self) -> None:
        """Somebody puts another file into the library in the place of ours, or of the operator's; those come back."""
        name = self._random.choice([LINUX, LINUX, *PINS])
        self._tenant.library.put(name, b"something else", "somebody")
        self._happens("a file is replaced", f"{name} is replaced in the library")
        if name in PINS:
            self._clockwork.after(self._random.uniform(10, 200), partial(self._put_back, name))

    def _put_back(self, name: str) -> None:
        self._tenant.library.put(name, PINS[name], "operator")
