"""What was committed and not yet told when its action ended: it is sealed with all that was known of it, or says what
is no longer known. Nothing gets better by a failure.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from responders._calls import FETCHES
from responders._zip import whole_zip
from shared.errors import Incomplete, Rejected, Transient
from shared.models.part import Part
from tests.unit.archived import Archived, Served
from tests.unit.test_transfer import DATA, DATE, NAME, ZIP, Crash, Server, encrypted, sha256, sweep

STOOD = "stood there already: an earlier call committed it"
CONTENTS = [DATA[:400], DATA[400:]]
ELSE = sha256(b"else")


def served(contents: list[bytes], piece: int = 100) -> Archived:
    """A run whose links are the numbers, from 1 on, of what lies behind them."""
    return Archived(
        downloads=Served(lambda where, *asked: Server(contents[int(where) - 1])(where, *asked)), piece=piece
    )


def joined(devices: list[str], device: str, run: Archived) -> None:
    """What came in parts, each with what the device said of it, and with what it said of all."""
    desk, parts = run.desk(), list[Part]()
    for number, said in enumerate(devices, 1):
        for _ in range(2):
            with suppress(Incomplete):
                parts[number - 1 :] = [desk.part(NAME, number, partial(str, number), device=said)]
    desk.join(NAME, parts, kind="capture_memory", media_type="application/gzip", device=device)


def fetched(run: Archived) -> None:
    run.desk().fetch(NAME, lambda: "1", kind="package", media_type=ZIP, check=whole_zip)


def kept(run: Archived) -> None:
    run.desk().keep_bytes(NAME, DATA, kind="run_script", media_type="text/plain")


PACKED = [gzip.compress(each, mtime=0) for each in CONTENTS]
HASHES = [sha256(each) for each in CONTENTS]
WAYS: dict[str, tuple[Callable[[], Archived], Callable[[Archived], None]]] = {
    "bytes": (Archived, kept),
    "straight": (partial(served, [encrypted()], piece=1 << 20), fetched),
    "in pieces": (partial(served, [encrypted()], piece=50), fetched),
    "parts as the device said": (partial(served, PACKED), partial(joined, HASHES, sha256(DATA))),
    "a part that is not": (partial(served, PACKED), partial(joined, [HASHES[0], ELSE], sha256(DATA))),
    "a whole that is not": (partial(served, CONTENTS), partial(joined, HASHES, ELSE)),
    "nothing from the device": (partial(served, CONTENTS), partial(joined, ["", ""], "")),
}


def sealed(run: Archived) -> dict[str, Any] | None:
    """What the manifest says of the item once its action has failed and the run is sealed; None where it has none."""
    run.desk().run.close("failed", missing="storage was away")
    if "manifest.json" not in run.objects:
        return None
    assert run.checked().findings == []
    items = json.loads(run.objects["manifest.json"])["items"]
    return items[0] if items else None


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """But for when it was read, and that it stood there already."""
    assert {**one, "marks": sorted({*one["marks"]} - {STOOD}), "collected": ""} == {
        **other,
        "marks": sorted(other["marks"]),
        "collected": "",
    }


def told(run: Archived) -> tuple[str, str]:
    """Where it came from, and what its sender's clock showed, as the custody has it."""
    event = run.desk().run.chain.find("kept", NAME)
    assert event is not None
    return event.source, event.clocks.defender


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("way", WAYS)
def test_wherever_a_worker_ends_the_item_is_sealed_as_it_would_have_been(way: str, side: str) -> None:
    """Its action ends with it. What was not committed is not there; what was is told as by the worker itself."""
    make, gather = WAYS[way]
    whole = make()
    gather(whole)
    wanted, source = sealed(whole), told(whole)
    assert wanted is not None
    found = 0
    for _, run in sweep(side, make, gather):
        item = sealed(run)
        assert (item is None) == (f"{run.folder}/{NAME}" not in run.evidence.stored)
        if item:
            found += 1
            same(item, wanted)
            assert told(run) == source
    assert found


@pytest.mark.parametrize("way", WAYS)
def test_so_it_is_where_the_reading_at_rest_fails(way: str) -> None:
    make, gather = WAYS[way]
    whole, run = make(), make()
    gather(whole)

    def away(call: str) -> None:
        if call == "evidence.read" and f"{run.folder}/{NAME}" in run.evidence.stored:
            raise Transient("storage is away")

    run.evidence.before = away
    with pytest.raises(Transient):
        gather(run)
    run.evidence.before = lambda _call: None
    item, wanted = sealed(run), sealed(whole)
    assert item
    assert wanted
    same(item, wanted)


@pytest.mark.parametrize("way", WAYS)
def test_the_index_tag_says_what_the_manifest_says(way: str) -> None:
    """Also of what only the whole shows: each part may be what the device said, and the whole another thing."""
    make, gather = WAYS[way]
    run = make()
    gather(run)
    item = sealed(run)
    assert item
    assert run.evidence.tags[f"{run.folder}/{NAME}"]["status"] == item["proof"]


def committed_only(run: Archived, gather: Callable[[Archived], object]) -> Archived:
    """The run once a worker has committed its item, and ended with that."""

    def crash(call: str) -> None:
        if call == "evidence.commit" and f"{run.folder}/{NAME}" in run.evidence.stored:
            raise Crash

    run.evidence.after = crash
    with pytest.raises(Crash):
        gather(run)
    run.evidence.after = lambda _call: None
    return run


def unsealed(way: str) -> Archived:
    """A run whose item was committed by a worker that then ended."""
    make, gather = WAYS[way]
    return committed_only(make(), gather)


@pytest.mark.parametrize("spoilt", [None, b"", b"{}", b"[" * 10_000, b'{"marks": [], "parts": []}'])
@pytest.mark.parametrize(
    ("way", "proof"), [("a part that is not", "mismatch"), ("parts as the device said", "verified")]
)
def test_where_staging_was_cleared_it_is_no_better_for_that(way: str, proof: str, spoilt: bytes | None) -> None:
    """What its parts were is gone, and it says so: that one was not what the device said went with the commit."""
    run = unsealed(way)
    (note,) = [name for name in run.staging.stored if "/told-" in name]
    stored, _ = run.staging.stored.pop(note)
    if spoilt is not None:
        run.staging.stored[note] = (stored, spoilt)
    item = sealed(run)
    assert item
    assert (item["proof"], item["parts"], item["media_type"]) == (proof, [], "application/gzip")
    wrong = ["part 2 is not what the device said"] if proof == "mismatch" else []
    assert item["marks"] == [*wrong, "its 2 parts are no longer known", STOOD]


def test_where_staging_cannot_be_read_the_run_is_sealed_later() -> None:
    run = unsealed("a part that is not")

    def away(call: str) -> None:
        if call == "evidence.read" and run.evidence.stored:
            raise Transient("storage is away")

    run.staging.before = away
    with pytest.raises(Transient):
        sealed(run)
    run.staging.before = lambda _call: None
    item = sealed(run)
    assert item
    assert (item["proof"], len(item["parts"])) == ("mismatch", 2)


def test_that_it_is_kept_as_it_came_goes_with_it() -> None:
    run = served([b"no zip file"], piece=4)
    run.action = run.action.model_copy(update={"fetches": FETCHES})
    committed_only(run, fetched)
    item = sealed(run)
    assert item
    assert item["marks"] == [
        "kept as it came, though what was downloaded is not a zip file",
        STOOD,
        "has no table of contents of a zip file",
    ]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"kind": "package"},
        {"devicehash": "f" * 63, "told": "x", "parts": "many"},
        {"devicehash": "-", "mediatype": "-"},
    ],
)
def test_what_was_committed_with_less_is_taken_in_all_the_same(metadata: dict[str, str]) -> None:
    """By an earlier version, or by somebody who says that it is ours. A zip file is known by its bytes."""
    run = Archived()
    run.evidence.write_once(f"{run.folder}/{NAME}", [encrypted()], metadata={"action": run.action.id, **metadata})
    item = sealed(run)
    assert item
    assert (item["proof"], item["hashes"]["device"]) == ("received-only", "")
    assert item["marks"][-1] == "1 of 1 entries are encrypted"


def test_what_a_sender_s_clock_showed_is_told_by_the_call_that_finds_it() -> None:
    run = unsealed("straight")
    fetched(run)
    assert told(run)[1] == DATE


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_committed_into_a_run_that_is_sealed(way: str) -> None:
    """It could never be a part of it, nor be taken away again."""
    made, gather = WAYS[way]
    run = made()
    run.desk().keep("data/other.txt", [b"x"], kind="note", media_type="text/plain")
    run.desk().run.close("succeeded")
    before = run.objects
    with pytest.raises(Rejected, match="is sealed"):
        gather(run)
    assert run.objects == before
    assert run.checked().whole
