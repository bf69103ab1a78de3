"""Whatever is done in whatever order, `FakeRows` and Azure Tables (Azurite) do the same.

Tests and the simulation run on the fake; this is what entitles them to.
"""

import itertools
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.storage.connections import Connection
from shared.storage.interface import Change, Conflict, Delete, Insert, Put, Replace, Rows
from tests.contract.conftest import TABLE
from tests.fakes.storage import FakeRows

KEYS = ("a", "a:1", "a:2", "b")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
STALE = "W/\"datetime'2001-01-01T00%3A00%3A00.0000000Z'\""

Seen = tuple[str, str, datetime | None]

dues = st.none() | st.integers(-2, 2).map(lambda hours: NOON + timedelta(hours=hours))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


class RowsMachine(RuleBasedStateMachine):
    """Does everything twice, and compares."""

    real: ClassVar[Rows]
    _runs: ClassVar = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeRows()
        self.partition = f"model {next(self._runs)}"
        # Every etag that a key ever had, as (the fake's, the real one's).
        self.etags: dict[str, list[tuple[str, str]]] = {key: [(STALE, STALE)] for key in KEYS}

    @rule(data=st.data(), keys=st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
    def commit(self, data: st.DataObject, keys: list[str]) -> None:
        """Draw a change for each key, of any kind, with the latest etag, an older one or one that nobody gave."""
        pairs = [self._draw(data, key) for key in keys]
        fake = self._outcome(self.fake, [pair[0] for pair in pairs])
        real = self._outcome(self.real, [pair[1] for pair in pairs])
        assert (fake is None) == (real is None)
        if fake is not None and real is not None:
            assert list(fake) == list(real)
            for key, etag in fake.items():
                self.etags[key].append((etag, real[key]))

    def _draw(self, data: st.DataObject, key: str) -> tuple[Change, Change]:
        kind = data.draw(st.sampled_from(["insert", "replace", "replace", "put", "delete", "delete in any case"]))
        fake_etag, real_etag = self.etags[key][-1 - min(data.draw(st.integers(0, 3)) // 3, len(self.etags[key]) - 1)]
        if kind == "delete in any case":
            return Delete(key), Delete(key)
        if kind == "delete":
            return Delete(key, fake_etag), Delete(key, real_etag)
        text, due = data.draw(texts), data.draw(dues)
        if kind == "replace":
            return Replace(key, text, fake_etag, due), Replace(key, text, real_etag, due)
        change = Insert(key, text, due) if kind == "insert" else Put(key, text, due)
        return change, change

    def _outcome(self, rows: Rows, changes: list[Change]) -> dict[str, str] | None:
        try:
            return dict(rows.commit(self.partition, changes))
        except Conflict:
            return None

    @rule(prefix=st.sampled_from(["", "a", "a:", "c"]), due_by=dues)
    def query(self, prefix: str, due_by: datetime | None) -> None:
        """Look for some."""
        assert self._seen(self.fake, prefix, due_by) == self._seen(self.real, prefix, due_by)

    @invariant()
    def the_same_rows_stand_there(self) -> None:
        """Look for all, and at each, etags included."""
        assert self._seen(self.fake) == self._seen(self.real)
        for key in KEYS:
            fake, real = self.fake.get(self.partition, key), self.real.get(self.partition, key)
            assert (fake is None) == (real is None)
            if fake is not None and real is not None:
                assert (fake.etag, real.etag) == self.etags[key][-1]

    def _seen(self, rows: Rows, prefix: str = "", due_by: datetime | None = None) -> list[Seen]:
        return [(row.key, row.text, row.due) for row in rows.query(self.partition, prefix=prefix, due_by=due_by)]


@pytest.mark.timeout(120)
def test_the_fake_and_the_cloud_agree(connection: Connection) -> None:
    """On random sequences of commits and queries over a few keys."""
    RowsMachine.real = connection.rows(TABLE)
    run_state_machine_as_test(RowsMachine, settings=settings(max_examples=15, stateful_step_count=12, deadline=None))
