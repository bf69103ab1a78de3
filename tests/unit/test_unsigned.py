"""What is under legal hold and no part of a sealed run: reports, and runs that are still open. It is read every day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from responders._alarms import troubles
from responders._ledger import Ledger
from responders._reverify import HELD_HOURS, SAMPLE_HOURS, reverify
from responders._unsigned import place_of
from shared.errors import Transient
from shared.models.archive.names import access_folder
from shared.storage.interface import Version
from tests.fakes.storage import FakeRows
from tests.unit.archived import LATER, Archived
from tests.unit.test_reverify import Slate, takes

if TYPE_CHECKING:
    from responders._ports import Ports

REPORTS = "2026/08/inc-71/reports"
REPORT, TABLE = f"{REPORTS}/report-r0001.html", f"{REPORTS}/report-r0001.csv"
HELD = f"what is under legal hold in {REPORTS} is not as it was committed: "


def held() -> tuple[Archived, Ports]:
    """An open run, what happened to it, and a report, all under legal hold, and read for the first time."""
    run = Archived()
    run.desk().keep_bytes("data/a.txt", b"a", kind="note", media_type="text/plain")
    for name in (REPORT, TABLE):
        run.evidence.write_once(name, [b"report"], metadata={"kind": "report"})
    run.evidence.holds = set(run.evidence.stored)
    ports: Any = run.ports
    ports.ledger, ports.chats = Ledger(FakeRows()), {"slack": Slate()}
    days(run, ports, 1)
    return run, cast("Ports", ports)


def days(run: Archived, ports: Ports, number: int) -> None:
    """So many days of housekeeping."""
    for _ in range(number * HELD_HOURS):
        began = run.clock.now()
        reverify(ports, began + LATER)
        run.clock.set(began + timedelta(hours=1))


def spoil(run: Archived, name: str) -> None:
    """Other bytes under a name of ours, with nothing else changed."""
    run.evidence.stored[name] = (run.evidence.stored[name][0], b"forged")


def told(ports: Ports) -> str:
    return "".join(cast("Slate", ports.chats["slack"]).told)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (REPORT, REPORTS),
        ("2026/08/inc-71/dev-a-1/run-1/data/reports/a", "2026/08/inc-71/dev-a-1/run-1"),
        ("2026/08/inc-71/dev-a-1/access/run-1/000001.json", "2026/08/inc-71/dev-a-1/run-1"),
        ("2026/08/inc-71/tenant/run-1", "2026/08/inc-71/tenant/run-1"),
        ("2026/08/inc-71/note.txt", "2026/08/inc-71"),
        ("inc-71/dev-a-1/x", "inc-71"),
        ("run-1/x", "run-1"),
        ("x", "x"),
    ],
)
def test_every_object_belongs_to_one_place(name: str, place: str) -> None:
    assert place_of(name) == place


def test_what_is_as_it_was_committed_rings_nowhere_and_is_read_once_a_day() -> None:
    run, ports = held()
    calls = list[str]()
    run.evidence.before = calls.append
    days(run, ports, 3)
    assert (told(ports), troubles(ports)) == ("", set())
    first_event_of_no_chain = 1
    assert calls.count("evidence.read") == 3 * (len(run.evidence.holds) + first_event_of_no_chain)


@pytest.mark.parametrize("name", [REPORT, TABLE])
def test_a_report_with_other_bytes_is_an_alarm_within_a_day(name: str) -> None:
    run, ports = held()
    spoil(run, name)
    days(run, ports, 1)
    assert f"{HELD}{name}: is not what was committed".replace(".", "[.]") in told(ports)
    assert troubles(ports) == {"custody 2026 08 inc-71 reports"}


@pytest.mark.parametrize("name", ["data/a.txt", "custody/000001.json", "custody/000002.json"])
def test_so_is_what_was_gathered_for_a_run_that_is_not_sealed(name: str) -> None:
    run, ports = held()
    spoil(run, f"{run.folder}/{name}")
    days(run, ports, 1)
    assert troubles(ports) == {f"custody {run.folder.replace('/', ' ')}"}


def test_so_is_what_happened_to_such_a_run() -> None:
    run, ports = held()
    run.evidence.write_once(f"{access_folder(run.folder)}/000001.json", [b"{}"], metadata={})
    days(run, ports, 1)
    assert troubles(ports) == {f"custody {run.folder.replace('/', ' ')}"}


def test_what_was_written_over_is_an_alarm_though_nothing_holds_what_stands_there() -> None:
    """A hold is on a version: the new one has none, and its hash is right."""
    run, ports = held()
    for name in (REPORT, TABLE):
        del run.evidence.stored[name]
        run.evidence.write_once(name, [b"forged"], metadata={"kind": "report"})
        run.evidence.older.append(Version(name, "1", None, current=False))
        run.evidence.holds.remove(name)
    days(run, ports, 1)
    assert f"{HELD}{TABLE}, version 9: was written over".replace(".csv", "[.]csv") in told(ports)


@pytest.mark.parametrize(("kept", "said"), [(True, "was deleted: version 1"), (False, "is gone from the archive")])
def test_what_was_deleted_is_an_alarm_though_nothing_is_held_any_more(kept: bool, said: str) -> None:
    run, ports = held()
    for name in (REPORT, TABLE):
        del run.evidence.stored[name]
        run.evidence.holds.remove(name)
        run.evidence.older += [Version(name, "1", None, current=False)] * kept
    days(run, ports, 1)
    assert said in told(ports)
    assert troubles(ports) == {"custody 2026 08 inc-71 reports"}


def test_one_object_that_is_gone_from_among_the_others_is_an_alarm() -> None:
    run, ports = held()
    del run.evidence.stored[TABLE]
    run.evidence.holds.remove(TABLE)
    run.evidence.older.append(Version(TABLE, "1", None, current=False))
    days(run, ports, 1)
    assert "was deleted: version 1" in told(ports)


def test_what_was_let_go_is_read_once_more_and_then_left_alone() -> None:
    run, ports = held()
    run.evidence.holds.clear()
    days(run, ports, 2)
    for name in list(run.evidence.stored):
        spoil(run, name)
    days(run, ports, 2)
    assert troubles(ports) == set()
    run.evidence.holds = set(run.evidence.stored)
    days(run, ports, 1)
    assert len(troubles(ports)) == 2


def test_what_could_not_be_read_as_its_hold_ended_is_not_forgotten() -> None:
    run, ports = held()

    def away(call: str) -> None:
        if call == "evidence.head":
            raise Transient("storage is away")

    run.evidence.before = away
    run.evidence.holds.clear()
    days(run, ports, 1)
    run.evidence.before = lambda _: None
    spoil(run, REPORT)
    days(run, ports, 1)
    assert "custody 2026 08 inc-71 reports" in troubles(ports)


def test_a_run_that_is_sealed_meanwhile_is_read_as_one() -> None:
    run, ports = held()
    run.desk().run.close("succeeded")
    days(run, ports, 1)
    run.evidence.holds.clear()
    days(run, ports, 2)
    place = f"{run.folder}/data/a.txt"
    spoil(run, place)
    days(run, ports, SAMPLE_HOURS // 24)
    assert "data/a[.]txt, bytes" in told(ports)


def test_of_many_differences_the_first_is_told_and_the_others_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    run, ports = held()
    for name in (REPORT, TABLE):
        spoil(run, name)
    days(run, ports, 1)
    assert caplog.text.count("is not what was committed") >= 2
    assert REPORT.replace(".", "[.]") not in told(ports)
    assert f"{REPORT}: is not what was committed" in caplog.text


def test_what_takes_longer_than_a_call_ends_with_it_keeps_nothing_else_waiting_and_is_told() -> None:
    """Somebody put any number of objects there, or one has a terabyte."""
    run, ports = held()
    for number in range(100):
        run.evidence.write_once(f"{run.folder}/data/{number}.txt", [b"x"], metadata={})
    run.evidence.before = takes(run, 10, "evidence.head")
    spoil(run, REPORT)
    for _ in range(4 * HELD_HOURS):
        began = run.clock.now()
        reverify(ports, began + LATER)
        assert run.clock.now() <= began + LATER + timedelta(seconds=20)
        run.clock.set(began + timedelta(hours=1))
    assert "custody 2026 08 inc-71 reports" in troubles(ports)
    assert f"the run {run.folder} could not be read through again: no time is left" in told(ports)


def test_a_stranger_s_object_under_hold_is_named_and_stops_nothing() -> None:
    """Whatever it is called: a custodian holds all of an incident."""
    run, ports = held()
    odd = ["2026/08/inc-71/a\N{SNOWMAN}?", "2026/08/inc-71//x", "top", "access/run-1/x", "2026/08/inc-71/reports/x"]
    standing = run.evidence.stored[REPORT]
    for name in odd:
        run.evidence.stored[name] = (replace(standing[0], name=name, sha256=""), b"x")
    run.evidence.holds |= set(odd)
    spoil(run, f"{run.folder}/data/a.txt")
    days(run, ports, 2)
    kinds = troubles(ports)
    assert f"custody {run.folder.replace('/', ' ')}" in kinds
    assert {"custody 2026 08 inc-71", "custody 2026 08 inc-71 reports", "custody top"} <= kinds
