"""The `context` parameter and the trigger objects that functions are given, of the SDK's own classes."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import azure.functions as func
from azure.functions.queue import QueueMessage
from azure.functions.timer import TimerRequest

_thread_local: Final = threading.local()


@dataclass(frozen=True, slots=True)
class _Trace:
    """No distributed trace reaches this host."""

    trace_state: str = ""
    trace_parent: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Retry:
    """Retry policies are refused at the start, so there is never a retry within an invocation."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: None = None


@dataclass(frozen=True, slots=True)
class InvocationContext:
    """What a function that declares `context` gets; like the worker's own, it only looks like `func.Context`."""

    invocation_id: str
    function_name: str
    function_directory: str
    thread_local_storage: threading.local = _thread_local
    trace_context: _Trace = _Trace()
    retry_context: _Retry = _Retry()


def timer_request(status: Mapping[str, str] | None, *, past_due: bool) -> func.TimerRequest:
    """Make the request as the worker decodes it; `status` is None when missed occurrences are not remembered."""
    return TimerRequest(
        past_due=past_due,
        schedule_status=dict(status) if status else None,
        schedule={"AdjustForDST": True},
    )


def queue_message(
    *,
    message_id: str,
    body: bytes,
    dequeue_count: int,
    pop_receipt: str,
    inserted_on: datetime | None,
    expires_on: datetime | None,
    next_visible_on: datetime | None,
) -> func.QueueMessage:
    """Make the message as the worker decodes it."""
    return QueueMessage(  # type: ignore[no-untyped-call]  # the SDK types only the parent class
        id=message_id,
        body=body,
        dequeue_count=dequeue_count,
        expiration_time=expires_on,
        insertion_time=inserted_on,
        time_next_visible=next_visible_on,
        pop_receipt=pop_receipt,
    )
