"""`Queues` in Azure Queue storage. Texts travel as base64 of UTF-8, which is what the Functions host expects."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from shared.errors import NotFound, Rejected
from shared.storage import limits
from shared.storage.failures import translated
from shared.storage.interface import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure.storage.queue import QueueClient, QueueMessage, QueueServiceClient

_NEVER = -1
_GONE = frozenset({"MessageNotFound", "QueueNotFound", "PopReceiptMismatch"})
"""What the storage says of a message that was deleted, or received by another since (400 for the last)."""


class StorageQueues:
    """`Queues` of one account.

    The SDK may repeat any of these calls after a lost answer: a message may then be there twice, or be hidden for a
    while though nobody has it. Messages only nudge, so either is fine.
    """

    def __init__(self, service: QueueServiceClient) -> None:
        """Use the queues of this account, which must exist."""
        self._service = service
        self._clients: dict[str, QueueClient] = {}
        self._lock = Lock()

    def send(self, queue: str, text: str, *, delay: float = 0.0) -> None:
        hidden = limits.whole_seconds(delay, least=0)
        sent = limits.encode_message(text)
        try:
            with translated(f"sending to queue {queue}"):
                self._client(queue).send_message(sent, visibility_timeout=hidden, time_to_live=_NEVER)
        except NotFound as error:
            raise NotFound(
                f"there is no queue {queue!r} in the storage account {self._service.account_name}: deploy it",
                status=error.status,
                code=error.code,
                target=error.target,
            ) from error

    def receive(self, queue: str, *, limit: int = 16, hidden_for: float = 60.0) -> Sequence[Message]:
        limits.check_limit(limit)
        hidden = limits.whole_seconds(hidden_for, least=1)
        try:
            with translated(f"receiving from queue {queue}"):
                found = self._client(queue).receive_messages(messages_per_page=limit, visibility_timeout=hidden)
                return [_message(message) for message in next(found.by_page(), ())]
        except NotFound:
            return []

    def delete(self, queue: str, message: Message) -> None:
        try:
            with translated(f"deleting message {message.id} of queue {queue}"):
                self._client(queue).delete_message(message.id, message.receipt)
        except Rejected as error:
            if error.code not in _GONE:
                raise

    def _client(self, queue: str) -> QueueClient:
        with self._lock:
            if queue not in self._clients:
                self._clients[queue] = self._service.get_queue_client(queue)
            return self._clients[queue]


def _message(received: QueueMessage) -> Message:
    return Message(
        id=received.id,
        text=limits.decode_message(received.content),
        receipt=received.pop_receipt or "",
        dequeue_count=received.dequeue_count or 0,
    )
