"""One holder for each timer over all hosts that share the storage: a blob with a lease, as in the real host.

The lease's id is given by the supervising process and stays the same when it replaces its worker, because on the real
host it is the host that holds the lease, not the worker; so a worker restarted after a time-out has its timers at once.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient

_log: Final = logging.getLogger("local.host")
HOSTS_CONTAINER: Final = "azure-webjobs-hosts"
_CONFLICTS: Final = (409, 412)
_TAKEN: Final = (404, 409, 412)
_RETRY: Final = 1.0


class Singleton:
    """A lock that must be renewed; `lost` is set while it is not held."""

    def __init__(self, service: BlobServiceClient, name: str, lease_id: str, period: int) -> None:
        """Prepare the lock named `name`, held for `period` seconds (15 to 60, Azure's bounds) at a time."""
        self._service = service
        self._blob: BlobClient = service.get_blob_client(HOSTS_CONTAINER, name)
        self._lease = BlobLeaseClient(self._blob, lease_id=lease_id)
        self._period = period
        self._held_since = 0.0
        self._turn = threading.Lock()
        self.lost: Final = threading.Event()
        self.lost.set()

    def acquire(self) -> bool:
        """Try to get the lock; False while another host has it. AzureError when storage cannot be asked."""
        with self._turn:
            asked = time.monotonic()
            try:
                self._acquire_or_create()
            except HttpResponseError as error:
                if error.status_code in _CONFLICTS:
                    return False
                raise
            self._held_since = asked
            self.lost.clear()
            return True

    def held(self) -> bool:
        """Say whether this host holds the lock at this moment, as far as it can know."""
        return not self.lost.is_set() and self._in_time()

    def keep(self, stopped: Callable[[float], bool]) -> None:
        """Renew at half of the period until the lock is lost or `stopped` (a wait of so many seconds) says so."""
        wait = self._period / 2
        while not stopped(wait) and not self.lost.is_set():
            wait = self._period / 2 if self._renew() else _RETRY

    def release(self) -> None:
        """Give the lock up, so that another host need not wait for it to run out; best effort."""
        with self._turn:
            if self.lost.is_set():
                return
            self.lost.set()
            try:
                self._lease.release()
            except AzureError as error:
                _log.warning("a timer's lock could not be released: %s", error)

    def _renew(self) -> bool:
        """Renew once; False when it should be tried again soon."""
        with self._turn:
            if self.lost.is_set():
                return False
            asked = time.monotonic()
            try:
                self._lease.renew()
            except AzureError as error:
                if getattr(error, "status_code", None) in _TAKEN or not self._in_time():
                    self.lost.set()
                return False
            self._held_since = asked
            return True

    def _in_time(self) -> bool:
        return time.monotonic() - self._held_since < self._period

    def _acquire_or_create(self) -> None:
        try:
            self._lease.acquire(lease_duration=self._period)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):
                self._service.create_container(HOSTS_CONTAINER)
            with suppress(ResourceExistsError):
                self._blob.upload_blob(b"", overwrite=False)
            self._lease.acquire(lease_duration=self._period)
