"""A run goes on from what the app wrote itself, and from nothing that looks like it: whoever may write to the evidence
account can make up all of it but the code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from responders._access import Stored
from responders._custody import Chain
from responders._run import run_folder
from responders._verify import Checked, check
from shared.errors import Rejected
from shared.models.action import State
from shared.models.archive.custody import NOTED, Event, Said, Who, event_name, following, stamp
from tests.fakes.signing import FakeMac
from tests.fakes.storage import FakeEvidence
from tests.unit.archived import Archived, action
from tests.unit.incidents import NOW
from tests.unit.order_stand import HOST, Stand
from tests.unit.test_strangers import put

FORGED = Said(at=stamp(NOW), what=NOTED, subject="forged", who=Who(identity="its own", function="f", version="1"))


def gathering(**other: str) -> Archived:
    """A run with one item that is still open, of an action that is like any other but for what is told."""
    run = Archived()
    run.action = action(**other)
    keep(run)
    return run


def keep(run: Archived, name: str = "data/a.txt", data: bytes = b"x") -> None:
    run.desk().keep_bytes(name, data, kind="note", media_type="text/plain")


def chain(run: Archived) -> tuple[Event, ...]:
    return run.desk().run.chain.events


def place(run: Archived, number: int) -> str:
    return f"{run.folder}/custody/{event_name(number)}"


def follows(run: Archived, said: Said = FORGED) -> Event:
    """An event that would be the next one."""
    return following(chain(run), said)


def without_codes(run: Archived) -> None:
    """Make the run what a version without codes would have left."""
    told: tuple[Event, ...] = ()
    for event in chain(run):
        told = (*told, following(told, Said(**{name: getattr(event, name) for name in Said.model_fields})))
        put(run, place(run, event.seq), told[-1].line, action=run.action.id)
    for name, (stored, data) in run.evidence.stored.items():
        run.evidence.stored[name] = (replace(stored, mac=""), data)


def closed(run: Archived) -> Checked:
    return run.checked_after_close()


@pytest.mark.parametrize("code", ["", "0" * 64, "\N{SNOWMAN}"])
def test_an_event_that_follows_and_is_not_ours_ends_the_run_aloud(code: str) -> None:
    run = gathering()
    number = len(chain(run)) + 1
    put(run, place(run, number), follows(run).model_copy(update={"mac": code}).line, action=run.action.id)
    with pytest.raises(Rejected, match=f"{event_name(number)} is no event of ours: somebody else put it there"):
        run.desk().run.close("succeeded")
    assert f"{run.folder}/checkpoint.json" not in run.evidence.stored


def test_so_does_one_that_was_put_there_before_our_first() -> None:
    run = Archived()
    put(run, place(run, 1), following((), FORGED).line)
    with pytest.raises(Rejected, match="no event of ours"):
        keep(run)


def test_so_does_one_that_is_put_there_while_we_write_it() -> None:
    """Two workers that write the same event at the same time go on from the one that stands: if it is one of ours."""
    run = gathering()
    number, forged = len(chain(run)) + 1, follows(run).line
    adding = run.desk().run.chain
    assert adding.events

    def faster(call: str) -> None:
        if call == "evidence.commit":
            put(run, place(run, number), forged)

    run.evidence.before = faster
    with pytest.raises(Rejected, match="no event of ours"):
        adding.add(FORGED.model_copy(update={"subject": "ours"}))


@pytest.mark.parametrize("other", [{"incident": "72"}, {"device": "e" * 40}])
def test_so_does_one_of_ours_from_another_run(other: dict[str, str]) -> None:
    """It has a code, for its own place."""
    run, elsewhere = Archived(), gathering(**other)
    put(run, place(run, 1), chain(elsewhere)[0].line)
    with pytest.raises(Rejected, match="no event of ours"):
        keep(run)


def item(run: Archived, name: str, data: bytes, **metadata: str) -> None:
    put(run, f"{run.folder}/{name}", data, action=run.action.id, kind="note", **metadata)


def test_an_item_that_somebody_put_in_the_place_of_ours_is_not_taken_for_it() -> None:
    run = gathering()
    item(run, "data/b.txt", b"forged")
    with pytest.raises(Rejected, match=r"data/b.txt stands there already with other content"):
        keep(run, "data/b.txt", b"true")


def test_where_that_is_the_first_one_of_the_run_its_manifest_says_so() -> None:
    """Nothing was gathered then, and the reason would stand nowhere."""
    run = Archived()
    item(run, "data/a.txt", b"forged")
    with pytest.raises(Rejected, match=r"data/a.txt stands there already with other content") as refused:
        keep(run, "data/a.txt", b"true")
    run.desk().run.close("failed", missing=str(refused.value))
    assert run.desk().run.sealed() == ("failed", str(refused.value), ())
    manifest = json.loads(run.objects["manifest.json"])
    assert (manifest["items"], [each["reason"] for each in manifest["missing"]]) == ([], [str(refused.value)])
    assert [(each.object, each.text) for each in run.checked().findings] == [
        ("data/a.txt", "is not part of the run: somebody put it there")
    ]


@pytest.mark.parametrize("planted", [True, False])
def test_what_gathered_nothing_leaves_no_run(planted: bool) -> None:
    """Neither where it misses nothing, whatever somebody put there, nor where nothing lies there."""
    run = Archived()
    if planted:
        item(run, "data/a.txt", b"forged")
    before = dict(run.objects)
    run.desk().run.close("succeeded" if planted else "failed", missing="" if planted else "it was away")
    assert run.objects == before
    assert run.desk().run.sealed() is None


def test_what_somebody_plants_where_a_collection_begins_is_refused_aloud() -> None:
    """The folder can be foretold, and so can the name of what every collection keeps first."""
    stand = Stand()
    stand.harm(HOST)
    stand.wait(1)
    folder = run_folder(stand.action("collect_package"))
    planted = f"{folder}/data/incident/incident.json"
    stand.evidence.write_once(planted, [b"{}"], metadata={"action": "another"})
    stand.wait(3600)
    row = stand.action("collect_package")
    assert row.state is State.FAILED
    assert f"{planted} stands there already with other content" in row.detail
    assert f"failed: not archived: other content stands there already: {folder}/data/" in stand.told()
    manifest = json.loads(b"".join(stand.evidence.read(f"{folder}/manifest.json")))
    assert [each["reason"] for each in manifest["missing"]] == [row.detail]
    found = check(Stored(stand.evidence, folder), folder)
    assert [each.object for each in found.findings] == ["data/incident/incident.json"]


def test_nor_is_it_taken_in_when_the_run_is_closed() -> None:
    run = gathering()
    item(run, "data/b.txt", b"forged")
    assert {each.object for each in closed(run).findings} == {"data/b.txt"}
    assert [each.item.path for each in chain(run) if each.item] == ["data/a.txt"]


@pytest.mark.parametrize("changed", [{"sha256": hashlib.sha256(b"y").hexdigest()}, {"size": 2}, {"metadata": {}}])
def test_nor_one_that_was_written_over_with_the_code_of_ours(changed: dict[str, object]) -> None:
    run = gathering()
    run.ports.evidence.write_once(f"{run.folder}/data/b.txt", [b"x"], metadata=labels(run))
    stored, data = run.evidence.stored[f"{run.folder}/data/b.txt"]
    spoilt = {"metadata": {**stored.metadata, "devicehash": "0" * 64}} if "metadata" in changed else changed
    run.evidence.stored[stored.name] = (replace(stored, **spoilt), data)
    assert {each.object for each in closed(run).findings} == {"data/b.txt"}


def test_nor_one_of_ours_from_another_run() -> None:
    run = gathering()
    run.ports.evidence.write_once("elsewhere/data/b.txt", [b"x"], metadata=labels(run))
    stored, data = run.evidence.stored["elsewhere/data/b.txt"]
    there = f"{run.folder}/data/b.txt"
    run.evidence.stored[there] = (replace(stored, name=there), data)
    assert {each.object for each in closed(run).findings} == {"data/b.txt"}


def test_what_a_call_committed_and_did_not_tell_is_ours() -> None:
    run = gathering()
    run.ports.evidence.write_once(f"{run.folder}/data/b.txt", [b"x"], metadata=labels(run))
    assert closed(run).whole
    assert [each.item.path for each in chain(run) if each.item] == ["data/a.txt", "data/b.txt"]


def labels(run: Archived) -> dict[str, str]:
    return {"action": run.action.id, "kind": "note"}


@pytest.mark.parametrize(("since", "whole"), [(NOW + timedelta(days=1), True), (NOW, False)])
def test_a_run_that_an_earlier_version_began_is_sealed_by_this_one(since: object, whole: bool) -> None:
    """Its version wrote no codes. An action that came after the secret has them all."""
    run = gathering()
    without_codes(run)
    item(run, "data/b.txt", b"of the earlier version")
    run.ports.mac = type("M", (FakeMac,), {})(since)
    if whole:
        assert closed(run).whole
        assert [each.item.path for each in chain(run) if each.item] == ["data/a.txt", "data/b.txt"]
    else:
        with pytest.raises(Rejected, match="no event of ours"):
            run.desk().run.close("succeeded")


def test_a_chain_of_accesses_takes_what_custodians_write() -> None:
    """They have no secret of the app's, and an event without a code has the line that it always had."""
    evidence = FakeEvidence()
    told = Chain(evidence, "folder", {}).add(FORGED)
    assert b'"mac"' not in told.line
    assert Chain(evidence, "folder", {}).events == (told,)
    assert told.uncoded == told.line


def test_the_code_is_part_of_what_is_sealed() -> None:
    run = gathering()
    assert closed(run).whole
    assert all(
        each.mac and each.mac.encode() in each.line and each.mac.encode() not in each.uncoded for each in chain(run)
    )
    assert run.desk().run.chain.sealed
