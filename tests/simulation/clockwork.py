"""Virtual time: tasks that stop at every call outside, and a seeded order in which they go on.

A task is a greenlet, so the flow under test stays ordinary code. Wherever it calls a port it pauses; what runs next,
how long the call takes and whether its process dies there is drawn from the seed. The same seed gives the same history.
"""

from __future__ import annotations

import heapq
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import greenlet

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Killed(BaseException):
    """The process of a task died: nothing after the call where it happened is done. Not an Exception, as in life."""


class Process:
    """A worker process: what happens in it ends with it."""

    def __init__(self, name: str) -> None:
        """Alive until it is killed."""
        self.name = name
        self.alive = True


class Clockwork:
    """The events of a history in order of virtual time; ties in the order in which they were arranged."""

    def __init__(self, seed: int) -> None:
        """Begin at `START` with nothing arranged."""
        self.random = Random(seed)  # noqa: S311 - histories, not secrets
        self.present = START
        self.history: list[str] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._elapsed = 0.0
        self._count = 0
        self._hub = greenlet.getcurrent()
        self._processes: dict[greenlet.greenlet, Process] = {}

    def now(self) -> datetime:
        """The virtual present."""
        return self.present

    def note(self, what: str) -> None:
        """Write into the history what happened now."""
        self.history.append(f"{self._elapsed:10.3f}  {what}")

    def after(self, seconds: float, run: Callable[[], None]) -> None:
        """Arrange for something to happen, outside of every task."""
        self._count += 1
        heapq.heappush(self._events, (self._elapsed + seconds, self._count, run))

    def spawn(self, process: Process, work: Callable[[], None]) -> None:
        """Begin a task in a process, now; it ends with its work or with its process."""

        def run() -> None:
            try:
                if process.alive:
                    work()
            except Killed:
                pass
            finally:
                self._processes.pop(greenlet.getcurrent(), None)

        task = greenlet.greenlet(run, parent=self._hub)
        self._processes[task] = process
        self.after(0.0, task.switch)

    def process(self) -> Process | None:
        """The process whose task is running; None outside of tasks."""
        return self._processes.get(greenlet.getcurrent())

    def pause(self, seconds: float) -> None:
        """Let the running task wait while others go on. Raises Killed where its process died meanwhile."""
        process = self.process()
        if process is None:
            return
        self.after(seconds, greenlet.getcurrent().switch)
        self._hub.switch()
        if not process.alive:
            raise Killed(process.name)

    def run(self, until: datetime, done: Callable[[], bool] = lambda: False) -> bool:
        """Let events happen until `done`, or up to `until`; whether it was done."""
        end = (until - START).total_seconds()
        while self._events and self._events[0][0] <= end:
            at, _, event = heapq.heappop(self._events)
            if at > self._elapsed:
                self._elapsed = at
                self.present = START + timedelta(seconds=at)
            event()
            if done():
                return True
        if end > self._elapsed:
            self._elapsed, self.present = end, until
        return done()
