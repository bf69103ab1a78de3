"""Several workers tell of one incident, each as slowly as it likes: people hear each thing once, and the end last."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.tenant import samples
from responders._assess import Assess
from responders._notices import CONTAINED, FINAL, STARTED, UNSURE, WAITING
from responders._repeats import ASKED, FAILED, LEFT, OPEN, SENDING, SENT, STALE, overtaken, said_before, under_way
from shared.errors import Transient
from shared.models.action import State
from shared.models.progress import Notice
from tests.fakes.clients import FakeChat
from tests.unit.incidents import NOW
from tests.unit.order_stand import HOST, INCIDENT, OTHER, THIRD, TICK, Stand
from tests.unit.test_telling_away import ENDED, heard, kinds
from tests.unit.test_telling_busy import Busy

LOOKS = 9
"""Calls of storage in which a worker reads of an incident, and writes down and claims what it tells."""


def pausing(stand: Stand, number: int, meanwhile: Callable[[], object]) -> None:
    """A worker that looks whether something is to be told, and stands still after a call of storage."""
    calls = 0

    def after(_call: str) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            meanwhile()

    usual, stand.rows.after = stand.rows.after, after
    stand.flow.notify(INCIDENT)
    stand.rows.after = usual


def heard_again(stand: Stand) -> int:
    return sum(ENDED in head and "possibly repeated" in head for head, _ in heard(stand))


@pytest.mark.parametrize("number", range(1, LOOKS))
def test_who_read_before_the_end_what_went_on_then_begins_nothing_after_it(number: int) -> None:
    stand = Stand()
    stand.harm(HOST)
    assert not stand.action().state.settled
    pausing(stand, number, lambda: stand.wait(400))
    stand.wait(400)
    assert kinds(stand).count("Response started") == 1
    assert kinds(stand).count(ENDED) == 1 + heard_again(stand)
    assert kinds(stand)[-1] == ENDED


@pytest.mark.parametrize("number", range(1, LOOKS))
def test_what_changed_until_it_was_told_is_not_told_again(number: int) -> None:
    stand = Stand({"ISOLATION_CAPS": '{"per_hour": 0, "fleet_share": 1}'})
    stand.harm(HOST, OTHER, THIRD)
    stand.wait(400)
    waits = [each for each in stand.ports.ledger.actions(INCIDENT) if each.state is State.WAITING]
    first, *others = waits
    assert others
    stand.flow.order(stand.message("refuse", action=first.id))

    def meanwhile() -> None:
        for each in others:
            stand.flow.order(stand.message("refuse", action=each.id))
        stand.wait(400)

    pausing(stand, number, meanwhile)
    stand.wait(400)
    ends = [text for head, text in heard(stand) if ENDED in head and "possibly repeated" not in head]
    assert len(ends) == len(set(ends))
    assert ends[-1].count("refused") == len(waits)


@pytest.mark.parametrize("number", range(1, LOOKS))
def test_what_is_withdrawn_until_its_start_is_told_is_heard_once_while_observing(number: int) -> None:
    stand = Stand()
    stand.tenant.incidents.put(samples.harmful_incident(INCIDENT, device_id=HOST, created=stand.clock.now()))
    stand.flow.watch()
    Assess(stand.ports).run(INCIDENT)
    stand.restart({"RESPONSE_MODE": "observe"})
    stand.tenant.incidents.change(INCIDENT, {"classification": "falsePositive"})
    stand.clock.advance(TICK)
    stand.flow.watch()
    stand.trouble.plan("rows.commit", 1, after=True)
    with pytest.raises(Transient):
        Assess(stand.ports).run(INCIDENT)
    assert stand.trouble.over()
    assert not stand.action().state.settled

    def meanwhile() -> None:
        stand.flow.contain()
        stand.flow.collect()

    pausing(stand, number, meanwhile)
    stand.wait(400)
    assert stand.action().state is State.WITHDRAWN
    told = [text for _, text in heard(stand)]
    assert len(told) == len(set(told))
    assert "withdrawn" in told[-1]


def test_a_start_that_a_busy_chat_did_not_take_is_not_told_after_the_end() -> None:
    busy = Busy()
    busy.full = True
    busy.stand.harm(HOST)
    busy.stand.wait(600)
    busy.full = False
    busy.stand.wait(300)
    assert kinds(busy.stand) == [ENDED]
    notices = [each.value for each in busy.stand.ports.ledger.notices(INCIDENT)]
    assert [each.state for each in notices if (each.kind, each.channel) == (STARTED, "slack")] == [LEFT]


def notice(kind: str, chapter: int = 1, stands: str = SENT, digest: str = "a", **members: object) -> Notice:
    attempts = 0 if stands in {OPEN, LEFT} else 1
    made = Notice(
        chapter=chapter, kind=kind, channel="slack", state=stands, since=NOW, attempts=attempts, digest=digest
    )
    return made.model_copy(update=members)


def test_a_summary_overtakes_what_its_chapter_and_those_before_have_still_to_tell() -> None:
    end = notice(FINAL, 2, OPEN)
    for kind in (STARTED, CONTAINED, UNSURE):
        assert overtaken(notice(kind, 1, OPEN), [end], ended=False)
        assert overtaken(notice(kind, 2, OPEN), [end], ended=False)
        assert not overtaken(notice(kind, 3, OPEN), [end], ended=False)
    assert overtaken(notice(FINAL, 1, OPEN), [end], ended=False)
    assert not overtaken(end, [end], ended=False)


def test_no_summary_overtakes_what_wakes_somebody() -> None:
    assert not overtaken(notice(f"{WAITING}1", 1, OPEN), [notice(FINAL, 2)], ended=False)


def test_while_observing_the_summary_tells_a_start_once_all_ended() -> None:
    begun = [notice(STARTED, 1, OPEN), notice(CONTAINED, 1, OPEN), notice(UNSURE, 1, OPEN)]
    assert [overtaken(each, begun, ended=True) for each in begun] == [True, False, False]


def test_a_summary_of_the_same_is_said_where_it_was_the_last_word_on_its_channel() -> None:
    end, next_end = notice(FINAL), notice(FINAL, 2, OPEN)
    assert said_before(next_end, [end, next_end], ended=True) == end
    assert said_before(next_end, [next_end], ended=True) is None
    assert said_before(next_end, [notice(FINAL, digest="b"), next_end], ended=True) is None
    assert said_before(next_end, [notice(FINAL, channel="teams"), next_end], ended=True) is None
    assert said_before(next_end, [notice(FINAL, stands=FAILED), next_end], ended=True) is None
    assert said_before(next_end, [end, notice(f"{WAITING}1", 2), next_end], ended=True) == end
    for kind in (STARTED, CONTAINED, UNSURE):
        assert said_before(next_end, [end, notice(kind, 2), next_end], ended=True) is None


def test_an_end_tells_what_begins_after_it_once_that_is_over_too() -> None:
    """Before that it says that something goes on, which an end does not, though it may list the same."""
    end = notice(FINAL)
    for kind in (STARTED, CONTAINED, UNSURE):
        begun = notice(kind, 2, OPEN)
        assert said_before(begun, [end, begun], ended=True) == end
        assert said_before(begun, [end, begun], ended=False) is None
        assert said_before(begun, [notice(FINAL, digest="b"), begun], ended=True) is None
        assert said_before(begun, [notice(FINAL, channel="teams"), begun], ended=True) is None
        for other in {STARTED, CONTAINED, UNSURE} - {kind}:
            assert said_before(begun, [end, notice(other, 2), begun], ended=True) is None
    assert said_before(notice(f"{WAITING}1", 2, OPEN), [end], ended=True) is None


def test_what_was_left_out_is_no_word_and_what_was_begun_may_be_one() -> None:
    end, third = notice(FINAL), notice(FINAL, 3, OPEN)
    assert said_before(third, [end, notice(STARTED, 2, LEFT), notice(FINAL, 2, LEFT, "b"), third], ended=True) == end
    begun = notice(FINAL, 2, SENDING)
    assert said_before(third, [begun, third], ended=True) == begun
    assert said_before(third, [end, notice(FINAL, 2, LEFT, "b", attempts=1), third], ended=True) is None


def test_an_end_that_a_slow_worker_tells_is_not_heard_after_a_later_one() -> None:
    """While one worker's message is on its way, what came of it since is told behind it."""
    stand, posted = Stand(), list[str]()
    stand.harm(HOST)

    def meanwhile(call: str) -> None:
        if call == "chat.post" and ended() and not posted:
            posted.append(call)
            stand.order("release", device=HOST, why="clean")
            stand.wait(90)

    def ended() -> bool:
        return all(each.state.settled for each in stand.ports.ledger.actions(INCIDENT))

    stand.ports.chats["slack"] = FakeChat(stand.tenant, before=meanwhile)  # type: ignore[index]
    stand.wait(400)
    stand.wait(400)
    assert posted
    assert kinds(stand).count(ENDED) == 2
    assert ["*Release, " in text for head, text in heard(stand) if ENDED in head] == [False, True]


def test_what_begins_and_is_over_before_the_end_ahead_of_it_is_heard_is_told_by_that_end() -> None:
    """That end is told as it is then. A start of what it had told came behind it, and then itself in the same words."""
    stand, posted = Stand(), list[str]()
    stand.harm(HOST)

    def until(met: Callable[[], bool]) -> None:
        while not met():
            stand.wait(TICK)

    def told() -> set[tuple[int, str]]:
        return {(each.value.chapter, each.value.kind) for each in stand.ports.ledger.notices(INCIDENT)}

    def meanwhile(call: str) -> None:
        if call == "chat.post" and not posted:
            posted.append(call)
            until(lambda: (1, FINAL) in told())
            stand.order("release", device=HOST, why="clean")
            stand.flow.notify(INCIDENT)
            until(lambda: stand.action("release").state is State.SUCCEEDED)

    stand.ports.chats["slack"] = FakeChat(stand.tenant, before=meanwhile)  # type: ignore[index]
    stand.wait(400)
    assert (2, STARTED) in told()
    assert (2, FINAL) in told()
    assert kinds(stand) == ["Response started", "Contained", ENDED]
    assert "*Release, " in heard(stand)[-1][1]


def test_what_is_told_on_a_channel_keeps_what_is_later_back_and_what_could_not_be_told_does_not() -> None:
    begun = notice(FINAL, stands=SENDING)
    assert under_way([begun, notice(FINAL, 2)]) == {"slack": NOW + STALE}
    assert under_way([notice(FINAL, stands=SENDING, detail=f"{ASKED}Slack answered 429")]) == {"slack": NOW + STALE}
    assert under_way([notice(FINAL, stands=SENDING, detail="Slack answered 500")]) == {}
