"""`Pages` in one container of Azure Blob storage.

A page is put whole, so that a repeated put does no harm and the SDK may retry it. What is no page of ours to be shown
is marked as an attachment: a browser that opens it from storage saves it instead of running it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.storage.blob import ContentSettings

from shared.errors import NotFound
from shared.storage import limits
from shared.storage.blobs import ANSWER_SECONDS, CONNECT_SECONDS, is_container_missing
from shared.storage.failures import translated

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

SHOWN = "text/html"


class BlobPages:
    """`Pages` in the container of `client`."""

    def __init__(self, client: ContainerClient) -> None:
        """Use the container of `client`, which retries."""
        self._client = client

    def put(self, name: str, data: bytes, *, media_type: str) -> None:
        limits.check_document(name)
        limits.check_media_type(media_type)
        shown = media_type.partition(";")[0] == SHOWN
        content = ContentSettings(
            content_type=media_type, content_disposition="inline" if shown else "attachment", cache_control="no-cache"
        )
        with translated(f"putting {self._client.container_name}/{name}"):
            self._client.upload_blob(
                name,
                data,
                overwrite=True,
                content_settings=content,
                connection_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retry_total=1,
            )

    def read(self, name: str) -> bytes | None:
        limits.check_document(name)
        try:
            with translated(f"reading {self._client.container_name}/{name}"):
                return self._client.download_blob(name).readall()
        except NotFound as error:
            if is_container_missing(error):
                raise
            return None
