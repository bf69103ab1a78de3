"""How a storage account is reached, from the settings that the Functions host itself understands.

The SDKs are imported where they are first needed: a start that only looks at the settings does not pay for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.storage.clock import StorageClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpRequest, HttpResponse, HttpTransport
    from azure.data.tables import TableClient
    from azure.storage.blob import BlobServiceClient
    from azure.storage.queue import QueueServiceClient

    from shared.storage.blobs import BlobDocuments
    from shared.storage.custodian import BlobCustodian
    from shared.storage.evidence import BlobEvidence
    from shared.storage.pages import BlobPages
    from shared.storage.protection import BlobProtections
    from shared.storage.queues import StorageQueues
    from shared.storage.tables import TableRows

SERVICES = ("blob", "queue", "table")

CONNECT_SECONDS = 5.0
READ_SECONDS = 6.0
RETRIES = 2
"""Of reads, a second or two apart: about 20 s in all at the worst. Who writes says otherwise (`writing`)."""

TAKEN_AT_ONCE = 1024 * 1024
"""Bytes that the SDK takes off an answer at once. (Its own 4 KiB cost four times the processor time of the rest.)"""

_PUBLIC = "core.windows.net"
_SUFFIXES = dict.fromkeys(("gcchigh", "dod"), "core.usgovcloudapi.net")
"""Where accounts are in the clouds of governments: an identity of one cloud has no tokens for another."""

# Known to everybody: learn.microsoft.com "Use the Azurite emulator", well-known storage account and key.
_DEVELOPMENT = "usedevelopmentstorage=true"
_AZURITE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)


@dataclass(frozen=True, slots=True)
class Location:
    """Where an account is: a connection string, or else the URL of each service and an identity.

    `client_id` names a user-assigned identity; None means the app's own.
    """

    setting: str
    connection_string: str = field(default="", repr=False)
    urls: Mapping[str, str] = field(default_factory=dict)
    client_id: str | None = None


def locate(setting: str, settings: Mapping[str, str]) -> Location:
    """Read where the account of `setting` is.

    A connection string goes before the settings of an identity, as in the Functions host. Raises SettingsError.
    """
    if written := settings.get(setting, "").strip():
        string = _AZURITE if written.rstrip(";").lower() == _DEVELOPMENT else written
        if problem := _problem_of(string):
            raise SettingsError([f"{setting}: {problem}"])
        return Location(setting, connection_string=string)
    client_id = settings.get(f"{setting}__clientId") or settings.get("AZURE_CLIENT_ID") or None
    urls = _urls(setting, settings)
    if not urls:
        raise SettingsError([f"{setting}: missing; give a connection string, {setting}__accountName or service URIs"])
    if insecure := [service for service, url in urls.items() if not _safe(url)]:
        raise SettingsError([f"{setting}__{service}ServiceUri: an identity needs https" for service in insecure])
    return Location(setting, urls=urls, client_id=client_id)


def _urls(setting: str, settings: Mapping[str, str]) -> dict[str, str]:
    account = settings.get(f"{setting}__accountName", "").strip()
    suffix = _SUFFIXES.get(settings.get("DEFENDER_CLOUD", ""), _PUBLIC)
    derived = {service: f"https://{account}.{service}.{suffix}" for service in SERVICES if account}
    given = {service: settings.get(f"{setting}__{service}ServiceUri", "").strip().rstrip("/") for service in SERVICES}
    return derived | {service: url for service, url in given.items() if url}


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and bool(parts.hostname)


def _problem_of(connection_string: str) -> str:
    """Say what is missing; never quotes the string, which holds a secret."""
    parts = dict(part.split("=", 1) for part in connection_string.split(";") if "=" in part)
    names = {name.strip().lower() for name in parts}
    if "accountname" in names and "accountkey" in names:
        return ""
    if "sharedaccesssignature" in names and ("accountname" in names or "blobendpoint" in names):
        return ""
    return "not a connection string; it needs AccountName and AccountKey, or endpoints and SharedAccessSignature"


def managed_identity(client_id: str | None) -> TokenCredential:
    """Give the credential of the app's identity: its own, or the user-assigned one with this client id."""
    from azure.identity import ManagedIdentityCredential  # noqa: PLC0415 -- slow, and needed with identities only

    return ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()


class Connection:
    """The services of one account, opened when first used, and the account's clock, which hears all their answers."""

    def __init__(
        self,
        location: Location,
        *,
        credential: Callable[[str | None], TokenCredential] = managed_identity,
        transport: HttpTransport[HttpRequest, HttpResponse] | None = None,
    ) -> None:
        """Reach the account at `location`, through `transport` where given, with the `credential` for its identity."""
        self.location = location
        self.clock = StorageClock(self._ask)
        self._make_credential = credential
        self._given_transport = transport

    def rows(self, table: str) -> TableRows:
        """Give the rows of a table."""
        from shared.storage.tables import TableRows  # noqa: PLC0415 -- see the module

        return TableRows(self.table(table))

    def documents(self, container: str) -> BlobDocuments:
        """Give the documents of a container."""
        from shared.storage.blobs import BlobDocuments  # noqa: PLC0415 -- see the module

        return BlobDocuments(self.blobs.get_container_client(container))

    def pages(self, container: str) -> BlobPages:
        """Give the pages of a container."""
        from shared.storage.pages import BlobPages  # noqa: PLC0415 -- see the module

        return BlobPages(self.blobs.get_container_client(container))

    def evidence(self, container: str, mac: Callable[[Mapping[str, Any]], str] | None = None) -> BlobEvidence:
        """Give the archive of a container, whose commits carry the code that `mac` makes of them."""
        from shared.storage.evidence import BlobEvidence  # noqa: PLC0415 -- see the module

        return BlobEvidence(self.blobs.get_container_client(container), mac=mac)

    def custodian(self, container: str) -> BlobCustodian:
        """Give the custodian of a container."""
        from shared.storage.custodian import BlobCustodian  # noqa: PLC0415 - see the module

        return BlobCustodian(self.blobs, container, self.clock)

    def protections(self, container: str) -> BlobProtections:
        """Give what protects the objects of a container."""
        from shared.storage.protection import BlobProtections  # noqa: PLC0415 -- see the module

        return BlobProtections(self.blobs.get_container_client(container))

    def queues(self) -> StorageQueues:
        """Give the queues of the account."""
        from shared.storage.queues import StorageQueues  # noqa: PLC0415 -- see the module

        return StorageQueues(self.queue_service)

    def table(self, name: str) -> TableClient:
        """Give the client of a table. One made by the service's client would not sleep through our transport."""
        from azure.data.tables import TableClient  # noqa: PLC0415 -- see the module

        options: dict[str, Any] = {"transport": self._transport, "retry_total": RETRIES, "retry_backoff_factor": 0.5}
        if self.location.connection_string:
            return TableClient.from_connection_string(self.location.connection_string, name, **options)
        return TableClient(self._url("table"), name, credential=self._credential, **options)

    @cached_property
    def blobs(self) -> BlobServiceClient:
        """The client of the blob service."""
        from azure.storage.blob import BlobServiceClient  # noqa: PLC0415 -- see the module

        from shared.storage.reading import AT_ONCE  # noqa: PLC0415 -- see the module

        options = self._storage_options() | {
            "max_single_get_size": AT_ONCE,
            "max_chunk_get_size": AT_ONCE,
        }
        if self.location.connection_string:
            return BlobServiceClient.from_connection_string(self.location.connection_string, **options)
        return BlobServiceClient(self._url("blob"), credential=self._credential, **options)

    @cached_property
    def queue_service(self) -> QueueServiceClient:
        """The client of the queue service."""
        from azure.storage.queue import QueueServiceClient  # noqa: PLC0415 -- see the module

        if self.location.connection_string:
            string = self.location.connection_string
            return QueueServiceClient.from_connection_string(string, **self._storage_options())
        return QueueServiceClient(self._url("queue"), credential=self._credential, **self._storage_options())

    def close(self) -> None:
        """Close the connections; nothing can be done through it afterwards."""
        self._transport.close()

    def _storage_options(self) -> dict[str, Any]:
        return {
            "transport": self._transport,
            "retry_total": RETRIES,
            "initial_backoff": 0,
            "increment_base": 1,
            "random_jitter_range": 1,
        }

    @cached_property
    def _transport(self) -> HttpTransport[HttpRequest, HttpResponse]:
        from azure.core.pipeline.transport import RequestsTransport  # noqa: PLC0415 -- see the module

        from shared.storage.transport import ListeningTransport  # noqa: PLC0415 -- see the module

        wire = self._given_transport or RequestsTransport(
            connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, connection_data_block_size=TAKEN_AT_ONCE
        )
        return ListeningTransport(wire, self.clock.heard)

    @cached_property
    def _credential(self) -> TokenCredential:
        from shared.storage.failures import Identity  # noqa: PLC0415 -- see the module

        return Identity(self._make_credential(self.location.client_id))

    def _url(self, service: str) -> str:
        if url := self.location.urls.get(service):
            return url
        raise SettingsError([f"{self.location.setting}__{service}ServiceUri: missing"])

    def _ask(self) -> None:
        """Ask for a blob that nobody has: the answer is one header, and it has a Date."""
        from shared.storage.blobs import properties  # noqa: PLC0415 -- see the module

        properties(self.blobs.get_container_client("clock"), "clock")
