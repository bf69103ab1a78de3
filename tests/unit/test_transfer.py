"""How a download comes into the archive: whole or not at all, going on where it broke off, and never mixed."""

from __future__ import annotations

import gc
import gzip
import hashlib
import io
import json
import random
import weakref
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responders._calls import FETCHES
from responders._unbroken import judged
from responders._zip import whole_zip
from shared.clients.interface import Download
from shared.errors import Cause, Incomplete, LinkExpired, Rejected, Throttled, Transient
from shared.models.archive.custody import NOTED, Event
from shared.models.part import Part
from tests.unit.archived import Archived, Served

DATE = "Sun, 29 Nov 2026 05:00:00 GMT"
ZIP = "application/zip"
DATA = random.Random(1).randbytes(1000)  # noqa: S311 - made up
NAME = "data/memory/image.raw"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def link() -> str:
    return "https://x/1"


def unchecked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield from chunks


@dataclass
class Server:
    """Serves `data` in chunks of ten bytes. `cuts` are the bytes after which each connection ends (None: none). `etag`
    is what it says of the data, whatever they are.
    """

    data: bytes = DATA
    ranges: bool = True
    length: bool = True
    bounded: bool = True
    etag: str = ""
    cuts: list[int | None] = field(default_factory=list)
    asked: list[tuple[int, str]] = field(default_factory=list)

    def __call__(self, _link: str, start: int, tag: str) -> Download:
        self.asked.append((start, tag))
        etag = self.etag or f'"{sha256(self.data)[:8]}"'
        begins = start if self.ranges and tag == etag else 0
        body = self.data[begins:]
        cut = self.cuts.pop(0) if self.cuts else None
        length = len(body) if self.length else None
        return Download(self._chunks(body, cut), length, begins, etag, DATE, self.bounded)

    @staticmethod
    def _chunks(body: bytes, cut: int | None) -> Iterator[bytes]:
        for at in range(0, len(body), 10):
            if cut is not None and at >= cut:
                raise Incomplete("cut")
            yield body[at : at + 10]


def run_with(
    server: Callable[..., Download], host_time: Callable[[], datetime] | None = None, piece: int = 100
) -> Archived:
    return Archived(downloads=Served(server), host_time=host_time, piece=piece)


def fetched(run: Archived, left: timedelta = timedelta(minutes=8)) -> str:
    return run.desk(left).fetch(NAME, link, kind="memory", media_type="x/y", check=unchecked).sha256


def until_whole(run: Archived, calls: int = 20) -> int:
    """Call until it is whole; gives how many calls that took."""
    for number in range(1, calls + 1):
        try:
            assert fetched(run) == sha256(DATA)
        except Incomplete:
            continue
        return number
    raise AssertionError("never whole")


def told(run: Archived) -> list[str]:
    return [each.detail for each in run.desk().run.chain.events if each.detail]


def item(run: Archived, path: str = NAME) -> dict[str, Any]:
    run.desk().run.close("succeeded")
    manifest = json.loads(run.objects["manifest.json"])
    return next(each for each in manifest["items"] if each["path"] == path)


def archive(*members: tuple[str, bytes], links: bool = False) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if links else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(info, data)
    return made.getvalue()


class Crash(Exception):
    """The worker is gone."""


# one download


def test_what_is_small_needs_no_staging() -> None:
    run = run_with(Server(DATA[:100]))
    assert fetched(run) == sha256(DATA[:100])
    assert run.staging.stored == {}


@pytest.mark.parametrize("length", [True, False])
def test_what_is_large_comes_in_pieces_that_are_joined(length: bool) -> None:
    """So does what has no length that could be believed."""
    run = run_with(Server(length=length))
    assert fetched(run) == sha256(DATA)
    assert run.objects[NAME] == DATA
    assert sum(len(data) == 100 for _, data in run.staging.stored.values()) == 10


def test_a_download_that_breaks_off_goes_on_from_there() -> None:
    """What came of its last piece is kept; with the tag of the thing, so that it cannot be another one's rest."""
    server = Server(cuts=[250, 350, None])
    run = run_with(server)
    assert until_whole(run) == 3
    assert [start for start, _ in server.asked] == [0, 250, 600]
    assert {tag for _, tag in server.asked[1:]} == {f'"{sha256(DATA)[:8]}"'}
    assert run.checked_after_close().whole


def test_a_server_that_cannot_go_on_begins_anew_and_that_is_told() -> None:
    """What it sends again is compared with what lies there, and not fetched into staging twice."""
    run = run_with(Server(cuts=[550, None], ranges=False))
    assert until_whole(run) == 2
    assert told(run) == ["begun anew after 550 bytes: the server did not go on from there"]


def test_two_downloads_that_differ_are_told_and_never_mixed() -> None:
    other = DATA[:150] + b"!" + DATA[151:]
    first, second = Server(other, cuts=[450]), Server()
    served = iter([first, second, second])

    def serve(where: str, start: int, tag: str) -> Download:
        return next(served)(where, start, tag)

    run = run_with(serve)
    assert until_whole(run) == 3
    assert any("two downloads of it differ" in each for each in told(run))
    assert run.objects[NAME] == DATA


def test_the_rest_of_a_thing_of_another_length_is_not_joined_to_it() -> None:
    """Whatever its server says that it is. The call after needs one link only, though none be left for a second."""
    first, second = Server(DATA[:800], etag='"t"', cuts=[450]), Server(DATA, etag='"t"')
    served = iter([first, second, None, second])

    def serve(where: str, start: int, tag: str) -> Download:
        server = next(served)
        if server is None:
            raise Throttled("the budget of package_uri is used up", 30.0)
        return server(where, start, tag)

    run = run_with(serve)
    with pytest.raises(Incomplete):
        fetched(run)
    with pytest.raises(Throttled):
        fetched(run)
    assert until_whole(run) == 1
    assert [start for start, _ in second.asked] == [450, 0]
    assert told(run) == ["begun anew: it has 1000 bytes by now, and had 800 under the same tag"]
    assert run.objects[NAME] == DATA


def test_an_expired_link_is_asked_for_anew() -> None:
    """By the next call; what lies there is not fetched again."""
    server = Server(cuts=[250])

    def serve(where: str, start: int, tag: str) -> Download:
        if len(server.asked) == 1 and not expired:
            expired.append(1)
            raise LinkExpired("gone")
        return server(where, start, tag)

    expired: list[int] = []
    run = run_with(serve)
    with pytest.raises(Incomplete):
        fetched(run)
    with pytest.raises(LinkExpired):
        fetched(run)
    assert fetched(run) == sha256(DATA)


def slowed(server: Server) -> Archived:
    """A run whose server needs a second for each chunk of ten bytes."""
    run = run_with(server)

    def slowly(where: str, start: int, tag: str) -> Download:
        opened = server(where, start, tag)

        def chunks() -> Iterator[bytes]:
            for chunk in opened.chunks:
                run.clock.advance(1)
                yield chunk

        return Download(chunks(), opened.length, opened.start, opened.tag, opened.date)

    run.downloads.opening = slowly
    return run


def test_a_call_ends_with_its_time_and_the_next_goes_on() -> None:
    server = Server()
    run = slowed(server)
    desk = run.desk(timedelta(seconds=35))
    with pytest.raises(Incomplete) as ended:
        desk.fetch(NAME, link, kind="memory", media_type="x/y", check=unchecked)
    assert (ended.value.cause, desk.moved) == (Cause.TIME, True)
    assert fetched(run, timedelta(seconds=100)) == sha256(DATA)
    assert [start for start, _ in server.asked] == [0, 340]


def test_what_is_too_slow_for_one_piece_in_a_call_comes_all_the_same() -> None:
    """Each call keeps what it had when its time was over, though that is less than a piece."""
    server = Server()
    run = slowed(server)
    for _ in range(19):
        desk = run.desk(timedelta(seconds=6))
        with pytest.raises(Incomplete) as ended:
            desk.fetch(NAME, link, kind="memory", media_type="x/y", check=unchecked)
        assert (ended.value.cause, desk.moved) == (Cause.TIME, True)
    assert fetched(run, timedelta(seconds=1000)) == sha256(DATA)
    assert [start for start, _ in server.asked] == [50 * number for number in range(20)]


def test_a_slow_server_that_begins_anew_each_time_is_given_up_in_the_end() -> None:
    """Every call compares what it had before, and brings nothing: it is counted."""
    server = Server(ranges=False)
    run = slowed(server)
    moved = []
    for _ in range(3):
        desk = run.desk(timedelta(seconds=6))
        with pytest.raises(Incomplete, match="the time of one call ran out"):
            desk.fetch(NAME, link, kind="memory", media_type="x/y", check=unchecked)
        moved.append(desk.moved)
    assert moved == [True, False, False]
    desk = run.desk(timedelta(seconds=9))
    with pytest.raises(Incomplete, match="the time of one call ran out"):
        desk.fetch(NAME, link, kind="memory", media_type="x/y", check=unchecked)
    assert not desk.moved  # some more came this time, and would come again as long as anybody asks


@pytest.mark.parametrize("straight", [0, 10_000])
def test_what_the_check_refuses_is_fetched_anew_and_not_kept(straight: int) -> None:
    run = run_with(Server())
    run.straight = straight
    for _ in range(FETCHES - 1):
        with pytest.raises(Incomplete, match="not a zip file"):
            run.desk().fetch(NAME, link, kind="p", media_type=ZIP, check=whole_zip)
    assert NAME not in run.objects
    assert told(run) == ["what was downloaded is not a zip file"] * (FETCHES - 1)


@pytest.mark.parametrize("sizes", [(1,), (2, 1), (3, 9), (1, 1, 1, 1)])
@pytest.mark.parametrize(("head", "good"), [(b"PK", True), (b"MZ", False), (b"PKxx", False)])
def test_a_zip_file_is_told_by_its_beginning_in_whatever_pieces_it_comes(
    sizes: tuple[int, ...], head: bytes, good: bool
) -> None:
    whole = archive(("a.txt", b"x" * 400))
    rest = io.BytesIO(head + whole[len(head) :])
    chunks = [b"", *(rest.read(size) for size in sizes), rest.read()]
    if good:
        assert b"".join(whole_zip(chunks)) == whole
        return
    with pytest.raises(Incomplete, match="not a zip file"):
        list(whole_zip(chunks))


CUT = archive(("a.txt", b"x" * 400))[:-5]


@pytest.mark.parametrize("before", [0, FETCHES - 1])
@pytest.mark.parametrize(
    ("package", "says"),
    [(DATA, "not a zip file"), (CUT, "cut short"), (archive(("a", b"x")) + b"more", "behind the end")],
    ids=["no zip", "cut", "more"],
)
def test_what_is_never_better_is_kept_as_it_came_and_marked(package: bytes, says: str, before: int) -> None:
    """The last time that it is asked for: then there is no other. What the marks say stands in the manifest."""
    run = run_with(Server(package))
    for _ in range(before):
        with pytest.raises(Incomplete, match=says):
            run.desk().fetch(NAME, link, kind="p", media_type=ZIP, check=whole_zip)
    run.action = run.action.model_copy(update={"fetches": FETCHES})
    kept = run.desk().fetch(NAME, link, kind="p", media_type=ZIP, check=whole_zip)
    assert (run.objects[NAME], kept.whole) == (package, False)
    assert run.desk().fetch(NAME, link, kind="p", media_type=ZIP, check=whole_zip) == kept
    (mark,) = [each for each in item(run)["marks"] if each.startswith("kept as it came, though")]
    assert says in mark
    assert run.checked().whole


def test_the_mark_goes_with_the_commit() -> None:
    """Whoever comes after a worker that died right behind it knows."""
    run = run_with(Server(DATA))
    run.action = run.action.model_copy(update={"fetches": FETCHES})

    def crash(call: str) -> None:
        if call == "evidence.commit" and NAME in run.objects:
            raise Crash

    run.evidence.after = crash
    with pytest.raises(Crash):
        run.desk().fetch(NAME, link, kind="p", media_type=ZIP, check=whole_zip)
    run.evidence.after = lambda _call: None
    assert not run.desk().fetch(NAME, link, kind="p", media_type=ZIP, check=whole_zip).whole


def test_what_breaks_off_is_never_kept_for_whole() -> None:
    """Not even the last time: the server itself says that there is more."""
    run = run_with(Server(archive(("a", b"x" * 500)), cuts=[50] * 20, ranges=False))
    run.action = run.action.model_copy(update={"fetches": FETCHES})
    with pytest.raises(Incomplete, match="cut"):
        run.desk().fetch(NAME, link, kind="p", media_type=ZIP, check=whole_zip)
    assert NAME not in run.objects


def test_what_was_committed_and_never_read_again_is_no_stranger_in_the_run() -> None:
    """Its action ends without it: it is taken in when the run is closed, or the run is not sealed."""
    run = run_with(Server())
    read = run.evidence.read

    def slow(name: str, *, start: int = 0) -> Iterator[bytes]:
        for chunk in read(name, start=start):
            run.clock.advance(600 if name.endswith(NAME) else 0)
            yield chunk

    run.desk().keep_bytes("data/note.txt", b"x", kind="note", media_type="text/plain")
    vars(run.evidence)["read"] = slow
    with pytest.raises(Incomplete):
        fetched(run)
    with pytest.raises(Incomplete):
        run.desk().run.close("failed", missing="no time")
    del vars(run.evidence)["read"]
    assert run.checked_after_close().findings == []
    items = {item["path"]: item for item in json.loads(run.objects["manifest.json"])["items"]}
    assert items[NAME]["sha256"] == sha256(DATA)
    assert items[NAME]["marks"] == ["stood there already: an earlier call committed it"]


def test_what_somebody_put_among_the_items_stays_a_stranger() -> None:
    run = run_with(Server())
    run.desk().keep_bytes("data/note.txt", b"x", kind="note", media_type="text/plain")
    run.evidence.write_once(f"{run.folder}/data/more.txt", [b"x"], metadata={"action": "another"})
    (found,) = run.checked_after_close().findings
    assert found.object == "data/more.txt"


def test_an_item_that_is_known_is_neither_asked_for_nor_read_again() -> None:
    run = run_with(Server())
    fetched(run)
    run.downloads.opening = None
    run.evidence.before = lambda call: (_ for _ in ()).throw(AssertionError) if call == "evidence.join" else None
    assert fetched(run) == sha256(DATA)


# what is wrong in staging


def staged_whole(run: Archived) -> str:
    """Where the pieces lie of a download that was whole when its worker died."""

    def crash(call: str) -> None:
        if call == "evidence.commit":
            raise Crash

    run.evidence.before = crash
    with pytest.raises(Crash):
        fetched(run)
    run.evidence.before = lambda _call: None
    return f"{run.folder}/{NAME}/000"


def spoil(run: Archived, name: str, data: bytes) -> None:
    run.staging.stored[name] = (run.staging.stored[name][0], data)


NO_NOTES = (b"", b"rubbish", b"\xff", b"[]", b"null", b"{}", b'{"pieces":10,"size":1000}', b"[" * 10_000)


@pytest.mark.parametrize("note", NO_NOTES)
def test_a_note_in_staging_that_is_not_ours_begins_a_download_anew(note: bytes) -> None:
    run = run_with(Server())
    spoil(run, f"{(place := staged_whole(run))}/whole", note)
    assert fetched(run) == sha256(DATA)
    assert told(run) == [f"begun anew: {place}/whole is not as it was left"]
    assert run.checked_after_close().whole


def test_pieces_that_are_gone_begin_a_download_anew() -> None:
    run = run_with(Server())
    del run.staging.stored[f"{(place := staged_whole(run))}/000003"]
    assert fetched(run) == sha256(DATA)
    assert told(run) == [f"begun anew: {place} lacks pieces that it had: staging was cleared too early"]


def test_what_is_left_in_staging_stays_where_its_source_gives_no_other() -> None:
    """Somebody may bring the rest back."""
    run = run_with(Server())
    name = f"{staged_whole(run)}/000003"
    gone = run.staging.stored.pop(name)

    def expired(*_asked: object) -> Download:
        raise LinkExpired("gone")

    run.downloads.opening = expired
    with pytest.raises(LinkExpired):
        fetched(run)
    run.staging.stored[name] = gone
    assert fetched(run) == sha256(DATA)


# parts of one thing


def parts_of(run: Archived, contents: list[bytes], device: list[str] | None = None) -> list[Part]:
    found: list[Part] = []
    for number, content in enumerate(contents, 1):
        run.downloads.opening = Server(gzip.compress(content, mtime=0))
        wanted = device[number - 1] if device else ""
        found.append(run.desk().part(NAME, number, link, device=wanted))
    return found


CONTENTS = [DATA[:400], DATA[400:800], DATA[800:]]


def test_parts_are_joined_as_they_were_received() -> None:
    """Gzip after gzip is a gzip of the whole; the hashes of device, transport and archive stand beside each other."""
    run = run_with(Server())
    parts = parts_of(run, CONTENTS, [sha256(each) for each in CONTENTS])
    run.desk().join(NAME, parts, kind="memory", media_type="application/gzip", device=sha256(DATA))
    assert gzip.decompress(run.objects[NAME]) == DATA
    kept = item(run)
    assert kept["proof"] == "verified"
    assert kept["hashes"]["content"] == kept["hashes"]["device"] == sha256(DATA)
    assert [each["content"] for each in kept["parts"]] == [sha256(each) for each in CONTENTS]
    assert [each["offset"] for each in kept["parts"]] == [0, parts[0].size, parts[0].size + parts[1].size]
    assert run.checked().whole


def test_a_file_that_is_gzip_by_itself_is_what_the_device_said_whether_transport_packed_it_or_not() -> None:
    """That results come as gzip is what people saw, and no page says: a device's own archive may come as it is."""
    bundle = gzip.compress(b"the logs", mtime=0)
    for received in (bundle, gzip.compress(bundle, mtime=0)):
        run = run_with(Server(received))
        part = run.desk().part("data/logs/logs.tar.gz", 1, link, device=sha256(bundle))
        run.desk().join("data/logs/logs.tar.gz", [part], kind="logs", media_type="x/y", device=sha256(bundle))
        assert run.checked_after_close().whole
        (item,) = json.loads(run.objects["manifest.json"])["items"]
        assert (item["proof"], item["marks"]) == ("verified", [])


@pytest.mark.parametrize("bounded", [True, False])
def test_what_may_have_broken_off_is_marked(bounded: bool) -> None:
    run = run_with(Server(length=False, bounded=bounded))
    fetched(run)
    assert item(run).get("marks", []) == ([] if bounded else ["length not told by the source"])


@pytest.mark.parametrize(("device", "marked"), [(sha256(b"hello"), False), ("", True)])
def test_a_part_that_may_have_broken_off_is_marked_unless_the_device_bears_it_out(device: str, marked: bool) -> None:
    run = run_with(Server(b"hello", length=False, bounded=False))
    run.desk().part("data/files/a.bin", 1, link, device=device)
    part = run.desk().part("data/files/a.bin", 1, link, device=device)
    run.desk().join("data/files/a.bin", [part], kind="file", media_type="x/y", device=device)
    told_marks = item(run, "data/files/a.bin").get("marks", [])
    assert told_marks == (["part 1: length not told by the source"] if marked else [])


def test_a_part_that_lies_there_is_not_asked_for_again() -> None:
    run = run_with(Server())
    first = parts_of(run, CONTENTS)
    run.downloads.opening = None
    assert [run.desk().part(NAME, number, link) for number in (1, 2, 3)] == first


PART = f"{NAME}/part-00001/000"


@pytest.mark.parametrize("note", [*NO_NOTES, b'{"number":1}', b'{"number":1,"nonsense":2}'])
def test_a_note_of_a_part_that_is_not_ours_is_not_believed(note: bytes) -> None:
    """Its pieces tell all of it but what the device said, which the caller knows."""
    run = run_with(Server())
    first = run.desk().part(NAME, 1, link, device=sha256(DATA))
    run.downloads.opening = None
    spoil(run, f"{run.folder}/{PART}/part", note)
    assert run.desk().part(NAME, 1, link, device=sha256(DATA)) == first


@pytest.mark.parametrize("wrong", [{"size": 999}, {"size": "1000"}, {"bounded": 1}, {"sha256": None}, {"number": 2}])
def test_nor_is_one_that_its_pieces_do_not_bear_out(wrong: dict[str, object]) -> None:
    run = run_with(Server())
    first = run.desk().part(NAME, 1, link)
    spoil(run, f"{run.folder}/{PART}/part", json.dumps({**asdict(first), **wrong}).encode())
    assert run.desk().part(NAME, 1, link) == first


@pytest.mark.parametrize("spoilt", ["whole", "000003"])
def test_a_part_that_is_damaged_in_staging_is_fetched_anew(spoilt: str) -> None:
    """What is noted of it is of what came now."""
    run = run_with(Server(DATA[::-1]))
    run.desk().part(NAME, 1, link)
    del run.staging.stored[f"{run.folder}/{PART}/000003"]
    if spoilt == "whole":
        spoil(run, f"{run.folder}/{PART}/whole", b"{}")
    run.downloads.opening = Server()
    part = run.desk().part(NAME, 1, link)
    assert part.sha256 == sha256(DATA)
    assert run.desk().join(NAME, [part], kind="memory", media_type="x/y").sha256 == sha256(DATA)
    assert any("begun anew" in each for each in told(run))


def alter(run: Archived, name: str) -> None:
    """Another byte of the same piece: as long as it was, with the same metadata."""
    data = run.staging.stored[name][1]
    spoil(run, name, bytes([data[0] ^ 1]) + data[1:])


@pytest.mark.parametrize("at", [0, 3, 9])
def test_a_part_of_which_a_piece_was_altered_in_staging_is_fetched_anew(at: int) -> None:
    """Its length and its note are as they were: the joining finds it, and the next call has all of that part anew."""
    run = run_with(Server())
    parts = parts_of(run, CONTENTS)
    good = [run.desk().part(NAME, number, link) for number in (1, 2, 3)]
    place = f"{run.folder}/{NAME}/part-00002"
    run.downloads.opening = server = Server(gzip.compress(CONTENTS[1], mtime=0))
    names = [name for name in run.staging.stored if name.startswith(f"{place}/000/000")]
    alter(run, names[at % len(names)])
    with pytest.raises(Incomplete, match="no longer what was staged") as altered:
        run.desk().join(NAME, parts, kind="memory", media_type="application/gzip")
    assert altered.value.cause is Cause.CONTENT
    assert NAME not in run.objects
    assert [run.desk().part(NAME, number, link) for number in (1, 2, 3)] == good
    assert [start for start, _ in server.asked] == [0]
    run.desk().join(NAME, parts, kind="memory", media_type="application/gzip", device=sha256(DATA))
    assert gzip.decompress(run.objects[NAME]) == DATA
    (noted,) = [each for each in told(run) if "begun anew" in each]
    assert "no longer what was staged" in noted
    assert run.checked_after_close().whole


def test_so_is_one_that_was_altered_before_it_was_whole() -> None:
    """What came in two calls is read to be hashed."""
    server = Server(cuts=[250])
    run = run_with(server)
    with pytest.raises(Incomplete, match="cut"):
        run.desk().part(NAME, 1, link)
    alter(run, f"{run.folder}/{PART}/000001")
    with pytest.raises(Incomplete, match="no longer what was staged"):
        run.desk().part(NAME, 1, link)
    part = run.desk().part(NAME, 1, link)
    assert (part.sha256, [start for start, _ in server.asked]) == (sha256(DATA), [0, 250, 0])
    assert run.desk().join(NAME, [part], kind="memory", media_type="x/y").sha256 == sha256(DATA)


def test_an_altered_part_stays_where_its_source_gives_no_other() -> None:
    """Somebody may bring back what it was, and whoever cannot fetch it again reads what lies there once more."""
    run = run_with(Server())
    part = run.desk().part(NAME, 1, link)
    before = dict(run.staging.stored)
    alter(run, name := f"{run.folder}/{PART}/000003")
    with pytest.raises(Incomplete, match="no longer what was staged"):
        run.desk().join(NAME, [part], kind="memory", media_type="x/y")

    def expired(*_asked: object) -> Download:
        raise LinkExpired("gone")

    run.downloads.opening = expired
    with pytest.raises(LinkExpired):
        run.desk().part(NAME, 1, link)
    spoil(run, name, before[name][1])
    assert run.desk().join(NAME, [part], kind="memory", media_type="x/y").sha256 == sha256(DATA)


def test_parts_that_are_gone_when_they_are_to_be_joined_say_so() -> None:
    run = run_with(Server())
    part = run.desk().part(NAME, 1, link)
    del run.staging.stored[f"{run.folder}/{PART}/000003"]
    with pytest.raises(Transient, match="cleared too early") as gone:
        run.desk().join(NAME, [part], kind="memory", media_type="x/y")
    assert not isinstance(gone.value, Incomplete)


def test_a_part_that_is_not_what_the_device_said_is_fetched_once_more_then_kept_and_marked() -> None:
    run = run_with(Server(gzip.compress(DATA, mtime=0)))
    with pytest.raises(Incomplete, match="not what the device said"):
        run.desk().part(NAME, 1, link, device=sha256(b"else"))
    part = run.desk().part(NAME, 1, link, device=sha256(b"else"))
    assert part.content_sha256 == sha256(DATA)
    assert run.desk().join(NAME, [part], kind="memory", media_type="application/gzip").proof == "mismatch"
    assert item(run)["marks"] == ["part 1 is not what the device said"]


@pytest.mark.parametrize(
    ("received", "mark"),
    [
        (gzip.compress(DATA, mtime=0)[:-9], "is gzip that breaks off"),
        (b"\x1f\x8b" + b"\xff" * 100, "is gzip that is damaged"),
    ],
)
def test_gzip_that_is_not_whole_is_kept_as_received_and_marked(received: bytes, mark: str) -> None:
    run = run_with(Server(received))
    fetched_ = run.desk().fetch(NAME, link, kind="memory", media_type="application/gzip", check=unchecked)
    assert (fetched_.sha256, item(run)["marks"]) == (sha256(received), [mark])


# zip files that mean harm


def encrypted() -> bytes:
    data = bytearray(archive(("a.txt", b"x")))
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("package", "says"),
    [
        (archive(("fine/a.txt", b"x")), []),
        (archive(("../../etc/passwd", b"x"), ("C:\\a", b"")), ["2 entries name a place outside of it"]),
        (archive(("a", b"/etc/passwd"), links=True), ["1 entries are links"]),
        (archive(("a", b"x"), ("A", b"y")), ["1 entries have a name that another one has"]),
        (archive(("bomb", bytes(10_000_000))), ["claims to hold 10000000 bytes"]),
        (encrypted(), ["1 of 1 entries are encrypted"]),
    ],
    ids=["fine", "slip", "link", "double", "bomb", "encrypted"],
)
def test_a_zip_file_is_kept_as_it_came_and_what_is_odd_about_it_is_told(package: bytes, says: list[str]) -> None:
    run = run_with(Server(package), piece=100_000)
    run.desk().fetch("data/package.zip", link, kind="package", media_type=ZIP, check=whole_zip)
    assert run.objects["data/package.zip"] == package
    marks = item(run, "data/package.zip")["marks"]
    assert len(marks) == len(says)
    assert all(mark.startswith(said) for mark, said in zip(marks, says, strict=True))


# other people's blobs, and other people's clocks


def test_a_blob_that_somebody_put_under_our_name_is_not_taken_for_ours() -> None:
    run = run_with(Server())
    run.evidence.write_once(f"{run.folder}/{NAME}", [DATA], metadata={"action": "somebody"})
    with pytest.raises(Rejected, match="other content") as refused:
        fetched(run)
    assert refused.value.code == "Differs"


def test_an_answer_that_reads_otherwise_after_a_crash_is_told_and_blames_nobody() -> None:
    """The worker died between the commit of a session's result and its row; Defender renders it otherwise now."""
    run = run_with(Server())
    name, first, later = "data/sessions/1.json", b'{"a": 1, "b": 2}', b'{"b":2,"a":1}'
    told = {"kind": "session", "media_type": "application/json"}
    kept = run.desk().keep_bytes(name, first, **told)
    for _ in range(2):
        assert run.desk().keep_bytes(name, later, **told).sha256 == kept.sha256
    assert run.objects[name] == first
    (noted,) = (each for each in run.desk().run.chain.events if each.what == NOTED)
    assert noted.subject == name
    assert f"{len(later)} bytes and another SHA-256, {hashlib.sha256(later).hexdigest()}" in noted.detail


@pytest.mark.parametrize("forged", [b"rubbish", b"{}", None])
def test_an_event_that_somebody_put_into_the_chain_stops_it(forged: bytes | None) -> None:
    """A chain of ours is never continued behind a stranger's event."""
    run = run_with(Server())
    desk = run.desk()
    desk.keep_bytes("data/a.txt", b"a", kind="note", media_type="text/plain")
    first = desk.run.chain.events[0]
    line = forged or first.model_copy(update={"detail": "forged"}).line
    run.evidence.write_once(f"{run.folder}/custody/000003.json", [line], metadata={})
    with pytest.raises(Rejected, match="no event of ours"):
        run.desk().keep_bytes("data/b.txt", b"b", kind="note", media_type="text/plain")


def test_clocks_that_differ_by_hours_stand_beside_each_other() -> None:
    """Nothing is decided by any but the storage's."""
    run = run_with(Server(), host_time=lambda: datetime(1999, 12, 31, tzinfo=UTC))
    fetched(run)
    kept = next(each for each in run.desk().run.chain.events if each.what == "kept")
    assert kept.clocks.host == "1999-12-31T00:00:00.000Z"
    assert kept.clocks.storage == kept.at == run.clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert kept.clocks.defender == DATE


def test_the_device_s_own_clock_is_told_once_beside_defender_s() -> None:
    run = run_with(Server())
    fetched(run)
    for device in ("2001-01-01T00:00:00Z", "2001-01-01T00:00:09Z"):
        run.desk().device_time(device, datetime(2026, 11, 29, 5, tzinfo=UTC))
    run.desk().run.close("succeeded")
    (told_,) = [each for each in run.desk().run.chain.events if each.clocks.device]
    assert (told_.what, told_.subject, told_.clocks.device) == ("noted", "clock", "2001-01-01T00:00:00Z")
    assert told_.clocks.defender == "2026-11-29T05:00:00.000Z"
    assert run.checked().whole


@pytest.mark.parametrize("device", ["", "yesterday", "2001-01-01 00:00:00", "2001-01-01T00:00:00+02:00", "x" * 10_000])
def test_where_nothing_told_the_device_s_clock_the_seal_says_that_it_is_unknown(device: str) -> None:
    run = run_with(Server())
    fetched(run)
    run.desk().device_time(device, None)
    run.desk().run.close("succeeded")
    run.desk().run.close("succeeded")
    assert [(each.what, each.clocks.device) for each in run.desk().run.chain.events if each.clocks.device] == [
        ("sealed", "unknown")
    ]


def test_names_that_an_attacker_might_choose_are_no_names() -> None:
    desk = Archived().desk()
    for name in (
        "x",
        "data/../x",
        "data/con.txt",
        "data/a:b",
        "data/a.",
        "data//a",
        f"data/{'x' * 90}",
        "data/\u202ea",
    ):
        with pytest.raises(ValueError, match="not the name of an item"):
            desk.keep_bytes(name, b"", kind="note", media_type="text/plain")
    desk.keep_bytes("data/a.txt", b"", kind="note", media_type="text/plain")
    with pytest.raises(ValueError, match="capitals"):
        desk.keep_bytes("data/A.txt", b"", kind="note", media_type="text/plain")


# a crash at every call


def gathered(run: Archived) -> None:
    """What a responder and the machinery do, from the first call to the seal."""
    desk = run.desk()
    desk.keep_bytes("data/incident/incident.json", b"{}", kind="incident", media_type="application/json")
    desk.fetch(NAME, link, kind="memory", media_type="x/y", check=unchecked)
    parts = [desk.part("data/parts.gz", number, link) for number in (1, 2)]
    desk.join("data/parts.gz", parts, kind="memory", media_type="application/gzip")
    desk.run.close("succeeded")


def sweep(
    side: str, make: Callable[[], Archived], gather: Callable[[Archived], object] = gathered
) -> Iterator[tuple[int, Archived]]:
    """Runs of which the n-th call to anything outside is the last one that the first worker makes; for whoever comes
    next nothing is in the way.
    """
    number = 0
    while True:
        number += 1
        run, calls = make(), [0]

        def crash(_call: str, calls: list[int] = calls, at: int = number) -> None:
            calls[0] += 1
            if calls[0] == at:
                raise Crash

        for port in (run.evidence, run.staging):
            setattr(port, side, crash)
        try:
            gather(run)
        except Crash:
            for port in (run.evidence, run.staging):
                setattr(port, side, lambda _call: None)
            yield number, run
            continue
        return


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_worker_may_die_at_any_call_and_the_next_one_ends_it(side: str) -> None:
    """The run is the same, but for its times: the chain has neither fork nor double, nothing is missing or too much."""
    whole = run_with(Server(DATA[:350]))
    gathered(whole)
    crashes = 0
    for number, run in sweep(side, lambda: run_with(Server(DATA[:350]))):
        crashes += 1
        gathered(run)
        assert run.checked().findings == [], number
        assert set(run.objects) == set(whole.objects), number
        told_ = [(each.what, each.subject) for each in run.desk().run.chain.events]
        assert told_ == [(each.what, each.subject) for each in whole.desk().run.chain.events], number
    assert crashes > 100


def test_two_workers_of_one_action_make_one_run() -> None:
    """The second begins, and ends, wherever the first one is."""
    for at in range(1, 120, 3):
        run, calls = run_with(Server(DATA[:350])), [0]

        def other(_call: str, run: Archived = run, calls: list[int] = calls, at: int = at) -> None:
            calls[0] += 1
            if calls[0] == at:
                gathered(run)

        run.evidence.before = other
        try:
            gathered(run)
        except (Transient, Rejected):
            gathered(run)
        assert run.checked().findings == [], at


def test_nothing_is_added_to_a_run_that_is_sealed() -> None:
    run = run_with(Server())
    run.desk().keep_bytes("data/a.txt", b"a", kind="note", media_type="text/plain")
    run.desk().run.close("succeeded")
    with pytest.raises(Rejected, match="sealed"):
        run.desk().keep_bytes("data/b.txt", b"b", kind="note", media_type="text/plain")


def test_an_event_reads_as_it_was_written() -> None:
    run = run_with(Server())
    fetched(run)
    for event in run.desk().run.chain.events:
        assert Event.model_validate_json(event.line).line == event.line


class Held:
    """Something that a download holds."""


def test_what_a_download_held_goes_with_it_when_it_breaks_off() -> None:
    """At once, and not when the collector of cycles comes: these are blocks of 8 MiB."""
    held: list[weakref.ref[Held]] = []

    def chunks() -> Iterator[bytes]:
        mine = Held()
        held.append(weakref.ref(mine))
        yield b"some"
        raise Incomplete("it broke off", cause=Cause.CUT)

    gc.disable()
    try:
        with suppress(Incomplete):
            list(judged(unchecked, chunks()))
        assert held[0]() is None
    finally:
        gc.enable()
