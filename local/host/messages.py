"""One queue message from the moment it is taken until it is deleted, released or poisoned.

Follows QueueProcessor.cs of the WebJobs SDK. Whoever holds the newest pop receipt owns the message: each renewal gives
a new one, so renewing and concluding take turns.
"""

import base64
import binascii
import logging
import threading
from contextlib import suppress
from typing import Final

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient
from azure.storage.queue import QueueMessage as StoredMessage

_log: Final = logging.getLogger("local.host")
_POISON: Final = "-poison"
_LONGEST_QUEUE_NAME: Final = 63
_GONE: Final = (400, 404)  # a stale pop receipt, or no such message: somebody else has it, or it is done


def poison_queue_name(queue: str) -> str | None:
    """Name the queue for what failed too often; a poison queue has none itself, nor has one with too long a name."""
    name = queue + _POISON
    return None if queue.endswith(_POISON) or len(name) > _LONGEST_QUEUE_NAME else name


def decode_body(text: str, *, encoded: bool) -> bytes:
    """Give the body a function sees; ValueError when the text is not the base64 that host.json promises."""
    if not encoded:
        return text.encode("utf-8")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        message = "the message is not base64 (host.json: messageEncoding)"
        raise ValueError(message) from None


class Delivery:
    """A message that this host has taken and not yet concluded."""

    def __init__(
        self, message: StoredMessage, queue: QueueClient, poison: QueueClient | None, invisibility: int
    ) -> None:
        """Keep the message with its queue and its poison queue; `invisibility` in seconds."""
        self.message: Final = message
        self._queue = queue
        self._poison = poison
        self._invisibility = invisibility
        self._receipt: str = message.pop_receipt or ""
        self._turn = threading.Lock()
        self._concluded = False

    def renew(self) -> bool:
        """Hide the message for another while; False when there is no more to renew. AzureError: try again soon."""
        with self._turn:
            if self._concluded:
                return False
            try:
                renewed = self._queue.update_message(
                    self.message.id,
                    pop_receipt=self._receipt,
                    visibility_timeout=self._invisibility,
                )
            except HttpResponseError as error:
                if error.status_code not in _GONE:
                    raise
                _log.warning("message %s in %s is no longer ours: %s", self.message.id, self._name, error.reason)
                return False
            self._receipt = renewed.pop_receipt or self._receipt
            return True

    def complete(self) -> None:
        """Delete the message: its function succeeded."""
        with self._turn:
            self._concluded = True
            self._delete()

    def fail(self, max_dequeue_count: int, retry_delay: float) -> None:
        """Let it come again after `retry_delay` seconds; move it to the poison queue when it has come often enough."""
        with self._turn:
            self._concluded = True
            if self._poison is not None and (self.message.dequeue_count or 0) >= max_dequeue_count:
                self._move_to_poison(self._poison)
                return
            try:
                self._queue.update_message(
                    self.message.id,
                    pop_receipt=self._receipt,
                    visibility_timeout=int(retry_delay),
                )
            except HttpResponseError as error:
                if error.status_code not in _GONE:
                    raise

    def poison(self) -> None:
        """Move the message to the poison queue at once; without one it stays hidden and comes again."""
        with self._turn:
            self._concluded = True
            if self._poison is not None:
                self._move_to_poison(self._poison)

    @property
    def _name(self) -> str:
        return str(self._queue.queue_name)

    def _move_to_poison(self, poison: QueueClient) -> None:
        _log.warning("message %s of %s goes to %s", self.message.id, self._name, poison.queue_name)
        try:
            poison.send_message(self.message.content)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):  # another message was quicker
                poison.create_queue()
            poison.send_message(self.message.content)
        self._delete()

    def _delete(self) -> None:
        try:
            self._queue.delete_message(self.message.id, self._receipt)
        except HttpResponseError as error:
            if error.status_code not in _GONE:
                raise
            _log.warning("message %s of %s was taken by another before its end", self.message.id, self._name)


class Renewals:
    """Keeps the messages of all running functions hidden, at half of their invisibility, from one thread."""

    def __init__(self, invisibility: int) -> None:
        """Prepare for messages hidden for `invisibility` seconds."""
        self._half = invisibility / 2
        self._soon = max(0.2, invisibility / 10)
        self._due: dict[Delivery, float] = {}
        self._lock = threading.Lock()

    def add(self, delivery: Delivery, now: float) -> None:
        """Renew this one from now on (monotonic clock)."""
        with self._lock:
            self._due[delivery] = now + self._half

    def remove(self, delivery: Delivery) -> None:
        """Renew it no longer."""
        with self._lock:
            self._due.pop(delivery, None)

    def renew_due(self, now: float) -> None:
        """Renew what is due; a failure is tried again soon, since the half that is left allows for it."""
        with self._lock:
            due = [delivery for delivery, moment in self._due.items() if moment <= now]
        for delivery in due:
            try:
                again = now + self._half if delivery.renew() else None
            except AzureError as error:
                _log.warning("could not keep message %s hidden: %s", delivery.message.id, error)
                again = now + self._soon
            with self._lock:
                if again is None:
                    self._due.pop(delivery, None)
                elif delivery in self._due:
                    self._due[delivery] = again
