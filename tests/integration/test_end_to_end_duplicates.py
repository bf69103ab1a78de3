"""A person isolates the same device a moment before us, while Defender does not show it yet.

Nothing can be known of it beforehand; what Defender makes of our own call differs (`duplicate_isolate`), and either way
it must be seen for somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.tenant import samples
from shared.models.action import State
from tests.integration.stage_harness import PATIENCE, Json, Play, eventually, moment, played

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

TAKEN, PLAIN = "5001", "5002"
DEVICE = {TAKEN: samples.fleet_id(5), PLAIN: samples.fleet_id(6)}
HIDDEN = 8.0
SLOW: Json = {
    "visibility_seconds": HIDDEN,
    "durations": {"Isolate": {"pending": 5, "running": 5}, "CollectInvestigationPackage": {"pending": 1, "running": 1}},
}


@pytest.fixture(scope="module", params=["error", "silent"])
def play(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Two incidents; on the device of the first, a person is just ahead of us."""
    folder = tmp_path_factory.mktemp(f"duplicates-{request.param}")
    tenant = SLOW | {"duplicate_isolate": request.param}
    with played(folder, tenant=tenant, tolerated=(("double_isolate", DEVICE[TAKEN]),)) as stage:
        stage.raise_incidents(*(samples.harmful_incident(each, device_id=device) for each, device in DEVICE.items()))
        stage.control("POST", "people/isolate", {"machineId": DEVICE[TAKEN], "by": "alice@contoso.com"})
        eventually(lambda: bool(stage.requests("POST", f"/{DEVICE[TAKEN]}/isolate")), "our own call", PATIENCE)
        stage.await_over(*DEVICE)
        yield stage


def test_the_device_has_one_isolation_and_it_is_the_persons(play: Play) -> None:
    [action] = play.actions(DEVICE[TAKEN], "Isolate")
    assert (action["requestor"], action["status"]) == ("alice@contoso.com", "Succeeded")


def test_ours_is_settled_as_done_by_somebody_else_and_holds_nothing(play: Play) -> None:
    assert play.action(TAKEN, "isolate").state is State.ELSEWHERE
    assert play.ledger.slot(DEVICE[TAKEN]) is None
    assert all("ours" not in spent.id for spent in play.ledger.caps().value.sent)
    assert len(play.ledger.caps().value.sent) == 1


def test_people_hear_whose_it_is_and_not_before_it_is_final(play: Play) -> None:
    [action] = play.actions(DEVICE[TAKEN], "Isolate")
    told = play.told(TAKEN)
    assert "alice(at)contoso[.]com" in told[-1].text
    final = moment(action["lastUpdateDateTimeUtc"])
    assert all(each.at > final for each in told if each.kind in {"contained", "ended"})


def test_the_package_is_archived_all_the_same(play: Play) -> None:
    assert len(play.archived(TAKEN)) == 3


def test_an_action_that_defender_does_not_show_at_first_is_not_given_up(play: Play) -> None:
    """Our own isolation is 404 and unlisted for as long; it is neither sent again nor taken for lost."""
    [action] = play.actions(DEVICE[PLAIN], "Isolate")
    assert action["status"] == "Succeeded"
    assert len(play.requests("POST", f"/{DEVICE[PLAIN]}/isolate")) == 1
    assert play.kinds_told(PLAIN) == ["started", "contained", "ended"]
