"""What happens in the tenant meanwhile: incidents appear and change, people act, devices go and come back.

Synthetic throughout: shapes after the facts on Graph incidents and Defender machine actions.
"""

from __future__ import annotations

import atexit
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from local.tenant.evidence import device_evidence, file_evidence, process_evidence
from local.tenant.samples import fleet, fleet_id
from local.tenant.wire import ApiError
from responders._details import FACTS_FRESH

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from random import Random

    from local.tenant.model import Tenant
    from tests.simulation.clockwork import Clockwork
    from tests.simulation.injections import Injected

Json = dict[str, Any]
FLEET = 60
_FILES = {"malicious": "a" * 40, "suspicious": "b" * 40, "unknown": "c" * 40}
"""The file of which an alert of a verdict tells: none is told with two."""

_CALLED = {
    "isolate": "a person isolates",
    "unisolate": "a person releases",
    "collectInvestigationPackage": "a person collects",
    "restrictCodeExecution": "a person restricts",
    "unrestrictCodeExecution": "a person unrestricts",
}
_GRAVITY = ("unknown", "informational", "low", "medium", "high")
ATTACKED = range(2, 14)
"""Places in the fleet of the workstations that incidents are about; 0 is the domain controller."""

LEFT = "0" * 40
"""A device that incidents name and Defender no longer knows."""

PROTECTED = 3
"""The place of the device that the settings protect, by tag."""

PROTECTED_TAG = "Payroll"


@cache
def _packages() -> Path:
    folder = TemporaryDirectory(prefix="bulkhead-packages-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def package_of(device: str) -> Path:
    """The investigation package of a device: a small zip file of its own, whichever action collects it."""
    path = _packages() / f"{device}.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("Processes/processes.csv", f"Synthetic,{device}\n" * 50)
    return path


def goes_away(clockwork: Clockwork, tenant: Tenant, device: str, seconds: float) -> None:
    """Have a device be away for so long."""
    presence = tenant.fleet.one(device).presence
    presence.set(clockwork.now(), online=False)
    clockwork.after(seconds, lambda: presence.set(clockwork.now(), online=True))


_UNSAID = frozenset({"", "unknown", "unknownfuturevalue"})


class TenantLife:
    """The seeded life of a tenant during the first `span` seconds of a history."""

    def __init__(
        self,
        clockwork: Clockwork,
        tenant: Tenant,
        span: float,
        *,
        people: bool,
        eventful: bool,
        injected: Injected,
        attacked: range = ATTACKED,
    ) -> None:
        """With `people`, analysts act in the portal too. `injected` counts what happens; `attacked` are the places
        of the devices that it is about.
        """
        self._injected = injected
        self._clockwork = clockwork
        self._random = clockwork.random
        self._tenant = tenant
        self._numbers = iter(range(1001, 9999))
        self.incidents: list[str] = []
        self.merged: set[str] = set()
        self.merged_at: dict[str, datetime] = {}
        self._tagged: dict[tuple[str, str], datetime] = {}
        self.attacked = attacked
        for machine in fleet(FLEET, seen=clockwork.now()):
            tenant.fleet.put(machine | {"package_file": str(package_of(machine["id"]))})
        self.tag(PROTECTED, PROTECTED_TAG)
        if not eventful:
            return
        happenings: list[Callable[[], None]] = [self._incident] * 5 + [self._grow] * 4
        happenings += [self._change, self.assign] * 2
        happenings += [self._away, self._resolve, self._reclassify, self._merge, self._merge]
        if people:
            happenings += [self._person_isolates, self._person_releases, self._person_cancels] * 2
            happenings += [self._person_collects, self._person_tags]
        first = self._random.uniform(1, 60)
        for _ in range(self._random.choice([1, 1, 1, 6])):
            clockwork.after(first + self._random.random(), self._incident)
        for _ in range(self._random.randint(4, 14)):
            clockwork.after(self._random.uniform(15, span), self._random.choice(happenings))

    def quiet(self, *, away: bool, parked: bool) -> None:
        """Let every device return, and every action that people asked for come to its end. With `away`, some devices do
        not return, or only after days. With `parked`, what waits behind others stays so: the product has to see to it.
        """
        now = self._clockwork.now()
        for place in range(FLEET):
            presence = self._tenant.fleet.one(fleet_id(place)).presence
            gone = away and place in self.attacked and self._random.random() < 0.6
            presence.set(now, online=not gone)
            self._injected["a device stays away", "tenant"] += gone
            if gone and self._random.random() < 0.6:
                returns = now + timedelta(days=self._random.uniform(0.5, 8))
                presence.set(returns, online=True)
        for action in self._tenant.desk.everything():
            stuck = action.source == "Portal" or (action.behind_releases and not parked)
            if stuck and not self._tenant.desk.progress(action).final:
                self._tenant.desk.force(action.id, "Succeeded")

    def _device(self) -> str:
        return fleet_id(self._random.choice(self.attacked))

    def _incident(self) -> None:
        incident = str(next(self._numbers))
        now = self._clockwork.now()
        severity = self._random.choice(["high", "high", "medium", "low", "informational", "unknown"])
        raw: Json = {
            "id": incident,
            "displayName": f"Synthetic incident {incident}",
            "severity": severity,
            "createdDateTime": now.isoformat(),
            "alerts": [self._alert(severity) for _ in range(self._random.randint(1, 2))],
        }
        self._tenant.incidents.put(raw, visible_in=self._random.choice([0, 0, 0, 5, 40]))
        self.incidents.append(incident)
        self._happens("an incident appears", f"incident {incident} appears, {severity}")

    def _alert(self, severity: str) -> Json:
        now = self._clockwork.now()
        handled = self._random.random() < 0.15
        verdict = self._random.choice(["malicious", "suspicious", "unknown"])
        remediation = "remediated" if handled else self._random.choice(["active", "none"])
        evidence: list[Json] = [device_evidence(fleet_id(0), now, roles=["scanned"])]
        named = [self._device() for _ in range(self._random.choice([1, 1, 1, 2, 3, 8]))]
        named += [LEFT] if self._random.random() < 0.05 else []
        for device in dict.fromkeys(named):
            evidence.append(device_evidence(device, now, roles=self._random.choice([["compromised"], ["contextual"]])))
            evidence.append(process_evidence(device, now, verdict=verdict, remediation=remediation))
            file = file_evidence(device, now, verdict=verdict, remediation=remediation)
            evidence.append({**file, "fileDetails": {**file["fileDetails"], "sha1": _FILES[verdict]}})
        return {
            "title": "Synthetic alert",
            "severity": severity,
            "status": "resolved" if handled else "new",
            "createdDateTime": now.isoformat(),
            "evidence": evidence,
        }

    def _happens(self, what: str, told: str) -> None:
        self._injected[what, "tenant"] += 1
        self._clockwork.note(told)

    def _change_one(self, members: Json, what: str, told: str = "") -> None:
        if self.incidents:
            incident = self._random.choice(self.incidents)
            self._tenant.incidents.change(incident, members)
            self._happens(what, f"incident {incident}: {told or what}")

    def _grow(self) -> None:
        self._change_one({"alerts": [self._alert(self._random.choice(["high", "medium", "low"]))]}, "a new alert")

    def _change(self) -> None:
        self._rate(self._random.choice(["low", "medium", "high"]))

    def _worsen(self) -> None:
        self._rate("high")

    def _rate(self, severity: str) -> None:
        """Defender gives an incident a severity: perhaps the one that it has."""
        if self.incidents:
            incident = self._random.choice(self.incidents)
            by = _GRAVITY.index(severity) - _GRAVITY.index(self._tenant.incidents.raw(incident)["severity"])
            self._tenant.incidents.change(incident, {"severity": severity})
            what = "a severity rises" if by > 0 else "a severity falls" if by else "a severity stays"
            self._happens(what, f"incident {incident}: severity {severity}")

    def assign(self) -> None:
        """Somebody takes an incident over: a new version of it in which nothing is news."""
        who = f"analyst{next(self._numbers)}@example.com"
        self._change_one({"assignedTo": who}, "assigned", f"assigned to {who}")

    def _resolve(self) -> None:
        self._change_one({"status": "resolved"}, "resolved")

    def _reclassify(self) -> None:
        self._change_one({"classification": "falsePositive", "status": "resolved"}, "false positive")

    def _merge(self) -> None:
        if len(self.incidents) > 1:
            self.merge(*self._random.sample(self.incidents, 2))

    def merge(self, source: str, into: str) -> bool:
        """Defender merges two incidents; False where one of them was merged away before."""
        try:
            self._tenant.incidents.merge(source, into)
        except ApiError:
            return False
        self.merged |= {source, into}
        self.merged_at[source] = self._clockwork.now()
        self._happens("merged", f"incident {source} is merged into {into}")
        return True

    def unclassified(self, incident: str) -> bool:
        """Whether nobody has said yet what an incident was."""
        return str(self._tenant.incidents.raw(incident)["classification"] or "").lower() in _UNSAID

    def _away(self) -> None:
        device = self._device()
        self._happens("a device is away", f"device {device[:8]} is away")
        goes_away(self._clockwork, self._tenant, device, self._random.uniform(30, 1200))

    def tag(self, place: int, tag: str) -> None:
        """Somebody gives a device a tag."""
        shown = self._tenant.fleet.one(fleet_id(place)).shown
        shown["machineTags"] = [*shown["machineTags"], tag]
        self._tagged.setdefault((fleet_id(place), tag), self._clockwork.now())

    def tagged_long(self, device: str, tag: str, at: datetime) -> bool:
        """Whether a device had a tag already when its details were last to be read before `at`."""
        return at - self._tagged[device, tag] > FACTS_FRESH + timedelta(seconds=75)

    def _person(self, what: str, device: str) -> None:
        try:
            self._tenant.person_orders(what, device)
        except ApiError:
            return
        self._happens(_CALLED[what], f"a person: {what} {device[:8]}")

    def _person_isolates(self) -> None:
        self.isolated_by_a_person(self._device())

    def isolated_by_a_person(self, device: str) -> None:
        """Somebody isolates a device in the portal."""
        self._person("isolate", device)

    def _person_releases(self) -> None:
        isolated = [fleet_id(place) for place in self.attacked if self._tenant.desk.isolated(fleet_id(place))]
        self._person("unisolate", self._random.choice(isolated) if isolated else self._device())
        if self._random.random() < 0.5:  # Defender comes to hold it for worse, from what it knew already
            self._clockwork.after(self._random.uniform(10, 180), self._worsen)

    def _person_collects(self) -> None:
        self._person("collectInvestigationPackage", self._device())

    def people_restrict(self, random: Random, span: float) -> None:
        """People restrict and unrestrict in the portal too, for `span` seconds; `random` says when."""
        for _ in range(random.randint(3, 10)):
            what = random.choice(["restrictCodeExecution", "unrestrictCodeExecution"])
            self._clockwork.after(random.uniform(30, span), partial(self._person_restricts, what))

    def _person_restricts(self, what: str) -> None:
        met = "RestrictCodeExecution" if what == "unrestrictCodeExecution" else ""
        about = [each.machine_id for each in self._tenant.desk.everything() if each.kind == met]
        self._person(what, self._random.choice(about) if about else self._device())

    def _person_cancels(self) -> None:
        running = [each for each in self._tenant.desk.everything() if not self._tenant.desk.progress(each).final]
        if running:
            action = self._random.choice(running)
            self._tenant.person_cancels(action.id)
            self._happens("a person cancels", f"a person cancels {action.kind} on {action.machine_id[:8]}")

    def _person_tags(self) -> None:
        place = self._random.choice(self.attacked)
        self.tag(place, PROTECTED_TAG)
        self._happens("a person tags", f"device {fleet_id(place)[:8]} is tagged as protected")
