"""Listening to one queue: take a batch, run it, take the next once few enough are running.

Follows QueueListener.cs of the WebJobs SDK: at most batchSize + newBatchThreshold messages at a time, random
exponential waits while the queue is empty, missing or out of reach, and a missing queue is left missing.
"""

import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import Final

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueMessage as StoredMessage
from azure.storage.queue import QueueServiceClient

from local.host.backoff import Backoff, messages_to_take
from local.host.bindings import HostedFunction, QueueTrigger
from local.host.context import queue_message
from local.host.invocation import Invoker
from local.host.messages import Delivery, Renewals, decode_body, poison_queue_name
from local.host.options import QueueOptions

_log: Final = logging.getLogger("local.host")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all listeners of a host share; `invisibility` in seconds."""

    invoker: Invoker
    renewals: Renewals
    options: QueueOptions
    invisibility: int
    stopping: threading.Event


class QueueListener:
    """Polls one queue in a thread of its own."""

    def __init__(
        self,
        function: HostedFunction,
        trigger: QueueTrigger,
        service: QueueServiceClient,
        shared: Shared,
    ) -> None:
        """Prepare the listener; it begins with its thread."""
        self._function = function
        self._shared = shared
        self._name = trigger.queue
        self._queue = service.get_queue_client(trigger.queue)
        poison = poison_queue_name(trigger.queue)
        self._poison = service.get_queue_client(poison) if poison else None
        self._in_flight = 0
        self._fewer = threading.Condition()
        self._draw = random.SystemRandom().random
        self._trouble: str | None = None
        self.thread: Final = threading.Thread(target=self._listen, name=f"queue-{trigger.queue}", daemon=True)

    def _listen(self) -> None:
        backoff = Backoff(self._shared.options.max_polling_interval)
        while not self._shared.stopping.is_set():
            options = self._shared.options
            wanted = messages_to_take(self._running(), options.batch_size, options.new_batch_threshold)
            if not wanted:
                self._wait_for_fewer()
                continue
            messages = self._take(wanted)
            if messages:
                backoff = backoff.after_work()
                for message in messages:
                    self._deliver(message)
                continue
            self._shared.stopping.wait(backoff.delay)
            backoff = backoff.after_nothing(self._draw())

    def _running(self) -> int:
        with self._fewer:
            return self._in_flight

    def _wait_for_fewer(self) -> None:
        with self._fewer:
            if self._in_flight > self._shared.options.new_batch_threshold:
                self._fewer.wait(0.5)

    def _take(self, wanted: int) -> list[StoredMessage]:
        """Take up to `wanted` messages in one request; trouble is told once and counts as an empty queue."""
        pages = self._queue.receive_messages(
            messages_per_page=wanted,
            visibility_timeout=self._shared.invisibility,
        ).by_page()
        try:
            messages = list(next(pages, ()))
        except ResourceNotFoundError:
            self._tell("does not exist; this host does not create it")
            return []
        except AzureError as error:
            self._tell(f"cannot be read: {error}")
            return []
        self._tell(None)
        return messages

    def _tell(self, trouble: str | None) -> None:
        """Log a change for the worse or the better, not every poll."""
        if trouble and not self._trouble:
            _log.warning("Functions.%s: queue %s %s", self._function.name, self._name, trouble)
        elif self._trouble and not trouble:
            _log.info("Functions.%s: queue %s can be read", self._function.name, self._name)
        self._trouble = trouble

    def _deliver(self, message: StoredMessage) -> None:
        """Start the function for one message; what cannot be decoded, or came too often already, goes to poison."""
        shared = self._shared
        delivery = Delivery(message, self._queue, self._poison, shared.invisibility)
        try:
            body = decode_body(str(message.content), encoded=shared.options.encoded)
            if self._poison is not None and (message.dequeue_count or 0) > shared.options.max_dequeue_count:
                reason = f"it was taken {message.dequeue_count} times"
                raise ValueError(reason)  # noqa: TRY301  (one way to the poison queue)
        except ValueError as error:
            self._reject(delivery, str(error))
            return
        argument = queue_message(
            message_id=message.id,
            body=body,
            dequeue_count=message.dequeue_count or 1,
            pop_receipt=message.pop_receipt or "",
            inserted_on=message.inserted_on,
            expires_on=message.expires_on,
            next_visible_on=message.next_visible_on,
        )
        with self._fewer:
            self._in_flight += 1
        shared.renewals.add(delivery, time.monotonic())
        reason = f"New queue message detected on '{self._name}'."
        shared.invoker.start(self._function, argument, reason, lambda ok: self._conclude(delivery, succeeded=ok))

    def _reject(self, delivery: Delivery, reason: str) -> None:
        _log.warning("Functions.%s: message %s: %s", self._function.name, delivery.message.id, reason)
        try:
            delivery.poison()
        except AzureError as error:
            _log.warning("message %s could not be moved to poison: %s", delivery.message.id, error)

    def _conclude(self, delivery: Delivery, *, succeeded: bool) -> None:
        options = self._shared.options
        try:
            if succeeded:
                delivery.complete()
            else:
                delivery.fail(options.max_dequeue_count, options.retry_delay)
        finally:
            self._shared.renewals.remove(delivery)
            with self._fewer:
                self._in_flight -= 1
                self._fewer.notify_all()
