"""The policy in force: what was given, where it can be used; else the last one that could; else nothing is touched."""

from __future__ import annotations

import pytest

from responders._ledger import Ledger
from responders._policies import REREAD, SHIPPED, Policies, digest_of
from shared.config import Caps, Protected, Settings
from shared.errors import BulkheadError, Transient
from tests.fakes.storage import FakeClock, FakeDocuments, FakeRows

GOOD = SHIPPED.read_text(encoding="utf-8")
TIGHT = GOOD.replace(
    "\nrules:\n", "\nrails: {caps: {per_hour: 2, fleet_share: 0.5}, protected: {names: [vault]}}\n\nrules:\n", 1
)
OUTER = Settings(
    DEPLOYMENT="unit",
    RESPONSE_MODE="respond",
    ISOLATION_CAPS=Caps(per_hour=7, fleet_share=0.1),
    PROTECTED=Protected(names=("till",)),
)


class Shelf:
    """What the operator gives, and what storage keeps between two instances of the app."""

    def __init__(self, text: str = GOOD) -> None:
        self.text = text
        self.error: Exception | None = None
        self.clock = FakeClock()
        self.rows, self.documents = FakeRows(), FakeDocuments()
        self.reads = 0

    def give(self) -> str:
        self.reads += 1
        if self.error:
            raise self.error
        return self.text

    def instance(self) -> Policies:
        return Policies(self.give, Ledger(self.rows), self.documents, self.clock)

    def later(self) -> None:
        self.clock.advance(REREAD.total_seconds())


def test_what_was_given_is_in_force_and_kept() -> None:
    shelf = Shelf()
    found = shelf.instance().in_force()
    assert (found.digest, found.problem, found.untried) == (digest_of(GOOD), "", False)
    assert shelf.documents.stored[f"_policies/{digest_of(GOOD)}.yaml"] == GOOD.encode()


def test_it_is_read_again_after_a_minute_and_not_before() -> None:
    shelf = Shelf()
    policies = shelf.instance()
    before = policies.in_force()
    shelf.text = TIGHT
    assert policies.in_force() is before
    shelf.later()
    assert policies.in_force().digest == digest_of(TIGHT)
    assert shelf.reads == 2


@pytest.mark.parametrize(
    "broken", ["", "version: 1", GOOD.replace("severity_at_least", "severity_at_last"), "\x00", "[" * 999]
)
def test_a_broken_policy_keeps_the_last_good_one_in_every_instance(broken: str) -> None:
    shelf = Shelf(TIGHT)
    running = shelf.instance()
    running.in_force()
    shelf.text = broken
    shelf.later()
    for policies in (running, shelf.instance()):
        found = policies.in_force()
        assert found.digest == digest_of(TIGHT)
        assert "the last good one stays" in found.problem
        assert found.tightened(OUTER).RESPONSE_MODE == "respond"


@pytest.mark.parametrize("error", [OSError("gone"), BulkheadError("no such blob"), Transient("storage is down")])
def test_a_missing_one_likewise(error: Exception) -> None:
    shelf = Shelf()
    shelf.instance().in_force()
    shelf.error = error
    found = shelf.instance().in_force()
    assert found.digest == digest_of(GOOD)
    assert str(error) in found.problem


def test_where_there_never_was_one_the_shipped_one_judges_and_nothing_is_touched() -> None:
    found = Shelf("no policy").instance().in_force()
    assert found.untried
    assert found.digest == digest_of(GOOD)
    assert found.tightened(OUTER).RESPONSE_MODE == "observe"
    assert "nothing is touched" in found.problem


def test_once_it_is_mended_it_is_in_force() -> None:
    shelf = Shelf("no policy")
    policies = shelf.instance()
    assert policies.in_force().untried
    shelf.text = TIGHT
    shelf.later()
    assert policies.in_force().problem == ""
    assert policies.in_force().tightened(OUTER).RESPONSE_MODE == "respond"


def test_a_storage_that_is_away_for_a_moment_changes_nothing() -> None:
    shelf = Shelf()
    policies = shelf.instance()
    policies.in_force()
    shelf.error = Transient("storage is down")
    shelf.later()
    assert policies.in_force().problem == ""


def test_rails_are_only_made_tighter() -> None:
    settings = Shelf(TIGHT).instance().in_force().tightened(OUTER)
    assert (settings.ISOLATION_CAPS.per_hour, settings.ISOLATION_CAPS.fleet_share) == (2, 0.1)
    assert set(settings.PROTECTED.names) == {"till", "vault"}
