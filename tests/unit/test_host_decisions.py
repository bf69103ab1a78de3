"""Waiting, taking, decoding: the small decisions of the listeners, each a function of its arguments."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.backoff import Backoff, messages_to_take, next_short_lives, restart_delay
from local.host.invocation import thread_count
from local.host.messages import decode_body, poison_queue_name

draws = st.floats(0, 1, allow_nan=False)


@given(st.floats(0.1, 120, allow_nan=False), st.lists(draws, min_size=1, max_size=40))
def test_an_empty_queue_is_polled_ever_more_rarely_up_to_the_longest_wait(longest: float, drawn: list[float]) -> None:
    backoff = Backoff(longest)
    assert backoff.delay == 0.1
    for draw in drawn:
        longer = backoff.after_nothing(draw)
        assert 0.1 <= longer.delay <= longest
        assert longer.delay >= backoff.delay * 0.75  # the random fifth may shorten a step a little
        backoff = longer
    assert backoff.after_work().delay == 0.1


@pytest.mark.parametrize("draw", [0.0, 0.5, 1.0])
def test_two_seconds_are_reached_within_six_empty_polls(draw: float) -> None:
    backoff = Backoff(2.0)
    for _ in range(6):
        backoff = backoff.after_nothing(draw)
    assert backoff.delay == 2.0


@given(st.integers(1, 32), st.integers(0, 64))
def test_never_more_than_a_batch_and_the_threshold_are_in_flight(batch: int, threshold: int) -> None:
    in_flight = 0
    for _ in range(100):
        in_flight += messages_to_take(in_flight, batch, threshold)
    assert threshold < in_flight <= batch + threshold
    assert messages_to_take(in_flight, batch, threshold) == 0


def test_a_worker_that_lived_is_replaced_at_once_and_one_that_keeps_dying_after_longer_and_longer_waits() -> None:
    assert [restart_delay(count) for count in range(9)] == [0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert next_short_lives(4, 3600.0, became_ready=True) == 0
    assert next_short_lives(4, 1.0, became_ready=True) == 5
    assert next_short_lives(4, 60.0, became_ready=False) == 5


@given(st.binary(max_size=200))
def test_a_base64_body_comes_through_whole(body: bytes) -> None:
    text = base64.b64encode(body).decode()
    assert decode_body(text, encoded=True) == body
    assert decode_body(f" {text[:4]}\n{text[4:]} ", encoded=True) == body


@pytest.mark.parametrize("text", ["{}", "***", "YWJ", "YQ=", "Ünïcode"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not base64"):
        decode_body(text, encoded=True)


def test_without_encoding_the_text_is_the_body() -> None:
    assert decode_body('{"ü": 1}', encoded=False) == '{"ü": 1}'.encode()


def test_a_poison_queue_has_no_poison_queue_nor_has_one_with_too_long_a_name() -> None:
    assert poison_queue_name("jobs") == "jobs-poison"
    assert poison_queue_name("jobs-poison") is None
    assert poison_queue_name("q" * 57) is None


@pytest.mark.parametrize(
    ("setting", "threads"),
    [(None, 6), ("", 6), ("16", 16), ("0", 6), ("-3", 6), ("many", 6)],
)
def test_the_pool_has_as_many_threads_as_the_worker_would_have(setting: str | None, threads: int) -> None:
    assert thread_count(setting, cores=2) == threads
    assert thread_count(None, cores=64) == 32
