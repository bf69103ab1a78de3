"""Who was given which message, why one comes again, and what queues do beside: two workers with one, and late ones.

Drawn from a stream of its own: where neither happens, a history plays as if there were no such thing.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

from tests.fakes.storage import FakeQueues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shared.storage.interface import Message
    from tests.fakes.storage import Hook, Now
    from tests.simulation.clockwork import Process
    from tests.simulation.world import World

T = TypeVar("T")

FAILED, DIED, SHARED = "comes again after it failed", "comes again after a death", "at two workers at once"
BELATED = "minutes late"
_SHARED, _BELATED = 0.1, 0.04
_SOON = 1.5
_LATE = (60, 400)
"""Seconds by which a message is late that is."""


class BelatedQueues(FakeQueues):
    """Queues in which a message becomes visible later than was asked, by as many seconds as `late` says."""

    def __init__(self, now: Now, queues: Iterable[str], late: Callable[[], int], *, before: Hook, after: Hook) -> None:
        """Begin with these queues, empty."""
        super().__init__(now, queues, before=before, after=after)
        self._late = late

    def _send(self, queue: str, sent: str, seconds: int) -> None:
        super()._send(queue, sent, seconds + self._late())


class Deliveries:
    """The deliveries of a history, each known by its message and by the how-manieth of it that it is."""

    def __init__(self, world: World) -> None:
        """Nothing was sent yet."""
        self._world = world
        self._random = Random(world.seed ^ 0xDE11)  # noqa: S311 - histories, not secrets
        self._with: dict[tuple[str, int], Process] = {}
        self._failed: set[tuple[str, int]] = set()

    def given(self, message: Message, process: Process) -> None:
        """A worker is given a message: count why it comes again, if it does. What was handled and could not be deleted
        was counted by then.
        """
        last = message.id, message.dequeue_count - 1
        before = self._with.get(last)
        if last in self._failed:
            self._world.counters.injected[FAILED, "message"] += 1
        elif before:
            self._world.counters.injected[SHARED if before.alive else DIED, "message"] += 1
        self._with[message.id, message.dequeue_count] = process

    def over(self, message: Message) -> None:
        """A worker is through with a message, whether that failed or not. One that died is never."""
        self._with.pop((message.id, message.dequeue_count), None)

    def failed(self, message: Message) -> None:
        """What a worker did with a message failed."""
        self._failed.add((message.id, message.dequeue_count))

    def lapses(self, message: Message) -> float | None:
        """In how many seconds the lease of a message runs out that was given just now, if that is to be long before
        its time.
        """
        shared = self._world.dangers.shared and self._world.troubled and message.dequeue_count == 1
        return self._random.uniform(0.0, _SOON) if shared and self._random.random() < _SHARED else None

    def at_work(self, message: Message) -> bool:
        """Whether a living worker still has a message."""
        process = self._with.get((message.id, message.dequeue_count))
        return bool(process and process.alive)

    def any_of(self, instances: Sequence[T]) -> T:
        """The instance that is given a message beside the first."""
        return self._random.choice(instances)

    def late(self) -> int:
        """By how many seconds a message that is sent now is late."""
        world = self._world
        if not (world.dangers.belated and world.troubled) or self._random.random() > _BELATED:
            return 0
        world.counters.injected[BELATED, "message"] += 1
        return self._random.randint(*_LATE)
