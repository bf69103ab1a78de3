"""A signer with a key, and codes with a secret, that everybody may read: what they make proves nothing, and verifies
like any other.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from shared.models.archive.checkpoint import LOCAL, PublicKey, base64url
from shared.models.archive.codes import code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.fakes.storage import Hook

# A key of 2,048 bits that was made for these tests and is used nowhere else.
N = int(
    "f49dbe2afb553bdb83c8ffb0ef3841f2e18b907a5c8977744a394c9c02f99161a2f486702776a4c33f0bdd1d8a93ea5bbdd1"
    "edb4fd281a7d644894b0a9731883971ab7f2dcafd143d51fcbf8ac764768dd274690d19026b88650e7caa57df67776c85552"
    "8fe6d4582f6e40a63fe20d73a9bdfced5a33061ac413bbbc75abd2098809b52cc3c8426b9eab201bbe53791e40cad4e9f3a3"
    "dfb239eb80105060dd5b00329d39e724a825b38012311222a0fc93ba6d4b651a7e61fdc36a30b1e3459f7337b3a8e40742d6"
    "65d1130483168db93b38ae7dd34d9ca9fa7e7ee1a4c054dd2833aa819bfd7e15326ca26aa06457e07e5ea34cd900ebe9d4ea"
    "407d676a86d5",
    16,
)
E = 65537
_D = int(
    "8987a16d0109ec318067f87a3e1a89d99de848941885a15d072e2d5db9be7477f4953926181f4ddb5db85f2ff0c33661db83"
    "5ffbab7f14b0533b0b7e42870222af48c7b60aa5e9d3682161c8afb8d5c550dc782c36915973d2f0974c5ebc9cb490b01468"
    "959cd8de612c6d0f60f3734f5dac02670aee37b7176ebb7fe5ee1de941e8071001fef4706179eb02876523e0aa1666546658"
    "26008f326a36b29723fcfa47d6388ba8659459c84a84671b6f60c8564dbf8f4b86c472f46540fc2039021e290b0132d73fff"
    "6013ab887dfdbd9a5e669656fec54a348531897f6199220ab6ae19db998c7aafa7bad0335356db624a4c24a5297d8e72e194"
    "53352a96749",
    16,
)
_EVER = datetime.min.replace(tzinfo=UTC)
NAME = f"sha256:{hashlib.sha256(N.to_bytes(256, 'big')).hexdigest()}"
"""As a local key is called: by the hash of its modulus."""


@cache
def _private() -> rsa.RSAPrivateKey:
    p, q = rsa.rsa_recover_prime_factors(N, E, _D)
    rest = (rsa.rsa_crt_dmp1(_D, p), rsa.rsa_crt_dmq1(_D, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, _D, *rest, rsa.RSAPublicNumbers(E, N)).private_key()


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


class FakeSigner:
    """`Signer` with a key that lies open. Hooked call: `signer.sign`."""

    def __init__(self, *, before: Hook | None = None, after: Hook | None = None) -> None:
        """`before` is called ahead of every signature, `after` behind it: what that raises is a lost answer."""
        self.before = before
        self.after = after

    @property
    def key(self) -> PublicKey:
        """See `Signer.key`."""
        return PublicKey(LOCAL, NAME, base64url(_bytes(N)), base64url(_bytes(E)))

    def sign(self, digest: bytes) -> bytes:
        """See `Signer.sign`."""
        if self.before:
            self.before("signer.sign")
        made = _private().sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        if self.after:
            self.after("signer.sign")
        return made

    def known(self, key: PublicKey) -> bool:
        """See `Signer.known`."""
        return key == self.key


class FakeMac:
    """`Mac` with a secret that lies open. It is fetched once by a process, so no call of it is hooked."""

    def __init__(self, since: datetime = _EVER) -> None:
        """There is one `since` then."""
        self.since = since

    def of(self, told: Mapping[str, Any]) -> str:
        """See `Mac.of`."""
        return code(b"open", told)
