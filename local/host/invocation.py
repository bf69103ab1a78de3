"""Running functions: a pool of threads, a deadline for each invocation, and one end for each, whatever happens.

An invocation ends exactly once: when the function returns or raises, or when the host gives it up because a function
overran its time and the whole process is about to be replaced. What an end means (delete the message, write the timer's
status) is the listener's affair and comes as a callable.
"""

import asyncio
import inspect
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from local.host.bindings import HostedFunction
from local.host.context import InvocationContext
from local.host.logs import current_invocation

_log: Final = logging.getLogger("local.host")
_ENDING_THREADS: Final = 8
_MOST_THREADS: Final = 32


def thread_count(setting: str | None, cores: int) -> int:
    """Size the pool as the worker does: `setting` (PYTHON_THREADPOOL_THREAD_COUNT) if a number, else Python's own."""
    if setting and setting.isascii() and setting.isdigit() and int(setting) > 0:
        return int(setting)
    return min(_MOST_THREADS, cores + 4)


@dataclass(eq=False)
class Invocation:
    """One call of one function; `on_end` gets whether it succeeded."""

    function: HostedFunction
    reason: str
    on_end: Callable[[bool], None]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began: float = field(default_factory=time.monotonic)
    finished: threading.Event = field(default_factory=threading.Event)
    returned: bool = False
    _end: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def end(self, *, succeeded: bool) -> None:
        """Carry out the end, once; whoever comes second waits for the first."""
        with self._end:
            if self._ended:
                return
            self._ended = True
            try:
                self.on_end(succeeded)
            except Exception:  # noqa: BLE001  # an end that fails must not take the host down: the message comes back by itself
                _log.exception("could not conclude Functions.%s (Id=%s)", self.function.name, self.id)
            finally:
                self.finished.set()


class Invoker:
    """Runs invocations and knows which are running."""

    def __init__(self, threads: int, timeout: float | None, directory: str) -> None:
        """Prepare the pools; `timeout` in seconds, None when unbounded."""
        self.timeout: Final = timeout
        self._directory = directory
        self._functions = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._endings = ThreadPoolExecutor(_ENDING_THREADS, thread_name_prefix="ending")
        self._changed = threading.Condition()
        self._running: set[Invocation] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(
        self,
        function: HostedFunction,
        argument: object,
        reason: str,
        on_end: Callable[[bool], None],
    ) -> Invocation:
        """Begin an invocation; it may wait for a thread, and its time runs meanwhile, as on the real host."""
        invocation = Invocation(function, reason, on_end)
        with self._changed:
            self._running.add(invocation)
        if inspect.iscoroutinefunction(function.call):
            asyncio.run_coroutine_threadsafe(self._run_async(invocation, argument), self._event_loop())
        else:
            self._functions.submit(self._run, invocation, argument)
        return invocation

    def running(self) -> list[Invocation]:
        """List what has not ended."""
        with self._changed:
            return list(self._running)

    def overdue(self, now: float) -> Invocation | None:
        """Give an invocation that has overrun its time (monotonic clock), if there is one."""
        if self.timeout is None:
            return None
        running = (each for each in self.running() if not each.returned)
        return next((each for each in running if now - each.began > self.timeout), None)

    def abandon_all(self, patience: float) -> None:
        """End everything that runs as failed, because the process is about to go; wait at most `patience` seconds."""
        running = self.running()
        for invocation in running:
            threading.Thread(target=invocation.end, kwargs={"succeeded": False}, daemon=True).start()
        deadline = time.monotonic() + patience
        for invocation in running:
            invocation.finished.wait(max(0.0, deadline - time.monotonic()))

    def wait_idle(self, deadline: float) -> bool:
        """Wait until nothing runs or the deadline (monotonic clock) is past; say whether nothing runs."""
        with self._changed:
            while self._running:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        """Start, at the first async function, the one loop they all share (as in the worker)."""
        with self._changed:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="async-functions", daemon=True).start()
            return self._loop

    def _arguments(self, invocation: Invocation, argument: object) -> dict[str, Any]:
        function = invocation.function
        arguments: dict[str, Any] = {function.trigger.parameter: argument}
        if function.wants_context:
            context = InvocationContext(invocation.id, function.name, self._directory)
            context.thread_local_storage.invocation_id = invocation.id
            arguments["context"] = context
        return arguments

    def _run(self, invocation: Invocation, argument: object) -> None:
        with _Observed(invocation) as observed:
            observed.check(invocation.function.call(**self._arguments(invocation, argument)))
        self._conclude(invocation, succeeded=observed.succeeded)

    async def _run_async(self, invocation: Invocation, argument: object) -> None:
        with _Observed(invocation) as observed:
            observed.check(await invocation.function.call(**self._arguments(invocation, argument)))
        self._conclude(invocation, succeeded=observed.succeeded)

    def _conclude(self, invocation: Invocation, *, succeeded: bool) -> None:
        """End it on another pool: storage calls belong to the host and must not hold a function's thread."""
        invocation.returned = True
        self._endings.submit(self._end, invocation, succeeded)

    def _end(self, invocation: Invocation, succeeded: bool) -> None:  # noqa: FBT001  (submitted by position)
        invocation.end(succeeded=succeeded)
        with self._changed:
            self._running.discard(invocation)
            self._changed.notify_all()


class _Observed:
    """Logs the two lines of an invocation and turns any exception into a failure."""

    def __init__(self, invocation: Invocation) -> None:
        self.succeeded = False
        self._invocation = invocation

    def __enter__(self) -> Self:
        self._token = current_invocation.set(self._invocation.id)
        name, reason = self._invocation.function.name, self._invocation.reason
        _log.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", name, reason, self._invocation.id)
        return self

    def check(self, result: object) -> None:
        """Refuse a result, as the worker does where no $return binding takes it."""
        if result is not None:
            message = f"function {self._invocation.function.name!r} without a $return binding returned a non-None value"
            raise RuntimeError(message)
        self.succeeded = True

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> Literal[True]:
        took = (time.monotonic() - self._invocation.began) * 1000
        outcome = "Succeeded" if self.succeeded else "Failed"
        line = "Executed 'Functions.%s' (%s, Id=%s, Duration=%.0fms)"
        level = logging.INFO if self.succeeded else logging.ERROR
        _log.log(level, line, self._invocation.function.name, outcome, self._invocation.id, took, exc_info=error)
        current_invocation.reset(self._token)
        return True  # even sys.exit() in a function is only that invocation's failure
