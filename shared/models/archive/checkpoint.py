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

WORTH = {
    VAULT: "checkpoint.json is signed with a key in Key Vault: compare the key named there with the vault's own.",
    LOCAL: (
        "checkpoint.json is signed with a local key, which lies in the app's own storage: it holds against whoever"
        " could change this account and not read that one, and against nobody else."
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
