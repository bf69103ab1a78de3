"""A ransomware night in virtual time: hundreds of devices at the documented limits, caps raised. `make storm`.

Prints what the governor makes of Defender's 100 isolations a minute, in which order, at what cost in calls and in time
of this machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import resource
import sys
import time
from collections import Counter
from datetime import timedelta

from local.tenant.evidence import device_evidence, process_evidence
from local.tenant.samples import fleet, fleet_id
from shared.models.action import State
from shared.models.rates import DEFAULT_RATES
from tests.simulation.clockwork import START
from tests.simulation.dangers import Dangers
from tests.simulation.world import World

LIMIT = 100
_LOOK = 10.0
_FIRST = 20
_PATIENCE = timedelta(hours=6)
_IN_HAND = timedelta(seconds=10)
"""What is high and gets its call so soon after was in a worker's hand, and a call was kept for it."""


def storm(devices: int, share: int = 1) -> tuple[list[str], bool]:
    """Raise one incident per device at once, half of them high, and see all isolated, with one of `share` calls that
    the documented limits allow. The findings; whether good.
    """
    world = World(1, Dangers(people=False), eventful=False)
    world.caps = f'{{"per_incident": 5, "per_hour": {devices * 2}, "per_day": {devices * 2}, "fleet_share": 1.0}}'
    world.rates = json.dumps({api: _part(rate, share) for api, rate in DEFAULT_RATES.items() if isinstance(rate, str)})
    world.platform.restart_all()
    for machine in fleet(devices + _FIRST, seen=START):
        world.tenant.fleet.put(machine)
    world.clockwork.run(START + timedelta(seconds=90))
    raised = world.clockwork.now()
    for place in range(devices):
        world.tenant.incidents.put(_incident(place, raised.isoformat()))
        world.life.incidents.append(str(5000 + place))
    began, cpu = time.perf_counter(), time.process_time()
    while world.clockwork.now() < raised + _PATIENCE:
        world.clockwork.run(world.clockwork.now() + timedelta(seconds=_LOOK))
        if _contained(world) == devices:
            break
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    ours = [effect for effect in world.record.effects if effect.kind == "Isolate"]
    times = [(effect.at - raised).total_seconds() for effect in ours]
    calls = Counter(api for _, api, _ in world.record.calls)
    busiest = max(sum(start <= moment < start + 60 for moment in times) for start in times)
    medium = [effect.row for effect in ours if effect.row and _place(effect.comment) % 2]
    high = [effect.row for effect in ours if effect.row and _place(effect.comment) % 2 == 0]
    before = sum(any(each.created < one.since < each.since for each in high) for one in medium)
    delayed = sum(any(each.created < one.since < each.since - _IN_HAND for each in high) for one in medium)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    good = _contained(world) == devices and busiest <= LIMIT // share and not world.tenant.journal.violations()
    told = [
        f"{devices} devices: {len(ours)} isolations accepted, {_contained(world)} contained",
        f"  first after {times[0]:.0f} s, last after {times[-1] / 60:.1f} min (virtual)",
        f"  {len(ours) / (times[-1] / 60):.0f} a minute on average, {busiest} in the busiest, allowed {LIMIT // share}",
        f"  {before} of {len(medium)} of medium severity got their call before a high one that was known",
        f"  {delayed} of them more than {_IN_HAND.seconds} s before",
        "  calls per device: " + ", ".join(f"{api} {count / devices:.1f}" for api, count in sorted(calls.items())),
        f"  this machine: {cpu:.0f} s of CPU, {seconds:.0f} s, {memory:.0f} MiB at the most",
    ]
    return told, good


def _part(rate: str, share: int) -> str:
    return re.sub(r"\d+", lambda limit: str(max(1, int(limit[0]) // share)), rate)


def _contained(world: World) -> int:
    done = {State.SUCCEEDED, State.ELSEWHERE}
    return sum(action.responder == "isolate" and action.state in done for action in world.record.actions())


def _place(comment: str) -> int:
    return int(comment.partition("incident ")[2].partition(".")[0]) - 5000


def _incident(place: int, now: str) -> dict[str, object]:
    device = fleet_id(place + _FIRST)
    evidence = [
        device_evidence(device, START, roles=["compromised"]),
        process_evidence(device, START, verdict="malicious", remediation="active"),
    ]
    severity = "high" if place % 2 == 0 else "medium"
    alert = {"title": "Synthetic", "severity": severity, "status": "new", "createdDateTime": now, "evidence": evidence}
    return {
        "id": str(5000 + place),
        "displayName": "Synthetic storm",
        "severity": severity,
        "createdDateTime": now,
        "alerts": [alert],
    }


def main() -> int:
    """Play the storms that were asked for."""
    parser = argparse.ArgumentParser(prog="storm", description=__doc__)
    parser.add_argument("devices", type=int, nargs="*", default=[300, 1000])
    parser.add_argument("--share", type=int, default=1, help="allow only one of so many calls")
    logging.disable(logging.CRITICAL)
    fine, asked = True, parser.parse_args()
    for devices in asked.devices:
        told, good = storm(devices, asked.share)
        print("\n".join(told), flush=True)
        fine = fine and good
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
