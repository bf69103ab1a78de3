"""What `Rows` promises, over the fake and over Azure Tables (Azurite)."""

import string
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.errors import NotFound
from shared.storage.connections import Connection
from shared.storage.interface import (
    MAX_BATCH,
    MAX_TEXT_UNITS,
    Change,
    Conflict,
    Delete,
    Insert,
    Put,
    Replace,
    Row,
    Rows,
)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
STALE = "W/\"datetime'2001-01-01T00%3A00%3A00.0000000Z'\""


def keys(rows: Rows, partition: str) -> list[str]:
    return [row.key for row in rows.query(partition)]


def test_a_row_comes_back_as_it_was_written(rows: Rows, name: str) -> None:
    """Text and due time are kept, and the etag that the commit gave is the row's."""
    etags = rows.commit(name, [Insert("k", '{"a": "é"}', NOON)])
    assert rows.get(name, "k") == Row(name, "k", '{"a": "é"}', NOON, etags["k"])


def test_what_is_not_there_is_none(rows: Rows, name: str) -> None:
    assert rows.get(name, "k") is None
    assert list(rows.query(name)) == []


def test_insert_never_writes_over_a_row(rows: Rows, name: str) -> None:
    rows.commit(name, [Insert("k", "first")])
    before = rows.get(name, "k")
    with pytest.raises(Conflict):
        rows.commit(name, [Insert("k", "second")])
    assert rows.get(name, "k") == before


def test_replace_takes_the_etag_of_the_last_write(rows: Rows, name: str) -> None:
    """Each write gives a new etag, the etag of a commit serves for the next, and a due time not given is gone."""
    first = rows.commit(name, [Insert("k", "1", NOON)])["k"]
    second = rows.commit(name, [Replace("k", "2", first)])["k"]
    row = rows.get(name, "k")
    assert row is not None
    assert (row.text, row.due, row.etag) == ("2", None, second)
    assert first != second


def test_replace_with_an_old_etag_is_a_conflict(rows: Rows, name: str) -> None:
    old = rows.commit(name, [Insert("k", "1")])["k"]
    rows.commit(name, [Replace("k", "2", old)])
    before = rows.get(name, "k")
    with pytest.raises(Conflict):
        rows.commit(name, [Replace("k", "3", old)])
    assert rows.get(name, "k") == before


def test_replace_of_a_row_that_is_gone_is_a_conflict(rows: Rows, name: str) -> None:
    """Both where it never was and where it was removed after the etag was read."""
    with pytest.raises(Conflict):
        rows.commit(name, [Replace("k", "2", STALE)])
    etag = rows.commit(name, [Insert("k", "1")])["k"]
    rows.commit(name, [Delete("k")])
    with pytest.raises(Conflict):
        rows.commit(name, [Replace("k", "2", etag)])
    assert rows.get(name, "k") is None


def test_put_writes_whatever_was_there(rows: Rows, name: str) -> None:
    """A long text leaves nothing behind under a short one."""
    rows.commit(name, [Put("k", "x" * 100_000, NOON)])
    etags = rows.commit(name, [Put("k", "short")])
    assert rows.get(name, "k") == Row(name, "k", "short", None, etags["k"])


def test_delete_with_an_etag_removes_that_very_row(rows: Rows, name: str) -> None:
    old = rows.commit(name, [Insert("k", "1")])["k"]
    new = rows.commit(name, [Replace("k", "2", old)])["k"]
    with pytest.raises(Conflict):
        rows.commit(name, [Delete("k", old)])
    assert rows.get(name, "k") is not None
    assert rows.commit(name, [Delete("k", new)]) == {}
    assert rows.get(name, "k") is None


def test_delete_with_an_etag_of_a_row_that_is_gone_is_a_conflict(rows: Rows, name: str) -> None:
    with pytest.raises(Conflict):
        rows.commit(name, [Delete("k", STALE)])
    with pytest.raises(Conflict):
        rows.commit(name, [Insert("other", "1"), Delete("k", STALE)])
    assert keys(rows, name) == []


def test_delete_without_an_etag_allows_for_absence(rows: Rows, name: str) -> None:
    """Alone and among other changes, several times over."""
    rows.commit(name, [Put("here", "1")])
    assert rows.commit(name, [Delete("gone")]) == {}
    etags = rows.commit(name, [Delete("gone"), Insert("new", "2"), Delete("here"), Delete("gone too")])
    assert list(etags) == ["new"]
    assert keys(rows, name) == ["new"]


def test_a_commit_of_a_hundred_changes_is_made(rows: Rows, name: str) -> None:
    """Inserts, replaces, puts and deletes together; each written key has its new etag."""
    seen = rows.commit(name, [Insert(f"{number:03}", "old") for number in range(MAX_BATCH)])
    changes: list[Change] = [Replace(f"{n:03}", "replaced", seen[f"{n:03}"]) for n in range(50)]
    changes += [Delete(f"{n:03}", seen[f"{n:03}"]) for n in range(50, 60)]
    changes += [Put(f"{n:03}", "put", NOON) for n in range(60, 80)]
    changes += [Insert(f"new {n:03}", "inserted") for n in range(20)]
    etags = rows.commit(name, changes)
    found = {row.key: row for row in rows.query(name)}
    assert len(found) == 110
    assert etags == {change.key: found[change.key].etag for change in changes if not isinstance(change, Delete)}
    assert [found[key].text for key in ("000", "060", "080", "new 000")] == ["replaced", "put", "old", "inserted"]


@pytest.mark.parametrize(
    "spoiler",
    [Insert("taken", "x"), Replace("taken", "x", STALE), Replace("gone", "x", STALE), Delete("taken", STALE)],
    ids=["insert of a taken key", "replace by an old etag", "replace of nothing", "delete by an old etag"],
)
@pytest.mark.parametrize("place", [0, MAX_BATCH - 1])
def test_one_conflict_changes_nothing(rows: Rows, name: str, spoiler: Change, place: int) -> None:
    """Wherever among the changes it stands."""
    rows.commit(name, [Insert("taken", "as it was"), Insert("to go", "as it was")])
    before = list(rows.query(name))
    changes: list[Change] = [Put(f"{number:03}", "new") for number in range(MAX_BATCH - 2)]
    changes.append(Delete("to go"))
    changes.insert(place, spoiler)
    with pytest.raises(Conflict):
        rows.commit(name, changes)
    assert list(rows.query(name)) == before


def test_a_query_gives_the_partition_in_order_of_key(rows: Rows, name: str) -> None:
    """Order is by code point (space, -, ., digits, :, capitals, _, small letters, ~), whatever the order of writing."""
    written = ["b", "a b", "a", "Z", "a~", "a:1", "a-1", "a.1", "a_1", "a1", "aB"]
    rows.commit(name, [Insert(key, key) for key in written])
    rows.commit(f"{name}x", [Insert("elsewhere", "")])
    assert keys(rows, name) == sorted(written)


def test_a_query_by_prefix_gives_all_and_only_the_keys_that_start_so(rows: Rows, name: str) -> None:
    rows.commit(name, [Insert(key, "") for key in ("a", "a:", "a:1", "a:~~", "a~1", "a~~", "aa", "b", "A:1")])
    assert [row.key for row in rows.query(name, prefix="a:")] == ["a:", "a:1", "a:~~"]
    assert [row.key for row in rows.query(name, prefix="a~")] == ["a~1", "a~~"]


def test_a_query_by_due_time_includes_the_moment_and_leaves_out_rows_without_one(rows: Rows, name: str) -> None:
    """Down to the microsecond."""
    tick = timedelta(microseconds=1)
    year = timedelta(days=365)
    dues = {"before": NOON - tick, "at": NOON, "after": NOON + tick, "next year": NOON + year, "no": None}
    rows.commit(name, [Insert(key, "", due) for key, due in dues.items()])
    assert [row.key for row in rows.query(name, due_by=NOON)] == ["at", "before"]
    assert [row.key for row in rows.query(name, prefix="b", due_by=NOON)] == ["before"]


def test_a_query_goes_on_over_many_pages(rows: Rows, name: str) -> None:
    """Azure gives a thousand rows at a time."""
    written = [f"{number:04}" for number in range(1_050)]
    for start in range(0, len(written), MAX_BATCH):
        rows.commit(name, [Insert(key, "") for key in written[start : start + MAX_BATCH]])
    assert keys(rows, name) == written


def test_a_due_time_is_kept_to_the_microsecond_and_given_in_utc(rows: Rows, name: str) -> None:
    due = datetime(2026, 3, 1, 1, 2, 3, 456_789, tzinfo=timezone(timedelta(hours=9)))
    rows.commit(name, [Insert("k", "", due)])
    row = rows.get(name, "k")
    assert row is not None
    assert row.due == due
    assert row.due.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 30_000, id="one column"),
        pytest.param("x" * 30_001, id="one column and a letter"),
        pytest.param("x" * MAX_TEXT_UNITS, id="the longest"),
        pytest.param("a" + "\N{FIRE}" * 29_999 + "z", id="emoji across every border"),
        pytest.param("\N{FIRE}" * (MAX_TEXT_UNITS // 2), id="the longest in emoji"),
        pytest.param("\N{HIRAGANA LETTER A}" * 90_000, id="Japanese"),
        pytest.param("".join(map(chr, range(32))) + "\r\n\"'\\<&>\x7f\ufeff\uffff", id="control characters"),
        pytest.param(" leading and trailing \n", id="spaces"),
    ],
)
def test_a_text_comes_back_to_the_letter(rows: Rows, name: str, text: str) -> None:
    rows.commit(name, [Insert("k", text)])
    row = rows.get(name, "k")
    assert row is not None
    assert row.text == text


@pytest.mark.parametrize(
    "text", ["x" * (MAX_TEXT_UNITS + 1), "\N{FIRE}" * (MAX_TEXT_UNITS // 2 + 1), "half \ud83d a pair"]
)
def test_a_text_that_cannot_be_kept_is_refused(rows: Rows, name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"fit|surrogates"):
        rows.commit(name, [Insert("k", text)])
    assert rows.get(name, "k") is None


def test_a_commit_of_big_texts_is_made_as_long_as_it_fits_in_one_request(rows: Rows, name: str) -> None:
    """Four megabytes of JSON: beyond, it is refused before any call, and nothing is written."""
    rows.commit(name, [Insert(f"{number}", "x" * 370_000) for number in range(10)])
    assert [len(row.text) for row in rows.query(name)] == [370_000] * 10
    with pytest.raises(ValueError, match="too big"):
        rows.commit(name, [Put(f"{number}", "\N{HIRAGANA LETTER A}" * 370_000) for number in range(10)])
    assert all(row.text.startswith("x") for row in rows.query(name))


def test_every_permitted_character_serves_in_keys(rows: Rows, name: str) -> None:
    """At both ends too, and at full length."""
    permitted = string.ascii_letters + string.digits + " .:_~-"
    awkward = [*permitted, permitted, permitted[::-1], "..", " . ", "k" * 512]
    rows.commit(f" {name}. ", [Insert(key, key) for key in awkward])
    assert keys(rows, f" {name}. ") == sorted(awkward)
    assert all((row := rows.get(f" {name}. ", key)) and row.text == key for key in awkward)


@pytest.mark.parametrize("bad", ["", "a/b", "a\\b", "a#b", "a?b", "a'b", "a%b", "é", "a\n", "k" * 513])
def test_other_keys_and_partitions_are_refused_everywhere(rows: Rows, name: str, bad: str) -> None:
    for call in (
        lambda: rows.get(name, bad),
        lambda: rows.get(bad, "k"),
        lambda: list(rows.query(bad)),
        lambda: rows.commit(name, [Insert(bad, "")]),
        lambda: rows.commit(bad, [Delete("k")]),
    ):
        with pytest.raises(ValueError, match="A-Za-z0-9"):
            call()


def test_changes_that_cannot_be_one_commit_are_refused(rows: Rows, name: str) -> None:
    """None, more than a hundred, one key twice, a due time without a zone; and nothing is written."""
    naive = NOON.replace(tzinfo=None)
    too_many: list[Change] = [Insert(str(number), "") for number in range(MAX_BATCH + 1)]
    twice: list[Change] = [Insert("k", ""), Delete("k")]
    for changes in ([], too_many, twice, [Insert("a", ""), Insert("k", "", naive)]):
        with pytest.raises(ValueError, match=r"commit|time zone"):
            rows.commit(name, changes)
    assert keys(rows, name) == []


def test_of_many_who_replace_the_same_row_one_wins(rows: Rows, name: str) -> None:
    etag = rows.commit(name, [Insert("k", "start")])["k"]

    def attempt(number: int) -> int:
        try:
            rows.commit(name, [Replace("k", str(number), etag), Insert(f"by {number}", "")])
        except Conflict:
            return -1
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(attempt, range(8)) if number >= 0]
    row = rows.get(name, "k")
    assert row is not None
    assert winners == [int(row.text)]
    assert keys(rows, name) == [f"by {winners[0]}", "k"]


def test_a_missing_table_is_not_an_empty_one(connection: Connection) -> None:
    """It is a fault of the deployment: every call names the table."""
    rows = connection.rows("nosuchtable")
    for call in (
        lambda: rows.get("p", "k"),
        lambda: list(rows.query("p")),
        lambda: rows.commit("p", [Insert("k", "")]),
        lambda: rows.commit("p", [Replace("k", "", STALE)]),
        lambda: rows.commit("p", [Delete("k")]),
        lambda: rows.commit("p", [Put("k", ""), Insert("l", "")]),
    ):
        with pytest.raises(NotFound, match="nosuchtable"):
            call()
