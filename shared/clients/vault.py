"""A `Signer` with an RSA key in Key Vault, which never leaves it: the app may sign, and nothing else."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, HttpResponseError
from azure.keyvault.keys import KeyClient, KeyVaultKeyIdentifier
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm

from shared.errors import Denied, NotFound, Rejected, Throttled, Transient
from shared.models.archive.checkpoint import VAULT, PublicKey, base64url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import HttpTransport
    from azure.keyvault.keys import KeyVaultKey

from contextlib import contextmanager

_ADVICE = "give the app's identity Get and Sign on the key that CUSTODY_KEY names"


class VaultSigner:
    """`Signer` with the key at `url`: `https://VAULT.vault.azure.net/keys/NAME`, with a version or the newest."""

    def __init__(
        self, url: str, credential: TokenCredential, *, transport: HttpTransport[Any, Any] | None = None
    ) -> None:
        """Sign in with `credential`; a `transport` other than the SDK's own may be given."""
        self._url = url
        self._credential = credential
        self._seen: KeyVaultKey | None = None
        self._options: dict[str, Any] = {"transport": transport} if transport else {}

    @property
    def key(self) -> PublicKey:
        """See `Signer.key`: known by its URL with the version. Asked anew each time, for keys are rotated."""
        self._seen = self._get(self._named.version)
        return self._public(self._seen)

    def sign(self, digest: bytes) -> bytes:
        """See `Signer.sign`: with the version that `key` told last."""
        with _translated("signing"):
            key = self._seen or self._get(self._named.version)
            return (
                CryptographyClient(key, self._credential, **self._options)
                .sign(SignatureAlgorithm.rs256, digest)
                .signature
            )

    def known(self, key: PublicKey) -> bool:
        """See `Signer.known`: a version of the same key in the same vault, as the vault itself has it."""
        named = self._named
        try:
            asked = KeyVaultKeyIdentifier(key.key)
        except ValueError:
            return False
        if (asked.vault_url, asked.name) != (named.vault_url, named.name) or not asked.version:
            return False
        try:
            return self._public(self._get(asked.version)) == key
        except Rejected:
            return False

    def _public(self, found: KeyVaultKey) -> PublicKey:
        n, e = (getattr(found.key, name, None) for name in ("n", "e"))  # the SDK's model makes them as it is read
        if n is None or e is None:
            raise Rejected(f"{self._url} is no RSA key", status=400, code="KeyType")
        return PublicKey(VAULT, str(found.id), base64url(n), base64url(e))

    @property
    def _named(self) -> KeyVaultKeyIdentifier:
        try:
            return KeyVaultKeyIdentifier(self._url)
        except ValueError:
            raise Rejected("CUSTODY_KEY is no URL of a key in Key Vault", status=400, code="KeyUrl") from None

    def _get(self, version: str | None) -> KeyVaultKey:
        with _translated("looking at the key"):
            client = KeyClient(self._named.vault_url, self._credential, **self._options)
            return client.get_key(self._named.name, version)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Raise our errors where the SDK raises its own, whose texts may quote headers."""
    try:
        yield
    except HttpResponseError as error:
        raise _answered(error, doing) from error
    except AzureError as error:
        raise Transient(f"{doing}: Key Vault could not be reached ({type(error).__name__})") from error


def _answered(error: HttpResponseError, doing: str) -> Rejected | Transient:
    status = error.status_code or 0
    said = f"{doing}: Key Vault answered {status}"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Denied(f"{said}; {_ADVICE}", status=status)
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(f"{said}; {_ADVICE}", status=status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(said, status=status)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Rejected(said, status=status)
    return Transient(said, status=status)
