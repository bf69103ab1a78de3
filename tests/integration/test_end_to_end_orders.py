"""What people order through the queue, over the real host: approve what waits, release it, hold everything."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from local.tenant import samples
from responders._cases import ORDERED
from responders._ports import ORDERS
from shared.models.action import State
from shared.models.asked import OrderRecord, Stage
from tests.integration.stage_harness import Play, eventually, played, several

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

INCIDENT, HELD = "6101", "6102"
DEVICE, OTHER = samples.fleet_id(10), samples.fleet_id(11)
FLEET = 120
CAPS = json.dumps({"per_incident": 0, "per_hour": 10, "per_day": 50, "fleet_share": 0.5})


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """One device whose isolation waits, since the caps allow none."""
    with played(tmp_path_factory.mktemp("orders"), fleet=FLEET, ISOLATION_CAPS=CAPS) as stage:
        stage.raise_incidents(several(INCIDENT, [DEVICE]))
        stage.await_over(INCIDENT)
        yield stage


def message(kind: str, **members: object) -> str:
    order = {"id": str(uuid.uuid4()), "kind": kind, "by": "Ann", "at": datetime.now(UTC).isoformat()}
    return json.dumps(order | members)


def answered(play: Play, text: str, times: int = 1) -> OrderRecord:
    """Send an order, and see its last answer."""
    for _ in range(times):
        play.queues.send(ORDERS, text)
    order = json.loads(text)["id"]

    def record() -> OrderRecord | None:
        entry = play.ledger.one(OrderRecord, ORDERED, order)
        return entry.value if entry and entry.value.state.answered else None

    eventually(lambda: record() is not None, f"answered: {text}", story=play.story)
    found = record()
    assert found
    return found


def test_what_waits_is_approved_and_contained_and_its_people_hear_of_it(play: Play) -> None:
    assert play.action(INCIDENT, "isolate").state is State.WAITING
    assert f"bulkhead approve {INCIDENT}" in play.told(INCIDENT)[-1].text
    assert answered(play, message("approve", incident=INCIDENT), times=2).state is Stage.DONE
    eventually(lambda: play.isolated(DEVICE), "isolated", story=play.story)
    play.await_over(INCIDENT)
    assert f"bulkhead release {DEVICE}" in play.told(INCIDENT)[-1].text
    assert len(play.ours(DEVICE, "Isolate")) == 1


def test_it_is_released_and_stays_so(play: Play) -> None:
    record = answered(play, message("release", device=DEVICE, why="false alarm"), times=2)
    assert (record.state, "is done" in record.answer) == (Stage.DONE, True)
    assert not play.isolated(DEVICE)
    assert len(play.ours(DEVICE, "Unisolate")) == 1
    assert play.ledger.slot(DEVICE) is None


def test_while_held_nothing_is_sent(play: Play) -> None:
    assert answered(play, message("hold", why="maintenance")).state is Stage.DONE
    assert "everything is held" in answered(play, message("isolate", device=OTHER)).answer
    assert answered(play, message("resume")).state is Stage.DONE
    assert "is done" in answered(play, message("isolate", device=OTHER)).answer
    assert play.isolated(OTHER)
    assert len(play.ours(OTHER, "Isolate")) == 1
