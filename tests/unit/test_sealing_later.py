"""What happens between the end of gathering and the row that says so: a key that is out of reach, a host that dies."""

from dataclasses import replace

import pytest

from responders._access import Stored
from responders._archive import WITHOUT_A_WORD
from responders._calls import FETCHES
from responders._flow import Flow
from responders._run import run_folder
from responders._verify import check
from shared.errors import BulkheadError, Denied, Transient
from shared.models.action import Action, State
from shared.models.archive.checkpoint import PublicKey
from tests.fakes.clients import Mishap, Mishaps
from tests.fakes.signing import FakeMac, FakeSigner
from tests.fakes.storage import FakeEvidence
from tests.unit.order_stand import HOST, NOTHING, Stand

CUT = Mishaps(lambda call: Mishap("truncate") if call == "downloads.open" else None)


class Vault(FakeSigner):
    """A key that may be out of reach."""

    refuses: BulkheadError | None = None

    @property
    def key(self) -> PublicKey:
        if self.refuses:
            raise self.refuses
        return super().key


def gathered(vault: Vault, mishaps: Mishaps = NOTHING) -> tuple[Stand, Action]:
    stand = Stand()
    stand.downloads.mishaps = mishaps
    stand.ports = replace(stand.ports, signer=vault)
    stand.flow = Flow(stand.ports)
    stand.harm(HOST)
    stand.wait(3600)
    return stand, stand.action("collect_package")


@pytest.mark.parametrize("why", [Denied("Key Vault answered 403", status=403), Transient("Key Vault is away")])
def test_what_is_whole_is_sealed_once_the_key_is_there_again(why: BulkheadError) -> None:
    """An outage of hours does not leave evidence unsealed for good, and people hear of it."""
    vault = Vault()
    vault.refuses = why
    stand, action = gathered(vault)
    assert action.state is State.FETCHING
    assert "is whole and cannot be sealed now" in stand.told()
    names = list(stand.ports.evidence.names(run_folder(action)))
    assert [each for each in names if each.endswith((".zip", "checkpoint.json"))] == [
        f"{run_folder(action)}/data/package/investigation-package.zip"
    ]
    vault.refuses = None
    stand.wait(1200)
    done = stand.action("collect_package")
    assert (done.state, len(done.artefacts) > 0) == (State.SUCCEEDED, True)
    assert check(Stored(stand.ports.evidence, run_folder(done))).whole


def test_what_was_sealed_as_missing_stays_so_where_its_worker_died_before_the_row() -> None:
    """The package can be had by then: it is no part of the sealed run, and the next round gets it."""
    stand, action = gathered(Vault(), CUT)
    assert action.state is State.FAILED
    assert "the download ended after" in action.detail  # and is not asked for without end, link by link
    sealed = dict(stand.evidence.stored)
    entry = stand.ports.ledger.open_action(action.key)
    assert entry
    told = {"state": State.FETCHING, "finished_at": None, "fetches": 3, "due": stand.clock.now()}
    stand.ports.ledger.move(entry, action.model_copy(update=told))
    stand.downloads.mishaps = Mishaps()
    stand.wait(600)
    again = stand.action("collect_package")
    assert again.state is State.FAILED
    assert "bulkhead retry" in again.todo
    assert stand.evidence.stored == sealed
    assert check(Stored(stand.ports.evidence, run_folder(again))).whole


@pytest.mark.parametrize("fetches", [FETCHES - 1, WITHOUT_A_WORD])
def test_what_was_sealed_as_whole_is_not_given_up_where_the_last_call_cannot_read_that(fetches: int) -> None:
    """Storage is away for its first look, and there again as it gives up; or its workers never told."""
    stand, action = gathered(Vault())
    assert action.state is State.SUCCEEDED
    sealed = dict(stand.evidence.stored)
    away = [fetches < WITHOUT_A_WORD]

    def first(call: str) -> None:
        if call == "evidence.read" and away.pop():
            away.append(False)
            raise Transient("storage cannot be reached")
        away[:] = [False]

    evidence = FakeEvidence(mac=FakeMac().of, before=first)
    evidence.stored = stand.evidence.stored
    stand.ports = replace(stand.ports, evidence=evidence)
    stand.flow = Flow(stand.ports)
    entry = stand.ports.ledger.open_action(action.key)
    assert entry
    told = {"state": State.FETCHING, "finished_at": None, "fetches": fetches, "due": stand.clock.now(), "artefacts": ()}
    stand.ports.ledger.move(entry, action.model_copy(update=told))
    stand.wait(60)
    again = stand.action("collect_package")
    assert (again.state, again.detail) == (State.SUCCEEDED, action.detail)
    assert set(again.artefacts) == set(action.artefacts)
    assert evidence.stored == sealed
