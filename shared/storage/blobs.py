"""`Documents` in one container of Azure Blob storage: each is one blob, put once with `If-None-Match: *`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared.errors import NotFound
from shared.storage import limits, writing
from shared.storage.failures import translated
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.storage.blob import BlobProperties, ContainerClient

CONNECT_SECONDS = 30.0
"""To connect and, since `http.client` sends under the same limit, to send a body of up to 8 MiB."""

ANSWER_SECONDS = 40.0
"""For the answer to a body or to a long list of blocks: a call has more than twice that left when its time is over."""


class BlobDocuments:
    """`Documents` in the container of `client`."""

    def __init__(self, client: ContainerClient, *, pause: Callable[[float], None] = time.sleep) -> None:
        """Use the container of `client`, which retries reads; `pause` waits between attempts to write."""
        self._client = client
        self._pause = pause

    def create(self, name: str, data: bytes) -> bool:
        limits.check_document(name)
        write_id = writing.new_write_id()

        def attempt() -> bool:
            with translated(f"creating {self._client.container_name}/{name}"):
                self._client.upload_blob(
                    name,
                    data,
                    overwrite=False,
                    metadata={limits.WRITE_ID_KEY: write_id},
                    retry_total=0,
                    connection_timeout=CONNECT_SECONDS,
                    read_timeout=ANSWER_SECONDS,
                )
            return True

        def ours() -> bool | None:
            # Documents are never written over, so a document without our id was never ours.
            standing = properties(self._client, name)
            return None if standing is None else is_written_by(standing, write_id)

        try:
            return writing.write(attempt, ours, self._pause)
        except Conflict:
            if properties(self._client, name) is None:
                raise
            return False

    def read(self, name: str) -> bytes | None:
        limits.check_document(name)
        try:
            with translated(f"reading {self._client.container_name}/{name}"):
                return self._client.download_blob(name).readall()
        except NotFound as error:
            if is_container_missing(error):
                raise
            return None


def properties(client: ContainerClient, name: str) -> BlobProperties | None:
    """Give the properties of a blob, or None where there is none."""
    try:
        with translated(f"looking at {client.container_name}/{name}"):
            return client.get_blob_client(name).get_blob_properties()
    except NotFound as error:
        if is_container_missing(error):
            raise
        return None


def metadata_of(standing: BlobProperties) -> Mapping[str, str]:
    """Give a blob's metadata with lower-case keys, whatever a proxy made of them."""
    return {key.lower(): value for key, value in (standing.metadata or {}).items()}


def is_written_by(standing: BlobProperties, write_id: str) -> bool:
    """Tell whether the write with this id put the blob there."""
    return metadata_of(standing).get(limits.WRITE_ID_KEY) == write_id


def is_container_missing(error: NotFound) -> bool:
    """Tell a missing container, a fault of the deployment, from a missing blob."""
    return error.code == "ContainerNotFound"
