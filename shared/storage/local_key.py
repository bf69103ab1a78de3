"""A `Signer` whose key the app made itself and keeps in its own table.

What that is worth is said with every seal: it holds against whoever could change the archive and not read the app's
storage. An account of its own for the evidence makes that difference; a key in Key Vault makes a larger one.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

from shared.errors import Transient
from shared.models.archive.checkpoint import LOCAL, PublicKey, base64url
from shared.storage.once import made_once

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from shared.storage.interface import Rows

PARTITION, KEY = "custody", "local-key"
BITS = 3072
_EXPONENT = 65537


class LocalSigner:
    """`Signer` with the key in `rows`; the first who needs one makes it."""

    def __init__(self, rows: Rows) -> None:
        """Keep the key in `rows`."""
        self._rows = rows

    @cached_property
    def key(self) -> PublicKey:
        """See `Signer.key`: known by the hash of its modulus."""
        numbers = self._private.public_key().public_numbers()
        n = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        e = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")
        return PublicKey(LOCAL, f"sha256:{hashlib.sha256(n).hexdigest()}", base64url(n), base64url(e))

    def sign(self, digest: bytes) -> bytes:
        """See `Signer.sign`."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - slow, and needed when a run is sealed only
        from cryptography.hazmat.primitives.asymmetric import padding, utils  # noqa: PLC0415 - likewise

        return self._private.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))

    def known(self, key: PublicKey) -> bool:
        """See `Signer.known`: there is one, and it is never rotated."""
        return key == self.key

    @cached_property
    def _private(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - see sign
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - see sign

        text = made_once(self._rows, PARTITION, KEY, _made)
        key = load_pem_private_key(text.encode("ascii"), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise Transient("the local key in the ledger's table is no RSA key")
        return key


def _made() -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see sign
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key  # noqa: PLC0415 - see sign

    made = generate_private_key(_EXPONENT, BITS).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.decode("ascii")
