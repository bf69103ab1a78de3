"""What somebody who may write into the archive puts into a run that is still open, or beside one that is sealed: it is
read no further than ours come to, is no part of the run, and stops nothing.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from responders._access import accesses
from responders._rewritten import broken_access
from responders._untold import GRACE
from responders._verify import SMALL
from shared.errors import Cause, Incomplete, Rejected
from shared.models.archive.names import access_folder, check_payload
from shared.storage.interface import Stored
from tests.fakes.signing import FakeMac
from tests.fakes.storage import FakeEvidence
from tests.unit.archived import LATER, Archived, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEP = (b"[" * 100_000, b'{"a":' * 100_000, b'{"signer":' * 2_000, b"[]", b"")
ODD = (
    *("data/\N{LATIN SMALL LETTER U WITH DIAERESIS}.txt", "data/a b.txt", "data/A.TXT", "data/" + "x" * 300),
    *("data/x\n" + "0" * 64 + "  data/y", "data/CON", "data/a.txt/b", "data/%0A", "data//x", "data/x."),
)


class Endless(FakeEvidence):
    """An archive in which one object never ends."""

    endless = ""
    given = 0

    def read(self, name: str, *, start: int = 0) -> Iterator[bytes]:
        if name != self.endless:
            return super().read(name, start=start)
        return self._pieces()

    def _pieces(self) -> Iterator[bytes]:
        while self.given < 64 * SMALL:
            self.given += 1 << 20
            yield b" " * (1 << 20)


def begun() -> Archived:
    run = Archived(evidence=Endless(mac=FakeMac().of))
    run.desk().keep_bytes("data/a.txt", b"x", kind="note", media_type="text/plain")
    return run


def put(run: Archived, place: str, data: bytes, **metadata: str) -> None:
    """As Azure would keep it, under any name."""
    stored = Stored(place, len(data), hashlib.sha256(data).hexdigest(), metadata, created=False)
    run.evidence.stored[place] = (stored, data)


def endless(run: Archived, name: str) -> Endless:
    put(run, name, b"")
    assert isinstance(run.evidence, Endless)
    run.evidence.endless = name
    return run.evidence


@pytest.mark.parametrize("data", DEEP)
def test_a_checkpoint_of_nobody_s_is_refused_as_one(data: bytes) -> None:
    run = begun()
    put(run, f"{run.folder}/checkpoint.json", data)
    with pytest.raises(Rejected, match="stands there already with other content"):
        run.desk().run.close("succeeded")


@pytest.mark.parametrize("name", ["checkpoint.json", "bagit.txt", "custody/000002.json"])
def test_what_never_ends_in_an_open_run_is_read_no_further_than_ours_come_to(name: str) -> None:
    run = begun()
    evidence = endless(run, f"{run.folder}/{name}")
    with pytest.raises(Rejected):
        run.desk().run.close("succeeded")
    assert evidence.given <= 2 * SMALL


@pytest.mark.parametrize("name", ODD)
def test_what_no_item_can_be_called_is_no_part_of_the_run(name: str) -> None:
    """Whatever it says whose it is: no call of ours commits under such a name, and a bag cannot hold it."""
    run = begun()
    put(run, f"{run.folder}/{name}", b"y", action=run.action.id, kind="note")
    assert {each.object for each in run.checked_after_close().findings} == {name}


def crowded(count: int) -> Archived:
    """Among the items of an open run lie so many of somebody else's, each of which takes a second to look at."""
    run = begun()
    for number in range(count):
        put(run, f"{run.folder}/data/{number}.txt", b"y")

    def before(call: str) -> None:
        if call == "evidence.head":
            run.clock.advance(1)

    run.evidence.before = before
    return run


@pytest.mark.parametrize(("last", "most"), [(False, LATER), (True, LATER + GRACE)])
def test_any_number_of_strangers_is_looked_at_until_the_time_is_over(last: bool, most: timedelta) -> None:
    """The platform ends a worker that goes on for longer, which then has said nothing."""
    run = crowded(1000)
    began = run.clock.now()
    keeping = run.desk().run
    keeping.last = last
    with pytest.raises(Incomplete, match="lies more that is not told of than there is time to look at") as ended:
        keeping.close("failed", missing="no time")
    assert ended.value.cause is Cause.TIME
    assert run.clock.now() == began + most
    assert f"{run.folder}/checkpoint.json" not in run.evidence.stored


def test_the_last_call_has_time_for_what_an_earlier_one_left_though_its_own_is_over() -> None:
    run = crowded(10)
    run.evidence.write_once(f"{run.folder}/data/x.txt", [b"x"], metadata={"action": run.action.id, "kind": "note"})
    keeping = run.desk(timedelta(0)).run
    keeping.last = True
    keeping.close("failed", missing="no time")
    assert {each.object for each in run.checked().findings} == {f"data/{number}.txt" for number in range(10)}
    assert keeping.chain.find("kept", "data/x.txt")


def test_a_call_whose_time_is_over_seals_what_is_all_told() -> None:
    run = begun()
    run.desk(timedelta(0)).run.close("succeeded")
    assert run.checked().whole


def test_an_item_is_no_folder_of_another_one() -> None:
    for name, other in (("data/a.txt/b", "data/A.txt"), ("data/a", "data/A/b/c")):
        with pytest.raises(ValueError, match="one is a folder of the other"):
            check_payload(name, [other])
    check_payload("data/a.txt", ["data/a", "data/a.txt2", "data/b/a.txt"])


@pytest.mark.parametrize("said", ["x\ud800", "x\x00\N{LINE SEPARATOR}"])
def test_a_reason_in_any_letters_is_told(said: str) -> None:
    run = begun()
    run.desk().run.close("failed", missing=said)
    assert run.checked().whole
    assert run.desk().run.sealed()


def test_an_event_that_never_ends_breaks_the_chain_beside_a_sealed_run() -> None:
    run = Archived(evidence=Endless())
    run.evidence.stored |= sealed().evidence.stored
    place = f"{access_folder(run.folder)}/000001.json"
    evidence = endless(run, place)
    with pytest.raises(Rejected, match="no event of ours"):
        accesses(evidence, run.folder)
    evidence.given = 0
    assert [each.object for each in broken_access(evidence, run.folder)] == [place]
    assert evidence.given <= SMALL + (1 << 20)
