"""What is told of a zip file that means harm: what any reader may take for its entries, from whichever table.

All files are synthetic, made by hand after APPNOTE.TXT 6.3.10.
"""

import io
import random
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders import _zip_heads
from responders._zip_marks import Zipped
from responders._zip_tables import TAIL
from tests.unit.archived import Archived

GOOD, EVIL = b"fine/a/b/c.txt", b"../../evil.exe"
STRAYS = "its table of contents does not stand where its end says"
OUTSIDE = "1 entries name a place outside of it: '../../evil.exe'"
WIDE = 0xFFFFFFFF


def marks(data: bytes, step: int = 65_536, *, named: bool = False) -> list[str]:
    """Of a file that comes in chunks of `step` bytes."""
    zipped = Zipped(named=named)
    for at in range(0, len(data), step):
        zipped.add(data[at : at + step])
    return list(zipped.marks(lambda start, size: data[start : start + size]))


def entry(name: bytes, data: bytes = b"hello") -> bytes:
    fields = (b"PK\x03\x04", 45, 0, 0, 0, 0, 0, len(data), len(data), len(name), 0)
    return struct.pack("<4sHHHHHIIIHH", *fields) + name + data


def listed(name: bytes, begins: int = 0, size: int = 5, extra: bytes = b"") -> bytes:
    fields = (b"PK\x01\x02", 45, 45, 0, 0, 0, 0, 0, 5, size, len(name), len(extra), 0, 0, 0, 0, begins)
    return struct.pack("<4sHHHHHHIIIHHHHHII", *fields) + name + extra


def end(count: int, length: int, offset: int, comment: bytes = b"") -> bytes:
    fields = (b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, length, offset, len(comment))
    return struct.pack("<4sHHHHIIH", *fields) + comment


def wide_end(count: int, length: int, offset: int, begins: int, more: bytes = b"") -> bytes:
    """The end of 64 bits, which stands at a byte, and what says that it does."""
    last = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44 + len(more), 45, 45, 0, 0, count, count, length, offset)
    return last + more + struct.pack("<4sIQI", b"PK\x06\x07", 0, begins, 1)


def whole(name: bytes = GOOD, table: bytes = b"") -> bytes:
    """A file with one entry, which is also called so in its table, unless that is another."""
    table = table or listed(name)
    return entry(name) + table + end(1, len(table), len(entry(name)))


def made(compression: int = zipfile.ZIP_STORED) -> bytes:
    """By Python's own hand: entries of unusual names, some of them of 64 bits."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as zipped:
        for name in ("a.txt", "ä/ö.txt", "dir/", "x" * 300):
            with zipped.open(name, "w", force_zip64=True) as member:
                member.write(random.Random(name).randbytes(0 if name.endswith("/") else 300))  # noqa: S311 - made up
        zipped.comment = b"PK\x05\x06 is how an end begins"
    return file.getvalue()


# nothing is unusual


@pytest.mark.parametrize("step", [1, 7, 4096])
@pytest.mark.parametrize("data", [whole(), made(), made(compression=zipfile.ZIP_DEFLATED)])
def test_what_is_usual_has_no_marks_in_whatever_chunks_it_comes(data: bytes, step: int) -> None:
    assert marks(data, step) == []


def test_a_zip_file_within_another_is_none_of_its_entries() -> None:
    """It may be there as it is, with heads, a table and an end of its own."""
    inner = made()
    table = listed(GOOD, 0, len(inner))
    assert marks(entry(GOOD, inner) + table + end(1, len(table), len(entry(GOOD, inner)))) == []


@pytest.mark.parametrize("more", [b"", b"something of a later version"])
def test_an_end_of_64_bits_is_read(more: bytes) -> None:
    first = whole()[: -len(end(0, 0, 0))]
    last = wide_end(1, len(listed(GOOD)), len(entry(GOOD)), len(first), more)
    assert marks(first + last + end(0xFFFF, WIDE, WIDE)) == []
    assert marks(first + last + end(1, len(listed(GOOD)), len(entry(GOOD)))) == []


@given(st.binary(max_size=200), st.integers(0, 300), st.binary(max_size=30))
def test_whatever_it_is_something_can_be_said(noise: bytes, at: int, more: bytes) -> None:
    data = made()
    for spoilt in (noise, data[:at] + noise + data[at:], data[:-at] + noise, data[: -len(more)] + more):
        assert marks(b"PK\x03\x04" + spoilt) == marks(b"PK\x03\x04" + spoilt, 11)


# which files are looked at


@pytest.mark.parametrize("data", [b"", b"P", b"PK", b"MZ" + whole(EVIL), b"PK\x03", whole(EVIL)[1:]])
def test_of_what_does_not_begin_as_a_zip_file_nothing_is_said(data: bytes) -> None:
    """Unless it is called one."""
    assert marks(data) == []
    assert marks(data, named=True) != []


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_what_begins_as_one_is_one_whatever_it_is_called(step: int) -> None:
    assert marks(whole(EVIL), step) == [OUTSIDE]


# how much it claims to hold


@pytest.mark.parametrize("before", [b"", struct.pack("<HH4s", 0x5455, 4, b"time")])
def test_a_size_of_64_bits_is_read(before: bytes) -> None:
    """45 MB that claim to be a pebibyte: the number stands beside the table's own field, which is full."""
    huge = listed(GOOD, 0, WIDE, before + struct.pack("<HHQ", 1, 8, 1 << 50))
    (mark,) = marks(whole(table=huge))
    assert mark.startswith(f"claims to hold {1 << 50} bytes")


def test_a_place_of_64_bits_is_read() -> None:
    """It stands behind the sizes, where these are of 64 bits too."""
    there = listed(GOOD, WIDE, WIDE, struct.pack("<HHQQ", 1, 16, 5, 0))
    assert marks(whole(table=there)) == []
    assert marks(whole(table=listed(GOOD, WIDE, 5, struct.pack("<HHQ", 1, 8, 0)))) == []


# tables that differ


def two_tables(far: int = 0) -> bytes:
    """The end names the first, and the second stands before it, so many bytes behind the first."""
    entries = entry(GOOD) + entry(EVIL)
    first, second = listed(EVIL, len(entry(GOOD))), listed(GOOD)
    return entries + first + bytes(far) + second + end(1, len(second), len(entries))


@pytest.mark.parametrize("far", [0, 100, 2 * TAIL])
def test_what_either_of_two_tables_names_is_told(far: int) -> None:
    """Readers differ in which they take. The one that the end names may stand anywhere."""
    data = two_tables(far)
    assert marks(data) == [STRAYS, OUTSIDE]
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == [GOOD.decode()]


def test_it_is_read_in_the_archive_whatever_the_file_is_called() -> None:
    data = two_tables(2 * TAIL)
    kept = Archived().desk().keep("data/files/a.bin", [data], kind="file", media_type="application/octet-stream")
    assert (kept.marks, kept.size) == ((STRAYS, OUTSIDE), len(data))


def test_what_stands_before_a_zip_file_is_told() -> None:
    """All its places are off by as much, and readers make up for that or do not."""
    assert marks(b"PK\x03\x04 and what unpacks it" + whole()) == [STRAYS]
    assert marks(entry(b"x") + whole()) == [STRAYS, "1 entries have another name where they begin: 'x'"]


@pytest.mark.parametrize("swapped", [True, False])
def test_what_either_of_two_ends_names_is_told(swapped: bool) -> None:
    """Some take the end of 64 bits wherever there is one."""
    entries, tables = entry(GOOD) + entry(EVIL), [listed(GOOD), listed(EVIL, len(entry(GOOD)))]
    places = (len(entries), len(entries) + len(tables[0]))
    one, other = places[::-1] if swapped else places
    first = entries + b"".join(tables)
    data = first + wide_end(1, len(tables[0]), one, len(first)) + end(1, len(tables[0]), other)
    assert marks(data) == ["has ends that differ", STRAYS, OUTSIDE]


def test_an_end_of_64_bits_that_is_elsewhere_is_told() -> None:
    first = whole()[: -len(end(0, 0, 0))]
    last = end(1, len(listed(GOOD)), len(entry(GOOD)))
    elsewhere = "its end of 64 bits does not stand where that is said"
    right = wide_end(1, len(listed(GOOD)), len(entry(GOOD)), 3)
    assert marks(first + right + last) == [elsewhere]
    assert elsewhere in marks(first + right[-20:] + last)


def test_a_comment_is_no_end() -> None:
    """Where it looks like one: the end is the one that reaches to the end of the file."""
    table = listed(EVIL)
    false = end(1, len(table), 0)[:-2] + b"\x09\x09"
    assert marks(entry(EVIL) + table + end(1, len(table), len(entry(EVIL)), false)) == [OUTSIDE]


def test_what_stands_behind_the_end_is_told() -> None:
    assert marks(whole() + b"more") == ["something stands behind its end"]
    assert marks(whole() + bytes(70_000)) == ["something stands behind its end"]


@pytest.mark.parametrize(
    ("length", "offset", "says"),
    [
        (WIDE, 0, "has a table of contents too long to be looked at"),
        (TAIL + 1, 0, "has a table of contents too long to be looked at"),
        (5000, 0, "names a table of contents outside of it"),
        (60, 5000, "names a table of contents outside of it"),
    ],
)
def test_a_table_that_cannot_be_there_is_told(length: int, offset: int, says: str) -> None:
    assert says in marks(entry(GOOD) + listed(GOOD) + end(1, length, offset))


# names that differ


def test_a_name_that_an_entry_has_where_it_begins_is_told() -> None:
    """Whoever unpacks a stream takes that one."""
    assert marks(whole(EVIL, listed(GOOD))) == ["1 entries have another name where they begin: '../../evil.exe'"]


def test_a_long_name_that_differs_at_its_end_is_another() -> None:
    assert marks(whole(b"x" * 300)) == []
    (mark,) = marks(whole(b"x" * 300, listed(b"x" * 299 + b"y")))
    assert mark.startswith("1 entries have another name where they begin: 'xxx")


def test_an_entry_that_begins_nowhere_is_told() -> None:
    (mark,) = marks(whole(table=listed(GOOD, 7)))
    assert mark == "1 entries do not begin where its table of contents says"


@pytest.mark.parametrize("fake", [b"PK\x03\x04", b"PK\x03\x04" + bytes(22) + b"\xff\xff\0\0"])
def test_what_looks_like_a_head_hides_none(fake: bytes) -> None:
    """Not one that claims to go on until behind the next, or behind the end of the file."""
    data = entry(GOOD, fake) + entry(EVIL)
    table = listed(GOOD) + listed(GOOD + b"2", len(entry(GOOD, fake)))
    data += table + end(2, len(table), len(data))
    for step in (1, 64, 65_536):
        assert marks(data, step) == ["1 entries have another name where they begin: '../../evil.exe'"]


def test_more_heads_than_are_remembered_are_told() -> None:
    """Whoever wants one to be overlooked puts others before it; none is held to differ, or to be missing, for that."""
    many = entry(b"n", b"") * (_zip_heads.MOST + 5)
    table = listed(GOOD, len(many))
    (mark,) = marks(many + entry(GOOD) + table + end(1, len(table), len(many + entry(GOOD))))
    assert mark == f"1 entries were not looked at where they begin: more than {_zip_heads.MOST} seem to"


# no entries, and as many as are said


@pytest.mark.parametrize("before", [b"", entry(GOOD), entry(GOOD) + listed(GOOD), b"PK\x03\x04" + bytes(5000)])
def test_that_nothing_is_listed_is_told(before: bytes) -> None:
    assert marks(before + end(0, 0, len(before))) == ["lists no entries"]


@pytest.mark.parametrize("count", [0, 2, 5])
def test_that_another_number_is_listed_is_told(count: int) -> None:
    table = listed(GOOD)
    assert marks(entry(GOOD) + table + end(count, len(table), len(entry(GOOD)))) == [
        f"claims {count} entries and lists 1"
    ]


@pytest.mark.parametrize("twice", [listed(GOOD) * 2, listed(GOOD) + listed(GOOD.upper())])
def test_an_entry_that_a_table_has_twice_is_told(twice: bytes) -> None:
    data = entry(GOOD) + twice + end(2, len(twice), len(entry(GOOD)))
    assert "1 entries have a name that another one has" in marks(data)


# what it costs


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"PK\x03\x04" * (1 << 20),
        lambda: b"PK\x03\x04" + b"PK\x05\x06" * (1 << 18),
        lambda: b"PK\x03\x04" + listed(b"") * 22_000 + end(22_000, 22_000 * 46, 4),
    ],
    ids=["heads", "ends", "entries"],
)
def test_no_file_of_a_few_mebibytes_makes_much_work(make: Callable[[], bytes]) -> None:
    """Heads are remembered up to a number, a table is read up to a length: the chunks here are the archive's."""
    data = make()
    zipped = Zipped(named=False)
    zipped.add(data)
    assert zipped.marks(lambda start, size: data[start : start + size])
    assert len(zipped._heads._names) <= _zip_heads.MOST
    assert len(zipped._tail) + len(zipped._heads._rest) <= 2 * TAIL
