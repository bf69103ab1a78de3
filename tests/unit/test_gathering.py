"""What becomes of an action after a look at what its machine action left: over, again, or another leg."""

import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from responders._archive import after
from responders._flow import Flow
from responders._interface import Again, Desk, Finished, Gathered, NotObtainable, Onward
from responders._planning import lost_reason
from responders.collect_package import CollectPackage
from shared.models.action import Action, Artefact, State, goal_of
from shared.models.archive.checkpoint import PublicKey
from tests.fakes.signing import FakeSigner
from tests.unit.incidents import NOW, action, state
from tests.unit.order_stand import HOST, INCIDENT, Stand

SOON = timedelta(seconds=30)
FILE = Artefact(name="data/a", size=1, sha256="0" * 64)
FETCHING = action(
    responder="collect_package",
    state=State.FETCHING,
    machine_action="leg-1",
    attempt=3,
    tries=1,
    doubts=2,
    fetches=4,
    accepted_at=NOW,
)


class Defective(CollectPackage):
    """Keeps something, and ends its worker."""

    def gather(self, action: Action, desk: Desk) -> Gathered:
        desk.keep_bytes("data/a.txt", b"a", kind="a", media_type="text/plain")
        raise KeyError(action.id, desk)


class Unfit(FakeSigner):
    """Ends who asks it for its key."""

    @property
    def key(self) -> PublicKey:
        raise KeyError("n")


@pytest.mark.parametrize("signer", [FakeSigner(), Unfit()])
def test_what_ends_its_worker_again_and_again_is_given_up_aloud(signer: FakeSigner) -> None:
    """Whatever the reason: it would come up every twelve minutes for ever, and nobody would know what it is about.
    What was gathered is sealed, unless that ends the worker as well.
    """
    stand = Stand()
    stand.harm(HOST)
    stand.wait(1)
    working = stand.ports
    stand.ports = replace(working, signer=signer, responders={**working.responders, "collect_package": Defective()})
    stand.flow = Flow(stand.ports)

    def collection() -> Action:
        return next(each for each in stand.ports.ledger.history(INCIDENT) if each.responder == "collect_package")

    for _ in range(600):
        with contextlib.suppress(KeyError):
            stand.wait(60)
        if collection().state.final:
            break
    row = collection()
    assert row.state is State.FAILED
    assert "16 workers began on it and ended without a word" in row.detail
    assert row.todo.endswith(f"bulkhead retry {row.id}")
    seals = [name for name in stand.ports.evidence.names("") if name.endswith("collect-package-01/checkpoint.json")]
    assert len(seals) == (not isinstance(signer, Unfit))
    assert row.detail.endswith("is not sealed") is isinstance(signer, Unfit)


@pytest.mark.parametrize("foreign", [True, False])
def test_what_is_gathered_ends_the_action(foreign: bool) -> None:
    before = FETCHING.model_copy(update={"foreign": foreign})
    over = after(before, Finished((FILE,), "two of three"), NOW)
    assert over.state is (State.ELSEWHERE if foreign else State.SUCCEEDED)
    assert (over.artefacts, over.detail, over.due) == ((FILE,), "two of three", None)


def test_what_is_not_to_be_had_is_no_failure_and_keeps_what_there_is() -> None:
    over = after(FETCHING, NotObtainable("the kernel is locked down", "nothing", (FILE,)), NOW)
    assert (over.state, over.detail, over.todo) == (State.UNAVAILABLE, "the kernel is locked down", "nothing")
    assert over.artefacts == (FILE,)


def test_what_is_not_done_yet_is_looked_at_again_with_what_it_knows() -> None:
    again = after(FETCHING, Again('{"part": 2}', SOON, (FILE,)), NOW)
    assert (again.state, again.progress, again.due) == (State.FETCHING, '{"part": 2}', NOW + SOON)
    assert (again.machine_action, again.fetches) == ("leg-1", 0)


def test_the_next_leg_is_sent_like_the_first_and_the_first_is_never_adopted_again() -> None:
    onward = after(FETCHING, Onward('{"part": 2}', SOON), NOW)
    assert (onward.state, onward.due, onward.progress) == (State.PLANNED, NOW + SOON, '{"part": 2}')
    assert (onward.machine_action, onward.ended, onward.before) == ("", ("leg-1",), 3)
    assert (onward.attempt, onward.tries, onward.doubts, onward.fetches) == (3, 0, 0, 0)


@pytest.mark.parametrize("gathered", [Again("{}", SOON), Onward("{}", SOON), NotObtainable("no")])
def test_artefacts_that_nobody_names_again_are_not_lost(gathered: Gathered) -> None:
    before = FETCHING.model_copy(update={"artefacts": (FILE,)})
    assert after(before, gathered, NOW).artefacts == (FILE,)


def test_what_has_begun_on_a_device_is_carried_through() -> None:
    """A later leg cleans up what an earlier one left there."""
    harmless = state(verdict="very likely harmless")
    begun: Action = after(FETCHING, Onward("{}", SOON), NOW)
    assert lost_reason(begun.model_copy(update={"before": 0}), harmless, CollectPackage())
    assert not lost_reason(begun, harmless, CollectPackage())


def test_goals_are_told_apart_by_all_of_their_parts() -> None:
    assert goal_of() == ""
    assert len({goal_of("a"), goal_of("b"), goal_of("a", "b"), goal_of("ab"), goal_of("b", "a")}) == 5
