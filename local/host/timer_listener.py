"""Running one timer: hold its lock, wait for its time, call it, reckon the next time.

One thread does all of it in turn, which is why a timer cannot overlap itself on one host; the lock sees to the others.
"""

import json
import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from local.host.bindings import HostedFunction, TimerTrigger
from local.host.context import timer_request
from local.host.invocation import Invoker
from local.host.schedule import (
    Status,
    after_call,
    begin,
    is_monitored,
    seconds_until,
    status_from_json,
    status_to_json,
)
from local.host.singleton import HOSTS_CONTAINER, Singleton

_log: Final = logging.getLogger("local.host")
_SLICE: Final = 0.5


@dataclass(frozen=True, slots=True)
class TimerPlace:
    """Where the timers of a host keep their locks and statuses, and how patiently they ask for a lock. Seconds."""

    service: BlobServiceClient
    host_id: str
    lease_id: str
    lease_period: int
    ask_again: float
    stopping: threading.Event
    restarted: bool


class TimerListener:
    """Runs one timer in a thread of its own, with a second one to renew its lock."""

    def __init__(self, function: HostedFunction, trigger: TimerTrigger, invoker: Invoker, place: TimerPlace) -> None:
        """Prepare the listener; it begins with its thread."""
        self._function = function
        self._trigger = trigger
        self._invoker = invoker
        self._place = place
        self._name = f"Host.Functions.{function.name}"
        lock = f"locks/{place.host_id}/{self._name}.Listener"
        self._singleton = Singleton(place.service, lock, place.lease_id, place.lease_period)
        self._started_once = place.restarted
        self.thread: Final = threading.Thread(target=self._listen, name=f"timer-{function.name}", daemon=True)

    def release(self) -> None:
        """Let another host have the timer."""
        self._singleton.release()

    def _listen(self) -> None:
        trouble = False
        while not self._place.stopping.is_set():
            try:
                held = self._singleton.acquire()
                status = self._read_status() if held else None
                trouble = False
            except AzureError as error:
                held, status = False, None
                if not trouble:
                    _log.warning("Functions.%s: its lock cannot be had: %s", self._function.name, error)
                trouble = True
            if held:
                self._run_while_held(status)
            self._place.stopping.wait(self._place.ask_again)

    def _run_while_held(self, stored: Status | None) -> None:
        """Keep the schedule until the host stops (the lock is then kept until its release) or the lock is lost."""
        over = threading.Event()
        keeper = threading.Thread(target=self._singleton.keep, args=(over.wait,), daemon=True)
        keeper.start()
        try:
            self._keep_schedule(stored)
        finally:
            if not self._place.stopping.is_set():
                _log.warning("Functions.%s: its lock was lost; another host may run it", self._function.name)
                over.set()

    def _keep_schedule(self, stored: Status | None) -> None:
        now = datetime.now(UTC)
        schedule = self._trigger.schedule
        monitored = self._trigger.use_monitor and is_monitored(schedule, now)
        start = begin(schedule, stored if monitored else None, now)
        status = start.status
        if monitored and start.changed:
            self._write_status(status)
        at_startup = self._trigger.run_on_startup and not self._started_once
        self._started_once = True
        if start.past_due or at_startup:
            status = self._call(status, monitored=monitored, past_due=start.past_due, scheduled=False)
        while self._wait_until(status.next):
            status = self._call(status, monitored=monitored, past_due=False, scheduled=True)

    def _wait_until(self, moment: datetime | None) -> bool:
        """Wait for the moment; False when the host stops or the lock is lost first.

        In slices, so that a lost lock, a changed clock and a schedule beyond a thread's longest wait are noticed.
        """
        while not self._place.stopping.is_set() and self._singleton.held():
            left = seconds_until(moment, datetime.now(UTC))
            if left is not None and left <= 0:
                return True
            self._place.stopping.wait(_SLICE if left is None else min(left, _SLICE))
        return False

    def _call(self, status: Status, *, monitored: bool, past_due: bool, scheduled: bool) -> Status:
        """Call the function, wait for its end, and give the new status, stored if the timer is monitored."""
        began = datetime.now(UTC)
        request = timer_request(json.loads(status_to_json(status)) if monitored else None, past_due=past_due)
        reached = [status]

        def on_end(_succeeded: bool) -> None:  # noqa: FBT001  (the invoker calls it by position)
            reached[0] = after_call(self._trigger.schedule, status, began, scheduled=scheduled)
            if monitored:
                self._write_status(reached[0])

        reason = "Timer is past due." if past_due else "Timer fired."
        self._invoker.start(self._function, request, reason, on_end).finished.wait()
        return reached[0]

    def _status_blob_name(self) -> str:
        return f"timers/{self._place.host_id}/{self._name}/status"

    def _read_status(self) -> Status | None:
        blob = self._place.service.get_blob_client(HOSTS_CONTAINER, self._status_blob_name())
        try:
            return status_from_json(blob.download_blob(encoding="utf-8").readall())
        except ResourceNotFoundError:
            return None

    def _write_status(self, status: Status) -> None:
        """Store the status, best effort as on the real host: a lost status costs at most one late call."""
        blob = self._place.service.get_blob_client(HOSTS_CONTAINER, self._status_blob_name())
        try:
            blob.upload_blob(status_to_json(status).encode(), overwrite=True)
        except AzureError as error:
            _log.warning("Functions.%s: its status could not be stored: %s", self._function.name, error)


def wait_for_threads(threads: list[threading.Thread], deadline: float) -> None:
    """Join each thread until the deadline (monotonic clock)."""
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
