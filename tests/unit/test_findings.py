"""What an investigation found, as values."""

from datetime import UTC, datetime

from shared.models.findings import Event, Findings, Kind, NotCollected, Process, ProcessKey, joined

AT = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)


def test_findings_of_several_sources_stand_beside_each_other_in_their_order() -> None:
    first = Findings(
        events=(Event(AT, "d1", Kind.FILE, "FileCreated"),), missing=(NotCollected("package", "it failed"),)
    )
    second = Findings(events=(Event(None, "d1", Kind.TASK, "task", local="29.11.2026 04:00"),))
    both = joined([first, second])
    assert both.events == (*first.events, *second.events)
    assert both.missing == first.missing
    assert joined([]) == Findings()


def test_a_process_number_that_is_used_again_is_another_process() -> None:
    then = ProcessKey("d1", 4242, AT)
    assert Process(then).key != ProcessKey("d1", 4242, AT.replace(hour=9))
    assert len({then, ProcessKey("d1", 4242, AT), ProcessKey("d2", 4242, AT)}) == 2
