"""How a binding's `connection` becomes a client: a connection string, or a service address with an identity.

The names are looked up as the real host does: `AzureWebJobs<name>` before `<name>`, a string before the members
`<name>__accountName`, `__blobServiceUri`, `__queueServiceUri`, `__credential`, `__clientId`. Source: Microsoft Learn,
"Develop Azure Functions, connections". Looking up is pure; the clients are made at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

Service = Literal["blob", "queue"]

_DEVELOPMENT: Final = "usedevelopmentstorage=true"
_DEVELOPMENT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
# The shorthand written out, since the Python SDK does not know it: the emulator's published account and default ports.
_EMULATOR: Final = (
    f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={_DEVELOPMENT_KEY};"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
_PREFIX: Final = "AzureWebJobs"


@dataclass(frozen=True, slots=True)
class ByString:
    """A connection string, with whatever secret it holds."""

    text: str


@dataclass(frozen=True, slots=True)
class ByIdentity:
    """A service address and the identity to use: a managed one, or whichever the machine offers."""

    url: str
    managed: bool
    client_id: str | None


Connection = ByString | ByIdentity


def find_connection(name: str, service: Service, settings: Mapping[str, str]) -> Connection:
    """Look a connection up in the settings; ValueError says which settings were looked for."""
    candidates = [name] if name.startswith(_PREFIX) else [_PREFIX + name, name]
    for candidate in candidates:
        text = settings.get(candidate)
        if text:
            return ByString(_EMULATOR if text.strip().lower().rstrip(";") == _DEVELOPMENT else text)
        url = _address(candidate, service, settings)
        if url:
            managed = settings.get(f"{candidate}__credential", "").lower() == "managedidentity"
            return ByIdentity(url, managed, settings.get(f"{candidate}__clientId") or None)
    message = f"no connection {name!r}: set {name}, or {name}__accountName, or {name}__{service}ServiceUri"
    raise ValueError(message)


def _address(name: str, service: Service, settings: Mapping[str, str]) -> str | None:
    for member in (f"{service}ServiceUri", "serviceUri"):
        url = settings.get(f"{name}__{member}")
        if url:
            return url
    account = settings.get(f"{name}__accountName")
    return f"https://{account}.{service}.core.windows.net" if account else None


def _credential(connection: ByIdentity) -> TokenCredential:
    # Imported only where an identity is used: azure-identity costs 0.3 s, and most local runs have a string.
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

    if connection.managed:
        return ManagedIdentityCredential(client_id=connection.client_id)
    if connection.client_id:
        return DefaultAzureCredential(managed_identity_client_id=connection.client_id)
    return DefaultAzureCredential()


def blob_service(connection: Connection, patience: Mapping[str, Any]) -> BlobServiceClient:
    """Make the client of a blob service; `patience` is the SDK's time-outs and retries."""
    if isinstance(connection, ByString):
        return BlobServiceClient.from_connection_string(connection.text, **patience)
    return BlobServiceClient(connection.url, credential=_credential(connection), **patience)


def queue_service(connection: Connection, patience: Mapping[str, Any]) -> QueueServiceClient:
    """Make the client of a queue service; `patience` is the SDK's time-outs and retries."""
    if isinstance(connection, ByString):
        return QueueServiceClient.from_connection_string(connection.text, **patience)
    return QueueServiceClient(connection.url, credential=_credential(connection), **patience)
