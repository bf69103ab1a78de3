"""Orders are carried out once and answered, whatever comes twice or dies in between; and the small kinds of them."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest

from local.tenant import samples
from responders._alarms import Alarm
from responders._cases import LETTERS, ORDERED, partition_of
from responders._holding import held
from shared.errors import Denied, Rejected, Transient
from shared.models.action import State
from shared.models.asked import DeadLetter, OrderRecord, Remark, Stage
from shared.models.order import NotAnOrder
from shared.storage.interface import Conflict, Replace
from tests.fakes.clients import BROKEN, Mishaps
from tests.unit.order_stand import HOST, INCIDENT, OTHER, Stand

NONE = '{"per_incident": 0}'


# Once


def test_the_same_message_twice_is_one_order_with_one_answer() -> None:
    stand = Stand({"ISOLATION_CAPS": NONE})
    stand.harm(HOST)
    text = stand.message("approve", incident=INCIDENT)
    stand.flow.order(text)
    first = stand.record("order-001")
    stand.wait(60)
    stand.flow.order(text)
    assert stand.record("order-001") == first
    assert stand.posts("/isolate") == 1


def test_a_different_order_under_the_same_id_is_refused_and_recorded() -> None:
    stand = Stand({"ISOLATION_CAPS": NONE})
    stand.harm(HOST)
    text = stand.message("refuse", incident=INCIDENT)
    stand.flow.order(text)
    other = json.dumps(json.loads(text) | {"kind": "approve"})
    for _ in range(2):
        stand.flow.order(other)
    records = stand.ports.ledger.every(OrderRecord, ORDERED)
    assert [record.value.state for record in records] == [Stage.DONE, Stage.REFUSED]
    assert "another order has this id, to refuse" in records[1].value.answer
    assert stand.action().state is State.REFUSED


def denied() -> Denied:
    """What the storage says where the app's identity lacks a role for it."""
    error = Denied("writing: the storage answered 403", status=403, code="AuthorizationPermissionMismatch")
    error.of_storage = True
    return error


@pytest.mark.parametrize("call", ["rows.commit", "queues.send"])
@pytest.mark.parametrize("kind", ["approve", "release", "hold"])
def test_an_order_that_the_storage_refuses_waits_and_is_carried_out(kind: str, call: str) -> None:
    """Half of it may be done by then, so that a refusal would be no answer; and it would be nobody else's."""
    for number in range(1, 20):
        stand = Stand({"ISOLATION_CAPS": NONE})
        stand.harm(HOST)
        text = stand.message(kind, **KINDS[kind])
        stand.trouble.plan(call, number, after=False, error=denied())
        with suppress(Denied):  # it was not even written down: its message comes again
            stand.flow.order(text)
        struck = stand.trouble.over()
        stand.flow.order(text)
        stand.wait(120)
        assert stand.record("order-001").state is Stage.DONE
        if not struck:
            break


def test_an_order_that_waits_for_the_storage_says_so() -> None:
    stand = Stand({"ISOLATION_CAPS": NONE})
    stand.harm(HOST)
    stand.trouble.plan("queues.send", 1, after=False, error=denied())
    record = stand.order("approve", incident=INCIDENT)
    assert (record.state, record.answer) == (Stage.RECEIVED, "has to wait: writing: the storage answered 403")


def test_what_the_storage_refuses_for_good_is_not_called_a_refusal_of_defender() -> None:
    stand = Stand({"ISOLATION_CAPS": NONE})
    stand.harm(HOST)
    error = Rejected("writing: the storage answered 413", status=413)
    error.of_storage = True
    stand.trouble.plan("queues.send", 1, after=False, error=error)
    record = stand.order("approve", incident=INCIDENT)
    assert record.state is Stage.REFUSED
    assert record.answer == "the storage of Bulkhead refused: writing: the storage answered 413"


KINDS: dict[str, dict[str, object]] = {
    "approve": {"incident": INCIDENT},
    "release": {"device": HOST, "why": "x"},
    "retry": {},
    "hold": {"why": "x"},
    "reassess": {"incident": INCIDENT},
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["rows.commit", "queues.send"])
@pytest.mark.parametrize("kind", KINDS)
def test_wherever_a_worker_dies_the_order_is_carried_out_once(kind: str, call: str, after: bool) -> None:
    """At every write in turn, before its effect and after it. Where the order itself was not written down, its message
    comes again; else somebody takes the order up.
    """
    for number in range(1, 20):
        stand = Stand({"ISOLATION_CAPS": NONE})
        stand.harm(HOST)
        members = KINDS[kind]
        if kind == "retry":
            stand.order("refuse", incident=INCIDENT)
            members = {"action": stand.action().id}
        text = stand.message(kind, **members)
        stand.trouble.plan(call, number, after=after)
        try:
            stand.flow.order(text)
        except Transient:
            stand.flow.order(text)
        struck = stand.trouble.over()
        stand.wait(120)
        record = stand.record(json.loads(text)["id"])
        assert record.state is Stage.DONE
        actions = [*stand.ports.ledger.actions(INCIDENT), *stand.ports.ledger.actions("orders")]
        assert sum(each.opened_by == record.order.id for each in actions) == (kind in {"release", "retry"})
        assert all(len(set(each.orders)) == len(each.orders) for each in actions)
        assert stand.posts("/isolate") == (kind in {"approve", "retry"})
        if not struck:
            return
    raise AssertionError("it never came to an end")


def test_an_order_that_cannot_be_carried_out_is_taken_up_again_ever_more_rarely() -> None:
    down = True
    stand = Stand(mishaps=Mishaps(lambda call: BROKEN if down and call == "incidents.get" else None))
    stand.harm(HOST)
    stand.order("reassess", incident=INCIDENT)
    looks = []
    for _ in range(30):
        stand.wait(60)
        looks.append(stand.record("order-001").looks)
    assert looks[5] < 5
    assert looks[-1] < 8
    assert stand.record("order-001").answer.startswith("has to wait: ")
    down = False
    stand.wait(3700)
    assert stand.record("order-001").state is Stage.DONE


# What is no order


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kind": "explode"}', '{"kind": "hold"}'])
def test_what_is_no_order_rises_and_is_kept_with_what_is_wrong_with_it(text: str) -> None:
    stand = Stand()
    with pytest.raises(NotAnOrder) as error:
        stand.flow.order(text)
    assert error.value.problems
    assert stand.ports.ledger.every(OrderRecord, ORDERED) == []
    buried(stand, "orders", text)
    [letter] = stand.ports.ledger.dead_letters()
    assert (letter.value.text, letter.value.problems) == (text, error.value.problems)
    assert "bulkhead dead-letters list" in stand.told()


@pytest.mark.parametrize("queue", ["contain", "collect", "archive"])
def test_a_lost_nudge_is_kept_and_told_once_as_what_it_is(queue: str) -> None:
    """Workers that die again and again are worth a look by day; the work itself is not lost, and nobody gets up."""
    stand = Stand()
    buried(stand, queue, "overdue")
    stand.wait(600)
    assert stand.told().count("Nothing is lost: it only hurried work that stands in the ledger") == 1
    assert [letter.value.queue for letter in stand.ports.ledger.dead_letters()] == [queue]


@pytest.mark.parametrize("queue", ["incidents", "notify", "orders"])
def test_of_a_message_that_says_something_nobody_is_told_that_it_does_not_matter(queue: str) -> None:
    stand = Stand()
    buried(stand, queue, "rubbish")
    assert "could not be handled" in stand.told()
    assert "Nothing is lost" not in stand.told()


def buried(stand: Stand, queue: str, text: str) -> str:
    """What the host does with a message that failed five times; the key of the letter that it becomes."""
    stand.ports.queues.provide(f"{queue}-poison")  # type: ignore[attr-defined]
    stand.ports.queues.send(f"{queue}-poison", text)
    stand.flow.follow()
    return stand.ports.ledger.dead_letters()[-1].value.key


# Dead letters


def test_a_dead_letter_is_replayed_and_people_hear_that_it_is_over() -> None:
    stand = Stand({"ISOLATION_CAPS": NONE})
    stand.harm(HOST)
    key = buried(stand, "orders", stand.message("approve", incident=INCIDENT))
    assert stand.order("replay", letter=key).state is Stage.DONE
    stand.wait(60)
    assert stand.isolated()
    letter = stand.ports.ledger.one(DeadLetter, LETTERS, key)
    assert letter
    assert [mark.by for mark in letter.value.replays] == ["Ann"]
    alarms = stand.ports.ledger.singles(Alarm, "alarm:dead letter")
    assert [alarm.value.active for alarm in alarms] == [False]


def test_one_that_fails_again_is_another_letter() -> None:
    stand = Stand()
    first = buried(stand, "notify", "no/such#incident")
    stand.order("replay", letter=first)
    [text] = [message.text for message in stand.ports.queues.receive("notify") if "no/such" in message.text]
    second = buried(stand, "notify", text)
    assert first != second
    assert len(stand.ports.ledger.dead_letters()) == 2


def test_a_letter_is_dropped_with_who_and_why_and_its_text_stays() -> None:
    stand = Stand()
    key = buried(stand, "notify", "no/such#incident")
    assert stand.order("drop", letter=key, why="rubbish").state is Stage.DONE
    [letter] = [entry.value for entry in stand.ports.ledger.dead_letters()]
    assert letter.text == "no/such#incident"
    assert letter.dropped
    assert (letter.dropped.by, letter.dropped.why) == ("Ann", "rubbish")
    assert "dropped by Ann: rubbish" in stand.order("replay", letter=key).answer
    assert stand.order("drop", letter=key, why="again").state is Stage.REFUSED


def test_a_letter_that_is_buried_again_keeps_what_was_done_about_it() -> None:
    """The worker that buried it died before it took the message away."""
    stand = Stand()
    key = buried(stand, "notify", "no/such#incident")
    stand.order("drop", letter=key, why="rubbish")
    letter = stand.ports.ledger.dead_letters()[0].value
    stand.ports.queues.send("notify-poison", letter.text)
    stand.flow.follow()
    assert stand.ports.ledger.one(DeadLetter, LETTERS, key).value.dropped  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["replay", "drop"])
def test_a_letter_that_nobody_knows_is_said_to_be_unknown(kind: str) -> None:
    record = Stand().order(kind, letter="notify:none", why="x")
    assert (record.state, record.answer) == (Stage.REFUSED, "there is no such dead letter")


# Hold


def test_while_held_nothing_is_sent_and_afterwards_it_goes_on_by_itself() -> None:
    stand = Stand()
    assert stand.order("hold", why="maintenance").state is Stage.DONE
    stand.harm(HOST)
    stand.wait(60)
    isolation = stand.action()
    assert isolation.state is State.WAITING
    assert isolation.detail == "everything is held by Ann since 2026-01-05 09:00 UTC: maintenance"
    assert stand.action("collect_package").state is State.WAITING
    assert not stand.posts("/isolate")
    assert stand.order("resume").state is Stage.DONE
    stand.wait(120)
    assert stand.isolated()
    assert stand.action("collect_package").state is State.SUCCEEDED


def test_people_are_told_of_a_hold_and_of_its_end() -> None:
    stand = Stand()
    stand.order("hold", why="maintenance")
    assert "everything is held by Ann" in stand.told()
    stand.order("resume")
    assert "over: everything is held" in stand.told()


def test_the_end_of_a_long_hold_fires_no_backlog() -> None:
    """What is too old by then waits for an approval; and what a hold has stopped does not expire meanwhile."""
    stand = Stand({"MAX_AGE_TO_CONTAIN": "PT30M", "APPROVAL_EXPIRES": "PT10M"})
    stand.order("hold", why="maintenance")
    stand.harm(HOST)
    stand.wait(60)
    stand.clock.advance(1800)
    stand.wait(10)
    assert stand.action().state is State.WAITING
    stand.order("resume")
    stand.wait(60)
    assert (stand.action().state, stand.action().held) == (State.WAITING, False)
    assert "the newest alert is 0 h old" in stand.action().detail
    assert stand.action().approve_by
    assert not stand.posts("/isolate")


def test_the_end_of_a_hold_lets_the_isolation_go_on_before_the_package() -> None:
    """Else a worker that is quick asks for the package in between, and the isolation waits for its end."""
    stand = Stand()
    stand.order("hold", why="maintenance")
    stand.harm(HOST)
    held = {each.responder for each in stand.ports.ledger.actions(INCIDENT) if each.held}
    assert {"isolate", "collect_package"} <= held
    seen: list[set[str]] = []

    def after(call: str) -> None:
        if call == "rows.commit":
            seen.append({each.responder for each in stand.ports.ledger.actions(INCIDENT) if each.held})

    stand.order("resume")
    stand.rows.after = after
    stand.wait(60)
    assert any("collect_package" in each and "isolate" not in each for each in seen)
    assert not any("isolate" in each and "collect_package" not in each for each in seen)


def test_what_is_reserved_when_the_hold_begins_is_not_sent() -> None:
    """The last look is right before the call."""
    taken = False

    def look(call: str) -> None:
        nonlocal taken
        if call == "devices.actions" and not taken:
            taken = True
            stand.order("hold", why="now")

    stand = Stand(before=look)
    stand.harm(HOST)
    assert taken
    assert not stand.posts("/isolate")
    assert stand.action().attempt == 1
    stand.wait(20)
    assert stand.action().state is State.WAITING


def test_a_hold_that_a_newer_version_wrote_stands_and_stops_no_tick() -> None:
    stand = Stand()
    stand.order("hold", why="maintenance")
    stand.harm(HOST, OTHER)
    assert stand.action().held
    row = stand.rows.stored["deployment", "hold"]
    stand.rows.commit("deployment", [Replace("hold", row.text.replace('"v":1', '"v":2', 1), row.etag)])
    stand.wait(60)
    assert stand.action().state is State.WAITING
    assert not stand.posts("/isolate")


def test_a_second_hold_changes_nothing_and_nobody_resumes_what_is_not_held() -> None:
    stand = Stand()
    assert stand.order("resume").state is Stage.REFUSED
    stand.order("hold", why="maintenance")
    again = stand.order("hold", why="mine")
    assert again.answer == "everything was held already, by Ann since 2026-01-05 09:00 UTC: maintenance"


def test_a_hold_that_comes_again_after_its_end_holds_nothing() -> None:
    """Its worker died before it could answer, and somebody resumed meanwhile."""
    stand = Stand()
    text = stand.message("hold", why="maintenance")
    stand.trouble.plan("rows.commit", 2, after=True)
    stand.flow.order(text)
    assert stand.record("order-001").state is Stage.RECEIVED
    stand.order("resume")
    stand.wait(120)
    assert stand.record("order-001").state is Stage.DONE
    stand.harm(HOST)
    stand.wait(60)
    assert stand.isolated()


def test_a_resume_that_comes_late_does_not_end_a_newer_hold() -> None:
    """Also where that hold was asked while the older one still stood; a resume that is asked after it ends it."""
    stand = Stand()
    stand.order("hold", why="too much")
    stand.clock.advance(60)
    late = stand.message("resume")
    stand.clock.advance(60)
    stand.order("hold", why="no, stop")
    stand.clock.advance(300)
    stand.flow.order(late)
    record = stand.record("order-002")
    assert record.state is Stage.REFUSED
    assert record.answer.startswith("a newer hold stands, by Ann, asked at 2026-01-05 09:02:00 UTC: no, stop; ")
    stand.harm(HOST)
    stand.wait(60)
    assert not stand.isolated()
    assert stand.order("resume").state is Stage.DONE
    stand.wait(120)
    assert stand.isolated()


def test_a_hold_that_comes_late_does_not_make_the_hold_that_stands_an_older_one() -> None:
    stand = Stand()
    early = stand.message("hold", why="early")
    stand.clock.advance(60)
    late = stand.message("resume")
    stand.clock.advance(60)
    stand.order("hold", why="newest")
    stand.flow.order(early)
    stand.flow.order(late)
    assert stand.record("order-002").state is Stage.REFUSED


@pytest.mark.parametrize(("hold", "resume"), [(0, -20), (3600, 0), (-3600, -20)])
def test_who_resumes_right_after_a_hold_is_heard_whatever_the_clocks_show(hold: int, resume: int) -> None:
    """The two clocks are that many seconds ahead; a hold is never taken to be asked later than it was read."""

    def at(ahead: int) -> str:
        return (stand.clock.now() + timedelta(seconds=ahead)).isoformat()

    stand = Stand()
    stand.order("hold", why="too much", at=at(hold))
    stand.clock.advance(5)
    assert stand.order("resume", at=at(resume)).state is Stage.DONE


def test_a_hold_that_an_older_version_wrote_is_ended_by_any_resume() -> None:
    stand = Stand()
    late = stand.message("resume")
    stand.clock.advance(60)
    stand.order("hold", why="maintenance")
    row = stand.rows.stored["deployment", "hold"]
    older = json.loads(row.text)
    del older["newest"]
    stand.rows.commit("deployment", [Replace("hold", json.dumps(older), row.etag)])
    stand.flow.order(late)
    assert stand.record("order-001").state is Stage.DONE


@pytest.mark.parametrize("kind", ["hold", "resume"])
def test_a_hold_and_its_end_that_another_order_was_faster_than_are_tried_again_at_once(kind: str) -> None:
    stand = Stand()
    stand.order("hold", why="too much")
    stand.clock.advance(60)
    stand.trouble.plan("rows.commit", 2, after=False, error=Conflict("another order was faster"))
    assert stand.order(kind, why="now").state is Stage.DONE
    assert stand.trouble.over()
    assert bool(held(stand.ports)) == (kind == "hold")


# Notes, and assessing anew


def test_a_note_is_kept_with_its_incident_its_author_and_its_times() -> None:
    stand = Stand()
    stand.harm(HOST)
    asked = stand.clock.now()
    text = stand.message("note", incident=INCIDENT, text="Called the owner.")
    stand.clock.advance(5)
    stand.flow.order(text)
    entry = stand.ports.ledger.one(Remark, partition_of(INCIDENT), "note:order-001")
    assert entry
    assert (entry.value.text, entry.value.by) == ("Called the owner.", "Ann")
    assert (entry.value.at, entry.value.kept_at) == (asked, stand.clock.now())
    assert stand.order("note", incident="404", text="x").state is Stage.REFUSED


def test_an_incident_is_assessed_anew_though_nothing_of_it_has_changed() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.wait(120)
    before = stand.ports.ledger.incident(INCIDENT)
    record = stand.later(stand.order("reassess", incident=INCIDENT), 30)
    after = stand.ports.ledger.incident(INCIDENT)
    assert before
    assert after
    assert record.answer.startswith("assessed anew: may do harm; severity high")
    assert after.value.assessed == f"{before.value.assessed}-1"
    assert after.value.reassessed == (record.order.id,)
    assert stand.posts("/isolate") == 1


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_it_is_assessed_anew_though_the_worker_of_the_order_dies_at_any_write(number: int) -> None:
    """An incident of long ago is in no reading of the watch that would bring it up again."""
    stand = Stand()
    stand.harm(HOST)
    stand.wait(120)
    text = stand.message("reassess", incident=INCIDENT)
    stand.trouble.plan("rows.commit", number, after=True)
    with suppress(Transient):
        stand.flow.order(text)
    assert stand.trouble.over()
    with suppress(Transient):
        stand.flow.order(text)
    assert stand.later(stand.record("order-001"), 600).state is Stage.DONE


def test_what_changes_later_is_assessed_as_ever() -> None:
    stand = Stand()
    stand.harm(HOST)
    stand.order("reassess", incident=INCIDENT)
    stand.wait(60)
    stand.flow.watch()
    stand.wait(60)
    entry = stand.ports.ledger.incident(INCIDENT)
    assert entry
    assert entry.value.assessed.endswith("-1")
    stand.grow(OTHER)
    stand.wait(90)
    assert stand.isolated(OTHER)


def test_an_incident_that_was_never_seen_is_brought_in_and_an_unknown_one_is_not() -> None:
    """One from before the deployment began: too old to be contained without a person."""
    stand = Stand()
    made = stand.clock.now() - timedelta(days=1)
    stand.tenant.incidents.put(samples.harmful_incident("6", device_id=HOST, created=made))
    stand.wait(30)
    assert stand.ports.ledger.incident("6") is None
    record = stand.later(stand.order("reassess", incident="6"), 30)
    assert record.answer.startswith("assessed anew: may do harm")
    assert stand.action(incident="6").state is State.WAITING
    assert stand.order("reassess", incident="404").answer == "Graph knows no incident 404"
