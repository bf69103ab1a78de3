"""The end of a run's chain, over everything that stands beside it, and who signed that."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.models.archive.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.models.archive.custody import Event

VAULT = "key-vault"
LOCAL = "local"

FINGERPRINT_OF = (
    "az keyvault key show --id https://VAULT.vault.azure.net/keys/NAME/VERSION -o json |"
    """ python3 -c "import base64, hashlib, json, sys; n = base64.b64decode(json.load(sys.stdin)['key']['n']);"""
    """ print('sha256:' + hashlib.sha256(n).hexdigest())\""""
)
"""A line for a shell that tells the fingerprint of a key in Key Vault: `az` shows a modulus in plain base64."""

WORTH = {
    VAULT: (
        "checkpoint.json is signed with a key in Key Vault. Whoever forges a run signs with a key of their own, and\n"
        "can call it anything: what tells a key is its fingerprint, the SHA-256 of its modulus, which verify.py\n"
        "prints. Compare it with the one in the app's log (the lines bulkhead.custody), or with that of the key in\n"
        f"the vault of whoever collected this:\n\n  {FINGERPRINT_OF}"
    ),
    LOCAL: (
        "checkpoint.json is signed with a local key, which lies in the app's own storage: it holds against whoever\n"
        "could change this account and not read that one, and against nobody else. Compare its fingerprint, which\n"
        "verify.py prints, with the one in the app's log (the lines bulkhead.custody)."
    ),
}
"""What a signature of each kind is worth, for people."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signature it is: an RSA key, `n` and `e` as in a JWK; `key` is where it is known, `kind` what it is."""

    kind: str
    key: str
    n: str
    e: str

    @property
    def fingerprint(self) -> str:
        """What tells this key from any other, whatever it is called: `sha256:` and the hash of its modulus, in hex."""
        n = base64.urlsafe_b64decode(self.n + "=" * (-len(self.n) % 4)).lstrip(b"\0")
        return f"sha256:{hashlib.sha256(n).hexdigest()}"


def checkpoint(folder: str, chain: Sequence[Event], files: Mapping[str, str], key: PublicKey) -> dict[str, Any]:
    """What is signed: the chain's head and length, the hash of every file that is not part of the payload, the key."""
    last = chain[-1]
    return {
        "v": 1,
        "run": folder,
        "sealed": last.at,
        "events": last.seq,
        "head": last.hash,
        "files": dict(files),
        "signer": {"algorithm": "RS256", "kind": key.kind, "key": key.key, "n": key.n, "e": key.e},
    }


def digest_of(made: Mapping[str, Any]) -> bytes:
    """What the signer signs: the SHA-256 of the canonical checkpoint."""
    return hashlib.sha256(canonical(made)).digest()


def checkpoint_json(made: Mapping[str, Any], signature: bytes) -> bytes:
    """The checkpoint as it is stored."""
    return (json.dumps({**made, "signature": base64url(signature)}, indent=2, sort_keys=True) + "\n").encode("ascii")


def base64url(data: bytes) -> str:
    """As JWK and JWS write bytes: base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
