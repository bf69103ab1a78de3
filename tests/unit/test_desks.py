"""What a responder may expect of its desk: of the real one over the archive, and of the one that its own tests have."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from responders._interface import Desk
from responders._zip import whole_zip
from shared.clients.interface import Download
from shared.errors import Cause, Incomplete, LinkExpired
from shared.models.action import Artefact
from tests.unit import desks
from tests.unit.archived import Archived, Served

NAME, ZIP = "data/a/thing.bin", "application/zip"
TEXT = "text/plain"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Bench:
    """A desk, and what lies behind its links: bytes, or what is raised. `asked` are the links that were opened."""

    real: bool
    behind: dict[str, bytes | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    run: Archived = field(default_factory=Archived)
    _fake: desks.Desk | None = None

    def __post_init__(self) -> None:
        self.run = Archived(downloads=Served(self._open))
        self._fake = None if self.real else desks.Desk(downloads=self._chunks)

    @property
    def desk(self) -> Desk:
        """Of one call: what was kept in an earlier one is there."""
        return self._fake or self.run.desk()

    def link(self, name: str = "one") -> Callable[[], str]:
        return lambda: name

    def kept(self, name: str = NAME) -> bytes | None:
        return self._fake.kept.get(name) if self._fake else self.run.objects.get(name)

    def _chunks(self, link: str) -> Iterator[bytes]:
        self.asked.append(link)
        found = self.behind[link]
        if isinstance(found, Exception):
            raise found
        return iter([found[at : at + 7] for at in range(0, len(found), 7)])

    def _open(self, link: str, _start: int, _tag: str) -> Download:
        chunks = self._chunks(link)
        found = self.behind[link]
        assert isinstance(found, bytes)
        return Download(chunks, len(found), 0, "", "")


@pytest.fixture(params=["real", "fake"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(real=request.param == "real")


def keep(bench: Bench, data: bytes, name: str = NAME) -> Artefact:
    return bench.desk.keep_bytes(name, data, kind="note", media_type=TEXT)


def test_what_is_kept_is_described(bench: Bench) -> None:
    kept = bench.desk.keep(NAME, [b"one ", b"", b"two"], kind="note", media_type=TEXT)
    assert (kept.size, kept.sha256, kept.proof) == (7, sha256(b"one two"), "received-only")
    assert (kept.marks, kept.whole) == ((), True)
    assert kept.name.endswith(NAME)
    assert bench.kept() == b"one two"


def test_what_is_kept_already_is_given_again_and_its_chunks_are_not_read(bench: Bench) -> None:
    kept, chunks = keep(bench, b"first"), iter([b"second"])
    assert bench.desk.keep(NAME, chunks, kind="note", media_type=TEXT) == kept
    assert list(chunks) == [b"second"]
    assert keep(bench, b"first") == kept


def test_other_bytes_under_a_name_leave_what_an_earlier_call_committed(bench: Bench) -> None:
    kept = keep(bench, b"first")
    assert keep(bench, b"second") == kept
    assert bench.kept() == b"first"


@pytest.mark.parametrize("name", ["thing.bin", "data/../x", "data/con", "data/a b", "data/", f"data/{'x' * 90}"])
def test_names_that_cannot_be_are_refused(bench: Bench, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of an item"):
        keep(bench, b"", name)


def test_names_that_differ_in_capitals_only_are_refused(bench: Bench) -> None:
    keep(bench, b"x", "data/a.txt")
    with pytest.raises(ValueError, match="capitals"):
        keep(bench, b"x", "data/A.txt")


def test_chunks_that_break_off_keep_nothing(bench: Bench) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some"
        raise Incomplete("cut")

    with pytest.raises(Incomplete, match="cut"):
        bench.desk.keep(NAME, broken(), kind="note", media_type=TEXT)
    assert bench.kept() is None


def fetch(bench: Bench, check: Callable[[Iterable[bytes]], Iterator[bytes]] = iter) -> Artefact:
    return bench.desk.fetch(NAME, bench.link(), kind="package", media_type=ZIP, check=check)


def test_a_download_is_kept_as_it_came_and_asked_for_once(bench: Bench) -> None:
    bench.behind["one"] = desks.EMPTY_ZIP
    assert fetch(bench, whole_zip) == fetch(bench, whole_zip)
    assert (bench.kept(), bench.asked) == (desks.EMPTY_ZIP, ["one"])


def test_what_its_check_refuses_is_not_kept_and_asked_for_anew(bench: Bench) -> None:
    bench.behind["one"] = b"<html>"
    for _ in range(2):
        with pytest.raises(Incomplete, match="not a zip file"):
            fetch(bench, whole_zip)
    assert bench.kept() is None
    assert bench.asked == ["one", "one"]
    bench.behind["one"] = desks.EMPTY_ZIP
    assert fetch(bench, whole_zip).sha256 == sha256(desks.EMPTY_ZIP)


def test_what_a_link_raises_rises(bench: Bench) -> None:
    bench.behind["one"] = LinkExpired("gone")
    for call in (
        lambda: fetch(bench),
        lambda: bench.desk.receive(bench.link(), 10),
        lambda: bench.desk.starts(bench.link(), 2),
        lambda: bench.desk.part(NAME, 1, bench.link()),
    ):
        with pytest.raises(LinkExpired, match="gone"):
            call()


def test_a_small_result_is_received_and_kept_nowhere(bench: Bench) -> None:
    bench.behind["one"] = b"0123456789"
    assert bench.desk.receive(bench.link(), 10) == b"0123456789"
    assert bench.desk.starts(bench.link(), 3) == b"012"
    assert bench.kept() is None


def test_a_result_that_is_larger_than_it_may_be_is_refused(bench: Bench) -> None:
    bench.behind["one"] = b"0123456789"
    with pytest.raises(Incomplete, match="more than 9 bytes") as refused:
        bench.desk.receive(bench.link(), 9)
    assert refused.value.cause is Cause.LONG


CONTENTS = [b"one " * 20, b"two " * 10]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("told", ["each", "whole", "nothing"])
def test_parts_are_joined_in_order_and_say_how_far_they_are_proven(bench: Bench, packed: bool, told: str) -> None:
    whole, parts = b"".join(CONTENTS), []
    for number, content in enumerate(CONTENTS, 1):
        bench.behind[str(number)] = gzip.compress(content, mtime=0) if packed else content
        device = sha256(content) if told == "each" else ""
        part = bench.desk.part(NAME, number, bench.link(str(number)), device=device)
        assert (part.number, part.content_size, part.content_sha256) == (number, len(content), sha256(content))
        assert bench.desk.part(NAME, number, bench.link(str(number)), device=device) == part
        parts.append(part)
    assert bench.asked == ["1", "2"]
    device = sha256(whole) if told == "whole" else ""
    kept = bench.desk.join(NAME, parts, kind="memory", media_type="x/y", device=device)
    joined = bench.kept()
    assert joined is not None
    assert (gzip.decompress(joined) if packed else joined) == whole
    assert kept.proof == ("received-only" if told == "nothing" else "verified")
    assert bench.desk.join(NAME, parts, kind="memory", media_type="x/y", device=device) == kept


def test_a_part_that_is_not_what_the_device_said_is_asked_for_twice_and_then_marked(bench: Bench) -> None:
    bench.behind["one"] = b"other"
    with pytest.raises(Incomplete, match="not what the device said") as refused:
        bench.desk.part(NAME, 1, bench.link(), device=sha256(b"this"))
    assert refused.value.cause is Cause.CONTENT
    part = bench.desk.part(NAME, 1, bench.link(), device=sha256(b"this"))
    assert (part.content_sha256, bench.asked) == (sha256(b"other"), ["one", "one"])
    kept = bench.desk.join(NAME, [part], kind="memory", media_type="x/y")
    assert (kept.proof, kept.marks) == ("mismatch", ("part 1 is not what the device said",))


@pytest.mark.parametrize(
    ("received", "mark"),
    [
        (gzip.compress(b"x" * 99, mtime=0)[:-4], "is gzip that breaks off"),
        (b"\x1f\x8b" + b"\xff" * 20, "is gzip that is damaged"),
    ],
)
def test_gzip_that_is_not_whole_is_kept_and_marked(bench: Bench, received: bytes, mark: str) -> None:
    bench.behind["one"] = received
    part = bench.desk.part(NAME, 1, bench.link())
    assert part.content_sha256 == ""
    kept = bench.desk.join(NAME, [part], kind="memory", media_type="x/y")
    assert (kept.marks, bench.kept()) == ((mark,), received)


def test_a_device_s_clock_may_be_told_or_not(bench: Bench) -> None:
    """Whatever a script says of it stops nothing."""
    for said in ("2026-11-29T05:00:00Z", "", "\0"):
        bench.desk.device_time(said, None)
