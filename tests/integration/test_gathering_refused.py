"""What cannot be gathered: by whom, for how long, and what people hear, where no machine action says so beforehand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from responders._archive import Archive
from responders._interface import Clear, Desk, Finished, Gathered, Lane, Standing
from responders._lacks import REMEMBERED, lacks
from shared.errors import BulkheadError, Denied, NotFound, Rejected
from shared.models.action import Action, State
from shared.models.device import MachineAction
from tests.contract.test_clients_stand import fake_stand
from tests.integration.ticking import Clients, Ticking, ticking
from tests.unit.incidents import action


class Question:
    """A responder that asks nothing of the device, and is answered by `says`: an error, or nothing."""

    name = "hunt"
    lane = Lane.COLLECT
    api = "incidents"
    kinds: tuple[str, ...] = ()
    permissions = ("ThreatHunting.Read.All",)
    contains = False
    gathers = True

    def __init__(self) -> None:
        self.says: BulkheadError | None = None
        self.asked = 0

    def standing(self, action: Action, listed: object, own: str, ours: str) -> Standing:
        del action, listed, own, ours
        return Clear()

    def send(self, devices: object, action: Action, comment: str) -> MachineAction:
        del devices, action, comment
        raise AssertionError("nothing is sent")

    def gather(self, action: Action, desk: Desk) -> Gathered:
        del action
        self.asked += 1
        assert desk.devices is not None
        if self.says:
            raise self.says
        return Finished(())


class Bench:
    def __init__(self, made: Ticking, told: list[str]) -> None:
        self.question = Question()
        self.told = told
        self.clock = made.clock
        self.ports = replace(made.ports, responders={"hunt": self.question})

    def gathered(self, incident: str) -> Action:
        """One action of an incident, once it was tried."""
        now = self.clock.now()
        made = action(incident=incident, responder="hunt", state=State.FETCHING, created=now, since=now, due=now)
        assert self.ports.ledger.add(made)
        Archive(self.ports).run(now + timedelta(minutes=1))
        found = self.ports.ledger.action(incident, made.key)
        assert found
        return found


class Slate:
    def __init__(self) -> None:
        self.told: list[str] = []

    def post(self, payload: object) -> None:
        self.told.append(str(payload))


@pytest.fixture
def bench() -> Bench:
    slate = Slate()
    with fake_stand() as stand:
        clients = Clients(stand.incidents, stand.devices, stand.downloads, {"slack": slate})
        return Bench(ticking(stand.clock, clients), slate.told)


LACKING = [
    (Denied("403", status=403, code="DisabledFeature"), "turned off in this tenant"),
    (Denied("403", status=403, code="LicenseRequired"), "not licensed"),
    (Rejected("402", status=402), "not licensed"),
]


@pytest.mark.parametrize(("error", "words"), LACKING)
def test_what_the_tenant_lacks_is_remembered_for_a_day_and_told_once(
    bench: Bench, error: BulkheadError, words: str
) -> None:
    bench.question.says = error
    for incident in ("1", "2"):
        over = bench.gathered(incident)
        assert over.state is State.UNAVAILABLE
        assert words in over.detail
        assert "package" not in over.todo.partition(";")[0] or "Plan 2" in over.todo
    assert list(lacks(bench.ports)) == ["hunt"]
    assert len([text for text in bench.told if words in text]) == 1
    bench.clock.advance(REMEMBERED.total_seconds())
    assert not lacks(bench.ports)


def test_people_hear_when_it_can_be_had_again(bench: Bench) -> None:
    bench.question.says = LACKING[0][0]
    bench.gathered("1")
    bench.question.says = None
    assert bench.gathered("2").state is State.SUCCEEDED
    assert "over: " in bench.told[-1]


def test_a_missing_role_is_named_and_nothing_is_said_of_packages(bench: Bench) -> None:
    bench.question.says = Denied("403 Forbidden", status=403, code="Forbidden")
    over = bench.gathered("1")
    assert over.state is State.FAILED
    assert over.detail.startswith("an app role is missing")
    assert "ThreatHunting.Read.All" in over.todo
    assert "package" not in over.todo
    assert not lacks(bench.ports)


def test_what_is_not_there_is_no_package_that_is_not_ready(bench: Bench) -> None:
    bench.question.says = NotFound("404", status=404, code="ResourceNotFound")
    over = bench.gathered("1")
    assert over.state is State.FAILED
    assert over.detail.startswith("Defender does not know the device")
