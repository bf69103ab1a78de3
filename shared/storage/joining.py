"""Joining pieces that lie in staging into one object of the archive.

The archive's storage fetches them by itself (Put Block From URL) while we read them once, for the hash of the whole.
Where it cannot (it has no right there, no way, or does not know how), what we read is sent instead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from shared.errors import BulkheadError, Rejected, Transient
from shared.storage.failures import translated
from shared.storage.interface import Conflict, Loan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from threading import Event

    from azure.storage.blob import BlobClient

    from shared.storage.interface import Piece, Staging

PULL_SECONDS = 300.0
"""For the storage to fetch one piece, while we read the others and can end it."""

FIRST_SECONDS = 40.0
"""Likewise for the first one, which is waited for: a call has more than twice that left when its time is over."""

_REPEATED = 1

_UNSEEN = "CannotVerifyCopySource"
"""What a storage answers that has no way to the source, with a 500 or a status of the source's own."""

LENT_FOR = timedelta(hours=1)
_SCOPE = "https://storage.azure.com/.default"


def pull(
    blob: BlobClient, pieces: Mapping[str, Piece], staging: Staging, enough: Event, seconds: float = PULL_SECONDS
) -> bool:
    """Have the storage fetch each piece as the block of its id, within so many seconds or once more in as many, until
    it is `enough`; False where it cannot, or has not fetched all. Raises Transient.
    """
    for block_id, piece in pieces.items():
        if enough.is_set():
            return False
        loan = staging.loan(piece.name)
        try:
            with translated(f"fetching {piece.name} into {blob.container_name}/{blob.blob_name}"):
                blob.stage_block_from_url(
                    block_id,
                    loan.url,
                    source_authorization=loan.authorization or None,
                    read_timeout=seconds,
                    retry_total=_REPEATED,
                )
        except (Rejected, Conflict, Transient) as error:
            if _cannot(error):
                return False
            raise
    return True


def _cannot(error: BulkheadError) -> bool:
    if not isinstance(error, Transient):
        return True
    return error.status == HTTPStatus.NOT_IMPLEMENTED or error.code == _UNSEEN


def lent(blob: BlobClient) -> Loan:
    """Give a way to read a blob: with a signature where we have the account's key, else with a token of ours."""
    credential: Any = blob.credential
    if credential is None:
        return Loan(blob.url)  # the URL has a signature already
    if key := getattr(credential, "account_key", ""):
        signature = generate_blob_sas(
            account_name=str(blob.account_name),
            container_name=blob.container_name,
            blob_name=blob.blob_name,
            account_key=key,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + LENT_FOR,
        )
        return Loan(f"{blob.url}?{signature}")
    return Loan(blob.url, f"Bearer {credential.get_token(_SCOPE).token}")
