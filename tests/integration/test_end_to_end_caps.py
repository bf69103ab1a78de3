"""More devices than may be isolated: the rest waits for a person, and that is said."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local.tenant import samples
from shared.config import Caps
from shared.models.action import State
from tests.integration.stage_harness import Play, eventually, played, several

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

WIDE, SECOND = "6001", "6002"
DEVICES = [samples.fleet_id(number) for number in range(10, 17)]
OTHERS = [samples.fleet_id(number) for number in range(20, 22)]
FLEET = 120
SHARE = 6


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Seven devices with the default caps of five per incident; then two more: one fits the fleet's share."""
    defaults = json.dumps(Caps().model_dump())
    with played(tmp_path_factory.mktemp("caps"), fleet=FLEET, ISOLATION_CAPS=defaults) as stage:
        stage.raise_incidents(several(WIDE, DEVICES))
        eventually(lambda: len(isolated(stage, DEVICES)) == 5, "five devices are isolated")
        stage.raise_incidents(several(SECOND, OTHERS))
        stage.await_over(WIDE, SECOND)
        yield stage


def isolated(play: Play, devices: list[str]) -> list[str]:
    return [device for device in devices if play.isolated(device)]


def states(play: Play, incident: str) -> list[str]:
    return sorted(each.state for each in play.ledger.actions(incident) if each.responder == "isolate")


def test_five_of_seven_devices_are_isolated_and_two_wait(play: Play) -> None:
    assert len(isolated(play, DEVICES)) == 5
    assert states(play, WIDE) == [State.SUCCEEDED] * 5 + [State.WAITING] * 2
    posts = [each for each in play.requests("POST", "/isolate") if each["path"].startswith("/api/machines/")]
    assert len(posts) == SHARE


def test_chat_says_who_waits_and_why(play: Play) -> None:
    ended = play.told(WIDE)[-1]
    assert ended.kind == "ended"
    assert ended.text.count("waits for a person: the cap of 5 isolations per incident is reached") == 2
    assert f"bulkhead approve {WIDE}" in ended.text


def test_what_waits_is_collected_from_all_the_same(play: Play) -> None:
    packages = [name for name in play.archived(WIDE) if name.endswith(".zip")]
    assert len(packages) == 7


def test_no_more_devices_are_held_than_the_share_of_the_fleet(play: Play) -> None:
    assert len(isolated(play, OTHERS)) == 1
    assert states(play, SECOND) == [State.SUCCEEDED, State.WAITING]
    assert f"the cap of {SHARE} devices held at once (5% of {FLEET}) is reached" in play.told(SECOND)[-1].text
