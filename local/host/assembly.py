"""From triggers to listeners: the one place where the pure parts, the clients and the threads are put together."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local.host.bindings import DEFAULT_CONNECTION, HostedFunction, QueueTrigger, TimerTrigger
from local.host.connections import blob_service, find_connection, queue_service
from local.host.errors import StartRefusedError
from local.host.invocation import Invoker
from local.host.messages import Renewals
from local.host.options import HostOptions
from local.host.queue_listener import QueueListener, Shared
from local.host.timer_listener import TimerListener, TimerPlace

_DEFAULT_HOST_ID: Final = "local"
_ASK_FOR_LOCK: Final = 3.0
# Short, since a lock must be renewed before it runs out and a poll is soon repeated; the SDK's defaults wait minutes.
_PATIENCE: Final[Mapping[str, Any]] = {
    "connection_timeout": 5,
    "read_timeout": 20,
    "retry_total": 2,
    "initial_backoff": 1,
    "increment_base": 1,
}
_LOCK_PATIENCE: Final[Mapping[str, Any]] = {"connection_timeout": 3, "read_timeout": 3, "retry_total": 0}


@dataclass(frozen=True, slots=True)
class Listeners:
    """Everything that listens, ready to start."""

    timers: Sequence[TimerListener]
    queues: Sequence[QueueListener]
    renewals: Renewals

    def start(self) -> None:
        """Begin to listen."""
        for thread in (*self.queue_threads(), *self.timer_threads()):
            thread.start()

    def queue_threads(self) -> list[threading.Thread]:
        """Give the threads that poll."""
        return [listener.thread for listener in self.queues]

    def timer_threads(self) -> list[threading.Thread]:
        """Give the threads that wait for timers and for their calls."""
        return [listener.thread for listener in self.timers]

    def release(self) -> None:
        """Give up the timers' locks."""
        for listener in self.timers:
            listener.release()


@dataclass(frozen=True, slots=True)
class Instance:
    """What distinguishes this run of the host. Seconds."""

    invisibility: int
    lease_id: str
    lease_period: int
    restarted: bool


def assemble(
    *,
    functions: Sequence[HostedFunction],
    options: HostOptions,
    settings: Mapping[str, str],
    instance: Instance,
    invoker: Invoker,
    stopping: threading.Event,
) -> Listeners:
    """Make the listeners of all functions; StartRefusedError lists the connections that are missing."""
    problems: list[str] = []
    renewals = Renewals(instance.invisibility)
    shared = Shared(invoker, renewals, options.queues, instance.invisibility, stopping)
    timers, queues = [], []
    for function in functions:
        try:
            if isinstance(function.trigger, TimerTrigger):
                timers.append(TimerListener(function, function.trigger, invoker, _place(settings, instance, stopping)))
            else:
                queues.append(_queue_listener(function, function.trigger, settings, shared))
        except ValueError as error:  # ours for a missing connection, the SDK's for a malformed one
            problems.append(f"{function.name}: {error}")
    if problems:
        raise StartRefusedError(problems)
    return Listeners(timers, queues, renewals)


def _place(settings: Mapping[str, str], instance: Instance, stopping: threading.Event) -> TimerPlace:
    connection = find_connection(DEFAULT_CONNECTION, "blob", settings)
    return TimerPlace(
        service=blob_service(connection, _LOCK_PATIENCE),
        host_id=settings.get("AzureFunctionsWebHost__hostid") or _DEFAULT_HOST_ID,
        lease_id=instance.lease_id,
        lease_period=instance.lease_period,
        ask_again=_ASK_FOR_LOCK,
        stopping=stopping,
        restarted=instance.restarted,
    )


def _queue_listener(
    function: HostedFunction,
    trigger: QueueTrigger,
    settings: Mapping[str, str],
    shared: Shared,
) -> QueueListener:
    connection = find_connection(trigger.connection, "queue", settings)
    return QueueListener(function, trigger, queue_service(connection, _PATIENCE), shared)
