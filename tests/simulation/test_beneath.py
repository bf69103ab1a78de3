"""A person isolates a device right before we do, and Defender shows that only once ours lies on top of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import pytest

from local.tenant.evidence import device_evidence, process_evidence
from local.tenant.samples import fleet_id
from tests.simulation.dangers import Dangers
from tests.simulation.invariants import INVARIANTS
from tests.simulation.world import World

DEVICE, INCIDENT = fleet_id(5), "1001"
CALM = Dangers(people=False, orders=False, scenes=False, hunts=False, reports=False, instances=1)
SEED = 7
"""Its tenant refuses a second isolation only while the first is pending, and shows either after half a minute only."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _attacked(world: World) -> None:
    now = world.clockwork.now()
    evidence = [
        device_evidence(DEVICE, now, roles=["compromised"]),
        process_evidence(DEVICE, now, verdict="malicious", remediation="active"),
    ]
    alert = {"title": "Synthetic alert", "severity": "high", "status": "new", "createdDateTime": now.isoformat()}
    raw = {"id": INCIDENT, "displayName": "Synthetic", "severity": "high", "createdDateTime": now.isoformat()}
    world.tenant.incidents.put(raw | {"alerts": [alert | {"evidence": evidence}]}, visible_in=0)
    world.life.incidents.append(INCIDENT)


def _isolated_by_a_person(world: World) -> None:
    made = world.tenant.person_orders("isolate", DEVICE)

    def lands() -> None:
        world.tenant.desk.force(made["id"], "Succeeded")

    world.clockwork.after(0.5, lands)


def _false_positive(world: World) -> None:
    world.tenant.incidents.change(INCIDENT, {"classification": "falsePositive", "status": "resolved"})


def test_a_false_positive_does_not_undo_what_a_person_isolated_before_us() -> None:
    world = World(SEED, CALM, eventful=False)
    assert world.tenant.settings.duplicate_isolate == "error"
    for at, happens in ((100, _attacked), (103, _isolated_by_a_person), (700, _false_positive)):
        world.clockwork.after(at, partial(happens, world))
    assert world.run()
    done = [(each.kind, each.source) for each in world.tenant.desk.of(DEVICE) if each.kind in {"Isolate", "Unisolate"}]
    assert done == [("Isolate", "Portal"), ("Isolate", "PublicApi")]
    assert [each.detail for each in world.record.actions() if each.responder == "release"] == [
        "it was isolated by analyst@contoso.com before us, and that stands"
    ]
    assert [f"{each.__name__}: {said}" for each in INVARIANTS for said in each(world) if said] == []
