"""The archive read again while nobody asks."""

from __future__ import annotations

import hashlib
import itertools
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from responders._access import accesses
from responders._alarms import troubles
from responders._ledger import Ledger
from responders._reverify import HELD_HOURS, SAMPLE_HOURS, before_the_first, chosen, reverify
from shared.errors import Denied, Transient
from shared.models.archive.checkpoint import VAULT, PublicKey, base64url
from shared.models.archive.names import access_folder
from shared.storage.interface import Protection, Version
from tests.fakes.signing import FakeSigner
from tests.fakes.storage import FakeClock, FakeEvidence, FakeProtections, FakeRows
from tests.unit.archived import LATER, Archived, sealed
from tests.unit.incidents import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from responders._ports import Ports

RUNS = [f"2026/08/inc-{number}/dev-a-b/run-1" for number in range(1000)]


def turns(hours: int, held: set[str], took: int = 99) -> list[list[str]]:
    """Which runs are read in each of so many hours, where one call has time for so many."""
    read = {run: before_the_first(run, NOW) for run in RUNS}
    found = []
    for hour in range(hours):
        now = NOW + timedelta(hours=hour)
        found.append(chosen(read, held, now)[:took])
        read |= dict.fromkeys(found[-1], now + timedelta(minutes=7))
    return found


def test_every_run_has_one_turn_in_four_weeks() -> None:
    """And the turns are spread: no hour has many times its share."""
    found = turns(SAMPLE_HOURS, set())
    assert sorted(run for turn in found for run in turn) == sorted(RUNS)
    assert max(map(len, found)) <= 10


def test_what_is_under_legal_hold_has_one_every_day() -> None:
    held = set(RUNS[:10])
    found = turns(3 * HELD_HOURS, held)
    for day in range(3):
        today = [run for turn in found[day * HELD_HOURS : (day + 1) * HELD_HOURS] for run in turn if run in held]
        assert sorted(today) == sorted(held)


def test_where_there_is_too_little_time_every_run_waits_its_share() -> None:
    """With time for one run an hour a thousand of them take eight weeks, and none is left out."""
    found = turns(8 * 7 * 24, set(RUNS[:5]), took=1)
    assert {run for turn in found for run in turn} == set(RUNS)


def is_due(run: str, now: datetime) -> bool:
    return bool(chosen({run: before_the_first(run, now)}, set(), now))


def due(run: Archived) -> Ports:
    """Ports at the hour in which the run is read again."""
    ports: Any = run.ports
    ports.ledger, ports.chats = Ledger(FakeRows()), {}
    while not is_due(run.folder, run.clock.now()):
        run.clock.advance(3600)
    return cast("Ports", ports)


def test_a_run_that_is_as_it_was_sealed_is_noted_and_rings_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports: Any = due(run)
    ports.host_time = lambda: datetime(1999, 12, 31, tzinfo=UTC)
    with caplog.at_level(logging.INFO):
        reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert "alarm" not in caplog.text
    (noted,) = accesses(run.evidence, run.folder)
    assert (noted.what, noted.who.function) == ("verified", "housekeeping")
    assert (noted.clocks.host, noted.clocks.storage) == ("1999-12-31T00:00:00.000Z", noted.at)
    assert noted.detail.endswith(" 0 differences")


def test_the_first_difference_is_an_alarm_that_says_where(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports = due(run)
    place = f"{run.folder}/data/memory/image.raw"
    stored, _ = run.evidence.stored[place]
    run.evidence.stored[place] = (replace(stored, size=6), b"mEmory")
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert 'bulkhead.alarm {"kind": "custody 2026 08 inc-71' in caplog.text
    assert "data/memory/image.raw, bytes 0-5: differ" in caplog.text


def test_what_was_written_over_with_the_same_bytes_is_an_alarm_too(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports = due(run)
    run.evidence.older.append(Version(f"{run.folder}/data/memory/image.raw", "1", None, current=False))
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert "data/memory/image.raw, version 9: was written over: 9 stands in place of 1" in caplog.text


def test_a_broken_chain_of_accesses_is_an_alarm_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports = due(run)
    place = f"{access_folder(run.folder)}/000001.json"
    run.evidence.write_once(place, [b"{}"], metadata={})
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert f"{place}: does not follow the event before it" in caplog.text


def test_without_time_nothing_is_claimed(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports = due(run)
    reverify(ports, run.clock.now())
    assert "1 of 1 runs that were to be read again were not" in caplog.text
    assert accesses(run.evidence, run.folder) == ()


def test_a_run_that_is_not_sealed_is_left_alone() -> None:
    run = Archived()
    run.desk().keep_bytes("data/a.txt", b"a", kind="note", media_type="text/plain")
    reverify(due(run), run.clock.now() + timedelta(minutes=8))
    assert accesses(run.evidence, run.folder) == ()


def test_a_run_in_the_place_of_another_one_is_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """It is whole and signed with the right key: of another incident."""
    run = sealed()
    other = run.folder.replace("inc-71", "inc-72")
    for name, stored in list(run.evidence.stored.items()):
        run.evidence.stored[name.replace(run.folder, other)] = stored
        del run.evidence.stored[name]
    ports: Any = run.ports
    ports.ledger, ports.chats = Ledger(FakeRows()), {}
    while not is_due(other, run.clock.now()):
        run.clock.advance(3600)
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert f"is the seal of another run: {run.folder}" in caplog.text


def test_a_chain_of_accesses_that_somebody_broke_is_an_alarm_and_stops_no_other_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = sealed()
    ports = due(run)
    device, _, name = run.folder.rpartition("/")
    run.evidence.write_once(f"{device}/access/{name}/000001.json", [b"{}"], metadata={"kind": "access"})
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert 'bulkhead.alarm {"kind": "custody 2026 08 inc-71' in caplog.text
    assert "one of them is forged" in caplog.text


class Slate:
    """A chat that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def post(self, payload: dict[str, object]) -> None:
        self.told.append(str(payload))


class InTheVault(FakeSigner):
    """Seals under the name of a version of a key in the vault."""

    def __init__(self, private: RSAPrivateKey | None = None, version: str = "1") -> None:
        super().__init__()
        self.private = private
        self.called = version

    @property
    def key(self) -> PublicKey:
        known = super().key
        n = self.private.public_key().public_numbers().n if self.private else 0
        number = base64url(n.to_bytes(256, "big")) if n else known.n
        return PublicKey(VAULT, f"https://custody.vault.azure.net/keys/custody/{self.called}", number, known.e)

    def known(self, key: PublicKey) -> bool:
        return (key.n, key.e) == (self.key.n, self.key.e)

    def sign(self, digest: bytes) -> bytes:
        if self.private is None:
            return super().sign(digest)
        return self.private.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


@pytest.mark.parametrize("version", ["1", "0"])
@pytest.mark.parametrize("forged", [True, False])
def test_a_seal_by_another_key_under_the_name_of_ours_is_an_alarm(
    caplog: pytest.LogCaptureFixture, version: str, forged: bool
) -> None:
    """Whoever can write the whole archive can seal it again, and write any name beside a key of their own; of which
    versions there were the vault is asked.
    """
    run = Archived()
    run.ports.signer = InTheVault(generate_private_key(65537, 2048) if forged else None, version)
    run.desk().keep_bytes("data/a.txt", b"a", kind="note", media_type="text/plain")
    assert run.checked_after_close().whole
    run.ports.signer = InTheVault()
    reverify(due(run), run.clock.now() + timedelta(minutes=8))
    same = version == "1"
    assert ("is signed with another key than the one that it names" in caplog.text) is (forged and same)
    assert ("bulkhead.alarm" in caplog.text) is (forged and same)
    assert ("which is not known here: compare it" in caplog.text) is (forged and not same)


def test_of_every_run_that_differs_people_are_told() -> None:
    """The alarm of the first one lasts for ever, and must not be the last."""
    run = sealed()
    ports = due(run)
    slate = Slate()
    vars(ports).update(chats={"slack": slate})
    other = run.folder.replace("inc-71", "inc-72")
    for name, stored in list(run.evidence.stored.items()):
        run.evidence.stored[name.replace(run.folder, other)] = stored
    del run.evidence.stored[f"{run.folder}/data/memory/image.raw"]
    for _ in range(SAMPLE_HOURS):
        run.clock.advance(3600)
        reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert len(slate.told) == 2
    assert sorted("the run 2026/08/inc-72" in each for each in slate.told) == [False, True]


@pytest.mark.parametrize("whole", [True, False])
def test_a_sealed_run_that_is_gone_is_an_alarm(caplog: pytest.LogCaptureFixture, whole: bool) -> None:
    """Whether all of it was deleted or its checkpoint alone: what is not sealed would not be looked at."""
    run = sealed()
    ports = due(run)
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert "bulkhead.alarm" not in caplog.text
    for name in list(run.evidence.stored):
        if whole or name == f"{run.folder}/checkpoint.json":
            del run.evidence.stored[name]
    run.clock.advance(3600)
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    said = "is gone from the archive" if whole else "has lost its checkpoint.json"
    assert f"the sealed run {run.folder} {said} (1 such runs in all)" in caplog.text
    assert 'bulkhead.alarm {"kind": "custody 2026 08 inc-71' in caplog.text


@pytest.mark.parametrize(("protected", "days", "alarm"), [(0, 29, True), (0, 31, False), (365, 364, True)])
def test_a_run_whose_retention_may_have_ended_may_go(
    caplog: pytest.LogCaptureFixture, protected: int, days: int, alarm: bool
) -> None:
    run = sealed()
    ports = due(run)
    until = run.clock.now() + timedelta(days=protected) if protected else None
    vars(ports).update(protections=FakeProtections(run.evidence, Protection(until)))
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    run.evidence.stored.clear()
    run.clock.advance(days * 24 * 3600)
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert ("is gone from the archive" in caplog.text) is alarm


def test_a_run_under_a_name_that_nobody_of_ours_gives_is_an_alarm_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever can write there can name a folder as they like."""
    run = sealed()
    other = "2026/08/inc-\N{SNOWMAN}/" + "x" * 600 + "/run-?"
    for name, stored in list(run.evidence.stored.items()):
        run.evidence.stored[name.replace(run.folder, other)] = stored
    ports = due(run)
    for _ in range(SAMPLE_HOURS):
        run.clock.advance(3600)
        reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert f"is the seal of another run: {run.folder}" in caplog.text
    assert len(accesses(run.evidence, run.folder)) == 1


def test_a_seal_under_a_name_that_cannot_be_asked_for_is_an_alarm_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Azure keeps such names, and clients make others of them on the way."""
    run = sealed()
    ports = due(run)
    vars(ports).update(protections=FakeProtections(run.evidence))
    stored, data = run.evidence.stored[f"{run.folder}/checkpoint.json"]
    run.evidence.stored["0//run-1/checkpoint.json"] = (replace(stored, name="0//run-1/checkpoint.json"), data)
    reverify(ports, run.clock.now() + timedelta(minutes=8))
    assert "the sealed run 0//run-1 has a name that none of ours has" in caplog.text
    assert len(accesses(run.evidence, run.folder)) == 1
    assert troubles(ports) == {"custody 0  run-1"}


def beside(run: Archived, name: str) -> str:
    """Another run with the same objects."""
    other = run.folder.replace("inc-71", name)
    for place, stored in list(run.evidence.stored.items()):
        run.evidence.stored[place.replace(run.folder, other)] = stored
    return other


@dataclass
class Slow(FakeEvidence):
    """An archive in which reading one object takes so many seconds, or goes wrong."""

    clock: FakeClock
    slow: str = ""
    seconds: float = 0
    error: BaseException | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def read(self, name: str, *, start: int = 0) -> Iterator[bytes]:
        if name == self.slow:
            self.clock.advance(self.seconds)
            if self.error:
                raise self.error
        return super().read(name, start=start)


def slowly(run: Archived, seconds: float, error: BaseException | None = None) -> tuple[Ports, str]:
    """Two runs under legal hold, one of which takes so long, or goes wrong."""
    evidence = Slow(run.clock)
    evidence.stored = run.evidence.stored
    run.evidence = run.ports.evidence = evidence
    long = beside(run, "inc-1")
    evidence.slow, evidence.seconds, evidence.error = f"{long}/data/memory/image.raw", seconds, error
    evidence.holds = {f"{long}/manifest.json", f"{run.folder}/manifest.json"}
    return due(run), long


def test_a_run_that_takes_longer_than_one_call_keeps_no_other_from_being_read(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports, long = slowly(run, 600)
    slate = Slate()
    vars(ports).update(chats={"slack": slate})
    for hour in range(28 * 24 + 5 * 24):
        reverify(ports, run.clock.now() + LATER)
        run.clock.set(max(run.clock.now(), NOW) + timedelta(minutes=50 if hour % 2 else 60))
    assert len(accesses(run.evidence, run.folder)) >= 5
    assert f"the run {long} could not be read through again: no time is left" in caplog.text
    assert any(f"the run {long} could not be read through" in each for each in slate.told)


def test_what_could_be_read_after_all_is_no_trouble_any_more(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports, long = slowly(run, 600)
    for _ in range(30 * 24):
        reverify(ports, run.clock.now() + LATER)
        run.clock.advance(3600)
        if f"the run {long} could not be read" in caplog.text:
            vars(run.evidence).update(slow="")
    assert any("unread" in kind for kind in troubles(ports)) is False
    assert len(accesses(run.evidence, long)) >= 2


def test_a_run_that_stops_the_check_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it raises: another one's error is ours, and nobody has written a test for it."""
    run = sealed()
    ports, other = slowly(run, 1, ZeroDivisionError("odd"))
    for _ in range(28 * 24):
        reverify(ports, run.clock.now() + LATER)
        run.clock.advance(3600)
    assert f"the run {other} could not be checked: ZeroDivisionError: odd" in caplog.text
    assert 'bulkhead.alarm {"kind": "custody unread 2026 08 inc-1 ' in caplog.text
    assert caplog.text.count("could not be checked") <= 29
    assert len(accesses(run.evidence, run.folder)) >= 27


def test_a_difference_is_told_before_the_versions_are_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """They may not be listed, or not now."""
    for error in (Denied("listing", status=403), Transient("later")):
        run = sealed()
        ports = due(run)
        place = f"{run.folder}/data/memory/image.raw"
        run.evidence.stored[place] = (run.evidence.stored[place][0], b"mEmory")

        def refuse(call: str, error: Exception = error) -> None:
            if call == "evidence.versions":
                raise error

        run.evidence.before = refuse
        caplog.clear()
        reverify(ports, run.clock.now() + LATER)
        assert "data/memory/image.raw, bytes 0-5: differ" in caplog.text
        assert "unread" in caplog.text


def test_storage_that_cannot_be_reached_for_a_moment_wakes_nobody(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports = due(run)
    slate = Slate()
    vars(ports).update(chats={"slack": slate})

    def refuse(call: str) -> None:
        if call == "evidence.read":
            raise Transient("busy")

    run.evidence.before = refuse
    reverify(ports, run.clock.now() + LATER)
    assert "could not be read through again: busy" in caplog.text
    run.evidence.before = lambda _call: None
    run.clock.advance(12 * 3600)
    reverify(ports, run.clock.now() + LATER)
    assert len(accesses(run.evidence, run.folder)) == 1
    assert slate.told == []
    assert troubles(ports) == set()


def test_a_run_that_ends_the_worker_is_not_the_first_one_again(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody could note how it went: that it was begun stood there before. It is tried again ever more rarely."""
    run = sealed()
    ports, long = slowly(run, 1, KeyboardInterrupt("the worker ends"))
    run.evidence.holds = {f"{run.folder}/manifest.json"}
    slate = Slate()
    vars(ports).update(chats={"slack": slate})
    ended = []
    for hour in range(4 * SAMPLE_HOURS):
        try:
            reverify(ports, run.clock.now() + LATER)
        except KeyboardInterrupt:
            ended.append(hour)
        run.clock.advance(3600)
    assert 6 <= len(ended) <= 10
    assert [after - before for before, after in itertools.pairwise(ended)][:3] == [12, 24, 48]
    assert len(accesses(run.evidence, run.folder)) >= 4 * 28 - 1
    assert f"the run {long} could not be read through again: a reading of it was begun 1 times" in caplog.text
    assert any(f"the run {long} could not be read through again" in each for each in slate.told)


def test_a_run_that_could_be_read_was_ended_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """An update or a restart ends a worker too."""
    run = sealed()
    ports, long = slowly(run, 1, KeyboardInterrupt("the worker ends"))
    for _ in range(3 * HELD_HOURS):
        try:
            reverify(ports, run.clock.now() + LATER)
        except KeyboardInterrupt:
            vars(run.evidence).update(slow="")
        run.clock.advance(3600)
    assert len(accesses(run.evidence, long)) >= 2
    assert caplog.text.count("the worker ended with it") == 1
    assert not any("unread" in kind for kind in troubles(ports))


def takes(run: Archived, seconds: float, *calls: str) -> Callable[[str], None]:
    """Each of these calls takes so long."""

    def before(call: str) -> None:
        if call in calls:
            run.clock.advance(seconds)

    return before


def test_what_keeps_its_turn_is_not_taken_for_what_ended_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    """A run for which the others left too little time is the first one of the next call."""
    run = sealed()
    ports, other = slowly(run, 0)
    run.evidence.before = takes(run, 20, "evidence.read")
    for _ in range(3 * HELD_HOURS):
        began = run.clock.now()
        reverify(ports, began + LATER)
        run.clock.set(began + timedelta(hours=1))
    assert "1 of 2 runs that were to be read again were not: no time" in caplog.text
    assert "the worker ended with it" not in caplog.text
    assert min(len(accesses(run.evidence, each)) for each in (run.folder, other)) >= 2


def test_what_differs_is_told_though_there_is_no_time_for_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports, long = slowly(run, 600)
    stored, _ = run.evidence.stored[f"{long}/data/empty.txt"]
    run.evidence.stored[f"{long}/data/empty.txt"] = (stored, b"not any more")
    for _ in range(HELD_HOURS):
        reverify(ports, run.clock.now() + LATER)
        run.clock.advance(3600)
    assert f"the run {long} could not be read through again: no time is left" in caplog.text
    assert f"custody {long.replace('/', ' ')}" in troubles(ports)


def flooded(run: Archived, place: str, count: int) -> None:
    """Beside a run lie so many objects of somebody else, each with the hash of its bytes."""
    stored, _ = next(iter(run.evidence.stored.values()))
    data = b"x"
    told = replace(stored, size=1, sha256=hashlib.sha256(data).hexdigest())
    for number in range(1, count + 1):
        name = f"{access_folder(run.folder)}/{place.format(number)}"
        run.evidence.stored[name] = (replace(told, name=name), data)


def test_what_somebody_put_beside_a_run_is_read_until_the_time_is_over_and_the_other_runs_are_read_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The platform ends a worker that goes on for longer."""
    run = sealed()
    ports, other = slowly(run, 0)
    flooded(run, "{:06d}.json", 400)
    run.evidence.before = takes(run, 1, "evidence.head", "evidence.read")
    for _ in range(2 * HELD_HOURS):
        began = run.clock.now()
        reverify(ports, began + LATER)
        assert run.clock.now() <= began + LATER + timedelta(seconds=5)
        run.clock.set(began + timedelta(hours=1))
    assert f"the run {run.folder} could not be read through again: no time is left" in caplog.text
    assert len(accesses(run.evidence, other)) >= 2


def test_of_any_number_of_objects_beside_a_run_it_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """What no event of ours can be called is not read."""
    run = sealed()
    ports = due(run)
    flooded(run, "{:06d}.txt", 5_000)
    calls = list[str]()
    run.evidence.before = calls.append
    reverify(ports, run.clock.now() + LATER)
    assert f"{access_folder(run.folder)}/000001.txt: is no part of the chain" in caplog.text
    assert "1000 differences" in caplog.text
    assert calls.count("evidence.read") < 100


def test_of_events_that_are_not_as_they_were_committed_a_thousand_are_read(caplog: pytest.LogCaptureFixture) -> None:
    run = sealed()
    ports = due(run)
    flooded(run, "{:06d}.json", 5_000)
    for name, (stored, _) in list(run.evidence.stored.items()):
        if name.startswith(f"{access_folder(run.folder)}/"):
            run.evidence.stored[name] = (stored, b"y")
    calls = list[str]()
    run.evidence.before = calls.append
    reverify(ports, run.clock.now() + LATER)
    assert f"{access_folder(run.folder)}/000001.json: is not the event that was committed" in caplog.text
    assert calls.count("evidence.read") < 1100
