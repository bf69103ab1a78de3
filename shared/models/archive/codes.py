"""Message authentication codes (HMAC-SHA-256, RFC 2104) over what is told, and what of a commit is told. Pure."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from shared.models.archive.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping


def code(secret: bytes, told: Mapping[str, Any]) -> str:
    """The code under a secret of texts, whole numbers, lists and objects of them, in hex."""
    return hmac.new(secret, canonical(told), hashlib.sha256).hexdigest()


def commit(name: str, size: int, sha256: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """What the code of an object is over: where it lies, what it is, and all that is said of it."""
    return {"name": name, "size": size, "sha256": sha256, "metadata": dict(metadata)}
