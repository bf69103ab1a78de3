"""How long to wait: for an empty queue, for a failing renewal, before a worker is started again.

Pure; the one random draw is an argument. The queue's rule follows RandomizedExponentialBackoffStrategy.cs of the
WebJobs SDK: 100 ms, then 100 ms plus a doubling share that varies by a fifth either way, up to maxPollingInterval.
"""

from dataclasses import dataclass
from typing import Final

SHORTEST_POLL: Final = 0.1
_SPREAD: Final = 0.2
_LONGEST_RESTART: Final = 30.0
SHORT_LIFE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """The state of one poller: call `after_work` when something was found, `after_nothing` when not. Seconds."""

    longest: float
    delay: float = SHORTEST_POLL
    exponent: int = 1

    def after_work(self) -> "Backoff":
        """Start again from the shortest wait."""
        return Backoff(self.longest)

    def after_nothing(self, draw: float) -> "Backoff":
        """Wait longer; `draw` is uniform in 0..1."""
        if self.delay >= self.longest:
            return self
        share = 1 - _SPREAD + 2 * _SPREAD * draw
        longer = SHORTEST_POLL + share * 2.0 ** (self.exponent - 1) * SHORTEST_POLL
        if longer < self.longest:
            return Backoff(self.longest, longer, self.exponent + 1)
        return Backoff(self.longest, self.longest, self.exponent)


def messages_to_take(in_flight: int, batch_size: int, new_batch_threshold: int) -> int:
    """Say how many messages to ask for: a whole batch once no more than the threshold are running, otherwise none."""
    return batch_size if in_flight <= new_batch_threshold else 0


def restart_delay(short_lives: int) -> float:
    """Give the seconds before a new worker: none after a long life, doubling to half a minute while it keeps dying."""
    if short_lives <= 1:
        return 0.0
    return min(_LONGEST_RESTART, 2.0 ** min(short_lives - 2, 10))


def next_short_lives(short_lives: int, lived: float, *, became_ready: bool) -> int:
    """Count lives in a row that ended early; `lived` in seconds."""
    return 0 if became_ready and lived >= SHORT_LIFE else short_lives + 1
