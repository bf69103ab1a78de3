"""`Custodian` of one container: legal holds by blob, and links that only read.

A link is signed with a key that Entra gives to whoever is signed in (user delegation), and reads what they may.
Where an account is reached by its key, as on one machine, it is signed with that.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from shared.storage import limits
from shared.storage.failures import translated

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, UserDelegationKey

    from shared.storage.interface import Clock

LONGEST = timedelta(days=7)
"""For how long a key by user delegation can be had."""

_EARLIER = timedelta(minutes=5)
"""So long before now a key begins, for front ends whose clocks are behind."""


class BlobCustodian:
    """`Custodian` of the container of this name."""

    def __init__(self, service: BlobServiceClient, container: str, clock: Clock) -> None:
        """Use `service`, as whoever is signed in, and the storage's `clock`: it is the storage that counts the days."""
        self._service = service
        self._container = container
        self._clock = clock
        self._keys: dict[datetime, UserDelegationKey] = {}

    def hold(self, name: str, *, on: bool, version: str = "") -> None:
        limits.check_object(name)
        with translated(f"{'holding' if on else 'letting go'} {self._container}/{name}"):
            self._service.get_blob_client(self._container, name).set_legal_hold(on, version_id=version or None)

    def until(self, lent: timedelta) -> datetime:
        now = self._clock.now()
        return min(now + lent, now - _EARLIER + LONGEST)

    def link(self, name: str, until: datetime) -> str:
        limits.check_object(name)
        until = min(until, self._clock.now() - _EARLIER + LONGEST)
        blob = self._service.get_blob_client(self._container, name)
        signed: dict[str, Any] = {
            "account_name": str(blob.account_name),
            "container_name": self._container,
            "blob_name": name,
            "permission": BlobSasPermissions(read=True),
            "expiry": until,
            "protocol": "https" if blob.url.startswith("https:") else None,
        }
        key = getattr(self._service.credential, "account_key", "")
        with translated(f"lending {self._container}/{name}"):
            by = {"account_key": key} if key else {"user_delegation_key": self._key(until)}
            return f"{blob.url}?{generate_blob_sas(**signed, **by)}"

    def _key(self, until: datetime) -> UserDelegationKey:
        if until not in self._keys:
            self._keys[until] = self._service.get_user_delegation_key(self._clock.now() - _EARLIER, until)
        return self._keys[until]
