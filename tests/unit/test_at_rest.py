"""What is committed, and takes longer to be read again than a call has: it is sealed all the same, and says so."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from responders._access import Stored
from responders._archive import Archive
from responders._at_rest import UNREAD
from responders._calls import FETCHES
from responders._capture import Fetched, Leg, Progress
from responders._desk import Desk
from responders._flow import Flow
from responders._governed import GovernedDevices
from responders._interface import Desk as AnyDesk
from responders._interface import Finished, Gathered
from responders._run import run_folder
from responders._verify import check
from responders.collect_package import CollectPackage
from shared.clients.interface import Download
from shared.models.action import Action, State
from tests.fakes.signing import FakeMac
from tests.fakes.storage import FakeClock, FakeEvidence
from tests.unit.archived import Served
from tests.unit.incidents import action
from tests.unit.live_answers import Answering, leg, printed
from tests.unit.order_stand import HOST, Stand

CLEAN = printed('{"bulkhead":1,"step":"clean","clean":true,"left":""}')
IMAGE = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 10
PACKED = gzip.compress(IMAGE, 0)


class Slow(FakeEvidence):
    """To read what lies under `what` takes `seconds` in all."""

    def __init__(self, clock: FakeClock, what: str, seconds: float, name: str = "evidence") -> None:
        super().__init__(name=name, mac=FakeMac().of)
        self._clock, self._what, self._seconds = clock, what, seconds
        self.reads = 0

    def read(self, name: str, *, start: int = 0) -> Iterator[bytes]:
        chunks = list(super().read(name, start=start))
        if self._what not in name:
            return iter(chunks)
        self.reads += 1
        return self._slowly(chunks)

    def _slowly(self, chunks: list[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._clock.advance(self._seconds / len(chunks))
            yield chunk


def marks(evidence: FakeEvidence, row: Action) -> list[str]:
    manifest = json.loads(b"".join(evidence.read(f"{run_folder(row)}/manifest.json")))
    unread = [each for each in manifest["items"] if not each["hashes"]["stored"]]
    assert not any(each["blocks"]["sha256"] for each in unread)
    return [f"{each['path']} {each['proof']}: {each['marks'][-1]}" for each in unread]


def test_a_package_is_sealed_though_no_call_can_read_it_again() -> None:
    stand = Stand()
    evidence = Slow(stand.clock, "data/package", 540)
    stand.ports = replace(stand.ports, evidence=evidence)
    stand.flow = Flow(stand.ports)
    stand.harm(HOST)
    while not (row := stand.action("collect_package")).state.final:
        stand.wait(60)
    assert row.state is State.SUCCEEDED
    assert marks(evidence, row) == [f"data/package/investigation-package.zip received-only: {UNREAD}"]
    assert evidence.reads <= 2 * FETCHES  # those in calls that began with other work show nothing
    assert "CUSTODY_KEY" not in stand.told()
    assert check(Stored(evidence, run_folder(row))).whole


def captured(stand: Stand, **ports: Any) -> Action:  # noqa: ANN401 - whatever ports there are
    """An image whose only part lies in staging, and which is to be joined."""
    served = Served(lambda link, start, _: _download(PACKED if link == "l" else CLEAN, start))
    devices = GovernedDevices(Answering(CLEAN), stand.ports.governor)
    stand.ports = replace(stand.ports, devices=devices, downloads=served, **ports)
    now = stand.clock.now()
    told = {"device": HOST, "version": "", "since": now, "created": now, "due": now, "accepted_at": now, "severity": 1}
    row = leg("capture_memory").model_copy(update={**told, "params": {"purpose": "x"}})
    whole = hashlib.sha256(IMAGE).hexdigest()
    part = Desk(stand.ports, row, now + timedelta(minutes=8)).part(
        "data/memory/memory.lime.gz", 1, lambda: "l", device=whole
    )
    fetched = Fetched(
        offset=0,
        number=1,
        size=part.size,
        sha256=part.sha256,
        content_size=part.content_size,
        content_sha256=part.content_sha256,
        device=part.device,
    )
    progress = Progress(leg=Leg.JOIN, parts=(fetched,), packed=True, size=len(IMAGE), sha256=whole, format="lime")
    row = row.model_copy(update={"progress": progress.model_dump_json(), "due": stand.clock.now()})
    assert stand.ports.ledger.add(row)
    return row


def _download(data: bytes, start: int) -> Download:
    return Download(iter([data[start:]]), len(data) - start, start, '"e"', "d")


def stands(stand: Stand, row: Action) -> Action:
    found = stand.ports.ledger.action(row.incident, row.key)
    assert found
    return found


def archive(stand: Stand, row: Action, most: int) -> Action:
    """Calls until something else is to be done than to fetch; not more than `most`."""
    for _ in range(most):
        Archive(stand.ports).run(stand.clock.now() + stand.ports.settings.TIME_BUDGET)
        stand.clock.advance(720)
        if stands(stand, row).state is not State.FETCHING:
            break
    return stands(stand, row)


def test_so_is_an_image_and_the_device_is_cleaned_up() -> None:
    stand = Stand()
    evidence = Slow(stand.clock, "data/memory/memory.lime", 540)
    row = captured(stand, evidence=evidence)
    joined = archive(stand, row, 2 * FETCHES)
    assert (joined.state, Progress.model_validate_json(joined.progress).leg) == (State.PLANNED, Leg.CLEAN)
    entry = stand.ports.ledger.open_action(row.key)
    assert entry
    now = stand.clock.now()
    stand.ports.ledger.move(entry, joined.to(State.FETCHING, now, due=now, machine_action="leg"))
    over = archive(stand, row, FETCHES)
    assert over.state is State.SUCCEEDED
    assert marks(evidence, over) == [f"data/memory/memory.lime.gz received-only: {UNREAD}"]
    assert evidence.reads <= FETCHES
    assert check(Stored(evidence, run_folder(over))).whole


def test_an_image_that_was_altered_in_staging_ends_with_the_device_cleaned_up() -> None:
    """A bit of a piece, as long as it was. Nothing of it is archived, and what is told says why."""
    stand = Stand()
    evidence, staging = FakeEvidence(mac=FakeMac().of), FakeEvidence()
    row = captured(stand, evidence=evidence, staging=staging)
    (name,) = [each for each in staging.stored if each.endswith("/000000")]
    stored, data = staging.stored[name]
    staging.stored[name] = (stored, data[:-1] + bytes([data[-1] ^ 1]))
    given_up = archive(stand, row, 2 * FETCHES)
    progress = Progress.model_validate_json(given_up.progress)
    assert (given_up.state, progress.leg) == (State.PLANNED, Leg.CLEAN)
    assert f"{name} is no longer what was staged" in progress.why
    entry = stand.ports.ledger.open_action(row.key)
    assert entry
    now = stand.clock.now()
    stand.ports.ledger.move(entry, given_up.to(State.FETCHING, now, due=now, machine_action="leg"))
    over = archive(stand, row, FETCHES)
    assert (over.state, over.detail) == (State.UNAVAILABLE, progress.why)
    assert not any("memory.lime" in each.name for each in over.artefacts)
    assert check(Stored(evidence, run_folder(over))).whole


def test_what_an_earlier_call_committed_and_nobody_told_of_is_no_trouble_of_the_key() -> None:
    """It is read while the run is closed; that takes a call's time, which no key and no storage can help."""
    stand = Stand()
    evidence = Slow(stand.clock, "data/memory", 540)
    stand.ports = replace(stand.ports, evidence=evidence)
    now = stand.clock.now()
    row = action(responder="collect_package", state=State.FETCHING, created=now, since=now, due=now, attempt=1)
    evidence.write_once(f"{run_folder(row)}/data/memory/left.raw", [b"x" * 99], metadata={"action": row.id})
    stand.ports = replace(stand.ports, responders={**stand.ports.responders, "collect_package": Takes(stand.clock, 0)})
    assert stand.ports.ledger.add(row)
    over = archive(stand, row, 2 * FETCHES)
    assert over.state is State.SUCCEEDED
    assert marks(evidence, over)[0].startswith("data/memory/left.raw received-only: ")
    assert "CUSTODY_KEY" not in stand.told()


class Takes(CollectPackage):
    """Takes some of a call's time, and leaves nothing."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def gather(self, action: Action, desk: AnyDesk) -> Gathered:
        del action, desk
        self._clock.advance(self._seconds)
        return Finished(())


@pytest.mark.parametrize("busy", [0, FETCHES + 4])
def test_a_call_that_began_with_other_work_is_no_try(busy: int) -> None:
    """The join takes five of a call's eight minutes. Another row that takes four minutes comes first `busy` times."""
    stand = Stand()
    staging = Slow(stand.clock, "data/memory/memory.lime.gz/part-00001/000/0", 300, name="staging")
    takes = {**stand.ports.responders, "collect_package": Takes(stand.clock, 240)}
    row = captured(stand, staging=staging, responders=takes)
    for number in range(busy):
        now = stand.clock.now().replace(microsecond=0) + timedelta(seconds=2)  # begins with the first of what is due
        told = {"incident": f"9{number}", "state": State.FETCHING, "created": now, "since": now, "due": now}
        assert stand.ports.ledger.add(action(responder="collect_package", attempt=1, severity=4, **told))
        stand.clock.set(now)
        assert archive(stand, row, 1).state is State.FETCHING
    joined = archive(stand, row, 2)
    progress = Progress.model_validate_json(joined.progress)
    assert (joined.state, progress.leg, progress.why) == (State.PLANNED, Leg.CLEAN, "")
