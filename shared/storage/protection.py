"""`Protections` in one container of Azure Blob storage, read from the properties of the blobs themselves.

The app has no right to look at the account's policy, and need not: what counts is what a blob got when it was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.storage import limits
from shared.storage.blobs import properties
from shared.storage.interface import Protection

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient


class BlobProtections:
    """`Protections` in the container of `client`."""

    def __init__(self, client: ContainerClient) -> None:
        """Use the container of `client`, which retries reads."""
        self._client = client

    def of(self, name: str) -> Protection | None:
        """See `Protections.of`."""
        limits.check_object(name)
        standing = properties(self._client, name)
        return None if standing is None else protection_of(standing)


def protection_of(standing: BlobProperties) -> Protection:
    """What a blob's properties say of its protection (`x-ms-immutability-policy-*`, `x-ms-legal-hold`)."""
    policy = standing.immutability_policy
    until, mode = getattr(policy, "expiry_time", None), getattr(policy, "policy_mode", None)
    return Protection(until, str(mode or "").lower() == "locked", bool(standing.has_legal_hold))
