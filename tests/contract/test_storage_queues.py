"""What `Queues` promises, over the fake (in virtual time) and over Azure Queues (Azurite, in real time)."""

import base64
from datetime import timedelta

import pytest

from shared.errors import NotFound
from shared.storage import limits
from shared.storage.connections import Connection
from shared.storage.interface import Message
from tests.contract.conftest import QueueStand
from tests.fakes.storage import FakeClock, FakeQueues


@pytest.mark.parametrize("text", ["", "hello", '{"a": "é \N{FIRE} <&>"}', "\x00\n", "aGVsbG8=", "x" * 48 * 1024])
def test_a_text_comes_back_to_the_letter(stand: QueueStand, text: str) -> None:
    stand.queues.send(stand.queue, text)
    (message,) = stand.queues.receive(stand.queue)
    assert (message.text, message.dequeue_count) == (text, 1)


def test_a_text_too_long_is_refused(stand: QueueStand) -> None:
    """It is measured as UTF-8."""
    for text in ("x" * (48 * 1024 + 1), "é" * (24 * 1024 + 1)):
        with pytest.raises(ValueError, match="fit"):
            stand.queues.send(stand.queue, text)
    assert stand.queues.receive(stand.queue) == []


def test_an_empty_queue_gives_nothing(stand: QueueStand) -> None:
    assert stand.queues.receive(stand.queue) == []


def test_a_message_received_is_hidden_for_a_while_and_then_comes_again(stand: QueueStand) -> None:
    """With the same id, another receipt and one more in its count."""
    stand.queues.send(stand.queue, "a")
    (first,) = stand.queues.receive(stand.queue, hidden_for=1)
    assert stand.queues.receive(stand.queue) == []
    stand.wait(1.3)
    (second,) = stand.queues.receive(stand.queue)
    assert (second.id, second.text, second.dequeue_count) == (first.id, "a", 2)
    assert second.receipt != first.receipt


def test_a_message_deleted_never_comes_again(stand: QueueStand) -> None:
    stand.queues.send(stand.queue, "a")
    (message,) = stand.queues.receive(stand.queue, hidden_for=1)
    stand.queues.delete(stand.queue, message)
    stand.wait(1.3)
    assert stand.queues.receive(stand.queue) == []


def test_deleting_what_is_gone_is_no_fault(stand: QueueStand) -> None:
    """Twice, or from a queue that does not exist."""
    stand.queues.send(stand.queue, "a")
    (message,) = stand.queues.receive(stand.queue)
    stand.queues.delete(stand.queue, message)
    stand.queues.delete(stand.queue, message)
    stand.queues.delete("no-such-queue", message)


def test_a_message_that_another_received_since_is_left_to_them(stand: QueueStand) -> None:
    stand.queues.send(stand.queue, "a")
    (mine,) = stand.queues.receive(stand.queue, hidden_for=1)
    stand.wait(1.3)
    (theirs,) = stand.queues.receive(stand.queue, hidden_for=1)
    stand.queues.delete(stand.queue, mine)
    stand.wait(1.3)
    (again,) = stand.queues.receive(stand.queue)
    assert (again.id, again.dequeue_count) == (theirs.id, 3)


def test_a_delayed_message_comes_no_earlier(stand: QueueStand) -> None:
    """A part of a second counts as a whole one."""
    stand.queues.send(stand.queue, "later", delay=1.2)
    stand.queues.send(stand.queue, "now")
    assert [message.text for message in stand.queues.receive(stand.queue, hidden_for=60)] == ["now"]
    stand.wait(2.3)
    assert [message.text for message in stand.queues.receive(stand.queue)] == ["later"]


def test_as_many_messages_come_as_were_asked_for(stand: QueueStand) -> None:
    """At most, at a time; each once."""
    for number in range(40):
        stand.queues.send(stand.queue, str(number))
    counts = []
    texts = []
    for limit in (1, 32, 16):
        messages = stand.queues.receive(stand.queue, limit=limit)
        counts.append(len(messages))
        texts += [message.text for message in messages]
    assert counts == [1, 32, 7]
    assert sorted(texts, key=int) == [str(number) for number in range(40)]


@pytest.mark.parametrize(
    "sent", ["plain text", "{}", base64.b64encode(b"\xff\xfe").decode(), "aGVsbG8", "aGVs bG8="], ids=repr
)
def test_what_is_not_base64_of_a_text_comes_raw(stand: QueueStand, sent: str) -> None:
    """Somebody else put it; it must not stop the queue."""
    stand.send_raw(sent)
    assert [message.text for message in stand.queues.receive(stand.queue)] == [sent]


def test_a_missing_queue_gives_nothing_and_takes_nothing(stand: QueueStand) -> None:
    """Receiving is silent, for the host may come before the deployment; sending names the queue and is permanent."""
    missing = f"missing-{stand.queue}"
    assert stand.queues.receive(missing) == []
    with pytest.raises(NotFound, match=missing) as caught:
        stand.queues.send(missing, "a")
    assert caught.value.status == 404


def test_what_the_queue_cannot_do_is_refused(stand: QueueStand) -> None:
    """More than seven days, less than nothing; no messages, or more than 32; and nothing is sent."""
    for delay in (-1, limits.MAX_DELAY + 1, float("nan")):
        with pytest.raises(ValueError, match="seconds"):
            stand.queues.send(stand.queue, "a", delay=delay)
    for hidden_for in (0, limits.MAX_DELAY + 1):
        with pytest.raises(ValueError, match="seconds"):
            stand.queues.receive(stand.queue, hidden_for=hidden_for)
    for limit in (0, 33):
        with pytest.raises(ValueError, match="messages"):
            stand.queues.receive(stand.queue, limit=limit)
    assert stand.queues.receive(stand.queue) == []
    stand.queues.send(stand.queue, "in a week", delay=limits.MAX_DELAY)
    assert stand.queues.receive(stand.queue) == []


def test_a_message_never_expires(connection: Connection, name: str) -> None:
    """Not after seven days, which is the service's default."""
    queue = f"ttl-{name}"
    client = connection.queue_service.create_queue(queue)
    connection.queues().send(queue, "a")
    (peeked,) = client.peek_messages()
    assert peeked.expires_on is not None
    assert peeked.expires_on.year == 9999


def test_the_fake_gives_messages_in_the_order_in_which_they_become_visible() -> None:
    """The service promises no order at all; a simulation needs one."""
    clock = FakeClock()
    queues = FakeQueues(clock.now, ["q"])
    for text, delay in (("c", 3), ("a", 1), ("b", 1), ("d", 4)):
        queues.send("q", text, delay=delay)
    assert queues.next_visible() == clock.now() + timedelta(seconds=1)
    clock.advance(3)
    assert [message.text for message in queues.receive("q")] == ["a", "b", "c"]
    assert queues.waiting("q") == ["c", "a", "b", "d"]


def test_the_fake_leaves_a_message_of_another_queue_alone() -> None:
    clock = FakeClock()
    queues = FakeQueues(clock.now, ["q", "r"])
    queues.send("q", "a")
    queues.delete("r", Message("m1", "a", "m1.1", 1))
    assert queues.waiting("q") == ["a"]
